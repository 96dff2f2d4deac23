"""Turns: whoever brings much waits behind itself, and nobody else does."""

import asyncio
from collections.abc import Sequence
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.turns import SHARED_SECONDS, Places, Turns, owner
from gateway.store.commit_queue import BATCH_LIMIT, SHARED_LIMIT, SINGLE_LIMIT, CommitQueue
from gateway.store.group_commit import Outcome
from gateway.store.port import Operation, Transaction

FLOOD = 200
PATIENCE_S = 60.0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers()), max_size=60), st.integers(min_value=1, max_value=9))
def test_nothing_is_lost_or_doubled_and_each_owner_keeps_its_order(items: list[tuple[str, int]], most: int) -> None:
    waiting: Turns[tuple[str, int]] = Turns()
    for each in items:
        waiting.put(each[0], each)
    taken: list[tuple[str, int]] = []
    while waiting:
        part = waiting.take(most)
        assert 0 < len(part) <= most
        taken += part
    assert len(waiting) == 0
    for name in "abc":
        assert [each for each in taken if each[0] == name] == [each for each in items if each[0] == name]


@given(
    st.integers(min_value=1, max_value=50), st.integers(min_value=1, max_value=5), st.integers(min_value=1, max_value=4)
)
def test_an_owner_waits_for_one_item_of_each_other_owner(flood: int, others: int, most: int) -> None:
    waiting: Turns[str] = Turns()
    for number in range(others):
        for _ in range(flood):
            waiting.put(f"big-{number}", "big")
    waiting.put("small", "small")
    before: list[str] = []
    while "small" not in before:
        before += waiting.take(most)
    assert before.index("small") <= others


def test_owners_share_from_the_second_one_on_until_all_others_are_silent_for_a_while() -> None:
    waiting: Turns[None] = Turns()
    assert not waiting.is_shared("a", 0.0)
    assert not waiting.is_shared("", 1.0)
    assert waiting.is_shared("b", 2.0)
    assert waiting.is_shared("a", SHARED_SECONDS + 2.0)
    assert not waiting.is_shared("a", SHARED_SECONDS + 2.5)


def named(name: str) -> Operation[object]:
    return lambda _: name


def test_a_commit_takes_the_operations_of_owners_in_turns_and_few_of_them() -> None:
    commits: list[list[object]] = []

    async def scenario() -> None:
        may_commit = asyncio.Event()

        async def commit(operations: Sequence[Operation[object]]) -> list[Outcome]:
            await may_commit.wait()
            commits.append([operation(cast("Transaction", None)) for operation in operations])
            return [Outcome() for _ in operations]

        queue = CommitQueue(commit, ValueError)

        async def write(name: str, count: int) -> None:
            owner.set(name)
            await asyncio.gather(*(queue.write(named(name)) for _ in range(count)))

        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            group.create_task(write("big", BATCH_LIMIT + FLOOD))
            group.create_task(write("small", 1))
            group.create_task(write("", 1))
            may_commit.set()
        await queue.close()

    asyncio.run(scenario())
    assert {"small", ""} < set(commits[0])
    assert max(map(len, commits)) == SHARED_LIMIT
    assert len(commits[0]) == SINGLE_LIMIT, "the only operation of an owner waits for few others"
    assert len(commits[1]) == SHARED_LIMIT, "and the others go on"


def test_the_operations_of_one_owner_fill_a_commit() -> None:
    commits: list[int] = []

    async def scenario() -> None:
        async def commit(operations: Sequence[Operation[object]]) -> list[Outcome]:
            commits.append(len(operations))
            return [Outcome() for _ in operations]

        queue = CommitQueue(commit, ValueError)
        owner.set("one")
        await asyncio.gather(*(queue.write(named("one")) for _ in range(BATCH_LIMIT)))
        await queue.close()

    asyncio.run(scenario())
    assert commits == [BATCH_LIMIT]


def test_the_operation_of_a_caller_who_has_gone_is_not_run() -> None:
    commits: list[list[object]] = []

    async def scenario() -> None:
        async def commit(operations: Sequence[Operation[object]]) -> list[Outcome]:
            commits.append([operation(cast("Transaction", None)) for operation in operations])
            return [Outcome(result) for result in commits[-1]]

        queue = CommitQueue(commit, ValueError)
        owner.set("one")
        gone = [asyncio.ensure_future(queue.write(named("gone"))) for _ in range(BATCH_LIMIT)]
        for each in gone:
            each.cancel()
        assert await queue.write(named("here")) == "here"
        await queue.close()

    asyncio.run(scenario())
    assert commits == [["here"]]


