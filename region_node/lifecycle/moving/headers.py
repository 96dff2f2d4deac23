"""Open moves without their customers, as coordinators list them."""

from gateway.api.region.v1.customer_move_oversight_service_pb2 import CustomerMoveHeader, MoveAwaiting
from gateway.api.region.v1.customer_move_pb2 import CustomerMove
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.rows import open_moves

_AWAITING = {
    rules.REQUESTED: MoveAwaiting.MOVE_AWAITING_CUSTOMER,
    rules.MOVING: MoveAwaiting.MOVE_AWAITING_NEW_HOME,
    rules.MOVED: MoveAwaiting.MOVE_AWAITING_NUMBER_PLAN,
    rules.TAKEN_OVER: MoveAwaiting.MOVE_AWAITING_NUMBER_PLAN,
}


def list_headers(tx: Transaction, after: tuple[int, str] | None, limit: int) -> list[CustomerMoveHeader]:
    """At most `limit` open moves behind a time in microseconds and an id, the oldest first."""
    return [header_of(each) for each in open_moves(tx, after, limit)]


def header_of(move: CustomerMove) -> CustomerMoveHeader:
    """An open move without its customer, with the step that it awaits."""
    header = CustomerMoveHeader(
        id=move.id,
        from_region=move.from_region,
        to_region=move.to_region,
        state=move.state,
        create_time=move.create_time,
        change_time=move.change_time,
        awaiting=_AWAITING[move.state],
    )
    if move.state == rules.REQUESTED:
        header.due_time.CopyFrom(to_timestamp(from_timestamp(move.create_time) + rules.CONFIRMED_WITHIN))
    return header
