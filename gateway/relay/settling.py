"""The origin's handling of the receipt of its envelope: one transaction, once."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Sequence
from datetime import datetime

from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused, is_temporary, reason_name
from gateway.process import failpoints
from gateway.relay import claims, outbox
from gateway.relay.border import Command, RevisionAwaited
from gateway.relay.envelopes import Sealed, open_receipt
from gateway.relay.fair_queue import QueuedEnvelope
from gateway.relay.lanes import Delivered
from gateway.relay.outcomes import outcomes
from gateway.relay.ports import RelayPorts
from gateway.relay.setting_aside import end_by_receipt, note_attempt, work_of
from gateway.security.signing import count_signatures
from gateway.store.port import Transaction
from gateway.store.reading_ahead import Announced, Wanted
from gateway.values.choices import UnknownChoice
from gateway.values.names import name_of

KEEP_AGAIN = 0.25  # seconds before receipts that the store could not keep are committed again
_log = logging.getLogger(__name__)


class Settler:
    """Commits receipts. Its `settle` is a port of the lanes."""

    def __init__(self, ports: RelayPorts) -> None:
        self._ports = ports

    async def settle(self, batch: Sequence[Delivered]) -> list[bool]:
        """Commits the receipts of a destination, and retries while the store is away.

        False at an index means that the envelope has to be sent again, unless it was set aside for people.
        """
        signatures = count_signatures(delivered.result.receipt.signature for delivered in batch)
        opened = await self._ports.workers.each(self._open, batch, signatures)
        answered = [
            (delivered, receipt)
            for delivered, receipt in zip(batch, opened, strict=True)
            if isinstance(receipt, ReceiptContent)
        ]
        now = self._ports.clock.now()
        errors = await self._commit_all(answered, now)
        is_told = False
        # A receipt that cannot be stored here now is no reason to send the envelope again.
        while away := [index for index, error in enumerate(errors) if _is_away(error)]:
            if not is_told:
                is_told = True
                _log.warning("%d receipts cannot be kept now: %s", len(away), errors[away[0]])
            await asyncio.sleep(KEEP_AGAIN)
            again = await self._commit_all([answered[index] for index in away], self._ports.clock.now())
            for index, error in zip(away, again, strict=True):
                errors[index] = error
        failpoints.reach("S12.after-commit")
        await self._keep_why_not_taken(
            [delivered for delivered, receipt in zip(batch, opened, strict=True) if isinstance(receipt, Refused)]
        )
        await self._name_incarnation(
            [
                delivered.queued
                for delivered, receipt in zip(batch, opened, strict=True)
                if isinstance(receipt, Refused) and receipt.reason == Reason.REASON_ENVELOPE_ID_REUSED
            ]
        )
        committed = iter(errors)
        for delivered, receipt in zip(batch, opened, strict=True):
            error = receipt if isinstance(receipt, Refused) else next(committed)
            if error is not None or delivered.queued.failure:
                await self._note(delivered, error, is_answered=not isinstance(receipt, Refused))
        return [not delivered.queued.failure for delivered in batch]

    async def _note(self, delivered: Delivered, error: Exception | None, *, is_answered: bool) -> None:
        """Logs why an envelope has no receipt here, where that is news, and leaves it to people in the end."""
        queued, now = delivered.queued, self._ports.clock.now()
        before = queued.failure
        is_hopeless = note_attempt(queued, error, now)
        if error is not None and queued.failure != before:
            _tell(delivered, error)
        if is_hopeless:
            await self._set_aside(queued, is_answered=is_answered, now=now)

    async def _set_aside(self, queued: QueuedEnvelope, *, is_answered: bool, now: datetime) -> None:
        """Leaves an envelope to people. Where that is not possible now, it is sent again, and then left to them."""
        content = queued.sealed.content
        work = work_of(queued, is_answered=is_answered, now=now)

        def keep(tx: Transaction) -> bool:
            is_open = outbox.is_open(tx, content.id)
            if is_open:
                claims.set_aside(tx, content.subject, content.destination)
                self._ports.quarantine(tx, work, now)
            return is_open

        (kept,) = await outcomes([self._ports.store.write(keep)])
        if isinstance(kept, Exception):
            _log.error("the envelope %s cannot be set aside now", content.id, exc_info=kept)
            return
        if not kept:  # another process has its receipt
            queued.failure = ""
            return
        queued.is_set_aside = True
        _log.error("the envelope %s waits for people after %d attempts: %s", content.id, work.attempts, work.failure)

    async def _keep_why_not_taken(self, unanswered: Sequence[Delivered]) -> None:
        """Stores new reasons of refusal. While the store is away, the next attempt brings them again."""
        news = [each for each in unanswered if each.result.not_delivered.reason != each.queued.not_taken]
        if not news:
            return

        def keep(tx: Transaction) -> None:
            for each in news:
                outbox.note_not_taken(tx, each.queued.envelope_id, each.result.not_delivered.reason)

        with contextlib.suppress(Refused):
            await self._ports.store.write(keep)
            for each in news:
                each.queued.not_taken = each.result.not_delivered.reason

    async def _name_incarnation(self, refused: Sequence[QueuedEnvelope]) -> None:
        """Has envelopes of before a loss name the present incarnation, whose ids their destination has known before.

        A region that is not aware of its loss yet sends a lost command once more, as a new one. With the incarnation
        the destination knows it for a repeat. While the store is away, the next attempt does so.
        """
        border = self._ports.border
        earlier = [each for each in refused if each.sealed.content.incarnation < border.incarnation()]
        if not earlier:
            return

        def named(tx: Transaction) -> list[Sealed | None]:
            return [outbox.name_incarnation(tx, border, each.envelope_id) for each in earlier]

        with contextlib.suppress(Refused):
            for queued, sealed in zip(earlier, await self._ports.store.write(named), strict=True):
                queued.sealed = sealed or queued.sealed

    async def _commit_all(
        self, answered: Sequence[tuple[Delivered, ReceiptContent]], now: datetime
    ) -> list[Exception | None]:
        """The exception of each commit, or None."""
        return await outcomes([self._commit(delivered, receipt, now) for delivered, receipt in answered])

    def _open(self, delivered: Delivered) -> ReceiptContent | Refused:
        """The receipt, or why there is no valid one."""
        if delivered.result.HasField("not_delivered"):
            told = delivered.result.not_delivered
            return Refused(told.reason, **told.reason_parameters)
        try:
            return open_receipt(delivered.result.receipt, self._ports.border.keys, delivered.queued.sealed)
        except Refused as refused:
            return refused

    def _commit(self, delivered: Delivered, receipt: ReceiptContent, now: datetime) -> Awaitable[None]:
        content = delivered.queued.sealed.content

        def named() -> tuple[str, dict[str, str | int]]:
            attributes: dict[str, str | int] = {"envelope.id": content.id, "envelope.destination": content.destination}
            return f"settle {name_of(EnvelopeKind, content.kind)}", attributes

        recording = Announced(
            lambda tx: self._record(tx, delivered, receipt, now), lambda tx: self._record_wanted(tx, content)
        )
        recorded = self._ports.store.write(recording)
        return self._ports.tracing.around(recorded, content.traceparent, named)

    def _record_wanted(self, tx: Transaction, sent: EnvelopeContent) -> list[Wanted]:
        kind = self._ports.kinds[sent.kind]
        more = kind.answered_reads(tx, sent) if isinstance(kind, Command) else ()
        return [*outbox.closing_wanted(sent.id, sent.subject), *more]

    def _record(self, tx: Transaction, delivered: Delivered, receipt: ReceiptContent, now: datetime) -> None:
        sent = delivered.queued.sealed.content
        was_set_aside = outbox.is_set_aside(tx, sent.id)
        kept = outbox.close_answered(
            tx,
            sent.id,
            delivered.result.receipt,
            journey=delivered.journey,
            attempts=delivered.queued.attempts,
            now=now,
            envelope=delivered.queued.sealed.envelope.content if self._ports.border.stores_differences() else None,
        )
        if not kept:
            known = outbox.receipt_content(tx, sent.id)
            if known is not None and known != delivered.result.receipt.content:
                _log.error("a second, different receipt for %s: the first stands", sent.id)
            return
        if was_set_aside:
            end_by_receipt(tx, self._ports.border, sent, now)
        kind = self._ports.kinds[sent.kind]
        if isinstance(kind, Command):
            kind.answered(tx, sent, receipt, now)
        audit.append(
            tx,
            now=now,
            actor=f"region/{sent.destination}",
            action="Receipt",
            subject=sent.subject,
            detail=f"{sent.id} {name_of(Outcome, receipt.outcome)}",
        )


def _is_away(error: Exception | None) -> bool:
    """Whether the store could not commit, and may be able to later."""
    return isinstance(error, Refused) and is_temporary(error.reason)


def _tell(delivered: Delivered, error: Exception) -> None:
    """Logs why an envelope has no receipt here."""
    content = delivered.queued.sealed.content
    if isinstance(error, UnknownChoice):
        _log.warning("the answer to %s waits until this region is upgraded: %s", content.id, error)
    elif isinstance(error, RevisionAwaited):
        _log.warning("the answer to %s waits for %s", content.id, error)
    elif not isinstance(error, Refused):
        _log.error("the receipt of %s cannot be kept", content.id, exc_info=error)
    elif delivered.result.HasField("not_delivered"):
        _log.warning("%s was not taken by %s: %s", content.id, content.destination, reason_name(error.reason))
    else:
        _log.error("the receipt of %s is not good: %s", content.id, error)
