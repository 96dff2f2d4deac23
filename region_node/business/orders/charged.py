"""The charges of orders between the origin and the home region: money that the origin owes, and fees for handling.

The home region fixes the fee of an order in the version that completes it. Both regions have that version, so no later
tariff changes what was owed for it, or is given back.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused, lasting
from gateway.federation.catalogue import Federation
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from region_node.business.orders import rules
from region_node.business.orders.settled import REMEDY, records_of_orders
from region_node.business.reconciliation.port import Wanted
from region_node.business.reconciliation.rules import SETTLED
from region_node.business.settlement.port import ChargedKind
from region_node.business.settlement.rules import Charge
from region_node.customers.accounts.rules import HANDLING_FEES
from region_node.node.context import RegionContext

_TARIFF = "settlement-handling-fee"


def fix_handling_fee(context: RegionContext, order: Order) -> None:
    """Notes the fee of a completed order of another region: that of its business, else that of the policy.

    An order of a federation without the tariff has none.
    """
    if order.origin_region == context.region or order.request.business == REMEDY:
        return
    fee = _fee_of(context.federation, order)
    if fee is not None:
        order.handling_fee.CopyFrom(fee)


def keep_handling_fee(known: Order, order: Order) -> None:
    """A later version of a completed order has the fee of the version that completed it."""
    if known.state != rules.COMPLETED:
        return
    order.ClearField("handling_fee")
    if known.HasField("handling_fee"):
        order.handling_fee.CopyFrom(known.handling_fee)


def _fee_of(federation: Federation, order: Order) -> Money | None:
    """The fee of an order's business; None without a tariff. Raises Refused only for now."""
    try:
        business = federation.business(order.request.business)
        if business.HasField("handling_fee"):
            return business.handling_fee
    except Refused as refused:
        lasting(refused)  # it has left the catalogue since
    try:
        fee = federation.figure(_TARIFF, ())
    except Refused as refused:
        lasting(refused)
        return None
    first = min(order.origin_region, order.home_region)
    return Money(minor_units=fee, currency=federation.region(first).currency)


def _owed(tx: Transaction, wanted: Wanted, *, is_remedy: bool) -> Iterator[Charge]:
    """The money of completed orders, with those of customers who were erased since: it stays owed."""
    for each in records_of_orders(tx, wanted, is_remedy=is_remedy, with_erased=True):
        if each.standing == SETTLED and each.postings:
            yield Charge(each.serial, _origin(each.serial), each.amount, each.currency)


def _handled(tx: Transaction, wanted: Wanted) -> Iterator[Charge]:
    """The fees of completed orders, with those of customers who were erased since."""
    fees = tx.all(
        _Fee,
        "SELECT order_id, handling_fee FROM orders WHERE create_time >= :start AND create_time < :end"
        " AND state = :completed AND handling_fee IS NOT NULL"
        " AND ((origin_region = :here AND home_region = :there) OR (origin_region = :there AND home_region = :here))",
        here=wanted.here,
        there=wanted.there,
        start=to_microseconds(wanted.start),
        end=to_microseconds(wanted.end),
        completed=rules.COMPLETED,
    )
    for each in fees:
        home = wanted.there if _origin(each.order_id) == wanted.here else wanted.here
        yield Charge(each.order_id, home, each.handling_fee, "")


class _Fee(NamedTuple):
    """A completed order and its fee in minor units."""

    order_id: str
    handling_fee: int


def _origin(order_id: str) -> str:
    """The region with which the id of an order begins."""
    return order_id.partition("/")[0]


CHARGED_PAYMENTS = ChargedKind("payment", partial(_owed, is_remedy=False))
"""Payments that the origin took for the home region."""
CHARGED_REMEDIES = ChargedKind("remedy", partial(_owed, is_remedy=True))
"""Money for complaints that the home region credited for the origin."""
CHARGED_HANDLING = ChargedKind("handling", _handled, HANDLING_FEES)
"""Orders that the origin handled for the home region."""
