"""What the customer is told about a complaint by the region of first contact. No text names its content."""

from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.clock import from_timestamp
from gateway.store.port import Transaction
from region_node.complaints import rules
from region_node.context import RegionContext
from region_node.notices.rows import Notice, tell


def tell_filed(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """The docket number, the responsible department and the promised time (specification 2.3.1)."""
    region = context.federation.region(complaint.owner_region).name
    due = from_timestamp(complaint.expected_resolution_date).astimezone(ZoneInfo(context.time_zone))
    text = LocalizedText(
        zh_cn=f"您的投诉已受理，编号{complaint.docket}，由{region.zh_cn}{complaint.department.zh_cn}负责，"
        f"承诺于{due:%Y-%m-%d %H:%M}前答复。",
        en=f"Your complaint {complaint.docket} was taken in. {complaint.department.en} in {region.en} is responsible"
        f" and promises an answer by {due:%Y-%m-%d %H:%M}.",
    )
    _tell(tx, complaint, "filed", text, now)


def tell_changed(tx: Transaction, before: Complaint, complaint: Complaint, now: datetime) -> None:
    """What is new for the customer: a question, a resolution, the end (specification 2.3.2)."""
    docket = complaint.docket
    if complaint.state == before.state:
        return
    if complaint.state == rules.PENDING:
        tell_asked(tx, complaint, now)
    elif complaint.state == rules.RESOLVED:
        text = LocalizedText(
            zh_cn=f"您的投诉{docket}已有处理结果，请确认是否接受。",
            en=f"There is a resolution for your complaint {docket}: please say whether you accept it.",
        )
        _tell(tx, complaint, f"resolved/{complaint.refusals}", text, now)
    elif rules.is_final(complaint):
        text = LocalizedText(zh_cn=f"您的投诉{docket}已办结。", en=f"Your complaint {docket} is closed.")
        _tell(tx, complaint, "ended", text, now)


def tell_asked(tx: Transaction, complaint: Complaint, now: datetime) -> None:
    """That somebody who works on it has a question."""
    text = LocalizedText(
        zh_cn=f"关于您的投诉{complaint.docket}，我们需要您补充说明，请与受理网点联系。",
        en=f"We need to know more about your complaint {complaint.docket}: please contact us.",
    )
    _tell(tx, complaint, f"asked/{len(complaint.notes)}", text, now)


def _tell(tx: Transaction, complaint: Complaint, what: str, text: LocalizedText, now: datetime) -> None:
    number = complaint.request.contact_number or complaint.request.number
    tell(tx, Notice(f"complaint/{complaint.docket}/{what}", f"complaint-{what.partition('/')[0]}", number, text), now)
