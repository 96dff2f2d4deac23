"""Attributes that a resource has beyond TM Forum's, in the JSON of the contract, and the JSON Schema of them."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TypeVar, cast

from aiohttp import web
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.web.json_texts import JsonObject, quoted
from gateway.web.openapi_pages import READERS
from gateway.web.routes import Resource
from gateway.web.selecting import DURATION, INT64, TIME, Schema
from gateway.web.server import Page
from region_node.open_api.messages import Reader, is_map, reader_of
from region_node.open_api.resources import Json
from region_node.open_api.samples import schema_told

M = TypeVar("M", bound=Message)
Kind = type[M]
_HERE = "#/definitions/"
_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_TIMES = {
    Timestamp.DESCRIPTOR.full_name: {"type": "string", "format": TIME},
    Duration.DESCRIPTOR.full_name: {"type": "string", "format": DURATION},
}
# Texts, bytes in base64, the names of enums, and whole numbers of 64 bits are texts.
_TYPES: Mapping[int, Schema] = {
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "string", "format": INT64},
    FieldDescriptor.CPPTYPE_UINT64: {"type": "string", "format": INT64},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number"},
}
# The JSON of the contract leaves these values out.
_DEFAULTS: Mapping[str, object] = {"boolean": False, "integer": 0, "number": 0, "string": "0"}


@dataclass(frozen=True)
class Extension:
    """A type that has more attributes than its base of TM Forum."""

    type: str
    base: str
    message: Descriptor
    """The message of the contract that has what the attributes tell."""
    paths: Mapping[str, str]
    """The attributes, each with its field: the names from the message on, with points between."""
    asked: Mapping[str, FieldDescriptor] = field(default_factory=dict)
    """The attributes that only requests have."""
    listed: str = ""
    """The one field of the message that the entries of a list have; empty where they have all of them."""

    @property
    def types(self) -> Sequence[str]:
        """The names by which a caller may call the type."""
        return self.type, self.base

    @cached_property
    def schema_path(self) -> str:
        """Where the schema is read, below the path of the API."""
        return f"schema/{self.type}.schema.json"

    def told(self, told: JsonObject, message: Message, fields: Collection[str]) -> JsonObject:
        """A resource with its `attributes`."""
        return told.extended(self.attributes(message, fields))

    def attributes(self, message: Message, fields: Collection[str]) -> Sequence[str]:
        """The attributes of these names, all without names, that a message has: written, and empty for none."""
        readers = self._readers
        wanted = [readers[name] for name in readers if name in fields] if fields else readers.values()
        return [read(message) for read in wanted]

    def type_at(self, root: str) -> Json:
        """The attributes that name the type, in the API at a path."""
        return {"@type": self.type, "@baseType": self.base, "@schemaLocation": f"{root}/{self.schema_path}"}

    def schema(self) -> Mapping[str, object]:
        """The schema: each message of the contract in its JSON (proto3)."""
        properties, definitions = self._properties(_HERE)
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": self.type,
            "type": "object",
            "properties": properties,
            "definitions": definitions,
        }

    def resource(self, kind: Kind[M], told: Callable[[M], JsonObject]) -> Resource:
        """The resource that a mapping makes of the message, whose class is `kind`."""
        others = [name for name, path in self.paths.items() if self.listed not in ("", path.partition(".")[0])]
        return resource_of(self.type, kind, told, self._properties, (*others, *self.asked))

    def page(self, root: str, service: str) -> Page:
        """The schema below the path of the API, for the callers of a service."""
        text = json.dumps(self.schema(), indent=2)

        async def show(_: web.Request) -> web.StreamResponse:
            return web.Response(text=text, content_type="application/schema+json")

        return Page(f"{root}/{self.schema_path}", service, READERS, show)

    @cached_property
    def _readers(self) -> Mapping[str, Reader]:
        """Each attribute with what writes it, together with its name."""
        return {name: _reader(self.message, path.split("."), f"{quoted(name)}:") for name, path in self.paths.items()}

    def _properties(self, place: str) -> tuple[Mapping[str, Schema], Mapping[str, Schema]]:
        definitions: dict[str, Schema] = {}
        fields = {**{name: _field(self.message, path.split(".")) for name, path in self.paths.items()}, **self.asked}
        return {name: _of_field(each, definitions, place) for name, each in fields.items()}, definitions


def _nothing(_: str) -> tuple[Mapping[str, Schema], Mapping[str, Schema]]:
    return {}, {}


def resource_of(
    name: str,
    kind: type[M],
    told: Callable[[M], JsonObject],
    beyond: Callable[[str], tuple[Mapping[str, Schema], Mapping[str, Schema]]] = _nothing,
    unlisted: Collection[str] = (),
) -> Resource:
    """The resource that a mapping makes of a message. `beyond` has the attributes in the JSON of the contract.

    `unlisted` as of `Resource`.
    """

    own = cache(lambda: schema_told(kind, told))  # takes long: of each value of each enum

    def schema(place: str) -> tuple[Schema, Mapping[str, Schema]]:
        extended, definitions = beyond(place)
        return {"type": "object", "properties": {**own(), **extended}}, definitions

    return Resource(name, schema, unlisted)


def _reader(kind: Descriptor, path: Sequence[str], before: str) -> Reader:
    """Reads the attribute at a path, with a text before it."""
    name, *below = path
    field = kind.fields_by_name[name]
    if below:
        read = _reader(cast("Descriptor", field.message_type), below, before)
        return lambda message: read(getattr(message, name))
    read, nothing = reader_of(field, before), f"{before}{{}}"
    if field.message_type is None or field.is_repeated:
        return read
    return lambda message: "" if (text := read(message)) == nothing else text  # as little as no message at all


def _field(message: Descriptor, path: Sequence[str]) -> FieldDescriptor:
    name, *below = path
    found = message.fields_by_name[name]
    return found if not below else _field(cast("Descriptor", found.message_type), below)


def _of_field(field: FieldDescriptor, definitions: dict[str, Schema], place: str) -> Schema:
    if is_map(field):
        return _TEXTS
    kind = field.message_type
    one = _TYPES.get(field.cpp_type, _TEXT) if kind is None else _of_message(kind, definitions, place)
    if field.is_repeated:
        return {"type": "array", "items": one}
    has_default = field.cpp_type in _TYPES and not field.has_presence
    return {**one, "default": _DEFAULTS[str(one["type"])]} if has_default else one


def _of_message(kind: Descriptor, definitions: dict[str, Schema], place: str) -> Schema:
    """A message by its name among the definitions, since one may hold itself. `place` stands before the name."""
    if kind.full_name in _TIMES:
        return _TIMES[kind.full_name]
    if kind.full_name not in definitions:
        definitions[kind.full_name] = {}
        properties = {each.json_name: _of_field(each, definitions, place) for each in kind.fields}
        definitions[kind.full_name] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"$ref": f"{place}{kind.full_name}"}
