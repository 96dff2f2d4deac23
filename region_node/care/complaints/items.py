"""Messages from a case to its work items. Pure, but for the limits in the context."""

from datetime import datetime

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintAttachment, Resolution
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.process import failpoints
from region_node.care.complaints import cases, escalation, rules
from region_node.node.context import RegionContext


def require_item(complaint: Complaint) -> None:
    """Raises Refused for a message of a case to a complaint that is, or was, no work item."""
    if not complaint.case_id and not complaint.HasField("returned"):
        raise invalid("command", "is for work items of a case", "仅限案件的工作项")


def require_no_money(complaint: Complaint, resolution: Resolution) -> None:
    """Raises Refused for money in a work item's resolution."""
    if not rules.brings_money(complaint) and resolution.remedy in rules.OF_MONEY:
        raise Refused(Reason.REASON_COMPLAINT_ITEM_WITHOUT_MONEY, complaint=complaint.case_id)


def share(complaint: Complaint, command: ComplaintCommand, now: datetime) -> bool:
    """Stores a message or attachment of the case, once. Raises Refused.

    Returns whether the customer had to answer, and has done so by it.
    """
    rules.require_open(complaint, "share")
    shared = command.share
    if shared.HasField("attachment"):
        _keep_attachment(complaint, shared.attachment, now)
    else:
        for each in cases.unknown_notes(complaint, [shared.note]):
            rules.hear(complaint, each.author.partition("/")[0], now)
            complaint.notes.append(each)
    return shared.by_customer and complaint.state == rules.PENDING


def _keep_attachment(complaint: Complaint, attachment: ComplaintAttachment, now: datetime) -> None:
    """Stores the description of a case's attachment, whose content readers get through the lead region."""
    rules.require_file_name("attachment.name", attachment.name)
    if not attachment.region or not attachment.id.startswith(f"{attachment.region}/"):
        raise invalid("attachment.id", "not one of its region", "不是其所属地区的附件")
    if attachment.id not in {each.id for each in complaint.attachments}:
        rules.hear(complaint, attachment.region, now)
        complaint.attachments.append(attachment)
        failpoints.reach("complaint-attachment-shared.before-commit")


def open_again(context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Reopens a work item after the customer's refusal of the case's resolution; the reason was shared before."""
    complaint.refusals += 1
    rules.enter(complaint, rules.IN_PROGRESS, now=now, region=context.region, reason="refused by the customer")
    rules.go_on(complaint, now)
    escalation.refuse(complaint, now, context.region, to_regulator=False)


def conclude(context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Ends a work item with its case: resolved work is closed, other work is cancelled."""
    rules.require_open(complaint, "conclude")
    if complaint.state == rules.RESOLVED:
        rules.enter(complaint, rules.CLOSED, now=now, region=context.region, reason="case ended")
        return
    if complaint.state == rules.HELD:  # from where TMF621 leads back to work only
        rules.enter(complaint, rules.IN_PROGRESS, now=now, region=context.region, reason="case ended")
    rules.enter(complaint, rules.CANCELLED, now=now, region=context.region, reason="case ended")
