"""Runs some pages of the nightly purge on a SQLite file, as a process of a node does: `FILE PAGES`."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.federation.files import load
from gateway.relay.border import Border
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.store.timers import Timer, due_timers, fire
from gateway.time.clock import from_microseconds
from region_node.app.registered import registry
from region_node.lifecycle.retention.purge import PURGE_TIMER, ensure_purge, purge
from region_node.node.context import RegionContext
from tests.simulation.world import keys

NIGHT = timedelta(hours=3)
NOW = datetime(2031, 11, 24, 20, tzinfo=UTC)
DEPLOYED = Path(__file__).parents[2] / "deploy" / "federation"


async def run(path: Path, pages: int) -> None:
    """Fires the timer so many times, each in a transaction of its own, or until the night is over."""
    current, shared = CurrentFederation(), keys()
    current.update(Federation(1, load(DEPLOYED)), [])
    border = Border("sichuan", shared.signers["sichuan"], shared.trusted, current)
    every = registry(RegionContext(border))
    store = SqliteStore(path, migrations_of("gateway", "region_node"))

    def one(tx: Transaction, before: datetime) -> bool:
        def handle(tx: Transaction, timer: Timer, now: datetime) -> None:
            purge(tx, every, timer, now)

        due = [timer for timer in due_timers(tx, before) if timer.kind == PURGE_TIMER]
        return bool(due) and fire(
            tx, due[0], {PURGE_TIMER: handle}, max(from_microseconds(due[0].due_time), before - NIGHT)
        )

    await store.write(lambda tx: ensure_purge(tx, NOW - timedelta(days=1)))
    await store.write(lambda tx: one(tx, NOW - timedelta(days=1)))
    for _ in range(pages):
        if not await store.write(lambda tx: one(tx, NOW)):
            break
    await store.close()


if __name__ == "__main__":
    import asyncio

    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
