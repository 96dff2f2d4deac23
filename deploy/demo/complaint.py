"""A complaint that crosses three regions: returned, assigned, raised by the clock, refused once, and settled."""

from collections.abc import Sequence
from datetime import timedelta

from deploy.demo import complaint_notices, complaint_survey, wording
from deploy.demo.commands import administrator_command, staff_command
from deploy.demo.complaint_cast import STAFF, Elsewhen
from deploy.demo.world import World
from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintChannel,
    ComplaintRequest,
    ComplaintState,
    Remedy,
    RemedyState,
    WorkItemState,
)
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.types_pb2 import Money
from gateway.values.money import in_major_units
from region_node.care.complaints import escalation
from region_node.care.complaints.rules import state_name

_CATEGORY = "BILL_ROAM"  # the work of the home region and of the visited one
_OFFERED, _CHARGED = 2_880, 5_760  # minor units
_RATING = 4
_BEFORE = timedelta(seconds=0.5)  # so that a level is reached by the clock itself, and not by being driven past
_IN_TIME = timedelta(seconds=5)  # between a level's due time and its actual time
_HOUR = timedelta(hours=1)
_AT_WORK, _DONE = WorkItemState.WORK_ITEM_STATE_IN_PROGRESS, WorkItemState.WORK_ITEM_STATE_DONE
_WITH_COORDINATOR = WorkItemState.WORK_ITEM_STATE_AWAITING_COORDINATOR


async def across_three_regions(world: World, there: Elsewhen) -> None:
    """The whole case, in its own federation, whose days take no time."""
    who, stage = world.people.talkative, world.stage
    stage.chapter(
        f"{who.name} complains in Guangdong about a bill of Sichuan for calls in Henan",
        "Three regions, none of which may send the customer to another one. They run by a clock of their own, which the"
        " story drives on; they are real processes here too, and stopped at the end.",
    )
    case = await _filed(world, there)
    case = await _returned_and_assigned(world, there, case)
    case = await _refused_once(world, there, case)
    case = await _raised_by_the_clock(world, there, case)
    case = await _settled(world, there, case)
    await complaint_notices.whole_story(stage, there, case)
    await complaint_notices.billed(stage, there, case, _CHARGED)
    code = await administrator_command(stage, there.federation, "complaints", "show", case.ticket_id)
    stage.check("the coordinator tells why it was late", "exit 0", f"exit {code}", "and has no word of it")
    await complaint_survey.how_it_was(stage, there, case)


async def _filed(world: World, there: Elsewhen) -> Complaint:
    """The counter accepts it: two regions work on it at the same time, and the customer has one ticket id."""
    who = world.people.talkative
    await there.counters["sichuan"].take_over([who])
    filed = await there.desk.file(
        "roam-1",
        ComplaintRequest(
            category=_CATEGORY,
            number=who.product.number,
            description="在河南漫游被收57.60元，我那几天没有出省 / charged 57.60 for roaming in Henan, never was there",
            remedy_sought=Remedy.REMEDY_REFUND,
            channel=ComplaintChannel.COMPLAINT_CHANNEL_COUNTER,
            location_region="henan",
        ),
    )
    case = await there.desk.until(filed.ticket_id, lambda seen: _states(seen) == [_AT_WORK, _AT_WORK])
    world.stage.check("a case of two work items", "henan, sichuan", ", ".join(_open(case)), case.ticket_id)
    notices = await there.desk.notices(who.product.number)
    world.stage.told("the customer reads", notices[-1].text)
    return case


