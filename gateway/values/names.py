"""The names of enum values, each made once."""

from collections.abc import Mapping
from functools import cache

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper


@cache
def name_of(enum: EnumTypeWrapper, number: int) -> str:
    """The name of a value of an enum. Raises ValueError for a number without one."""
    return enum.Name(number)


def snake_case(enum: EnumDescriptor, number: int) -> str:
    """`in_progress` for the value `ORDER_STATE_IN_PROGRESS`; the number where only a later version knows it."""
    return _short_names(enum).get(number) or str(number)


def camel_case(enum: EnumDescriptor, number: int) -> str:
    """A value as TM Forum writes it, for example `inProgress`; the number where only a later version knows it."""
    head, *rest = snake_case(enum, number).split("_")
    return head + "".join(each.capitalize() for each in rest)


@cache
def _short_names(enum: EnumDescriptor) -> Mapping[int, str]:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {each.number: each.name.removeprefix(prefix).lower() for each in enum.values}
