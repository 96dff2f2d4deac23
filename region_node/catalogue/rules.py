"""What consultation works out: opening hours, and how long orders took. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import Allowance, OpeningHours, ServicePoint
from gateway.api.region.v1.catalogue_service_pb2 import TimeTaken
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.calendars import WorkingDays
from gateway.errors import Refused

MOST_USAGE = 10_000_000  # of minutes, messages or mebibytes in a month
_DAY = timedelta(days=1)
_LOOK_AHEAD = 40  # days; no holiday is as long


def require_usage(usage: Allowance) -> None:
    """Raises Refused with REQUEST_INVALID for more than anybody uses in a month."""
    for name in ("minutes", "messages", "mebibytes"):
        if getattr(usage, name) > MOST_USAGE:
            raise Refused(Reason.REASON_REQUEST_INVALID, field=f"usage.{name}", problem=f"more than {MOST_USAGE}")


def time_taken(counts: Sequence[tuple[int, int]]) -> TimeTaken | None:
    """Median and ninth decile of times (milliseconds, ascending) with how many took so long; None for no orders."""
    orders = sum(count for _, count in counts)
    if not orders:
        return None
    told = TimeTaken(orders=min(orders, 2**31 - 1))
    told.median.FromMilliseconds(_within(counts, -(-orders // 2)))
    told.ninth_decile.FromMilliseconds(_within(counts, -(-orders * 9 // 10)))
    return told


def _within(counts: Sequence[tuple[int, int]], wanted: int) -> int:
    """The time within which so many orders were done."""
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
    zone = ZoneInfo(time_zone)
    today = now.astimezone(zone).date()
    horizon = today + _LOOK_AHEAD * _DAY
    spans: list[tuple[datetime, datetime]] = []
    for number in range(-1, _LOOK_AHEAD):
        for start, end in _spans(point.opening_hours, today + number * _DAY, zone, days):
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            else:
                spans.append((start, end))
    for start, end in spans:
        if now < start:
            return Opening(is_open=False, next_change=start)
        if now < end:
            ends = end < datetime.combine(horizon, time.min, zone).astimezone(UTC)
            return Opening(is_open=True, next_change=end if ends else None)
    return Opening(is_open=False, next_change=None)


def _spans(
    hours: Iterable[OpeningHours], day: date, zone: ZoneInfo, days: WorkingDays
) -> list[tuple[datetime, datetime]]:
    worked = days.is_working_day(day)
    return sorted(
        (_at(day, each.opens, zone), _at(day, each.closes, zone))
        for each in hours
        if (each.working_days if worked else each.days_off)
    )


def _at(day: date, wall_clock: str, zone: ZoneInfo) -> datetime:
    """The instant of a time HH:MM of a day, in UTC; 24:00 is the midnight that ends it."""
    hour, minute = int(wall_clock[:2]), int(wall_clock[3:])
    if hour == 24:
        day, hour = day + _DAY, 0
    return datetime.combine(day, time(hour, minute), zone).astimezone(UTC)
