"""Envelopes about bulletins."""

from datetime import datetime

from gateway.api.region.v1.bulletin_envelopes_pb2 import BulletinRead, BulletinUpdate
from gateway.api.region.v1.bulletin_pb2 import Bulletin
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.care.bulletins import operations, rules
from region_node.care.bulletins.rows import BULLETIN, note_read
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.tickets import border


class BulletinEnvelopes:
    """The kinds of envelope that bulletins use."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        known = border.reads_of(BULLETIN)
        return {
            EnvelopeKind.ENVELOPE_KIND_BULLETIN: Command(self._told, _nothing, reads=known),
            EnvelopeKind.ENVELOPE_KIND_BULLETIN_READ: Command(self._read, _nothing, reads=known),
        }

    def _told(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles a bulletin, or its withdrawal, of the region that publishes it."""
        told = received(BulletinUpdate, content.payload).bulletin
        if border.updated(BULLETIN, tx, told, content, now, self._require_addressed):
            operations.adopt(tx, self._context, told, content.traceparent)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _require_addressed(self, told: Bulletin) -> None:
        """This region may begin to follow a bulletin: as one of its regions. Raises Refused."""
        if self._context.region not in told.regions:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        rules.require_content(told.content, lambda region: None)

    def _read(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles a reading, by the time at which the other region sealed it."""
        told = received(BulletinRead, content.payload)
        if told.bulletin_id != content.subject:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        border.require_author(told.staff_id, is_required=True)
        border.require_plausible(content.create_time, now)
        bulletin = BULLETIN.records.read(tx, told.bulletin_id)
        if bulletin is None or bulletin.origin_region != self._context.region:
            raise BULLETIN.records.not_found(told.bulletin_id)
        if content.origin not in bulletin.regions:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        note_read(tx, bulletin.id, content.origin, told.staff_id, min(now, from_timestamp(content.create_time)))
        return Answer(Outcome.OUTCOME_ACCEPTED)


def _nothing(tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
    """The receipt has no effect: the other region has the bulletin or the reading, or ignores it."""
