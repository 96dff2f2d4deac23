"""Settings of a process: a TOML file read into a frozen dataclass.

A field may be a text, a whole number, a number, true or false, a path (relative to the file), a list of texts, or
another dataclass, which is a table. Fields with a default may be left out; keys that no field has are refused.
"""

import re
import tomllib
import types
import typing
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

T = TypeVar("T")
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", re.ASCII)
_HIGHEST_PORT = 65535
_Value: TypeAlias = "str | int | float | bool | Path | tuple[str, ...] | object"

_NAMES: dict[object, str] = {
    str: "a text",
    Path: "a path",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    tuple[str, ...]: "a list of texts",
}


class SettingsError(Exception):
    """The file cannot be used; `problems` lists everything found, each with the file and the key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def load(kind: type[T], path: Path) -> T:
    """The settings in a TOML file as an instance of the dataclass `kind`.

    Its `__post_init__` may raise ValueError for values that do not fit together. Raises SettingsError.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: is not UTF-8 at byte {error.start}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: is not TOML: {error}"]) from error
    reader = _Reader(path)
    settings = reader.table(kind, content, "")
    if reader.problems:
        raise SettingsError(reader.problems)
    return cast("T", settings)


class _Reader:
    """Reads one file and notes what is wrong with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[str] = []

    def table(self, kind: type, content: dict[str, object], prefix: str) -> _Value:
        """The dataclass of a table; None where something in it is wrong, which is noted."""
        found = len(self.problems)
        hints = typing.get_type_hints(kind)
        known: dict[str, Field[object]] = {field.name: field for field in fields(kind)}
        for key in content.keys() - known.keys():
            self._problem(prefix + key, f"unknown key; known are {', '.join(known)}")
        values: dict[str, _Value] = {}
        for name, field in known.items():
            if name in content:
                values[name] = self._value(hints[name], content[name], prefix + name)
            elif field.default is MISSING and field.default_factory is MISSING:
                self._problem(prefix + name, "is missing")
        if len(self.problems) > found:
            return None
        try:
            return cast("_Value", kind(**values))
        except ValueError as error:
            self.problems.append(f"{self._path}: {prefix}{error}")
            return None

    def _value(self, hint: object, value: object, key: str) -> _Value:
        hint = _without_none(hint)
        if isinstance(hint, type) and is_dataclass(hint):
            if isinstance(value, dict):
                return self.table(hint, value, f"{key}.")
            self._problem(key, "must be a table")
            return None
        if not _fits(hint, value):
            self._problem(key, f"must be {_NAMES[hint]}")
            return None
        if hint is Path:
            return self._path.parent / str(value)
        return tuple(value) if isinstance(value, list) else value

    def _problem(self, key: str, problem: str) -> None:
        self.problems.append(f"{self._path}: {key}: {problem}")


def _without_none(hint: object) -> object:
    """The type of a field that may also be None: TOML has no None, the key is left out."""
    if not isinstance(hint, types.UnionType):
        return hint
    (only,) = (each for each in typing.get_args(hint) if each is not types.NoneType)
    return only


def _fits(hint: object, value: object) -> bool:
    if hint == tuple[str, ...]:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if hint is str or hint is Path:
        return isinstance(value, str) and (hint is str or bool(value))
    # To Python, true and false are whole numbers too.
    if isinstance(value, bool):
        return hint is bool
    if hint is int:
        return isinstance(value, int)
    if hint is float:
        return isinstance(value, int | float)
    return False


def require_address(key: str, address: str, *, lowest_port: int = 1) -> None:
    """Raises ValueError, naming the key, unless the value is `host:port` with a port from `lowest_port` up."""
    found = _ADDRESS.fullmatch(address)
    if found is None or not lowest_port <= int(found[1]) <= _HIGHEST_PORT:
        raise ValueError(f"{key}: {address!r} is not host:port")


def host_of(address: str) -> str:
    """The host of a `host:port`."""
    return address.rpartition(":")[0]
