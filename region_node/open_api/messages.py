"""Messages in the JSON of the contract (proto3): as protobuf's `MessageToDict` has it, in a fraction of the time. Pure.

All that a descriptor says is looked up once: a list has many messages of few types.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from math import inf, isfinite
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.order_pb2 import OrderState, StateChange
from gateway.web.json_texts import JsonText, array_of, object_of, quoted, text_of
from region_node.open_api.resources import told_instant

Reader = Callable[[Message], str]
"""Writes a field of a message; empty where it is not set."""
_Writer = Callable[[Any], str]
_OF_PROTOBUF = "google.protobuf."
_CHANGES = 1_024  # of other words, that are remembered
_TIMES: Mapping[str, Callable[[Any], str]] = {
    Timestamp.DESCRIPTOR.full_name: told_instant,
    Duration.DESCRIPTOR.full_name: Duration.ToJsonString,
}
_NOT_FINITE = {inf: '"Infinity"', -inf: '"-Infinity"'}


def _double(held: float) -> str:
    return repr(held) if isfinite(held) else _NOT_FINITE.get(held, '"NaN"')


# Whole numbers of 64 bits are texts.
_SCALARS: Mapping[int, _Writer] = {
    FieldDescriptor.TYPE_STRING: quoted,
    FieldDescriptor.TYPE_BYTES: lambda held: f'"{b64encode(held).decode("ascii")}"',
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_BOOL: lambda held: "true" if held else "false",
    FieldDescriptor.TYPE_INT32: str,
    FieldDescriptor.TYPE_UINT32: str,
    FieldDescriptor.TYPE_INT64: lambda held: f'"{held}"',
    FieldDescriptor.TYPE_UINT64: lambda held: f'"{held}"',
    FieldDescriptor.TYPE_SINT64: lambda held: f'"{held}"',
}


def json_of(message: Message) -> JsonText:
    """The JSON object of a message, without what is not set."""
    return JsonText(_writer_of_message(cast("Descriptor", message.DESCRIPTOR))(message))


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field holds values by keys."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def reader_of(field: FieldDescriptor, before: str) -> Reader:
    """Writes a field of a message, as `json_of` has it, behind a text."""
    name, write = field.name, _writer_of(field, before)
    if field.has_presence:
        return lambda message: write(getattr(message, name)) if message.HasField(name) else ""
    return lambda message: write(held) if (held := getattr(message, name)) else ""


@cache
def _writer_of_message(kind: Descriptor) -> _Writer:
    # Not before the first message, since one may hold itself.
    writers = cache(lambda: {each: _writer_of(each, f"{quoted(each.json_name)}:") for each in kind.fields})

    def write(message: Message) -> str:
        known = writers()
        return object_of([known[field](held) for field, held in message.ListFields()])

    return _writer_of_changes(write) if kind is StateChange.DESCRIPTOR else write


def _writer_of_changes(write: _Writer) -> _Writer:
    """Writes changes of state as `write`: all that is not their time is of a few words, and written once."""

    @lru_cache(_CHANGES)
    def around_time(state: OrderState.ValueType, region: str, reason: str) -> tuple[str, str]:
        told = write(StateChange(state=state, time=Timestamp(), region=region, reason=reason))
        before, _, behind = told.partition(told_instant(Timestamp()))  # only the state is before it
        return before, behind

    def write_change(change: StateChange) -> str:
        time = change.time
        if not time.seconds:  # perhaps there is none
            return write(change)
        before, behind = around_time(change.state, change.region, change.reason)
        return f"{before}{told_instant(time)}{behind}"

    return write_change


def _writer_of(field: FieldDescriptor, before: str) -> _Writer:
    """Writes the value of a field behind a text."""
    if is_map(field):
        write = _writer_of_one(cast("Descriptor", field.message_type).fields_by_name["value"], "")
        return lambda held: before + object_of([f"{quoted(str(key))}:{write(held[key])}" for key in held])
    if field.is_repeated:
        write = _writer_of_one(field, "")
        # A list is read faster than what holds the elements.
        return lambda held: before + array_of([write(each) for each in held[:]])
    return _writer_of_one(field, before)


def _writer_of_one(field: FieldDescriptor, before: str) -> _Writer:
    if field.message_type is not None:
        return _writer_within(field.message_type, before)
    if field.enum_type is not None:
        names = {value.number: f"{before}{quoted(value.name)}" for value in field.enum_type.values}
        return lambda held: names.get(held) or f"{before}{held}"
    write = _SCALARS.get(field.type, text_of)
    return lambda held: before + write(held)


def _writer_within(kind: Descriptor, before: str) -> _Writer:
    if kind.full_name in _TIMES:
        told = _TIMES[kind.full_name]
        return lambda held: f'{before}"{told(held)}"'
    if kind.full_name.startswith(_OF_PROTOBUF):
        return lambda held: before + text_of(MessageToDict(held))
    write = _writer_of_message(kind)
    return (lambda held: before + write(held)) if before else write
