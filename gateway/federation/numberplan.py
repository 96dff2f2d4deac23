"""Telephone numbers, and the number plan with the region of each. Pure."""

import re
from collections.abc import Iterable
from copy import copy

from gateway.api.federation.v1 import configuration_pb2
from gateway.api.federation.v1.federation_pb2 import NumberAssignment
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.assignments import NO_ASSIGNMENTS, AssignmentBook, Standing, standing_of

# A longer text is no number with separators; messages do not repeat it in full either.
_WRITING_LIMIT = 32

# Chinese input methods give full-width forms of ASCII, 0xFEE0 above it; people separate digits as they like.
_WRITING: dict[int, str | None] = {
    **{ord(char) + 0xFEE0: char for char in "0123456789+()"},
    **{ord(char) + 0xFEE0: None for char in "-."},
    **dict.fromkeys(map(ord, " \t\u00a0\u3000-.\u2010\u2011\u2012\u2013\u2014\u2015"), None),
}

_ABROAD = re.compile(r"\(?(?:\+|00)")
_CHINA = "86"
# Mobile: 1[3-9] and nine digits. Fixed: area code 10, 2x or three digits, and seven or eight digits.
_CHINESE_NUMBER = re.compile(r"1[3-9]\d{9}|(?:10|2\d|[3-9]\d\d)\d{7,8}", re.ASCII)
_NORMAL_CHINESE = re.compile(rf"\+{_CHINA}(?:{_CHINESE_NUMBER.pattern})", re.ASCII)
# ITU-T E.164 clause 6: at most 15 digits, and no country code starts with 0. No number has fewer than eight digits.
_INTERNATIONAL_NUMBER = re.compile(r"[1-9]\d{7,14}", re.ASCII)

# The leading digits of such numbers, longer than the country code alone.
_CHINESE_PREFIX = re.compile(r"1[3-9]\d{0,9}|(?:10|2\d|[3-9]\d\d)\d{0,8}", re.ASCII)
_INTERNATIONAL_PREFIX = re.compile(r"[1-9]\d{0,14}", re.ASCII)

# The country codes of one and of two digits that ITU-T assigns under E.164; all others have three.
_COUNTRY_CODE = re.compile(r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3}", re.ASCII)
_PREFIX_DIGITS = 7
_HIDDEN_DIGITS = 4


def normalize(number: str) -> str:
    """The number in E.164 with the plus sign, for example `+8613812345678`.

    Accepts national Chinese notation: mobile, or fixed with the 0 of the area code. Accepts international notation:
    `+`, `00`, or a bare 86 before a Chinese number. Spaces, dashes, dots and parentheses are ignored. Raises `Refused`
    with NUMBER_INVALID for anything else.
    """
    if _NORMAL_CHINESE.fullmatch(number):
        return number  # as systems write most numbers
    found = _international(number) if len(number) <= _WRITING_LIMIT else None
    if found is None:
        raise Refused(Reason.REASON_NUMBER_INVALID, number=number[:_WRITING_LIMIT])
    return found


def _international(number: str) -> str | None:
    digits = number.translate(_WRITING)
    abroad = _ABROAD.match(digits)
    if abroad:
        # `+44 (0)20 …`: the 0 in parentheses is for callers inside the country only.
        digits = digits[abroad.end() :].replace("(0)", "", 1)
    digits = digits.replace("(", "").replace(")", "")
    if abroad and not digits.startswith(_CHINA):
        return "+" + digits if _INTERNATIONAL_NUMBER.fullmatch(digits) else None
    if digits.startswith(("0", _CHINA)):
        national = digits.removeprefix(_CHINA).removeprefix("0")
    else:
        # Without the 0 of the area code only a mobile number is complete.
        national = digits if digits.startswith("1") and len(digits) == 11 else ""
    return f"+{_CHINA}{national}" if _CHINESE_NUMBER.fullmatch(national) else None


def normalize_prefix(writing: str) -> str:
    """The prefix of numbers in E.164 with the plus sign: `+86755` for `0755`, `755` or `+86755`.

    Digits without `+`, `00` and 86 before them are a Chinese segment, or an area code. The 0 of an area code is
    optional. Raises ValueError for anything else, and for China as a whole.
    """
    prefix = _international_prefix(writing) if len(writing) <= _WRITING_LIMIT else None
    if prefix is None:
        raise ValueError(f"{writing[:_WRITING_LIMIT]!r} is neither an area code nor what numbers begin with")
    return prefix


