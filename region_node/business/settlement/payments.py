"""The payment of a signed month: recorded in each region by its own staff, where money leaves by two of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.settlement_pb2 import SettlementPayment, SettlementState, SettlementStatement
from gateway.api.region.v1.settlement_service_pb2 import RecordSettlementPaymentRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.security.peers import Certificates, pem_of
from gateway.store.port import Transaction
from gateway.store.tables import Table, prints_without
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp
from gateway.values.requesters import is_same_person
from region_node.approvals.proposals import counts
from region_node.approvals.rules import time_to_decide
from region_node.business.settlement.booking import book_once
from region_node.business.settlement.port import Settlement
from region_node.business.settlement.rows import find_statement, statements_with, stop_waiting_for_payment
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import CASH, Entry, EntryKind, Posting, settled
from region_node.requests.caller import Caller


@prints_without("proposer_certificates")
class _PaymentRow(NamedTuple):
    """The columns of a payment.

    The certificates are in PEM, as those of an approval; None where an identity provider has vouched for the proposer.
    """

    region: str
    month: str
    reference: str
    proposer: str
    propose_time: int
    recorder: str
    record_time: int | None
    proposer_certificates: bytes | None


_PAYMENTS = Table("settlement_payments", _PaymentRow, key=("region", "month"))


def record_payment(
    tx: Transaction,
    settlement: Settlement,
    caller: Caller,
    certificates: Certificates,
    asked: RecordSettlementPaymentRequest,
    now: datetime,
) -> SettlementPayment:
    """Records what this region has received for a signed month, or has paid once a second member of staff confirms it.

    The proposer may propose a payment anew with another reference. A proposal counts as long as one of an approval, and
    ends with the certificates of its proposer: then anybody proposes anew. Those of the caller are as
    `Call.staff_certificates`. Raises Refused with SETTLEMENT_NOT_FOUND,
    SETTLEMENT_NOTHING_OWED, SETTLEMENT_PAID, SETTLEMENT_PAYER_IS_PROPOSER, SETTLEMENT_PAYMENT_DIFFERS.
    """
    region, month, staff_id = asked.region, asked.month, caller.identity.name
    statement = find_statement(tx, region, month)
    if statement is None or statement.state != SettlementState.SETTLEMENT_STATE_SIGNED:
        raise Refused(Reason.REASON_SETTLEMENT_NOT_FOUND, region=region, month=month)
    owed = _owed(settlement, statement)
    if not owed:
        raise Refused(Reason.REASON_SETTLEMENT_NOTHING_OWED, region=region, month=month)
    known, moment = tx.find(_PAYMENTS, region, month), to_microseconds(now)
    if known is not None and known.record_time is not None:
        raise Refused(Reason.REASON_SETTLEMENT_PAID, month=month, reference=known.reference)
    if known is not None and not _counts(settlement, known, now):
        known = None
    row = _PaymentRow(region, month, asked.reference, staff_id, moment, "", None, pem_of(certificates) or None)
    if not any(each.minor_units > 0 for each in owed):
        row = row._replace(recorder=staff_id, record_time=moment)
    elif known is not None and not is_same_person(known.proposer, staff_id):
        if known.reference != asked.reference:
            raise Refused(Reason.REASON_SETTLEMENT_PAYMENT_DIFFERS, month=month, reference=known.reference)
        row = known._replace(recorder=staff_id, record_time=moment)
    elif known is not None and known.reference == asked.reference:
        raise Refused(Reason.REASON_SETTLEMENT_PAYER_IS_PROPOSER, month=month)
    tx.keep(_PAYMENTS, row)
    if row.record_time is not None:
        stop_waiting_for_payment(tx, region, month)
        book_once(tx, settlement, region, statement, now)
        for each in owed:
            entries = (Entry(settled(region), -each.minor_units), Entry(CASH, each.minor_units))
            ledger.post(
                tx, Posting(f"{statement.id}/paid#{each.currency}", EntryKind.SETTLED, entries), each.currency, now
            )
    return _told(statement, row, owed)


def _counts(settlement: Settlement, proposal: _PaymentRow, now: datetime) -> bool:
    """Whether a proposal may be confirmed."""
    certificates = proposal.proposer_certificates
    expires = from_microseconds(proposal.propose_time) + time_to_decide(certificates)
    return counts(expires, certificates, settlement.node, now)


def find_payment(tx: Transaction, settlement: Settlement, region: str, month: str) -> SettlementPayment | None:
    """The payment of a month with another region, proposed or recorded; None without one."""
    row, statement = tx.find(_PAYMENTS, region, month), find_statement(tx, region, month)
    return None if row is None or statement is None else _told(statement, row, _owed(settlement, statement))


def payments_of(
    tx: Transaction, settlement: Settlement, statements: Sequence[SettlementStatement]
) -> list[SettlementPayment]:
    """The payments of statements, proposed or recorded, in the order of the statements."""
    found = []
    for each in statements:
        regions = {each.terms.first_region, each.terms.second_region} - {settlement.node.region}
        row = tx.find(_PAYMENTS, regions.pop(), each.terms.month)
        if row is not None:
            found.append(_told(each, row, _owed(settlement, each)))
    return found


def unpaid_months(tx: Transaction, settlement: Settlement, region: str) -> list[str]:
    """The signed months with another region of which something is owed and no payment is recorded, in order."""
    recorded = tx.all(
        str,
        "SELECT month FROM settlement_payments WHERE region = :region AND record_time IS NOT NULL",
        region=region,
    )
    signed = SettlementState.SETTLEMENT_STATE_SIGNED
    unpaid = [each for each in statements_with(tx, region, "") if each.state == signed and _owed(settlement, each)]
    return [each.terms.month for each in unpaid if each.terms.month not in recorded]


def _owed(settlement: Settlement, statement: SettlementStatement) -> Sequence[Money]:
    """What this region owes the other one, by currency; negative for the opposite."""
    sign = 1 if statement.terms.first_region == settlement.node.region else -1
    return [
        Money(minor_units=sign * each.minor_units, currency=each.currency)
        for each in statement.terms.net
        if each.minor_units
    ]


def _told(statement: SettlementStatement, row: _PaymentRow, owed: Sequence[Money]) -> SettlementPayment:
    recorded = None if row.record_time is None else to_timestamp(from_microseconds(row.record_time))
    return SettlementPayment(
        id=statement.id,
        region=row.region,
        month=row.month,
        reference=row.reference,
        amounts=owed,
        proposer=row.proposer,
        propose_time=to_timestamp(from_microseconds(row.propose_time)),
        recorder=row.recorder,
        record_time=recorded,
    )
