"""In every way in which a fault ceases to concern the network, its problem ends or is withdrawn."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from coordinator.problems import grades, rules
from coordinator.problems.book import View, correlated
from coordinator.problems.topology import Topology
from coordinator.registry.problem_port import Book
from gateway.api.coordinator.v1.problem_service_pb2 import AffectedCount, NetworkEvent, Problem
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.problem_pb2 import PERCEIVED_SEVERITY_CRITICAL, ProblemHeader
from gateway.api.region.v1.alarm_pb2 import AlarmState, AlarmType, NetworkObject
from gateway.api.region.v1.alarm_service_pb2 import AlarmReport
from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand
from gateway.api.region.v1.fault_pb2 import (
    Fault,
    FaultCause,
    FaultMeasure,
    FaultPlace,
    FaultReport,
    FaultReview,
    FaultSeverity,
)
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest as Step
from gateway.federation.catalogue import Federation
from gateway.store import vault
from gateway.time.clock import to_timestamp
from region_node.app.registered import PROBLEMS
from region_node.network.faults import handling, owner
from region_node.network.faults.rows import fault_subject, require_fault
from region_node.network.measurements import alarms
from region_node.network.measurements.streams import Piece
from region_node.network.problems import rows
from region_node.network.problems.following import follow
from region_node.network.problems.notifier import retract
from region_node.requests.caller import OwnNode
from tests.unit.network_events import MINOR
from tests.unit.network_events import event as alarm
from tests.unit.purging import Archive, archive
from tests.unit.situations import FEDERATION, LINE
from tests.unit.test_fault_operations import START, done, resolved

MINUTE = timedelta(minutes=1)
LINK = "chengdu-guangzhou-1"
CRITICAL = FaultSeverity.FAULT_SEVERITY_CRITICAL
ENDS, IS_TAKEN_BACK = False, True


class Coordinator:
    """A coordinator's events and problems, by a node's reports. Each problem affects ten customers."""

    def __init__(self) -> None:
        self.book = Book()
        self.network = FEDERATION.network

    def hear(self, told: Iterable[NetworkEvent], now: datetime) -> None:
        events = dict(self.book.events)
        for each in told:
            rules.require_event(each, "sichuan", self.network)
            if each.id not in events or each.version > events[each.id].version:
                events[each.id] = each
        view = View(self.network, Topology(self.network), 15 * MINUTE, now)
        found = {each.header.id: each for each in correlated(Book(events, self.book.problems), view)}
        problems = {**self.book.problems, **found}
        self.book = Book(events, {name: _graded(each, now) for name, each in problems.items()})

    def problem(self, other: str = "") -> Problem:
        """The only one, but for another one."""
        (found,) = (each for each in self.book.problems.values() if each.header.id != other)
        return found


def _graded(problem: Problem, now: datetime) -> Problem:
    counted = Problem()
    counted.CopyFrom(problem)
    if not counted.affected:
        counted.affected.append(AffectedCount(region="sichuan", customers=10, count_time=to_timestamp(now)))
    return grades.graded(counted, grades.thresholds_of(FEDERATION), ZoneInfo("Asia/Shanghai"), now)


def told(node: Archive) -> list[NetworkEvent]:
    """The node's queued reports, once."""
    found = rows.queued_events(node.tx, "", 100)
    rows.note_delivered(node.tx, found)
    return found


def reported(node: Archive, number: str = LINE.number) -> Fault:
    place = FaultPlace(link=LINK)
    report = FaultReport(number=number, description="no signal", place=place, severity=CRITICAL)
    return handling.report(node.tx, node.context, OwnNode("sichuan", "1", ""), report, START)


def take_up(node: Archive, fault: Fault, at: datetime) -> Fault:
    return done(node, fault, Step(take_up=Step.TakeUp()), at)


def assess(node: Archive, fault: Fault, at: datetime, *, terminal: bool = True) -> Fault:
    found = Step.Assess(severity=CRITICAL, terminal_caused=terminal)
    return done(node, fault, Step(assess=found), at)


def reject(node: Archive, fault: Fault, at: datetime) -> None:
    done(node, fault, Step(reject=Step.Reject(reason="no fault")), at)


def withdraw(node: Archive, fault: Fault, at: datetime) -> None:
    cancel = FaultCommand.Cancel(reason="the same as another one")
    owner.apply_command(node.tx, node.context, FaultCommand(fault_id=fault.id, cancel=cancel), at)


def repair_by(cause: FaultCause.ValueType) -> Callable[[Archive, Fault, datetime], Fault]:
    return lambda node, fault, at: resolved(node, take_up(node, fault, at), at, cause)