async def _returned_and_assigned(world: World, there: Elsewhen, case: Complaint) -> Complaint:
    """Sichuan is done; Henan has no business with it and returns it, and the coordinator's administrator decides."""
    stage, ticket_id, begin = world.stage, case.ticket_id, there.clock.now()
    sichuan, henan = (each.ticket_id for each in case.items)
    await there.drive_to(begin + _HOUR)
    await there.staff["sichuan"].propose(_answer("roam-sichuan-1", sichuan, "账单与河南上报一致"))
    await there.desk.until(ticket_id, lambda seen: _states(seen)[0] == _DONE)
    await there.drive_to(begin + 3 * _HOUR)
    arguments = ("complaints", "return", henan, "not-here", "我区无此号码漫游记录 / this number never roamed here")
    code = await staff_command(stage, there.federation, "henan", f"henan-{STAFF['henan']}", *arguments)
    case = await there.desk.until(ticket_id, lambda seen: _states(seen)[1] == _WITH_COORDINATOR)
    held = case.custody[-1]
    waits = complaint_notices.holder(held.region, held.reason)
    stage.check("Henan returns it, and passes it to nobody", "exit 0, the coordinator", f"exit {code}, {waits}")
    await there.drive_to(begin + 5 * _HOUR)
    at = there.clock.now().isoformat(timespec="minutes")
    code = await administrator_command(stage, there.federation, "body", "--region", "guangdong", "--at", at)
    stage.check("the coordination body says whom to call in Guangdong", "exit 0", f"exit {code}")
    key = str(there.federation.administrator.key)
    whose = ("--region", "guangdong", "--department", "SETTLEMENT", "--key", key)
    code = await administrator_command(stage, there.federation, "complaints", "assign", ticket_id, *whose)
    case = await there.desk.until(ticket_id, lambda seen: len(seen.items) == len(case.items) + 1)
    item = case.items[-1]
    stage.check(
        "the administrator assigns it",
        "exit 0, guangdong, by admin/root",
        f"exit {code}, {item.region}, by {item.administrator}",
        item.ticket_id,
    )
    said = ("complaints", "respond", ticket_id, "四川已核对，广东正在查 / Sichuan has looked, Guangdong is looking")
    code = await staff_command(stage, there.federation, "guangdong", f"guangdong-{STAFF['guangdong']}", *said)
    stage.check("Guangdong, which leads, says so", "exit 0", f"exit {code}", "the case has its first response")
    return case


async def _refused_once(world: World, there: Elsewhen, case: Complaint) -> Complaint:
    """Guangdong is late with its answer, then offers half; the customer refuses, and both regions work again."""
    stage, ticket_id = world.stage, case.ticket_id
    item = await _driven_up(there, case.items[-1].ticket_id)
    raised = item.escalations[-1]
    stage.check(
        "Guangdong says nothing for a day: its item",
        "L2 within 5 s",
        complaint_notices.reached(raised, _IN_TIME),
        "once",
    )
    guangdong = there.staff["guangdong"]
    await guangdong.propose(_answer("roam-guangdong-1", item.ticket_id, "基站边界漫游误判一半"))
    await guangdong.until(ticket_id, lambda seen: seen.items[-1].state == _DONE)
    await guangdong.propose(_offer("roam-offer-1", ticket_id, _OFFERED))
    offered = await there.desk.until(ticket_id, lambda seen: seen.state == ComplaintState.COMPLAINT_STATE_RESOLVED)
    stage.check("half is offered", "resolved, L1", f"{state_name(offered.state)}, L{offered.level}")
    await there.drive_to(there.clock.now() + _HOUR)
    refused = await there.desk.refuse("roam-refused-1", ticket_id, "一分钟也没有漫游过 / not one minute was roaming")
    await there.desk.until(ticket_id, lambda seen: _states(seen).count(_AT_WORK) == len(_open(refused)))
    sichuan = await there.staff["sichuan"].until(case.items[0].ticket_id, lambda seen: seen.refusals == 1)
    stage.check(
        "the customer refuses it",
        "inProgress, L2; Sichuan's item inProgress, L2",
        f"{state_name(refused.state)}, L{refused.level}; Sichuan's item {state_name(sichuan.state)}, L{sichuan.level}",
        "opened again, and raised",
    )
    return refused


