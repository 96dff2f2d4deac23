"""The PostgreSQL store beyond the common contract: several processes, its connections, and what the server refuses."""

import asyncio
import contextlib
import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import UniqueViolation

from deploy.local.postgresql import LocalPostgresql
from deploy.local.process import HALTED, state_of
from gateway.errors import Refused
from gateway.store import postgresql, postgresql_listening
from gateway.store.port import CommittedElsewhere, DatabaseInUse, Operation, Transaction
from gateway.store.tables import Table
from tests.contract.postgresql_scene import Database, count_up, opened, outcomes, reason, until
from tests.contract.stores import PATIENCE_S, PUT_NOTES, Note, Written, insert, notes, putting, run, writing
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy

ROOT = Path(__file__).parents[2]


@pytest.fixture
def database(postgresql_server: LocalPostgresql, postgresql_database: str) -> Database:
    made = Database(postgresql_server, postgresql_database)
    made.migrate()
    return made


@pytest.fixture
def proxy(database: Database) -> Iterator[FaultProxy]:
    """The line to the server."""
    background = Background()
    made = FaultProxy(background, lambda: f"127.0.0.1:{database.server.port}")
    yield made
    made.close()
    background.close()


def about(*subjects: str) -> Operation[None]:
    """Writes, and tells others about it."""

    def operation(tx: Transaction) -> None:
        count_up(tx)
        for subject in subjects:
            tx.publish(Written(subject), about=subject)

    return operation


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_operations_of_two_processes_are_serial_whatever_the_database_defaults_to(
    database: Database, isolation: str
) -> None:
    with database.session() as session:
        session.execute(f"ALTER DATABASE {database.name} SET default_transaction_isolation = '{isolation}'".encode())

    async def scenario() -> None:
        async with opened(database.conninfo, 0) as first, opened(database.conninfo, 1) as second:
            counting = [store.write(count_up) for _ in range(100) for store in (first, second)]
            assert sorted(await asyncio.gather(*counting)) == list(range(1, 201))

    run(scenario())


def test_others_are_told_what_was_committed_and_of_whom_it_is_not_told_itself(database: Database) -> None:
    many = [f"order/{number:04}" for number in range(1000)]  # more than one notification takes
    heard: dict[int, list[frozenset[str]]] = {0: [], 1: []}

    async def scenario() -> None:
        async with opened(database.conninfo, 0) as first, opened(database.conninfo, 1) as second:
            for number, store in enumerate((first, second)):
                store.subscribe(CommittedElsewhere, partial(note, heard[number]))
            await until(lambda: database.listens(0) and heard[1] == [frozenset()])
            await first.write(about("order/é", "order/é"))
            await first.write(about(*many))
            await until(lambda: union(heard[1]) == {"order/é", *many})
            assert heard[1][1] == {"order/é"}
            await second.write(about("back"))
            await until(lambda: union(heard[0]) == {"back"})

    def note(told: list[frozenset[str]], committed: CommittedElsewhere) -> None:
        told.append(committed.subjects)

    run(scenario())


def union(told: list[frozenset[str]]) -> set[str]:
    return set(itertools.chain.from_iterable(told))


def test_what_was_rolled_back_is_not_told(database: Database) -> None:
    def breaking(tx: Transaction) -> None:
        about("never")(tx)
        raise ZeroDivisionError

    heard: list[frozenset[str]] = []

    async def scenario() -> None:
        async with opened(database.conninfo, 0) as first, opened(database.conninfo, 1) as second:
            second.subscribe(CommittedElsewhere, lambda committed: heard.append(committed.subjects))
            await until(lambda: heard == [frozenset()])
            await outcomes(first, breaking, about("after"))
            await until(lambda: len(heard) > 1)

    run(scenario())
    assert heard == [frozenset(), {"after"}]


