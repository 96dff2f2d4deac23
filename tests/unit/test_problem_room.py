"""Which events and problems go where a region has nearly filled its share of the registry."""

import random
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import cast

import pytest

from coordinator.problems import rules
from coordinator.problems.book import View, correlated
from coordinator.problems.correlator import decision
from coordinator.problems.current import CurrentNetwork
from coordinator.problems.room import crowded_out
from coordinator.registry import shares
from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Book, Decision
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.api.federation.v1.problem_pb2 import (
    NETWORK_ELEMENT_KIND_SITE,
    NetworkElement,
    ProblemHeader,
    ProblemState,
)
from gateway.federation.catalogue import Federation
from gateway.time.clock import to_timestamp
from tests.shipped import shipped_configuration
from tests.simulation.registry import SimulatedRegistry
from tests.unit.network_events import MINOR, NOON, event
from tests.unit.test_problem_book import NETWORK, TOPOLOGY

KIB, MINUTE, HOUR = 1024, timedelta(minutes=1), timedelta(hours=1)
OF_ONE = 5 * KIB  # the charge of an event that names one site
NOW = NOON + 24 * HOUR


@pytest.fixture(autouse=True)
def small_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for 16 events of a region, of which 15 are too many and 12 stay."""
    monkeypatch.setattr(shares, "EVENTS", 16 * OF_ONE)


def alarm(number: int, region: str = "sichuan", *, ended: bool = True, told: timedelta = HOUR) -> NetworkEvent:
    """An alarm of an hour after noon for each number, last told so long ago."""
    raised = NOON + number * MINUTE
    site = "chengdu" if region == "sichuan" else "guangzhou"
    cleared = raised + MINUTE if ended else None
    return event(f"{region}/alarm/{number:03}", sites=[site], raised=raised, cleared=cleared, told_at=NOW - told)


def problem(
    name: str, state: ProblemState.ValueType, children: Iterable[NetworkEvent | str], began: timedelta = HOUR
) -> Problem:
    ids = [each if isinstance(each, str) else each.id for each in children]
    cause = NetworkElement(kind=NETWORK_ELEMENT_KIND_SITE, id="chengdu")
    header = ProblemHeader(
        id=name, state=state, version=3, root_cause=cause, child_ids=ids, start_time=to_timestamp(NOW - began)
    )
    if state == rules.RESOLVED:
        header.end_time.CopyFrom(to_timestamp(NOW - began + MINUTE))
    return Problem(header=header)


def book(events: Iterable[NetworkEvent], *problems: Problem) -> Book:
    return Book({each.id: each for each in events}, {each.header.id: each for each in problems})


def names(numbers: Iterable[int], region: str = "sichuan") -> list[str]:
    return [f"{region}/alarm/{each:03}" for each in numbers]


def left(before: Book) -> Book:
    return before.after(crowded_out(before, NOW))


def test_a_region_below_most_of_its_share_keeps_everything_whatever_others_have() -> None:
    events = [*map(alarm, range(14)), *(alarm(each, "guangdong") for each in range(14))]
    assert crowded_out(book(events), NOW).is_empty


def test_the_oldest_ended_events_of_a_crowded_region_go_and_nothing_of_another_one() -> None:
    mixed = [alarm(each, ended=each not in (0, 2)) for each in range(16)]
    foreign = [alarm(each, "guangdong") for each in range(14)]
    decision = crowded_out(book([*mixed, *foreign]), NOW)
    assert decision == Decision([], names([1, 3, 4, 5]), [])
    assert left(book([*mixed, *foreign])).charges == {"sichuan": 12 * OF_ONE, "guangdong": 14 * OF_ONE}


def test_open_events_never_go() -> None:
    assert crowded_out(book(alarm(each, ended=False) for each in range(40)), NOW).is_empty


def test_an_ended_problem_loses_what_goes_and_goes_with_its_last_event() -> None:
    events = [alarm(each) for each in range(16)]
    foreign = alarm(0, "guangdong")
    shared = problem("shared", rules.RESOLVED, [events[0], foreign])
    own = problem("own", rules.RESOLVED, events[1:3])
    kept = problem("kept", rules.RESOLVED, events[14:])
    after = left(book([*events, foreign], shared, own, kept))
    assert after.problems.keys() == {"shared", "kept"}
    assert list(after.problems["shared"].header.child_ids) == [foreign.id]
    assert after.problems["kept"] == kept
    assert foreign.id in after.events


def test_events_of_a_problem_in_progress_go_after_all_others() -> None:
    events = [alarm(each, ended=each != 2) for each in range(16)]
    goes_on = problem("goes-on", rules.IN_PROGRESS, events[:3])
    first = crowded_out(book(events, goes_on), NOW)
    assert (list(first.problems), list(first.forgotten_events)) == ([], names([3, 4, 5, 6]))
    flapping = [alarm(each, ended=each > 0) for each in range(16)]
    (after,) = crowded_out(book(flapping, problem("flaps", rules.IN_PROGRESS, flapping)), NOW).problems
    assert list(after.header.child_ids) == names([0, *range(5, 16)])


def test_the_events_of_an_ended_problem_stay_until_regions_are_told_of_its_end() -> None:
    events = [alarm(each, told=MINUTE) for each in range(16)]
    assert crowded_out(book(events, problem("ended", rules.RESOLVED, events)), NOW).is_empty
    assert len(crowded_out(book(events), NOW).forgotten_events) == 4, "of no problem"


def test_cancelled_problems_count_and_go_where_the_share_is_exceeded_oldest_first() -> None:
    events = [alarm(each, ended=False) for each in range(12)]
    cancelled = [problem(f"c-{each}", rules.CANCELLED, events, began=(9 - each) * HOUR) for each in range(9)]
    crowded = book(events, *cancelled)
    assert crowded.charges["sichuan"] == 12 * OF_ONE + 9 * OF_ONE
    decision = crowded_out(crowded, NOW)
    assert list(decision.forgotten_problems) == [f"c-{each}" for each in range(5)]
    assert crowded.after(decision).charges["sichuan"] == shares.EVENTS


def test_a_cancelled_problem_counts_for_the_regions_that_reported_its_events() -> None:
    mixed = problem("c", rules.CANCELLED, [*names(range(3)), *names([0], "guangdong")])
    assert book([], mixed).charges == {"sichuan": OF_ONE * 3 // 4, "guangdong": OF_ONE // 4}


def test_the_end_and_the_retraction_of_an_event_take_no_further_room() -> None:
    opened, ended = alarm(1, ended=False), alarm(1)
    assert book([opened]).charges == book([ended]).charges
    ended.ClearField("sites")
    ended.retracted = True
    assert book([ended]).charges["sichuan"] < OF_ONE


@pytest.mark.parametrize("later", [timedelta(0), 2 * HOUR])
def test_what_is_left_correlates_as_before(later: timedelta) -> None:
    """No problem is cancelled since its events went, and none is found anew."""
    cuts: Sequence[NetworkEvent] = [
        event(
            f"sichuan/fault/{each:03}",
            sites=["chengdu"],
            raised=NOW - 20 * HOUR + each * HOUR,
            cleared=NOW - 20 * HOUR + each * HOUR + MINUTE,
            told_at=NOW - HOUR,
        )
        for each in range(16)
    ]
    view = View(NETWORK, TOPOLOGY, 15 * MINUTE, NOW)
    found = {each.header.id: each for each in correlated(book(cuts), view)}
    assert len(found) == 16
    after = left(book(cuts, *found.values()))
    assert len(after.problems) == len(after.events) == 12
    assert not correlated(after, View(NETWORK, TOPOLOGY, 15 * MINUTE, NOW + later))


def test_of_two_decisions_in_a_row_the_later_one_says_the_last_word() -> None:
    first = Decision([problem("a", rules.RESOLVED, names([1, 2])), problem("b", rules.RESOLVED, [])], ["e"], ["x"])
    later = Decision([problem("a", rules.RESOLVED, names([2]))], ["f"], ["b"])
    before = book(map(alarm, range(3)), problem("x", rules.RESOLVED, []))
    assert before.after(first).after(later) == before.after(first.then(later))
    assert Decision().then(Decision()).is_empty


def test_each_look_of_a_coordinator_makes_room_without_a_new_event() -> None:
    events = [alarm(each, ended=False) for each in range(12)]
    for each in events:
        each.severity = MINOR
    cancelled = [problem(f"c-{each}", rules.CANCELLED, events, began=(9 - each) * HOUR) for each in range(9)]
    registry = SimulatedRegistry(random.Random(1), lambda: Federation(1, shipped_configuration()))
    decide = decision(CurrentNetwork(cast("Registry", registry)), NOW)
    crowded = book(events, *cancelled)
    assert crowded.after(decide(crowded, is_correlated=True)).charges["sichuan"] == shares.EVENTS
