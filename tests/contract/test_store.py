"""What every store must do; written against the port, so that each adapter is held to the same."""

import asyncio
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Operation, Store, Transaction, WriteAfterRefusal
from gateway.store.schema import Migration, SchemaMismatch
from gateway.store.sqlite import BATCH_LIMIT, DatabaseInUse
from tests.contract.stores import ADAPTERS, NOTES, Adapter, insert

ROOT = Path(__file__).parents[2]
# Reached only where a test fails.
PATIENCE_S = 30.0
STRACE = shutil.which("strace")


@pytest.fixture(params=sorted(ADAPTERS), name="adapter")
def one_adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Adapter:
    name: str = request.param
    return ADAPTERS[name](tmp_path)


@dataclass(frozen=True)
class Written:
    """An event."""

    note: str


@dataclass(frozen=True)
class Another:
    """An event of another type."""


def run(scenario: Coroutine[object, object, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scenario

    asyncio.run(bounded())


def notes(tx: Transaction) -> list[str]:
    return tx.all(str, "SELECT note FROM notes ORDER BY note")


def writing(note: str) -> Operation[str]:
    """An operation that writes a note and tells of it."""

    def operation(tx: Transaction) -> str:
        tx.publish(Written(note))
        return insert(tx, note)

    return operation


def refusing(tx: Transaction) -> None:
    """An operation that refuses before its first write."""
    notes(tx)
    raise Refused(Reason.REASON_LINE_CLOSED)


def refusing_too_late(tx: Transaction) -> None:
    """An operation with a defect: it refuses after it wrote."""
    insert(tx, "too late")
    raise Refused(Reason.REASON_LINE_CLOSED)


def breaking(tx: Transaction) -> None:
    """An operation with a defect: it writes, tells of it, and breaks."""
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
    large = "x" * 1_000_000

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


def test_a_store_with_little_room_left_says_so(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    async def accepts() -> None:
        async with adapter.open() as store:
            answers.append(store.accepts_new_work())

    answers: list[bool] = []
    run(accepts())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
    run(accepts())
    assert answers == [True, False]


def test_a_commit_is_on_disk_when_it_returns(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open() as store:
            assert await store.write(adapter.is_durable_on_commit)

    run(scenario())


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


def test_a_second_process_is_refused_and_told_who_holds_the_database(adapter: Adapter, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with adapter.open() as store:
            await store.write(writing("mine"))
            second = await asyncio.to_thread(finished, adapter, tmp_path)
            assert second.returncode != 0
            assert DatabaseInUse.__name__ in second.stderr
            assert str(os.getpid()) in second.stderr
            await store.write(writing("mine still"))

    run(scenario())
    assert adapter.notes() == ["mine", "mine still"]


def test_a_second_store_in_the_same_process_is_refused_too(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open():
            with pytest.raises(DatabaseInUse):
                await adapter.open().__aenter__()
        async with adapter.open() as store:
            await store.write(writing("next"))

    run(scenario())


def test_what_was_acknowledged_survives_a_kill(adapter: Adapter, tmp_path: Path) -> None:
    with subprocess.Popen(writer(adapter, tmp_path, 1_000_000), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        # Everything that it said before it died counts.
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL

    async def scenario() -> None:
        async with adapter.open() as store:
            kept = await store.read(notes)
            assert set(acknowledged) <= set(kept)
            assert len(kept) <= len(acknowledged) + 1, "at most the one that was under way"

    run(scenario())


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_every_acknowledged_commit_was_flushed(adapter: Adapter, tmp_path: Path) -> None:
    """A kill cannot show a missing flush; the system calls can."""
    log = tmp_path / "calls"
    traced = [str(STRACE), "-f", "-e", "trace=fsync,fdatasync,write", "-o", str(log)]
    ended = finished(adapter, tmp_path, traced)
    if "ptrace" in ended.stderr:
        pytest.skip("processes may not be traced here")
    assert ended.returncode == 0, ended.stderr
    calls = log.read_text("utf-8", "replace").splitlines()
    told = [index for index, call in enumerate(calls) if re.search(r'write\(1, "\d{6}', call)]
    assert len(told) == len(ended.stdout.split()) > 0
    for previous, this in itertools.pairwise([0, *told]):
        assert any("sync(" in call for call in calls[previous:this]), "told before it was flushed"


def test_a_database_of_another_version_is_not_touched_and_can_be_opened_by_that_version(adapter: Adapter) -> None:
    changed = Migration(NOTES.package, NOTES.name, NOTES.sql + "\n-- changed later")
    newer = Migration(NOTES.package, "0002_more.sql", "CREATE TABLE more (id INTEGER);")

    async def scenario() -> None:
        async with adapter.open() as store:
            await store.write(writing("one"))
        with pytest.raises(SchemaMismatch, match="not the file that was applied"):
            await adapter.open([changed]).__aenter__()
        async with adapter.open([NOTES, newer]) as store:
            assert await store.read(notes) == ["one"]
        with pytest.raises(SchemaMismatch, match="newer version"):
            await adapter.open([NOTES]).__aenter__()
        async with adapter.open([NOTES, newer]) as store:
            assert await store.read(notes) == ["one"]

    run(scenario())


def test_a_migration_that_fails_changes_nothing(adapter: Adapter) -> None:
    half = Migration(NOTES.package, "0002_half.sql", "CREATE TABLE half (id INTEGER); CREATE TABLE notes (id INTEGER);")
    whole = Migration(NOTES.package, "0002_half.sql", "CREATE TABLE half (id INTEGER);")

    async def scenario() -> None:
        async with adapter.open() as store:
            await store.write(writing("one"))
        with pytest.raises(Exception, match="already exists"):
            await adapter.open([NOTES, half]).__aenter__()
        async with adapter.open([NOTES, whole]) as store:
            assert await store.read(notes) == ["one"]

    run(scenario())


def writer(adapter: Adapter, directory: Path, count: int) -> list[str]:
    """The command of a process that writes notes into the same durable state."""
    name = next(name for name, made in ADAPTERS.items() if isinstance(adapter, made))
    return [sys.executable, "-m", "tests.contract.stores", name, str(directory), str(count)]


def finished(adapter: Adapter, directory: Path, under: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Lets a process write twenty notes and waits for its end."""
    command = [*under, *writer(adapter, directory, 20)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