async def _raised_by_the_clock(world: World, there: Elsewhen, case: Complaint) -> Complaint:
    """Sichuan answers anew, Guangdong does not: the case is raised by itself, up to executives."""
    stage, ticket_id = world.stage, case.ticket_id
    await there.drive_to(there.clock.now() + 2 * _HOUR)
    await there.staff["sichuan"].propose(_answer("roam-sichuan-2", case.items[0].ticket_id, "四川更正清单，退全款"))
    await there.desk.until(ticket_id, lambda seen: seen.items[0].state == _DONE)
    for whose, level, what in (
        (ticket_id, 3, "three quarters of its time are over"),
        (case.items[-1].ticket_id, 3, "and those of Guangdong's item"),
        (ticket_id, 4, "its time is over"),
    ):
        raised = (await _driven_up(there, whose)).escalations[-1]
        stage.check(what, f"L{level} within 5 s", complaint_notices.reached(raised, _IN_TIME), "by the clock alone")
    return (await there.staff["guangdong"].told(ticket_id)).complaint


async def _settled(world: World, there: Elsewhen, case: Complaint) -> Complaint:
    """The whole resolution is proposed and accepted; the home region books it once, despite repeats."""
    stage, ticket_id, guangdong = world.stage, case.ticket_id, there.staff["guangdong"]
    await there.drive_to(there.clock.now() + _HOUR)
    await guangdong.propose(_answer("roam-guangdong-2", case.items[-1].ticket_id, "全部系误判"))
    await guangdong.until(ticket_id, lambda seen: not _open(seen))
    await guangdong.propose(_offer("roam-offer-2", ticket_id, _CHARGED))
    await there.desk.until(ticket_id, lambda seen: seen.state == ComplaintState.COMPLAINT_STATE_RESOLVED)
    closed = await there.desk.accept("roam-accepted-1", ticket_id, _RATING)
    await there.desk.accept("roam-accepted-1", ticket_id, _RATING)  # a clerk in doubt repeats the request
    stage.check("accepted, twice by one click", "closed", state_name(closed.state), f"rated {closed.rating} of 5")
    ordered = await there.desk.until(ticket_id, lambda seen: seen.remedy.awaiting_action == "review")
    for _ in range(2):
        await there.reviewer.review("roam-review-1", ordered.remedy.order_id, ReviewDecision.REVIEW_DECISION_APPROVE)
    given = await there.desk.until(ticket_id, lambda seen: seen.remedy.state == RemedyState.REMEDY_STATE_BOOKED)
    owed = (await there.counters["guangdong"].settlement_with("sichuan")).payable
    due = (await there.counters["sichuan"].settlement_with("guangdong")).receivable
    amount = in_major_units(_CHARGED, owed.currency)
    stage.check(
        "the refund, booked at home once",
        f"{amount}: owed by Guangdong, due to Sichuan",
        f"{wording.amount(owed)}: owed by Guangdong, {'due' if owed == due else 'NOT due'} to Sichuan",
    )
    return given


async def _driven_up(there: Elsewhen, ticket_id: str) -> Complaint:
    """A complaint that Guangdong has, once the clock has taken it a level up."""
    guangdong = there.staff["guangdong"]
    before = (await guangdong.told(ticket_id)).complaint
    due = escalation.next_due(before, there.rules.working_hours)
    if due is None:
        raise TimeoutError(f"{ticket_id}: nothing will ever raise it")
    await there.drive_to(max(due - _BEFORE, there.clock.now()))
    return await guangdong.until(ticket_id, lambda seen: seen.level > before.level)


def _answer(request_id: str, ticket_id: str, text: str) -> api.ProposeResolutionRequest:
    """A region's completed part. The lead region decides on the money."""
    return api.ProposeResolutionRequest(
        request_id=request_id,
        ticket_id=ticket_id,
        text=text,
        cause_code="roaming-misread",
        remedy=Remedy.REMEDY_CORRECTION,
    )


def _offer(request_id: str, ticket_id: str, amount: int) -> api.ProposeResolutionRequest:
    return api.ProposeResolutionRequest(
        request_id=request_id,
        ticket_id=ticket_id,
        text="漫游费误收，退还 / roaming was charged by mistake and is refunded",
        cause_code="roaming-misread",
        remedy=Remedy.REMEDY_REFUND,
        amount=Money(minor_units=amount, currency="CNY"),
    )


def _states(case: Complaint) -> list[WorkItemState.ValueType]:
    return [each.state for each in case.items]


def _open(case: Complaint) -> Sequence[str]:
    """The regions that still have something to do."""
    return sorted(each.region for each in case.items if each.state == _AT_WORK)
