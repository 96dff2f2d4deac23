"""A scheduler on a real store, and handlers of timers that write down what fired, or fail."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from gateway.store import quarantine
from gateway.store.port import Store, Transaction
from gateway.store.quarantine import QuarantinedWork
from gateway.store.scheduler import OfFailed, Scheduler
from gateway.store.schema import migrations_of
from gateway.store.timers import DueRows, Timer, TimerHandler, TimerSet, set_timer
from gateway.time.clock import Clock, to_microseconds
from tests.contract.relay_pair import EFFECTS, FixedClock, effects, open_store
from tests.contract.stores import Adapter

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
# Reached only where a test fails.
PATIENCE_S = 60.0

Scenario = Callable[[Store, FixedClock], Coroutine[object, object, None]]


def play(place: Path | Adapter, scenario: Scenario) -> None:
    """Runs a scenario on the store in a directory, or on that of an adapter; a second one is the next process."""
    files = [*migrations_of("gateway"), EFFECTS]
    opened = open_store(place) if isinstance(place, Path) else place.open(files)
    if not isinstance(place, Path):
        place.migrate(files)

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S), opened as store:
            await scenario(store, FixedClock())

    asyncio.run(bounded())


def note(tx: Transaction, timer: Timer, now: datetime) -> None:
    """The handler: writes down what fired."""
    tx.execute("INSERT INTO effects (effect) VALUES (:effect)", effect=f"{timer.kind} {timer.subject}")


def fail(tx: Transaction, timer: Timer, now: datetime) -> None:
    """A handler with a defect."""
    note(tx, timer, now)
    raise ZeroDivisionError


HANDLERS: dict[str, TimerHandler] = {"ring": note, "break": fail}
VISITS = DueRows("ring", "visits", "visit")


async def at(store: Store, due: datetime, subject: str = "order 1", *, kind: str = "ring", name: str = "") -> None:
    """Sets a timer."""
    await store.write(partial(set_timer, timer_id=name or subject, kind=kind, subject=subject, due=due))


def left(tx: Transaction) -> list[str]:
    return tx.all(str, "SELECT timer_id FROM timers ORDER BY due_time, timer_id")


@contextmanager
def running(
    store: Store,
    clock: Clock,
    handlers: dict[str, TimerHandler] | None = None,
    rows: Sequence[DueRows] = (),
    rest: Callable[[int], float] = lambda attempts: 0.0,
    keep: Callable[[Transaction, QuarantinedWork, datetime], None] = quarantine.keep,
    is_settled: Callable[[], bool] = lambda: True,
) -> Iterator[Scheduler]:
    """A scheduler that runs meanwhile. `rest` gives the seconds after a failure, `keep` leaves work to people."""
    running = Scheduler(store, clock, handlers or HANDLERS, OfFailed(rest, keep), is_settled, rows)
    task = asyncio.get_running_loop().create_task(running.run())
    try:
        yield running
    finally:
        task.cancel()


async def done(store: Store, count: int) -> list[str]:
    """The fired timers, once there are `count`."""
    while len(fired := await store.read(effects)) < count:  # noqa: ASYNC110 - looked at over a connection of its own
        await asyncio.sleep(0)
    return fired


async def sweeps(store: Store, clock: FixedClock, rounds: int = 1) -> None:
    """Lets the scheduler run until it has certainly looked so often: a timer that is due fires."""
    for _ in range(rounds):
        before = len(await store.read(effects))
        await at(store, clock.now(), subject="look", name="look")
        await done(store, before + 1)


def expect_visit(tx: Transaction, visit: str, due: datetime) -> None:
    """A row that falls due."""
    tx.execute("CREATE TABLE IF NOT EXISTS visits (visit TEXT NOT NULL PRIMARY KEY, due_time BIGINT)")
    tx.execute("INSERT INTO visits (visit, due_time) VALUES (:visit, :due)", visit=visit, due=to_microseconds(due))
    tx.publish(TimerSet(due))
