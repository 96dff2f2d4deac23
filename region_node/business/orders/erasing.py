"""The orders of a customer under erasure."""

from dataclasses import dataclass
from functools import partial

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.store.port import Transaction
from region_node.business.orders import rules
from region_node.business.orders.business import order_tag
from region_node.node.subjects import number_index
from region_node.records.kinds import Customer


@dataclass(frozen=True)
class AboutCustomer:
    """An order about a customer's line."""

    order_id: str
    origin_region: str
    state: OrderState.ValueType
    waiting: int
    """How many envelopes about it are still on their way."""
    traceparent: str
    home_region: str

    @property
    def is_open(self) -> bool:
        """Whether the order is not final, or the other region does not know yet that it is."""
        return self.state not in rules.FINAL or self.waiting > 0


_ABOUT = (
    "SELECT order_id, origin_region, state,"
    " (SELECT COUNT(*) FROM outbox WHERE outbox.subject = orders.order_id AND closed IS NULL), traceparent, home_region"
    " FROM orders WHERE erased = 0 AND "
)
_WITHOUT_NUMBER = "SELECT order_id FROM orders WHERE erased = 0 AND number = ''"


def orders_about(tx: Transaction, customer: Customer) -> list[AboutCustomer]:
    """The orders about a customer's lines: by their numbers, and by the lines that they opened."""
    found = customer.records(partial(_about, tx), lambda each: each.home_region)
    opening = [each for each in tx.all(str, _WITHOUT_NUMBER) if f"line-{order_tag(each)}" in customer.lines]
    return [
        *found,
        *(each for order_id in opening for each in tx.all(AboutCustomer, f"{_ABOUT}order_id = :id", id=order_id)),
    ]


def _about(tx: Transaction, number: str) -> list[AboutCustomer]:
    return tx.all(AboutCustomer, f"{_ABOUT}number = :number ORDER BY order_id", number=number_index(tx, number))
