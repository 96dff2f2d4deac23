"""Purges orders that are final, and the beginning of the feed of their changes."""

from dataclasses import dataclass, field

from gateway.store.port import Transaction
from gateway.store.vault import destroy
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.business.orders.rows import find_order
from region_node.business.orders.rules import FINAL
from region_node.node.subjects import order_subject
from region_node.records.purging.aged import aged
from region_node.records.purging.port import Cut, Page

_FINAL = ", ".join(str(state) for state in sorted(FINAL))


class Orders:
    """Orders that are final, once nothing about them is on its way, and with them the key that opens them."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the date and the id of the last order that was looked at."""
        select, where = "SELECT order_id, create_time, number FROM orders", f"state IN ({_FINAL})"
        found = aged(tx, _Dated, select, cut, place, time="create_time", key="order_id", where=where)
        held = [each for each in found.rows if each.number in cut.held.numbers]
        gone = [each.order_id for each in found.rows if each not in held and _has_ended(tx, each, cut.before)]
        tx.execute_many("DELETE FROM orders WHERE order_id = :order_id", [{"order_id": each} for each in gone])
        destroy(tx, [order_subject(order_id) for order_id in gone])
        return Page(len(gone), len(held), found.behind)

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT create_time FROM orders ORDER BY create_time LIMIT 1")


class OrderEvents:
    """Purges the beginning of the change feed, which names no customer, and holds nothing that its orders lack.

    The last event stays, because the next one is numbered after it.
    """

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. There is no place, since removed rows are gone."""
        found = tx.all(
            _Event,
            "SELECT sequence, time FROM order_events WHERE sequence < (SELECT MAX(sequence) FROM order_events)"
            " ORDER BY sequence LIMIT :limit",
            limit=cut.limit,
        )
        old = 0
        for event in found:
            if event.time >= cut.before:
                break
            old += 1
        if old:
            tx.execute("DELETE FROM order_events WHERE sequence <= :sequence", sequence=found[old - 1].sequence)
        return Page(old, 0, "on" if old == cut.limit else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT time FROM order_events ORDER BY sequence LIMIT 1")


@dataclass(frozen=True)
class _Dated:
    order_id: str
    create_time: int
    number: str = field(repr=False)


@dataclass(frozen=True)
class _Event:
    sequence: int
    time: int


def _has_ended(tx: Transaction, dated: _Dated, before: int) -> bool:
    """Whether an order ended before an instant, and nothing but its request is kept about it."""
    if tx.first(
        int,
        "SELECT 1 FROM outbox WHERE subject = :id UNION ALL SELECT 1 FROM inbox WHERE subject = :id"
        " UNION ALL SELECT 1 FROM fulfilment_tasks WHERE order_id = :id LIMIT 1",
        id=dated.order_id,
    ):
        return False
    row = find_order(tx, dated.order_id)
    # An erased customer's order has only its date, which is old enough.
    changes = row.order.state_changes if row is not None else ()
    return not changes or to_microseconds(from_timestamp(changes[-1].time)) < before