def _international_prefix(writing: str) -> str | None:
    digits = writing.translate(_WRITING)
    abroad = _ABROAD.match(digits)
    digits = digits[abroad.end() :] if abroad else digits
    if abroad and not digits.startswith(_CHINA):
        return "+" + digits if _INTERNATIONAL_PREFIX.fullmatch(digits) else None
    # No Chinese area code begins with 86.
    national = digits.removeprefix(_CHINA).removeprefix("0")
    return f"+{_CHINA}{national}" if _CHINESE_PREFIX.fullmatch(national) else None


def number_prefix(number: str) -> str:
    """The part of an E.164 number that shows its region but not its owner.

    The country code and at most seven digits, never the last four. Empty for anything but digits.
    """
    digits = number.removeprefix("+")
    country = _COUNTRY_CODE.match(digits)
    if country is None:
        return ""
    shown = min(country.end() + _PREFIX_DIGITS, len(digits) - _HIDDEN_DIGITS)
    return "+" + digits[: max(shown, country.end())]


def owners_of(plan: configuration_pb2.NumberPlan) -> dict[str, str]:
    """The region of each prefix."""
    return {prefix: owned.region for owned in plan.prefixes for prefix in owned.prefixes}


class NumberPlan:
    """The directory of numbers: what is said of a number itself wins, then the longest prefix. Immutable.

    Regions say it by assignments, administrators by exceptions. An exception names the region at which the assignments
    of its number begin, and outranks the earlier ones that it says.
    """

    def __init__(self, plan: configuration_pb2.NumberPlan, book: AssignmentBook = NO_ASSIGNMENTS) -> None:
        """`book` has all known assignments of numbers."""
        self._outranked = {each.number: each.outranked_sequence for each in plan.exceptions if each.outranked_sequence}
        self._ruled = {exception.number: exception.region for exception in plan.exceptions}
        by_length: dict[int, dict[str, str]] = {}
        for owned in plan.prefixes:
            region = owned.region
            for prefix in owned.prefixes:
                by_length.setdefault(len(prefix), {})[prefix] = region
        self._by_length = tuple(sorted(by_length.items(), reverse=True))
        self._book = book
        self._own = dict(self._ruled)
        self._count(book.numbers())

    @property
    def book(self) -> AssignmentBook:
        """All known assignments of numbers, whether they count or not."""
        return self._book

    def with_book(self, book: AssignmentBook, numbers: Iterable[str]) -> "NumberPlan":
        """This plan with another book, which differs in the assignments of these numbers."""
        changed = copy(self)
        changed._book = book
        changed._own = dict(self._own)
        changed._count(numbers)
        return changed

    def exception_of(self, number: str) -> str | None:
        """The region that an assignment or an exception names for an E.164 number; None where only a prefix does."""
        return self._own.get(number)

    def exceptional(self) -> Iterable[str]:
        """The numbers of which an assignment that counts, or an exception, names the region."""
        return self._own.keys()

    def home_of(self, number: str) -> str | None:
        """The id of the region that owns an E.164 number with the plus sign; None where no rule covers it."""
        region = self._own.get(number)
        return region if region is not None else self.prefix_home_of(number)

    def prefix_home_of(self, number: str) -> str | None:
        """The region that the longest prefix names for an E.164 number; None where none covers it."""
        for length, regions in self._by_length:
            region = regions.get(number[:length])
            if region is not None:
                return region
        return None

    def ruled(self, number: str) -> str | None:
        """The region that the administrators' exception names for an E.164 number; None without an exception."""
        return self._ruled.get(number)

    def outranked(self, number: str) -> int:
        """The sequence of the last assignment of an E.164 number that an exception outranks; 0 for none."""
        return self._outranked.get(number, 0)

    def standing(self, number: str, assignments: Iterable[NumberAssignment] | None = None) -> Standing:
        """The home of an E.164 number, with the assignments that lead to it: of the book, or those given."""
        base = self._ruled.get(number) or self.prefix_home_of(number)
        found = self._book.of(number) if assignments is None else assignments
        return standing_of(base, self.outranked(number), found)

    def _count(self, numbers: Iterable[str]) -> None:
        for number in numbers:
            standing = self.standing(number)
            if standing.counted and standing.region is not None:
                self._own[number] = standing.region
