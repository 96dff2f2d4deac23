"""A settings page as a process uses it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

from gateway.settings.entries import entries_of
from gateway.settings.reading import Reader
from gateway.settings.sources import FLAG, SettingsError, Sources

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Settings that were read, and where each of them comes from."""

    settings: T
    origins: Mapping[str, str]
    """Of each key that a source gives: the file, the name of the variable, or `--set`."""


def load(kind: type[T], path: Path) -> T:
    """The settings in a TOML file alone, as an instance of the dataclass `kind`. Raises SettingsError."""
    return load_page(kind, Sources(file=path)).settings


def load_page(kind: type[T], sources: Sources) -> Page[T]:
    """The settings of all sources as an instance of the dataclass `kind`.

    Its `__post_init__` may raise ValueError, `key: problem`, for values that do not fit together. Raises SettingsError.
    """
    reader = Reader(sources, entries_of(kind))
    whole = reader.read_file()
    reader.read_environment()
    reader.read_flags()
    settings = reader.build(kind) if whole else None
    if reader.problems:
        raise SettingsError(reader.problems if str(sources) else [_nothing_given(sources)])
    return Page(cast("T", settings), reader.origins())


def text_in(sources: Sources, key: str) -> str:
    """The text of one key in the sources; empty where they give none. Other keys are neither read nor checked.

    For commands that do not serve and need no other setting.
    """
    if told := sources.environment.get(sources.variable(key)):
        return told
    try:
        content = tomllib.loads(sources.file.read_text(encoding="utf-8")) if sources.file is not None else {}
    except (OSError, ValueError):
        return ""
    told = content.get(key)
    return told if isinstance(told, str) else ""


def _nothing_given(sources: Sources) -> str:
    return (
        f"no settings are given: name a file by --settings or {sources.file_variable}, or give each setting by the"
        f" environment or {FLAG}"
    )