def test_commits_that_the_store_could_not_make_are_counted_by_their_reason_and_refused_operations_are_not() -> None:
    answers = [Reason.REASON_STORE_UNAVAILABLE, Reason.REASON_OUTCOME_UNKNOWN, Reason.REASON_ORDER_NOT_FOUND, None]

    async def scenario() -> dict[str, int]:
        async def commit(operations: Sequence[Operation[object]]) -> list[Outcome]:
            if (reason := answers.pop(0)) is None:
                raise ValueError
            return [Outcome(error=Refused(reason)) for _ in operations]

        queue = CommitQueue(commit, ValueError)
        while answers:
            await asyncio.gather(*(queue.write(named("one")) for _ in range(3)), return_exceptions=True)
        await queue.close()
        return queue.counts.failed

    assert asyncio.run(scenario()) == {"STORE_UNAVAILABLE": 2, "OUTCOME_UNKNOWN": 1}


def test_nobody_waits_for_ever_where_a_defect_ends_the_writer_in_a_commit() -> None:
    async def scenario() -> list[object]:
        async def commit(_: Sequence[Operation[object]]) -> list[Outcome]:
            raise ZeroDivisionError

        queue = CommitQueue(commit, ValueError)
        owner.set("one")
        async with asyncio.timeout(PATIENCE_S):
            writes = (queue.write(named("one")) for _ in range(BATCH_LIMIT + 1))
            return list(await asyncio.gather(*writes, return_exceptions=True))

    told = [each.reason for each in asyncio.run(scenario()) if isinstance(each, Refused)]
    assert told == [Reason.REASON_OUTCOME_UNKNOWN] * BATCH_LIMIT + [Reason.REASON_STORE_UNAVAILABLE]


@given(
    st.integers(min_value=1, max_value=3),
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=20),
)
def test_a_place_is_held_once_and_never_lost_whoever_goes_away(count: int, comers: list[tuple[str, bool]]) -> None:
    async def scenario() -> None:
        places, held, most = Places(count), 0, 0

        async def take(name: str) -> None:
            nonlocal held, most
            owner.set(name)
            await places.acquire()
            held += 1
            most = max(most, held)
            try:
                await asyncio.sleep(0)
            finally:
                held -= 1
                places.release()

        tasks = [(asyncio.create_task(take(name)), goes) for name, goes in comers]
        await asyncio.sleep(0)
        for task, goes in tasks:
            if goes:
                task.cancel()
                await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(task for task, _ in tasks), return_exceptions=True)
            assert most <= count
            for _ in range(count):
                await places.acquire()

    asyncio.run(scenario())


def test_a_removed_item_leaves_nothing_behind() -> None:
    waiting: Turns[int] = Turns()
    for item in (1, 2):
        waiting.put("a", item)
    waiting.remove("b", 1)
    waiting.remove("a", 3)
    assert len(waiting) == 2
    waiting.remove("a", 1)
    assert (len(waiting), waiting.of("a")) == (1, 1)
    waiting.remove("a", 2)
    waiting.put("b", 3)
    assert (len(waiting), waiting.ahead_of("a"), waiting.take(2)) == (1, 1, [3])


def test_an_owner_whose_first_waiter_gives_up_keeps_its_turn() -> None:
    order: list[str] = []

    async def scenario() -> None:
        places = Places(1)
        await places.acquire()

        async def take(name: str) -> None:
            await places.acquire(name)
            order.append(name)
            places.release()

        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            gone = [group.create_task(take("patient")) for _ in range(FLOOD)]
            group.create_task(take("patient"))
            group.create_task(take("other"))
            await asyncio.sleep(0)
            for each in gone:
                each.cancel()
            await asyncio.gather(*gone, return_exceptions=True)
            places.release()

    asyncio.run(scenario())
    assert order == ["patient", "other"]


def test_a_place_goes_to_another_owner_ahead_of_those_who_queued_before() -> None:
    order: list[str] = []

    async def scenario() -> None:
        places = Places(1)
        await places.acquire()

        async def take(name: str) -> None:
            owner.set(name)
            await places.acquire()
            order.append(name)
            places.release()

        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            for _ in range(FLOOD):
                group.create_task(take("big"))
            group.create_task(take("small"))
            await asyncio.sleep(0)
            places.release()

    asyncio.run(scenario())
    assert order.index("small") == 1
