"""Manual classification of a complaint, where its text was not clear, or its category is wrong.

Only the origin region classifies: it leads every complaint without another region. A complaint accepted by another
region stays there until its return (Measures on complaints to market regulators, art. 37).
"""

from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.complaint_pb2 import ClassifiedBy, Complaint
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.process import failpoints
from gateway.store.port import Transaction
from region_node.care.complaints import case_lead, cases, escalation, handling, notices, owner, remote_repeats, rules
from region_node.care.complaints.keeping import change_complaint
from region_node.care.complaints.limits import change_deadlines
from region_node.care.complaints.proposing import note_setting
from region_node.care.complaints.rows import ComplaintRow, require_complaint
from region_node.care.complaints.sending import has_customers_command_under_way, send_to_region
from region_node.node.context import RegionContext


@dataclass(frozen=True)
class Classification:
    """A category for a complaint, its author and the reason."""

    ticket_id: str
    category: str
    reason: str = field(repr=False)
    author: str
    """Region and staff id, or an administrator, for example `admin/root`."""
    set_by: ClassifiedBy.ValueType


def classify(tx: Transaction, context: RegionContext, wanted: Classification, now: datetime) -> Complaint:
    """Sets the category of a complaint, routes it to the responsible department, and notifies the customer.

    Deadlines run from filing on: used time stays used. Raises Refused.
    """
    row = require_complaint(tx, wanted.ticket_id)
    complaint = row.complaint
    context.federation.complaint_category(wanted.category)
    require_classifiable(tx, context, complaint, wanted)
    if wanted.reason:
        rules.note(complaint, wanted.author, wanted.reason, now)
    note_setting(complaint.classification, wanted.category, wanted.set_by, wanted.author, now)
    if not complaint.version:
        _route(tx, context, row, wanted.category, now)
        change_complaint(tx, complaint, now)
    else:
        _change(tx, context, row, wanted.category, now)
    notices.tell_classified(tx, context, complaint, now)
    failpoints.reach("complaint-classified.before-commit")
    return complaint


def require_classifiable(tx: Transaction, context: RegionContext, complaint: Complaint, wanted: Classification) -> None:
    """Raises Refused for a complaint that this region cannot classify, with the required step."""
    if complaint.case_id:
        raise Refused(Reason.REASON_COMPLAINT_IS_WORK_ITEM, complaint=complaint.case_id)
    if complaint.origin_region != context.region:
        raise Refused(Reason.REASON_COMPLAINT_NOT_FIRST_CONTACT, region=complaint.origin_region)
    rules.require_open(complaint, "classify")
    if complaint.request.category == wanted.category:
        raise Refused(Reason.REASON_COMPLAINT_CATEGORY_UNCHANGED, category=wanted.category)
    if complaint.owner_region != context.region:
        _require_recallable(tx, complaint)
    rules.require_room(complaint, len(wanted.reason.encode()))
    if rules.is_unclassified(complaint):
        return
    if not wanted.reason:
        raise invalid("reason", "needed to change what was said before", "更改原有分类时必填")
    if complaint.version:
        rules.require_state(complaint, "classify", rules.IN_PROGRESS, rules.PENDING)
    cases.require_returned(complaint)


def _require_recallable(tx: Transaction, complaint: Complaint) -> None:
    """Raises Refused where another region has accepted it, or is about to receive the customer's message."""
    if complaint.version:
        raise Refused(Reason.REASON_COMPLAINT_WITH_REGION, region=complaint.owner_region)
    if has_customers_command_under_way(tx, complaint.ticket_id):
        raise Refused(Reason.REASON_COMPLAINT_ANSWER_AWAITED, region=complaint.owner_region)


def _route(tx: Transaction, context: RegionContext, row: ComplaintRow, code: str, now: datetime) -> None:
    """Routes a complaint that no region is known to have accepted.

    A region that received it before may still accept it: it receives a recall behind the filing. Each department of the
    new category gets a work item with its own ticket id.
    """
    complaint = row.complaint
    was_sent = complaint.owner_region != context.region
    if was_sent:
        recall = ComplaintCommand(ticket_id=complaint.ticket_id, recall=ComplaintCommand.Recall())
        send_to_region(tx, context, row, f"{complaint.ticket_id}#recall", recall, now)
    handling.route(tx, context, row, code, now, leads=was_sent)


def _change(tx: Transaction, context: RegionContext, row: ComplaintRow, code: str, now: datetime) -> None:
    """Changes the category of an own complaint; other departments of the category get work items of the case."""
    complaint, before = row.complaint, Complaint()
    before.CopyFrom(complaint)
    whose = handling.set_category(context, complaint, code)
    change_deadlines(context.federation, complaint, context.federation.complaint_category(code))
    owner.note_earlier(tx, complaint)
    escalation.classified(complaint, now, context.region)
    escalation.repeated(complaint, now, context.region)
    owner.join_group(tx, context, complaint, now)
    if complaint.items:
        case_lead.assign_anew(tx, context, row, whose, now)
    elif [each.region for each in whose] != [context.region]:
        case_lead.open_case(tx, context, row, whose, now)
    escalation.raise_due(complaint, context.federation.working_hours, now, context.region)
    owner.keep_and_tell(tx, context, row, before, now)
    remote_repeats.spread(tx, context, row, now)
