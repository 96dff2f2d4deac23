"""The numbers for whose orders administrators search here, counted for all coordinators together.

A stolen key of a coordinator or of an administrator learns of few customers, and one of an administrator leaves others
their half. Hours are in hours since 1970.
"""

from collections.abc import Mapping, Sequence
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
MOST_OF_ONE_IN_HOUR, MOST_OF_ONE_IN_DAY = MOST_IN_HOUR // 2, MOST_IN_DAY // 2
"""Those of one administrator, by the word of the coordinator."""
_DAY = 24  # hours
_ALERTS = "order-searches"  # the first word of their names


class _Searched(NamedTuple):
    """An hour, the index of a number that was searched in it, and the first administrator who did so in that hour."""

    hour: int
    number_index: str
    administrator: str


class _Alerted(NamedTuple):
    """The hour of an alert, and its bound: `hour` or `day`, and either with `-of-one`."""

    hour: int
    bound: str


_INDEXED = ("order_searches", "order_searches_by_hour")
_SEARCHES = Table("order_searches_by_hour", _Searched, key=("hour", "number_index"))
_ALERTED = Table("order_search_alerts", _Alerted, key=("hour", "bound"))


class _Share(NamedTuple):
    """The searches of all administrators, or of one: each number with the hour of its last search, and the bounds."""

    last_hours: Mapping[str, int]
    in_hour: int
    in_day: int
    suffix: str
    """Of the bounds in alerts."""

    def of_hour(self, hour: int) -> int:
        """The numbers that were searched in an hour."""
        return sum(each >= hour for each in self.last_hours.values())

    def wait_until(self, index: str, hour: int) -> int | None:
        """The hour from which on a number is searched that was not in this one; None for now."""
        if self.of_hour(hour) >= self.in_hour:
            return hour + 1
        is_new = index not in self.last_hours
        return min(self.last_hours.values()) + _DAY if is_new and len(self.last_hours) >= self.in_day else None

    def met(self, index: str, hour: int) -> Sequence[str]:
        """The bounds that a search for a number meets."""
        is_last_of_day = index not in self.last_hours and len(self.last_hours) + 1 == self.in_day
        bounds = {"hour": self.of_hour(hour) + 1 == self.in_hour, "day": is_last_of_day}
        return [f"{name}{self.suffix}" for name, is_met in bounds.items() if is_met]


def count_search(tx: Transaction, context: RegionContext, administrator: str, number: str, now: datetime) -> None:
    """Counts a search for a number. Further pages, and repetitions in the same hour, count no more.

    The one that meets a bound alerts the person on duty. Raises Refused with ORDER_SEARCHES_TOO_MANY beyond it, with
    the seconds until a further number is searched.
    """
    index, hour = number_index(tx, number), hour_of(now)
    known = _of_day(tx, hour)
    if any(each.number_index == index and each.hour >= hour for each in known):
        return
    own = [each for each in known if each.administrator == administrator]
    shares = (
        _Share(_last_hours(known), MOST_IN_HOUR, MOST_IN_DAY, ""),
        _Share(_last_hours(own), MOST_OF_ONE_IN_HOUR, MOST_OF_ONE_IN_DAY, "-of-one"),
    )
    waits = [each for each in (share.wait_until(index, hour) for share in shares) if each is not None]
    if waits:
        raise _too_many(context, max(waits), now)
    tx.insert(_SEARCHES, _Searched(hour, index, administrator))
    for share in shares:
        for bound in share.met(index, hour):
            _alert(tx, context, bound, now)


def _of_day(tx: Transaction, hour: int) -> Sequence[_Searched]:
    """Those of the 24 clock hours up to one and of the next, where the clock of another process may be already.

    They are in the order of their hours. Those of a clock that was wrong stay until the night, and do not count.
    """
    return tx.all(
        _Searched,
        f"SELECT {', '.join(_SEARCHES.columns)} FROM order_searches_by_hour"  # noqa: S608 - names of columns
        " WHERE hour > :oldest AND hour <= :following ORDER BY hour",
        oldest=hour - _DAY,
        following=hour + 1,
    )


def _last_hours(searches: Sequence[_Searched]) -> Mapping[str, int]:
    return {each.number_index: each.hour for each in searches}


def _too_many(context: RegionContext, free: int, now: datetime) -> Refused:
    """The refusal until an hour."""
    left = free * HOUR - int(now.timestamp())
    return Refused(Reason.REASON_ORDER_SEARCHES_TOO_MANY, region=context.region, retry_seconds=str(left))


def _alert(tx: Transaction, context: RegionContext, bound: str, now: datetime) -> None:
    """Alerts once in an hour, though an erased number makes room for another one; `bound` is as of `_Alerted`."""
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
    # A process of an earlier version counts in the first table until it is replaced.
    for table in _INDEXED:
        tx.execute(f"DELETE FROM {table} WHERE number_index = :index", index=index)  # noqa: S608 - names of tables


ORDER_SEARCHES = RecordKind(
    "order-search",
    ErasurePort(forget={"number": _forget_number}, indexed=_INDEXED),
    retention=RetentionPort(forget=_forget_old),
)
