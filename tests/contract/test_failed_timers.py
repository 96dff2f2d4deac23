"""Timers that fail, on both engines: each waits for its own next attempt, and delays no other one."""

import asyncio
import logging
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store import scheduler
from gateway.store.port import Store, Transaction
from gateway.store.quarantine import ATTEMPTS, PATIENCE, QuarantinedWork, work_after
from gateway.store.timers import SWEEP_LIMIT, Timer, cancel_timer, set_timer
from tests.contract.relay_pair import NOW, FixedClock, effects
from tests.contract.stores import Adapter
from tests.contract.timer_scene import (
    HANDLERS,
    HOUR,
    SECOND,
    VISITS,
    at,
    done,
    expect_visit,
    fail,
    left,
    note,
    play,
    running,
    sweeps,
)


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that a test moves is noticed at once."""
    monkeypatch.setattr(scheduler, "SHORTEST_SLEEP", 0.0)
    monkeypatch.setattr(scheduler, "LONGEST_SLEEP", 0.001)


def test_a_row_whose_handler_fails_stays_due(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        await store.write(partial(expect_visit, visit="order 1", due=NOW))
        with running(store, clock, {**HANDLERS, "ring": fail}, [VISITS]):
            while not caplog.records:  # noqa: ASYNC110 - the log is no thing of the loop
                await asyncio.sleep(0)
        assert await store.read(effects) == []
        with running(store, clock, rows=[VISITS]):
            assert await done(store, 1) == ["ring order 1"]

    play(tmp_path, scenario)


def test_a_timer_whose_handler_breaks_leaves_nothing_stays_due_and_fires_when_it_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW, kind="break")
        with running(store, clock):
            while not caplog.records:  # noqa: ASYNC110 - the log is no thing of the loop
                await asyncio.sleep(0)
            await sweeps(store, clock)
        assert await store.read(effects) == ["ring look"]
        assert await store.read(left) == ["order 1"]
        assert {record.levelno for record in caplog.records} == {logging.ERROR}
        with running(store, clock, {**HANDLERS, "break": note}):
            assert await done(store, 2) == ["ring look", "break order 1"]

    play(tmp_path, scenario)


def test_timers_are_counted_by_kind_with_those_that_wait_for_another_attempt(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "COUNT_AGAIN", 0.0)

    async def scenario(store: Store, clock: FixedClock) -> None:
        for number in range(3):
            await at(store, NOW, f"bad {number}", kind="break")
        await at(store, NOW)
        with running(store, clock, rest=lambda attempts: 10.0) as timers:
            while timers.counts.waiting_again != {"break": 3}:  # noqa: ASYNC110 - it counts by itself
                await asyncio.sleep(0)
            assert (timers.counts.fired, timers.counts.failed) == ({"ring": 1}, {"break": 3})
            clock.instant = NOW + 10 * SECOND
            while timers.counts.failed != {"break": 6}:  # noqa: ASYNC110 - it counts by itself
                await asyncio.sleep(0)

    play(adapter, scenario)


def failures(tx: Transaction) -> list[int]:
    """How often each timer has failed, of those that wait for another attempt."""
    return tx.all(int, "SELECT attempts FROM failed_timers ORDER BY timer_id")


def test_thousands_of_timers_that_keep_failing_do_not_keep_later_ones_from_firing(
    adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = 2_000, 30

    def set_all(tx: Transaction) -> None:
        for number in range(bad):
            set_timer(tx, f"bad {number}", kind="break", subject="order 1", due=NOW - HOUR)
        for number in range(good):
            set_timer(tx, f"good {number}", kind="ring", subject=f"{number}", due=NOW)

    def count_failures(tx: Transaction, timer: Timer, now: datetime) -> None:
        tx.execute("INSERT INTO effects (effect) VALUES (:failures)", failures=str(sum(failures(tx))))

    def set_later(tx: Transaction) -> int:
        set_timer(tx, "later", kind="ring", subject="later", due=NOW)
        return sum(failures(tx))

    async def scenario(store: Store, clock: FixedClock) -> None:
        await store.write(set_all)
        with running(store, clock, {**HANDLERS, "ring": count_failures}):  # the failed are due at once, all the time
            assert max(map(int, await done(store, good))) <= 3 * SWEEP_LIMIT
            before = await store.write(set_later)
            (later,) = (await done(store, good + 1))[good:]
            assert int(later) - before <= 3 * SWEEP_LIMIT

    play(adapter, scenario)
    assert len(caplog.records) < bad // 2, "thousands with one defect are logged together"


def test_a_timer_that_keeps_failing_waits_longer_after_each_attempt_and_is_logged_once(
    adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW, kind="break")
        with running(store, clock, rest=lambda attempts: 10.0 * attempts):
            for attempts, seconds in enumerate((0, 10, 30, 60), 1):
                clock.instant = NOW + seconds * SECOND - timedelta(microseconds=1)
                await sweeps(store, clock, rounds=3)
                assert await store.read(failures) == [attempts - 1] * (attempts > 1)
                clock.instant = NOW + seconds * SECOND
                await sweeps(store, clock, rounds=3)
                assert await store.read(failures) == [attempts]
        assert len(caplog.records) == 1

    play(adapter, scenario)


def test_a_timer_that_fails_no_more_begins_anew(adapter: Adapter) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW, kind="break")
        with running(store, clock, rest=lambda attempts: 10.0):
            while not await store.read(failures):  # noqa: ASYNC110 - looked at over a connection of its own
                await asyncio.sleep(0)
        clock.instant = NOW + 10 * SECOND
        with running(store, clock, {**HANDLERS, "break": note}):
            assert await done(store, 1) == ["break order 1"]
        assert await store.read(failures) == []
        assert await store.read(left) == []

    play(adapter, scenario)


@pytest.mark.parametrize("change", ["cancelled", "set again"])
def test_a_failed_timer_that_was_cancelled_or_set_again_is_attempted_no_more(adapter: Adapter, change: str) -> None:
    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW, kind="break")
        with running(store, clock, rest=lambda attempts: 10.0):
            while not await store.read(failures):  # noqa: ASYNC110 - looked at over a connection of its own
                await asyncio.sleep(0)
            if change == "cancelled":
                await store.write(partial(cancel_timer, timer_id="order 1"))
            else:
                await at(store, NOW + HOUR)
            clock.instant = NOW + 10 * SECOND
            await sweeps(store, clock, rounds=3)
            assert await store.read(failures) == []
            clock.instant = NOW + HOUR
            await sweeps(store, clock, rounds=3)
            assert (await store.read(effects)).count("ring order 1") == (change == "set again")

    play(adapter, scenario)


def test_one_timer_of_a_kind_that_fails_keeps_no_other_of_its_kind_from_firing(adapter: Adapter) -> None:
    def fail_some(tx: Transaction, timer: Timer, now: datetime) -> None:
        (fail if timer.subject.startswith("bad") else note)(tx, timer, now)

    def set_all(tx: Transaction) -> None:
        for number in range(SWEEP_LIMIT + 1):
            set_timer(tx, f"bad {number}", kind="ring", subject=f"bad {number}", due=NOW - HOUR)
        set_timer(tx, "good", kind="ring", subject="good", due=NOW)

    async def scenario(store: Store, clock: FixedClock) -> None:
        await store.write(set_all)
        with running(store, clock, {"ring": fail_some}, rest=lambda attempts: 10.0):
            assert await done(store, 1) == ["ring good"]
            while len(await store.read(failures)) <= SWEEP_LIMIT:  # noqa: ASYNC110 - looked at over a connection of its own
                await asyncio.sleep(0)
        assert await store.read(failures) == [1] * (SWEEP_LIMIT + 1)

    play(adapter, scenario)


def test_a_row_whose_handler_fails_waits_and_keeps_no_other_row_from_firing(adapter: Adapter) -> None:
    def fail_first(tx: Transaction, timer: Timer, now: datetime) -> None:
        (fail if timer.subject == "first" else note)(tx, timer, now)

    async def scenario(store: Store, clock: FixedClock) -> None:
        await store.write(partial(expect_visit, visit="first", due=NOW - HOUR))
        await store.write(partial(expect_visit, visit="second", due=NOW))
        with running(store, clock, {**HANDLERS, "ring": fail_first}, [VISITS], lambda attempts: 10.0):
            assert await done(store, 1) == ["ring second"]
            while not await store.read(failures):  # noqa: ASYNC110 - looked at over a connection of its own
                await asyncio.sleep(0)
        clock.instant = NOW + 10 * SECOND
        with running(store, clock, rows=[VISITS]):
            assert await done(store, 2) == ["ring second", "ring first"]
        assert await store.read(failures) == []

    play(adapter, scenario)


def test_a_refusal_of_a_handler_undoes_its_timer_and_waits_likewise(adapter: Adapter) -> None:
    def refuse(tx: Transaction, timer: Timer, now: datetime) -> None:
        raise Refused(Reason.REASON_CONFIGURATION_MISSING)

    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW, kind="break")
        with running(store, clock, {**HANDLERS, "break": refuse}, rest=lambda attempts: 10.0):
            while not await store.read(failures):  # noqa: ASYNC110 - looked at over a connection of its own
                await asyncio.sleep(0)
        clock.instant = NOW + 10 * SECOND
        with running(store, clock, {**HANDLERS, "break": note}):
            assert await done(store, 1) == ["break order 1"]

    play(adapter, scenario)


def quarantined(tx: Transaction) -> list[tuple[str, str, int]]:
    """The timers that wait for people, each with its problem and its attempts."""
    return [(each.name, each.failure, each.attempts) for each in work_after(tx, (-1, ""), 10, is_all=True)]


def test_a_timer_that_keeps_failing_is_left_to_people_in_the_end(
    adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    def said() -> int:
        return sum(1 for record in caplog.records if "is quarantined" in record.message)

    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW, kind="break")
        await store.write(partial(expect_visit, visit="order 2", due=NOW))
        with running(store, clock, {**HANDLERS, "ring": fail}, [VISITS], lambda attempts: 0.0):
            while sum(await store.read(failures)) < 2 * ATTEMPTS:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
            assert await store.read(quarantined) == []
            clock.instant = NOW + PATIENCE
            while len(found := await store.read(quarantined)) < 2 or said() < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
        assert [(name, problem) for name, problem, _ in found] == [
            ("order 1", "ZeroDivisionError"),
            ("ring/order 2", "ZeroDivisionError"),
        ]
        assert all(attempts >= ATTEMPTS for _, _, attempts in found)
        assert await store.read(failures) == []
        assert await store.read(left) == []
        with running(store, clock, {"break": note, "ring": note}, [VISITS]):
            await sweeps(store, clock)
        assert await store.read(effects) == ["ring look"]

    play(adapter, scenario)
    assert said() == 2


def test_a_timer_that_waits_for_something_is_tried_on_and_on(tmp_path: Path) -> None:
    tries: list[str] = []

    def refuse(tx: Transaction, timer: Timer, now: datetime) -> None:
        tries.append(timer.subject)
        raise Refused(Reason.REASON_CONFIGURATION_MISSING)

    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW, kind="break")
        with running(store, clock, {**HANDLERS, "break": refuse}):
            for count in (ATTEMPTS, 2 * ATTEMPTS):
                while len(tries) < count:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0)
                clock.instant = NOW + PATIENCE
        with running(store, clock):  # then a defect comes: it counts from here on
            before = await store.read(failures)
            await sweeps(store, clock)
        assert before == [1]
        assert await store.read(quarantined) == []

    play(tmp_path, scenario)


def test_a_timer_that_cannot_be_left_to_people_is_tried_on_and_delays_no_other_one(tmp_path: Path) -> None:
    def keep(tx: Transaction, work: QuarantinedWork, now: datetime) -> None:
        raise ZeroDivisionError

    async def scenario(store: Store, clock: FixedClock) -> None:
        await at(store, NOW, kind="break")
        with running(store, clock, keep=keep):
            while sum(await store.read(failures)) < ATTEMPTS:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
            clock.instant = NOW + PATIENCE
            await sweeps(store, clock, rounds=3)
        assert await store.read(left) == ["order 1"]
        assert len(await store.read(failures)) == 1

    play(tmp_path, scenario)
