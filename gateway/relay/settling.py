"""What the origin does with the answer to its envelope: one transaction, once."""

import logging
from datetime import datetime

from opentelemetry.trace import SpanKind

from gateway import audit, failpoints
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind, Outcome, ReceiptContent
from gateway.clock import Clock
from gateway.errors import Refused, reason_name
from gateway.relay import outbox
from gateway.relay.border import Border, Command, Kinds
from gateway.relay.envelopes import open_receipt
from gateway.relay.lanes import Delivered
from gateway.store.port import Store, Transaction
from gateway.tracing import Tracing

_log = logging.getLogger(__name__)


class Settler:
    """Commits receipts. Its `settle` is a port of the lanes."""

    def __init__(self, border: Border, kinds: Kinds, store: Store, clock: Clock, tracing: Tracing) -> None:
        self._border = border
        self._kinds = kinds
        self._store = store
        self._clock = clock
        self._tracing = tracing

    async def settle(self, delivered: Delivered) -> bool:
        """Commits what a destination answered. False where the envelope has to be sent again."""
        content = delivered.parcel.sealed.content
        if delivered.result.HasField("not_delivered"):
            reason = delivered.result.not_delivered.reason
            _log.warning("%s was not taken by %s: %s", content.id, content.destination, reason_name(reason))
            return False
        try:
            receipt = open_receipt(delivered.result.receipt, self._border.keys, delivered.parcel.sealed)
        except Refused as refused:
            _log.error("the receipt of %s is not good: %s", content.id, refused)
            return False
        with self._tracing.span(
            f"settle {EnvelopeKind.Name(content.kind)}",
            SpanKind.CONSUMER,
            parent=content.traceparent,
            attributes={"envelope.id": content.id, "envelope.destination": content.destination},
        ):
            return await self._commit(delivered, receipt)

    async def _commit(self, delivered: Delivered, receipt: ReceiptContent) -> bool:
        now = self._clock.now()
        try:
            await self._store.write(lambda tx: self._record(tx, delivered, receipt, now))
        except Refused as refused:
            _log.warning("the receipt of %s cannot be kept now: %s", receipt.envelope_id, refused)
            return False
        failpoints.reach("S12.after-commit")
        return True

    def _record(self, tx: Transaction, delivered: Delivered, receipt: ReceiptContent, now: datetime) -> None:
        sent = delivered.parcel.sealed.content
        kept = outbox.close_answered(
            tx,
            sent.id,
            delivered.result.receipt,
            journey=delivered.journey,
            attempts=delivered.parcel.attempts,
            now=now,
        )
        if not kept:
            known = outbox.receipt_content(tx, sent.id)
            if known != delivered.result.receipt.content:
                _log.error("a second, different receipt for %s: the first stands", sent.id)
            return
        kind = self._kinds[sent.kind]
        if isinstance(kind, Command):
            kind.answered(tx, sent, receipt, now)
        audit.append(
            tx,
            now=now,
            actor=f"region/{sent.destination}",
            action="Receipt",
            subject=sent.subject,
            detail=f"{sent.id} {Outcome.Name(receipt.outcome)}",
        )
