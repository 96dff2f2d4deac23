"""Registration of moves for erasure."""

from collections.abc import Sequence

from gateway.api.region.v1.customer_move_pb2 import CustomerMove
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from region_node.customers.moved_lines import forget_moved_lines, forget_moved_number
from region_node.customers.moved_numbers import forget_home, forget_homes
from region_node.lifecycle.moving.rows import (
    find_move,
    forget_moves,
    forget_numbers,
    index_numbers,
    moves_of,
    moves_with,
    open_move,
)
from region_node.lifecycle.moving.rules import MOVED, TAKEN_OVER
from region_node.node.context import RegionContext
from region_node.records.kinds import AboutNumber, Customer, Ended, ErasurePort, Kept, RecordKind

_ENDED = (MOVED, TAKEN_OVER)


def _require_no_move(tx: Transaction, context: RegionContext, customer: Customer) -> None:
    move = open_move(tx, customer.customer_id)
    if move is not None:
        raise Refused(Reason.REASON_MOVE_UNDER_WAY, move=move)


def _kept_of(tx: Transaction, customer: Customer) -> Sequence[Kept]:
    """The hand-overs by which a customer of this region has come."""
    return [Kept(each, [envelope_subject(each)], is_told=False) for each in moves_of(tx, customer.customer_id)]


def _about(tx: Transaction, number: str) -> Sequence[AboutNumber]:
    """The hand-overs of a number from and to this region: of one that came back and left again there are several."""
    return [AboutNumber(each.id, _next_home(each)) for each in moves_with(tx, number) if each.state in _ENDED]


def _next_home(move: CustomerMove) -> str:
    """The region to which this one has given a customer by a move; empty for one who came here.

    Of the latter only the present home of the number says that the customer was erased.
    """
    return move.to_region if move.state == MOVED else ""


def _ended(tx: Transaction, move_id: str) -> Ended | None:
    """A move, whose hand-over is destroyed once a later home has erased the customer."""
    move = find_move(tx, move_id)
    if move is None or move.state not in _ENDED or not move.lines:
        return None
    return Ended([move.id], [envelope_subject(move.id)], move.lines[0].number, move.id, _next_home(move))


def _forget(tx: Transaction, customer_id: str) -> None:
    forget_moves(tx, customer_id)
    forget_homes(tx, customer_id)
    forget_moved_lines(tx, customer_id)


def _forget_number(tx: Transaction, index: str) -> None:
    forget_home(tx, index)
    forget_numbers(tx, index)
    forget_moved_number(tx, index)


MOVES = RecordKind(
    "move",
    ErasurePort(
        require_erasable=_require_no_move,
        kept_of=_kept_of,
        forget={"customer": _forget, "number": _forget_number},
        about=_about,
        ended=_ended,
        indexed=("move_numbers", "moved_numbers", "moved_lines"),
    ),
    row_migrations={"customer_moves": index_numbers},
)
