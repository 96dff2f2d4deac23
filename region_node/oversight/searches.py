"""The numbers for whose orders administrators search here, counted for all coordinators together.

A stolen key of a coordinator or of an administrator learns of few customers. Hours are in hours since 1970.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.body import ANOMALY
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import to_timestamp
from region_node.care.escalations.body import Escalated, tell_body
from region_node.care.escalations.rows import forget_delivered_below
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index
from region_node.records.kinds import ErasurePort, RecordKind, RetentionPort
from region_node.requests.dealings import HOUR, hour_of
from region_node.tickets.followed import Facts

MOST_IN_HOUR = 60
"""Different numbers in a clock hour: six administrators at a time, of whom each looks for the orders of ten."""
MOST_IN_DAY = 300
"""Different numbers in 24 clock hours: five such hours."""
_DAY = 24  # hours
_ALERTS = "order-searches"  # the first word of their names


class _Searched(NamedTuple):
    """The index of a number, and the hour of its last search."""

    number_index: str
    hour: int


class _Alerted(NamedTuple):
    """The hour of an alert, and its bound: `hour` or `day`."""

    hour: int
    bound: str


_SEARCHES = Table("order_searches", _Searched, key=("number_index",))
_ALERTED = Table("order_search_alerts", _Alerted, key=("hour", "bound"))


def count_search(tx: Transaction, context: RegionContext, number: str, now: datetime) -> None:
    """Counts a search for a number. Further pages, and repetitions in the same hour, count no more.

    The one that meets a bound alerts the person on duty. Raises Refused with ORDER_SEARCHES_TOO_MANY beyond it, with
    the seconds until a further number is searched.
    """
    index, hour = number_index(tx, number), hour_of(now)
    known = _of_day(tx, hour)
    if known.get(index, hour - 1) >= hour:
        return
    of_hour = sum(each >= hour for each in known.values())
    is_new = index not in known
    if of_hour >= MOST_IN_HOUR:
        raise _too_many(context, hour + 1, now)
    if is_new and len(known) >= MOST_IN_DAY:
        raise _too_many(context, min(known.values()) + _DAY, now)
    tx.keep(_SEARCHES, _Searched(index, hour))
    if of_hour + 1 == MOST_IN_HOUR:
        _alert(tx, context, "hour", now)
    if is_new and len(known) + 1 == MOST_IN_DAY:
        _alert(tx, context, "day", now)


def _of_day(tx: Transaction, hour: int) -> dict[str, int]:
    """The numbers of the 24 clock hours up to one and of the next, where the clock of another process may be already.

    Those of a clock that was wrong stay until the night, and do not count.
    """
    searches = tx.all(
        _Searched,
        "SELECT number_index, hour FROM order_searches WHERE hour > :oldest AND hour <= :following",
        oldest=hour - _DAY,
        following=hour + 1,
    )
    return dict(searches)


def _too_many(context: RegionContext, free: int, now: datetime) -> Refused:
    """The refusal until an hour."""
    left = free * HOUR - int(now.timestamp())
    return Refused(Reason.REASON_ORDER_SEARCHES_TOO_MANY, region=context.region, retry_seconds=str(left))


def _alert(tx: Transaction, context: RegionContext, bound: str, now: datetime) -> None:
    """Alerts once in an hour, though an erased number makes room for another one: `bound` is `hour` or `day`."""
    alerted = _Alerted(hour_of(now), bound)
    if tx.find(_ALERTED, *alerted) is not None:
        return
    tx.insert(_ALERTED, alerted)
    name, time = f"{_ALERTS}/{now.astimezone(UTC):%Y-%m-%dT%HZ}/{bound}", to_timestamp(now)
    about = Facts(
        name=name,
        origin=context.region,
        owner=context.region,
        operator="",
        version=1,
        state=0,
        created=time,
        number="",
        home="",
    )
    escalated = Escalated(1, EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED, time, due_time=None)
    tell_body(tx, context, about, escalated, "AlertOfOrderSearches", ANOMALY, now)


def _forget_old(tx: Transaction, now: datetime) -> None:
    """Removes the numbers whose last search was a day ago, those of a clock that was ahead, and alerts of a day ago.

    The clock of another process may be in the next hour already. An alert that nobody has received stays.
    """
    hour = hour_of(now)
    for table in (_SEARCHES, _ALERTED):
        ended = f"DELETE FROM {table.name} WHERE hour <= :oldest OR hour > :following"  # noqa: S608 - names of modules
        tx.execute(ended, oldest=hour - _DAY, following=hour + 1)
    forget_delivered_below(tx, _ALERTS, now - timedelta(hours=_DAY))


def _forget_number(tx: Transaction, index: str) -> None:
    """Removes the index of a number that is erased."""
    tx.remove(_SEARCHES, index)


ORDER_SEARCHES = RecordKind(
    "order-search",
    ErasurePort(forget={"number": _forget_number}, indexed=("order_searches",)),
    retention=RetentionPort(forget=_forget_old),
)
