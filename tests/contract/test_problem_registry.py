"""Problems of the network in each registry: versions, decisions that meet, and what is forgotten."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from coordinator.registry import shares
from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Administered, Book, Decision, event_charge
from gateway.api.coordinator.v1.problem_service_pb2 import Problem
from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from tests.contract.registries import ADMIN, EtcdRegistries, Registries, audit_rows, run
from tests.contract.relay_scene import PATIENCE_S
from tests.unit.network_events import cut, event

LINK = ("chengdu-guangzhou-1",)


def problem(name: str, version: int = 1) -> Problem:
    return Problem(header=ProblemHeader(id=name, version=version, child_ids=["sichuan/alarm/1"]))


def raised(book: Book, name: str) -> Decision:
    """The problem with one version more than is there."""
    before = book.problems.get(name)
    return Decision([problem(name, before.header.version + 1 if before is not None else 1)])


def test_of_an_event_the_highest_version_is_kept_whatever_comes_when(opened: Registries) -> None:
    first, second = (event("sichuan/alarm/1", links=LINK, version=each) for each in (1, 2))

    async def scenario() -> None:
        async with opened() as registry:
            assert await registry.problems.book() == Book()
            for each in (second, first, second, cut()[1]):
                await registry.problems.keep_event(each)
            assert not await audit_rows(registry), "what regions tell of themselves is no change by anybody"
        async with opened() as registry:
            assert (await registry.problems.book()).events == {first.id: second, cut()[1].id: cut()[1]}

    run(scenario())


def test_what_is_decided_is_durable_and_an_administrators_decision_stands_in_the_chain_once(opened: Registries) -> None:
    by = Administered(ADMIN, "REPORT_MADE", "problem/p-1", "oral")

    async def scenario() -> None:
        async with opened() as registry:
            await registry.problems.change(lambda book: raised(book, "p-1"))
            await registry.problems.change(lambda book: raised(book, "p-1"), by)
            await registry.problems.change(lambda _: Decision(), by)
            rows = [(row.action, row.subject, row.detail) for row in await audit_rows(registry)]
            assert rows == [("REPORT_MADE", "problem/p-1", "oral")]
        async with opened() as registry:
            assert (await registry.problems.book()).problems == {"p-1": problem("p-1", 2)}

    run(scenario())


def test_of_decisions_at_the_same_time_none_is_lost(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await asyncio.gather(*(registry.problems.change(lambda book: raised(book, "p-1")) for _ in range(8)))
            assert (await registry.problems.book()).problems == {"p-1": problem("p-1", 8)}

    run(scenario())


def test_a_count_of_before_does_not_outlast_that_of_the_change_that_made_room(
    opened: Registries, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (event(f"sichuan/alarm/{each}", links=LINK) for each in (1, 2))
    monkeypatch.setattr(shares, "EVENTS", event_charge(first))
    has_read, may_end = threading.Event(), threading.Event()

    def look(_: Book) -> Decision:
        has_read.set()
        assert may_end.wait(PATIENCE_S)
        return Decision()

    async def scenario() -> None:
        async with opened() as registry:
            assert await registry.problems.keep_event(first)
            assert not await registry.problems.keep_event(second)
            looking = asyncio.create_task(registry.problems.change(look))
            assert await asyncio.to_thread(has_read.wait, PATIENCE_S)
            making = asyncio.create_task(registry.problems.change(lambda _: Decision(forgotten_events=[first.id])))
            await asyncio.wait({making}, timeout=0.2)  # it waits for the look, or would be done by then
            may_end.set()
            await asyncio.gather(looking, making)
            assert await registry.problems.keep_event(second)

    run(scenario())


def test_a_storm_of_problems_is_kept_whole(opened: Registries) -> None:
    names = [f"p-{number}" for number in range(250)]

    async def scenario() -> None:
        async with opened() as registry:
            await registry.problems.change(lambda _: Decision([problem(each) for each in names]))
            assert (await registry.problems.book()).problems.keys() == set(names)

    run(scenario())


def test_what_is_forgotten_is_gone_with_those_who_followed_it(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.problems.keep_event(cut()[0])
            await registry.problems.change(lambda _: Decision([problem("p-1"), problem("p-2")]))
            for each in ("p-1", "p-2"):
                await registry.problems.note_followed(each, "henan", 2)
                await registry.problems.note_followed(each, "henan", 1)
            assert await registry.problems.followed() == {("p-1", "henan"): 2, ("p-2", "henan"): 2}
            await registry.problems.change(lambda _: Decision((), [cut()[0].id], ["p-1"]))
            assert await registry.problems.book() == Book({}, {"p-2": problem("p-2")})
            assert await registry.problems.followed() == {("p-2", "henan"): 2}

    run(scenario())


def test_an_event_that_changes_after_the_decision_to_forget_it_stays(opened: Registries) -> None:
    ended, reopened = (event("sichuan/fault/1", links=LINK, version=each) for each in (1, 2))
    other = cut()[0]

    async def scenario() -> None:
        async with opened() as registry:
            loop = asyncio.get_running_loop()
            for each in (ended, other):
                await registry.problems.keep_event(each)

            def decide(_: Book) -> Decision:
                """A decision is made beside the loop, and the region reports meanwhile."""
                assert asyncio.run_coroutine_threadsafe(registry.problems.keep_event(reopened), loop).result()
                return Decision((), [ended.id, other.id])

            await registry.problems.change(decide)
            assert (await registry.problems.book()).events == {reopened.id: reopened}

    run(scenario())


def test_two_coordinators_that_decide_at_once_make_one_problem_of_one_cause(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    opened = EtcdRegistries.of(request.getfixturevalue("etcd_cluster"), tmp_path)
    seen: list[int] = []

    def found_by(name: str, book: Book) -> Decision:
        """Each would call it by another name; whoever comes second sees what the first has found."""
        seen.append(len(book.problems))
        return Decision() if book.problems else Decision([problem(name)])

    async def decide(registries: Sequence[Registry]) -> None:
        await asyncio.gather(
            *(
                each.problems.change(lambda book, name=f"p-{number}": found_by(name, book))  # type: ignore[misc]
                for number, each in enumerate(registries)
            )
        )

    async def scenario() -> None:
        async with opened(name="a") as one, opened(name="b") as other:
            await decide([one, other])
            assert len((await one.problems.book()).problems) == 1
            assert await one.problems.book() == await other.problems.book()

    run(scenario())
    assert 1 in seen
