"""The form of a value in etcd: a line of JSON with named fields, then the bytes of an optional message. Pure."""

import base64
import json
from collections.abc import Mapping
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

VERSION = 1

Field = str | int
M = TypeVar("M", bound=Message)


class Unreadable(Exception):
    """A value is of a later version, or damaged; the text has the details."""


class Fields:
    """The fields of a value by their names."""

    def __init__(self, value: bytes, known: int = VERSION) -> None:
        line, _, self.content = value.partition(b"\n")
        try:
            found = json.loads(line)
        except ValueError as error:
            raise Unreadable("is no line of JSON") from error
        if not isinstance(found, dict):
            raise Unreadable("holds no fields")
        self._fields: dict[str, object] = found
        if (version := self.number("version")) > known:
            raise Unreadable(f"is of version {version}, and this program knows {known}")

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def number(self, name: str) -> int:
        found = self._fields.get(name)
        if not isinstance(found, int) or isinstance(found, bool):
            raise Unreadable(f"{name} is no whole number")
        return found

    def text(self, name: str) -> str:
        found = self._fields.get(name)
        if not isinstance(found, str):
            raise Unreadable(f"{name} is no text")
        return found

    def binary(self, name: str) -> bytes:
        try:
            return base64.b64decode(self.text(name), validate=True)
        except ValueError as error:
            raise Unreadable(f"{name} is no base64") from error

    def message(self, name: str, kind: type[M]) -> M:
        """The message of a field; empty where a version before that field has written the value."""
        try:
            return kind.FromString(self.binary(name) if name in self else b"")
        except DecodeError as error:
            raise Unreadable(f"{name} is none of this version") from error

    def digest(self, name: str) -> bytes:
        try:
            return bytes.fromhex(self.text(name))
        except ValueError as error:
            raise Unreadable(f"{name} is no hexadecimal number") from error


def as_text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def encoded(fields: Mapping[str, Field], content: bytes = b"") -> bytes:
    line = json.dumps({"version": VERSION, **fields}, ensure_ascii=False).encode()
    return line + b"\n" + content if content else line