def close(node: Archive, fault: Fault, at: datetime) -> None:
    resolved(node, take_up(node, fault, at), at)
    review = FaultReview(summary="cut", measures=[FaultMeasure(what="dig deeper", owner="wang", due_date="2027-01-01")])
    done(node, fault, Step(close=Step.Close(review=review)), at)


def erase(node: Archive, fault: Fault, at: datetime) -> None:
    close(node, fault, at)
    vault.destroy(node.tx, [fault_subject(fault.id)])
    node.tx.execute("UPDATE faults SET number_index = '' WHERE fault_id = :id", id=fault.id)


def in_force(node: Archive, change: Callable[[Configuration], None]) -> None:
    configuration = Configuration()
    configuration.CopyFrom(FEDERATION.configuration)
    change(configuration)
    node.context.border.current.update(Federation(2, configuration), [])


def retire_link(node: Archive, fault: Fault, at: datetime) -> None:
    def change(configuration: Configuration) -> None:
        network = configuration.network
        left = [each for each in network.links if each.id != LINK]
        del network.links[:]
        network.links.extend(left)
        for service in network.services:
            service.region, service.sites[:], service.links[:] = "guangdong", ["guangzhou"], []

    in_force(node, change)
    take_up(node, fault, at)


def move_link(node: Archive, fault: Fault, at: datetime) -> None:
    def change(configuration: Configuration) -> None:
        for each in configuration.network.links:
            if each.id == LINK:
                each.region, each.site_a, each.site_b = "guangdong", "guangzhou", "shenzhen"
        for service in configuration.network.services:
            service.region, service.sites[:], service.links[:] = "guangdong", ["guangzhou"], []

    in_force(node, change)
    take_up(node, fault, at)


WAYS: Mapping[str, tuple[Callable[[Archive, Fault, datetime], object], bool]] = {
    "it is the customer's own terminal": (assess, IS_TAKEN_BACK),
    "it is repaired, and came from the terminal": (repair_by(FaultCause.FAULT_CAUSE_TERMINAL), IS_TAKEN_BACK),
    "it is repaired, and the customer did it": (repair_by(FaultCause.FAULT_CAUSE_CUSTOMER), IS_TAKEN_BACK),
    "it is no fault": (reject, IS_TAKEN_BACK),
    "its link is there no more": (retire_link, IS_TAKEN_BACK),
    "its link is another region's": (move_link, IS_TAKEN_BACK),
    "it is withdrawn, or another one": (withdraw, ENDS),
    "it is repaired": (repair_by(FaultCause.FAULT_CAUSE_CABLE), ENDS),
    "it is closed": (close, ENDS),
    "its customer is erased": (erase, ENDS),
}


def test_a_fault_that_ceases_to_be_one_of_the_network_ends_its_problem_whatever_way_it_does() -> None:
    wrong = []
    for way, (end, is_taken_back) in WAYS.items():
        coordinator, at = Coordinator(), START + 20 * MINUTE
        with archive() as node:
            fault = reported(node)
            coordinator.hear(told(node), START)
            assert coordinator.problem().header.state == rules.IN_PROGRESS
            assert rules.has_open_reports(coordinator.problem())
            end(node, fault, at)
            coordinator.hear(told(node), at)
        problem = coordinator.problem()
        expected = rules.CANCELLED if is_taken_back else rules.RESOLVED
        if (problem.header.state, problem.header.end_time) != (expected, to_timestamp(at)):
            wrong.append(f"{way}: {problem.header}")
        if rules.has_open_reports(problem) == is_taken_back:
            wrong.append(f"{way}: reports {problem.reports}")
    assert not wrong, "\n".join(wrong)


def test_what_seemed_a_terminal_and_is_none_is_a_problem_again_and_what_was_none_from_the_start_is_never_told() -> None:
    coordinator = Coordinator()
    with archive() as node:
        fault = reported(node)
        told(node)
        assess(node, fault, START + MINUTE)
        coordinator.hear(told(node), START + MINUTE)
        assert not coordinator.book.problems
        assess(node, fault, START + 2 * MINUTE, terminal=False)
        coordinator.hear(told(node), START + 2 * MINUTE)
        assert coordinator.problem().header.state == rules.IN_PROGRESS
    with archive() as node:
        place = FaultPlace(link=LINK)
        own = FaultReport(number=LINE.number, description="modem", place=place, terminal_caused=True)
        fault = handling.report(node.tx, node.context, OwnNode("sichuan", "1", ""), own, START)
        resolved(node, take_up(node, fault, START), START + MINUTE, FaultCause.FAULT_CAUSE_TERMINAL)
        assert told(node) == []


