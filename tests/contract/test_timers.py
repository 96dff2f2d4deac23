"""Timers on a real store: each fires once, never early, also when the process was down at its time."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.store import scheduler, timers
from gateway.store.port import Operation, OutcomeLost, Store, Transaction
from gateway.store.timers import SWEEP_LIMIT, Timer, cancel_timer, fire, first_due, set_timer
from gateway.time.clock import to_microseconds
from tests.contract.relay_pair import NOW, FixedClock, effects
from tests.contract.timer_scene import (
    HANDLERS,
    HOUR,
    SECOND,
    VISITS,
    at,
    done,
    expect_visit,
    left,
    note,
    play,
    running,
    sweeps,
)

T = TypeVar("T")


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that a test moves is noticed at once."""
    monkeypatch.setattr(scheduler, "SHORTEST_SLEEP", 0.0)
    monkeypatch.setattr(scheduler, "LONGEST_SLEEP", 0.001)


def test_a_timer_fires_at_its_time_and_not_before(tmp_path: Path) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW + SECOND)
        with running(store, clock):
            clock.instant = NOW + SECOND - timedelta(microseconds=1)
            await sweeps(store, clock)
            assert await store.read(effects) == ["ring look"]
            clock.instant = NOW + SECOND
            assert await done(store, 2) == ["ring look", "ring order 1"]
        assert await store.read(left) == []

    play(tmp_path, scenario)


def test_a_timer_set_while_the_scheduler_sleeps_fires_without_waiting_for_its_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "LONGEST_SLEEP", 3600.0)

    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW + HOUR, "later")
        with running(store, clock):
            await sweeps(store, clock)
            await at(store, NOW)
            assert await done(store, 2) == ["ring look", "ring order 1"]

    play(tmp_path, scenario)


@pytest.mark.parametrize("is_told", [True, False], ids=["told that an outcome is lost", "told nothing"])
def test_a_timer_of_a_write_whose_events_were_lost_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    monkeypatch.setattr(scheduler, "LONGEST_SLEEP", 3600.0 if is_told else 0.001)
    monkeypatch.setattr(scheduler, "READ_AGAIN", 3600.0 if is_told else 0.01)

    def keep_unheard(tx: Transaction) -> None:
        tx.keep(timers.TIMERS, Timer("1", "ring", "order 1", to_microseconds(NOW)))
        if is_told:
            tx.publish(OutcomeLost())

    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW + HOUR, "later")
        with running(store, clock):
            await sweeps(store, clock)
            await store.write(keep_unheard)
            assert await done(store, 2) == ["ring look", "ring order 1"]

    play(tmp_path, scenario)


def test_a_scheduler_with_nothing_due_looks_at_its_clock_and_not_at_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        looks, reads = Counter[str](), store.read

        class CountingClock(FixedClock):
            def now(self) -> datetime:
                looks["clock"] += 1
                return clock.instant

        def read(operation: Operation[T]) -> Awaitable[T]:
            looks["store"] += 1
            return reads(operation)

        monkeypatch.setattr(store, "read", read)
        await at(store, NOW + HOUR)
        with running(store, CountingClock()):
            while looks["clock"] < 20:  # noqa: ASYNC110 - the scheduler looks by itself
                await asyncio.sleep(0)
            before = looks["store"]
            await at(store, NOW + 2 * HOUR, "later")
            while looks["clock"] < 40:  # noqa: ASYNC110 - the scheduler looks by itself
                await asyncio.sleep(0)
            assert looks["store"] == before
            await at(store, NOW + SECOND, "earlier")
            clock.instant = NOW + SECOND
            assert await done(store, 1) == ["ring earlier"]

    play(tmp_path, scenario)


def test_what_fell_due_while_the_process_was_down_fires_once_after_its_start(tmp_path: Path) -> None:
    async def before(store: Store, clock: FixedClock) -> None:
        await at(store, NOW + SECOND)

    async def after(store: Store, clock: FixedClock) -> None:
        clock.instant = NOW + HOUR
        for _ in range(2):
            with running(store, clock):
                assert (await done(store, 1))[:1] == ["ring order 1"]
                await sweeps(store, clock)
        assert (await store.read(effects)).count("ring order 1") == 1

    play(tmp_path, before)
    play(tmp_path, after)


def test_due_timers_fire_in_the_order_of_their_times(tmp_path: Path) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        for number in (3, 1, 2, 0):
            await at(store, NOW - HOUR + number * SECOND, f"{number}")
        with running(store, clock):
            assert await done(store, 4) == ["ring 0", "ring 1", "ring 2", "ring 3"]

    play(tmp_path, scenario)


