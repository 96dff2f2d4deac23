"""The fence before a store: while a loss of the database is open, business neither reads nor writes."""

import asyncio
from pathlib import Path

import pytest

from gateway.errors import Refused
from gateway.store import losses
from gateway.store.fenced import FencedStore
from gateway.store.losses import Loss
from gateway.store.port import Transaction
from gateway.store.reading_ahead import Announced
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteDatabase, SqliteStore
from gateway.store.sqlite_schema import apply

OPEN = Loss(1, 5, "coordinator", 2, 3, 0, 10_003)
ACCEPTED = OPEN._replace(accept_time=6, actor="region/sichuan/staff/zhao", reference="INC-2041")


def made(path: Path) -> SqliteStore:
    """An empty store with the schema of all."""
    database = SqliteDatabase(str(path))
    apply(database.connection, migrations_of("gateway"))
    database.close()
    return SqliteStore(path, migrations_of("gateway"))


def count(tx: Transaction) -> int | None:
    """Reads something."""
    return tx.first(int, "SELECT COUNT(*) FROM losses")


def test_a_loss_that_any_operation_stores_closes_the_fence_until_it_is_opened_once_accepted(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = made(tmp_path / "store.db")
        fence = FencedStore(store)
        seen: list[bool] = []
        fence.on_change(lambda: seen.append(fence.is_open))
        assert await fence.read(count) == 0
        assert await fence.write(Announced(count, lambda tx: ())) == 0
        await store.write(lambda tx: losses.keep(tx, OPEN))
        await asyncio.sleep(0)
        assert fence.loss == OPEN
        for call in (fence.read(count), fence.write(count), fence.write(Announced(count, lambda tx: ()))):
            with pytest.raises(Refused, match=r"DATABASE_BEHIND: .*ends at row 2, and row 3 was seen"):
                await call
        assert await store.read(count) == 1, "what looks after the database goes behind the fence"
        fence.open()
        assert not fence.is_open, "nobody has accepted it"
        await store.write(lambda tx: losses.keep(tx, ACCEPTED))
        await asyncio.sleep(0)
        assert fence.is_accepted
        assert not fence.is_open, "what a start does with an older database comes first"
        fence.open()
        assert await fence.write(count) == 1
        assert seen == [False, True]
        await fence.close()

    asyncio.run(scenario())


def test_an_operation_that_was_queued_before_the_loss_was_found_does_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = made(tmp_path / "store.db")
        fence = FencedStore(store)
        queued = fence.write(lambda tx: losses.keep(tx, OPEN))
        fence.note(OPEN)
        with pytest.raises(Refused, match="DATABASE_BEHIND"):
            await queued
        assert await store.read(losses.losses) == []
        await fence.close()

    asyncio.run(scenario())
