"""Months that have ended and that the first region has not proposed: both regions watch for them, each by itself.

The statement of a month has what earlier months without one left out, so that only the newest ended month is watched.
"""

from datetime import datetime, timedelta

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.store.timers import Timer, is_set, set_timer
from gateway.time.months import month_before
from region_node.business.reconciliation import days
from region_node.business.settlement.port import Settlement
from region_node.business.settlement.rows import statements_with, watch_unproposed
from region_node.business.settlement.signing import computed

MONTH_TIMER = "settlement-months"
_SETTLED = timedelta(days=1)  # after a month's end here, its business days have ended in every zone
_RETRY = timedelta(minutes=1)  # until the next look of a node without a configuration


def ensure_settlement_months(tx: Transaction, now: datetime) -> None:
    """Sets the timer if it is missing: the first month is the current one."""
    if not is_set(tx, MONTH_TIMER):
        _come_back(tx, "", now)


def month_has_ended(tx: Transaction, settlement: Settlement, timer: Timer, now: datetime) -> None:
    """Begins to watch the ended month with every region that has ever joined, and returns for the next month.

    The subject of the timer is the month; empty at first.
    """
    node = settlement.node
    try:
        month = timer.subject or f"{days.today(node, node.region, now)}"[:7]
        due = days.wanted_month(node, node.region, month).end + _SETTLED
        others = [each.id for each in node.federation.configuration.regions if each.id != node.region]
    except Refused:  # no configuration yet
        _come_back(tx, timer.subject, now + _RETRY)
        return
    if now < due:
        _come_back(tx, month, due)
        return
    state = node.border.current.state()
    for region in others:
        if state.member_state(region) != MemberState.MEMBER_STATE_ABSENT:
            watch_unproposed(tx, region, month, month_before(month, 1), now)
    _come_back(tx, month_before(month, -1), now)


def is_unproposed(tx: Transaction, settlement: Settlement, region: str, month: str) -> bool:
    """Whether an ended month with another region waits for its first signature: it has something owed.

    So does one that cannot be computed, as by a node without a configuration.
    """
    if statements_with(tx, region, month):
        return False
    try:
        return bool(computed(tx, settlement, region, month).lines)
    except Refused:
        return True


def _come_back(tx: Transaction, month: str, due: datetime) -> None:
    set_timer(tx, MONTH_TIMER, kind=MONTH_TIMER, subject=month, due=due)
