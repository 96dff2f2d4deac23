"""Which events and problems go where a region has nearly filled its share of the registry."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from coordinator.membership.members import CurrentMembers
from coordinator.problems import rules
from coordinator.problems.book import View, correlated
from coordinator.problems.correlator import Correlator, CorrelatorPorts
from coordinator.problems.current import CurrentNetwork
from coordinator.problems.grades import LARGER, MONTHLY
from coordinator.problems.making_room import RoomMaker
from coordinator.problems.reports import LogSink, ReportNotifier
from coordinator.problems.room import Told, crowded_out
from coordinator.registry import shares
from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Book, Decision
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.federation.v1.problem_pb2 import (
    NETWORK_ELEMENT_KIND_SITE,
    NetworkElement,
    ProblemHeader,
    ProblemState,
)
from gateway.federation.catalogue import Federation
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import to_timestamp
from tests.shipped import shipped_configuration
from tests.simulation.registry import SimulatedRegistry
from tests.unit.network_events import MINOR, NOON, event
from tests.unit.test_problem_book import NETWORK, TOPOLOGY

PATIENCE_S = 20.0  # reached only where a test fails
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
    name: str,
    state: ProblemState.ValueType,
    children: Iterable[NetworkEvent | str],
    began: timedelta = 40 * HOUR,
    changed: timedelta = 25 * HOUR,
) -> Problem:
    """A problem that began so long ago, and has changed so long ago for the last time."""
    ids = [each if isinstance(each, str) else each.id for each in children]
    cause = NetworkElement(kind=NETWORK_ELEMENT_KIND_SITE, id="chengdu")
    header = ProblemHeader(
        id=name, state=state, version=3, root_cause=cause, child_ids=ids, start_time=to_timestamp(NOW - began)
    )
    if state == rules.RESOLVED:
        header.end_time.CopyFrom(to_timestamp(NOW - changed))
    return Problem(header=header, change_time=to_timestamp(NOW - changed))


def book(events: Iterable[NetworkEvent], *problems: Problem) -> Book:
    return Book({each.id: each for each in events}, {each.header.id: each for each in problems})


def names(numbers: Iterable[int], region: str = "sichuan") -> list[str]:
    return [f"{region}/alarm/{each:03}" for each in numbers]


def removed(before: Book) -> Decision:
    """What goes once all regions have the last version of each problem."""
    return crowded_out(before, Told({}, ()), NOW)


def left(before: Book) -> Book:
    return before.after(removed(before))


def test_a_region_below_most_of_its_share_keeps_everything_whatever_others_have() -> None:
    events = [*map(alarm, range(14)), *(alarm(each, "guangdong") for each in range(14))]
    assert removed(book(events)).is_empty


def test_the_oldest_ended_events_of_a_crowded_region_go_and_nothing_of_another_one() -> None:
    mixed = [alarm(each, ended=each not in (0, 2)) for each in range(16)]
    foreign = [alarm(each, "guangdong") for each in range(14)]
    decision = removed(book([*mixed, *foreign]))
    assert decision == Decision([], names([1, 3, 4, 5]), [])
    assert left(book([*mixed, *foreign])).charges == {"sichuan": 12 * OF_ONE, "guangdong": 14 * OF_ONE}


def test_open_events_never_go() -> None:
    assert removed(book(alarm(each, ended=False) for each in range(40))).is_empty


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


def test_the_events_of_a_problem_in_progress_stay() -> None:
    events = [alarm(each, ended=each != 2) for each in range(16)]
    assert removed(book(events, problem("goes-on", rules.IN_PROGRESS, events[:3]))) == Decision(
        [], names([3, 4, 5, 6]), []
    )


@pytest.mark.parametrize("state", [rules.RESOLVED, rules.CANCELLED])
def test_a_problem_and_its_events_stay_for_a_day_after_its_last_version(state: ProblemState.ValueType) -> None:
    events = [alarm(each) for each in range(16)]
    assert removed(book(events, problem("ended", state, events, changed=23 * HOUR))).is_empty
    assert len(removed(book(events, problem("ended", state, events))).forgotten_events) == 4
    late = problem("ended", state, events, changed=23 * HOUR)
    late.header.end_time.CopyFrom(to_timestamp(NOW - 30 * HOUR))
    assert removed(book(events, late)).is_empty, "its end was found late"


@pytest.mark.parametrize("state", [rules.RESOLVED, rules.CANCELLED])
def test_a_problem_and_its_events_stay_until_each_joined_region_has_its_last_version(
    state: ProblemState.ValueType,
) -> None:
    events = [alarm(each) for each in range(16)]
    crowded = book(events, problem("ended", state, events))
    for known in ({}, {("ended", "henan"): 3}, {("ended", "henan"): 3, ("ended", "sichuan"): 2}):
        assert crowded_out(crowded, Told(known, ("henan", "sichuan")), NOW).is_empty
    known = {("ended", "henan"): 3, ("ended", "sichuan"): 3}
    assert not crowded_out(crowded, Told(known, ("henan", "sichuan")), NOW).is_empty


@pytest.mark.parametrize("state", [rules.RESOLVED, rules.CANCELLED])
def test_an_accident_and_its_events_stay(state: ProblemState.ValueType) -> None:
    events = [alarm(each) for each in range(16)]
    with_grade, with_report = (problem("accident", state, events) for _ in range(2))
    with_grade.grades.add(grade=LARGER)
    with_report.reports.add(kind=MONTHLY)
    for each in (with_grade, with_report):
        assert removed(book(events, each)).is_empty
    with_report.reports[0].make_time.CopyFrom(to_timestamp(NOW))
    assert not removed(book(events, with_report)).is_empty


def test_cancelled_problems_count_and_the_oldest_ones_go_before_any_event() -> None:
    events = [alarm(each) for each in range(12)]
    cancelled = [problem(f"c-{each}", rules.CANCELLED, [], began=(49 - each) * HOUR) for each in range(9)]
    for each in cancelled:
        each.header.child_ids.extend(names(range(12)))
    crowded = book(events, *cancelled)
    assert crowded.charges["sichuan"] == 12 * OF_ONE + 9 * OF_ONE
    assert removed(crowded) == Decision([], [], [f"c-{each}" for each in range(9)])
    assert left(crowded).charges["sichuan"] == shares.relieved(shares.EVENTS), "new ones have room"


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
    cuts = faults()
    found = found_at(NOW - 25 * HOUR, book(cuts))
    assert len(found.problems) == 16
    after = left(found)
    assert len(after.problems) == len(after.events) == 12
    assert found_at(NOW + later, after) == after


def test_a_problem_that_comes_back_after_its_removal_has_an_id_of_its_own() -> None:
    """Regions that know a later version under its former id would ignore it."""
    cuts = faults()
    before = found_at(NOW - 25 * HOUR, book(cuts))
    after = left(before)
    reopened = NetworkEvent()
    reopened.CopyFrom(cuts[0])
    reopened.version += 1
    reopened.ClearField("clear_time")
    back = found_at(NOW, Book({**after.events, reopened.id: reopened}, after.problems))
    (new,) = (each for each in back.problems.values() if list(each.header.child_ids) == [reopened.id])
    assert new.header.id not in before.problems
    assert new.change_time == to_timestamp(NOW)


def faults() -> list[NetworkEvent]:
    """Ended faults of one site, each a problem of its own."""
    return [
        event(
            f"sichuan/fault/{each:03}",
            sites=["chengdu"],
            raised=NOW - 45 * HOUR + each * HOUR,
            cleared=NOW - 45 * HOUR + each * HOUR + MINUTE,
            told_at=NOW - 26 * HOUR,
        )
        for each in range(16)
    ]


def found_at(now: datetime, before: Book) -> Book:
    """The book with the problems that a coordinator finds at a time."""
    changed = correlated(before, View(NETWORK, TOPOLOGY, 15 * MINUTE, now))
    return Book(before.events, {**before.problems, **{each.header.id: each for each in changed}})


def test_each_look_of_a_coordinator_makes_room_without_a_new_event() -> None:
    events = [alarm(each) for each in range(16)]
    for each in events:
        each.severity = MINOR
    kept = SimulatedRegistry(random.Random(1), lambda: Federation(1, shipped_configuration()), book(events))
    members = {"sichuan": Member(state=MemberState.MEMBER_STATE_JOINED)}
    correlator = correlator_of(kept, members)

    async def scenario() -> None:
        await correlator.look()
        assert kept.kept.events.keys() == set(names(range(4, 16)))
        ended = problem("ended", rules.RESOLVED, events)
        kept.kept = book(events, ended)
        for told, count in ((2, 16), (3, 12)):
            kept.told["ended", "sichuan"] = told
            await correlator.look()
            assert len(kept.kept.events) == count, "the joined region has its last version"

    asyncio.run(scenario())


def test_a_coordinator_that_has_written_many_bytes_of_problems_rests_and_another_one_looks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coordinator.problems.correlator.LOOK", 0.0)
    looks = Counter[str]()

    def looking(name: str) -> Correlator:
        grave = [event("sichuan/alarm/1", sites=["chengdu"], raised=NOW - MINUTE)]
        registry = SimulatedRegistry(random.Random(1), lambda: Federation(1, shipped_configuration()), book(grave))
        correlator = correlator_of(registry, {})
        correlator.on_change(lambda problems: looks.update([name] if problems else []))
        return correlator

    async def scenario() -> None:
        other = looking("other")
        monkeypatch.setattr(shares, "PROBLEM_WRITES", KIB)
        loops = [asyncio.create_task(each.run()) for each in (looking("resting"), other)]
        async with asyncio.timeout(PATIENCE_S):
            while looks["other"] < 5 or not looks["resting"]:  # noqa: ASYNC110 - what it waits for is in another task
                await asyncio.sleep(0)
        assert looks["resting"] == 1
        for each in loops:
            each.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    asyncio.run(scenario())


async def settled() -> None:
    """The clock is right from the beginning."""


def correlator_of(kept: SimulatedRegistry, members: Mapping[str, Member]) -> Correlator:
    registry = cast("Registry", kept)
    room = RoomMaker(registry, cast("CurrentMembers", SimpleNamespace(all=lambda: members)))
    clock = cast("AgreedClock", SimpleNamespace(now=lambda: NOW, settled=settled))
    return Correlator(CorrelatorPorts(registry, CurrentNetwork(registry), clock, ReportNotifier(LogSink()), room))
