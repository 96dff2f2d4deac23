"""The homes of numbers that have moved from or to this region, until the number plan in force names them."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.federation.catalogue import Federation
from gateway.store.port import Transaction
from gateway.store.tables import Table, prints_without
from region_node.node.subjects import number_index


@prints_without("number")
class _AtRest(NamedTuple):
    """A row; `number` is an index."""

    number: str
    region: str


_MOVED = Table("moved_numbers", _AtRest, key=("number",))


def home_since_move(tx: Transaction, number: str) -> str | None:
    """The home of a number that has moved, and that the number plan does not name yet; None for any other."""
    row = tx.find(_MOVED, number_index(tx, number))
    return None if row is None else row.region


def note_homes(tx: Transaction, numbers: Sequence[str], region: str) -> None:
    """Stores the home of numbers that have just moved."""
    for each in numbers:
        tx.keep(_MOVED, _AtRest(number_index(tx, each), region))


def forget_homes(tx: Transaction, numbers: Sequence[str]) -> None:
    """Removes the homes of numbers, which the number plan in force names."""
    for each in numbers:
        tx.remove(_MOVED, number_index(tx, each))


def forget_home(tx: Transaction, index: str) -> None:
    """Removes the home of an erased number, by its index."""
    tx.remove(_MOVED, index)


def home_elsewhere(tx: Transaction, federation: Federation, region: str, number: str, *, has_line: bool) -> str | None:
    """The other region that is the home of a number; None where `region` is the home, or nobody.

    A line here counts more than the prefix of its number, and less than an exception for it. So an older database,
    restored after a move, does not make its region the home again.
    """
    plan = federation.number_plan
    named = plan.exception_of(number) if has_line else plan.home_of(number)
    if has_line and named in (None, region):
        return None
    home = home_since_move(tx, number) or named
    return None if home == region else home
