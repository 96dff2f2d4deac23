"""Billing cycles and compensation for lateness. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.values.money import share_half_up

_MONTHS = 256  # that are kept: each look for due bills asks for the same two or three
_MONTH = re.compile(r"(?!0000)\d{4}-(0[1-9]|1[0-2])", re.ASCII)


def late_compensation(amount: int, days_late: int, per_mille: int) -> int:
    """The compensation of a customer for lateness: thousandths of the price for each day, in minor units; 0 in time.

    Telecommunications Regulations, art. 31.
    """
    return share_half_up(amount, per_mille * max(days_late, 0), 1000)


@dataclass(frozen=True)
class Month:
    """A billing cycle of a region: its name (`YYYY-MM`), both ends in UTC, and its days there."""

    name: str
    start: datetime
    end: datetime
    days: int
    time_zone: str

    @classmethod
    def of(cls, name: str, time_zone: str) -> "Month":
        """The month with a name. Raises ValueError for another form than YYYY-MM."""
        return _month(name, time_zone)

    @classmethod
    def at(cls, instant: datetime, time_zone: str) -> "Month":
        """The month of an instant."""
        local = instant.astimezone(ZoneInfo(time_zone))
        return cls.of(f"{local.year:04}-{local.month:02}", time_zone)

    @property
    def last_instant(self) -> datetime:
        """The microsecond before the end, so that a charge at the end still belongs to the month."""
        return self.end - timedelta(microseconds=1)

    def next(self) -> "Month":
        """The month after."""
        return Month.at(self.end, self.time_zone)

    def before(self, months: int) -> "Month":
        """The month `months` months earlier."""
        found = self
        for _ in range(months):
            found = Month.at(found.start - timedelta(microseconds=1), self.time_zone)
        return found

    def __sub__(self, other: "Month") -> int:
        """How many months lie between."""
        return _number(self.name) - _number(other.name)


@lru_cache(_MONTHS)
def _month(name: str, time_zone: str) -> Month:
    if not is_month(name):
        raise ValueError(f"no month: {name}")
    first = datetime(int(name[:4]), int(name[5:]), 1, tzinfo=ZoneInfo(time_zone))
    after = next_month(first)
    days = (after.date() - first.date()).days
    return Month(name, first.astimezone(UTC), after.astimezone(UTC), days, time_zone)


def _number(month: str) -> int:
    year, _, number = month.partition("-")
    return int(year) * 12 + int(number)


def end_of_day(day: date, time_zone: str) -> datetime:
    """24:00 of a day there, in UTC."""
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(time_zone)).astimezone(UTC)


def is_month(month: str) -> bool:
    """Whether a text names a month, as YYYY-MM."""
    return _MONTH.fullmatch(month) is not None


def asked_month(said: str, now: datetime, time_zone: str) -> str:
    """The month of a question, as it was said; the present one for an empty text."""
    return said or Month.at(now, time_zone).name


def month_bounds(month: str, now: datetime, time_zone: str, kept: int) -> Month:
    """A month with an available bill; `kept` is the policy `bills-kept`.

    Raises Refused with REQUEST_INVALID for another form. Raises Refused with BILL_OUT_OF_RANGE for a month that has not
    begun or is older than the policy.
    """
    if not is_month(month):
        raise invalid("month", "not YYYY-MM", "须为YYYY-MM格式的月份")
    local = now.astimezone(ZoneInfo(time_zone))
    if not 0 <= local.year * 12 + local.month - _number(month) <= kept:
        raise Refused(Reason.REASON_BILL_OUT_OF_RANGE, month=month)
    return Month.of(month, time_zone)


def next_month(instant: datetime) -> datetime:
    """The first moment of the month after, in the instant's own time zone."""
    return instant.replace(
        year=instant.year + instant.month // 12,
        month=instant.month % 12 + 1,
        day=1,
        hour=0,
        minute=0,
        second=0,
        microsecond=0,
    )


def next_cycle(now: datetime, time_zone: str) -> datetime:
    """When the next billing cycle begins: the first of the next month in the region's time zone, in UTC."""
    return next_month(now.astimezone(ZoneInfo(time_zone))).astimezone(UTC)
