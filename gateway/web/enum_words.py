"""Values of the contract's enums as JSON APIs write them: without the prefix, `inProgress` for `…_IN_PROGRESS`."""

from collections.abc import Mapping
from functools import cache

from google.protobuf.descriptor import EnumDescriptor


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
    unset = enum.values_by_number[0].name
    prefix = unset.removesuffix("UNSPECIFIED")
    return {each.number: _camel_case(each.name.removeprefix(prefix)) for each in enum.values if each.number}


def _camel_case(name: str) -> str:
    head, *rest = name.lower().split("_")
    return head + "".join(each.capitalize() for each in rest)
