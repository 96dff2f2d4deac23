"""Notices to customers about a fault. The origin reports its progress; the home region of the number reports
lateness and refunds. No text names the trouble. All go to the named contact, except those about money.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.fault_envelopes_pb2 import FaultMoved
from gateway.api.region.v1.fault_pb2 import Fault, QuoteState, RepairPart
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.store.port import Transaction
from gateway.time.clock import time_in
from gateway.values.lists import joined
from gateway.values.money import in_major_units
from region_node.customers.notices.rows import Notice, tell
from region_node.network.faults import rules
from region_node.node.context import RegionContext


def tell_reported(tx: Transaction, context: RegionContext, fault: Fault, now: datetime) -> None:
    """The notice of the id, the repairing region, and the limit."""
    region, due = context.federation.region(fault.owner_region).name, _local(context, fault)
    text = LocalizedText(
        zh_cn=f"您的障碍申告已受理，编号{fault.id}，由{region.zh_cn}负责修复，预计{due}前修复。",
        en=f"Your fault {fault.id} was taken in. {region.en} repairs it and expects to have done so by {due}.",
    )
    _tell(tx, fault, "reported", text, now)


def tell_changed(tx: Transaction, context: RegionContext, before: Fault, fault: Fault, now: datetime) -> None:
    """The news for the customer: a question, a time, a price, the repair, the end."""
    _tell_of_the_repair(tx, context, before, fault, now)
    _tell_of_the_estimate(tx, context, before, fault, now)
    if fault.state == before.state:
        return
    changes = len(fault.state_changes)
    if fault.state == rules.PENDING:
        text = LocalizedText(
            zh_cn=f"关于您的障碍申告{fault.id}，我们需要您配合，请与受理网点联系。",
            en=f"We need your help with your fault {fault.id}: please contact us.",
        )
        _tell(tx, fault, f"asked/{changes}", text, now)
    # the report may arrive only after its closure
    elif fault.state in rules.REPAIRED and before.state not in rules.REPAIRED:
        text = LocalizedText(
            zh_cn=f"您申告的障碍{fault.id}已修复，如仍有问题请告知我们，并欢迎评价本次服务。",
            en=f"Your fault {fault.id} is repaired. Tell us if it is not, and how the repair was.",
        )
        _tell(tx, fault, f"repaired/{changes}", text, now)
    elif fault.state == rules.REJECTED:
        text = LocalizedText(
            zh_cn=f"经核查，您的障碍申告{fault.id}不成立或不属于我网障碍，如有异议请与受理网点联系。",
            en=f"We found your report {fault.id} to be no fault of our network: contact us if you disagree.",
        )
        _tell(tx, fault, "rejected", text, now)
    elif fault.state in rules.FINAL:
        text = LocalizedText(zh_cn=f"您的障碍申告{fault.id}已结束处理。", en=f"Your fault {fault.id} is ended.")
        _tell(tx, fault, "ended", text, now)
    elif fault.reopenings > before.reopenings:
        due = _local(context, fault)
        text = LocalizedText(
            zh_cn=f"您申告的障碍{fault.id}已重新处理，预计{due}前修复。",
            en=f"Your fault {fault.id} is worked on again and expected to be repaired by {due}.",
        )
        _tell(tx, fault, f"reopened/{fault.reopenings}", text, now)


def tell_late(tx: Transaction, fault: Fault, outage: int, now: datetime) -> None:
    """The limit has passed, and the consequence (Telecommunications Regulations, art. 32). By the home region."""
    text = LocalizedText(
        zh_cn=f"很抱歉，您申告的障碍{fault.id}未能按期修复，我们正在抢修；障碍期间的月租费用将予免收。",
        en=f"We are sorry: your fault {fault.id} is not repaired in time. We go on, and you pay no rent for its time.",
    )
    _tell(tx, fault, f"late/{outage}", text, now)


def tell_unheard(tx: Transaction, context: RegionContext, fault: Fault, outage: int, now: datetime) -> None:
    """The limit has passed, and no repair is known here. By the origin region."""
    region = context.federation.region(fault.owner_region).name
    text = LocalizedText(
        zh_cn=f"您申告的障碍{fault.id}的修复时限已过，{region.zh_cn}尚未告知是否已修复，我们正在催办。",
        en=f"The limit for your fault {fault.id} has passed. {region.en} has not told us yet whether it is repaired;"
        " we are asking.",
    )
    _tell(tx, fault, f"unheard/{outage}", text, now)


def tell_waived(tx: Transaction, fault: Fault, outage: int, amount: int, currency: str, now: datetime) -> None:
    """Rent was given back, with the amount. By the home region."""
    money = in_major_units(amount, currency)
    text = LocalizedText(
        zh_cn=f"障碍{fault.id}期间的月租{money}已退回您的账户。",
        en=f"The rent for the time of your fault {fault.id}, {money}, was credited to your account.",
    )
    # Amounts are sent to the number itself, and to no other contact of the reporter.
    tell(tx, _notice(fault, f"waived/{outage}", fault.report.number, text), now)


def tell_waived_in_parts(
    tx: Transaction, told: FaultMoved, amount: int, context: RegionContext, origin: str, now: datetime
) -> None:
    """Rent for a fault of before a move: the part of the new home, and that of the former ones.

    By the new home; where that gives nothing, by the old one of its own part.
    """
    former, part = told.refunded.minor_units, _former_homes(told, context, origin)
    chinese, english = [], []
    if former:
        money = in_major_units(former, context.currency)
        chinese.append(f"{money}由{part.zh_cn}退还给您")
        english.append(f"{money} is refunded to you by {part.en}")
    if amount:
        money = in_major_units(amount, context.currency)
        chinese.append(f"{money}已退回您的账户")
        english.append(f"{money} was credited to your account")
    if not chinese:
        return
    text = LocalizedText(
        zh_cn=f"障碍{told.fault_id}期间的月租：{'，'.join(chinese)}。",
        en=f"The rent for the time of your fault {told.fault_id}: {', and '.join(english)}.",
    )
    tell(tx, Notice(f"fault/{told.fault_id}/waived/{told.outage}", "fault-waived", told.number, text), now)


def _former_homes(told: FaultMoved, context: RegionContext, origin: str) -> LocalizedText:
    """The names of the regions that owe a refund; without names where the configuration lacks one."""
    known = {each.id: each.name for each in context.federation.configuration.regions}
    regions = dict.fromkeys(told.refunded_by or (origin,))
    if not regions.keys() <= known.keys():
        return LocalizedText(zh_cn="您原来的归属地", en="your former regions")
    names = [known[each] for each in regions]
    return LocalizedText(zh_cn=joined(names).zh_cn, en=" and ".join(each.en for each in names))


def tell_own_cause(tx: Transaction, fault: Fault, now: datetime) -> None:
    """No rent is given back for the delay, as the cause was the customer's own. By the home region."""
    text = LocalizedText(
        zh_cn=f"经查，障碍{fault.id}系用户终端或自身原因所致，障碍期间的月租费用不予减免；如有异议请告知我们。",
        en=f"Your fault {fault.id} came from your own terminal or side, so that its rent is not given back."
        " Tell us if you disagree.",
    )
    _tell(tx, fault, f"own/{len(fault.state_changes)}", text, now)


