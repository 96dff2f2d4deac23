"""Commits that wait for a standby which is not there: their outcome is told honestly, and nobody reads them before."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local.postgresql import LocalPostgresql
from gateway.errors import Refused
from gateway.store import postgresql
from gateway.store.port import OutcomeLost
from tests.contract.postgresql_scene import Database, Session, opened, outcomes, reason, until
from tests.contract.stores import PATIENCE_S, notes, run, writing

WAITING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'"
    " AND application_name LIKE 'crossregion/%'"
)
NOBODY = "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"


@dataclass
class Standby:
    """A standby that confirms commits, or is away."""

    database: Database
    session: Session

    def leave(self) -> None:
        """From here on commits wait."""
        self.session.execute(NOBODY)
        self.session.execute("SELECT pg_reload_conf()")

    def come_back(self) -> None:
        """All that wait are confirmed."""
        self.session.execute("ALTER SYSTEM RESET synchronous_standby_names")
        self.session.execute("SELECT pg_reload_conf()")

    def waiting(self) -> list[int]:
        """The writing backends that have committed, and wait."""
        return [int(str(pid)) for (pid,) in self.session.execute(WAITING).fetchall()]

    def is_away(self) -> bool:
        """Whether new sessions know that commits wait."""
        with self.database.administrator() as session:
            row = session.execute("SELECT current_setting('synchronous_standby_names')").fetchone()
        return row == ("nobody",)


@pytest.fixture
def standby(postgresql_server: LocalPostgresql, postgresql_database: str) -> Iterator[Standby]:
    database = Database(postgresql_server, postgresql_database)
    database.migrate()
    with database.administrator() as session:
        # What these tests do themselves waits for nobody.
        session.execute("SET synchronous_commit = local")
        made = Standby(database, session)
        try:
            yield made
        finally:
            made.come_back()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit is waited for a short time only: longer than the server takes to be sure that nobody confirms it."""
    monkeypatch.setattr(postgresql, "ANSWER_SECONDS", 1.2)


async def away(standby: Standby) -> None:
    standby.leave()
    await until(standby.is_away)


def test_a_commit_that_no_standby_confirms_is_told_as_unknown_and_what_comes_then_is_refused_by_name(
    standby: Standby,
) -> None:
    lost: list[object] = []

    async def scenario() -> None:
        async with opened(standby.database.conninfo) as store:
            await store.write(writing("before"))
            assert await store.read(notes) == ["before"]
            store.subscribe(OutcomeLost, lost.append)
            await away(standby)
            assert [reason(each) for each in await outcomes(store, writing("a"))] == ["OUTCOME_UNKNOWN"]
            assert [reason(each) for each in await outcomes(store, writing("b"))] == ["STORE_UNCONFIRMED"]
            assert await store.read(notes) == ["before"], "it might still be lost"
            standby.come_back()
            await until(lambda: not standby.waiting())
            assert await store.write(notes) == ["a", "before"], "it was done, and what was refused was not"
            assert await store.write(writing("b")) == "b"
            assert store.lost_commits == 0

    run(scenario())
    assert lost == [OutcomeLost()]
    assert standby.database.notes() == ["a", "b", "before"]


def test_other_processes_of_the_region_are_refused_by_the_same_name(
    standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.postgresql_connection.LOCK_WAIT", "1500ms")

    async def scenario() -> None:
        async with opened(standby.database.conninfo) as store, opened(standby.database.conninfo, 1) as other:
            await away(standby)
            writing_a = asyncio.ensure_future(outcomes(store, writing("a")))
            await until(lambda: bool(standby.waiting()))
            monkeypatch.setattr(postgresql, "ANSWER_SECONDS", PATIENCE_S)
            assert [reason(each) for each in await outcomes(other, writing("b"))] == ["STORE_UNCONFIRMED"]
            assert [reason(each) for each in await writing_a] == ["OUTCOME_UNKNOWN"]
            standby.come_back()
            await until(lambda: not standby.waiting())
            assert await other.write(writing("b")) == "b"

    run(scenario())
    assert standby.database.notes() == ["a", "b"]


def test_a_commit_whose_wait_for_the_standby_somebody_ended_is_not_taken_for_done(standby: Standby) -> None:
    """The server says COMMIT with a warning; a fail-over would lose it."""

    async def scenario() -> None:
        async with opened(standby.database.conninfo) as store:
            await away(standby)
            writing_a = asyncio.ensure_future(outcomes(store, writing("a")))
            await until(lambda: bool(standby.waiting()))
            (pid,) = standby.waiting()
            standby.session.execute("SELECT pg_cancel_backend(%s)", (pid,))
            assert [reason(each) for each in await writing_a] == ["OUTCOME_UNKNOWN"]
            standby.come_back()
            await until(lambda: not standby.waiting())
            assert await store.write(notes) == ["a"]

    run(scenario())


def test_a_reader_that_connects_anew_reads_nothing_that_a_standby_has_not_confirmed(
    standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a server shows after a crash what it had committed before, and had told nobody of."""

    async def scenario() -> None:
        async with opened(standby.database.conninfo, readers=1) as store:
            assert await store.read(notes) == []
            await away(standby)
            standby.session.execute("INSERT INTO notes (note) VALUES ('unconfirmed')")
            standby.session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'crossregion-reader/%'"
            )
            monkeypatch.setattr(postgresql, "READ_WAIT", 0.3)
            with pytest.raises(Refused) as refused:
                await store.read(notes)
            assert reason(refused.value) == "STORE_UNAVAILABLE"
            monkeypatch.setattr(postgresql, "READ_WAIT", PATIENCE_S)
            standby.come_back()
            assert await store.read(notes) == ["unconfirmed"]

    run(scenario())


def test_a_process_that_starts_where_nobody_confirms_says_so_in_time(standby: Standby) -> None:
    async def scenario() -> None:
        await away(standby)
        with pytest.raises(psycopg.OperationalError):
            await opened(standby.database.conninfo).__aenter__()
        with pytest.raises(psycopg.OperationalError, match="no standby confirms"):
            await opened(standby.database.conninfo).__aenter__()

    run(scenario())


def test_several_servers_are_named_and_the_one_that_takes_writes_is_found(standby: Standby) -> None:
    database = standby.database
    nowhere = make_conninfo(database.conninfo, host="localhost,localhost", hostaddr="127.0.0.1,127.0.0.1")
    several = make_conninfo(nowhere, port=f"1,{database.server.port}")

    async def scenario() -> None:
        async with opened(several) as store:
            assert await store.write(writing("a")) == "a"
            standby.session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert await store.write(writing("b")) == "b"
            assert await store.read(notes) == ["a", "b"]

    run(scenario())
