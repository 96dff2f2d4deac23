"""Envelopes about settlement."""

from datetime import datetime

from gateway.api.region.v1.settlement_pb2 import SettlementSignature, SettlementStatement
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from gateway.time.months import is_month
from region_node.business.settlement import rules, signing
from region_node.business.settlement.port import Settlement
from region_node.business.settlement.rows import find_statement, keep_statement
from region_node.node.payloads import parse, received


class SettlementEnvelopes:
    """The kinds of envelope that settlement uses."""

    def __init__(self, settlement: Settlement) -> None:
        self._settlement = settlement

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        return {
            EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_PROPOSED: Command(self._proposed, self._proposal_answered),
            EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_DECIDED: Command(self._decided, self._decision_answered),
        }

    def _proposed(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The first region's signature: it is kept for the staff of this one, who compare it with their own records."""
        told, known = self._told(tx, content)
        terms = told.terms
        is_theirs = terms.first_region == content.origin and told.proposer.startswith(f"{content.origin}/")
        if not is_theirs:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if told.state != signing.PROPOSED or told.decider or told.issue_id or not rules.is_sound(terms):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no proposal of a statement")
        # A proposer that was restored from a backup may replace what it has lost, as long as nothing is signed.
        is_next = known is None or (known.state != signing.SIGNED and terms.version > known.terms.version)
        if not is_next:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it is known")
        keep_statement(tx, content.origin, told)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _decided(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The second region's signature, or its dispute, of exactly what this region has proposed."""
        told, known = self._told(tx, content)
        is_theirs = told.terms.second_region == content.origin and told.decider.startswith(f"{content.origin}/")
        if not is_theirs or told.state not in (signing.SIGNED, signing.DISPUTED):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if known is None or known.state != signing.PROPOSED or known.terms != told.terms:
            raise Refused(Reason.REASON_SETTLEMENT_NOT_FOUND, region=content.origin, month=told.terms.month)
        known.state, known.decider, known.issue_id = told.state, told.decider, told.issue_id
        known.decide_time.CopyFrom(told.decide_time)
        keep_statement(tx, content.origin, known)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _told(
        self, tx: Transaction, content: EnvelopeContent
    ) -> tuple[SettlementStatement, SettlementStatement | None]:
        """A statement of this region and the sender, and how this region has it."""
        told = received(SettlementSignature, content.payload).statement
        terms = told.terms
        is_ours = [terms.first_region, terms.second_region] == sorted((content.origin, self._settlement.node.region))
        is_named = told.id == signing.statement_id(terms) and content.subject == f"{signing.SUBJECTS}{told.id}"
        if not is_ours or not is_named:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if not is_month(terms.month):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no month")
        return told, find_statement(tx, content.origin, terms.month)

    def _proposal_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """A proposal that the other region cannot take counts as disputed: the month can be signed again."""
        terms = parse(SettlementSignature, content.payload).statement.terms
        known = find_statement(tx, content.destination, terms.month)
        if receipt.outcome != Outcome.OUTCOME_REFUSED or known is None or known.state != signing.PROPOSED:
            return
        if known.terms.version == terms.version:
            known.state = signing.DISPUTED
            keep_statement(tx, content.destination, known)

    def _decision_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """The other region knows."""