def tell_charged(tx: Transaction, fault: Fault, part: RepairPart, now: datetime) -> None:
    """A part was charged, with the amount. By the home region."""
    price = in_major_units(part.price.minor_units, part.price.currency)
    text = LocalizedText(
        zh_cn=f"障碍{fault.id}维修所换配件的费用{price}已计入您的账户。",
        en=f"The part for the repair of your fault {fault.id}, {price}, was charged to your account.",
    )
    tell(tx, _notice(fault, f"charged/{part.number}", fault.report.number, text), now)


def _tell_of_the_repair(tx: Transaction, context: RegionContext, before: Fault, fault: Fault, now: datetime) -> None:
    appointments, known = fault.repair.appointments, len(before.repair.appointments)
    if len(appointments) > known:
        zone, last = ZoneInfo(context.time_zone), appointments[-1]
        start, end = (time_in(zone, each) for each in (last.start_time, last.end_time))
        text = LocalizedText(
            zh_cn=f"障碍{fault.id}的维修已预约：{start}至{end}。",
            en=f"The repair of your fault {fault.id} is agreed for {start} to {end}.",
        )
        _tell(tx, fault, f"appointment/{len(appointments)}", text, now)
    quoted = {each.number for each in before.repair.parts}
    for part in fault.repair.parts:
        if part.number not in quoted and part.quote == QuoteState.QUOTE_STATE_OFFERED:
            price = in_major_units(part.price.minor_units, part.price.currency)
            text = LocalizedText(
                zh_cn=f"障碍{fault.id}的维修需更换原装配件，报价{price}，请确认是否接受。",
                en=f"Your fault {fault.id} needs an original part at {price}: please say whether you accept.",
            )
            _tell(tx, fault, f"price/{part.number}", text, now)
    if fault.repair.advice != before.repair.advice:
        text = LocalizedText(
            zh_cn=f"关于障碍{fault.id}，我们有初步处理建议，请与受理网点联系。",
            en=f"There is something to try first about your fault {fault.id}: please contact us.",
        )
        _tell(tx, fault, f"advice/{fault.version}", text, now)


def _tell_of_the_estimate(tx: Transaction, context: RegionContext, before: Fault, fault: Fault, now: datetime) -> None:
    """The current estimate, where the customer has another one. A reopened fault includes it in its own notice."""
    is_new = fault.expected_resolution_time != before.expected_resolution_time
    if not is_new or fault.state not in rules.UNREPAIRED or fault.reopenings > before.reopenings:
        return
    due = _local(context, fault)
    text = LocalizedText(
        zh_cn=f"您申告的障碍{fault.id}现预计{due}前修复。",
        en=f"Your fault {fault.id} is now expected to be repaired by {due}.",
    )
    _tell(tx, fault, f"estimate/{fault.version}", text, now)


def _local(context: RegionContext, fault: Fault) -> str:
    return time_in(ZoneInfo(context.time_zone), fault.expected_resolution_time)


def _tell(tx: Transaction, fault: Fault, what: str, text: LocalizedText, now: datetime) -> None:
    number = fault.report.contact_number or fault.report.number
    if number:
        tell(tx, _notice(fault, what, number, text), now)


def _notice(fault: Fault, what: str, number: str, text: LocalizedText) -> Notice:
    return Notice(f"fault/{fault.id}/{what}", f"fault-{what.partition('/')[0]}", number, text)
