"""Timers, and what the database keeps of the agreed time, on both engines."""

import asyncio
from datetime import datetime, timedelta

import pytest

from gateway.store import scheduler
from gateway.store.agreed_time import AgreedTimeKeeper, keep_agreed, last_agreed
from gateway.store.port import Store, Transaction
from gateway.store.timers import Timer
from gateway.time.agreed_clock import AgreedClock
from tests.contract.relay_pair import NOW, FixedClock, effects
from tests.contract.stores import Adapter
from tests.contract.timer_scene import HOUR, SECOND, at, done, left, note, play, running, sweeps

YEARS = timedelta(days=4 * 365)


class Machine(FixedClock):
    """A machine whose time of day may be wrong."""

    error = timedelta(0)

    def now(self) -> datetime:
        return self.instant + self.error


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that a test moves is noticed at once."""
    monkeypatch.setattr(scheduler, "SHORTEST_SLEEP", 0.0)
    monkeypatch.setattr(scheduler, "LONGEST_SLEEP", 0.001)


def test_by_a_clock_that_has_stepped_no_timer_fires_and_each_fires_at_its_time_when_it_is_back(
    adapter: Adapter,
) -> None:
    async def scenario(store: Store, _: FixedClock) -> None:
        machine, looks = Machine(), 0
        clock = AgreedClock(machine)

        def is_settled() -> bool:
            nonlocal looks
            looks += 1
            return clock.is_settled()

        await at(store, NOW - SECOND, "overdue")
        await at(store, NOW + HOUR, "soon")
        await at(store, NOW + YEARS, "in years")
        machine.error = YEARS
        with running(store, clock, is_settled=is_settled):
            while looks < 20:  # noqa: ASYNC110 - the scheduler looks by itself
                await asyncio.sleep(0)
            assert await store.read(effects) == []
            machine.error = timedelta(0)
            assert await done(store, 1) == ["ring overdue"]
            machine.instant += HOUR
            assert await done(store, 2) == ["ring overdue", "ring soon"]
            assert await store.read(left) == ["in years"]

    play(adapter, scenario)


def test_lateness_is_that_of_the_oldest_timer_that_is_due_also_while_none_can_fire(adapter: Adapter) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        states = {"settled": True}
        with running(store, clock, is_settled=lambda: states["settled"]) as timers:
            await sweeps(store, clock)
            await at(store, NOW + SECOND, "first")
            await at(store, NOW + HOUR, "second")
            assert timers.lateness() == 0
            states["settled"] = False
            clock.instant = NOW + 2 * HOUR
            while timers.lateness() != (2 * HOUR - SECOND).total_seconds():  # noqa: ASYNC110 - it looks by itself
                await asyncio.sleep(0)
            states["settled"] = True
            assert await done(store, 3) == ["ring look", "ring first", "ring second"]
            while timers.lateness():  # noqa: ASYNC110 - the scheduler looks by itself
                await asyncio.sleep(0)

    play(adapter, scenario)


def test_a_timer_that_has_fired_is_not_late_while_the_scheduler_cannot_look_for_others(adapter: Adapter) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        states = {"settled": True}

        def unsettle(tx: Transaction, timer: Timer, now: datetime) -> None:
            note(tx, timer, now)
            states["settled"] = False

        await at(store, NOW)
        with running(store, clock, {"ring": unsettle}, is_settled=lambda: states["settled"]) as timers:
            await done(store, 1)
            clock.instant = NOW + HOUR
            while timers.lateness():  # noqa: ASYNC110 - it looks by itself
                await asyncio.sleep(0)

    play(adapter, scenario)


def test_a_process_keeps_the_time_once_it_is_settled_and_the_next_one_compares_with_it(adapter: Adapter) -> None:
    async def scenario(store: Store, _: FixedClock) -> None:
        machine = Machine()
        clock = AgreedClock(machine)
        clock.start_from(await store.read(last_agreed))
        machine.error = YEARS
        keeping = asyncio.create_task(AgreedTimeKeeper(store, clock).run())
        clock.hear("coordinator", NOW)
        await asyncio.sleep(0)
        assert await store.read(last_agreed) is None
        machine.error = timedelta(0)
        while (kept := await store.read(last_agreed)) is None:  # noqa: ASYNC110 - it is kept by itself
            await asyncio.sleep(0)
        assert kept == NOW
        keeping.cancel()

        machine.error = YEARS
        following = AgreedClock(machine)
        following.start_from(kept)
        machine.instant += timedelta(minutes=10)
        assert not following.is_settled(), "alone, it does not believe in years without a sign of life"
        machine.error = timedelta(0)
        assert following.is_settled()

    play(adapter, scenario)


def test_a_time_that_was_kept_by_a_wrong_clock_is_replaced_by_an_earlier_one(adapter: Adapter) -> None:
    async def scenario(store: Store, _: FixedClock) -> None:
        for kept in (NOW + YEARS, NOW):
            await store.write(lambda tx, kept=kept: keep_agreed(tx, kept))  # type: ignore[misc]
            assert await store.read(last_agreed) == kept

    play(adapter, scenario)
