"""Other regions' reports of outages and of the quality of services, and their claims for credits."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from gateway.api.region.v1.agreement_pb2 import ServiceOutage
from gateway.api.region.v1.outage_envelopes_pb2 import ConformanceTold, CreditClaim, OutageTold, PartOutageTold
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused, lasting
from gateway.federation.network import NetworkRegistry
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.network.agreements.conformance import SUBJECTS as CONFORMANCE_SUBJECTS
from region_node.network.agreements.conformance import keep_conformance, require_measured
from region_node.network.agreements.outages import SUBJECTS, is_known, keep_outage, require_plausible, require_told
from region_node.network.agreements.part_outages import believed_parts, keep_parts_out
from region_node.network.agreements.regional import owe_credit, subject_of
from region_node.node.context import RegionContext
from region_node.node.payloads import received

T = TypeVar("T")


class OutageEnvelopes:
    """The kinds of envelope for reports on outages of a region's network, and on the quality of its services."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        return {
            EnvelopeKind.ENVELOPE_KIND_SERVICE_OUTAGE: Command(self._told, self._answered, is_repeatable=True),
            EnvelopeKind.ENVELOPE_KIND_PART_OUTAGE: Command(self._parts_told, self._answered, is_repeatable=True),
            EnvelopeKind.ENVELOPE_KIND_SERVICE_CONFORMANCE: Command(self._measured, self._answered, is_repeatable=True),
            EnvelopeKind.ENVELOPE_KIND_CREDIT_CLAIMED: Command(self._claimed, self._claim_answered, is_repeatable=True),
        }

    def _told(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles a report; a region reports on its own network only, and never on a single agreement."""
        outage = received(OutageTold, content.payload).outage
        if outage.region != content.origin or content.subject != f"{SUBJECTS}{outage.source}" or outage.agreement_id:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        self._checked(content, lambda network: _require_outage(tx, network, outage))
        keep_outage(tx, self._context, outage, now)
        failpoints.reach("outage-told.before-commit")
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _parts_told(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles a report on parts; a region reports on its own parts only."""
        outage = received(PartOutageTold, content.payload).outage
        if outage.region != content.origin or content.subject != f"{SUBJECTS}{outage.source}":
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        believed = self._checked(content, lambda network: believed_parts(tx, network, outage))
        keep_parts_out(tx, self._context, believed, now)
        failpoints.reach("outage-told.before-commit")
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _measured(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles a report on quality; only the region of a service reports on it."""
        told = received(ConformanceTold, content.payload).conformance
        if told.region != content.origin or content.subject != f"{CONFORMANCE_SUBJECTS}{told.service}":
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        self._checked(content, lambda network: require_measured(network, told))
        keep_conformance(tx, self._context, told, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _claimed(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles a claim for the credit of an agreement; only its home region claims."""
        claim = received(CreditClaim, content.payload)
        is_theirs = claim.agreement_id.startswith(f"{content.origin}/agreement-") and "#" not in claim.agreement_id
        if not is_theirs or content.subject != subject_of(claim):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        self._context.border.require_known_revision(content)
        owe_credit(tx, self._context, content.origin, claim, now)
        failpoints.reach("credit-owed.before-commit")
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _claim_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """A refused claim stays booked here: the night's comparison names it, and no statement counts it."""
        if receipt.outcome == Outcome.OUTCOME_REFUSED:
            detail = f"{content.destination}: {dict(receipt.reason_parameters).get('problem', '')}"
            actor = f"region/{self._context.region}"
            audit.append(tx, now=now, actor=actor, action="CreditRefused", subject=content.subject, detail=detail)

    def _checked(self, content: EnvelopeContent, check: Callable[[NetworkRegistry], T]) -> T:
        """The result of a check by the registry of the network.

        Raises Refused: a lasting reason in the form of a receipt, a temporary one as the check.
        """
        self._context.border.require_known_revision(content)
        try:
            return check(self._context.federation.network)
        except Refused as refused:
            if lasting(refused).reason == Reason.REASON_NETWORK_NOT_OF_REGION:
                raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED) from None
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="not about the network") from None

    def _answered(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """The other region knows."""


def _require_outage(tx: Transaction, network: NetworkRegistry, outage: ServiceOutage) -> None:
    """Raises Refused for an impossible outage. An earlier report can be withdrawn whatever the registry says by now."""
    if outage.withdrawn and is_known(tx, outage):
        require_told(outage)
    else:
        require_plausible(network, outage)
