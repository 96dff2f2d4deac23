"""The JSON Schema of what orders have beyond TMF622, to which `@schemaLocation` leads."""

import json
from collections.abc import Mapping

from aiohttp import web
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.order_pb2 import Awaiting, Expedite, JeopardyAlert, OrderError, StateChange
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Document
from gateway.web.server import Page
from region_node.open_api.product_orders import SCHEMA, TYPE

_READERS = frozenset({Role.ROLE_OPERATOR, Role.ROLE_STAFF})
_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}


def order_schema() -> Mapping[str, object]:
    """The schema: each message of the contract in its JSON (proto3)."""
    lists = {
        "document": Document.DESCRIPTOR,
        "stateChange": StateChange.DESCRIPTOR,
        "expedite": Expedite.DESCRIPTOR,
        "jeopardyAlert": JeopardyAlert.DESCRIPTOR,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": TYPE,
        "type": "object",
        "properties": {
            **{name: {"type": "array", "items": _of_message(kind)} for name, kind in lists.items()},
            "documentRequested": {"type": "array", "items": _TEXT},
            "awaiting": _of_message(Awaiting.DESCRIPTOR),
            "error": _of_message(OrderError.DESCRIPTOR),
            "result": _TEXTS,
        },
    }


def schema_page(root: str) -> Page:
    """The schema below the path of the API, for the readers of orders."""
    text = json.dumps(order_schema(), indent=2)

    async def show(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type="application/schema+json")

    return Page(f"{root}/{SCHEMA}", "OrderService", _READERS, show)


def _of_message(kind: Descriptor) -> Mapping[str, object]:
    properties = {each.json_name: _of_field(each) for each in kind.fields}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _of_field(field: FieldDescriptor) -> Mapping[str, object]:
    kind = field.message_type
    if kind is None:
        return _TEXT  # texts, bytes in base64, and the names of enums
    if kind.full_name == Timestamp.DESCRIPTOR.full_name:
        return {"type": "string", "format": "date-time"}
    return _TEXTS if kind.GetOptions().map_entry else _of_message(kind)
