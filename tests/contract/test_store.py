"""The contract of every store; written against the port, so that each adapter keeps the same."""

import asyncio
from dataclasses import dataclass

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Interrupted, Refused
from gateway.process.turns import owner
from gateway.store.commit_queue import BATCH_LIMIT
from gateway.store.port import Operation, Store, Transaction, WriteAfterRefusal
from gateway.store.postgresql_connecting import BEGIN_READ
from tests.contract.stores import Adapter, Written, insert, notes, run, writing


@dataclass(frozen=True)
class Another:
    """An event of another type."""


def refusing(tx: Transaction) -> None:
    """An operation that refuses before its first write."""
    notes(tx)
    raise Refused(Reason.REASON_LINE_CLOSED)


def refusing_too_late(tx: Transaction) -> None:
    """An operation with a defect: it refuses after it wrote."""
    insert(tx, "too late")
    raise Refused(Reason.REASON_LINE_CLOSED)


def interrupted(tx: Transaction) -> None:
    """An operation that lacks a key after it wrote."""
    insert(tx, "interrupted")
    raise Interrupted(Reason.REASON_SIGNING_KEY_UNAVAILABLE)


def breaking(tx: Transaction) -> None:
    """An operation with a defect: it writes, publishes an event, and breaks."""
    insert(tx, "broken")
    tx.publish(Written("broken"))
    raise ZeroDivisionError


async def all_of(store: Store, *operations: Operation[object]) -> list[object]:
    """Submits operations at once; their results and the exceptions that they raised."""
    return list(await asyncio.gather(*(store.write(each) for each in operations), return_exceptions=True))


def test_a_write_returns_its_result_and_is_seen_from_outside(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open() as store:
            assert await store.write(writing("one")) == "one"
            assert adapter.notes() == ["one"]

    run(scenario())


def counting(most: int) -> Operation[int]:
    """Counts so far, one by one."""
    sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < :most) SELECT COUNT(*) FROM n"

    def operation(tx: Transaction) -> int:
        (count,) = tx.all(int, sql, most=most)
        return count

    return operation


