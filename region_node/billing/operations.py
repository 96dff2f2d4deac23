"""Reading bills and the books between regions, one transaction each."""

from datetime import datetime

from gateway.api.region.v1.billing_service_pb2 import Bill, BillLine, QueryBillRequest, Settlement
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.types.v1.types_pb2 import Money
from gateway.clock import from_microseconds, to_timestamp
from gateway.store.port import Transaction
from region_node.auditing import AuditedCall
from region_node.billing import ledger
from region_node.billing.rules import describe, month_bounds, payable, receivable
from region_node.context import RegionContext
from region_node.customers.operations import own_line
from region_node.orders import rules
from region_node.orders.preconditions import require_preconditions
from region_node.requests import Questioner, require_requester
from region_node.verification.rows import find_key
from region_node.verification.rules import require_verified

QRY_BILL = "QRY_BILL"


def read_bill(
    tx: Transaction, context: RegionContext, asked: QueryBillRequest, questioner: Questioner, now: datetime
) -> Bill:
    """The bill of one of this region's customers; the reading is audited.

    Raises Refused, or Moved where the number belongs to another region.
    """
    business = context.federation.business(QRY_BILL)
    request = OrderRequest(business=QRY_BILL, number=asked.number, applicant=asked.applicant, documents=asked.documents)
    require_requester(asked.requester)
    rules.require_documents(business, request, now)
    rules.require_materials(context.federation.material_codes, asked.documents)
    require_verified(find_key(tx), questioner.subject(asked.request_id), asked.number, asked.documents)
    start, end = month_bounds(asked.month, now, context.time_zone)
    line = own_line(tx, context.federation, context.region, asked.number)
    require_preconditions(context.situation(tx, Order(request=request), {}, line, now))
    AuditedCall(questioner.path, asked.requester.staff_id, now).record(tx, "QueryBill", line.customer_id, asked.month)
    return Bill(
        month=asked.month,
        region=context.region,
        lines=[
            BillLine(
                time=to_timestamp(from_microseconds(entry.time)),
                description=describe(entry.kind),
                amount=_money(context, entry.amount),
            )
            for entry in ledger.entries_between(tx, line.account_id, start, end)
        ],
        opening_balance=_money(context, ledger.balance_before(tx, line.account_id, start)),
        closing_balance=_money(context, ledger.balance_before(tx, line.account_id, end)),
    )


def settlements(tx: Transaction, context: RegionContext, reading: AuditedCall) -> list[Settlement]:
    """What this region and each other one owe, from this region's books; the reading is audited."""
    reading.record(tx, "ListSettlements", "-")
    owed = {each.account: each.amount for each in ledger.balances_like(tx, payable(""))}
    due = {each.account: -each.amount for each in ledger.balances_like(tx, receivable(""))}
    regions = {account.partition("/")[2] for account in [*owed, *due]}
    return [
        Settlement(
            region=region,
            payable=_money(context, owed.get(payable(region), 0)),
            receivable=_money(context, due.get(receivable(region), 0)),
        )
        for region in sorted(regions)
    ]


def _money(context: RegionContext, amount: int) -> Money:
    return Money(minor_units=amount, currency=context.currency)
