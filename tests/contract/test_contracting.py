"""The schema of a PostgreSQL database is changed beside processes, and not while one is at work that cannot know it."""

import asyncio
import threading
import time
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local.postgresql import LocalPostgresql
from deploy.local.postgresql_access import ADMINISTRATOR
from gateway.errors import Refused
from gateway.store import postgresql_schema
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.store.schema import CONTRACTING, Migration, SchemaMismatch
from tests.contract.postgresql_scene import MIGRATIONS, Database, opened, until
from tests.contract.stores import run, writing
from tests.contract.test_postgresql_store import end_connections

LESS = Migration("counters", "0073_less.sql", f"{CONTRACTING}nobody counts.\nDROP TABLE counters;")
NOW = (*MIGRATIONS, LESS)


@pytest.fixture(name="database")
def one_database(postgresql_server: LocalPostgresql, postgresql_database: str) -> Database:
    made = Database(postgresql_server, postgresql_database)
    made.migrate()
    return made


def contract(database: Database) -> list[str]:
    place = DatabasePlace(Path("unused"), PostgresqlSettings(database.conninfo))
    return [each.name for each in place.migrate(NOW, dry_run=False, contract=True)]


def test_what_an_older_process_needs_is_not_taken_away_while_it_is_at_work(database: Database) -> None:
    async def scenario() -> None:
        async with opened(database.conninfo, 1, migrations=NOW) as present:
            async with opened(database.conninfo, 2) as older:
                with pytest.raises(SchemaMismatch, match=r"OLDER_VERSION_AT_WORK: .*crossregion/2/") as refused:
                    await asyncio.to_thread(contract, database)
                assert "crossregion/1/" not in str(refused.value), "this one knows the file"
                await older.write(writing("older"))
            assert await asyncio.to_thread(contract, database) == ["0073_less.sql"]
            await present.write(writing("present"))

    run(scenario())
    assert database.notes() == ["older", "present"]


def test_a_process_of_a_version_without_marks_counts_as_older(database: Database) -> None:
    with (
        psycopg.connect(database.conninfo, application_name="crossregion/7/4711/abcd"),
        pytest.raises(SchemaMismatch, match=r"OLDER_VERSION_AT_WORK: .*crossregion/7/4711/abcd"),
    ):
        contract(database)
    assert contract(database) == ["0073_less.sql"]


def test_an_older_process_that_starts_while_the_schema_is_contracted_waits_and_refuses(database: Database) -> None:
    async def scenario() -> None:
        begun, goes_on = threading.Event(), threading.Event()

        def hold() -> None:
            with psycopg.connect(database.conninfo) as connection:
                connection.execute("SELECT")  # begins the transaction that holds all of it
                postgresql_schema.apply(connection, NOW, contract=True)
                begun.set()
                goes_on.wait()

        holding = asyncio.create_task(asyncio.to_thread(hold))
        await asyncio.to_thread(begun.wait)
        starting = asyncio.create_task(opened(database.conninfo, 1).__aenter__())
        await until(lambda: waits_for_a_lock(database))
        goes_on.set()
        with pytest.raises(SchemaMismatch, match="SCHEMA_CONTRACTED"):
            await starting
        await holding

    run(scenario())


def test_an_older_process_that_was_cut_off_while_the_schema_was_contracted_writes_no_more(database: Database) -> None:
    async def scenario() -> None:
        async with opened(database.conninfo, 1) as older:
            await older.write(writing("before"))
            with psycopg.connect(database.conninfo) as outside:  # its transaction holds everybody else off
                outside.execute("LOCK TABLE store_writers IN ACCESS EXCLUSIVE MODE")
                end_connections(database, "crossregion/")
                assert [*postgresql_schema.apply(outside, NOW, contract=True)] == [LESS]
            with pytest.raises(Refused, match="STORE_UNAVAILABLE"):
                await older.write(writing("after"))

    run(scenario())
    assert database.notes() == ["before"]


MORE = """ALTER TABLE counters ADD COLUMN more INTEGER;
DO $$
BEGIN
    WHILE EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'at work')
        AND NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'counters'::regclass)
    LOOP
        PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
    END LOOP;
END
$$;
ALTER TABLE notes ADD COLUMN more INTEGER;"""
"""Waits, between its tables, for somebody who has the second and wants the first."""


def test_a_migration_that_the_server_ends_for_a_deadlock_with_a_process_is_tried_again(database: Database) -> None:
    more = Migration("counters", "0072_more.sql", MORE)
    place = DatabasePlace(Path("unused"), PostgresqlSettings(database.conninfo))
    holds = threading.Event()

    def work() -> None:
        own = make_conninfo(database.server.conninfo(database.name, ADMINISTRATOR), application_name="at work")
        with psycopg.connect(own) as session:
            session.execute("SET deadlock_timeout = '1h'")  # not the one that the server ends
            session.execute("SELECT FROM notes")
            holds.set()
            with database.session() as looking:
                while not looking.execute(_IS_LOCKED).rowcount:
                    time.sleep(0.01)
            session.execute("SELECT FROM counters")

    async def scenario() -> None:
        working = asyncio.create_task(asyncio.to_thread(work))
        await asyncio.to_thread(holds.wait)
        found = await asyncio.to_thread(partial(place.migrate, [*MIGRATIONS, more], dry_run=False))
        assert found == [more]
        await working

    run(scenario())


_IS_LOCKED = (
    "SELECT FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' AND relation = 'counters'::regclass"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def waits_for_a_lock(database: Database) -> bool:
    with database.session() as session:
        found = session.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND query LIKE '%schema_migrations%'"
        )
        return found.rowcount > 0
