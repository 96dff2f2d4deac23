"""The sending of messages about support requests to the other region."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind
from gateway.api.region.v1.support_envelopes_pb2 import SupportCommand, SupportUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.store.port import Transaction
from region_node.customers.disclosures.recording import Sent, note_sent
from region_node.network.support.rows import SupportRow, facts
from region_node.node.context import RegionContext
from region_node.tickets.sending import followers, send_about


def send_command(
    tx: Transaction, context: RegionContext, row: SupportRow, envelope_id: str, asked: SupportCommand, now: datetime
) -> None:
    """Sends a support request, or the opening region's command on it, to the region at fault."""
    send_about(
        tx,
        context,
        facts(row.request),
        EnvelopeKind.ENVELOPE_KIND_SUPPORT_COMMAND,
        asked,
        now,
        envelope_id=envelope_id,
        region=row.request.owner_region,
        traceparent=row.traceparent,
    )
    if asked.HasField("open"):
        request, kind = row.request, DisclosureKind.DISCLOSURE_KIND_SUPPORT_SENT
        note_sent(tx, request.inquiry.number, Sent(kind, request.id, request.owner_region, request.operator), now)


def send_updates(
    tx: Transaction, context: RegionContext, row: SupportRow, now: datetime, *, informed: Sequence[str] = ()
) -> None:
    """Sends the current version of a support request to its followers, but `informed`."""
    request = row.request
    for region in followers(facts(request)):
        if region not in informed:
            send_about(
                tx,
                context,
                facts(request),
                EnvelopeKind.ENVELOPE_KIND_SUPPORT_UPDATE,
                SupportUpdate(request=request),
                now,
                envelope_id=f"{request.id}@{request.version}",
                region=region,
                traceparent=row.traceparent,
            )
