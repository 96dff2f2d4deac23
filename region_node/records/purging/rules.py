"""What is old enough to go, and when the purge looks. Pure."""

import calendar
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import RetentionRule

HOUR = time(2)
"""Of the region's night, when the purge begins."""


def cutoff(rule: RetentionRule, now: datetime, zone: ZoneInfo) -> datetime:
    """Before which instant a record must have begun, or ended, to go now. Months are those of the region's calendar.

    Of a month without that day the last one counts: what ended on 31 January is kept for one month on 28 February.
    """
    if rule.WhichOneof("kept") == "days":
        return now - timedelta(days=rule.days)
    local = now.astimezone(zone)
    months = local.year * 12 + local.month - 1 - rule.months
    year, month = divmod(months, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day)


def next_purge(now: datetime, zone: ZoneInfo) -> datetime:
    """When the purge begins next after `now`."""
    day = now.astimezone(zone).date()
    tonight = datetime.combine(day, HOUR, zone)
    return tonight if tonight > now else datetime.combine(day + timedelta(days=1), HOUR, zone)


def night_of(now: datetime, zone: ZoneInfo) -> date:
    """The day on which the night ends in which the purge works."""
    return now.astimezone(zone).date()
