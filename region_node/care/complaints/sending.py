"""How a filing or a command leaves for the region that answers."""

from datetime import datetime, timedelta

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand, ComplaintFiling
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, DisclosureParticulars
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.relay.envelopes import Letter
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from region_node.care.complaints.rows import ComplaintRow
from region_node.customers.sharing.disclosures import note_sent
from region_node.customers.sharing.rows import DisclosureRow
from region_node.node.context import RegionContext

_LIFETIME = timedelta(days=3650)  # a complaint is answered however long the responsible region was away


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
    """Sends a filing or a command to the responsible region, or to the one that is named."""
    files, complaint = isinstance(message, ComplaintFiling), row.complaint
    destination = region or complaint.owner_region
    letter = Letter(
        envelope_id=f"{envelope_id}>{destination}",
        destination=destination,
        kind=EnvelopeKind.ENVELOPE_KIND_COMPLAINT_FILED if files else EnvelopeKind.ENVELOPE_KIND_COMPLAINT_COMMAND,
        payload=message.SerializeToString(),
        subject=complaint.docket,
        operator=complaint.operator,
        lifetime=_LIFETIME,
    )
    send(tx, context.border, letter, now=now, traceparent=row.traceparent)
    if files:
        _note_for_customer(tx, complaint, destination, now)


def _note_for_customer(tx: Transaction, complaint: Complaint, region: str, now: datetime) -> None:
    """Has a customer of this region see that another one was told of their complaint."""
    row = DisclosureRow(
        kind=DisclosureKind.DISCLOSURE_KIND_COMPLAINT_SENT,
        time=now,
        region=region,
        operator=complaint.operator,
        purpose="",
        particulars=DisclosureParticulars(record=complaint.docket),
    )
    note_sent(tx, complaint.request.number, row)


def has_customers_command_under_way(tx: Transaction, docket: str) -> bool:
    """Whether something that the customer says, by a request of somebody, has not been answered yet."""
    sql = "SELECT 1 FROM outbox WHERE subject = :docket AND closed IS NULL AND envelope_id LIKE :request"
    return tx.first(int, sql, docket=docket, request=f"{docket}#%/%") is not None
