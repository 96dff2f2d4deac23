"""The business day of two regions, and the policies of its comparison."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from region_node.business.reconciliation import rules
from region_node.business.reconciliation.port import Wanted
from region_node.node.context import RegionContext

_CUT_OFF, _NIGHTS, _LATE = "reconciliation-cut-off", "reconciliation-nights", "reconciliation-late"

_UNPUNCTUAL = timedelta(minutes=30)
_HOURS = 24


def parsed_day(written: str) -> date:
    """A business day as YYYY-MM-DD. Raises Refused with REQUEST_INVALID."""
    try:
        day = date.fromisoformat(written)
    except ValueError:
        day = None
    if day is None or day.isoformat() != written or not date(2000, 1, 1) <= day < date(3000, 1, 1):
        raise invalid("day", "not a day as YYYY-MM-DD", "须为YYYY-MM-DD格式的日期")
    return day


def today(context: RegionContext, region: str, now: datetime) -> date:
    """The business day that has not ended."""
    return rules.day_of(now, _cut_off(context), _zone(context, region))


def wanted(context: RegionContext, region: str, day: date) -> Wanted:
    """The records of a business day that this region shares with another."""
    return Wanted(context.region, region, *rules.span_of(day, _cut_off(context), _zone(context, region)))


def wanted_month(context: RegionContext, region: str, month: str) -> Wanted:
    """The records of the business days of a month, `YYYY-MM`, that this region shares with another."""
    first = date.fromisoformat(f"{month}-01")
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return wanted(context, region, first)._replace(end=wanted(context, region, last).end)


def nights(context: RegionContext) -> int:
    """How many nights each day is compared at least."""
    return context.federation.figure(_NIGHTS, ())


def late_after(context: RegionContext) -> timedelta:
    """How long a record may be in flight, from one comparison to another: nights do not begin to the second."""
    return timedelta(hours=context.federation.figure(_LATE, ())) - _UNPUNCTUAL


def next_night(context: RegionContext, now: datetime) -> datetime:
    """The next end of a business day of this region."""
    zone, cut_off = _zone(context, context.region), _cut_off(context)
    return rules.span_of(rules.day_of(now, cut_off, zone), cut_off, zone)[1]


def _cut_off(context: RegionContext) -> int:
    """The hour at which a business day ends. Raises Refused with CONFIGURATION_INVALID for none of a day."""
    hour = context.federation.figure(_CUT_OFF, ())
    if not 0 <= hour < _HOURS:
        raise Refused(Reason.REASON_CONFIGURATION_INVALID, problem=f"{_CUT_OFF}: not an hour from 0 to {_HOURS - 1}")
    return hour


def _zone(context: RegionContext, region: str) -> ZoneInfo:
    """The zone of a pair's business day: that of the region whose id comes first, so that both regions take one."""
    return ZoneInfo(context.federation.region(min(region, context.region)).time_zone)
