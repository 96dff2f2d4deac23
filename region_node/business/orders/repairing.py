"""The repair of orders on which two regions differ: the home region sends its version again, an amount is corrected."""

from datetime import datetime
from functools import partial

from gateway.api.region.v1.order_envelopes_pb2 import OrderUpdate
from gateway.api.region.v1.reconciliation_pb2 import RepairAct
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.store.port import Transaction
from region_node.business.orders import rules
from region_node.business.orders.restoring import RESTORING, require_shared
from region_node.business.orders.rows import facts
from region_node.business.orders.settled import records_of_orders
from region_node.business.reconciliation.evidence import impossible
from region_node.business.reconciliation.port import Act, SettledKind
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import RECONCILIATION, EntryKind, payable, receivable, transfer
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
    """Posts an amount to what the origin owes the home region, against an account that bookkeeping clears."""
    order = require_shared(tx, context, act).order
    if not act.amount or order.state != rules.COMPLETED:
        raise impossible(context, act)
    is_owed_here = order.origin_region == context.region
    account, credit = (payable(act.there), act.amount) if is_owed_here else (receivable(act.there), -act.amount)
    debit, credited = (RECONCILIATION, account) if credit > 0 else (account, RECONCILIATION)
    posting_id = f"{order.id}#{act.repair_id}"
    posting = transfer(posting_id, EntryKind.RECONCILED, abs(credit), debit=debit, credit=credited)
    ledger.post(tx, posting, context.currency, now)


_REPAIRS = {RepairAct.REPAIR_ACT_SEND_AGAIN: _send_again, RepairAct.REPAIR_ACT_CORRECT: _correct}
_orders, _remedies = (partial(records_of_orders, is_remedy=each) for each in (False, True))
SETTLED_ORDERS = SettledKind("order", _orders, order_subject, _REPAIRS, RESTORING, _is_erased)
"""Completed orders, but those of money for complaints."""
SETTLED_REMEDIES = SettledKind("remedy", _remedies, order_subject, _REPAIRS, RESTORING, _is_erased)
"""Money for complaints, which the owner region of a complaint orders from the home region."""
