"""What purges one class of data.

A purger looks at one page of rows from a place on, and removes those that may go. It never removes what is open, or
what exactly-once still needs; what it leaves is looked at again in the next night.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.store.port import Transaction


@dataclass(frozen=True)
class Held:
    """Everything by which a record may belong to a customer under a hold."""

    customers: frozenset[str]
    lines: frozenset[str]
    """The ids of their lines."""
    accounts: frozenset[str]
    numbers: frozenset[str]
    """What stands in the database in the place of their numbers."""
    subjects: frozenset[str]
    """The ids of the records that other regions have told to keep."""


@dataclass(frozen=True)
class Page:
    """What became of one page."""

    removed: int
    held: int
    """Rows whose time is over and that a hold keeps."""
    place: str
    """Where the next page begins; empty where there is none."""


@dataclass(frozen=True)
class Cut:
    """What is old enough, in microseconds, and how many rows are looked at in one transaction."""

    before: int
    held: Held
    limit: int
    now: datetime


def place_of(place: str) -> tuple[int, str]:
    """The instant in microseconds and the key of a place `<instant> <key>`; before every row for the empty one."""
    instant, _, key = place.partition(" ")
    return int(instant or -1), key


class Purger(Protocol):
    """Purges one class."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """Removes what may go of the rows after a place; the empty place is the beginning."""
        ...

    def oldest(self, tx: Transaction) -> int | None:
        """When the oldest row that is left was created, or ended, in microseconds."""
        ...
