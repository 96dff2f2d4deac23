"""RelayService of a region node: executes batches from coordinators, and answers each envelope in its place."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime
from functools import partial

import grpc

from gateway.api.relay.v1.relay_pb2 import (
    Batch,
    BatchAnswer,
    DeliverRequest,
    DeliverResponse,
    DeliverResult,
    Envelope,
    EnvelopeKind,
    HopStamp,
    Journey,
    NotDelivered,
    Receipt,
)
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceServicer
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing.denial_log import DENIED, DenialLog
from gateway.errors import Refused, invalid, reason_name
from gateway.process import failpoints
from gateway.relay.border import Command, SlowQuery
from gateway.relay.envelopes import BATCH_LIMIT, Sealed, open_envelope
from gateway.relay.inbox import answer_slowly, receive, receiving_wanted
from gateway.relay.outcomes import outcomes
from gateway.relay.ports import RelayPorts
from gateway.relay.sealed_batches import SealedBatchReceiver
from gateway.rpc.calls import current_call
from gateway.rpc.incidents import incident
from gateway.security.sealing import Route
from gateway.security.signing import count_signatures
from gateway.security.tls import MAX_MESSAGE_BYTES
from gateway.store.reading_ahead import Announced
from gateway.time.clock import to_timestamp
from gateway.values.names import name_of

ANSWERS_BYTES = MAX_MESSAGE_BYTES - 256 * 1024  # contents in one answer; signatures and refusals come on top
_MOST_INCIDENTS = 1000  # defects of envelopes, each of which the log names once
_MOST_TOLD = 100  # different parts of later versions that the log names
_log = logging.getLogger(__name__)


class Receiver:
    """Acts on batches, for the gRPC service and the simulation."""

    def __init__(self, ports: RelayPorts) -> None:
        self._ports = ports
        self._denial_log = DenialLog(ports.store, ports.clock)
        self._told: set[str] = set()
        self._incidents: OrderedDict[tuple[str, str, type[Exception]], Refused] = OrderedDict()

    async def deliver(self, batch: Batch, origin: str) -> BatchAnswer:
        """Acts on every envelope of a region's batch, each in its own operation, all in as few commits as possible."""
        if len(batch.envelopes) > BATCH_LIMIT:
            raise invalid("envelopes", f"more than {BATCH_LIMIT}", f"超过{BATCH_LIMIT}项")
        journey = Journey(stamps=[*batch.journey.stamps, self._stamp("received")])
        signatures = count_signatures(envelope.signature for envelope in batch.envelopes)
        opened = await self._ports.workers.each(partial(self._open, origin), batch.envelopes, signatures)
        await self._note_impostor(origin, opened)
        now = self._ports.clock.now()
        answers = await outcomes([self._receive(sealed, now) for sealed in opened if isinstance(sealed, Sealed)])
        if any(isinstance(each, Sealed) and self._is_command(each) for each in opened):
            failpoints.reach("S9.after-commit")
        self._tell_of_upgrade(origin, [*opened, *answers])
        acted = [each for each in opened if isinstance(each, Sealed)]
        receipts = iter(self._told_of(sealed, answer) for sealed, answer in zip(acted, answers, strict=True))
        results = _results(next(receipts) if isinstance(each, Sealed) else each for each in opened)
        journey.stamps.append(self._stamp("committed"))
        return BatchAnswer(results=results, journey=journey)

    def _open(self, origin: str, envelope: Envelope) -> Sealed | Refused:
        try:
            return open_envelope(envelope, self._ports.border.keys, Route(origin, self._ports.border.region))
        except Refused as refused:
            is_unverified = refused.reason == Reason.REASON_ENVELOPE_SIGNATURE_INVALID
            if is_unverified and not self._ports.border.current.revision:
                # The keys of other regions come with the first state: until then no signature is known to be forged.
                return Refused(Reason.REASON_CONFIGURATION_MISSING)
            return refused

    async def _note_impostor(self, origin: str, opened: Sequence[Sealed | Refused]) -> None:
        """Leaves an audit row where a region spoke in the name of another."""
        for each in opened:
            if isinstance(each, Refused) and each.reason == Reason.REASON_ENVELOPE_SENDER_WRONG:
                await self._denial_log.note(f"region/{origin}", DENIED, "Deliver", reason_name(each.reason))
                return

    def _tell_of_upgrade(self, origin: str, answers: Sequence[object]) -> None:
        """Logs, once each, the parts of a later version that wait for this node's upgrade."""
        for each in answers:
            if isinstance(each, Refused) and each.reason == Reason.REASON_UPGRADE_REQUIRED:
                told = f"{origin}: {each}"
                if told not in self._told and len(self._told) < _MOST_TOLD:
                    self._told.add(told)
                    _log.warning("upgrade this node for %s", told)

    def _told_of(self, sealed: Sealed, answer: Receipt | Exception) -> Receipt | Refused:
        """The answer; for a defect a refusal, so that the others of the batch are answered.

        A defect has one entry in the log for each envelope, however often it is delivered.
        """
        if isinstance(answer, Receipt | Refused):
            return answer
        name = (sealed.content.origin, sealed.content.id, type(answer))
        known = self._incidents.pop(name, None)
        self._incidents[name] = told = known or incident("an envelope", answer)
        if len(self._incidents) > _MOST_INCIDENTS:
            self._incidents.popitem(last=False)
        return told

    def _is_command(self, sealed: Sealed) -> bool:
        return isinstance(self._ports.kinds.get(sealed.content.kind), Command)

    def _receive(self, sealed: Sealed, now: datetime) -> Awaitable[Receipt]:
        """Acts on an envelope, within a span of the trace that caused it."""
        ports, content = self._ports, sealed.content
        kind = ports.kinds.get(content.kind)
        receipt: Awaitable[Receipt]
        if isinstance(kind, SlowQuery):
            receipt = answer_slowly(ports.store, ports.border, kind, sealed, now)
        else:
            receiving = Announced(
                lambda tx: receive(tx, ports.border, ports.kinds, sealed, now),
                lambda tx: receiving_wanted(tx, ports.kinds, content),
            )
            receipt = ports.store.write(receiving)

        def named() -> tuple[str, dict[str, str | int]]:
            attributes: dict[str, str | int] = {"envelope.id": content.id, "envelope.origin": content.origin}
            return f"process {name_of(EnvelopeKind, content.kind)}", attributes

        return ports.tracing.around(receipt, content.traceparent, named)

    def _stamp(self, event: str) -> HopStamp:
        return HopStamp(party=self._ports.border.region, event=event, time=to_timestamp(self._ports.clock.now()))


