"""The result of a check, and its remedy."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The result of a check."""

    GOOD = "good"
    WARNING = "warning"
    """The part works, but needs attention."""
    BAD = "bad"
    NOT_CHECKED = "not checked"
    """The check was not possible; the finding says why."""


@dataclass(frozen=True)
class Finding:
    """The result of one check. No text of it holds a secret."""

    name: str
    """The name of the check, the same in every run."""
    state: State
    found: str
    todo: str = ""
    """The remedy; empty where nothing is to be done."""


def good(name: str, found: str) -> Finding:
    """All is well."""
    return Finding(name, State.GOOD, found)


def warning(name: str, found: str, todo: str) -> Finding:
    """A finding of a part that works and needs attention."""
    return Finding(name, State.WARNING, found, todo)


def bad(name: str, found: str, todo: str) -> Finding:
    """A finding of a part that does not work."""
    return Finding(name, State.BAD, found, todo)


def not_checked(name: str, found: str, todo: str = "") -> Finding:
    """A finding of a part that could not be checked."""
    return Finding(name, State.NOT_CHECKED, found, todo)
