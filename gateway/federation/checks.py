"""Checks for every part of a configuration: forms of names, texts in both languages, values of enums. Pure.

Each check yields the problems of the value at a path.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration

from gateway.api.types.v1.types_pb2 import LocalizedText, Money
from gateway.errors import Refused
from gateway.federation.numberplan import normalize

# Region ids and the federation's name become labels of DNS names and SPIFFE identities (RFC 1123 clause 2.1).
LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
CODE = re.compile(r"[A-Z][A-Z0-9_]{0,62}", re.ASCII)
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)

# No promise is longer than a year; it keeps due times away from the end of the calendar.
LONGEST = timedelta(days=366)


def twice(path: str, keys: Iterable[str]) -> Iterator[str]:
    """Keys that occur in a list more than once."""
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            yield f"{path}[{key}]: stands here twice"
        seen.add(key)


def text_problems(path: str, text: LocalizedText) -> Iterator[str]:
    """A text that is missing in one of the languages."""
    for language, told in (("zh_cn", text.zh_cn), ("en", text.en)):
        if not told.strip():
            yield f"{path}.{language}: the text is missing"


def label_problems(path: str, label: str) -> Iterator[str]:
    """An id that could not be a label."""
    if not LABEL.fullmatch(label):
        yield f"{path}: use lower-case letters, digits and dashes, beginning with a letter"


def code_problems(path: str, code: str) -> Iterator[str]:
    """A code of another form."""
    if not CODE.fullmatch(code):
        yield f"{path}: use capital letters, digits and underscores, beginning with a letter"


def enum_name(enum: EnumDescriptor, number: int) -> str:
    """The name of a value; its number where this version does not know it."""
    value = enum.values_by_number.get(number)
    return str(number) if value is None else value.name


def enum_problems(path: str, enum: EnumDescriptor, numbers: Sequence[int]) -> Iterator[str]:
    """Values that are not set, not known, or listed twice."""
    for number in numbers:
        if number == 0:
            yield f"{path}: is missing"
        elif number not in enum.values_by_number:
            yield f"{path}: {number} is not known to this version of the contract"
    yield from twice(path, (enum_name(enum, number) for number in numbers))


def duration_problems(path: str, duration: Duration) -> Iterator[str]:
    """A time that is not positive, not of whole seconds, or too long."""
    # Compared in whole seconds: a message can hold more than a timedelta.
    if not 1 <= duration.seconds <= LONGEST.total_seconds() or duration.nanos:
        yield f"{path}: must be whole seconds, 1 s to {LONGEST.days} days"


def region_problems(path: str, region: str, currencies: Mapping[str, str]) -> Iterator[str]:
    """A region that is none of the keys of `currencies`."""
    if region not in currencies:
        yield f"{path}: unknown region {region!r}"


def price_problems(path: str, price: Money, region: str, currencies: Mapping[str, str]) -> Iterator[str]:
    """Problems of a price: not positive, or not in the currency of the region's accounts, by region in `currencies`."""
    if price.minor_units <= 0:
        yield f"{path}.minor_units: must be positive"
    if region in currencies and price.currency != currencies[region]:
        yield f"{path}.currency: the region's accounts are in {currencies[region]}"


def is_time_zone(key: str) -> bool:
    """Whether this is the key of an IANA time zone."""
    try:
        ZoneInfo(key)
    # Unknown keys, paths outside of the data base, and its folders fail in different ways.
    except (KeyError, ValueError, OSError):
        return False
    return True


def is_full_number(number: str) -> bool:
    """Whether this is a full E.164 number with the plus sign."""
    try:
        return normalize(number) == number
    except Refused:
        return False


def day_of(text: str) -> date | None:
    """The day of a text of the form YYYY-MM-DD; None for another text."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None
