"""Indexes of erased customers' numbers: with the region's keys, a trial of all numbers finds the number of each.

They stay as long as something sent before the erasure may arrive, which is refused or destroyed by them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.store.port import Transaction
from gateway.store.timers import Timer, set_timer, set_timers
from gateway.time.clock import to_microseconds
from region_node.customers.known_statuses import forget_erased
from region_node.customers.rows import forget_indexes, indexes_of_customer
from region_node.customers.status import ERASED
from region_node.lifecycle.erasure.scrub_rows import due_scrub
from region_node.lifecycle.registry import Registry
from region_node.records.kinds import is_looked_at

INDEX_TIMER = "indexes-forgotten"
STATUS_TIMER = "status-forgotten"
_KEPT = timedelta(days=30)  # longer than an order and its answers are under way
_LOOK_AGAIN = timedelta(days=1)


def forget_indexes_later(tx: Transaction, customer_id: str, now: datetime) -> None:
    """Schedules the removal of the indexes of an own erased customer's numbers."""
    _set_index_timer(tx, customer_id, now + _KEPT)


def forget_status_later(tx: Transaction, region: str, index: str, now: datetime) -> None:
    """Schedules the removal of another region's report that the customer of the number with an index is erased."""
    _set_status_timer(tx, f"{region} {index}", now + _KEPT)


def ensure_forgotten(tx: Transaction, now: datetime) -> None:
    """Schedules the removal of the indexes that an earlier version has kept, once: with the first scrub.

    A day later no process of that version is left, which could not do it.
    """
    if tx.first(int, "SELECT 1 FROM scrubs LIMIT 1") is not None:
        return
    due, erased = now + _LOOK_AGAIN, {"status": ERASED}
    customers = tx.all(str, "SELECT customer_id FROM customers WHERE status <> 1 AND status = :status", **erased)
    said = tx.all(str, "SELECT region || ' ' || number_index FROM known_statuses WHERE status = :status", **erased)
    instant = to_microseconds(due)
    set_timers(tx, [Timer(f"{INDEX_TIMER}/{each}", INDEX_TIMER, each, instant) for each in customers])
    set_timers(tx, [Timer(f"{STATUS_TIMER}/{each}", STATUS_TIMER, each, instant) for each in said])
    if customers or said:
        due_scrub(tx)


def indexes_are_due(tx: Transaction, registry: Registry, customer_id: str, now: datetime) -> None:
    """Removes the indexes of an own erased customer's numbers, unless a record about one of them still needs it."""
    indexes = indexes_of_customer(tx, customer_id)
    if any(_is_needed(tx, registry, each) for each in indexes):
        _set_index_timer(tx, customer_id, now + _LOOK_AGAIN)
    elif forget_indexes(tx, customer_id):
        _forget_what_is_left(tx, registry, registry.context.region, indexes)
        due_scrub(tx)


def status_is_due(tx: Transaction, registry: Registry, timer: Timer, now: datetime) -> None:
    """Removes another region's report of an erased customer, unless a record about the number still needs it."""
    region, _, index = timer.subject.partition(" ")
    if _is_needed(tx, registry, index):
        _set_status_timer(tx, timer.subject, now + _LOOK_AGAIN)
    elif forget_erased(tx, index, region):
        if not any(kind.erasure.is_of_another(tx, index, region) for kind in registry.kinds):
            _forget_what_is_left(tx, registry, region, [index])
        due_scrub(tx)


def _is_needed(tx: Transaction, registry: Registry, index: str) -> bool:
    """Whether a record about the number with an index is destroyed later, by the index: at its end, or after a hold."""
    for kind in registry.kinds:
        if (table := kind.retention.table) is None:
            continue
        sql = f"SELECT {table.key} FROM {table.name} WHERE {table.index} = :index AND {table.index} <> ''"  # noqa: S608 - names of kinds
        for each in tx.all(str, sql, index=index):
            if kind.retention.is_open(tx, each) or is_looked_at(tx, kind.name, each):
                return True
    return False


def _forget_what_is_left(tx: Transaction, registry: Registry, region: str, indexes: Sequence[str]) -> None:
    for index in indexes:
        for kind in registry.kinds:
            kind.erasure.forget_index(tx, registry.context, region, index)


def _set_index_timer(tx: Transaction, customer_id: str, due: datetime) -> None:
    set_timer(tx, f"{INDEX_TIMER}/{customer_id}", kind=INDEX_TIMER, subject=customer_id, due=due)


def _set_status_timer(tx: Transaction, subject: str, due: datetime) -> None:
    set_timer(tx, f"{STATUS_TIMER}/{subject}", kind=STATUS_TIMER, subject=subject, due=due)