def test_rows_that_fall_due_fire_once_among_the_timers_and_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "LONGEST_SLEEP", 3600.0)

    async def scenario(store: Store, clock: FixedClock) -> None:
        for visit, due in (("second", NOW - SECOND), ("third", NOW), ("later", NOW + HOUR)):
            await store.write(partial(expect_visit, visit=visit, due=due))
        await at(store, NOW - HOUR, "first")
        with running(store, clock, rows=[VISITS]):
            assert await done(store, 3) == ["ring first", "ring second", "ring third"]
            await store.write(partial(expect_visit, visit="set while it sleeps", due=NOW))
            assert (await done(store, 4))[3:] == ["ring set while it sleeps"]
        left_due = "SELECT visit FROM visits WHERE due_time IS NOT NULL"
        assert await store.read(lambda tx: tx.all(str, left_due)) == ["later"]
        assert await store.read(lambda tx: tx.first(int, "SELECT COUNT(*) FROM visits")) == 4

    play(tmp_path, scenario)


def test_more_than_one_sweep_holds_fires_all_the_same(tmp_path: Path) -> None:
    count = 2 * SWEEP_LIMIT + 1

    async def scenario(store: Store, clock: FixedClock) -> None:
        for number in range(count):
            await at(store, NOW, f"{number}")
        with running(store, clock):
            assert sorted(await done(store, count)) == sorted(f"ring {number}" for number in range(count))

    play(tmp_path, scenario)


def test_a_clock_that_steps_back_fires_nothing_twice(tmp_path: Path) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW + SECOND)
        with running(store, clock):
            clock.instant = NOW + HOUR
            await done(store, 1)
            clock.instant = NOW
            await sweeps(store, clock)
            clock.instant = NOW + HOUR
            await sweeps(store, clock)
        assert (await store.read(effects)).count("ring order 1") == 1

    play(tmp_path, scenario)


def test_two_schedulers_on_one_store_fire_each_timer_once(tmp_path: Path) -> None:
    count = 50

    async def scenario(store: Store, clock: FixedClock) -> None:
        for number in range(count):
            await at(store, NOW, f"{number}")
        with running(store, clock), running(store, clock), running(store, clock):
            await done(store, count)
            await sweeps(store, clock)
        assert len(await store.read(effects)) == count + 1

    play(tmp_path, scenario)


def test_a_cancelled_timer_does_not_fire(tmp_path: Path) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW + SECOND)
        await store.write(partial(cancel_timer, timer_id="order 1"))
        await store.write(partial(cancel_timer, timer_id="order 1"))
        clock.instant = NOW + HOUR
        with running(store, clock):
            await sweeps(store, clock)
        assert await store.read(effects) == ["ring look"]

    play(tmp_path, scenario)


def test_a_timer_set_again_fires_at_its_new_time_only(tmp_path: Path) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW + SECOND)
        await at(store, NOW + HOUR)
        with running(store, clock):
            clock.instant = NOW + 2 * SECOND
            await sweeps(store, clock)
            assert await store.read(effects) == ["ring look"]
            clock.instant = NOW + HOUR
            assert await done(store, 2) == ["ring look", "ring order 1"]

    play(tmp_path, scenario)


def test_a_timer_that_was_put_off_after_it_was_seen_as_due_does_not_fire(tmp_path: Path) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        seen = Timer("order 1", "ring", "order 1", to_microseconds(NOW))
        await at(store, NOW + HOUR)
        assert not await store.write(lambda tx: fire(tx, seen, HANDLERS, NOW))
        assert await store.read(left) == ["order 1"]

    play(tmp_path, scenario)


def test_a_handler_may_set_the_timer_again(tmp_path: Path) -> None:
    def again(tx: Transaction, timer: Timer, now: datetime) -> None:
        note(tx, timer, now)
        set_timer(tx, timer.timer_id, kind=timer.kind, subject=timer.subject, due=now + HOUR)

    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW)
        with running(store, clock, {"ring": again}):
            await done(store, 1)
            assert await store.read(left) == ["order 1"]
            clock.instant = NOW + HOUR
            await done(store, 2)

    play(tmp_path, scenario)


def test_a_timer_of_a_kind_that_only_a_newer_version_knows_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def older(store: Store, clock: FixedClock) -> None:
        await at(store, NOW - HOUR, "newer", kind="unknown")
        await at(store, NOW - SECOND)
        with running(store, clock):
            assert await done(store, 1) == ["ring order 1"]
            await sweeps(store, clock)
        assert await store.read(left) == ["newer"]
        assert [record.getMessage() for record in caplog.records] == [
            "timers of kind unknown wait for the newer version that has set them"
        ]
        assert await store.read(lambda tx: tx.all(str, "SELECT timer_id FROM failed_timers")) == []
        assert await store.read(lambda tx: first_due(tx, HANDLERS.keys())) is None, "it keeps nobody awake"

    async def newer(store: Store, clock: FixedClock) -> None:
        with running(store, clock, {"unknown": note}):
            assert "unknown newer" in await done(store, 3)

    play(tmp_path, older)
    play(tmp_path, newer)
