"""What arrives about complaints in envelopes, and what their receipts do."""

from datetime import datetime

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand, ComplaintFiling, ComplaintUpdate
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds, SlowQuery
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.care.complaints import attaching, cases, handling, joining, owner, rules
from region_node.care.complaints.attachment_contents import KIND, AttachmentDesk
from region_node.care.complaints.keeping import add_complaint
from region_node.care.complaints.rows import ComplaintRow, find_complaint
from region_node.care.complaints.taxonomy import owner_of
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received, refusal_of


class ComplaintEnvelopes:
    """The kinds of envelope that complaints use."""

    def __init__(self, context: RegionContext, attachments: AttachmentDesk) -> None:
        self._context = context
        self._attachments = attachments

    def kinds(self) -> Kinds:
        """How each kind is acted on here, and what its receipt does here."""
        return {
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_FILED: Command(self._filed, self._filing_answered),
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_COMMAND: Command(self._commanded, self._command_answered),
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_UPDATE: Command(self._updated, self._update_answered),
            KIND: SlowQuery(self._attachments.answer),
        }

    def _filed(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """A region of first contact hands in a complaint for which this region is responsible."""
        complaint = received(ComplaintFiling, content.payload).complaint
        _require_first_contact(complaint.docket, complaint.handling_region, content)
        # Only a new one: decisions that it brought along would be this region's own.
        if complaint.version or complaint.state != rules.ACKNOWLEDGED or complaint.HasField("resolution"):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a filing is only acknowledged yet")
        rules.require_plausible(complaint, now)
        if complaint.parent:
            _require_item(self._context, complaint)
        else:
            self._require_responsible(complaint)
        if find_complaint(tx, complaint.docket) is not None:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="the docket is known")
        rules.require_room(complaint, 0)
        owner.take_up(tx, self._context, complaint, now)
        row = ComplaintRow(complaint, content.traceparent)
        add_complaint(tx, row, 0, now)
        joining.spread(tx, self._context, row, now)
        return _accepted(complaint)

    def _filing_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("complaint-answered.before-commit")
        if receipt.outcome == Outcome.OUTCOME_ACCEPTED:
            handling.adopt(tx, self._context, parse(Complaint, receipt.result), now)
        else:
            handling.keep(tx, self._context, content.subject, refusal_of(receipt), now)

    def _commanded(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """A region of first contact passes on what the customer says."""
        command = received(ComplaintCommand, content.payload)
        row = find_complaint(tx, command.docket)
        if row is None or row.complaint.owner_region != self._context.region:
            raise Refused(Reason.REASON_COMPLAINT_NOT_FOUND, complaint=command.docket)
        _require_first_contact(command.docket, row.complaint.handling_region, content)
        try:
            return _accepted(owner.apply_command(tx, self._context, command, now))
        except Refused as refused:
            return Answer(
                Outcome.OUTCOME_REFUSED,
                result=row.complaint.SerializeToString(),
                reason=refused.reason,
                parameters=refused.parameters,
            )

    def _command_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        refused = None if receipt.outcome == Outcome.OUTCOME_ACCEPTED else refusal_of(receipt)
        snapshot = parse(Complaint, receipt.result) if receipt.result else None
        asked = parse(ComplaintCommand, content.payload)
        handling.settle_command(tx, self._context, content.id, asked, snapshot, refused, now)
        if asked.HasField("attach"):
            attaching.answered(tx, self._context, asked, refused, now)

    def _updated(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The responsible region has a new version of a complaint of which this region is the first contact."""
        snapshot = received(ComplaintUpdate, content.payload).complaint
        row = find_complaint(tx, snapshot.docket)
        is_owner = row is not None and row.complaint.owner_region == content.origin
        if not is_owner or snapshot.docket != content.subject or snapshot.owner_region != content.origin:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        handling.adopt(tx, self._context, snapshot, now)
        failpoints.reach("complaint-updated.before-commit")
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _update_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """The region of first contact has it."""

    def _require_responsible(self, complaint: Complaint) -> None:
        """The taxonomy and the number plan in force name this region. Raises Refused."""
        context = self._context
        category = context.federation.complaint_category(complaint.request.category)
        home = context.federation.number_plan.home_of(complaint.request.number)
        found = owner_of(category, complaint.request, handling=complaint.handling_region, home=home)
        if (found, complaint.owner_region) != (context.region, context.region):
            raise Refused(Reason.REASON_COMPLAINT_NOT_RESPONSIBLE, region=found)


def _require_first_contact(docket: str, handling_region: str, content: EnvelopeContent) -> None:
    """Only the region of first contact may speak about a complaint, and its docket names that region."""
    own = handling_region == content.origin and docket.startswith(f"{content.origin}/")
    if not own or docket != content.subject:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)


def _require_item(context: RegionContext, complaint: Complaint) -> None:
    """A work item is where its case says; what region has no business with it returns it. Raises Refused."""
    parent, number = cases.parent_of(complaint.docket)
    if not number or complaint.parent != parent or complaint.owner_region != context.region or complaint.items:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no work item of that case")


def _accepted(complaint: Complaint) -> Answer:
    return Answer(Outcome.OUTCOME_ACCEPTED, result=complaint.SerializeToString())
