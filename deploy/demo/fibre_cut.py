"""A fibre between two provinces is cut: one problem, found and followed by all, repaired, and paid for once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from deploy.demo import fibre_cut_cast as cast
from deploy.demo import wording
from deploy.demo.commands import administrator_command, staff_command
from deploy.demo.complaint_cast import STAFF, Elsewhen
from deploy.demo.fibre_cut_cast import Watch, until
from deploy.demo.world import World
from gateway.api.coordinator.v1.problem_service_pb2 import Problem
from gateway.api.federation.v1.problem_pb2 import PROBLEM_STATE_RESOLVED, ProblemState
from gateway.api.region.v1.agreement_pb2 import Agreement, AgreementStatement, StatementLineKind
from gateway.api.region.v1.agreement_service_pb2 import CreateAgreementRequest
from gateway.api.region.v1.alarm_pb2 import AlarmState
from gateway.api.region.v1.complaint_pb2 import ComplaintChannel, ComplaintRequest, Remedy
from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.api.region.v1.fault_pb2 import (
    Fault,
    FaultCause,
    FaultPlace,
    FaultReport,
    FaultSeverity,
    FaultState,
)
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.api.region.v1.notice_service_pb2 import Notice
from gateway.api.types.v1.types_pb2 import Money
from gateway.time.clock import from_timestamp
from region_node.customers.accounts.rules import EntryKind
from region_node.network.faults.rules import state_name

_LINK, _SERVICE, _TEMPLATE = "chengdu-guangzhou-1", "lines-chengdu-guangzhou", "leased-line"
_CHARGE = 2_000_000  # minor units a month
_LASTS = timedelta(hours=5)  # below 99.5 % of any month, and not below 99.0 %
_PERCENT = 10
_SECOND_DAY = timedelta(days=1, hours=9)  # of a month: a cut on it is repaired in the same month
_STATED = timedelta(hours=1, minutes=1)  # after the end of a month
_HOUR = timedelta(hours=1)
_BEGUN, _OVER, _CREDITED = "network-problem-begun", "network-problem-ended", "service-credit"


@dataclass(frozen=True)
class _Affected:
    """The affected customers: one of Sichuan who is in Guangdong, and one of Guangdong."""

    watch: Watch
    world: World
    agreement: Agreement

    @property
    def who(self) -> Customer:
        """The customer of Sichuan, who has an agreement."""
        return self.world.people.regular

    @property
    def numbers(self) -> dict[str, str]:
        """The numbers, by home region."""
        other = self.world.people.visitor_in_henan
        return {"guangdong": other.product.number, "sichuan": self.who.product.number}


async def between_two_provinces(world: World, there: Elsewhen) -> None:
    """The whole chapter, from the cut to the credit, by the clock of the small federation."""
    who, stage = world.people.regular, world.stage
    stage.chapter(
        "A fibre between Chengdu and Guangzhou is cut",
        f"Sichuan and Guangdong both raise alarms, and it is one thing. {who.name}, of Sichuan, has a leased line over"
        " it, and an agreement about that. The days of this take no time either.",
    )
    async with cast.watch(there) as watch:
        affected = await _promised(world, there, watch)
        begun = there.clock.now()
        problem = await _cut(affected)
        fault = await _attached(affected, problem)
        code = await administrator_command(stage, there.federation, "problems", "show", problem.header.id)
        stage.check("the coordinator shows all of it", "exit 0", f"exit {code}", "and has no word of any customer")
        await _way_round(affected)
        await there.drive_to(begun + _LASTS)
        await _repaired(affected, problem, fault)
        await _credited(affected, fault)


async def _promised(world: World, there: Elsewhen, watch: Watch) -> _Affected:
    """A month begins, with lines over the link and the promise of how often one of them works."""
    month = _next_month(there.clock.now())
    await there.drive_to(month + _SECOND_DAY)
    people = {"guangdong": world.people.visitor_in_henan, "sichuan": world.people.regular}
    bound = 0
    for region, who in people.items():
        await there.counters[region].take_over([who])
        bound += await watch.systems[region].bind(who.product.number, _SERVICE)
    agreement = await watch.engineer.promise(
        CreateAgreementRequest(
            request_id="line-agreement-1",
            number=people["sichuan"].product.number,
            service=_SERVICE,
            template=_TEMPLATE,
            monthly_charge=Money(minor_units=_CHARGE, currency="CNY"),
        )
    )
    terms = agreement.terms
    world.stage.check(
        "two lines over it, one by an agreement",
        f"2 bound, {_TEMPLATE}",
        f"{bound} bound, {terms.id}",
        "; ".join(f"{each.credit_percent} % below {each.below_ppm / 10_000:g} %" for each in terms.bands),
    )
    return _Affected(watch, world, agreement)


async def _cut(affected: _Affected) -> Problem:
    """Both ends raise alarms; coordinators find one cause, home regions count and notify their customers."""
    watch, stage = affected.watch, affected.world.stage
    taken = {
        region: await watch.systems[region].send(
            cast.alarm(_LINK, watch.there.clock.now(), AlarmState.ALARM_STATE_RAISED)
        )
        for region in ("guangdong", "sichuan")
    }
    stage.check("critical alarms in two provinces", "guangdong 1, sichuan 1", _counted(taken))
    found = await until(
        watch.problems,
        lambda seen: any(len(each.header.child_ids) > 1 and _customers(each) > 1 for each in seen),
        "a problem with the alarms of both",
    )
    stage.check(
        "the coordinator finds what it is",
        f"1 problem of 2 alarms, link {_LINK}",
        f"{len(found)} problem of {len(found[0].header.child_ids)} alarms, link {found[0].header.root_cause.id}",
        found[0].header.id,
    )
    counts = {each.region: each.customers for each in found[0].affected if each.customers}
    stage.check("home regions count their customers", "guangdong 1, sichuan 1", _counted(counts), "of nobody else")
    for region, number in affected.numbers.items():
        notices = await _told(watch, region, number, [_BEGUN])
        stage.told(f"{region.capitalize()}'s customer reads", notices[-1].text)
        stage.check(f"told by {region.capitalize()}, the home region", "once", _times(len(notices)))
    return found[0]


async def _attached(affected: _Affected, problem: Problem) -> Fault:
    """The customer, who is in Guangdong, reports and complains; all of it belongs to the problem."""
    watch, stage, number = affected.watch, affected.world.stage, affected.who.product.number
    desk = watch.systems["guangdong"]
    reported = await desk.report(
        "line-fault-1",
        FaultReport(
            number=number,
            description="成都到广州的专线全断了 / the leased line from Chengdu to Guangzhou is dead",
            place=FaultPlace(link=_LINK),
            severity=FaultSeverity.FAULT_SEVERITY_CRITICAL,
        ),
    )
    fault = await until(lambda: desk.fault(reported.id), lambda seen: bool(seen.problem_id), "the fault's problem")
    known = "the same problem" if fault.problem_id == problem.header.id else fault.problem_id
    stage.check(
        "a fault reported in Guangdong",
        f"repaired by sichuan, the same problem, {_LINK}",
        f"repaired by {fault.owner_region}, {known}, {fault.root_cause_id}",
        fault.id,
    )
    filed = await watch.there.desk.file(
        "line-complaint-1",
        ComplaintRequest(
            category="NET_OUTAGE",
            number=number,
            description="专线中断，影响生产 / the line is down and so is our production",
            remedy_sought=Remedy.REMEDY_APOLOGY,
            channel=ComplaintChannel.COMPLAINT_CHANNEL_COUNTER,
            location_region="sichuan",
        ),
    )
    seen = await until(
        watch.systems["sichuan"].followed,
        lambda followed: any(each.ticket_ids for each in followed),
        "the complaint's problem",
    )
    attached = {each.header.id: ", ".join(each.ticket_ids) for each in seen}
    stage.check("and a complaint, attached at home", filed.ticket_id, attached.get(problem.header.id, "none"))
    counted = await until(
        watch.problems, lambda found: any(_complaints(each) for each in found), "the count of complaints"
    )
    counts = {region: count for each in counted for region, count in _complaints(each).items()}
    stage.check("coordinators count it", "sichuan 1", _counted(counts), "and do not know whose it is")
    return fault


async def _way_round(affected: _Affected) -> None:
    stage, there = affected.world.stage, affected.watch.there
    code = await administrator_command(stage, there.federation, "network", "paths", "sichuan", "guangdong")
    sites = await affected.watch.way("sichuan", "guangdong")
    around = "another way" if len(sites) > len(("chengdu", "guangzhou")) else "no other way"
    stage.check(
        "the way round it",
        "exit 0, another way from chengdu to guangzhou",
        f"exit {code}, {around} from {' to '.join([sites[0], sites[-1]] if sites else [])}",
        " – ".join(sites),
    )


async def _repaired(affected: _Affected, problem: Problem, fault: Fault) -> None:
    """Accepted, spliced, and closed with a review; the alarms end, and with them the problem."""
    watch, stage = affected.watch, affected.world.stage
    there, engineer = watch.there, watch.engineer
    await engineer.work(
        WorkOnFaultRequest(request_id="line-work-1", fault_id=fault.id, take_up=WorkOnFaultRequest.TakeUp())
    )
    spliced = WorkOnFaultRequest.Resolve(cause=FaultCause.FAULT_CAUSE_CABLE, text="重新熔接 / spliced")
    resolved = await engineer.work(WorkOnFaultRequest(request_id="line-work-2", fault_id=fault.id, resolve=spliced))
    for region in ("sichuan", "guangdong"):
        await watch.systems[region].send(cast.alarm(_LINK, there.clock.now(), AlarmState.ALARM_STATE_CLEARED))
    review = ("summary=光缆裸露，被挖断 / it lay bare and was dug up", "measure=深埋 / bury it;li;2999-12-31")
    working = ("faults", "work", fault.id, "close", *review)
    code = await staff_command(stage, there.federation, "sichuan", f"sichuan-{STAFF['sichuan']}", *working)
    desk = watch.systems["guangdong"]
    closed = await until(
        lambda: desk.fault(fault.id), lambda seen: seen.state == FaultState.FAULT_STATE_CLOSED, "the end of the fault"
    )
    stage.check(
        f"{engineer.name} repairs and closes it",
        "resolved; exit 0, closed, reviewed with 1 measure",
        f"{state_name(resolved.state)}; exit {code}, {state_name(closed.state)}, reviewed with"
        f" {len(closed.review.measures)} measure",
    )
    ended = await until(
        watch.problems,
        lambda seen: all(each.header.state == PROBLEM_STATE_RESOLVED for each in seen),
        "the end of the problem",
    )
    states = [ProblemState.Name(each.header.state) for each in ended if each.header.id == problem.header.id]
    stage.check(
        "all alarms are over: the problem", "resolved", ", ".join(states).removeprefix("PROBLEM_STATE_").lower()
    )
    for region, number in affected.numbers.items():
        notices = await _told(watch, region, number, [_BEGUN, _OVER])
        stage.told(f"{region.capitalize()}'s customer reads", notices[-1].text)
        stage.check(f"told of the end by {region.capitalize()}", "once", _times(len(notices) - 1))


async def _credited(affected: _Affected, fault: Fault) -> None:
    """The month ends, and the statement comes; its credit is booked once, despite repeated calculations."""
    watch, stage, agreement = affected.watch, affected.world.stage, affected.agreement
    there, number = watch.there, affected.who.product.number
    begun = from_timestamp(agreement.start_time)
    month, end = f"{begun.astimezone(wording.ZONE):%Y-%m}", _next_month(begun)
    await there.drive_to(end + _STATED)
    statement = await until(lambda: watch.engineer.statement(agreement.id, month), lambda _: True, "the statement")
    words = ("agreements", "statement", agreement.id, month)
    code = await staff_command(stage, there.federation, "sichuan", f"sichuan-{STAFF['sichuan']}", *words)
    kind = StatementLineKind.STATEMENT_LINE_KIND_OUTAGE
    outages = [each.source for each in statement.lines if each.kind == kind]
    stage.check(
        "the month's statement",
        f"exit 0, 5 h down by sichuan/fault/{fault.id}, {_PERCENT} %",
        f"exit {code}, {_hours(statement)} h down by {', '.join(outages)}, {_percent(statement)} %",
    )
    booked = await _booked(affected, end)
    await there.drive_to(there.clock.now() + _HOUR)
    again = await watch.engineer.statement(agreement.id, month)
    notices = await _told(watch, "sichuan", number, [_BEGUN, _OVER, _CREDITED])
    stage.told("the customer reads", notices[-1].text)
    credit = wording.amount(statement.credit)
    stage.check(
        "the credit, booked at home once",
        f"{credit}, an hour later {credit}, revision 1",
        f"{booked}, an hour later {await _booked(affected, end)}, revision {again.revision}",
        statement.posting_id,
    )


async def _booked(affected: _Affected, month: datetime) -> str:
    """The credits under agreements on the customer's account of a month."""
    counter = affected.watch.there.counters["sichuan"]
    bill = await counter.bill(affected.who.product.number, f"{month:%Y-%m}")
    credit = EntryKind.SERVICE_CREDIT.description
    return ", ".join(wording.amount(each.amount) for each in bill.lines if each.description == credit)


async def _told(watch: Watch, region: str, number: str, kinds: Sequence[str]) -> Sequence[Notice]:
    """The home region's notices to a customer about the network, once they are complete."""
    systems = watch.systems[region]
    return await until(
        lambda: systems.notices(number),
        lambda seen: [each.kind for each in seen] == list(kinds),
        f"the notices of {region}",
    )


def _next_month(now: datetime) -> datetime:
    """When the next month begins, by the regions' calendar."""
    first = now.astimezone(wording.ZONE).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def _customers(problem: Problem) -> int:
    return sum(each.customers for each in problem.affected)


def _complaints(problem: Problem) -> Mapping[str, int]:
    return {each.region: each.complaints for each in problem.affected if each.complaints}


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{region} {count}" for region, count in sorted(counts.items()))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _hours(statement: AgreementStatement) -> int:
    return round(timedelta(microseconds=statement.downtime_us) / _HOUR)


def _percent(statement: AgreementStatement) -> int:
    kind = StatementLineKind.STATEMENT_LINE_KIND_AVAILABILITY
    return sum(each.percent for each in statement.lines if each.kind == kind)
