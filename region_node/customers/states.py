"""The stored states of lines, each with its start."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from gateway.store.port import Transaction
from gateway.store.reading_ahead import Wanted, row_wanted
from gateway.store.tables import Table
from gateway.time.clock import from_microseconds, to_microseconds
from region_node.customers.rows import Line, LineAtRest


@dataclass(frozen=True)
class LineState:
    """The state of a line from a time on, until the next state."""

    time: datetime
    status: ProductStatus.ValueType
    suspension_kind: SuspensionKind.ValueType
    plan_id: str


class _StateAtRest(NamedTuple):
    product_id: str
    time: int
    status: ProductStatus.ValueType
    suspension_kind: SuspensionKind.ValueType
    plan_id: str


_STATES = Table("line_states", _StateAtRest, key=("product_id", "time"))


def states_of(tx: Transaction, line: Line) -> tuple[LineState, ...]:
    """All states of a line, oldest first; at least one."""
    found = tx.all(
        _state,
        "SELECT time, status, suspension_kind, plan_id FROM line_states WHERE product_id = :id ORDER BY time",
        id=line.product_id,
    )
    return tuple(found) or (LineState(line.start_time, line.status, line.suspension_kind, line.plan_id),)


def note_state(tx: Transaction, before: LineAtRest | None, after: Line, now: datetime) -> None:
    """Stores the state of a line from now on; `before` is None for a line that was just opened.

    The first change also stores the former state, from its start.
    """
    time = to_microseconds(now)
    if before is not None:
        start = min(before.start_time, time)
        old = _StateAtRest(before.product_id, start, before.status, before.suspension_kind, before.plan_id)
        if (old.status, old.suspension_kind, old.plan_id) == (after.status, after.suspension_kind, after.plan_id):
            return
        if tx.find(_STATES, before.product_id, start) is None:
            tx.keep(_STATES, old)
    tx.keep(_STATES, _StateAtRest(after.product_id, time, after.status, after.suspension_kind, after.plan_id))


def former_state_wanted(line: LineAtRest) -> Wanted:
    """The query of `note_state` for the first state of a line, to be announced."""
    return row_wanted(_STATES, line.product_id, line.start_time)


def _state(
    time: int, status: ProductStatus.ValueType, suspension_kind: SuspensionKind.ValueType, plan_id: str
) -> LineState:
    return LineState(from_microseconds(time), status, suspension_kind, plan_id)
