"""Messages with something in each field, and the JSON Schema of the resources that a mapping makes of them. Pure."""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.web.json_texts import JsonObject
from gateway.web.selecting import TIME, Schema

_SECONDS = 1_800_000_000
_TIME = Timestamp(seconds=_SECONDS).ToJsonString()
M = TypeVar("M", bound=Message)


def schema_told(kind: type[M], told: Callable[[M], JsonObject]) -> Mapping[str, Schema]:
    """The attributes of the resource that a mapping makes of a message, each with the schema of its values.

    Each value of the enums, and each field of what is one of several, has a sample of its own.
    """
    found: Schema = {}
    for number in range(1, _variants(cast("Descriptor", kind.DESCRIPTOR), set()) + 1):
        found = _merged(found, _schema_of(told(filled(kind(), number))))
    return cast("Mapping[str, Schema]", found["properties"])


def filled(message: M, number: int = 1) -> M:
    """The message with something in each field, and one element in each list; two levels deep in what holds itself.

    `number` chooses the value of each enum and the field of what is one of several.
    """
    _fill(message, number, ())
    return message


def _fill(message: Message, number: int, around: tuple[str, ...]) -> None:
    if isinstance(message, Timestamp | Duration):
        message.seconds = _SECONDS
        return
    for field in cast("Collection[FieldDescriptor]", message.DESCRIPTOR.fields):
        inner, one_of = field.message_type, field.containing_oneof
        if inner is not None and inner.full_name in around:
            continue
        if one_of is not None and one_of.fields[(number - 1) % len(one_of.fields)] != field:
            continue
        if inner is not None and inner.GetOptions().map_entry:
            getattr(message, field.name)["name"] = "value"
        elif inner is not None:
            held = getattr(message, field.name)
            _fill(held.add() if field.is_repeated else held, number, (*around, message.DESCRIPTOR.full_name))
        elif field.is_repeated:
            getattr(message, field.name).append(_value(field, number))
        else:
            setattr(message, field.name, _value(field, number))


def _value(field: FieldDescriptor, number: int) -> object:
    if field.enum_type is not None:
        return _numbers(field.enum_type)[(number - 1) % len(_numbers(field.enum_type))]
    return {FieldDescriptor.TYPE_STRING: "text", FieldDescriptor.TYPE_BYTES: b"data"}.get(field.type, 1)


def _numbers(enum: EnumDescriptor) -> list[int]:
    return [each.number for each in enum.values if each.number]


def _variants(kind: Descriptor, seen: set[str]) -> int:
    """The most values of an enum, or fields of what is one of several, within a message."""
    seen.add(kind.full_name)
    most = max((len(each.fields) for each in kind.oneofs), default=1)
    for field in kind.fields:
        if field.enum_type is not None:
            most = max(most, len(_numbers(field.enum_type)))
        elif field.message_type is not None and field.message_type.full_name not in seen:
            most = max(most, _variants(field.message_type, seen))
    return most


def _schema_of(value: object) -> Schema:
    match value:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case str():
            is_time = value == _TIME
            return {"type": "string", "format": TIME} if is_time else {"type": "string"}
        case Mapping():
            return {"type": "object", "properties": {str(name): _schema_of(each) for name, each in value.items()}}
        case _:
            items: Schema = {}
            for each in cast("Collection[object]", value):
                items = _merged(items, _schema_of(each))
            return {"type": "array", "items": items}


def _merged(first: Schema, second: Schema) -> Schema:
    """The schema of values of which each has one of the two."""
    if not first or not second or first == second:
        return first or second
    match first["type"], second["type"]:
        case "object", "object":
            one, other = (cast("Mapping[str, Schema]", each["properties"]) for each in (first, second))
            names = dict.fromkeys((*one, *other))
            merged = {name: _merged(one.get(name, {}), other.get(name, {})) for name in names}
            return {"type": "object", "properties": merged}
        case "array", "array":
            items = (cast("Schema", each["items"]) for each in (first, second))
            return {"type": "array", "items": _merged(*items)}
        case "string", "string":
            return {"type": "string"}
    raise TypeError(f"an attribute is told as {first} and as {second}")
