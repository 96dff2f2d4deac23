"""Reading bills and the books between regions, one transaction each."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.billing_service_pb2 import Bill, BillLine, FormerBillQuestion, QueryBillRequest, Settlement
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.types_pb2 import LocalizedText, Money
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_timestamp
from gateway.values.money import in_major_units
from region_node.business.billing.bills import BillLineRow, find_bill, lines_of_bill
from region_node.business.billing.former import former_home
from region_node.business.billing.rating import Charge
from region_node.business.billing.rules import Month, month_bounds
from region_node.business.billing.usage import list_usage
from region_node.customers.accounts import ledger
from region_node.customers.accounts.ledger import LedgerEntry
from region_node.customers.accounts.remedies import tickets_of
from region_node.customers.accounts.rules import payable, receivable, settled
from region_node.customers.documents.register import proven_line, with_file
from region_node.customers.documents.rules import require_documents, require_materials
from region_node.customers.preconditions import line_situation, require_preconditions
from region_node.customers.rows import find_line
from region_node.customers.verification.rows import find_key
from region_node.customers.verification.rules import require_verified
from region_node.customers.verified import require_present
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import Questioner, require_requester

QRY_BILL = "QRY_BILL"


def read_bill(
    tx: Transaction, context: RegionContext, asked: QueryBillRequest, questioner: Questioner, now: datetime
) -> Bill:
    """The bill of one of this region's customers; the read is audited.

    Raises Refused, also as `require_present`, or Moved where the number belongs to another region.
    """
    business = context.federation.prepared(QRY_BILL)
    request = OrderRequest(
        business=QRY_BILL,
        number=asked.number,
        applicant=asked.applicant,
        documents=asked.documents,
        requester=asked.requester,
    )
    require_requester(asked.requester)
    # First, for an invented proof would tell of whom documents are on file.
    require_verified(find_key(tx), questioner.subject(asked.request_id), asked.number, asked.documents)
    require_present(context, questioner, asked.documents, now)
    request = with_file(tx, context, business, request, now)
    require_documents(business, request, now)
    require_materials(context.federation.material_codes, asked.documents)
    kept = context.federation.figure("bills-kept", (questioner.region, context.region))
    month = month_bounds(asked.month, now, context.time_zone, kept)
    line = proven_line(tx, context, asked.number, request.documents, now, asking=questioner.region)
    require_preconditions(business.preconditions, line_situation(tx, context, line, questioner.region, now))
    call = AuditedCall(questioner.path, asked.requester.staff_id, now, questioner.proof)
    call.record(tx, "QueryBill", line.customer_id, asked.month)
    bill, former = bill_of(tx, context, line.account_id, month, itemised=asked.itemised), former_home(tx, line, month)
    bill.former_region = "" if former is None else former.region
    bill.kept_bills = kept + 1
    bill.previous_month = "" if Month.at(now, context.time_zone) - month >= kept else month.before(1).name
    return bill


def former_question(
    tx: Transaction, context: RegionContext, asked: QueryBillRequest, now: datetime
) -> FormerBillQuestion | None:
    """The question to the former home about a bill that `read_bill` has just permitted; None without one."""
    kept = context.federation.figure("bills-kept", (context.region, context.region))
    line, month = find_line(tx, asked.number), month_bounds(asked.month, now, context.time_zone, kept)
    former = None if line is None else former_home(tx, line, month)
    if former is None:
        return None
    return FormerBillQuestion(
        move_id=former.move_id,
        line=former.place,
        month=month.name,
        itemised=asked.itemised,
        requester=asked.requester,
    )


def bill_of(tx: Transaction, context: RegionContext, account_id: str, month: Month, *, itemised: bool) -> Bill:
    """The bill of an account for a month, by the books of this region."""
    usage = list_usage(tx, context, account_id, month) if itemised else []
    row = find_bill(tx, account_id, month.name)
    evidence = [] if row is None else lines_of_bill(tx, account_id, month.name)
    entries = ledger.entries_between(tx, account_id, month.start, month.end)
    opening = ledger.balance_before(tx, account_id, month.start)
    bill = Bill(
        month=month.name,
        region=context.region,
        lines=_bill_lines(context, account_id, month, entries, evidence),
        opening_balance=_money(context, opening),
        closing_balance=_money(context, opening + sum(each.amount for each in entries)),
        usage=usage,
        billing_account_id=account_id,
        start_time=to_timestamp(month.start),
        end_time=to_timestamp(month.end),
    )
    if row is not None:
        bill.total.CopyFrom(_money(context, row.total))
        bill.abnormal = row.abnormal
        if row.payment_due is not None:
            bill.payment_due_time.CopyFrom(to_timestamp(row.payment_due))
    return bill


def _bill_lines(
    context: RegionContext, account: str, month: Month, entries: Sequence[LedgerEntry], evidence: Sequence[BillLineRow]
) -> list[BillLine]:
    """The entries of a month, with the bill's evidence for those booked before the bill."""
    tickets = tickets_of([(each.posting_id, each.kind) for each in entries])
    shown: dict[str, list[BillLineRow]] = {}
    for each in evidence:
        shown.setdefault(f"{account}/{month.name}#{each.charge.kind}", []).append(each)
    found = []
    for entry in entries:
        description = entry.kind.description
        for told in shown.get(entry.posting_id, ()):
            why = _evidence(context, told.charge)
            description.zh_cn += f"（{why.zh_cn}）" if why.zh_cn else ""
            description.en += f" ({why.en})" if why.en else ""
        time = to_timestamp(from_microseconds(entry.time))
        amount, ticket_id = _money(context, entry.amount), tickets.get(entry.posting_id, "")
        found.append(BillLine(time=time, description=description, amount=amount, ticket_id=ticket_id))
    return found


def _evidence(context: RegionContext, charge: Charge) -> LocalizedText:
    price = in_major_units(charge.rate, context.currency)
    return charge.kind.evidence(charge.quantity, charge.allowance, price)


def settlements(tx: Transaction, context: RegionContext, reading: AuditedCall) -> list[Settlement]:
    """The debts between this region and each other one, from this region's books; the read is audited."""
    reading.record(tx, "ListSettlements", "-")
    owed = {each.account: each.amount for each in ledger.balances_like(tx, payable(""))}
    due = {each.account: -each.amount for each in ledger.balances_like(tx, receivable(""))}
    signed = {each.account: each.amount for each in ledger.balances_like(tx, settled(""))}
    regions = {account.partition("/")[2] for account in [*owed, *due, *signed]}
    return [
        Settlement(
            region=region,
            payable=_money(context, owed.get(payable(region), 0)),
            receivable=_money(context, due.get(receivable(region), 0)),
            settled=_money(context, signed.get(settled(region), 0)),
        )
        for region in sorted(regions)
    ]


def _money(context: RegionContext, amount: int) -> Money:
    return Money(minor_units=amount, currency=context.currency)