def test_a_terminal_that_still_names_a_problem_is_taken_back_with_its_next_step() -> None:
    coordinator = Coordinator()
    with archive() as node:
        fault = reported(node)
        coordinator.hear(told(node), START)
        assess(node, fault, START + MINUTE)
        told(node)  # as a node that never told of it
        owner.follow_problem(node.tx, node.context, fault.id, "P-1", "", START + MINUTE)
        told(node)
        done(node, fault, Step(note=Step.Note(text="a modem")), START + 2 * MINUTE)
        coordinator.hear(told(node), START + 2 * MINUTE)
        assert coordinator.problem().header.state == rules.CANCELLED


def test_a_problem_goes_on_without_a_fault_that_was_none_only_where_the_rest_would_be_one() -> None:
    coordinator = Coordinator()
    with archive() as node:
        fault = reported(node)
        (event,) = told(node)
        small = alarm("sichuan/alarm/1", links=[LINK], severity=MINOR, raised=START)
        grave = alarm("sichuan/alarm/2", links=[LINK], raised=START)
        elsewhere = alarm("sichuan/alarm/3", sites=["songpan"], raised=START)
        coordinator.hear([elsewhere], START)
        other = coordinator.problem().header.id
        coordinator.hear([event, small, grave], START)
        assess(node, fault, START + MINUTE)
        coordinator.hear(told(node), START + MINUTE)
        header = coordinator.problem(other).header
        assert (header.state, list(header.child_ids)) == (rules.IN_PROGRESS, [small.id, grave.id])
        none = alarm(grave.id, links=[LINK], raised=START, version=2)
        coordinator.hear([retract(none, START + 2 * MINUTE)], START + 2 * MINUTE)
        header = coordinator.problem(other).header
        assert (header.state, header.merged_into_id) == (rules.CANCELLED, "")


def test_a_fault_that_belongs_to_a_problem_no_more_names_none() -> None:
    with archive() as node:
        fault = reported(node)
        header = ProblemHeader(id="P-1", version=1, state=rules.IN_PROGRESS)
        header.child_ids.append(told(node)[0].id)
        follow(node.tx, node.context, PROBLEMS.evidence, header, START)
        assert require_fault(node.tx, fault.id).fault.problem_id == "P-1"
        header.version, header.state = 2, rules.CANCELLED
        follow(node.tx, node.context, PROBLEMS.evidence, header, START)
        assert require_fault(node.tx, fault.id).fault.problem_id == ""


def test_a_customer_who_reports_the_own_line_several_times_is_one_customer() -> None:
    coordinator = Coordinator()

    def report(name: str, number: str, at: datetime) -> None:
        place = FaultPlace(site="chengdu")
        wanted = FaultReport(number=number, description="no signal", place=place, severity=CRITICAL)
        handling.report(node.tx, node.context, OwnNode("sichuan", name, ""), wanted, at)
        coordinator.hear(told(node), at)

    with archive() as node:
        for name in range(4):
            report(str(name), LINE.number, START + name * MINUTE)
        report("second", "+8619851000008", START + 4 * MINUTE)
        assert not coordinator.book.problems
        report("third", "+8619851000009", START + 5 * MINUTE)
        assert coordinator.problem().header.root_cause.id == "chengdu"


def test_an_alarm_that_turns_out_to_be_of_a_planned_outage_takes_its_problem_back() -> None:
    coordinator = Coordinator()
    with archive() as node:

        def report(*, planned: bool, at: datetime, state: AlarmState.ValueType) -> None:
            said = AlarmReport(
                external_id="a",
                state=state,
                alarmed_object=NetworkObject(link=LINK),
                alarm_type=AlarmType.ALARM_TYPE_COMMUNICATIONS,
                perceived_severity=PERCEIVED_SEVERITY_CRITICAL,
                probable_cause="lossOfSignal",
                event_time=to_timestamp(at),
                planned_outage=planned,
            )
            assert not alarms.take(node.tx, node.context, ("nms", "x"), Piece(0, [said]), at)

        report(planned=False, at=START, state=AlarmState.ALARM_STATE_RAISED)
        coordinator.hear(told(node), START)
        assert coordinator.problem().header.state == rules.IN_PROGRESS
        report(planned=True, at=START + MINUTE, state=AlarmState.ALARM_STATE_UPDATED)
        coordinator.hear(told(node), START + MINUTE)
        assert coordinator.problem().header.state == rules.CANCELLED
        report(planned=True, at=START + 2 * MINUTE, state=AlarmState.ALARM_STATE_CLEARED)
        assert told(node) == []
