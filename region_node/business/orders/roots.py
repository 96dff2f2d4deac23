"""The roots of orders: the keys of orders about one number derive from one stored key for each home region.

A home region erases all orders about a number together, so most roots end at once. Where an order ends before the
others of its root, the others are sealed under keys of their own first, and then the root ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.api.region.v1.order_pb2 import Order
from gateway.relay.at_rest import seal_envelopes_apart
from gateway.relay.border import Border
from gateway.store import vault
from gateway.store.port import Transaction
from region_node.node.subjects import number_index, order_subject, orders_subject

_PLACE = "orders"


def root_of(tx: Transaction, border: Border, order: Order) -> str:
    """The root of a new order; empty for an order with a key of its own, as one without a number or a home region."""
    number, home = order.request.number, order.home_region
    return orders_subject(number_index(tx, number), home) if number and home and border.derives_keys() else ""


def seal_order_apart(tx: Transaction, order_id: str) -> None:
    """Seals an order and its envelopes under a key of its own, so that it outlives its root."""
    body = tx.first(bytes, "SELECT body FROM orders WHERE order_id = :id", id=order_id)
    if body is None or not vault.is_derived(body):
        return
    apart = vault.seal_apart(tx, order_subject(order_id), _PLACE, body)
    tx.execute("UPDATE orders SET body = :body WHERE order_id = :id", body=apart, id=order_id)
    seal_envelopes_apart(tx, order_id)


def end_root(tx: Transaction, index: str, home: str, *, but: str = "") -> str:
    """Frees the root of a number's orders for its end; returns its subject.

    All its orders get keys of their own, except the order `but`.
    """
    for order_id in _under_root(tx, index, home):
        if order_id != but:
            seal_order_apart(tx, order_id)
    return orders_subject(index, home)


def ended_with_root(tx: Transaction, root: str) -> list[str]:
    """The orders that ended with a root, given by its subject behind the first slash."""
    index, _, home = root.partition("/")
    return list(_under_root(tx, index, home))


@dataclass(frozen=True)
class _Sealed:
    order_id: str
    body: bytes = field(repr=False)


def _under_root(tx: Transaction, index: str, home: str) -> Iterator[str]:
    """Orders under a root. The envelopes of an order are under a root only while its body is."""
    about = "SELECT order_id, body FROM orders WHERE number = :number AND home_region = :home AND erased = 0"
    found = tx.all(_Sealed, f"{about} ORDER BY order_id", number=index, home=home)
    return (each.order_id for each in found if vault.is_derived(each.body))
