"""The sending of messages about support requests to the other region."""

from datetime import datetime

from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind
from gateway.api.region.v1.support_envelopes_pb2 import SupportCommand, SupportUpdate
from gateway.api.region.v1.support_request_pb2 import SupportRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.store.port import Transaction
from region_node.customers.disclosures.recording import Sent, note_sent
from region_node.network.support.rows import SUPPORT, SupportRow
from region_node.node.context import RegionContext
from region_node.tickets.sending import TicketMessages

SUPPORT_MESSAGES = TicketMessages(
    SUPPORT,
    EnvelopeKind.ENVELOPE_KIND_SUPPORT_COMMAND,
    EnvelopeKind.ENVELOPE_KIND_SUPPORT_UPDATE,
    lambda request: SupportUpdate(request=request),
)


def send_command(
    tx: Transaction, context: RegionContext, row: SupportRow, envelope_id: str, asked: SupportCommand, now: datetime
) -> None:
    """Sends a support request, or the opening region's command on it, to the region at fault."""
    SUPPORT_MESSAGES.send_command(tx, context, row, envelope_id, asked, now)
    if asked.HasField("open"):
        note_sent_request(tx, row.ticket, now)


def note_sent_request(tx: Transaction, request: SupportRequest, now: datetime) -> None:
    """Notes for the customer that a support request left this region."""
    kind = DisclosureKind.DISCLOSURE_KIND_SUPPORT_SENT
    note_sent(tx, request.inquiry.number, Sent(kind, request.id, request.owner_region, request.operator), now)
