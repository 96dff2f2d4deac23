"""The times that commands take and show: each names its zone, so that what one shows another takes."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import click
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.clock import from_timestamp
from gateway.languages import translated

_A_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class InstantType(click.ParamType[datetime]):
    """A time with its zone, as an option takes it; with `with_days` also a day, which means its end on this machine."""

    name = "time"

    def __init__(self, *, with_days: bool = False) -> None:
        self._with_days = with_days

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """See click."""
        if isinstance(value, datetime):
            return value
        try:
            return end_of_day(value) if self._with_days and _A_DAY.fullmatch(value) else instant_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def instant_of(text: str) -> datetime:
    """The instant that a text with its zone says. Raises ValueError, with what to say to people."""
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(translated("Not a time with its zone, as 2026-12-24T01:00+08:00: {text}", text=text))


def end_of_day(text: str) -> datetime:
    """The end of the day that a text names, in the zone of this machine. Raises ValueError, as `instant_of`."""
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time.min).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(translated("There is no such day: {text}", text=text)) from None


def told_time(told: datetime | Timestamp, zone: tzinfo | None = None, *, timespec: str = "minutes") -> str:
    """A time for people in a zone, that of this machine unless given: `2026-12-24 01:00+08:00`, in UTC `… 17:00Z`."""
    instant = from_timestamp(told) if isinstance(told, Timestamp) else told
    return instant.astimezone(zone).isoformat(" ", timespec).replace("+00:00", "Z")


def told_if_set(told: Timestamp, *, timespec: str = "minutes") -> str:
    """A time for people; nothing where none is set."""
    return told_time(told, timespec=timespec) if told.seconds or told.nanos else ""
