"""The current outages: by problems and by planned outages."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from coordinator.problems.outages import outages_now
from coordinator.problems.rules import DEGRADED, DOWN, IN_PROGRESS, RESOLVED
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.coordinator.v1.problem_service_pb2 import AffectedCount, Problem
from gateway.api.federation.v1.problem_pb2 import (
    NETWORK_ELEMENT_KIND_LINK,
    PERCEIVED_SEVERITY_CRITICAL,
    PERCEIVED_SEVERITY_MAJOR,
    NetworkElement,
    ProblemHeader,
)
from gateway.federation.network import NetworkRegistry
from gateway.time.clock import to_timestamp
from tests.shipped import shipped_configuration
from tests.unit.network_events import NOON

NETWORK = NetworkRegistry(shipped_configuration().network)
LINK, SERVICE = "chengdu-guangzhou-1", "lines-chengdu-guangzhou"
HOUR = timedelta(hours=1)


def problem(link: str = LINK, services: Sequence[str] = (SERVICE,), *, ended: bool = False) -> Problem:
    header = ProblemHeader(
        id="problem-1",
        state=RESOLVED if ended else IN_PROGRESS,
        root_cause=NetworkElement(kind=NETWORK_ELEMENT_KIND_LINK, id=link),
        severity=PERCEIVED_SEVERITY_CRITICAL,
        services=services,
        start_time=to_timestamp(NOON),
    )
    return Problem(header=header, affected=[AffectedCount(region="sichuan", customers=7)])


def degraded(link: str = LINK, services: Sequence[str] = (SERVICE,)) -> Problem:
    found = problem(link, services)
    found.header.id, found.header.condition = "problem-2", DEGRADED
    found.header.severity = PERCEIVED_SEVERITY_MAJOR
    found.header.start_time.CopyFrom(to_timestamp(NOON - HOUR))
    return found


def window(*links: str, start: datetime = NOON - HOUR, withdrawn: bool = False) -> PlannedOutageHeader:
    return PlannedOutageHeader(
        id=f"sichuan/planned/{links[0]}",
        links=links,
        start_time=to_timestamp(start),
        end_time=to_timestamp(start + 3 * HOUR),
        version=1,
        withdrawn=withdrawn,
    )


def down(problems: Sequence[Problem], windows: Sequence[PlannedOutageHeader]) -> list[tuple[str, str, bool, int]]:
    return [
        (each.element.id, each.problem_id or each.planned_outage_id, each.is_root_cause, each.customers)
        for each in outages_now(NETWORK, problems, windows, NOON + HOUR)
    ]


def test_a_planned_outage_that_runs_is_down_with_the_service_that_it_leaves_without_a_way() -> None:
    assert down([], [window(LINK)]) == [
        (LINK, f"sichuan/planned/{LINK}", True, 0),
        (SERVICE, f"sichuan/planned/{LINK}", False, 0),
    ]


def test_what_is_not_yet_out_or_was_cancelled_or_is_over_is_not_down() -> None:
    later, over = window(LINK, start=NOON + 2 * HOUR), window(LINK, start=NOON - 2 * HOUR)
    assert down([problem(ended=True)], [later, over, window(LINK, withdrawn=True)]) == []


def test_what_is_down_for_both_is_told_once_by_its_problem() -> None:
    assert down([problem()], [window(LINK)]) == [(LINK, "problem-1", True, 7), (SERVICE, "problem-1", False, 7)]


def test_what_works_badly_is_degraded_and_what_is_down_for_something_else_too_is_down() -> None:
    def told(*problems: Problem, windows: Sequence[PlannedOutageHeader] = ()) -> list[tuple[str, str, int]]:
        found = outages_now(NETWORK, problems, windows, NOON + HOUR)
        return sorted((each.element.id, each.problem_id or each.planned_outage_id, each.condition) for each in found)

    assert told(degraded()) == [(LINK, "problem-2", DEGRADED), (SERVICE, "problem-2", DEGRADED)]
    cut = problem()
    cut.header.condition = DOWN
    assert told(degraded(), cut) == [(LINK, "problem-1", DOWN), (SERVICE, "problem-1", DOWN)]
    assert [each[2] for each in told(degraded(), windows=[window(LINK)])] == [DOWN, DOWN]
    one, other, service = "chengdu-zhengzhou-1", "xian-chengdu-1", "lines-chengdu-zhengzhou"
    half = problem(one, [service])
    half.header.condition = DOWN
    conditions = {name: condition for name, _, condition in told(half, degraded(other, [service]))}
    assert conditions == {one: DOWN, other: DEGRADED, service: DEGRADED}, "its only way that is left is a bad one"


def test_of_two_ways_one_that_is_planned_takes_no_service_down() -> None:
    assert [each[0] for each in down([], [window("chengdu-zhengzhou-1")])] == ["chengdu-zhengzhou-1"]
    both = down([], [window("chengdu-zhengzhou-1"), window("xian-chengdu-1")])
    assert ("lines-chengdu-zhengzhou", "sichuan/planned/chengdu-zhengzhou-1", False, 0) in both
    assert len(both) == 3
