"""Ranges of telephone numbers that an import gives to lines, one after the other."""

from dataclasses import dataclass, field

from gateway.errors import Refused
from gateway.federation.numberplan import normalize
from gateway.wording.languages import refusal, translated

UNNAMED = "line"


class RangeExhausted(Exception):
    """No number is left."""


@dataclass
class NumberRange:
    """The numbers from `first` to `last`, both E.164 with the plus sign and of the same length."""

    first: str
    last: str
    _taken: int = field(default=0, init=False)

    def take(self) -> str:
        """The next number. Raises RangeExhausted."""
        number = int(self.first[1:]) + self._taken
        if number > int(self.last[1:]):
            raise RangeExhausted
        self._taken += 1
        return f"+{number}"


def parse_range(text: str) -> tuple[str, str, str]:
    """The name, the first and the last number of `[NAME=]FIRST-LAST`. Raises ValueError."""
    name, _, numbers = text.rpartition("=")
    first, separator, last = numbers.partition("-")
    try:
        first, last = normalize(first), normalize(last)
    except Refused as refused:
        raise ValueError(refusal(refused)) from refused
    if not separator or len(first) != len(last) or first > last:
        raise ValueError(
            translated("{text} is not [NAME=]FIRST-LAST with the lower of two numbers of one length first", text=text)
        )
    return name or UNNAMED, first, last