def test_a_read_for_a_caller_ends_where_it_takes_too_long_and_leaves_the_store_well(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.sqlite.QUERY_STEPS", 1_000_000)
    in_a_second = BEGIN_READ + b"; SET LOCAL statement_timeout = 1000"
    monkeypatch.setattr("gateway.store.postgresql._BEGIN_FOR_CALLER", in_a_second)

    async def scenario() -> None:
        async with adapter.open() as store:
            await store.write(writing("one"))
            for name in ("region/sichuan/operator/counter", "region/sichuan/staff/4711"):
                owner.set(name)
                with pytest.raises(Refused) as refused:
                    await store.read(counting(2**62))
                assert refused.value.reason == Reason.REASON_QUERY_TOO_LONG
                assert await store.read(notes) == ["one"]
            owner.set("")
            assert await store.read(counting(300_000)) == 300_000
            assert await store.write(writing("two")) == "two"

    run(scenario())


def writing_all(*names: str) -> Operation[int]:
    """An operation that writes notes by one call."""

    def operation(tx: Transaction) -> int:
        changed = tx.execute_many("INSERT INTO notes (note) VALUES (:note)", [{"note": name} for name in names])
        assert tx.has_written() == bool(names)
        return changed

    return operation


def test_many_rows_written_by_one_call_are_counted_and_seen_in_the_same_operation(adapter: Adapter) -> None:
    names = [f"{number:04}" for number in range(1000)]

    async def scenario() -> None:
        async with adapter.open() as store:
            assert await store.write(writing_all(*names)) == len(names)
            assert await store.write(writing_all()) == 0
            assert await store.write(lambda tx: (writing_all("later")(tx), notes(tx)[-1])) == (1, "later")

    run(scenario())
    assert adapter.notes() == [*names, "later"]


def test_of_many_rows_none_is_kept_where_one_cannot_be(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open() as store:
            _, failed, _ = await all_of(store, writing("b"), writing_all("a", "b", "c"), writing("d"))
            assert isinstance(failed, Exception)
            assert not isinstance(failed, Refused)

    run(scenario())
    assert adapter.notes() == ["b", "d"]


def test_a_read_sees_every_finished_write(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open() as store:
            for number in range(20):
                await store.write(writing(f"{number:02}"))
                assert len(await store.read(notes)) == number + 1

    run(scenario())


def test_a_read_sees_one_snapshot_from_its_beginning_to_its_end(adapter: Adapter) -> None:
    def twice(tx: Transaction) -> tuple[list[str], list[str]]:
        before = notes(tx)
        adapter.add_note("meanwhile")
        return before, notes(tx)

    async def scenario() -> None:
        async with adapter.open() as store:
            assert await store.read(twice) == ([], [])
            assert await store.read(notes) == ["meanwhile"]

    run(scenario())


def test_a_read_cannot_write(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open() as store:
            with pytest.raises(Exception, match=r"readonly|read-only"):
                await store.read(writing("one"))
            assert adapter.notes() == []
            assert await store.write(writing("two")) == "two"

    run(scenario())


def test_a_read_may_refuse(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open() as store:
            with pytest.raises(Refused):
                await store.read(refusing)
            assert await store.read(notes) == []

    run(scenario())


def test_operations_that_wait_together_share_a_commit_and_run_in_their_order(adapter: Adapter) -> None:
    seen: list[tuple[list[str], list[str]]] = []

    def look(tx: Transaction) -> None:
        seen.append((notes(tx), adapter.notes()))

    async def scenario() -> None:
        async with adapter.open() as store:
            await all_of(store, writing("a"), look, writing("b"), look)

    run(scenario())
    assert seen == [(["a"], []), (["a", "b"], [])], "seen within the transaction, not from outside"
    assert adapter.notes() == ["a", "b"]


def test_more_than_a_batch_holds_is_written_all_the_same(adapter: Adapter) -> None:
    count = 2 * BATCH_LIMIT + 1

    async def scenario() -> None:
        async with adapter.open() as store:
            results = await all_of(store, *(writing(f"{number:04}") for number in range(count)))
            assert results == [f"{number:04}" for number in range(count)]

    run(scenario())
    assert len(adapter.notes()) == count


def test_a_refusal_leaves_its_batch_alone(adapter: Adapter) -> None:
    runs: list[str] = []

    def counted(tx: Transaction) -> None:
        runs.append("run")
        insert(tx, "counted")

    async def scenario() -> None:
        async with adapter.open() as store:
            _, refused, _ = await all_of(store, counted, refusing, writing("after"))
            assert isinstance(refused, Refused)
            assert refused.reason == Reason.REASON_LINE_CLOSED

    run(scenario())
    assert runs == ["run"], "nothing had to be run again"
    assert adapter.notes() == ["after", "counted"]


def test_an_exception_reaches_its_caller_alone_and_leaves_nothing_behind(adapter: Adapter) -> None:
    told: list[object] = []

    async def scenario() -> None:
        async with adapter.open() as store:
            store.subscribe(Written, told.append)
            before, broken, after = await all_of(store, writing("a"), breaking, writing("b"))
            assert (before, after) == ("a", "b")
            assert isinstance(broken, ZeroDivisionError)

    run(scenario())
    assert adapter.notes() == ["a", "b"]
    assert told == [Written("a"), Written("b")], "once each, though they ran twice"


def test_what_the_engine_refuses_reaches_its_caller_alone(adapter: Adapter) -> None:
    """Two notes of one name: the constraint makes one of them."""

    async def scenario() -> None:
        async with adapter.open() as store:
            first, second, other = await all_of(store, writing("a"), writing("a"), writing("b"))
            assert (first, other) == ("a", "b")
            assert isinstance(second, Exception)
            assert not isinstance(second, Refused)

    run(scenario())
    assert adapter.notes() == ["a", "b"]


def test_a_refusal_after_a_write_is_a_defect_and_undone(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open() as store:
            before, late, after = await all_of(store, writing("a"), refusing_too_late, writing("b"))
            assert (before, after) == ("a", "b")
            assert isinstance(late, WriteAfterRefusal)

    run(scenario())
    assert adapter.notes() == ["a", "b"]


def test_an_interruption_after_a_write_undoes_that_operation_alone_and_is_told_to_its_caller(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open() as store:
            before, late, after = await all_of(store, writing("a"), interrupted, writing("b"))
            assert (before, after) == ("a", "b")
            assert isinstance(late, Interrupted)

    run(scenario())
    assert adapter.notes() == ["a", "b"]


def test_a_write_that_changed_nothing_does_not_make_a_refusal_a_defect(adapter: Adapter) -> None:
    def refusing_after_nothing(tx: Transaction) -> None:
        assert tx.execute("UPDATE notes SET note = 'x' WHERE note = 'unknown'") == 0
        raise Refused(Reason.REASON_LINE_CLOSED)

    async def scenario() -> None:
        async with adapter.open() as store:
            with pytest.raises(Refused):
                await store.write(refusing_after_nothing)

    run(scenario())


def test_events_are_told_after_the_commit_in_order_and_to_those_who_asked_for_their_type(adapter: Adapter) -> None:
    told: list[tuple[object, list[str]]] = []

    async def scenario() -> None:
        async with adapter.open() as store:
            store.subscribe(Written, lambda event: told.append((event, adapter.notes())))
            store.subscribe(Another, lambda event: told.append((event, [])))
            await all_of(store, writing("a"), refusing, writing("b"))

    run(scenario())
    assert told == [(Written("a"), ["a", "b"]), (Written("b"), ["a", "b"])]


def test_whoever_waits_for_a_write_finds_its_events_told(adapter: Adapter) -> None:
    told: list[object] = []

    async def scenario() -> None:
        async with adapter.open() as store:
            store.subscribe(Written, told.append)
            await store.write(writing("a"))
            assert told == [Written("a")]

    run(scenario())


def test_a_listener_that_fails_stops_neither_the_store_nor_the_other_listeners(adapter: Adapter) -> None:
    told: list[object] = []
    failures: list[object] = []

    def fail(_: Written) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
        async with adapter.open() as store:
            store.subscribe(Written, fail)
            store.subscribe(Written, told.append)
            await store.write(writing("a"))
            await store.write(writing("b"))

    run(scenario())
    assert told == [Written("a"), Written("b")]
    assert [type(failure) for failure in failures] == [ZeroDivisionError, ZeroDivisionError]


def test_a_caller_that_gives_up_does_not_cut_its_operation_in_half(adapter: Adapter) -> None:
    told: list[object] = []

    async def scenario() -> None:
        async with adapter.open() as store:
            store.subscribe(Written, told.append)
            given_up = asyncio.ensure_future(store.write(writing("a")))
            given_up.cancel()
            await store.write(writing("b"))
            assert given_up.cancelled()

    run(scenario())
    assert adapter.notes() == ["a", "b"]
    assert told == [Written("a"), Written("b")]


def test_when_the_shared_commit_fails_each_operation_is_committed_alone_and_told_once(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []

    async def scenario() -> None:
        async with adapter.open() as store:
            store.subscribe(Written, told.append)
            adapter.fail_commits(monkeypatch, adapter.commit_failures()[0], 1)
            assert await all_of(store, writing("a"), writing("b")) == ["a", "b"]

    run(scenario())
    assert adapter.notes() == ["a", "b"]
    assert told == [Written("a"), Written("b")]


def test_when_no_commit_is_possible_everybody_is_refused_and_nothing_written_or_told(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []

    async def scenario() -> None:
        for failure in adapter.commit_failures():
            async with adapter.open() as store:
                store.subscribe(Written, told.append)
                with monkeypatch.context() as patch:
                    adapter.fail_commits(patch, failure, 100)
                    results = await all_of(store, writing("a"), writing("b"), writing("c"))
                    assert all(isinstance(each, Refused) for each in results), results
                assert await store.read(notes) == []
                # A new batch finds the store as it was.
                assert await store.write(notes) == []
        assert told == []
        async with adapter.open() as store:
            assert await store.write(writing("d")) == "d"

    run(scenario())
    assert adapter.notes() == ["d"]


def test_without_room_on_the_disk_nothing_is_written_and_work_goes_on_when_there_is_room(adapter: Adapter) -> None:
    large = "x" * 100_000

    async def scenario() -> None:
        async with adapter.open() as store:
            await store.write(writing("before"))
            await store.write(adapter.fill_disk)
            with pytest.raises(Refused) as refusal:
                await store.write(writing(large))
            assert refusal.value.reason == Reason.REASON_STORE_UNAVAILABLE
            assert await store.read(notes) == ["before"], "reads go on"
            await store.write(adapter.make_room)
            await store.write(writing(large))

    run(scenario())
    assert adapter.notes() == ["before", large]


def test_what_was_submitted_before_closing_is_finished(adapter: Adapter) -> None:
    count = BATCH_LIMIT + 10

    async def scenario() -> None:
        async with adapter.open() as store:
            submitted = [asyncio.ensure_future(store.write(writing(f"{number:04}"))) for number in range(count)]
        assert [await each for each in submitted] == [f"{number:04}" for number in range(count)]

    run(scenario())
    assert len(adapter.notes()) == count


def test_a_closed_store_refuses(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open() as store:
            pass
        with pytest.raises(Refused) as refusal:
            await store.write(writing("late"))
        assert refusal.value.reason == Reason.REASON_STORE_UNAVAILABLE

    run(scenario())
    assert adapter.notes() == []
