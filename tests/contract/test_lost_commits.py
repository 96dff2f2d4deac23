"""A PostgreSQL database is put back under running stores: each knows how many of its own commits are missing."""

import pytest

from deploy.local.postgresql import LocalPostgresql
from tests.contract.postgresql_scene import Database, opened
from tests.contract.stores import notes, run, writing
from tests.faults.put_back import Copy


@pytest.fixture
def database(postgresql_server: LocalPostgresql, postgresql_database: str) -> Database:
    made = Database(postgresql_server, postgresql_database)
    made.migrate()
    return made


def test_a_database_that_is_put_back_under_a_store_shows_how_many_of_its_commits_are_missing(
    database: Database,
) -> None:
    copy = Copy(database.server, database.name)

    async def scenario() -> None:
        async with opened(database.conninfo) as store:
            await store.write(writing("kept"))
        copy.take()
        async with opened(database.conninfo) as store, opened(database.conninfo, number=1) as other:
            await store.write(writing("first"))
            await store.write(writing("second"))
            await store.write(lambda tx: None)
            copy.put_back()
            assert await store.write(notes) == ["kept"]
            assert store.lost_commits == 2, "one that writes nothing is none"
            assert await other.write(notes) == ["kept"]
            assert other.lost_commits == 0, "it has made none"
            await store.write(writing("third"))
            assert store.lost_commits == 2
            store.forget_lost_commits(2)
            with database.administrator() as session:
                session.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            assert await store.write(notes) == ["kept", "third"]
            assert store.lost_commits == 0, "a connection that is lost alone loses nothing"

    run(scenario())


def test_commits_of_a_process_that_had_the_number_meanwhile_are_no_loss(database: Database) -> None:
    async def scenario() -> None:
        async with opened(database.conninfo) as store:
            await store.write(writing("mine"))
            with database.session() as session:
                session.execute("UPDATE store_writers SET last_batch = 'another', commits = commits + 3")
            with database.administrator() as session:
                session.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await store.write(writing("mine again"))
            assert store.lost_commits == 0

    run(scenario())
