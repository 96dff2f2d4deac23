"""What a check found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How something stands."""

    GOOD = "good"
    WARNING = "warning"
    """It works, and may not for long, or is not as it should be."""
    BAD = "bad"
    NOT_CHECKED = "not checked"
    """It could not be looked at; what was found says why."""


@dataclass(frozen=True)
class Finding:
    """One check. No text of it holds a secret."""

    name: str
    """What was looked at, the same in every run."""
    state: State
    found: str
    todo: str = ""
    """What to do about it; empty where nothing is to be done."""


def good(name: str, found: str) -> Finding:
    """All is well."""
    return Finding(name, State.GOOD, found)


def warning(name: str, found: str, todo: str) -> Finding:
    """It works and needs attention."""
    return Finding(name, State.WARNING, found, todo)


def bad(name: str, found: str, todo: str) -> Finding:
    """It does not work."""
    return Finding(name, State.BAD, found, todo)


def not_checked(name: str, found: str, todo: str = "") -> Finding:
    """It could not be looked at."""
    return Finding(name, State.NOT_CHECKED, found, todo)
