"""What the origin does with the answer to its envelope: one transaction, once."""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from datetime import datetime

from gateway import audit, failpoints
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind, Outcome, ReceiptContent
from gateway.errors import Refused, reason_name
from gateway.relay import outbox
from gateway.relay.border import Command
from gateway.relay.envelopes import open_receipt
from gateway.relay.lanes import Delivered
from gateway.relay.ports import RelayPorts
from gateway.store.port import Transaction

_log = logging.getLogger(__name__)


class Settler:
    """Commits receipts. Its `settle` is a port of the lanes."""

    def __init__(self, ports: RelayPorts) -> None:
        self._ports = ports

    async def settle(self, batch: Sequence[Delivered]) -> list[bool]:
        """Commits what a destination answered. False in the place of an envelope that has to be sent again."""
        opened = await self._ports.workers.each(self._open, batch)
        commits = [
            self._commit(delivered, receipt)
            for delivered, receipt in zip(batch, opened, strict=True)
            if receipt is not None
        ]
        errors = iter(await asyncio.gather(*commits, return_exceptions=True))
        failpoints.reach("S12.after-commit")
        return [receipt is not None and _is_kept(receipt, next(errors)) for receipt in opened]

    def _open(self, delivered: Delivered) -> ReceiptContent | None:
        """The receipt, if there is one and it is good."""
        content = delivered.parcel.sealed.content
        if delivered.result.HasField("not_delivered"):
            reason = delivered.result.not_delivered.reason
            _log.warning("%s was not taken by %s: %s", content.id, content.destination, reason_name(reason))
            return None
        try:
            return open_receipt(delivered.result.receipt, self._ports.border.keys, delivered.parcel.sealed)
        except Refused as refused:
            _log.error("the receipt of %s is not good: %s", content.id, refused)
            return None

    def _commit(self, delivered: Delivered, receipt: ReceiptContent) -> Awaitable[None]:
        content, now = delivered.parcel.sealed.content, self._ports.clock.now()
        return self._ports.tracing.around(
            self._ports.store.write(lambda tx: self._record(tx, delivered, receipt, now)),
            f"settle {EnvelopeKind.Name(content.kind)}",
            parent=content.traceparent,
            attributes={"envelope.id": content.id, "envelope.destination": content.destination},
        )

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
        kind = self._ports.kinds[sent.kind]
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


def _is_kept(receipt: ReceiptContent, error: object) -> bool:
    """Whether a receipt was committed; if it was not, says why."""
    if isinstance(error, Refused):
        _log.warning("the receipt of %s cannot be kept now: %s", receipt.envelope_id, error)
    elif isinstance(error, Exception):
        _log.error("the receipt of %s cannot be kept", receipt.envelope_id, exc_info=error)
    elif isinstance(error, BaseException):
        raise error
    return error is None
