"""What a work item hears from the case that it belongs to. Pure, but for the limits in the context."""

from datetime import datetime

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintAttachment, Resolution
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from region_node.care.complaints import cases, escalation, rules
from region_node.node.context import RegionContext


def require_item(complaint: Complaint) -> None:
    """Raises Refused for what a case says to a complaint that is, or was, no work item of one."""
    if not complaint.parent and not complaint.HasField("returned"):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="command", problem="is for work items of a case")


def require_no_money(complaint: Complaint, resolution: Resolution) -> None:
    """Raises Refused where a work item would bring money: of a case it is paid once, for what the case comes to."""
    if complaint.parent and resolution.remedy in rules.OF_MONEY:
        raise Refused(Reason.REASON_COMPLAINT_ITEM_WITHOUT_MONEY, complaint=complaint.parent)


def share(complaint: Complaint, command: ComplaintCommand, now: datetime) -> bool:
    """Keeps what was said in the case or attached to it, once. Whether the customer was waited for, and has answered by
    it. Raises Refused."""
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
    """What is on file for the case, here or in another region, and read through the region that leads."""
    rules.require_file_name("attachment.name", attachment.name)
    if not attachment.region or not attachment.id.startswith(f"{attachment.region}/"):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="attachment.id", problem="not one of its region")
    if attachment.id not in {each.id for each in complaint.attachments}:
        rules.hear(complaint, attachment.region, now)
        complaint.attachments.append(attachment)
        failpoints.reach("complaint-attachment-shared.before-commit")


def open_again(context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """The customer has refused what the case came to; its reason was shared. What is to be resolved is open again."""
    complaint.refusals += 1
    rules.enter(complaint, rules.IN_PROGRESS, now=now, region=context.region, reason="refused by the customer")
    rules.go_on(complaint, now)
    escalation.refuse(complaint, now, context.region, to_regulator=False)


def conclude(context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """The case has ended: what was done is closed, what was not is over."""
    rules.require_open(complaint, "conclude")
    if complaint.state == rules.RESOLVED:
        rules.enter(complaint, rules.CLOSED, now=now, region=context.region, reason="case ended")
        return
    if complaint.state == rules.HELD:  # from where TMF621 leads back to work only
        rules.enter(complaint, rules.IN_PROGRESS, now=now, region=context.region, reason="case ended")
    rules.enter(complaint, rules.CANCELLED, now=now, region=context.region, reason="case ended")
