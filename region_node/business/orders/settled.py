"""Orders of two regions for their reconciliation, with the money that the origin owes the home region for them."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from gateway.api.region.v1.order_envelopes_pb2 import OrderUpdate
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.reconciliation_pb2 import RepairAct
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from region_node.business.orders import rules
from region_node.business.orders.rows import OrderRow, facts, find_order
from region_node.business.reconciliation.port import Act, SettledKind, Wanted
from region_node.business.reconciliation.rules import ENDED, OPEN, SETTLED, Record
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import (
    RECONCILIATION,
    EntryKind,
    payable,
    receivable,
    transfer,
)
from region_node.node.context import RegionContext
from region_node.node.subjects import order_subject
from region_node.tickets.sending import send_about

REMEDY = "COMPLAINT_REMEDY"
# '$' is the character behind '#': the postings of an order, and no other. They are found by their ids, and not by the
# account, which has the entries of years.
_ENTRIES = """
    SELECT o.order_id, o.state, CASE WHEN e.account = :payable THEN e.amount ELSE -e.amount END, e.currency
    FROM orders AS o LEFT JOIN ledger_entries AS e ON e.posting_id >= o.order_id || '#'
        AND e.posting_id < o.order_id || '$' AND e.account || '' IN (:payable, :receivable)
    WHERE o.create_time >= :start AND o.create_time < :end AND o.erased <= :with_erased
        AND ((o.origin_region = :here AND o.home_region = :there)
            OR (o.origin_region = :there AND o.home_region = :here))
        AND (CASE WHEN o.business = :remedy THEN 1 ELSE 0 END) = :is_remedy"""


class _Entry(NamedTuple):
    """An order with one of its entries; without one the amount is None."""

    order_id: str
    state: int
    amount: int | None
    currency: str | None


def records_of_orders(
    tx: Transaction, wanted: Wanted, *, is_remedy: bool, with_erased: bool = False
) -> Sequence[Record]:
    """The orders of two regions, or those of money for complaints, with what the origin owes the home region."""
    entries = tx.all(
        _Entry,
        _ENTRIES,
        here=wanted.here,
        there=wanted.there,
        start=to_microseconds(wanted.start),
        end=to_microseconds(wanted.end),
        payable=payable(wanted.there),
        receivable=receivable(wanted.there),
        remedy=REMEDY,
        is_remedy=int(is_remedy),
        with_erased=int(with_erased),
    )
    found: dict[str, Record] = {}
    for each in entries:
        record = found.get(each.order_id) or _unbooked(each)
        if each.amount is not None:
            amount, postings = record.amount + each.amount, record.postings + 1
            record = record._replace(amount=amount, currency=each.currency or "", postings=postings)
        found[each.order_id] = record
    return list(found.values())


def _unbooked(entry: _Entry) -> Record:
    state = OrderState.ValueType(entry.state)
    standing = SETTLED if state == rules.COMPLETED else ENDED if state in rules.FINAL else OPEN
    return Record(entry.order_id, standing, rules.state_name(state))


def _is_erased(tx: Transaction, order_id: str) -> bool:
    return tx.first(int, "SELECT 1 FROM orders WHERE order_id = :id AND erased = 1", id=order_id) is not None


def _send_again(tx: Transaction, context: RegionContext, act: Act, now: datetime) -> None:
    """The home region sends its version again, in an envelope of its own: the inbox would drop a repeated one."""
    row = _require_shared(tx, context, act)
    if row.order.home_region != context.region:
        raise _impossible(context, act)
    send_about(
        tx,
        context,
        facts(row.order),
        EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE,
        OrderUpdate(order=row.order),
        now,
        envelope_id=f"{act.serial}@{row.order.version}#{act.repair_id}",
        region=act.there,
        traceparent=row.traceparent,
    )


def _correct(tx: Transaction, context: RegionContext, act: Act, now: datetime) -> None:
    """Posts an amount to what the origin owes the home region, against an account that bookkeeping clears."""
    order = _require_shared(tx, context, act).order
    if not act.amount or order.state != rules.COMPLETED:
        raise _impossible(context, act)
    is_owed_here = order.origin_region == context.region
    account, credit = (payable(act.there), act.amount) if is_owed_here else (receivable(act.there), -act.amount)
    debit, credited = (RECONCILIATION, account) if credit > 0 else (account, RECONCILIATION)
    posting_id = f"{order.id}#{act.repair_id}"
    posting = transfer(posting_id, EntryKind.RECONCILED, abs(credit), debit=debit, credit=credited)
    ledger.post(tx, posting, context.currency, now)


def _require_shared(tx: Transaction, context: RegionContext, act: Act) -> OrderRow:
    """The order, which this region and the other one have. Raises Refused with REPAIR_IMPOSSIBLE."""
    row = find_order(tx, act.serial)
    if row is None or _regions(row.order) != {context.region, act.there}:
        raise _impossible(context, act)
    return row


def _regions(order: Order) -> set[str]:
    return {order.origin_region, order.home_region}


def _impossible(context: RegionContext, act: Act) -> Refused:
    return Refused(Reason.REASON_REPAIR_IMPOSSIBLE, region=context.region, serial=act.serial)


_REPAIRS = {RepairAct.REPAIR_ACT_SEND_AGAIN: _send_again, RepairAct.REPAIR_ACT_CORRECT: _correct}
_orders, _remedies = (partial(records_of_orders, is_remedy=each) for each in (False, True))
SETTLED_ORDERS = SettledKind("order", _orders, order_subject, _REPAIRS, _is_erased)
"""Completed orders, but those of money for complaints."""
SETTLED_REMEDIES = SettledKind("remedy", _remedies, order_subject, _REPAIRS, _is_erased)
"""Money for complaints, which the owner region of a complaint orders from the home region."""
