"""Envelopes about repeats, and the effects of their receipts."""

from datetime import datetime

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintNoted, ComplaintRepeats
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.care.complaints import remote_repeats, rules
from region_node.care.complaints.index_rows import keep_indexed
from region_node.care.complaints.rows import COMPLAINT, find_complaint
from region_node.customers.known_statuses import OWN, erased_by
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received
from region_node.records.forgetting import forget_later
from region_node.requests.checks import require_length
from region_node.tickets import border


class JoiningEnvelopes:
    """The kinds of envelope that join repeats."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        return {
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_NOTED: Command(self._noted, self._noted_answered),
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_REPEATS: Command(self._repeats, self._repeats_answered),
        }

    def _noted(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles an origin region's report of a complaint about a number of this region."""
        noted = received(ComplaintNoted, content.payload)
        border.require_origin(COMPLAINT, noted.ticket_id, content)
        rules.require_ticket_id(noted.ticket_id)
        require_length("category", noted.category, rules.CODE_LIMIT, required=True)
        border.require_plausible(noted.create_time, now)
        border.require_home(self._context, noted.number)
        if OWN in erased_by(tx, noted.number):
            forget_later(tx, content.subject, now)
            return Answer(Outcome.OUTCOME_ACCEPTED)
        keep_indexed(tx, noted, content.traceparent)
        told = ComplaintRepeats()
        if not noted.withdrawn:
            told = remote_repeats.heard(tx, self._context, noted, content.operator, now)
        failpoints.reach("complaint-noted.before-commit")
        return Answer(Outcome.OUTCOME_ACCEPTED, result=told.SerializeToString())

    def _noted_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """Hands the repeats to the region that answers for the complaint; a refusal changes nothing.

        Where the number has moved, its new home gets the report.
        """
        row = find_complaint(tx, content.subject) if receipt.outcome == Outcome.OUTCOME_MOVED else None
        if row is not None and receipt.moved_to != self._context.region:
            noted = parse(ComplaintNoted, content.payload)
            remote_repeats.note_at_home(tx, self._context, row, noted, receipt.moved_to, now)
        if receipt.outcome != Outcome.OUTCOME_ACCEPTED:
            return
        told = parse(ComplaintRepeats, receipt.result)
        if told.ticket_id == content.subject and told.repeats:
            remote_repeats.join(tx, self._context, told, _step(content), now)
        failpoints.reach("complaint-joined.before-commit")

    def _repeats(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the home region's report on the repeats of a complaint of this origin region."""
        told = received(ComplaintRepeats, content.payload)
        row = find_complaint(tx, told.ticket_id)
        if row is None:
            raise Refused(Reason.REASON_COMPLAINT_NOT_FOUND, complaint=told.ticket_id)
        complaint = row.complaint
        is_ours = complaint.origin_region == self._context.region and not complaint.case_id
        homes = (complaint.home_region, self._context.federation.number_plan.home_of(complaint.request.number))
        if not is_ours or content.origin not in homes or told.ticket_id != content.subject:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        rules.require_ticket_id(told.repeated_ticket_id)
        remote_repeats.join(tx, self._context, told, _step(content), now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _repeats_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """The origin region has it."""


def _step(content: EnvelopeContent) -> str:
    """The source of the repeats: the part of the id between the subject and the destination."""
    return content.id.partition("#")[2].rpartition(">")[0]
