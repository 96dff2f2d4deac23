"""The stored states of lines, each with its start."""

from dataclasses import dataclass
from datetime import datetime

from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, to_microseconds
from region_node.customers.rows import Line


@dataclass(frozen=True)
class LineState:
    """The state of a line from a time on, until the next state."""

    time: datetime
    status: ProductStatus.ValueType
    suspension_kind: SuspensionKind.ValueType
    plan_id: str


def states_of(tx: Transaction, line: Line) -> tuple[LineState, ...]:
    """All states of a line, oldest first; at least one."""
    found = tx.all(
        _state,
        "SELECT time, status, suspension_kind, plan_id FROM line_states WHERE product_id = :id ORDER BY time",
        id=line.product_id,
    )
    return tuple(found) or (_state_of(line, line.start_time),)


def note_state(tx: Transaction, before: Line | None, after: Line, now: datetime) -> None:
    """Stores the state of a line from now on; `before` is None for a line that was just opened.

    The first change also stores the former state, from its start.
    """
    if before is None:
        _keep(tx, after.product_id, _state_of(after, now))
        return
    old, new = _state_of(before, min(before.start_time, now)), _state_of(after, now)
    if (old.status, old.suspension_kind, old.plan_id) == (new.status, new.suspension_kind, new.plan_id):
        return
    if tx.first(int, "SELECT 1 FROM line_states WHERE product_id = :id LIMIT 1", id=before.product_id) is None:
        _keep(tx, before.product_id, old)
    _keep(tx, after.product_id, new)


def _keep(tx: Transaction, product_id: str, state: LineState) -> None:
    values: dict[str, Value] = {
        "id": product_id,
        "time": to_microseconds(state.time),
        "status": state.status,
        "suspension_kind": state.suspension_kind,
        "plan_id": state.plan_id,
    }
    changed = tx.execute(
        "UPDATE line_states SET status = :status, suspension_kind = :suspension_kind, plan_id = :plan_id"
        " WHERE product_id = :id AND time = :time",
        **values,
    )
    if not changed:
        tx.execute(
            "INSERT INTO line_states (product_id, time, status, suspension_kind, plan_id)"
            " VALUES (:id, :time, :status, :suspension_kind, :plan_id)",
            **values,
        )


def _state_of(line: Line, since: datetime) -> LineState:
    return LineState(since, line.status, line.suspension_kind, line.plan_id)


def _state(
    time: int, status: ProductStatus.ValueType, suspension_kind: SuspensionKind.ValueType, plan_id: str
) -> LineState:
    return LineState(from_microseconds(time), status, suspension_kind, plan_id)
