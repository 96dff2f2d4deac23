"""Dataclasses and rows with personal data print masked, so that logging one by mistake reveals nobody."""

import dataclasses
import importlib
import pkgutil
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args, get_origin

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

import gateway
import region_node
from gateway.api.types.v1.types_pb2 import Requester

PLANTED = "PLANTED-VALUE"
# Fields whose text is personal wherever they stand; all else that is personal is a message or the bytes of one.
TEXTS = frozenset(
    {
        "number",
        "other_number",
        "contact_number",
        "email",
        "address",
        "suspension_reason",
        "zh_cn",
        "en",
        "problem",
        "customer_name",
    }
)
BYTES = frozenset({"content", "payload", "body", "result", "receipt_content"})
# Whose `name` is a person's.
NAMED = frozenset({"CustomerRow"})
# What only a program prints for whoever has asked for it, and what no customer stands in.
HARMLESS = frozenset({"gateway.api", "region_node.cli"})


def modules() -> Iterator[types.ModuleType]:
    for package in (gateway, region_node):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not any(found.name == each or found.name.startswith(f"{each}.") for each in HARMLESS):
                yield importlib.import_module(found.name)


def holders_of(module: types.ModuleType) -> Iterator[tuple[type, Sequence[str]]]:
    """The dataclasses and named tuples of a module, with the names of their fields."""
    for each in vars(module).values():
        if not isinstance(each, type) or each.__module__ != module.__name__:
            continue
        if dataclasses.is_dataclass(each):
            yield each, [field.name for field in dataclasses.fields(each)]
        elif issubclass(each, tuple) and hasattr(each, "_fields"):
            yield each, each._fields


def holding(kind: type, values: Mapping[str, object]) -> object:
    """An object with these values in its fields."""
    if issubclass(kind, tuple):
        return kind(**values)
    holder: object = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(holder, name, value)
    return holder


def planted_message(kind: type[Message]) -> Message:
    """A message with the planted value in every text and in all bytes that it has, two levels deep."""
    message = kind()
    _plant(message, 2)
    return message


def _plant(message: Message, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated:
            continue
        if field.type == FieldDescriptor.TYPE_STRING:
            setattr(message, field.name, PLANTED)
        elif field.type == FieldDescriptor.TYPE_BYTES:
            setattr(message, field.name, PLANTED.encode())
        elif field.type == FieldDescriptor.TYPE_MESSAGE and depth > 1:
            getattr(message, field.name).SetInParent()
            _plant(getattr(message, field.name), depth - 1)


def is_federation_data(kind: type[Message]) -> bool:
    """Catalogue, plans, members: everybody may see them."""
    return kind.DESCRIPTOR.file.package.startswith(("gateway.api.federation", "gateway.api.coordinator"))


def planted(owner: type, field: str, hint: object) -> object:
    """A value for a field: the planted one where what stands there is personal; None where it is not."""
    if isinstance(hint, typing.TypeVar) and hint.__bound__ is Message:
        return planted_message(Requester)  # a field for any message may hold one about a person
    for each in (hint, *get_args(hint)):
        if not isinstance(each, type) or each is Message:
            continue
        if issubclass(each, Message) and not is_federation_data(each):
            message = planted_message(each)
            return [message] if get_origin(hint) not in (None, types.UnionType, typing.Union) else message
    if hint is str and (field in TEXTS or (field == "name" and owner.__name__ in NAMED)):
        return PLANTED
    if field in BYTES and bytes in (hint, *get_args(hint)):
        return PLANTED.encode()
    if field in {"parameters", "values", "results", "characteristics"} and get_origin(hint) in (Mapping, dict):
        return {"number": PLANTED}
    return None


def holders() -> list[tuple[type, dict[str, object]]]:
    """Every dataclass and named tuple with a field that is personal, and the planted values."""
    found = []
    for module in modules():
        for each, names in holders_of(module):
            hints = typing.get_type_hints(each, vars(module))
            fields = {name: planted(each, name, hints[name]) for name in names}
            if any(value is not None for value in fields.values()):
                found.append((each, fields))
    return found


def test_no_personal_value_is_printed() -> None:
    printing = []
    for kind, fields in holders():
        holder = holding(kind, fields)
        if any(PLANTED in told for told in (repr(holder), str(holder), f"{[holder]}")):
            printing.append(kind.__qualname__)
    assert not printing


def test_the_search_finds_who_holds_personal_data() -> None:
    names = {kind.__name__ for kind, _ in holders()}
    wanted = {"Line", "LineNames", "Notice", "Message", "UsageRow", "NewUsage", "OrderRow", "Sealed"}
    assert names > {*wanted, "CustomerRow", "LineAtRest"}
