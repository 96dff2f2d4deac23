"""What a scrub leaves of destroyed keys: nothing that somebody with all files and the region's keys could open."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.postgresql import LocalPostgresql
from gateway.api.region.v1.order_pb2 import Order
from gateway.store import postgresql_scrubbing, vault
from gateway.store.port import Store, Transaction
from gateway.store.postgresql_connecting import Servers
from gateway.store.schema import Migration, migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.store.timers import cancel_timer, set_timer
from region_node.app.registered import KINDS
from region_node.business.orders.kind import ORDERS
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.lifecycle.erasure.scrubber import tables_to_scrub
from region_node.node.subjects import number_index
from region_node.schema import PACKAGES
from tests.at_rest import WrappedKey, recovered_subjects, wrapped_keys
from tests.contract.postgresql_scene import Database, opened
from tests.contract.stores import run
from tests.keys import region_keys
from tests.unit.purging import NOW

MIGRATIONS = migrations_of("gateway")
OF_A_REGION = migrations_of(*PACKAGES)
SUBJECTS = [f"envelope/{random.Random(each).randbytes(12).hex()}" for each in range(2000)]
ERASED = SUBJECTS[5::40]


def sealed(tx: Transaction) -> list[WrappedKey]:
    """Seals something of each subject; returns the keys of those that are erased later."""
    vault.seal_many(tx, [vault.Sealing(each, "place", b"somebody") for each in SUBJECTS])
    return wrapped_keys(tx, ERASED)


def destroyed(tx: Transaction) -> None:
    assert len(vault.destroy(tx, ERASED)) == len(ERASED)


def recovered(content: bytes, keys: Sequence[WrappedKey]) -> list[str]:
    """The subjects of the keys that the region's keys open somewhere in the bytes of the files."""
    return recovered_subjects(content, keys, region_keys().set)


@dataclass(frozen=True)
class Scene:
    """A database of an engine, and the bytes of all its files."""

    open: Callable[[], AbstractAsyncContextManager[Store]]
    content: Callable[[], bytes]


@pytest.fixture
def database(postgresql_server: LocalPostgresql, postgresql_database: str) -> Database:
    return Database(postgresql_server, postgresql_database)


@contextlib.asynccontextmanager
async def _file(path: Path, migrations: Sequence[Migration]) -> AsyncIterator[Store]:
    store = SqliteStore(path, migrations, region_keys())
    try:
        yield store
    finally:
        await store.close()


def sqlite_scene(directory: Path, migrations: Sequence[Migration] = MIGRATIONS) -> Scene:
    file = directory / "node.db"
    return Scene(
        lambda: _file(file, migrations), lambda: b"".join(each.read_bytes() for each in directory.glob("node.db*"))
    )


