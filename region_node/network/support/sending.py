"""How what is said of a support request leaves for the other region."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, DisclosureParticulars
from gateway.api.region.v1.support_envelopes_pb2 import SupportCommand, SupportUpdate
from gateway.api.region.v1.support_request_pb2 import SupportRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.relay.envelopes import Letter
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from region_node.customers.sharing.disclosures import note_sent
from region_node.customers.sharing.rows import DisclosureRow
from region_node.network.support.rows import SupportRow
from region_node.node.context import RegionContext

_LIFETIME = timedelta(days=3650)  # it waits however long the region at fault was away


def send_command(
    tx: Transaction, context: RegionContext, row: SupportRow, envelope_id: str, asked: SupportCommand, now: datetime
) -> None:
    """Sends a support request, or what the opening region says of it, to the region at fault."""
    region, kind = row.request.owner_region, EnvelopeKind.ENVELOPE_KIND_SUPPORT_COMMAND
    _send(tx, context, row, f"{envelope_id}>{region}", region, kind, asked, now)
    if asked.HasField("open"):
        _note_for_customer(tx, row.request, now)


def send_updates(
    tx: Transaction, context: RegionContext, row: SupportRow, now: datetime, *, informed: Sequence[str] = ()
) -> None:
    """Tells the regions that follow a support request how it stands, but those `informed`."""
    request = row.request
    kind = EnvelopeKind.ENVELOPE_KIND_SUPPORT_UPDATE
    for region in sorted({request.opening_region, request.home_region} - {"", request.owner_region, *informed}):
        envelope_id = f"{request.id}@{request.version}>{region}"
        _send(tx, context, row, envelope_id, region, kind, SupportUpdate(request=request), now)


def _send(
    tx: Transaction,
    context: RegionContext,
    row: SupportRow,
    envelope_id: str,
    region: str,
    kind: EnvelopeKind.ValueType,
    message: SupportCommand | SupportUpdate,
    now: datetime,
) -> None:
    letter = Letter(
        envelope_id=envelope_id,
        destination=region,
        kind=kind,
        payload=message.SerializeToString(),
        subject=row.request.id,
        operator=row.request.operator,
        lifetime=_LIFETIME,
    )
    send(tx, context.border, letter, now=now, traceparent=row.traceparent)


def _note_for_customer(tx: Transaction, request: SupportRequest, now: datetime) -> None:
    """Has a customer of this region see that another one was told of their request."""
    row = DisclosureRow(
        kind=DisclosureKind.DISCLOSURE_KIND_SUPPORT_SENT,
        time=now,
        region=request.owner_region,
        operator=request.operator,
        purpose="",
        particulars=DisclosureParticulars(record=request.id),
    )
    note_sent(tx, request.inquiry.number, row)
