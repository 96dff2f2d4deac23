"""How a filing or a command leaves for the region that answers."""

from datetime import datetime

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand, ComplaintFiling
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.store.port import Transaction
from region_node.care.complaints.rows import ComplaintRow, facts
from region_node.customers.disclosures.recording import Sent, note_sent
from region_node.node.context import RegionContext
from region_node.tickets.sending import send_about


def send_to_region(
    tx: Transaction,
    context: RegionContext,
    row: ComplaintRow,
    envelope_id: str,
    message: ComplaintFiling | ComplaintCommand,
    now: datetime,
    *,
    region: str = "",
) -> None:
    """Sends a filing or a command to the owner region, or to `region`."""
    files, destination = isinstance(message, ComplaintFiling), region or row.complaint.owner_region
    send_about(
        tx,
        context,
        facts(row.complaint),
        EnvelopeKind.ENVELOPE_KIND_COMPLAINT_FILED if files else EnvelopeKind.ENVELOPE_KIND_COMPLAINT_COMMAND,
        message,
        now,
        envelope_id=envelope_id,
        region=destination,
        traceparent=row.traceparent,
    )
    if files:
        complaint, sent = row.complaint, DisclosureKind.DISCLOSURE_KIND_COMPLAINT_SENT
        note_sent(tx, complaint.request.number, Sent(sent, complaint.ticket_id, destination, complaint.operator), now)


def has_customers_command_under_way(tx: Transaction, ticket_id: str) -> bool:
    """Whether a customer's command, by a caller's request, is still unanswered."""
    sql = "SELECT 1 FROM outbox WHERE subject = :ticket_id AND closed IS NULL AND envelope_id LIKE :request"
    return tx.first(int, sql, ticket_id=ticket_id, request=f"{ticket_id}#%/%") is not None