def test_after_a_lost_connection_listeners_are_told_that_they_may_have_missed_something(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_listening, "_LOOK_AGAIN", 0.01)
    heard: list[frozenset[str]] = []

    async def scenario() -> None:
        async with opened(database.conninfo, 0) as first, opened(database.conninfo, 1) as second:
            second.subscribe(CommittedElsewhere, lambda committed: heard.append(committed.subjects))
            await until(lambda: heard == [frozenset()])
            assert end_connections(database, "crossregion-listener/1") == 1
            await until(lambda: heard == [frozenset(), frozenset()])
            await first.write(about("order/1"))
            await until(lambda: heard[2:] == [frozenset({"order/1"})])

    run(scenario())


def end_connections(database: Database, name: str) -> int:
    """Lets the server end connections, and waits until they are gone; how many there were."""
    with database.administrator() as session:
        ended = session.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE %s",
            (f"{name}%",),
        ).fetchall()
    return len(ended)


def test_a_subject_that_cannot_be_told_fails_its_operation_alone(database: Database) -> None:
    async def scenario() -> None:
        async with opened(database.conninfo) as store:
            for subject in ("two\nlines", "\0", "x" * 5000):
                _, broken, _ = await outcomes(store, writing("a" + subject[:1]), about(subject), writing("b"))
                assert isinstance(broken, ValueError)
            assert await store.write(count_up) == 1

    run(scenario())


def test_a_second_process_with_the_same_number_is_refused_and_told_who_has_it(database: Database) -> None:
    async def scenario() -> None:
        async with opened(database.conninfo, 3) as store:
            with pytest.raises(DatabaseInUse, match=r"number 3 is in use.*crossregion/3/\d+/"):
                await opened(database.conninfo, 3).__aenter__()
            async with opened(database.conninfo, 4) as other:
                assert await other.write(writing("other")) == "other"
            assert await store.write(writing("mine")) == "mine"
        async with opened(database.conninfo, 3):
            pass

    run(scenario())


@pytest.mark.parametrize(
    ("first", "second"), [(True, False), *(pytest.param(each, True, marks=pytest.mark.slow) for each in (True, False))]
)
def test_who_is_to_be_alone_excludes_others_and_is_excluded_by_them(
    database: Database, first: bool, second: bool
) -> None:
    async def scenario() -> None:
        async with opened(database.conninfo, 0, alone=first):
            with pytest.raises(DatabaseInUse, match="in use"):
                await opened(database.conninfo, 1, alone=second).__aenter__()
        async with opened(database.conninfo, 1, alone=second) as store:
            await store.write(writing("alone"))

    run(scenario())


def swallowing(tx: Transaction) -> str:
    """An operation with a defect: it goes on after an error of the database."""
    insert(tx, "swallowed")
    with contextlib.suppress(psycopg.Error):
        insert(tx, "swallowed")
    return "as if nothing had happened"


def swallowing_before_it_writes(tx: Transaction) -> str:
    with contextlib.suppress(psycopg.Error):
        tx.execute("SELECT 1 / 0")
    return "as if nothing had happened"


@pytest.mark.parametrize("broken", [swallowing, swallowing_before_it_writes])
def test_an_operation_that_goes_on_after_an_error_harms_nobody_and_is_not_told_that_it_was_done(
    database: Database, broken: Operation[str]
) -> None:
    async def scenario() -> None:
        async with opened(database.conninfo) as store:
            before, wrong, after = await outcomes(store, writing("a"), broken, writing("b"))
            assert (before, after) == ("a", "b")
            assert reason(wrong) == "STORE_UNAVAILABLE"

    run(scenario())
    assert database.notes() == ["a", "b"]


def test_a_constraint_that_fails_at_the_commit_refuses_its_operation_alone(database: Database) -> None:
    with database.session() as session:
        session.execute("CREATE TABLE pairs (note TEXT REFERENCES notes DEFERRABLE INITIALLY DEFERRED)")

    def dangling(tx: Transaction) -> None:
        tx.execute("INSERT INTO pairs (note) VALUES ('nowhere')")

    async def scenario() -> None:
        async with opened(database.conninfo) as store:
            before, wrong, after = await outcomes(store, writing("a"), dangling, writing("b"))
            assert (before, after) == ("a", "b")
            assert reason(wrong) == "STORE_UNAVAILABLE"

    run(scenario())
    assert database.notes() == ["a", "b"]


