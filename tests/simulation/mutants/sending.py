"""Defects of a region that sends."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import pytest

from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeContent, Receipt
from gateway.relay import claims, outbox
from gateway.relay.border import Border
from gateway.relay.envelopes import OutgoingEnvelope, Sealed
from gateway.relay.fair_queue import FairQueue, QueuedEnvelope
from gateway.relay.lanes import Lane
from gateway.security.signing import ENVELOPE
from gateway.store.port import Transaction
from region_node.business.orders import handling, home, intake, rules
from region_node.business.orders.application import OrderApplication
from region_node.business.orders.businesses import pay
from tests.at_rest import orders
from tests.simulation.world import keys

_FEW = 12  # waiting envelopes: a crowd makes more


def new_id_on_retry(patch: pytest.MonkeyPatch) -> None:
    """A repeated envelope is sealed again, under an id of its own."""
    carry = Lane._carry

    async def carry_renewed(self: Lane, batch: Sequence[QueuedEnvelope]) -> None:
        for queued in batch:
            if queued.attempts:
                queued.sealed = _renewed(queued.sealed, queued.attempts)
        await carry(self, batch)

    patch.setattr(Lane, "_carry", carry_renewed)
    _closing(patch, lambda _, envelope_id: re.sub(r"~\d+", "", envelope_id))


def _closing(patch: pytest.MonkeyPatch, found: Callable[[Transaction, str], str]) -> None:
    """An answered envelope is closed under the id that `found` gives for its own."""
    close_answered = outbox.close_answered

    def close(
        tx: Transaction,
        envelope_id: str,
        receipt: Receipt,
        *,
        journey: bytes,
        attempts: int,
        now: datetime,
        envelope: bytes | None,
    ) -> bool:
        known = found(tx, envelope_id)
        stored = envelope if known == envelope_id else None  # an envelope of another id is no part of the difference
        return close_answered(tx, known, receipt, journey=journey, attempts=attempts, now=now, envelope=stored)

    patch.setattr(outbox, "close_answered", close)


def _renewed(sealed: Sealed, attempt: int) -> Sealed:
    content = EnvelopeContent.FromString(sealed.envelope.content)
    content.id = f"{content.id.partition('~')[0]}~{attempt}"
    data = content.SerializeToString()
    signature = keys().signers[content.origin].sign(ENVELOPE, data)
    return Sealed(Envelope(content=data, signature=signature), content)


def sealed_anew_without_moved(patch: pytest.MonkeyPatch) -> None:
    """A new number plan sends an unanswered order to its new home, though the former one may have acted on it."""
    release_held = OrderApplication.release_held

    async def release_and_reroute(self: OrderApplication) -> None:
        await release_held(self)
        context, now = self._ports.context, self._ports.clock.now()
        for order in await self._ports.store.read(orders):
            owner = context.node.federation.number_plan.home_of(order.request.number)
            unanswered = order.version == 0 and order.state == rules.ACKNOWLEDGED
            if unanswered and owner is not None and owner != order.home_region:
                await self._ports.store.write(
                    partial(intake.reroute, context=context, order_id=order.id, moved_to=owner, now=now)
                )

    patch.setattr(OrderApplication, "release_held", release_and_reroute)


def outbox_closed_before_the_answer(patch: pytest.MonkeyPatch) -> None:
    """An envelope counts as sent once it was handed to its lane."""
    send = outbox.send

    def send_and_close(
        tx: Transaction, border: Border, outgoing: OutgoingEnvelope, *, now: datetime, traceparent: str
    ) -> None:
        send(tx, border, outgoing, now=now, traceparent=traceparent)
        tx.execute("UPDATE outbox SET closed = created WHERE envelope_id = :id", id=outgoing.envelope_id)

    def reopen(tx: Transaction, envelope_id: str) -> str:
        sql = "UPDATE outbox SET closed = NULL WHERE envelope_id = :id AND receipt_content IS NULL"
        tx.execute(sql, id=envelope_id)
        return envelope_id

    for module in (outbox, handling, home, intake):
        patch.setattr(module, "send", send_and_close)
    _closing(patch, reopen)


def outbox_forgotten_at_restart(patch: pytest.MonkeyPatch) -> None:
    """A process sends only what it has taken in itself."""
    patch.setattr(claims, "own", lambda tx, number, after: [])


def claims_of_a_dead_process_left(patch: pytest.MonkeyPatch) -> None:
    """A process sends what it has claimed, and nothing of another one that has died."""
    patch.setattr(claims, "take_over", lambda tx, number, silent: [])


def gives_up_after_a_failure(patch: pytest.MonkeyPatch) -> None:
    """A batch without an answer is dropped from its lane."""

    def put_nothing_back(self: FairQueue, queued_envelopes: Sequence[QueuedEnvelope]) -> None:
        for queued in queued_envelopes:
            self.release(queued.subject)

    patch.setattr(FairQueue, "put_back", put_nothing_back)


def crowded_lane_forgets_what_was_accepted(patch: pytest.MonkeyPatch) -> None:
    """A lane with many waiting envelopes takes in no more, though their orders were accepted."""
    put = FairQueue.put

    def put_in_a_short_queue(self: FairQueue, queued: QueuedEnvelope) -> None:
        if len(self) < _FEW:
            put(self, queued)

    patch.setattr(FairQueue, "put", put_in_a_short_queue)


def taken_back_though_it_was_sent(patch: pytest.MonkeyPatch) -> None:
    """A cancellation takes back a submission that waits to be sent again, as if it had never left."""

    def withdraw(self: FairQueue, envelope_id: str) -> QueuedEnvelope | None:
        queued = self._waiting.pop(envelope_id, None)
        if queued is not None:
            queued.withdrawn = True
        return queued

    patch.setattr(FairQueue, "withdraw", withdraw)


def payment_kept_though_it_was_refused(patch: pytest.MonkeyPatch) -> None:
    """The money of a refused payment stays in transit forever."""
    patch.setattr(pay.Rule, "given_up", lambda self, *asked: ())
