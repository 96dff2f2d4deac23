"""Envelopes about complaints, and the effects of their receipts."""

from datetime import datetime

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand, ComplaintFiling, ComplaintUpdate
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds, Refiled, SlowQuery
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.care.complaints import attaching, cases, handling, owner, remote_repeats, rules
from region_node.care.complaints.attachment_contents import KIND, AttachmentApplication
from region_node.care.complaints.keeping import add_complaint
from region_node.care.complaints.rows import COMPLAINT, ComplaintRow, require_complaint
from region_node.care.complaints.rules import owner_of
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received, refusal_of
from region_node.tickets import border


class ComplaintEnvelopes:
    """The kinds of envelope that complaints use."""

    def __init__(self, context: RegionContext, attachments: AttachmentApplication) -> None:
        self._context = context
        self._attachments = attachments

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        known = border.reads_of(COMPLAINT)
        return {
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_FILED: Command(
                self._filed, self._filing_answered, reads=known, answered_reads=known, refile=self._refile
            ),
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_COMMAND: Command(
                self._commanded,
                self._command_answered,
                reads=known,
                answered_reads=known,
                act_again=border.executed_again(COMPLAINT, self._context.region, self._commanded, self._tell_origin),
                refused_again=border.refused_again(COMPLAINT),
                refile=border.refile_of(COMPLAINT),
            ),
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_UPDATE: Command(self._updated, self._update_answered, reads=known),
            KIND: SlowQuery(self._attachments.answer),
        }

    def _filed(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """An origin region hands in a complaint for which this region is responsible."""
        complaint = received(ComplaintFiling, content.payload).complaint
        border.require_filing(COMPLAINT, complaint, content, now, is_untouched=not complaint.HasField("resolution"))
        rules.require_possible(complaint, now)
        if complaint.case_id:
            _require_item(self._context, complaint)
        else:
            self._require_responsible(complaint)
        border.require_unknown(COMPLAINT, tx, complaint)
        rules.require_room(complaint, 0)
        owner.take_up(tx, self._context, complaint, now)
        row = ComplaintRow(complaint, content.traceparent)
        add_complaint(tx, row, 0, now)
        remote_repeats.spread(tx, self._context, row, now)
        return border.accepted(complaint)

    def _filing_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("complaint-answered.before-commit")

        def adopt(snapshot: Complaint) -> None:
            handling.adopt(tx, self._context, snapshot, now)

        def keep(complaint: Complaint, why: str) -> None:
            handling.keep(tx, self._context, ComplaintRow(complaint, content.traceparent), why, now)

        border.settle_filing(COMPLAINT, tx, content, receipt, now, adopt, keep)

    def _refile(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Refiled:
        """Takes a complaint in again that this region had filed; an item of a case comes with the case."""
        complaint = parse(ComplaintFiling, content.payload).complaint
        if (found := border.filed_again(COMPLAINT, tx, complaint)) is not None:
            return found
        if complaint.case_id:
            return Refiled.LOST
        handling.take_in_again(tx, ComplaintRow(complaint, content.traceparent), now)
        return Refiled.RESTORED

    def _commanded(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the customer's command, forwarded by the origin region."""
        command = received(ComplaintCommand, content.payload)
        known = border.commanded(COMPLAINT, tx, self._context.region, command.ticket_id, content)
        border.require_author(command.requester.staff_id)
        return border.decided(known, lambda: self._decide(tx, command, now))

    def _decide(self, tx: Transaction, command: ComplaintCommand, now: datetime) -> Complaint:
        texts = {
            "respond": command.respond.text,
            "refuse": command.refuse.reason,
            "withdraw": command.withdraw.reason,
        }
        border.require_text(command.WhichOneof("command"), texts, rules.NOTE_LIMIT)
        return owner.apply_command(tx, self._context, command, now)

    def _tell_origin(self, tx: Transaction, ticket_id: str, now: datetime) -> None:
        owner.tell_origin(tx, self._context, require_complaint(tx, ticket_id), now)

    def _command_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        refused = None if receipt.outcome == Outcome.OUTCOME_ACCEPTED else refusal_of(receipt)
        known = COMPLAINT.records.read(tx, content.subject)
        snapshot = border.answered(COMPLAINT, known, content, receipt, now)
        asked = parse(ComplaintCommand, content.payload)
        handling.settle_command(tx, self._context, content.id, asked, snapshot, refused, now)
        if asked.HasField("attach"):
            attaching.answered(tx, self._context, asked, refused, now)

    def _updated(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the owner region's new version of a complaint of this origin region."""
        snapshot = received(ComplaintUpdate, content.payload).complaint
        if border.updated(COMPLAINT, tx, snapshot, content, now):
            handling.adopt(tx, self._context, snapshot, now)
        failpoints.reach("complaint-updated.before-commit")
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _update_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """The origin region has it."""

    def _require_responsible(self, complaint: Complaint) -> None:
        """The taxonomy and the number plan in force name this region. Raises Refused."""
        context = self._context
        category = context.federation.complaint_category(complaint.request.category)
        home = context.federation.number_plan.home_of(complaint.request.number)
        found = owner_of(category, complaint.request, handling=complaint.origin_region, home=home)
        if (found, complaint.owner_region) != (context.region, context.region):
            raise Refused(Reason.REASON_COMPLAINT_NOT_RESPONSIBLE, region=found)


def _require_item(context: RegionContext, complaint: Complaint) -> None:
    """Requires that a work item is for this region by its case; another one is returned. Raises Refused."""
    parent, number = cases.parent_of(complaint.ticket_id)
    if not number or complaint.case_id != parent or complaint.owner_region != context.region or complaint.items:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no work item of that case")
