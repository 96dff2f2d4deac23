"""The PostgreSQL store under faults: acknowledged writes exist, refused ones do not, and it recovers by itself.

Every test proves that its fault happened.
"""

import asyncio
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from deploy.local.postgresql import LocalPostgresql
from deploy.local.process import HALTED, state_of
from gateway.errors import Refused
from gateway.store import postgresql, postgresql_connection, scheduler, timers
from gateway.store.port import Operation, OutcomeLost, Transaction
from gateway.store.schema import migrations_of
from tests.contract.postgresql_scene import (
    MIGRATIONS,
    SERIAL_LOCK,
    Database,
    Session,
    count_up,
    opened,
    outcomes,
    reason,
    until,
)
from tests.contract.relay_pair import FixedClock
from tests.contract.stores import PATIENCE_S, Written, insert, notes, run, writing
from tests.engines import POSTGRESQL, require_engine
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy

ROOT = Path(__file__).parents[2]


@pytest.fixture
def database(postgresql_server: LocalPostgresql, postgresql_database: str) -> Database:
    made = Database(postgresql_server, postgresql_database)
    made.migrate()
    return made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Database]:
    """A database on a server of the test's own."""
    require_engine(POSTGRESQL)
    server = LocalPostgresql(tmp_path / "own")
    try:
        server.prepare()
        server.start()
        server.create_database("own")
        made = Database(server, "own")
        made.migrate()
        yield made
    finally:
        server.remove()


@pytest.fixture
def proxy(database: Database) -> Iterator[FaultProxy]:
    """The line to the server."""
    background = Background()
    made = FaultProxy(background, lambda: f"127.0.0.1:{database.server.port}")
    yield made
    made.close()
    background.close()


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The store's log about its connection."""
    caplog.set_level(logging.WARNING)
    return caplog


def test_a_killed_server_loses_nothing_acknowledged_and_the_store_goes_on_by_itself(
    own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_connection, "OUTCOME_SECONDS", 1.0)
    acknowledged: list[str] = []
    refused: dict[str, str] = {}

    async def load(store: postgresql.PostgresqlStore, name: str, stop: asyncio.Event) -> None:
        for number in itertools.takewhile(lambda _: not stop.is_set(), itertools.count()):
            try:
                acknowledged.append(await store.write(writing(f"{name} {number:06}")))
            except Refused as refusal:
                refused[f"{name} {number:06}"] = reason(refusal)
            await asyncio.sleep(0)  # a refusal at once gives nobody else a turn

    async def scenario() -> None:
        stop = asyncio.Event()
        async with opened(own.conninfo) as store:
            async with asyncio.TaskGroup() as loads:  # none outlives a failure: a closed store refuses without a wait
                [loads.create_task(load(store, f"load {each}", stop)) for each in range(8)]
                await until(lambda: len(acknowledged) > 50)
                await asyncio.to_thread(own.server.kill)
                before = len(acknowledged)
                await until(lambda: "STORE_UNAVAILABLE" in refused.values())
                await asyncio.to_thread(own.server.start)
                await until(lambda: len(acknowledged) > before + 50)
                stop.set()
            kept = set(await store.read(notes))
        assert set(acknowledged) <= kept
        certainly_not = {note for note, why in refused.items() if why == "STORE_UNAVAILABLE"}
        assert certainly_not, "the fault was noticed"
        assert not certainly_not & kept
        assert set(refused.values()) <= {"STORE_UNAVAILABLE", "OUTCOME_UNKNOWN"}
        assert kept <= set(acknowledged) | {note for note, why in refused.items() if why == "OUTCOME_UNKNOWN"}

    run(scenario())


def test_a_server_that_was_restarted_while_nobody_asked_takes_the_next_write_and_read(
    own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "READ_WAIT", PATIENCE_S)
    barrier = threading.Barrier(4, timeout=PATIENCE_S)

    async def scenario() -> None:
        async with opened(own.conninfo) as store:
            await asyncio.gather(*(store.read(lambda _: barrier.wait()) for _ in range(4)))
            for number in range(10):
                await store.write(writing(f"{number}"))
            await asyncio.to_thread(own.server.stop)
            await asyncio.to_thread(own.server.start)
            assert await store.write(writing("after")) == "after"
            assert "after" in await store.read(notes)

    run(scenario())


