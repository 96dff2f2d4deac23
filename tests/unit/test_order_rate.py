"""The orders per minute that a process counts."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from region_node.business.orders.rate import OrderRate
from region_node.business.orders.rows import OrderAdded


class SetClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


def test_the_rate_is_that_of_the_last_whole_minute_and_of_no_earlier_one(tmp_path: Path) -> None:
    async def story() -> None:
        store, clock = SqliteStore(tmp_path / "node.sqlite", migrations_of("gateway")), SetClock()
        try:
            rate = OrderRate(store, clock)
            for _ in range(3):
                await store.write(lambda tx: tx.publish(OrderAdded(clock.now())))
            assert rate.per_minute() == 0
            clock.time += timedelta(minutes=1)
            await store.write(lambda tx: tx.publish(OrderAdded(clock.now())))
            assert (rate.per_minute(), rate.per_minute()) == (3, 3)
            clock.time += timedelta(minutes=1)
            assert rate.per_minute() == 1
            await store.write(lambda tx: tx.publish(OrderAdded(clock.now())))
            clock.time += timedelta(minutes=2)
            assert rate.per_minute() == 0
            await store.write(lambda tx: tx.publish(OrderAdded(clock.now())))
            clock.time -= timedelta(hours=1)
            assert rate.per_minute() == 0
            await store.write(lambda tx: tx.publish(OrderAdded(clock.now())))
            clock.time += timedelta(minutes=1)
            assert rate.per_minute() == 1
        finally:
            await store.close()

    asyncio.run(story())
