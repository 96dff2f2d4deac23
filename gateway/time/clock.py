"""The clock as a port, and the conversions between instants, columns and messages.

An instant is an aware `datetime` in UTC in Python. Columns hold whole microseconds since 1970, messages a Timestamp.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Protocol, cast, runtime_checkable

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.values.searches import Found, Search, search_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_CLOCK_ERROR = timedelta(seconds=30)
"""The greatest difference between two clocks that is harmless (guarantee G3)."""
BETWEEN_TRUSTED = 2 * MAX_CLOCK_ERROR + timedelta(seconds=1)
"""The greatest difference between two members' clocks that both are trusted: each by its difference from the others.

One second more: some instants are told in whole seconds.
"""
_DAY = 86_400  # seconds
_NANOS = 1_000_000_000  # in a second
_MARGIN = timedelta(days=366)  # wider than the offset of any zone, and than a term of weeks
_FIRST = datetime.min.replace(tzinfo=UTC) + _MARGIN
_LAST = datetime.max.replace(tzinfo=UTC) - _MARGIN
_FIRST_SECOND, _LAST_SECOND = ((each - EPOCH) // timedelta(seconds=1) for each in (_FIRST, _LAST))


class Clock(Protocol):
    """A source of the time of day."""

    def now(self) -> datetime:
        """The instant, aware, in UTC."""
        ...


@runtime_checkable
class SteadyClock(Clock, Protocol):
    """A source of the time of day, beside a clock that runs on while nobody sets it."""

    def steady(self) -> float:
        """Seconds since any instant, which no step of the time of day moves."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The machine's time of day."""
        return datetime.now(UTC)

    def steady(self) -> float:
        """Seconds since the machine's start, with the time in which it was suspended."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def to_microseconds(instant: datetime) -> int:
    """The column value of an instant."""
    # Three small numbers: the quotient of two durations takes twice as long.
    passed = instant - EPOCH
    return (passed.days * _DAY + passed.seconds) * 1_000_000 + passed.microseconds


def from_microseconds(value: int) -> datetime:
    """The instant of a column value."""
    return EPOCH + timedelta(0, 0, value)


def microseconds_or_none(instant: datetime | None) -> int | None:
    """The column value of an instant; None without one."""
    return None if instant is None else to_microseconds(instant)


def instant_or_none(value: int | None) -> datetime | None:
    """The instant of a column value; None without one."""
    return None if value is None else from_microseconds(value)


def to_timestamp(instant: datetime) -> Timestamp:
    """The message of an instant."""
    passed = instant - EPOCH
    return Timestamp(seconds=passed.days * _DAY + passed.seconds, nanos=passed.microseconds * 1_000)


def from_timestamp(timestamp: Timestamp) -> datetime:
    """The instant of a message, cut to microseconds."""
    return EPOCH + timedelta(0, timestamp.seconds, timestamp.nanos // 1_000)


def dated(timestamp: Timestamp) -> datetime:
    """The instant of a message that people date and terms are counted from.

    Raises OverflowError within a year of an end of the calendar, where a zone or a term leads out of it.
    """
    instant = from_timestamp(timestamp)
    if not _FIRST <= instant <= _LAST:
        raise OverflowError(timestamp.seconds)
    return instant


def is_dated(timestamp: Timestamp) -> bool:
    """Whether `dated` gives the instant of a message: one from outside may lie beyond the calendar, or be none."""
    return _FIRST_SECOND <= timestamp.seconds <= _LAST_SECOND and 0 <= timestamp.nanos < _NANOS


def times_are_dated(message: Message) -> bool:
    """Whether every instant in a message is dated. One that is not has no form in JSON."""
    search = _undated(message.DESCRIPTOR)
    return search is None or search(message) is None


@cache
def _undated(kind: Descriptor) -> Search[Message] | None:
    """The search for an instant that is not dated; None for a kind of message without instants."""
    if kind is Timestamp.DESCRIPTOR:
        return cast("Search[Message]", _as_undated)
    inner = [(each, each.message_type) for each in kind.fields if each.message_type is not None]
    single = tuple(each.name for each, held in inner if held is Timestamp.DESCRIPTOR and not each.is_repeated)
    others = [(each, held) for each, held in inner if each.name not in single and not held.GetOptions().map_entry]
    own = (_among(single),) if single else ()
    return search_of(own, ((each, _undated(held)) for each, held in others))


def _as_undated(timestamp: Timestamp) -> Found[Message] | None:
    return None if is_dated(timestamp) else ("", timestamp)


def _among(names: Sequence[str]) -> Search[Message]:
    """A search in the instants that a message itself has: orders have many, each of which would cost three calls."""

    def first(message: Message) -> Found[Message] | None:
        for name in names:
            if message.HasField(name) and not is_dated(told := getattr(message, name)):
                return name, told
        return None

    return first


def time_in(zone: tzinfo, told: datetime | Timestamp, *, timespec: str = "minutes") -> str:
    """A time for people in a zone, with its offset: `2026-12-24 01:00 +08:00`. `timespec` as `datetime.isoformat`."""
    instant = from_timestamp(told) if isinstance(told, Timestamp) else told
    local = instant.astimezone(zone).isoformat(" ", timespec)
    return f"{local[:-6]} {local[-6:]}"
