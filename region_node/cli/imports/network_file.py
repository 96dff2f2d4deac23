"""Files of alarms or measurements: CSV with field names as its header, or a JSON object a line."""

import csv
import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar, cast

import click
from google.protobuf.json_format import ParseError
from google.protobuf.message import Message

from gateway.cli.option_words import option_words
from gateway.values.json_messages import json_of, message_of
from gateway.wording.languages import enumerated, translated

M = TypeVar("M", bound=Message)
_Row = tuple[int, str, Mapping[str, object] | None]
_OBJECTS = ("site", "link", "service")


class NetworkFileUnusable(click.UsageError):
    """The file as a whole cannot be read; the text has the reason."""


@dataclass(frozen=True)
class Item(Generic[M]):
    """A line: its message, or the problem without one.

    `sequence` is the line's number at the node, from 1; `row` its place in the file.
    """

    sequence: int
    row: int
    text: str
    content: M | None
    problem: str = ""


class NetworkFile(Generic[M]):
    """A file as it was at opening."""

    def __init__(self, path: Path, message: type[M], source: str = "") -> None:
        """Reads the whole file once. Raises NetworkFileUnusable.

        The node identifies it by its content, or by a `source`. With a source, lines may be added to it, and a last
        line without a line feed is incomplete.
        """
        self.path = path
        self._message = message
        self.is_json = False
        self._is_growing = bool(source)
        self._is_ended = True
        try:
            with path.open("rb") as file:
                self.source = source or f"file-{hashlib.file_digest(file, 'sha256').hexdigest()[:40]}"
                self._is_ended = _ends_with_line_feed(file)
            with path.open(encoding="utf-8-sig") as text:
                self.is_json = text.readline().lstrip().startswith("{")
            self.count = sum(1 for _ in self._rows())
        except OSError as error:
            raise NetworkFileUnusable(f"{path}: {error.strerror}") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise NetworkFileUnusable(f"{path}: {error}") from error

    def items(self) -> Iterator[Item[M]]:
        """All lines in order, without empty ones and the incomplete last one."""
        for sequence, (row, text, told) in enumerate(self._rows(), 1):
            try:
                fields = told if isinstance(told, dict) else _object(text)
                content = self._message()
                message_of(_nested(content, _spelled(content, fields)), content)
                yield Item(sequence, row, text, content)
            except (ParseError, ValueError) as error:
                yield Item(sequence, row, text, None, str(error))

    def _rows(self) -> Iterator[_Row]:
        """The number of each line, its text, and in CSV its cells."""
        rows = self._all_rows()
        if self._is_ended or not self._is_growing:
            yield from rows
            return
        for row, _ in itertools.pairwise(rows):
            yield row

    def _all_rows(self) -> Iterator[_Row]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            if self.is_json:
                for row, line in enumerate(file, 1):
                    if line.strip():
                        yield row, line.strip(), None
                return
            reader = csv.reader(file)
            header = next(reader, [])
            if len(set(header)) != len(header):
                raise NetworkFileUnusable(translated("{path}: a column stands there twice", path=self.path))
            for cells in reader:
                if cells:
                    held = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
                    yield reader.line_num, ",".join(cells), held


def _ends_with_line_feed(file: BinaryIO) -> bool:
    """Whether the last line is complete; also without any line."""
    if not file.seek(0, os.SEEK_END):
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _object(text: str) -> Mapping[str, object]:
    """The object of a line of JSON. Raises ValueError."""
    found = json_of(text)
    if not isinstance(found, dict):
        raise ValueError(translated("it is not an object"))
    return cast("dict[str, object]", found)


def _spelled(message: Message, fields: Mapping[str, object]) -> dict[str, object]:
    """Fields with the contract's names of enum values and booleans: `raised` is `ALARM_STATE_RAISED`.

    Raises ValueError for an unknown name, and for a word that is no value of an enum.
    """
    known = message.DESCRIPTOR.fields_by_name
    found = dict(fields)
    for name, value in fields.items():
        field = known.get(name) or message.DESCRIPTOR.fields_by_camelcase_name.get(name)
        if field is None:
            if name not in _names(message):
                names = enumerated(_names(message))
                raise ValueError(translated("there is no {name}; the names are {names}", name=name, names=names))
            continue
        if not isinstance(value, str):
            continue
        if field.enum_type is not None:
            found[name] = _enum_value(name, [each.name for each in field.enum_type.values], value)
        elif field.type == field.TYPE_BOOL:
            found[name] = {"true": True, "false": False}.get(value.lower(), value)
    return found


def _names(message: Message) -> Sequence[str]:
    """The permitted names of columns, or fields of an object."""
    known = list(message.DESCRIPTOR.fields_by_name)
    if "alarmed_object" not in known:
        return known
    return [each for name in known for each in (_OBJECTS if name == "alarmed_object" else (name,))]


def _enum_value(field: str, names: Sequence[str], value: str) -> str:
    """The full name of an enum value with a short form. Raises ValueError for an unknown one."""
    words = option_words((each, each) for each in names)
    full = words.get(value.lower().replace(" ", "-").replace("_", "-"), value)
    if full not in words.values():
        told = enumerated(words)
        raise ValueError(translated("{name} {value} is none of {words}", name=field, value=value, words=told))
    return full


def _nested(message: Message, fields: dict[str, object]) -> dict[str, object]:
    """An alarm's `site`, `link` or `service` as its object; a measurement has them itself."""
    if "alarmed_object" not in message.DESCRIPTOR.fields_by_name:
        return fields
    about = {name: fields.pop(name) for name in _OBJECTS if name in fields}
    return {**fields, "alarmed_object": about} if about else fields
