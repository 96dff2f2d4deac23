"""The purger of one class of data.

A purger looks at one page of rows from a place on, and removes the expired ones. It never removes open rows, or rows
needed for exactly-once. The next night looks again at the rows that stay.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.store.port import Transaction


@dataclass(frozen=True)
class Held:
    """All identifiers by which a record may belong to a customer under a hold."""

    customers: frozenset[str]
    lines: frozenset[str]
    """The ids of their lines."""
    accounts: frozenset[str]
    numbers: frozenset[str]
    """The indexes of their numbers, as stored in the database."""
    subjects: frozenset[str]
    """The ids of the records under holds of other regions."""


@dataclass(frozen=True)
class Page:
    """The result of a page."""

    removed: int
    held: int
    """Expired rows under a hold."""
    place: str
    """The place of the next page; empty where there is none."""


@dataclass(frozen=True)
class Cut:
    """The age limit, in microseconds, and the number of rows in one transaction."""

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
        """Removes the expired rows of the page after a place; the empty place is the beginning."""
        ...

    def oldest(self, tx: Transaction) -> int | None:
        """When the oldest row that is left was created, or ended, in microseconds."""
        ...
