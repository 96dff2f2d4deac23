"""The sending of messages about loans to the other region."""

from datetime import datetime

from gateway.api.region.v1.loan_envelopes_pb2 import LoanCommand, LoanUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.store.port import Transaction
from region_node.care.loans.rows import LoanRow, facts
from region_node.node.context import RegionContext
from region_node.tickets.sending import followers, send_about


def send_command(
    tx: Transaction, context: RegionContext, row: LoanRow, envelope_id: str, asked: LoanCommand, now: datetime
) -> None:
    """Sends a request for a loan, or a command of the borrower, to the lender."""
    send_about(
        tx,
        context,
        facts(row.loan),
        EnvelopeKind.ENVELOPE_KIND_LOAN_COMMAND,
        asked,
        now,
        envelope_id=envelope_id,
        region=row.loan.owner_region,
        traceparent=row.traceparent,
    )


def send_update(tx: Transaction, context: RegionContext, row: LoanRow, now: datetime) -> None:
    """Sends the lender's version of a loan to the borrower, where that is another region."""
    loan = row.loan
    for region in followers(facts(loan)):
        send_about(
            tx,
            context,
            facts(loan),
            EnvelopeKind.ENVELOPE_KIND_LOAN_UPDATE,
            LoanUpdate(loan=loan),
            now,
            envelope_id=f"{loan.id}@{loan.version}",
            region=region,
            traceparent=row.traceparent,
        )
