"""Coordinators hear of every alarm and fault, and of every count, whatever fails in between; on both engines."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, ReportAffectedRequest
from gateway.api.federation.v1.problem_pb2 import (
    PROBLEM_STATE_CANCELLED,
    PROBLEM_STATE_IN_PROGRESS,
    ProblemHeader,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable, retry_seconds
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.store.port import Store, Transaction
from gateway.store.schema import migrations_of
from gateway.time.clock import to_timestamp
from region_node.app.registered import PROBLEMS
from region_node.care.complaints.of_problems import count_complaints
from region_node.network.problems import rows
from region_node.network.problems.following import follow
from region_node.network.problems.notifier import Coordinators, ProblemNotifier, tell_event
from region_node.node.context import RegionContext
from region_node.schema import PACKAGES
from tests.contract.stores import Adapter, run
from tests.shipped import shipped_configuration
from tests.simulation.world import keys
from tests.unit.network_events import NOON, event

LINK = ("chengdu-guangzhou-1",)
CONTEXT = RegionContext(Border("sichuan", keys().signers["sichuan"], keys().trusted, CurrentFederation()))
CONTEXT.border.current.update(Federation(1, shipped_configuration()), [])
FIRST, SECOND = (event("sichuan/alarm/1", links=LINK, version=each) for each in (1, 2))


class Coordinator:
    """Receives reports, and then responds or not."""

    def __init__(self) -> None:
        self.events: list[NetworkEvent] = []
        self.counts: list[ReportAffectedRequest] = []
        self.failures: list[Exception] = []
        self.failures_of_counts: list[Exception] = []
        self.heard = asyncio.Event()

    @property
    def port(self) -> Coordinators:
        """How regions tell it."""
        return Coordinators(self._take_event, self._take_count)

    async def _take_event(self, told: NetworkEvent) -> None:
        self.events.append(told)
        self._answer(self.failures)

    async def _take_count(self, told: ReportAffectedRequest) -> None:
        self.counts.append(told)
        self._answer(self.failures_of_counts or self.failures)

    def _answer(self, failures: list[Exception]) -> None:
        self.heard.set()
        if failures:
            raise failures.pop(0)


def waiting(tx: Transaction) -> list[NetworkEvent]:
    """The events that coordinators still lack."""
    return rows.queued_events(tx, "", 100)


def header(version: int = 1) -> ProblemHeader:
    return ProblemHeader(
        id="problem-1",
        version=version,
        state=PROBLEM_STATE_IN_PROGRESS,
        services=["broadband-chengdu"],
        start_time=to_timestamp(NOON),
    )


def test_an_event_is_told_until_it_was_heard_and_a_later_version_after_it(adapter: Adapter) -> None:
    async def scenario() -> None:
        coordinator = Coordinator()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            notifier = ProblemNotifier(CONTEXT, store, coordinator.port, count_complaints)
            await store.write(lambda tx: tell_event(tx, FIRST))
            coordinator.failures = [Unreachable("the answer is lost")]
            with pytest.raises(Unreachable):
                await notifier.tell_all()
            assert await store.read(waiting) == [FIRST], "it is told again"
            await store.write(lambda tx: tell_event(tx, SECOND))
            await store.write(lambda tx: tell_event(tx, FIRST))
            assert await notifier.tell_all()
            assert (coordinator.events, await store.read(waiting)) == ([FIRST, SECOND], [])

    run(scenario())


def test_a_version_that_comes_while_the_one_before_is_told_is_not_lost(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await store.write(lambda tx: tell_event(tx, FIRST))

            async def change_meanwhile(_: NetworkEvent) -> None:
                await store.write(lambda tx: tell_event(tx, SECOND))

            await _tell_one_page(store, change_meanwhile)
            assert await store.read(waiting) == [SECOND]

    run(scenario())


async def _tell_one_page(store: Store, take: Callable[[NetworkEvent], Awaitable[None]]) -> None:
    page = await store.read(waiting)
    for each in page:
        await take(each)
    await store.write(lambda tx: rows.note_delivered(tx, page))


def test_what_is_refused_for_good_waits_and_does_not_hold_up_the_others(adapter: Adapter) -> None:
    other = event("sichuan/alarm/2", links=LINK)

    async def scenario() -> None:
        coordinator = Coordinator()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            for each in (FIRST, other):
                await store.write(lambda tx, each=each: tell_event(tx, each))  # type: ignore[misc]
            notifier = ProblemNotifier(CONTEXT, store, coordinator.port, count_complaints)
            coordinator.failures = [Refused(Reason.REASON_LINK_UNKNOWN, link=LINK[0])]
            assert await notifier.tell_all(), "it can wait"
            assert await store.read(waiting) == [FIRST]
            for passing in (Reason.REASON_REGISTRY_UNAVAILABLE, Reason.REASON_REGISTRY_BEHIND):
                coordinator.failures = [Refused(passing)]
                assert not await notifier.tell_all(), "it is told again soon"

    run(scenario())


def test_a_count_is_told_once_for_each_version_and_again_when_lines_are_bound(adapter: Adapter) -> None:
    async def scenario() -> None:
        coordinator = Coordinator()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            notifier = ProblemNotifier(CONTEXT, store, coordinator.port, count_complaints)
            assert await store.write(lambda tx: follow(tx, CONTEXT, PROBLEMS.evidence, header(), NOON))
            assert not await store.write(lambda tx: follow(tx, CONTEXT, PROBLEMS.evidence, header(), NOON))
            coordinator.failures = [Refused(Reason.REASON_REGISTRY_UNAVAILABLE)]
            assert not await notifier.tell_all()
            assert await notifier.tell_all()
            assert await notifier.tell_all()
            assert [(each.problem_id, each.customers, each.problem_version) for each in coordinator.counts] == [
                ("problem-1", 0, 1),
                ("problem-1", 0, 1),
            ]
            await store.write(rows.count_again)
            await store.write(lambda tx: follow(tx, CONTEXT, PROBLEMS.evidence, header(2), NOON))
            assert await notifier.tell_all()
            assert coordinator.counts[-1].problem_version == 2
            assert await store.read(lambda tx: rows.problems_to_count(tx, 10)) == []

    run(scenario())


def test_the_loop_tells_as_soon_as_something_is_to_be_told(adapter: Adapter) -> None:
    async def scenario() -> None:
        coordinator = Coordinator()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            loop = asyncio.create_task(ProblemNotifier(CONTEXT, store, coordinator.port, count_complaints).run())
            await store.write(lambda tx: tell_event(tx, FIRST))
            await coordinator.heard.wait()
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            assert coordinator.events == [FIRST]

    run(scenario())


def test_alarms_go_before_counts_and_a_failure_of_either_does_not_hold_up_the_other(adapter: Adapter) -> None:
    async def scenario() -> None:
        coordinator = Coordinator()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            notifier = ProblemNotifier(CONTEXT, store, coordinator.port, count_complaints)
            await store.write(lambda tx: follow(tx, CONTEXT, PROBLEMS.evidence, header(), NOON))
            await store.write(lambda tx: tell_event(tx, FIRST))
            coordinator.failures_of_counts = [Unreachable("no answer to the count")]
            with pytest.raises(Unreachable):
                await notifier.tell_all()
            assert (coordinator.events, await store.read(waiting)) == ([FIRST], [])
            await store.write(lambda tx: tell_event(tx, SECOND))
            coordinator.failures = [Refused(Reason.REASON_TOO_BUSY)]
            with pytest.raises(Refused, match="TOO_BUSY"):
                await notifier.tell_all()
            assert len(coordinator.counts) == 2
            assert await store.read(lambda tx: rows.problems_to_count(tx, 10)) == []
            assert await store.read(waiting) == [SECOND]

    run(scenario())


def part(name: str, merged_into: str) -> ProblemHeader:
    found = header()
    found.id, found.state, found.merged_into_id = name, PROBLEM_STATE_CANCELLED, merged_into
    return found


def test_the_parts_of_a_problem_are_known_also_those_of_its_parts_and_forgotten_with_time(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            for each in (part("problem-3", "problem-2"), part("problem-2", "problem-1"), header()):
                await store.write(lambda tx, each=each: follow(tx, CONTEXT, PROBLEMS.evidence, each, NOON))  # type: ignore[misc]
            parts = await store.read(lambda tx: rows.merged_problems(tx, "problem-1"))
            assert sorted(parts) == ["problem-2", "problem-3"]
            await store.write(lambda tx: rows.forget_followed(tx, NOON + timedelta(seconds=1)))
            kept = await store.read(lambda tx: rows.followed_problems(tx, None, include_ended=True, limit=10))
            assert [each.header.id for each in kept] == ["problem-1"], "it goes on"

    run(scenario())


def test_a_pass_ends_with_the_first_page_that_has_no_room_and_the_next_one_begins_behind_it(adapter: Adapter) -> None:
    queued = [event(f"sichuan/alarm/{each:03}", links=LINK) for each in range(120)]

    async def scenario() -> None:
        coordinator = Coordinator()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            for each in queued:
                await store.write(lambda tx, each=each: tell_event(tx, each))  # type: ignore[misc]
            notifier = ProblemNotifier(CONTEXT, store, coordinator.port, count_complaints)
            coordinator.failures = [Refused(Reason.REASON_TOO_BUSY)]
            with pytest.raises(Refused, match="TOO_BUSY"):
                await notifier.tell_all()
            assert len(coordinator.events) == 50, "the page that was under way"
            assert len(await store.read(waiting)) == 71
            assert not await notifier.tell_all(), "what had no room waits for the pass after this one"
            assert (len(coordinator.events), len(await store.read(waiting))) == (120, 1)
            assert await notifier.tell_all()
            assert await store.read(waiting) == []

    run(scenario())


def test_nothing_that_is_queued_meanwhile_shortens_the_pause_of_a_coordinator_without_room(adapter: Adapter) -> None:
    other = event("sichuan/alarm/2", links=LINK)

    async def scenario() -> None:
        clock, times = asyncio.get_running_loop().time, list[float]()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            taken = asyncio.Event()

            async def take(told: NetworkEvent) -> None:
                times.append(clock())
                if told == FIRST:
                    await store.write(lambda tx: tell_event(tx, other))
                    raise Refused(Reason.REASON_TOO_BUSY)
                taken.set()

            tellers = Coordinators(take, Coordinator().port.tell_affected)
            loop = asyncio.create_task(ProblemNotifier(CONTEXT, store, tellers, count_complaints).run())
            await store.write(lambda tx: tell_event(tx, FIRST))
            await taken.wait()
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            assert times[1] - times[0] > 0.9 * retry_seconds(Refused(Reason.REASON_TOO_BUSY))

    run(scenario())
