"""The names of enum values, each made once."""

from functools import cache

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper


@cache
def name_of(enum: EnumTypeWrapper, number: int) -> str:
    """The name of a value of an enum. Raises ValueError for a number without one."""
    return enum.Name(number)
