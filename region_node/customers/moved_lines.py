"""Lines of this region that have moved to another home, by which later dues of before the move find their line."""

from datetime import datetime
from typing import NamedTuple

from gateway.store.port import Transaction
from gateway.store.tables import Table, prints_without
from gateway.time.clock import to_microseconds
from region_node.node.subjects import number_index


@prints_without("number")
class MovedLine(NamedTuple):
    """A line that has moved; `number` is an index, `line` the place of the line in the hand-over.

    `end_time` is the confirmation of the move in microseconds: from then on the new home, `region`, charges.
    """

    product_id: str
    customer_id: str
    number: str
    move_id: str
    line: int
    region: str
    end_time: int


_LINES = Table("moved_lines", MovedLine, key=("product_id",))
_OF_NUMBER = f"SELECT {', '.join(_LINES.columns)} FROM moved_lines WHERE number = :number"  # noqa: S608 - column names


def note_moved_line(tx: Transaction, line: MovedLine) -> None:
    """Stores a line that has moved."""
    tx.keep(_LINES, line)


def moved_line(tx: Transaction, product_id: str) -> MovedLine | None:
    """Where a line of this region has moved; None for one that has not."""
    return tx.find(_LINES, product_id)


def moved_after(tx: Transaction, number: str, time: datetime) -> MovedLine | None:
    """The line that had a number, E.164, at a time, if it has moved since; None for any other."""
    sql = f"{_OF_NUMBER} AND end_time > :time ORDER BY end_time LIMIT 1"
    return tx.first(MovedLine, sql, number=number_index(tx, number), time=to_microseconds(time))


def last_moved(tx: Transaction, number: str) -> MovedLine | None:
    """The line that was the last to move with a number, E.164."""
    return tx.first(MovedLine, f"{_OF_NUMBER} ORDER BY end_time DESC LIMIT 1", number=number_index(tx, number))


def forget_moved_lines(tx: Transaction, customer_id: str) -> None:
    """Removes the moved lines of an erased customer."""
    tx.execute("DELETE FROM moved_lines WHERE customer_id = :id", id=customer_id)


def forget_moved_number(tx: Transaction, index: str) -> None:
    """Removes the moved lines of an erased number, by its index."""
    tx.execute("DELETE FROM moved_lines WHERE number = :number", number=index)
