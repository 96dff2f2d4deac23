"""Calculations for consultation: opening hours, and the durations of orders. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import Allowance, ServicePoint
from gateway.api.region.v1.catalogue_service_pb2 import TimeTaken
from gateway.errors import invalid
from gateway.time.calendars import WorkingDays
from gateway.time.working_time import WorkingHours

MOST_USAGE = 10_000_000  # of minutes, messages or mebibytes in a month
_LOOK_AHEAD = timedelta(days=40)  # longer than any holiday: a place that stays open for so long never closes


def require_usage(usage: Allowance) -> None:
    """Raises Refused with REQUEST_INVALID for more than anybody uses in a month."""
    for name in ("minutes", "messages", "mebibytes"):
        if getattr(usage, name) > MOST_USAGE:
            raise invalid(f"usage.{name}", f"more than {MOST_USAGE}", f"超过{MOST_USAGE}")


def time_taken(counts: Sequence[tuple[int, int]]) -> TimeTaken | None:
    """Median and ninth decile of times (milliseconds, ascending) with their counts; None for no orders."""
    orders = sum(count for _, count in counts)
    if not orders:
        return None
    told = TimeTaken(orders=min(orders, 2**31 - 1))
    told.median.FromMilliseconds(_within(counts, -(-orders // 2)))
    told.ninth_decile.FromMilliseconds(_within(counts, -(-orders * 9 // 10)))
    return told


def _within(counts: Sequence[tuple[int, int]], wanted: int) -> int:
    """The time within which `wanted` orders were done."""
    seen = 0
    for took, count in counts:
        seen += count
        if seen >= wanted:
            return took
    raise ValueError(f"there are fewer than {wanted} orders")


@dataclass(frozen=True)
class Opening:
    """Whether a service point is open, and when that changes, in UTC; None where it never does."""

    is_open: bool
    next_change: datetime | None


def opening(point: ServicePoint, now: datetime, time_zone: str, days: WorkingDays) -> Opening:
    """Whether a service point is open at `now`, by the wall clock and the working days of its region."""
    if not point.opening_hours:
        return Opening(is_open=True, next_change=None)
    closes: datetime | None = None
    for span in WorkingHours(point.opening_hours, time_zone, days).spans_from(now):
        if closes is None and now < span.opens:
            return Opening(is_open=False, next_change=span.opens)
        if closes is not None and closes < span.opens:
            break
        closes = span.closes
        if closes > now + _LOOK_AHEAD:
            return Opening(is_open=True, next_change=None)
    return Opening(is_open=closes is not None, next_change=closes)
