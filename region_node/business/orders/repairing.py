"""The repair of orders on which two regions differ: the home region sends its version again, an amount is corrected."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial

from gateway.api.region.v1.order_envelopes_pb2 import OrderUpdate
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.reconciliation_pb2 import RepairAct
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.store.port import Transaction
from gateway.values.money import in_major_units
from region_node.business.billing.wording import account_corrected
from region_node.business.orders import rules
from region_node.business.orders.books import rule_of
from region_node.business.orders.business import BusinessRule, line_after_credit, load_rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.records import StoredRecords
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
    Posting,
    balance_of,
    correction_of,
    is_of_the_books,
    payable,
    receivable,
)
from region_node.customers.notices.rows import tell
from region_node.customers.operations import keep_line
from region_node.customers.rows import line_of
from region_node.customers.status import MOVING, status_of
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

    They are the customer at home, who is told of it, and payers or costs at the origin. Their balances follow the
    amount on which both regions agree. Bookkeeping clears the rest, which nothing of the order explains.
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
    if order.home_region == context.region:
        _follow(tx, context, order, posting, now)
    ledger.post(tx, posting, context.currency, now)


def _follow(tx: Transaction, context: RegionContext, order: Order, posting: Posting, now: datetime) -> None:
    """Tells the customer of a correction of the account that is about to be posted.

    A credit puts a line that was barred for arrears in service again, as a payment does. The line of a customer on the
    way to another region is for the new home.
    """
    line = line_of(tx, order.product_id)
    change = 0 if line is None else balance_of(line.account_id, (posting,))
    if line is None or not change:
        return
    amount = in_major_units(abs(change), context.currency)
    tell(tx, account_corrected(posting.posting_id, line.number, amount, is_credit=change > 0), now)
    if change < 0 or status_of(tx, line.customer_id) == MOVING:
        return
    records = StoredRecords(tx, context.federation, context.time_zone)
    after, notices = line_after_credit(posting.posting_id, line, records, change, now)
    if after != line:
        keep_line(tx, after, now)
    for notice in notices:
        tell(tx, notice, now)


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
    if line is None or line.is_closed:
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
