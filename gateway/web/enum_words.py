"""Values of the contract's enums as JSON APIs write them: without the prefix, `inProgress` for `…_IN_PROGRESS`."""

from collections.abc import Mapping
from functools import cache

from google.protobuf.descriptor import EnumDescriptor

from gateway.values.names import camel_case


def told_word(enum: EnumDescriptor, number: int) -> str:
    """The word of a value; empty for the unset one, and for one of a later version."""
    return _words(enum).get(number, "")


def number_of(enum: EnumDescriptor, word: str) -> int | None:
    """The value that a word names; None for no word of the enum."""
    return numbers_of(enum).get(word)


@cache
def numbers_of(enum: EnumDescriptor) -> Mapping[str, int]:
    """All words of an enum, each with its value."""
    return {word: number for number, word in _words(enum).items()}


@cache
def _words(enum: EnumDescriptor) -> Mapping[int, str]:
    return {each.number: camel_case(enum, each.number) for each in enum.values if each.number}
