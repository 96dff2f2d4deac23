"""The age limits of records, and the time of the purge. Pure."""

import calendar
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import RetentionRule

HOUR = time(2)
"""Of the region's night, when the purge begins."""


def cutoff(rule: RetentionRule, now: datetime, zone: ZoneInfo) -> datetime:
    """The instant before which an expired record must have begun, or ended. Months are those of the region's calendar.

    In a month without that day the last day counts: a month from 31 January ends on 28 February.
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
    """The day on which the current night of the purge ends."""
    return now.astimezone(zone).date()
