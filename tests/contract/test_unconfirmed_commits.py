"""Commits that wait for a standby which is not there: their outcome is told honestly, and nobody reads them before."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
    patch: pytest.MonkeyPatch

    def leave(self) -> None:
        """From here on commits wait, and are waited for a short time only.

        That is longer than the server takes to be sure that nobody confirms them.
        """
        self.patch.setattr(postgresql, "ANSWER_SECONDS", 1.2)
        self.session.execute(NOBODY)
        self.session.execute("SELECT pg_reload_conf()")

    def come_back(self) -> None:
        """All that wait are confirmed. What comes then may take its time."""
        self.patch.setattr(postgresql, "ANSWER_SECONDS", PATIENCE_S)
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
def standby(
    postgresql_server: LocalPostgresql, postgresql_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Standby]:
    database = Database(postgresql_server, postgresql_database)
    database.migrate()
    with database.administrator() as session:
        # What these tests do themselves waits for nobody.
        session.execute("SET synchronous_commit = local")
        made = Standby(database, session, monkeypatch)
        try:
            yield made
        finally:
            made.come_back()


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


def test_a_process_that_starts_while_another_commit_has_just_begun_to_wait_says_so(
    standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that takes the place of a process which was killed while its commit waits."""

    async def scenario() -> None:
        async with opened(standby.database.conninfo) as store:
            await away(standby)
            monkeypatch.setattr(postgresql, "ANSWER_SECONDS", PATIENCE_S)
            writing_a = asyncio.ensure_future(outcomes(store, writing("a")))
            await until(lambda: bool(standby.waiting()))
            with pytest.raises(psycopg.OperationalError, match="no standby confirms"):
                await opened(standby.database.conninfo).__aenter__()
            standby.come_back()
            assert await writing_a == ["a"]

    run(scenario())


def test_other_warnings_of_the_server_are_not_taken_for_the_end_of_a_wait(
    standby: Standby, caplog: pytest.LogCaptureFixture
) -> None:
    """As a server warns in each transaction of numbers of transactions that run out."""
    with standby.database.session() as session:
        session.execute(
            "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE WARNING 'vacuum this database'; RETURN NEW; END $$"
        )
        session.execute("CREATE TRIGGER warn AFTER UPDATE ON store_writers FOR EACH ROW EXECUTE FUNCTION warn()")

    async def scenario() -> None:
        for note in ("a", "b"):
            async with opened(standby.database.conninfo) as store:
                assert await store.write(writing(note)) == note

    run(scenario())
    assert "the connection was lost" not in caplog.text


def test_a_reader_does_not_believe_a_server_that_ended_its_wait_for_the_standby(
    standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE %s"

    def waits() -> list[int]:
        found = standby.session.execute(reading, ("crossregion-reader/%",)).fetchall()
        return [int(str(pid)) for (pid,) in found]

    async def scenario() -> None:
        async with opened(standby.database.conninfo, readers=1) as store:
            assert await store.read(notes) == []
            await away(standby)
            standby.session.execute("INSERT INTO notes (note) VALUES ('unconfirmed')")
            standby.session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'crossregion-reader/%'"
            )
            monkeypatch.setattr(postgresql, "READ_WAIT", 3.0)
            reading_it = asyncio.ensure_future(store.read(notes))
            await until(lambda: bool(waits()))
            for pid in waits():
                standby.session.execute("SELECT pg_cancel_backend(%s)", (pid,))
            with pytest.raises(Refused) as refused:
                await reading_it
            assert reason(refused.value) == "STORE_UNAVAILABLE"
            monkeypatch.setattr(postgresql, "READ_WAIT", PATIENCE_S)
            standby.come_back()
            assert await store.read(notes) == ["unconfirmed"]

    run(scenario())


@pytest.fixture
def promoted(standby: Standby, tmp_path: Path) -> Iterator[Database]:
    """Another server with the same database, which takes writes, and confirms them: as one that was promoted."""
    server = LocalPostgresql(tmp_path, standby.database.server.authority)
    try:
        server.prepare()
        server.start()
        server.create_database(standby.database.name)
        database = Database(server, standby.database.name)
        database.migrate()
        yield database
    finally:
        server.remove()


@pytest.mark.slow
@pytest.mark.long("a server of its own, and waits for a standby that is away")
def test_a_former_primary_whose_commits_nobody_confirms_is_left_for_the_next_server(
    standby: Standby, promoted: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own Patroni is dead, and it goes on taking connections: at work, and at a start."""
    both = make_conninfo(
        standby.database.conninfo,
        host="localhost,localhost",
        hostaddr="127.0.0.1,127.0.0.1",
        port=f"{standby.database.server.port},{promoted.server.port}",
    )
    monkeypatch.setattr("gateway.store.postgresql_connection.LOCK_WAIT", "1500ms")

    async def scenario() -> None:
        async with opened(both) as store, opened(both, 1) as other:
            assert await store.read(notes) == []
            await away(standby)
            await outcomes(store, writing("a"))  # done at the other server, or refused for the time being
            monkeypatch.setattr(postgresql, "ANSWER_SECONDS", PATIENCE_S)
            assert await store.write(writing("b")) == "b"
            assert "b" in await store.read(notes)
            await until(lambda: promoted.listens(0))
            assert [reason(each) for each in await outcomes(other, writing("c"))] == ["STORE_UNCONFIRMED"]
            assert await other.write(writing("c")) == "c"
        async with opened(both) as store:
            assert await store.write(writing("d")) == "d"

    run(scenario())
    assert {"b", "c", "d"} <= set(promoted.notes())
    assert not standby.database.notes(), "nothing was said to be done there"


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