def test_a_frozen_server_is_not_waited_for_for_ever(own: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    own.conninfo += " connect_timeout=3"

    async def scenario() -> None:
        async with opened(own.conninfo) as store:
            await store.write(writing("before"))
            monkeypatch.setattr(postgresql, "ANSWER_SECONDS", 0.5)
            monkeypatch.setattr(postgresql_connection, "OUTCOME_SECONDS", 0.5)
            await asyncio.to_thread(own.server.freeze)
            try:
                assert reason((await outcomes(store, writing("frozen")))[0]) == "STORE_UNAVAILABLE"
            finally:
                own.server.thaw()
            monkeypatch.undo()
            assert await store.write(writing("after")) == "after"

    run(scenario())
    assert own.notes() == ["after", "before"]


class Once:
    """An operation that writes a note and, the first time it runs, does something to the line."""

    def __init__(self, note: str, fault: Callable[[], None]) -> None:
        self.runs = 0
        self._note = note
        self._fault = fault

    def __call__(self, tx: Transaction) -> str:
        """The operation."""
        tx.publish(Written(self._note))
        insert(tx, self._note)
        self.runs += 1
        if self.runs == 1:
            self._fault()
        return self._note


async def at_rest(store: postgresql.PostgresqlStore, database: Database) -> None:
    """Nothing but a commit uses the line from here on."""
    await store.read(notes)
    await until(lambda: database.listens(0))


async def cut_before_the_server_has_the_commit(proxy: FaultProxy) -> None:
    await until(lambda: proxy.most(lambda each: each.requests.held) > 0)
    proxy.cut()


async def cut_after_the_commit_is_done(proxy: FaultProxy, database: Database, note: str) -> None:
    await until(lambda: note in database.notes() and proxy.most(lambda each: each.answers.held) > 0)
    proxy.cut()


def test_a_commit_that_never_reached_the_server_is_found_undone_and_done_again(
    database: Database, proxy: FaultProxy, told: pytest.LogCaptureFixture
) -> None:
    published: list[object] = []

    async def scenario() -> None:
        async with opened(database.through(proxy)) as store:
            await at_rest(store, database)
            store.subscribe(Written, published.append)
            operation = Once("a", proxy.hold)
            writing_both = asyncio.ensure_future(outcomes(store, writing("b"), operation))
            await cut_before_the_server_has_the_commit(proxy)
            proxy.heal()
            assert await writing_both == ["b", "a"]
            assert operation.runs == 2
            assert await store.write(writing("c")) == "c"

    run(scenario())
    assert "the commit was not done" in told.text
    assert database.notes() == ["a", "b", "c"]
    assert published == [Written("b"), Written("a"), Written("c")], "once each"


def test_a_commit_whose_answer_was_lost_is_found_done_and_not_done_again(
    database: Database, proxy: FaultProxy, told: pytest.LogCaptureFixture
) -> None:
    published: list[object] = []

    async def scenario() -> None:
        async with opened(database.through(proxy)) as store:
            await at_rest(store, database)
            store.subscribe(Written, published.append)
            operation = Once("a", proxy.hold_answers)
            writing_both = asyncio.ensure_future(outcomes(store, writing("b"), operation))
            await cut_after_the_commit_is_done(proxy, database, "a")
            proxy.heal()
            assert await writing_both == ["b", "a"]
            assert operation.runs == 1
            assert await store.write(writing("c")) == "c"

    run(scenario())
    assert "the commit was done" in told.text
    assert database.notes() == ["a", "b", "c"]
    assert published == [Written("b"), Written("a"), Written("c")], "once each"


def test_a_commit_that_the_server_was_still_at_when_the_line_broke_is_neither_lost_nor_doubled(
    database: Database, proxy: FaultProxy, told: pytest.LogCaptureFixture
) -> None:
    with database.session() as session:
        session.execute(
            "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END; $$;"
            "CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION linger()"
        )

    async def scenario(session: Session) -> None:
        session.execute("SELECT pg_advisory_lock(42)")
        async with opened(database.through(proxy)) as store:
            await at_rest(store, database)
            waiting = asyncio.ensure_future(store.write(writing("a")))
            await until(lambda: len(committing(session)) == 1)
            first = committing(session)
            proxy.cut()
            proxy.heal()
            await until(lambda: bool(committing(session)) and not committing(session) & first)
            session.execute("SELECT pg_advisory_unlock(42)")
            assert await waiting == "a"

    with database.session() as session:
        run(scenario(session))
    assert "the commit was not done" in told.text
    assert database.notes() == ["a"]


def committing(session: Session) -> set[object]:
    """The server's processes that stand in the trigger of a commit."""
    rows = session.execute(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ).fetchall()
    return {pid for (pid,) in rows}


@pytest.mark.parametrize("done", [True, False])
def test_an_outcome_that_cannot_be_found_out_in_time_is_told_as_unknown_and_can_be_asked_for_by_id(
    database: Database, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, *, done: bool
) -> None:
    monkeypatch.setattr(postgresql_connection, "OUTCOME_SECONDS", 3.0)
    lost: list[object] = []

    async def scenario() -> None:
        async with opened(database.through(proxy)) as store:
            await at_rest(store, database)
            store.subscribe(OutcomeLost, lost.append)
            operation = Once("a", proxy.hold_answers if done else proxy.hold)
            waiting = asyncio.ensure_future(outcomes(store, writing("b"), operation))
            if done:
                await cut_after_the_commit_is_done(proxy, database, "a")
            else:
                await cut_before_the_server_has_the_commit(proxy)
            assert [reason(each) for each in await waiting] == ["OUTCOME_UNKNOWN"] * 2
            assert operation.runs == 1
            assert proxy.turned_away > 0, "it was looked for"
            proxy.heal()
            known = await store.write(notes)
            assert known == (["a", "b"] if done else [])
            assert await store.write(writing("c")) == "c"

    run(scenario())
    assert lost == [OutcomeLost()]
    assert database.notes() == (["a", "b", "c"] if done else ["c"])


def test_where_another_process_had_the_number_meanwhile_the_outcome_is_not_guessed(
    database: Database, proxy: FaultProxy
) -> None:
    async def scenario() -> None:
        async with opened(database.through(proxy)) as store:
            await at_rest(store, database)
            operation = Once("a", proxy.hold_answers)
            waiting = asyncio.ensure_future(outcomes(store, operation))
            await cut_after_the_commit_is_done(proxy, database, "a")
            async with opened(database.conninfo) as other:
                await other.write(writing("other"))
            proxy.heal()
            assert reason((await waiting)[0]) == "OUTCOME_UNKNOWN"
            assert operation.runs == 1
            assert await store.write(notes) == ["a", "other"]

    run(scenario())


def test_on_a_server_that_lags_behind_the_outcome_is_not_guessed_and_later_ones_are_known_again(
    database: Database, proxy: FaultProxy, told: pytest.LogCaptureFixture
) -> None:
    """As after a change to a standby that lacks the last commits: there the row of the writer is another, or none."""

    async def scenario() -> None:
        async with opened(database.through(proxy)) as store:
            await at_rest(store, database)
            await store.write(writing("first"))
            waiting = asyncio.ensure_future(outcomes(store, Once("a", proxy.hold_answers)))
            await cut_after_the_commit_is_done(proxy, database, "a")
            with database.session() as session:
                session.execute("DELETE FROM store_writers")
            proxy.heal()
            assert reason((await waiting)[0]) == "OUTCOME_UNKNOWN"
            operation = Once("b", proxy.hold_answers)
            waiting = asyncio.ensure_future(outcomes(store, operation))
            await cut_after_the_commit_is_done(proxy, database, "b")
            proxy.heal()
            assert await waiting == ["b"]
            assert operation.runs == 1

    run(scenario())
    assert "the commit was done" in told.text


def test_a_line_that_breaks_while_operations_run_alone_is_no_ones_loss(database: Database, proxy: FaultProxy) -> None:
    cuts: list[int] = []

    def cutting(tx: Transaction) -> str:
        insert(tx, "cut")
        if len(cuts) < 2:  # in the shared transaction, and in its own
            cuts.append(1)
            proxy.cut()
            proxy.heal()
        return insert(tx, "cut too")

    async def scenario() -> None:
        async with opened(database.through(proxy)) as store:
            await at_rest(store, database)
            before, cut, after = await outcomes(store, writing("a"), cutting, writing("b"))
            assert (before, after) == ("a", "b")
            assert reason(cut) == "STORE_UNAVAILABLE"

    run(scenario())
    assert len(cuts) == 2
    assert database.notes() == ["a", "b"]


@pytest.mark.parametrize("held", ["the serial lock", "a table"])
def test_what_waits_too_long_for_a_lock_is_refused_as_a_whole_and_goes_on_afterwards(
    database: Database, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    monkeypatch.setattr(postgresql_connection, "LOCK_WAIT", "200ms")
    monkeypatch.setattr(postgresql, "ALONE_SECONDS", 0.1)

    async def scenario() -> None:
        async with opened(database.conninfo) as store:
            await store.write(count_up)
            with database.session() as session:
                statement = SERIAL_LOCK if held == "the serial lock" else "BEGIN; LOCK TABLE notes"
                session.execute(statement.encode())
                started = asyncio.get_running_loop().time()
                many: list[Operation[object]] = [count_and_note(f"{number}") for number in range(100)]
                refused = await outcomes(store, *many)
                assert {reason(each) for each in refused} == {"STORE_UNAVAILABLE"}
                assert asyncio.get_running_loop().time() - started < len(many) * 0.1, "not one after the other"
            assert await store.write(count_and_note("after")) == 2, "nothing was half done"

    run(scenario())
    assert database.notes() == ["after"]


def count_and_note(note: str) -> Operation[int]:
    def operation(tx: Transaction) -> int:
        value = count_up(tx)
        insert(tx, note)
        return value

    return operation


def test_a_process_that_freezes_in_a_transaction_stops_nobody_and_recovers_when_it_wakes(database: Database) -> None:
    command = [sys.executable, "-m", "tests.contract.postgresql_scene", database.conninfo, "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as frozen:

        async def scenario() -> None:
            async with opened(database.conninfo) as store:
                await until(lambda: state_of(frozen.pid) == HALTED)
                assert await store.write(count_up) == 1, "what the frozen one had counted is undone"
                for number in range(5):
                    await store.write(writing(f"meanwhile {number}"))
                os.kill(frozen.pid, signal.SIGCONT)
                said = await asyncio.to_thread(frozen.communicate)
                assert said[0] == "3 after 2 runs\n"

        try:
            run(scenario())
        finally:
            frozen.kill()
    assert frozen.returncode == 0
    assert database.notes() == ["frozen 1", *(f"meanwhile {number}" for number in range(5))]


def test_a_server_without_free_connections_refuses_and_does_not_hang(
    own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own.administrator() as session:
        session.execute("ALTER ROLE crossregion CONNECTION LIMIT 3")

    async def scenario() -> None:
        async with opened(own.conninfo, readers=1) as store:  # writes, reads and listens
            await store.write(writing("before"))
            await store.read(notes)
            await until(lambda: connections(own) == 3)
            monkeypatch.setattr(postgresql, "READ_WAIT", 0.5)
            with own.administrator() as session:
                session.execute("ALTER ROLE crossregion CONNECTION LIMIT 0")
                session.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'crossregion'"
                )
                assert reason((await outcomes(store, writing("a")))[0]) == "STORE_UNAVAILABLE"
                with pytest.raises(Refused) as refused:
                    await store.read(notes)
                assert reason(refused.value) == "STORE_UNAVAILABLE"
                with pytest.raises(psycopg.OperationalError, match="too many connections"):
                    await opened(own.conninfo, 1).__aenter__()
                session.execute("ALTER ROLE crossregion CONNECTION LIMIT -1")
            assert await store.write(writing("after")) == "after"
            monkeypatch.setattr(postgresql, "READ_WAIT", 10.0)
            assert await store.read(notes) == ["after", "before"]

    run(scenario())


def connections(database: Database) -> int:
    with database.administrator() as session:
        return session.execute("SELECT FROM pg_stat_activity WHERE usename = 'crossregion'").rowcount


def test_timers_fire_again_after_a_time_in_which_nothing_could_be_read(
    database: Database, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, told: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scheduler, "STORE_REST", 0.01)
    monkeypatch.setattr(postgresql, "READ_WAIT", 0.1)
    fired: list[str] = []
    clock, fabric = FixedClock(), migrations_of("gateway")
    database.migrate([*MIGRATIONS, *fabric])

    async def scenario() -> None:
        async with opened(database.through(proxy), migrations=[*MIGRATIONS, *fabric]) as store:
            handlers: dict[str, timers.TimerHandler] = {"ring": lambda tx, timer, now: fired.append(timer.subject)}
            proxy.cut()
            of_failed = scheduler.OfFailed(lambda attempts: 0.0, lambda tx, work, now: None)
            running = asyncio.create_task(scheduler.Scheduler(store, clock, handlers, of_failed, lambda: True).run())
            await until(lambda: "no timer can be looked at" in told.text)
            monkeypatch.setattr(postgresql, "READ_WAIT", 10.0)
            proxy.heal()
            await store.write(partial(timers.set_timer, timer_id="1", kind="ring", subject="bell", due=clock.now()))
            await until(lambda: fired == ["bell"])
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run(scenario())
