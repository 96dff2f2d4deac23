"""What a resource of an Open API is told as, against the schema of TM Forum and that of its own type."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from region_node.open_api.extension import Extension

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "tmf"
DEVELOPMENT = "comes with the packages for development"


def require_own_schema(told: Mapping[str, object], extension: Extension) -> None:
    """Fails where what is told beyond TM Forum differs from the schema that it names."""
    jsonschema = pytest.importorskip("jsonschema", reason=DEVELOPMENT)
    validator = jsonschema.Draft7Validator(extension.schema())
    assert [error.message for error in validator.iter_errors(told)] == []


def require_schema(file: str, name: str, told: Mapping[str, object], extension: Extension | None) -> None:
    """Fails where what is told differs from a definition of TM Forum's file, or has more than it and the extension."""
    jsonschema = pytest.importorskip("jsonschema", reason=DEVELOPMENT)
    if not (FOLDER / file).is_file():
        pytest.skip("TM Forum's OpenAPI files are not on this machine")
    definitions = json.loads((FOLDER / file).read_text(encoding="utf-8"))["definitions"]
    schema = {"$ref": f"#/definitions/{name}", "definitions": definitions}
    assert [error.message for error in jsonschema.Draft4Validator(schema).iter_errors(told)] == []
    beyond = set() if extension is None else extension.paths.keys()
    assert told.keys() <= definitions[name]["properties"].keys() | beyond


def filled(message: Message, *without: str) -> Message:
    """The message with something in each field, and one element in each list; two levels deep in what holds itself."""
    _fill(message, frozenset(without), ())
    return message


def _fill(message: Message, without: frozenset[str], around: tuple[str, ...]) -> None:
    if isinstance(message, Timestamp | Duration):
        message.seconds = 1_800_000_000 if isinstance(message, Timestamp) else 60
        return
    for field in message.DESCRIPTOR.fields:
        inner = field.message_type
        if field.name in without or (inner is not None and inner.full_name in around):
            continue
        if field.containing_oneof is not None and field.containing_oneof.fields[0] != field:
            continue
        if inner is not None and inner.GetOptions().map_entry:
            getattr(message, field.name)["name"] = "value"
        elif inner is not None:
            held = getattr(message, field.name)
            _fill(held.add() if field.is_repeated else held, without, (*around, message.DESCRIPTOR.full_name))
        elif field.is_repeated:
            getattr(message, field.name).append(_value(field.type))
        else:
            setattr(message, field.name, _value(field.type))


def _value(kind: int) -> object:
    text, data, flag = 9, 12, 8  # the numbers of `google.protobuf.FieldDescriptorProto.Type`
    return {text: "text", data: b"data", flag: True}.get(kind, 1)
