"""Settings for people and programs: the values in force, and an example of all settings."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from gateway.settings.entries import Entry, entries_of
from gateway.settings.page import Page

T = TypeVar("T")
_DEFAULT = "default"
_HIDDEN = "***"
_ADDRESS = re.compile(r"\s*[A-Za-z0-9+.-]+://")
# The password of a URL ends at the last @, so that an unencoded one is hidden whole.
_IN_ADDRESS = re.compile(r"(://[^:@/?#\s]*:)\S*@")
_IN_QUERY = re.compile(r"([?&])([^=&#\s]*)=([^&#\s]*)")
# libpq allows spaces around the sign, quotes around the value, and a backslash before what would end it.
_IN_CONNINFO = re.compile(r"(password\s*=\s*)(?:'(?:[^'\\]|\\.)*'?|(?:[^\s\\]|\\.)+)", re.IGNORECASE | re.DOTALL)


def without_passwords(text: str) -> str:
    """The text with `***` for each password in a URL or in a libpq connection string."""
    if _ADDRESS.match(text) is None:
        text = _IN_CONNINFO.sub(rf"\g<1>{_HIDDEN}", text)
    text = _IN_ADDRESS.sub(rf"\g<1>{_HIDDEN}@", text)
    return _IN_QUERY.sub(_hidden_parameter, text)


def _hidden_parameter(found: re.Match[str]) -> str:
    before, name, value = found.groups()
    return f"{before}{name}={_HIDDEN if 'password' in unquote(name).lower() else value}"


@dataclass(frozen=True)
class Shown:
    """A setting in force, with hidden passwords."""

    key: str
    value: str | int | float | bool | list[str] | None
    """The value; None for an absent table, path or the like."""
    source: str
    """`default`, the file, the variable or `--set`."""
    description: str

    @property
    def text(self) -> str:
        """The value for people, as a variable would give it; empty for None."""
        match self.value:
            case None:
                return ""
            case bool():
                return str(self.value).lower()
            case list():
                return ",".join(self.value)
            case _:
                return str(self.value)


def shown(page: Page[T]) -> list[Shown]:
    """Every setting of a page, in the order of its dataclass; an absent table is one setting."""
    return list(_shown(page.settings, entries_of(type(page.settings)), page.origins))


def _shown(table: object, entries: Iterable[Entry], origins: Mapping[str, str]) -> Iterator[Shown]:
    for entry in entries:
        value: object = getattr(table, entry.name)
        if entry.is_table and value is not None:
            yield from _shown(value, entry.entries, origins)
        else:
            yield Shown(entry.key, _printable(value), origins.get(entry.key, _DEFAULT), entry.description)


def _printable(value: object) -> str | int | float | bool | list[str] | None:
    match value:
        case str() | Path():
            return without_passwords(str(value))
        case tuple():
            return [without_passwords(str(each)) for each in value]
        case bool() | int() | float():
            return value
        case _:
            return None


def example_page(kind: type) -> str:
    """A TOML file with every setting of a dataclass and its description. Optional settings are commented out."""
    lines = [f"# {kind.__doc__}", "# Lines that begin with # and no space may be left out.", ""]
    lines += _example(entries_of(kind), None, required=True)
    return "\n".join(lines).rstrip() + "\n"


def _example(entries: tuple[Entry, ...], table: object, *, required: bool) -> Iterator[str]:
    for entry in entries:
        if not entry.is_table:
            value: object = entry.example if table is None else getattr(table, entry.name)
            yield from _described(entry)
            yield f"{_mark(required and entry.is_in_example)}{entry.name} = {_toml(value)}"
    for entry in entries:
        if entry.is_table:
            inner: object = entry.example if table is None else getattr(table, entry.name)
            within = required and entry.required
            yield ""
            yield from _described(entry)
            yield f"{_mark(within)}[{entry.key}]"
            yield from _example(entry.entries, inner, required=within)


def _described(entry: Entry) -> list[str]:
    return [f"# {entry.description}"] if entry.description else []


def _mark(required: bool) -> str:
    return "" if required else "#"


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)


def as_json(settings: Iterable[Shown]) -> str:
    """The settings for programs: a list of objects with `key`, `value`, `source` and `description`."""
    rows = [
        {"key": each.key, "value": each.value, "source": each.source, "description": each.description}
        for each in settings
    ]
    return json.dumps(rows, ensure_ascii=False, indent=2)
