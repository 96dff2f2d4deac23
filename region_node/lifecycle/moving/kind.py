"""Registration of moves for erasure."""

from collections.abc import Sequence

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from region_node.customers.moved_numbers import customer_with, forget_home, forget_homes
from region_node.lifecycle.moving.rows import find_move, forget_moves, moves_of, open_move
from region_node.lifecycle.moving.rules import MOVED
from region_node.node.context import RegionContext
from region_node.records.kinds import AboutNumber, Customer, Ended, ErasurePort, Kept, RecordKind


def _require_no_move(tx: Transaction, context: RegionContext, customer: Customer) -> None:
    move = open_move(tx, customer.customer_id)
    if move is not None:
        raise Refused(Reason.REASON_MOVE_UNDER_WAY, move=move)


def _kept_of(tx: Transaction, customer: Customer) -> Sequence[Kept]:
    """The hand-overs by which a customer of this region has come."""
    return [Kept(each, [envelope_subject(each)], is_told=False) for each in moves_of(tx, customer.customer_id)]


def _about(tx: Transaction, number: str) -> Sequence[AboutNumber]:
    """The hand-overs by which this region has given a number away."""
    customer_id = customer_with(tx, number)
    moves = () if customer_id is None else moves_of(tx, customer_id)
    found = [move for each in moves if (move := find_move(tx, each)) is not None and move.state == MOVED]
    return [AboutNumber(each.id, each.to_region) for each in found]


def _ended(tx: Transaction, move_id: str) -> Ended | None:
    """A move away: its hand-over is destroyed once the new home has erased the customer."""
    move = find_move(tx, move_id)
    if move is None or move.state != MOVED or not move.lines:
        return None
    return Ended([move.id], [envelope_subject(move.id)], move.lines[0].number, move.id, move.to_region)


def _forget(tx: Transaction, customer_id: str) -> None:
    forget_moves(tx, customer_id)
    forget_homes(tx, customer_id)


MOVES = RecordKind(
    "move",
    ErasurePort(
        require_erasable=_require_no_move,
        kept_of=_kept_of,
        forget={"customer": _forget, "number": forget_home},
        about=_about,
        ended=_ended,
    ),
)
