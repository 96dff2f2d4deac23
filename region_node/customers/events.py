"""The changes of customers for listeners, by the ids of their lines.

A change of a customer is one of each of its lines. The balance of an account is left out: each charge changes it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.region.v1.listener_service_pb2 import ListenerResource
from gateway.store.port import Transaction
from region_node.customers.rows import Line, LineAtRest
from region_node.customers.status import ACTIVE, ERASED, keep_status, status_of
from region_node.records.listened import ListenedEvents, StateChange
from region_node.records.stored import FIRST, GONE

EVENTS = ListenedEvents(
    "customer_events",
    "product_id",
    (ListenerResource.LISTENER_RESOURCE_CUSTOMER, ListenerResource.LISTENER_RESOURCE_CUSTOMER_V5),
)


class _LineState(NamedTuple):
    product_id: str
    status: int


def note_new_lines(tx: Transaction, lines: Sequence[Line], now: datetime) -> None:
    """Notes lines that have come with their customers."""
    EVENTS.note_states(tx, [StateChange(each.product_id, each.status, FIRST) for each in lines], now)


def note_changed_line(tx: Transaction, before: LineAtRest, after: Line, now: datetime) -> None:
    """Notes the change of a line, unless nobody may read it, or it is a promise of its end, which no reader sees."""
    is_promise = after.promised_to != before.promised_to and after.status == before.status
    if not is_promise and _is_told(tx, after.customer_id):
        EVENTS.note_states(tx, [StateChange(after.product_id, after.status, before.status)], now)


def note_subscriptions(tx: Transaction, line: Line, now: datetime) -> None:
    """Notes that subscriptions of a line have changed, unless nobody may read it."""
    if _is_told(tx, line.customer_id):
        EVENTS.note_states(tx, [StateChange(line.product_id, line.status, line.status)], now)


def note_attributes(tx: Transaction, customer_id: str, now: datetime) -> None:
    """Notes a change of a customer that leaves the state of each line as it is, unless nobody may read it."""
    if _is_told(tx, customer_id):
        lines = _lines(tx, customer_id)
        EVENTS.note_states(tx, [StateChange(each.product_id, each.status, each.status) for each in lines], now)


def enter_status(tx: Transaction, customer_id: str, status: CustomerStatus.ValueType, now: datetime) -> None:
    """Sets the status of a customer, and notes the change."""
    former = status_of(tx, customer_id)
    keep_status(tx, customer_id, status)
    if former not in (None, status) and EVENTS.is_heard(tx):
        state = GONE if status == ERASED else status
        changes = [StateChange(each.product_id, state, former or FIRST) for each in _lines(tx, customer_id)]
        EVENTS.note_states(tx, changes, now)


def forget_events(tx: Transaction, customer_id: str) -> None:
    """Removes the changes of an erased customer, but for the last one, the deletion itself."""
    EVENTS.skip(tx, 0)  # the next number comes behind those that are removed
    tx.execute(
        "DELETE FROM customer_events WHERE state <> :gone AND product_id IN"
        " (SELECT product_id FROM products WHERE customer_id = :id)",
        gone=GONE,
        id=customer_id,
    )


def _is_told(tx: Transaction, customer_id: str) -> bool:
    return EVENTS.is_heard(tx) and status_of(tx, customer_id) == ACTIVE


def _lines(tx: Transaction, customer_id: str) -> list[_LineState]:
    sql = "SELECT product_id, status FROM products WHERE customer_id = :id ORDER BY product_id"
    return tx.all(_LineState, sql, id=customer_id)
