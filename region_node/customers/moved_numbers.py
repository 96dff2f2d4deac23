"""The homes of numbers that have moved from or to this region, which count more than a number plan of before."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.store.port import Transaction
from gateway.store.tables import Table, prints_without
from region_node.customers.rows import is_number_in_use, lines_of_customer
from region_node.node.subjects import number_index


@prints_without("number")
class _AtRest(NamedTuple):
    """A row; `number` is an index. One without a customer says that nobody has handed the number over."""

    number: str
    region: str
    named_revision: int | None
    customer_id: str | None
    named_assignments: int | None


_MOVED = Table("moved_numbers", _AtRest, key=("number",))


def home_since_move(tx: Transaction, federation: Federation, number: str) -> str | None:
    """The home of a number that has moved, as long as the given plan is older than the first that names it.

    None for any other number. A process may know less than the database: another process of the region has seen the
    newer configuration or assignment, or the copies on disk are old.
    """
    row = tx.find(_MOVED, number_index(tx, number))
    if row is None:
        return None
    is_known = row.named_revision is not None and federation.revision >= row.named_revision
    if is_known and len(federation.number_plan.book.of(number)) >= (row.named_assignments or 0):
        return None
    return row.region


def is_home_of(tx: Transaction, federation: Federation, region: str, customer_id: str) -> bool:
    """Whether a region is the home of all numbers that a customer's lines have, by a plan that no move is newer than.

    False for a customer without a line that has a number.
    """
    numbers = [each.number for each in lines_of_customer(tx, customer_id) if not each.is_closed]
    return bool(numbers) and all(
        federation.number_plan.home_of(each) == region and home_since_move(tx, federation, each) is None
        for each in numbers
    )


def has_moved(tx: Transaction, number: str) -> bool:
    """Whether a number has ever moved from or to this region."""
    row = tx.find(_MOVED, number_index(tx, number))
    return row is not None and row.customer_id is not None


def customer_given(tx: Transaction, number: str, region: str) -> str | None:
    """The customer of this region who has moved to another one with a number; None where none has by the last move."""
    row = tx.find(_MOVED, number_index(tx, number))
    return row.customer_id if row is not None and row.region == region else None


def is_awaited(tx: Transaction, federation: Federation, region: str, number: str, *, is_new: bool = False) -> bool:
    """Whether the customer of a number may have come to this region after its database.

    The plan names the region for this number alone, which has no line here, also of an erased customer, and no trace of
    its coming. A hand-over ends that, and so does `note_none`. A process that `is_new` does not believe the latter: the
    customer may have come between that answer and the loss of the database.
    """
    if federation.number_plan.exception_of(number) != region or is_number_in_use(tx, number):
        return False
    row = tx.find(_MOVED, number_index(tx, number))
    return row is None or row.region != region or (is_new and row.customer_id is None)


def note_none(tx: Transaction, number: str, region: str, named_by: Federation) -> None:
    """Stores that nobody has handed a number of this region over, by a plan that names the region."""
    tx.keep(_MOVED, _named(_AtRest(number_index(tx, number), region, None, None, None), number, named_by))


def note_homes(
    tx: Transaction, numbers: Sequence[str], region: str, customer_id: str, *, named_by: Federation | None = None
) -> None:
    """Stores the home of numbers that have moved with a customer of this region.

    `named_by` has the plan that names the home; None where none does so far.
    """
    for each in numbers:
        tx.keep(_MOVED, _named(_AtRest(number_index(tx, each), region, None, customer_id, None), each, named_by))


def note_named(tx: Transaction, numbers: Sequence[str], region: str, named_by: Federation) -> None:
    """Stores the first plan that names a region as the home of numbers, unless they have moved on since."""
    for each in numbers:
        row = tx.find(_MOVED, number_index(tx, each))
        if row is not None and row.region == region and row.named_revision is None:
            tx.keep(_MOVED, _named(row, each, named_by))


def _named(row: _AtRest, number: str, named_by: Federation | None) -> _AtRest:
    """The row with the revision of a plan that names the home, and with how many assignments it has of the number."""
    if named_by is None:
        return row
    count = len(named_by.number_plan.book.of(number))
    return row._replace(named_revision=named_by.revision, named_assignments=count)


def forget_home(tx: Transaction, index: str) -> None:
    """Removes the home of an erased number, by its index."""
    tx.remove(_MOVED, index)


def forget_homes(tx: Transaction, customer_id: str) -> None:
    """Removes the homes of all numbers of an erased customer."""
    tx.execute("DELETE FROM moved_numbers WHERE customer_id = :id", id=customer_id)


def home_elsewhere(tx: Transaction, federation: Federation, region: str, number: str, *, has_line: bool) -> str | None:
    """The other region that is the home of a number; None where `region` is the home, or nobody.

    A line here counts more than the prefix of its number, and less than an exception for it. So an older database,
    restored after a move, does not make its region the home again. A move counts more than an older plan.

    Raises Refused with HAND_OVER_AWAITED where this region may have lost the customer with a newer database.
    """
    plan = federation.number_plan
    named = plan.exception_of(number) if has_line else plan.home_of(number)
    if has_line and named in (None, region):  # as nearly always: it costs no look-up
        return None
    home = home_since_move(tx, federation, number) or named
    if home == region and not has_line and is_awaited(tx, federation, region, number):
        raise Refused(Reason.REASON_HAND_OVER_AWAITED)
    return None if home == region else home
