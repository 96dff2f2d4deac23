"""Orders of a customer who is erased: which they are, and that the regions that handled them erase them, too."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway import vault
from gateway.api.region.v1.order_envelopes_pb2 import OrderErasure
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer, Letter
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from region_node.context import RegionContext
from region_node.customers.rows import customer_numbered
from region_node.erasure.rows import mark_erased, note_erased_keys
from region_node.orders import rules
from region_node.orders.owner import order_tag
from region_node.orders.rows import find_order
from region_node.subjects import number_index, number_subject, order_subject

_LIFETIME = timedelta(days=3650)  # the word that something is erased does not expire


@dataclass(frozen=True)
class AboutCustomer:
    """An order about a customer's line."""

    order_id: str
    handling_region: str
    state: OrderState.ValueType
    waiting: int
    """How many envelopes about it are still on their way."""
    traceparent: str

    @property
    def is_open(self) -> bool:
        """Whether it is not final, or the other region does not know yet that it is."""
        return self.state not in rules.FINAL or self.waiting > 0


_ABOUT = (
    "SELECT order_id, handling_region, state,"
    " (SELECT COUNT(*) FROM outbox WHERE outbox.subject = orders.order_id AND closed IS NULL), traceparent"
    " FROM orders WHERE erased = 0 AND "
)
_WITHOUT_NUMBER = "SELECT order_id FROM orders WHERE erased = 0 AND number = ''"


def orders_about(tx: Transaction, numbers: Collection[str], product_ids: Collection[str]) -> list[AboutCustomer]:
    """The orders about lines: those that name their numbers, and those that have opened them."""
    found = [
        order
        for number in numbers
        for order in tx.all(
            AboutCustomer, f"{_ABOUT}number = :number ORDER BY order_id", number=number_index(tx, number)
        )
    ]
    opening = [order_id for order_id in tx.all(str, _WITHOUT_NUMBER) if f"line-{order_tag(order_id)}" in product_ids]
    return [
        *found,
        *(each for order_id in opening for each in tx.all(AboutCustomer, f"{_ABOUT}order_id = :id", id=order_id)),
    ]


def tell_handling_region(tx: Transaction, context: RegionContext, order: AboutCustomer, now: datetime) -> None:
    """Has the region that handled an order destroy what it keeps of it. Comes after the order's key is destroyed."""
    if order.handling_region == context.region:
        return
    letter = Letter(
        envelope_id=f"{order.order_id}#erase>{order.handling_region}",
        destination=order.handling_region,
        kind=EnvelopeKind.ENVELOPE_KIND_ERASURE,
        payload=OrderErasure().SerializeToString(),
        subject=order.order_id,
        operator="",
        lifetime=_LIFETIME,
        bulk=True,
    )
    send(tx, context.border, letter, now=now, traceparent=order.traceparent)


class ErasureEnvelopes:
    """The kind of envelope by which a home region has its customers' orders erased where they were handled."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """What it does here, and what its receipt does."""
        return {EnvelopeKind.ENVELOPE_KIND_ERASURE: Command(self._erase, self._erased)}

    def _erase(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The home region has erased the customer of an order that was handled here."""
        row = find_order(tx, content.subject)
        if row is None:  # it is gone already
            return Answer(Outcome.OUTCOME_ACCEPTED)
        order = row.order
        if order.home_region != content.origin or order.handling_region != self._context.region:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if not rules.is_final(order):
            raise Refused(Reason.REASON_ORDER_STATE_FORBIDS, state=rules.state_name(order.state), action="erase")
        subjects = [order_subject(order.id)]
        # A number that has moved here since belongs to a customer of this region.
        if order.request.number and customer_numbered(tx, order.request.number) is None:
            subjects.append(number_subject(tx, order.request.number))
        key_ids = vault.key_ids_of(tx, subjects)
        self._context.erased_keys.add(key_ids)
        vault.destroy(tx, subjects)
        note_erased_keys(tx, key_ids, now)
        mark_erased(tx, subjects)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _erased(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """The handling region has done it."""
