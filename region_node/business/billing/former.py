"""Bills of a customer who moved here from before the move: the former home keeps them, and answers this region alone.

The former home has booked them, and its retention of accounts runs there. A copy would be a second set of books.
"""

from dataclasses import dataclass

from gateway.api.region.v1.customer_move_pb2 import MoveState
from gateway.store.port import Transaction
from region_node.business.billing.rules import Month
from region_node.customers.rows import Line
from region_node.customers.states import states_of

_TAKEN_OVER = MoveState.MOVE_STATE_TAKEN_OVER


@dataclass(frozen=True)
class FormerHome:
    """The move by which a line came here, and the place of the line in its hand-over."""

    move_id: str
    place: int

    @property
    def region(self) -> str:
        """The former home: the id of its move begins with it."""
        return self.move_id.partition("/")[0]


def former_home(tx: Transaction, line: Line, month: Month) -> FormerHome | None:
    """The former home that has a part of a month of a line; None for a line or month without one."""
    move_id = tx.first(
        str,
        "SELECT move_id FROM customer_moves WHERE customer_id = :id AND state = :taken_over",
        id=line.customer_id,
        taken_over=_TAKEN_OVER,
    )
    begin, _, place = line.product_id.rpartition("-")
    # Lines that were opened after the move have ids of another form.
    if move_id is None or begin != line.customer_id or not place.isdecimal():
        return None
    return FormerHome(move_id, int(place)) if month.start < states_of(tx, line)[0].time else None
