"""RelayService of a region node: opens what coordinators bring, and answers each envelope in its place."""

import asyncio
import logging
import secrets

import grpc
from opentelemetry.trace import SpanKind

from gateway import failpoints
from gateway.api.relay.v1.relay_pb2 import (
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
from gateway.calls import current_call
from gateway.clock import Clock, to_timestamp
from gateway.errors import Refused
from gateway.relay.border import Border, Kinds
from gateway.relay.envelopes import BATCH_LIMIT, Sealed, open_envelope
from gateway.relay.inbox import receive
from gateway.store.port import Store
from gateway.tracing import Tracing

_log = logging.getLogger(__name__)


class Receiver:
    """Acts on batches. Used by the gRPC service and, as it is, by the simulation."""

    def __init__(self, border: Border, kinds: Kinds, store: Store, clock: Clock, tracing: Tracing) -> None:
        self._border = border
        self._kinds = kinds
        self._store = store
        self._clock = clock
        self._tracing = tracing

    async def deliver(self, request: DeliverRequest) -> DeliverResponse:
        """Acts on every envelope, each in its own operation, all in as few commits as possible."""
        if request.destination != self._border.region:
            raise Refused(Reason.REASON_NOT_HOME, region=self._border.region)
        if len(request.envelopes) > BATCH_LIMIT:
            raise Refused(Reason.REASON_REQUEST_INVALID, field="envelopes", problem=f"more than {BATCH_LIMIT}")
        journey = Journey(stamps=[*request.journey.stamps, self._stamp("received")])
        answers = await asyncio.gather(*map(self._answer, request.envelopes), return_exceptions=True)
        results = [answer if isinstance(answer, DeliverResult) else _defect(answer) for answer in answers]
        failpoints.reach("S9.after-commit")
        journey.stamps.append(self._stamp("committed"))
        return DeliverResponse(results=results, journey=journey)

    async def _answer(self, envelope: Envelope) -> DeliverResult:
        try:
            sealed = open_envelope(envelope, self._border.keys, self._border.region)
            return DeliverResult(receipt=await self._receive(sealed))
        except Refused as refused:
            return DeliverResult(
                not_delivered=NotDelivered(reason=refused.reason, reason_parameters=refused.parameters)
            )

    async def _receive(self, sealed: Sealed) -> Receipt:
        content, now = sealed.content, self._clock.now()
        with self._tracing.span(
            f"process {EnvelopeKind.Name(content.kind)}",
            SpanKind.CONSUMER,
            parent=content.traceparent,
            attributes={"envelope.id": content.id, "envelope.origin": content.origin},
        ):
            return await self._store.write(lambda tx: receive(tx, self._border, self._kinds, sealed, now))

    def _stamp(self, event: str) -> HopStamp:
        return HopStamp(party=self._border.region, event=event, time=to_timestamp(self._clock.now()))


def _defect(error: BaseException) -> DeliverResult:
    """A defect in the work on one envelope must not keep the others of its batch from being answered."""
    if not isinstance(error, Exception):
        raise error
    incident = secrets.token_hex(6)
    _log.error("incident %s in an envelope", incident, exc_info=error)
    reason = Reason.REASON_INTERNAL
    return DeliverResult(not_delivered=NotDelivered(reason=reason, reason_parameters={"incident": incident}))


class RelayService(RelayServiceServicer):
    """The gRPC face. Only coordinators bring envelopes to a region."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def Deliver(
        self, request: DeliverRequest, context: grpc.aio.ServicerContext[DeliverRequest, DeliverResponse]
    ) -> DeliverResponse:
        """See the contract."""
        call = current_call()
        if call.identity.role != Role.ROLE_COORDINATOR:
            raise Refused(Reason.REASON_PERMISSION_DENIED, identity=call.identity.path, method=call.method)
        return await self._receiver.deliver(request)
