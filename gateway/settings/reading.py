"""Reads the sources of a settings page, and notes everything that is wrong with them."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.settings.entries import Entry
from gateway.settings.sources import FLAG, Sources
from gateway.settings.values import Value, from_text, from_toml
from gateway.wording.languages import enumerated, translated

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,80}", re.ASCII)


@dataclass(frozen=True)
class _Given:
    """A source's value of a setting."""

    value: Value | None
    """None for an invalid value."""
    source: str
    place: str
    """The prefix of a problem with the setting."""


class Reader:
    """Reads one page; later sources win. `problems` lists the errors."""

    def __init__(self, sources: Sources, entries: tuple[Entry, ...]) -> None:
        self.problems: list[str] = []
        self._sources = sources
        self._entries = entries
        self._keys = {entry.key: entry for entry in _all(entries)}
        self._given: dict[str, _Given] = {}
        # Tables that the sources name, even if empty, and values in the place of tables.
        self._tables: set[str] = set()
        self._no_tables: set[str] = set()

    def origins(self) -> dict[str, str]:
        """The source of each setting that is given."""
        return {key: given.source for key, given in self._given.items()}

    def read_file(self) -> bool:
        """Reads the file, if there is one; returns False if none of it can be read."""
        path = self._sources.file
        if path is None:
            return True
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            self.problems.append(translated("{path}: cannot be read: {problem}", path=path, problem=error.strerror))
        except UnicodeDecodeError as error:
            self.problems.append(translated("{path}: is not UTF-8 at byte {position}", path=path, position=error.start))
        except ValueError as error:
            # TOMLDecodeError, or a number with more digits than Python reads.
            self.problems.append(translated("{path}: is not TOML: {problem}", path=path, problem=error))
        else:
            self._read_table(path, content, self._entries, "")
            return True
        return False

    def read_environment(self) -> None:
        """Reads the variables with the prefix."""
        known = {self._sources.variable(key): entry for key, entry in self._keys.items()}
        for name, text in self._sources.variables():
            if (entry := known.get(name)) is not None:
                self._take_text(entry, text, name, name, self._sources.variable)
            else:
                listed = (self._sources.variable(key) for key in self._settings())
                self._unknown(name, "variable", (self._sources.file_variable, *listed))

    def read_flags(self) -> None:
        """Reads the flags, in their order."""
        for flag in self._sources.flags:
            key, equals, text = flag.partition("=")
            if not equals or _KEY.fullmatch(key) is None:
                # The message leaves the value out: it may hold a password.
                self.problems.append(translated("{flag}: must be KEY=VALUE", flag=FLAG))
            elif (entry := self._keys.get(key)) is not None:
                self._take_text(entry, text, FLAG, f"{FLAG} {key}", str)
            else:
                self._unknown(f"{FLAG} {key}", "key", self._settings())

    def build(self, kind: type) -> object | None:
        """The dataclass of the page; None where something is missing or wrong, which is noted."""
        return self._build(kind, self._entries, "")

    def _build(self, kind: type, entries: tuple[Entry, ...], prefix: str) -> object | None:
        values: dict[str, object] = {}
        whole = True
        for entry in entries:
            if self._is_absent(entry):
                if entry.required:
                    self._note(entry.key, "is missing")
                    whole = False
                continue
            values[entry.name] = self._value(entry)
            whole = whole and values[entry.name] is not None
        if not whole:
            return None
        try:
            built: object = kind(**values)
        except ValueError as error:
            key, colon, problem = f"{prefix}{error}".partition(": ")
            self._note(key, problem if colon else "")
            return None
        return built

    def _is_absent(self, entry: Entry) -> bool:
        if not entry.is_table:
            return entry.key not in self._given
        # Each missing setting of a required table is reported.
        inside = any(each.key in self._given for each in entry.settings())
        return not entry.required and not inside and not self._tables & {each.key for each in _all((entry,))}

    def _value(self, entry: Entry) -> object | None:
        if not entry.is_table:
            return self._given[entry.key].value
        if entry.key in self._no_tables:
            return None
        assert isinstance(entry.kind, type)
        return self._build(entry.kind, entry.entries, f"{entry.key}.")

    def _read_table(self, path: Path, content: dict[str, object], entries: tuple[Entry, ...], prefix: str) -> None:
        known = {entry.name: entry for entry in entries}
        for name, value in content.items():
            place = f"{path}: {prefix}{name}"
            entry = known.get(name)
            if entry is None:
                self._unknown(place, "key", known)
            elif not entry.is_table:
                self._take(entry, str(path), place, partial(from_toml, entry.kind, value, path.parent))
            elif isinstance(value, dict):
                self._tables.add(entry.key)
                self._read_table(path, value, entry.entries, f"{entry.key}.")
            else:
                self._tables.add(entry.key)
                self._no_tables.add(entry.key)
                self.problems.append(translated("{place}: must be a table", place=place))

    def _take_text(self, entry: Entry, text: str, source: str, place: str, name: Callable[[str], str]) -> None:
        """Takes a value of the environment or of a flag; `name` is how they call a key."""
        if entry.is_table:
            names = enumerated(name(each.key) for each in entry.settings())
            self.problems.append(translated("{place}: is a table; its settings are {names}", place=place, names=names))
        else:
            self._take(entry, source, place, partial(from_text, entry.kind, text))

    def _take(self, entry: Entry, source: str, place: str, read: Callable[[], Value]) -> None:
        value: Value | None = None
        try:
            value = read()
        except ValueError as error:
            self.problems.append(f"{place}: {error}")
        self._given[entry.key] = _Given(value, source, place)

    def _settings(self) -> list[str]:
        return [key for key, entry in self._keys.items() if not entry.is_table]

    def _unknown(self, place: str, what: str, known: Iterable[str]) -> None:
        self.problems.append(
            translated(
                "{place}: unknown {what}; known are {known}",
                place=place,
                what=translated(what),
                known=enumerated(known),
            )
        )

    def _note(self, key: str, problem: str) -> None:
        """Notes a problem of a key at the place of its value, or else at its possible place."""
        if (given := self._given.get(key)) is not None:
            self.problems.append(f"{given.place}: {problem}")
            return
        told = f"{key}: {problem}" if problem else key
        self.problems.append(told if self._sources.file is None else f"{self._sources.file}: {told}")


def _all(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries and all that are in them."""
    for entry in entries:
        yield entry
        yield from _all(entry.entries)