@pytest.mark.parametrize("write", [writing, putting])
@pytest.mark.parametrize(
    ("note", "error"), [("nul\0", Refused), ("surrogate\ud800", UnicodeEncodeError), ("twice", UniqueViolation)]
)
def test_a_value_that_the_server_does_not_take_harms_nobody_else(
    database: Database, write: Callable[[str], Operation[object]], note: str, error: type[Exception]
) -> None:
    """Also where the statement of another operation writes the row."""

    def reading(tx: Transaction) -> str:
        return notes(tx)[0]

    async def scenario() -> None:
        async with opened(database.conninfo) as store:
            await store.write(writing("twice"))
            before, wrong, read, after = await outcomes(store, write("a"), write(note), reading, write("b"))
            assert (before, read, after) == ("a", "a", "b")
            assert isinstance(wrong, error)
            if isinstance(wrong, Refused):
                assert reason(wrong) == "REQUEST_INVALID"

    run(scenario())
    assert database.notes() == ["a", "b", "twice"]


def test_a_statement_that_was_to_be_prepared_behind_a_failure_works_afterwards(database: Database) -> None:
    """The server never got it; the driver took it for prepared as long as the connection lived."""
    others = Table("others", Note, key=("note",))
    with database.session() as session:
        session.execute("CREATE TABLE others (note TEXT NOT NULL PRIMARY KEY)")

    def failing(tx: Transaction) -> None:
        tx.insert(PUT_NOTES, Note("twice"))
        tx.insert(others, Note("behind it"))

    def working(name: str) -> Operation[None]:
        return lambda tx: tx.insert(others, Note(name))

    async def scenario(first: int) -> None:
        async with opened(database.conninfo) as store:
            for turn in range(8):
                (wrong,) = await outcomes(store, failing)
                assert isinstance(wrong, UniqueViolation)
                for each in range(1 if turn else first):
                    await store.write(working(f"{first}-{turn}-{each}"))

    with database.session() as session:
        session.execute("INSERT INTO notes (note) VALUES ('twice')")
    for first in (1, 2):  # by one of both, it is a failing commit that has the statement prepared
        run(scenario(first))


def test_an_error_says_what_was_wrong_and_nothing_of_the_row(database: Database) -> None:
    async def scenario() -> None:
        async with opened(database.conninfo) as store:
            await store.write(writing("Zhang San"))
            (wrong,) = await outcomes(store, writing("Zhang San"))
            assert isinstance(wrong, psycopg.errors.UniqueViolation)
            assert "notes_pkey" in str(wrong)
            assert "Zhang San" not in str(wrong)

    run(scenario())


def test_a_process_that_freezes_while_it_is_answered_stops_nobody_for_long(database: Database) -> None:
    command = [sys.executable, "-m", "tests.contract.postgresql_scene", database.conninfo, "1", "answered"]
    with subprocess.Popen(command, cwd=ROOT) as frozen:

        async def scenario() -> None:
            async with opened(database.conninfo) as store:
                await until(lambda: state_of(frozen.pid) == HALTED)
                await store.write(writing("meanwhile"))

        try:
            run(scenario())
        finally:
            frozen.kill()
    assert database.notes() == ["meanwhile"]


def test_a_database_that_only_takes_reads_refuses_writes_as_out_of_reach(database: Database) -> None:
    def read_only(switch: str) -> Operation[int]:
        return lambda tx: tx.execute(f"SET default_transaction_read_only = {switch}")

    async def scenario() -> None:
        async with opened(database.conninfo) as store:
            await store.write(writing("before"))
            await store.write(read_only("on"))
            refused = await outcomes(store, writing("a"), writing("b"))
            assert [reason(each) for each in refused] == ["STORE_UNAVAILABLE"] * 2
            assert await store.read(notes) == ["before"]
            await store.write(read_only("off"))
            assert await store.write(writing("c")) == "c"

    run(scenario())


