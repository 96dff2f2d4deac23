"""The notices to the customer about a complaint, by the origin region. No text names its content."""

from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.complaint_pb2 import Complaint, Remedy
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.store.port import Transaction
from gateway.time.clock import time_in
from region_node.care.complaints import remedy, rules
from region_node.customers.notices.rows import Notice, tell
from region_node.node.context import RegionContext

_CHECK_NUMBER = LocalizedText(
    zh_cn="未查到所投诉号码的用户，请与受理网点核对号码。",
    en="No customer has the number that it is about: please check the number with us.",
)


def tell_filed(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """The ticket id, the responsible department and the promised time (specification 2.3.1)."""
    taken_in = LocalizedText(
        zh_cn=f"您的投诉已受理，编号{complaint.ticket_id}，", en=f"Your complaint {complaint.ticket_id} was taken in."
    )
    responsible = _responsible(context, complaint)
    text = LocalizedText(zh_cn=taken_in.zh_cn + responsible.zh_cn, en=f"{taken_in.en} {responsible.en}")
    _tell(tx, complaint, "filed", text, now)


def tell_unclassified(tx: Transaction, complaint: Complaint, now: datetime) -> None:
    """The notice of the ticket id; the owner region and its time follow after the classification."""
    text = LocalizedText(
        zh_cn=f"您的投诉已受理，编号{complaint.ticket_id}，正在确认负责部门，负责部门和承诺答复时间将另行告知。",
        en=f"Your complaint {complaint.ticket_id} was taken in. We are finding out who is"
        f" responsible, and will tell you"
        " who answers it by when.",
    )
    _tell(tx, complaint, "filed", text, now)


def tell_classified(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """The notice of the owner region, and of the promised time, after a classification."""
    _tell_responsible(tx, context, complaint, f"classified/{len(complaint.classification.settings)}", now)


def tell_led(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """The notice of the new owner region, and of the promised time, after the refusal of the former one."""
    _tell_responsible(tx, context, complaint, "led", now)


def tell_assigned(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """The notice of the owner region, and of the promised time, after the coordinator's assignment."""
    _tell_responsible(tx, context, complaint, f"assigned/{len(complaint.items)}", now)


def _tell_responsible(tx: Transaction, context: RegionContext, complaint: Complaint, what: str, now: datetime) -> None:
    responsible = _responsible(context, complaint)
    text = LocalizedText(
        zh_cn=f"您的投诉{complaint.ticket_id}{responsible.zh_cn}",
        en=f"Your complaint {complaint.ticket_id}: {responsible.en}",
    )
    _tell(tx, complaint, what, text, now)


def _responsible(context: RegionContext, complaint: Complaint) -> LocalizedText:
    """The holder of a complaint, and its promised time, as text."""
    if rules.is_with_nobody(complaint):
        return LocalizedText(
            zh_cn="暂未确定负责部门，确定后将告知您由谁在何时前答复。",
            en="Nobody has it yet. We tell you who answers by when as soon as a department is named.",
        )
    region = context.federation.region(complaint.owner_region).name
    if complaint.number_unassigned:
        return LocalizedText(
            zh_cn=f"由{region.zh_cn}{complaint.department.zh_cn}处理；{_CHECK_NUMBER.zh_cn}",
            en=f"{complaint.department.en} in {region.en} has it. {_CHECK_NUMBER.en}",
        )
    due = time_in(ZoneInfo(context.time_zone), complaint.expected_resolution_time)
    if rules.is_on_its_way(complaint):
        return LocalizedText(
            zh_cn=f"已转{region.zh_cn}{complaint.department.zh_cn}，该地区核实号码后最迟于{due}前答复。",
            en=f"{complaint.department.en} in {region.en} has been asked, and answers by {due} once it has found the"
            " customer of the number.",
        )
    return LocalizedText(
        zh_cn=f"由{region.zh_cn}{complaint.department.zh_cn}负责，承诺于{due}前答复。",
        en=f"{complaint.department.en} in {region.en} is responsible and promises an answer by {due}.",
    )


def tell_changed(tx: Transaction, before: Complaint, complaint: Complaint, now: datetime) -> None:
    """The notice of news: a question, a resolution, the end (specification 2.3.2)."""
    ticket_id = complaint.ticket_id
    if complaint.remedy.state != before.remedy.state:
        _tell_of_money(tx, complaint, now)
    if complaint.number_unassigned and not before.number_unassigned:
        text = LocalizedText(
            zh_cn=f"关于您的投诉{ticket_id}：{_CHECK_NUMBER.zh_cn}",
            en=f"Your complaint {ticket_id}: {_CHECK_NUMBER.en}",
        )
        _tell(tx, complaint, "number", text, now)
    if complaint.state == before.state:
        return
    if complaint.state == rules.PENDING:
        tell_asked(tx, complaint, now)
    elif complaint.state == rules.RESOLVED:
        text = LocalizedText(
            zh_cn=f"您的投诉{ticket_id}已有处理结果，请确认是否接受。",
            en=f"There is a resolution for your complaint {ticket_id}: please say whether you accept it.",
        )
        _tell(tx, complaint, f"resolved/{complaint.refusals}", text, now)
    elif rules.is_final(complaint):
        text = LocalizedText(zh_cn=f"您的投诉{ticket_id}已办结。", en=f"Your complaint {ticket_id} is closed.")
        _tell(tx, complaint, "ended", text, now)


def _tell_of_money(tx: Transaction, complaint: Complaint, now: datetime) -> None:
    """The notices of paid money, and of its delay."""
    ticket_id, money = complaint.ticket_id, complaint.remedy
    if money.state == remedy.BOOKED and money.remedy == Remedy.REMEDY_REFUND:
        text = LocalizedText(
            zh_cn=f"您的投诉{ticket_id}约定的退款已入账，将支付给您。",
            en=f"The refund for your complaint {ticket_id} was booked and is paid out to you.",
        )
    elif money.state == remedy.BOOKED:
        text = LocalizedText(
            zh_cn=f"您的投诉{ticket_id}约定的金额已记入您的账户。",
            en=f"The credit for your complaint {ticket_id} is on your account.",
        )
    elif money.state == remedy.REFUSED:
        text = LocalizedText(
            zh_cn=f"您的投诉{ticket_id}约定的款项暂未能入账，我们正在处理，会再告知您。",
            en=f"The money for your complaint {ticket_id} could not be booked yet. We see to it and tell you again.",
        )
    elif money.state == remedy.SETTLED:
        text = LocalizedText(
            zh_cn=f"您的投诉{ticket_id}约定的款项已另行处理，如有疑问请与受理网点联系。",
            en=f"The money for your complaint {ticket_id} was settled in another way: please contact us if it was not.",
        )
    else:
        return
    what = f"money/{money.attempt}/{remedy.state_name(money.state)}"
    _tell(tx, complaint, what, text, now)


def tell_asked(tx: Transaction, complaint: Complaint, now: datetime) -> None:
    """The notice of a question about the complaint."""
    text = LocalizedText(
        zh_cn=f"关于您的投诉{complaint.ticket_id}，我们需要您补充说明，请与受理网点联系。",
        en=f"We need to know more about your complaint {complaint.ticket_id}: please contact us.",
    )
    _tell(tx, complaint, f"asked/{len(complaint.notes)}", text, now)


def _tell(tx: Transaction, complaint: Complaint, what: str, text: LocalizedText, now: datetime) -> None:
    number = complaint.request.contact_number or complaint.request.number
    tell(
        tx, Notice(f"complaint/{complaint.ticket_id}/{what}", f"complaint-{what.partition('/')[0]}", number, text), now
    )
