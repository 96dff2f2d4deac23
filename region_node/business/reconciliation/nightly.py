"""The nightly comparison: one region and day in each transaction.

A timer holds the place, so any process continues after a stop.
"""

from datetime import date, datetime, timedelta

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.errors import Refused, lasting
from gateway.store.port import Transaction
from gateway.store.timers import Timer, is_set, set_timer
from region_node.business.reconciliation import days, rules
from region_node.business.reconciliation.comparing import compare
from region_node.business.reconciliation.kind import KEPT
from region_node.business.reconciliation.port import Reconciliation
from region_node.business.reconciliation.rows import expect_answer, unsettled_days
from region_node.node.context import RegionContext

NIGHT_TIMER = "reconciliation"
DAY_TIMER = "reconciliation-day"  # a comparison besides the nightly run
_WAIT = "wait"
_RETRY = timedelta(minutes=1)
_BREATH = timedelta(milliseconds=50)  # between two days, for everything else that the store has to do


def ensure_reconciliation(tx: Transaction, now: datetime) -> None:
    """Sets the timer if it is missing: the first run finds the beginning of the region's night."""
    if not is_set(tx, NIGHT_TIMER):
        _come_back(tx, _WAIT, now)


def night_is_due(tx: Transaction, context: Reconciliation, timer: Timer, now: datetime) -> None:
    """Starts the comparison of one day with one region, and returns for the next; after the last one, next night.

    The subject of the timer is `wait`, or the last region and day; empty at the beginning of a night.
    """
    try:
        context.node.border.clock.require_trusted()
        tonight = days.next_night(context.node, now)
        todo = [] if timer.subject == _WAIT else _after(tx, context.node, timer.subject, now)
        if todo:
            _begin(tx, context, *todo[0], now)
    except Refused:  # a wrong clock, no configuration yet, or none with these policies
        _come_back(tx, timer.subject, now + _RETRY)
        return
    if todo:
        _come_back(tx, f"{todo[0][0]} {todo[0][1]}", now + _BREATH)
    else:
        _come_back(tx, "", tonight)


def _begin(tx: Transaction, context: Reconciliation, region: str, day: date, now: datetime) -> None:
    """Compares a day, with a region that is away once it is back."""
    if context.node.border.current.state().member_state(region) == MemberState.MEMBER_STATE_JOINED:
        compare(tx, context, region, day, now)
    else:
        expect_answer(tx, region, f"{day}")


def compare_soon(tx: Transaction, region: str, day: date, now: datetime) -> None:
    """Has a day compared besides the nightly run; asked for twice at a time, it is compared once."""
    place = f"{region} {day}"
    set_timer(tx, f"{DAY_TIMER}/{place}", kind=DAY_TIMER, subject=place, due=now)


def compare_between(
    tx: Transaction, context: RegionContext, region: str, begin: datetime, end: datetime, now: datetime
) -> None:
    """Has each ended day compared from that of one instant to that of another.

    Days of which no findings are kept any more are left out. A federation without policies for it compares none. Raises
    Refused without a configuration.
    """
    try:
        first, last, today = (days.today(context, region, each) for each in (max(begin, now - KEPT), end, now))
    except Refused as refused:
        lasting(refused)
        return
    for number in range((min(last + timedelta(days=1), today) - first).days):
        compare_soon(tx, region, first + timedelta(days=number), now + number * _BREATH)


def day_is_due(tx: Transaction, context: Reconciliation, timer: Timer, now: datetime) -> None:
    """Starts a comparison besides the nightly run. Raises Refused without a configuration: the timer stays due."""
    region, _, day = timer.subject.partition(" ")
    _begin(tx, context, region, date.fromisoformat(day), now)


def _after(tx: Transaction, context: RegionContext, place: str, now: datetime) -> list[tuple[str, date]]:
    """The days behind a place with the regions that ever joined, in order."""
    nights, state = days.nights(context), context.border.current.state()
    others = (each.id for each in context.federation.configuration.regions if each.id != context.region)
    return [
        (region, day)
        for region in sorted(each for each in others if state.member_state(each) != MemberState.MEMBER_STATE_ABSENT)
        for day in rules.days_to_compare(days.today(context, region, now), nights, unsettled_days(tx, region))
        if f"{region} {day}" > place
    ]


def _come_back(tx: Transaction, subject: str, due: datetime) -> None:
    set_timer(tx, NIGHT_TIMER, kind=NIGHT_TIMER, subject=subject, due=due)
