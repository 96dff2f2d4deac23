"""The stored states of lines, each with its start."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from gateway.store.port import Transaction
from gateway.store.reading_ahead import Wanted, greatest_wanted
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


class _Start(NamedTuple):
    time: int
    product_id: str


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

    The first change also stores the former state, from its start. No state begins before the one that it follows, also
    where the clock has stepped back: the state in force is the last one.
    """
    time = to_microseconds(now)
    if before is not None:
        if _compared(before) == _compared(after):
            return
        last = tx.find_greatest(_STATES, _Start, product_id=before.product_id)
        if last is None:
            last = _Start(min(before.start_time, time), before.product_id)
            tx.keep(_STATES, _StateAtRest(before.product_id, last.time, *_compared(before)))
        time = max(time, last.time)
    tx.keep(_STATES, _StateAtRest(after.product_id, time, *_compared(after)))


def _compared(line: LineAtRest | Line) -> tuple[ProductStatus.ValueType, SuspensionKind.ValueType, str]:
    return line.status, line.suspension_kind, line.plan_id


def last_state_wanted(line: LineAtRest) -> Wanted:
    """The query of `note_state` for the last state of a line, to be announced."""
    return greatest_wanted(_STATES, _Start, {"product_id": line.product_id})


def _state(
    time: int, status: ProductStatus.ValueType, suspension_kind: SuspensionKind.ValueType, plan_id: str
) -> LineState:
    return LineState(from_microseconds(time), status, suspension_kind, plan_id)