def test_a_reader_that_waits_too_long_is_refused_and_the_others_go_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Barrier(3, timeout=PATIENCE_S), threading.Event()

    def long(_: Transaction) -> bool:
        begun.wait()
        return go_on.wait(PATIENCE_S)

    async def scenario() -> None:
        async with opened(database.conninfo, readers=2) as store:
            reading = [asyncio.ensure_future(store.read(long)) for _ in range(2)]
            await asyncio.to_thread(begun.wait)
            try:
                monkeypatch.setattr(postgresql, "READ_WAIT", 0.1)
                with pytest.raises(Refused) as refused:
                    await store.read(notes)
                assert reason(refused.value) == "TOO_BUSY"
                assert await store.write(writing("meanwhile")) == "meanwhile"
            finally:
                go_on.set()
            assert await asyncio.gather(*reading) == [True, True]
            monkeypatch.setattr(postgresql, "READ_WAIT", 10.0)
            assert await store.read(notes) == ["meanwhile"]

    run(scenario())


def test_a_read_that_was_given_up_keeps_its_place_until_it_has_ended(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def long(_: Transaction) -> None:
        begun.set()
        go_on.wait(PATIENCE_S)

    async def scenario() -> None:
        async with opened(database.conninfo, readers=1) as store:
            reading = asyncio.ensure_future(store.read(long))
            await until(begun.is_set)
            reading.cancel()
            try:
                monkeypatch.setattr(postgresql, "READ_WAIT", 0.1)
                with pytest.raises(Refused) as refused:
                    await store.read(notes)
                assert reason(refused.value) == "TOO_BUSY"
            finally:
                go_on.set()
            monkeypatch.setattr(postgresql, "READ_WAIT", 10.0)
            assert await store.read(notes) == []

    run(scenario())


def test_closing_lets_a_read_finish_and_refuses_later_ones(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def long(tx: Transaction) -> list[str]:
        begun.set()
        go_on.wait(PATIENCE_S)
        return notes(tx)

    async def scenario() -> None:
        async with opened(database.conninfo) as store:
            reading = asyncio.ensure_future(store.read(long))
            await until(begun.is_set)
            asyncio.get_running_loop().call_later(0, go_on.set)
        assert await reading == []
        with pytest.raises(Refused) as refused:
            await store.read(notes)
        assert reason(refused.value) == "STORE_UNAVAILABLE"

    run(scenario())


def test_reads_find_whole_connections_after_all_of_theirs_were_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "READ_WAIT", PATIENCE_S)
    barrier = threading.Barrier(4, timeout=PATIENCE_S)

    async def scenario() -> None:
        async with opened(database.conninfo, readers=4) as store:
            await asyncio.gather(*(store.read(lambda _: barrier.wait()) for _ in range(4)))
            assert end_connections(database, "crossregion-reader/") == 4
            assert await asyncio.gather(*(store.read(notes) for _ in range(8))) == [[]] * 8

    run(scenario())


def test_a_store_of_which_all_connections_were_lost_while_idle_takes_the_next_write(database: Database) -> None:
    async def scenario() -> None:
        async with opened(database.conninfo) as store:
            for number in range(10):  # prepared, where that pays
                await store.write(writing(f"{number}"))
            assert end_connections(database, "crossregion") >= 2
            assert await outcomes(store, writing("a"), writing("b")) == ["a", "b"]

    run(scenario())


def test_a_store_that_lost_its_place_to_another_process_refuses_until_that_is_gone(
    database: Database, proxy: FaultProxy
) -> None:
    async def scenario() -> None:
        async with opened(database.through(proxy)) as store:
            await store.write(writing("before"))
            proxy.cut()
            async with opened(database.conninfo) as other:
                proxy.heal()
                with pytest.raises(Refused):
                    await store.write(writing("refused"))
                await other.write(writing("other"))
            assert await store.write(writing("after")) == "after"

    run(scenario())
    assert database.notes() == ["after", "before", "other"]
