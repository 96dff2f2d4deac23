"""Runs that have more to do at once than they may by themselves: people are asked once, and let them go on."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar, cast

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.quarantine_service_pb2 import QuarantineState
from gateway.errors import Refused
from gateway.store import quarantine
from gateway.store.port import Store, Transaction
from gateway.store.quarantine import RUN, QuarantinedWork, may_run
from gateway.store.timers import due_timers, set_timer
from region_node.app.registered import registry
from region_node.business.billing.charging import CYCLE, progress_of
from region_node.business.billing.runs import BillingRuns, is_due
from region_node.care.quarantine.operations import Quarantine
from region_node.lifecycle.retention.purge import PURGE_TIMER, ensure_purge
from region_node.requests.auditing import AuditedCall
from tests.unit.billing_scene import Books, books
from tests.unit.purging import LONG_AGO, NOW, Archive, archive

DAY, NIGHT = timedelta(days=1), NOW + timedelta(days=1)
BILLING, PURGE = "run/billing", "run/purge"
REPLAYED = QuarantineState.QUARANTINE_STATE_REPLAYED
T = TypeVar("T")


@pytest.fixture(name="kept")
def an_archive() -> Iterator[Archive]:
    with archive() as found:
        found.context = replace(found.context, sinks={"desk": 1})
        found.registry = registry(found.context)
        yield found


def call(now: datetime = NOW) -> AuditedCall:
    return AuditedCall("region/sichuan/staff/wang", "wang", now)


def waiting(tx: Transaction) -> list[tuple[str, str]]:
    return [(each.work_id, each.subject) for each in quarantine.work_after(tx, (-1, ""), 10, is_all=False)]


def people(kept: Archive) -> Quarantine:
    return Quarantine(kept.context, [], {})


def old_order(kept: Archive, name: str = "old") -> None:
    kept.order(name, NOW - LONG_AGO, OrderState.ORDER_STATE_COMPLETED)


def test_a_purge_that_comes_a_day_late_waits_for_people_and_goes_on_by_their_word(kept: Archive) -> None:
    kept.night(NOW)
    old_order(kept)
    late = NOW + 3 * DAY
    kept.night(late, is_late=True)
    assert (kept.count("orders"), kept.count("inbox_forgotten")) == (1, 0)
    for minutes in range(2, 6):
        kept.night(late + timedelta(minutes=minutes), is_late=True)
    assert waiting(kept.tx) == [(PURGE, f"{late + timedelta(hours=8):%Y-%m-%d}")]
    assert kept.count("escalation_notices") == 1, "people are asked once"

    staff = people(kept)
    with pytest.raises(Refused, match="reference"):
        staff.replay(kept.tx, PURGE, "", call())
    with pytest.raises(Refused, match="RUN_NOT_GIVEN_UP"):
        staff.give_up(kept.tx, PURGE, "INC-1", call())
    kept.night(late + timedelta(hours=1), is_late=True)
    assert kept.count("orders") == 1
    let_go = staff.replay(kept.tx, PURGE, "INC-1", call(late))
    assert (let_go.state, let_go.reference) == (REPLAYED, "INC-1")
    assert staff.replay(kept.tx, PURGE, "INC-1", call(late)) == let_go
    kept.night(late + timedelta(hours=2), is_late=True)
    assert kept.count("orders") == 0


def test_a_purge_of_the_usual_size_asks_nobody(kept: Archive) -> None:
    kept.night(NOW)
    for day in range(1, 5):
        old_order(kept, str(day))
        kept.night(NOW + day * DAY, is_late=True)
        assert (kept.count("orders"), waiting(kept.tx)) == (0, [])


def test_one_word_is_for_one_extent_and_while_people_think_a_later_one_replaces_it(kept: Archive) -> None:
    staff = people(kept)

    def may(extent: str) -> bool:
        return may_run(kept.tx, "billing", extent, NOW, staff.keep)

    assert not may("2031-10")
    assert not may("2031-11")
    assert waiting(kept.tx) == [(BILLING, "2031-11")]
    staff.replay(kept.tx, BILLING, "INC-1", call())
    assert may("2031-10")
    assert may("2031-11")
    assert not may("2031-12")
    assert waiting(kept.tx) == [(BILLING, "2031-12")]
    assert not may("2035-12")
    staff.replay(kept.tx, BILLING, "INC-2", call())
    assert not may("2031-12"), "nobody lets a run go on into the future"


class _Store:
    """The books as a store."""

    def __init__(self, found: Books) -> None:
        self._tx = found.tx

    def accepts_new_work(self) -> bool:
        return True

    async def read(self, operation: Callable[[Transaction], T]) -> T:
        return operation(self._tx)

    write = read


def billed(found: Books, now: datetime) -> str:
    """The next month to be billed, after all pages that the run does by itself."""

    class Now:
        def now(self) -> datetime:
            return now

    staff = Quarantine(found.context, [], {})
    runs = BillingRuns(found.context, cast("Store", _Store(found)), Now(), staff.keep)
    while asyncio.run(runs._page()):
        pass
    progress = progress_of(found.tx, CYCLE)
    assert progress is not None
    return progress.period


def test_a_run_bills_one_month_by_itself_and_several_by_the_word_of_people() -> None:
    with books(NOW) as found:
        assert billed(found, NOW) == "2031-11"
        assert billed(found, NOW + 10 * DAY) == "2031-12"
        after_years = NOW + 4 * 365 * DAY
        assert billed(found, after_years) == "2031-12"
        assert waiting(found.tx) == [(BILLING, "2035-10")]
        assert billed(found, NOW + 40 * DAY) == "2032-01", "the clock was wrong, and the month ends by the right one"
        assert billed(found, NOW + 110 * DAY) == "2032-01"
        assert waiting(found.tx) == [(BILLING, "2032-02")]
        Quarantine(found.context, [], {}).replay(found.tx, BILLING, "INC-1", call(NOW + 110 * DAY))
        assert billed(found, NOW + 110 * DAY) == "2032-03"


@pytest.mark.parametrize("state", [QuarantineState.QUARANTINE_STATE_WAITING, REPLAYED])
def test_a_run_that_waits_does_so_beside_other_quarantined_work(kept: Archive, state: int) -> None:
    work = QuarantinedWork(BILLING, RUN, "billing", "2031-10", "RUN_TOO_LARGE", 0, 1, 1)
    people(kept).keep(kept.tx, work, NOW)
    if state == REPLAYED:
        people(kept).replay(kept.tx, BILLING, "INC-1", call())
    counts = quarantine.waiting_by_source(kept.tx)
    assert counts[RUN] == (0 if state == REPLAYED else 1)


def test_a_purge_that_a_wrong_clock_has_set_for_years_ahead_is_set_again_at_the_next_start(kept: Archive) -> None:
    kept.night(NOW)
    for due, is_kept in ((NOW + 4 * 365 * DAY, False), (NOW + DAY, True)):
        set_timer(kept.tx, PURGE_TIMER, kind=PURGE_TIMER, subject="", due=due)
        ensure_purge(kept.tx, NOW)
        assert (due_timers(kept.tx, NOW) == []) == is_kept


def test_a_look_at_which_nothing_is_due_reads_the_checkpoint_of_each_run_once() -> None:
    statements: list[str] = []
    with books(NOW) as found:
        found.connection.set_trace_callback(statements.append)
        assert not is_due(found.tx, found.context, NOW)
    assert len(statements) == len(set(statements)) == 2
