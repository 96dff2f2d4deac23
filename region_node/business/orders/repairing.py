"""The repair of orders on which two regions differ: the home region sends its version again, an amount is corrected."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_envelopes_pb2 import OrderUpdate
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.reconciliation_pb2 import RepairAct
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.store.port import Transaction
from region_node.business.orders import rules
from region_node.business.orders.books import rule_of
from region_node.business.orders.business import BusinessRule, load_rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.restoring import RESTORING, require_shared
from region_node.business.orders.rows import facts
from region_node.business.orders.settled import records_of_orders
from region_node.business.reconciliation.evidence import impossible
from region_node.business.reconciliation.port import Act, SettledKind
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import (
    CASH,
    REFUNDS_DUE,
    Entry,
    EntryKind,
    correction_of,
    is_of_the_books,
    payable,
    receivable,
)
from region_node.customers.rows import line_of
from region_node.node.context import RegionContext
from region_node.node.subjects import order_subject
from region_node.tickets.sending import send_about


def _is_erased(tx: Transaction, order_id: str) -> bool:
    return tx.first(int, "SELECT 1 FROM orders WHERE order_id = :id AND erased = 1", id=order_id) is not None


def _send_again(tx: Transaction, context: RegionContext, act: Act, now: datetime) -> None:
    """The home region sends its version again, in an envelope of its own: the inbox would drop a repeated one."""
    row = require_shared(tx, context, act)
    if row.order.home_region != context.region:
        raise impossible(context, act)
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
    """Posts an amount to what the origin owes the home region, and to those to whom the order gave or took the money.

    They are the customer at home, and payers or costs at the origin. Their balances follow the amount on which both
    regions agree. Bookkeeping clears the rest, which nothing of the order explains.
    """
    order = require_shared(tx, context, act).order
    if not act.amount or order.state != rules.COMPLETED:
        raise impossible(context, act)
    rule = rule_of(OrderContext(context, load_rules()), order)
    booked = ledger.entries_of(tx, f"{order.id}#")
    given = _balances(entry for kind, entry in booked if kind in _MONEY)
    if order.origin_region == context.region:
        debt, wanted = Entry(payable(act.there), act.amount), _own(rule, order)
    else:
        debt = Entry(receivable(act.there), -act.amount)
        owed = act.amount - sum(entry.amount for _, entry in booked if entry.account == debt.account)
        wanted = _of_customer(tx, rule, order, given, max(0, owed))
    posting = correction_of(f"{order.id}#{act.repair_id}", debt, given, wanted)
    ledger.post(tx, posting, context.currency, now)


def _own(rule: BusinessRule, order: Order) -> dict[str, int]:
    """The balances that a completed order leaves at its origin, but for the debt, and for cash, which people count."""
    postings = (*rule.taken_in(order), *rule.done_elsewhere(order))
    left = _balances(entry for posting in postings for entry in posting.entries)
    return {account: left[account] for account in left.keys() - {CASH, payable(order.home_region)}}


def _of_customer(
    tx: Transaction, rule: BusinessRule, order: Order, given: Mapping[str, int], agreed: int
) -> dict[str, int]:
    """The balances by which the customer has the agreed amount of an order, after what was `given` so far.

    Nothing is set off against a line that is closed, or has moved to another region: it is owed to the customer.
    """
    if not rule.credited(order):
        return {}
    line = line_of(tx, order.product_id)
    if line is None or line.status == ProductStatus.PRODUCT_STATUS_TERMINATED:
        on_account = sum(amount for account, amount in given.items() if not is_of_the_books(account))
        return {REFUNDS_DUE: agreed - on_account}
    if rule.is_paid_out(order):
        return {line.account_id: 0, REFUNDS_DUE: agreed}
    return {line.account_id: agreed - given.get(REFUNDS_DUE, 0)}


def _balances(entries: Iterable[Entry]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for each in entries:
        found[each.account] += each.amount
    return found


_MONEY = frozenset(
    {
        EntryKind.PAYMENT,
        EntryKind.PAYMENT_TAKEN,
        EntryKind.PAYMENT_OWED,
        EntryKind.REMEDY,
        EntryKind.REMEDY_OWED,
        EntryKind.REFUND,
        EntryKind.RECONCILED,
    }
)
"""The kinds of entries of an order by which money is given; its fee, and what a delay costs, are none of it."""
_REPAIRS = {RepairAct.REPAIR_ACT_SEND_AGAIN: _send_again, RepairAct.REPAIR_ACT_CORRECT: _correct}
_orders, _remedies = (partial(records_of_orders, is_remedy=each) for each in (False, True))
SETTLED_ORDERS = SettledKind("order", _orders, order_subject, _REPAIRS, RESTORING, _is_erased)
"""Completed orders, but those of money for complaints."""
SETTLED_REMEDIES = SettledKind("remedy", _remedies, order_subject, _REPAIRS, RESTORING, _is_erased)
"""Money for complaints, which the owner region of a complaint orders from the home region."""
