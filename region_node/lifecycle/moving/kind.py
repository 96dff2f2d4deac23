"""Registration of moves for erasure."""

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.customers.moved_numbers import forget_home, forget_homes
from region_node.lifecycle.moving.rows import forget_moves, open_move
from region_node.node.context import RegionContext
from region_node.records.kinds import Customer, ErasurePort, RecordKind


def _require_no_move(tx: Transaction, context: RegionContext, customer: Customer) -> None:
    move = open_move(tx, customer.customer_id)
    if move is not None:
        raise Refused(Reason.REASON_MOVE_UNDER_WAY, move=move)


def _forget(tx: Transaction, customer_id: str) -> None:
    forget_moves(tx, customer_id)
    forget_homes(tx, customer_id)


MOVES = RecordKind(
    "move",
    ErasurePort(require_erasable=_require_no_move, forget={"customer": _forget, "number": forget_home}),
)