def _results(answers: Iterable[Receipt | Refused]) -> list[DeliverResult]:
    """The answers of a batch, which share one message: those without room there are refused with MESSAGE_TOO_LARGE.

    Asked for again with fewer neighbours, they find room. The receipt of a command is kept until then.
    """
    results, left = [], ANSWERS_BYTES
    for answer in answers:
        size = len(answer.content) if isinstance(answer, Receipt) else 0
        if size > left:
            results.append(_result(Refused(Reason.REASON_MESSAGE_TOO_LARGE, limit=str(ANSWERS_BYTES))))
        else:
            results.append(_result(answer))
            left -= size
    return results


def _result(answer: Receipt | Refused) -> DeliverResult:
    if isinstance(answer, Receipt):
        return DeliverResult(receipt=answer)
    return DeliverResult(not_delivered=NotDelivered(reason=answer.reason, reason_parameters=answer.parameters))


class RelayService(RelayServiceServicer):
    """The gRPC face. Only coordinators bring envelopes to a region."""

    def __init__(self, receiver: SealedBatchReceiver) -> None:
        self._receiver = receiver

    async def Deliver(
        self, request: DeliverRequest, context: grpc.aio.ServicerContext[DeliverRequest, DeliverResponse]
    ) -> DeliverResponse:
        """See the contract."""
        call = current_call()
        if call.identity.role != Role.ROLE_COORDINATOR:
            raise Refused(Reason.REASON_PERMISSION_DENIED, identity=call.identity.path, method=call.method)
        return await self._receiver.deliver(request)
