"""The sending of bulletins and of their readings to other regions."""

from datetime import datetime

from gateway.api.region.v1.bulletin_envelopes_pb2 import BulletinRead, BulletinUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.store.port import Transaction
from region_node.care.bulletins.rows import BulletinRow, facts
from region_node.node.context import RegionContext
from region_node.tickets.sending import followers, send_about


def send_bulletin(tx: Transaction, context: RegionContext, row: BulletinRow, now: datetime) -> None:
    """Sends the current version of a bulletin to its regions."""
    bulletin = row.bulletin
    for region in followers(facts(bulletin)):
        send_about(
            tx,
            context,
            facts(bulletin),
            EnvelopeKind.ENVELOPE_KIND_BULLETIN,
            BulletinUpdate(bulletin=bulletin),
            now,
            envelope_id=f"{bulletin.id}@{bulletin.version}",
            region=region,
            traceparent=row.traceparent,
        )


def send_read(tx: Transaction, context: RegionContext, row: BulletinRow, staff_id: str, now: datetime) -> None:
    """Sends a reading to the region that published the bulletin."""
    bulletin = row.bulletin
    send_about(
        tx,
        context,
        facts(bulletin),
        EnvelopeKind.ENVELOPE_KIND_BULLETIN_READ,
        BulletinRead(bulletin_id=bulletin.id, staff_id=staff_id),
        now,
        envelope_id=f"{bulletin.id}#read-{staff_id}-{context.region}",
        region=bulletin.origin_region,
        traceparent=row.traceparent,
    )
