"""A key that was destroyed stands in no file of an embedded database, whoever reads and whenever the process dies."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

from deploy.local.process import wait_until
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteDatabase, SqliteStore
from gateway.store.sqlite_schema import apply
from tests.contract.stores import PATIENCE_S, run
from tests.keys import region_keys

SUBJECT = "customer/1"
MIGRATIONS = migrations_of("gateway")


def sealed(tx: Transaction) -> bytes:
    """Seals something, so that the subject has a key; returns the bytes of that key at rest."""
    vault.seal(tx, SUBJECT, "customers", b"somebody")
    wrapped = tx.first(bytes, "SELECT wrapped FROM data_keys WHERE subject = :subject", subject=SUBJECT)
    assert wrapped is not None
    return wrapped


def destroyed(tx: Transaction) -> None:
    """Destroys the key."""
    assert vault.destroy(tx, [SUBJECT]) != []


def places(path: Path, secret: bytes) -> list[str]:
    """The files beside a database, and itself, in which something stands."""
    return sorted(each.name for each in path.parent.glob(f"{path.name}*") if secret in each.read_bytes())


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, MIGRATIONS, region_keys())
    try:
        yield store
    finally:
        await store.close()


def test_a_key_that_is_destroyed_stands_in_no_file_once_that_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "node.db"

    async def scenario() -> None:
        async with opened(path) as store:
            secret = await store.write(sealed)
            assert places(path, secret) == ["node.db-wal"]
            await store.write(destroyed)
            assert places(path, secret) == []

    run(scenario())


def test_while_somebody_reads_the_log_is_kept_and_it_is_emptied_once_nobody_does(tmp_path: Path) -> None:
    path = tmp_path / "node.db"

    async def scenario() -> None:
        async with opened(path) as store:
            secret = await store.write(sealed)
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT COUNT(*) FROM data_keys").fetchall()
                await store.write(destroyed)
                assert places(path, secret) != []
            await asyncio.to_thread(wait_until, lambda: places(path, secret) == [], PATIENCE_S, "the log is emptied")

    run(scenario())


def test_what_a_killed_process_has_destroyed_is_out_of_the_log_when_the_next_one_has_opened(tmp_path: Path) -> None:
    path, left = tmp_path / "node.db", tmp_path / "left" / "node.db"
    left.parent.mkdir()
    database = SqliteDatabase(str(path), region_keys())
    with contextlib.closing(database):
        apply(database.connection, MIGRATIONS)
        database.begin()
        secret = sealed(database.transaction())
        database.commit()
        database.begin()
        destroyed(database.transaction())
        database.commit()
        for each in path.parent.glob("node.db*"):
            shutil.copy(each, left.parent)
    assert places(left, secret) == ["node.db-wal"]

    async def scenario() -> None:
        async with opened(left):
            assert places(left, secret) == []

    run(scenario())