def _kept(file: Path) -> bytes:
    """What a file holds; nothing where the server has removed it: it writes one of its caches anew at any time."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def postgresql_scene(database: Database, migrations: Sequence[Migration] = MIGRATIONS) -> Scene:
    database.migrate(migrations)

    def content() -> bytes:
        with database.administrator() as session:
            session.execute("CHECKPOINT")
            (row,) = session.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchall()
        return b"".join(map(_kept, (database.server.home / "data" / "base" / f"{row[0]}").iterdir()))

    return Scene(lambda: opened(database.conninfo, migrations=migrations), content)


def ordered(tx: Transaction) -> list[str]:
    """Stores an order about each of some numbers; returns the indexes of the numbers."""
    numbers = [f"+86139{each:08}" for each in range(30)]
    for number in numbers:
        order = Order(id=f"guangdong/counter/{number[1:]}", origin_region="guangdong", home_region="sichuan")
        order.request.number = number
        insert_order(tx, OrderRow(order, ""), NOW)
    return [number_index(tx, each) for each in numbers]


def forgotten(tx: Transaction) -> None:
    for order_id in tx.all(str, "SELECT order_id FROM orders ORDER BY order_id"):
        ORDERS.erasure.forget["order"](tx, order_id)


async def _index_is_scrubbed(scene: Scene) -> None:
    async with scene.open() as store:
        indexes = await store.write(ordered)
        assert all(each.encode() in scene.content() for each in indexes), "the search finds what is there"
        await store.write(forgotten)
        assert await store.scrub(tables_to_scrub(KINDS), since="", is_quiet=True) == ""
        assert not any(each.encode() in scene.content() for each in indexes)


def test_no_file_of_sqlite_has_the_index_of_a_number_whose_orders_were_erased(tmp_path: Path) -> None:
    run(_index_is_scrubbed(sqlite_scene(tmp_path, OF_A_REGION)))


@pytest.mark.slow
def test_no_table_of_postgresql_has_the_index_of_a_number_whose_orders_were_erased(database: Database) -> None:
    run(_index_is_scrubbed(postgresql_scene(database, OF_A_REGION)))


def test_a_table_that_was_locked_is_scrubbed_later_although_the_keys_were_written_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, tables, text = postgresql_scene(database), [vault.KEYS, "timers"], random.Random(1).randbytes(32).hex()

    async def scenario() -> None:
        async with scene.open() as store:
            await store.write(lambda tx: set_timer(tx, "one", kind="kind", subject=text, due=NOW))
            assert text.encode() in scene.content(), "the search finds what is there"
            await store.write(lambda tx: cancel_timer(tx, "one"))
            monkeypatch.setattr(postgresql_scrubbing, "_SETTINGS", "SET lock_timeout = '50ms'")
            with database.session() as other:
                other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                other.execute("SELECT 1")
                await store.write(sealed)
                await store.write(destroyed)
                seen = await store.scrub(tables, since="", is_quiet=True)
                other.execute("COMMIT")
                other.execute("BEGIN; LOCK TABLE timers IN ACCESS SHARE MODE")
                since = await store.scrub(tables, since=seen, is_quiet=True)
                assert since == seen, "the keys are in another file, and nobody but the node wrote it"
                other.execute("COMMIT")
            assert await store.scrub(tables, since=since, is_quiet=True) == ""
            assert text.encode() not in scene.content()

    run(scenario())


async def scrub_all(store: Store, since: str = "", *, is_quiet: bool) -> None:
    """Scrubs until nothing is left: what the server itself does with a table in between delays it."""
    while since := await store.scrub(["data_keys"], since=since, is_quiet=is_quiet):  # noqa: ASYNC110 - in the server
        await asyncio.sleep(0.05)


async def _is_scrubbed(scene: Scene) -> None:
    async with scene.open() as store:
        keys = await store.write(sealed)
        assert len(recovered(scene.content(), keys)) >= len(keys), "the search finds what is there"
        await store.write(destroyed)
        await scrub_all(store, is_quiet=False)
        assert recovered(scene.content(), keys) == []
        kept = next(each for each in SUBJECTS if each not in ERASED)
        assert await store.read(lambda tx: vault.key_ids_of(tx, [kept]))


def test_nobody_with_all_files_of_sqlite_and_the_keys_opens_a_destroyed_key(tmp_path: Path) -> None:
    run(_is_scrubbed(sqlite_scene(tmp_path)))


def test_nobody_with_all_tables_of_postgresql_and_the_keys_opens_a_destroyed_key(database: Database) -> None:
    run(_is_scrubbed(postgresql_scene(database)))


def test_a_scrub_is_not_done_while_an_older_transaction_sees_the_keys(database: Database) -> None:
    scene = postgresql_scene(database)

    async def scenario() -> None:
        async with scene.open() as store:
            keys = await store.write(sealed)
            with database.session() as reader:
                reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                reader.execute("SELECT 1")
                await store.write(destroyed)
                since = await store.scrub(["data_keys"], since="", is_quiet=True)
                assert since
                assert recovered(scene.content(), keys) != [], "the table was written anew with them"
                reader.execute("COMMIT")
            await scrub_all(store, since, is_quiet=True)
            assert recovered(scene.content(), keys) == []

    run(scenario())


def test_a_table_that_is_not_small_is_written_anew_in_quiet_hours_and_a_large_one_by_its_operator(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene = postgresql_scene(database)
    monkeypatch.setattr(postgresql_scrubbing, "SMALL_BYTES", 0)

    async def scenario() -> None:
        async with scene.open() as store:
            keys = await store.write(sealed)
            await store.write(destroyed)
            with caplog.at_level(logging.WARNING), monkeypatch.context() as patched:
                since = await store.scrub(["data_keys"], since="", is_quiet=False)
                assert since
                assert not caplog.records
                patched.setattr(postgresql_scrubbing, "LARGE_BYTES", 0)
                assert await store.scrub(["data_keys"], since=since, is_quiet=True) == since
                assert "run VACUUM FULL" in caplog.text
            await scrub_all(store, since, is_quiet=True)
            assert recovered(scene.content(), keys) == []
            monkeypatch.setattr(postgresql_scrubbing, "LARGE_BYTES", 0)
            before = await store.scrub(["data_keys"], since="", is_quiet=True)
            assert before
            with database.session() as session:
                session.execute("VACUUM FULL data_keys")
            assert await store.scrub(["data_keys"], since=before, is_quiet=False) == "", "its operator did it"

    run(scenario())


def test_deleted_rows_of_a_table_that_is_not_small_leave_in_quiet_hours_once_no_older_transaction_sees_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = postgresql_scene(database)

    async def scenario() -> None:
        async with scene.open() as store:
            with database.session() as other:
                other.execute(
                    # The server's own vacuum would free the rows at any time.
                    "CREATE TABLE large WITH (autovacuum_enabled = false) AS"
                    " SELECT repeat('x', 500) AS row FROM generate_series(1, 200)"
                )
            monkeypatch.setattr(postgresql_scrubbing, "SMALL_BYTES", 65_536)
            with database.session() as reader:
                reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                reader.execute("SELECT 1")
                with database.session() as other:
                    other.execute("DELETE FROM large")
                assert await store.scrub(["large"], since="", is_quiet=True)
                reader.execute("COMMIT")
            assert await store.scrub(["large"], since="", is_quiet=False), "by day a large table is left alone"
            assert await store.scrub(["large"], since="", is_quiet=True) == ""

    run(scenario())


def test_only_one_process_scrubs_a_database_at_a_time(database: Database) -> None:
    scene = postgresql_scene(database)

    async def scenario() -> None:
        async with scene.open() as store:
            with database.session() as other:
                other.execute("SELECT pg_advisory_lock(hashtextextended('crossregion scrub', 0))")
                assert await store.scrub(["data_keys"], since="7", is_quiet=True) == "7"
                assert await store.scrub(["data_keys"], since="", is_quiet=True)
            await scrub_all(store, is_quiet=True)

    run(scenario())


def test_a_scrub_that_the_server_prevents_is_tried_again_and_a_stopped_store_does_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = postgresql_scene(database)

    async def scenario() -> None:
        async with scene.open() as store:
            keys = await store.write(sealed)
            await store.write(destroyed)
            monkeypatch.setattr(postgresql_scrubbing, "_SETTINGS", "SET lock_timeout = '50ms'")
            with database.session() as other:
                other.execute("BEGIN; LOCK TABLE data_keys IN ACCESS SHARE MODE")
                since = await store.scrub(["data_keys"], since="", is_quiet=True)
                assert since
                assert await store.scrub(["data_keys"], since=since, is_quiet=True) == since
                other.execute("COMMIT")
            await scrub_all(store, since, is_quiet=True)
            assert recovered(scene.content(), keys) == []
        scrubbing = postgresql_scrubbing.Scrubbing(Servers(database.conninfo))
        scrubbing.stop()
        assert await asyncio.to_thread(scrubbing.scrub, ["data_keys"], "7", is_quiet=True) == "7"

    run(scenario())
