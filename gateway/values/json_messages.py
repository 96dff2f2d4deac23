"""Messages of the contract from JSON that others have written."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import TypeVar

from google.protobuf.json_format import Parse, ParseDict, ParseError
from google.protobuf.message import Message

M = TypeVar("M", bound=Message)
_BITS = 1023  # of the largest whole number that a double holds


def json_of(text: str) -> object:
    """The value of a JSON text. Raises ValueError for what is none, is nested too deep, or is no text in UTF-8."""
    try:
        told: object = json.loads(text)
        if "\\u" in text:
            json.dumps(told, ensure_ascii=False).encode()  # half of a surrogate pair breaks whatever looks for a name
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return told


def message_of(told: Mapping[str, object], made: M) -> M:
    """The JSON object `told` as the message `made`. Raises ParseError, which names the field, for what is none."""
    try:
        return ParseDict(dict(told), made)
    except OverflowError:  # for an enum or a floating-point field
        raise _too_large(told) from None


def message_from(text: str | bytes, made: M) -> M:
    """The JSON text as the message `made`. Raises ParseError as `message_of`, and for what is no JSON."""
    try:
        return Parse(text, made)
    except ParseError as error:
        if isinstance(error.__cause__, OverflowError):
            raise _too_large(json.loads(text)) from None
        raise


def _too_large(told: object) -> ParseError:
    """The error of the first number that no field holds, such as 1e400."""
    place = next((path for path, number in _numbers(told, "") if _is_too_large(number)), "")
    return ParseError(f"Failed to parse {place} field: the number is too large")


def _numbers(told: object, path: str) -> Iterator[tuple[str, int | float]]:
    """The numbers of a JSON value with their paths, for example `items[0].amount`."""
    if isinstance(told, Mapping):
        for name, each in told.items():
            yield from _numbers(each, f"{path}.{name}" if path else name)
    elif isinstance(told, list):
        for index, each in enumerate(told):
            yield from _numbers(each, f"{path}[{index}]")
    elif isinstance(told, int | float):
        yield path, told


def _is_too_large(number: int | float) -> bool:
    return math.isinf(number) if isinstance(number, float) else number.bit_length() > _BITS
