"""Batches at the border: sealed when they leave, opened only by their destination, and answered alike.

The store holds the signed content; each delivery seals it anew. So a region may change its key while a batch is in
transit. A batch that the destination cannot open is sent again, unchanged, under the key known by then.

Batches to a region with FEATURE_SESSION_KEYS share the keys of a session; every other batch has a key of its own. A
batch of a session that does not open is sealed alone and sent once more at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from gateway.api.federation.v1.federation_pb2 import Feature, MemberState
from gateway.api.relay.v1.relay_pb2 import Batch, BatchAnswer, DeliverRequest, DeliverResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Border
from gateway.relay.transport import BeforeAttempt, Carrier
from gateway.rpc.element_counts import parsed
from gateway.security.region_keys import RegionKeys
from gateway.security.sealing import (
    KEY_BYTES,
    NONCE_BYTES,
    KeyUnknown,
    KeyUnusable,
    Message,
    Received,
    Route,
    Sent,
    Session,
    Sessions,
    Unreadable,
    sent_alone,
)
from gateway.time.looks import until_look

SECONDS_WITHOUT_SESSION = 60.0  # a process of a former version is replaced, or told to all members, within a minute
LOOK_SECONDS = 1.0  # between two looks for sessions that are over
_UNREADABLE = frozenset((Reason.REASON_BATCH_UNREADABLE, Reason.REASON_ANSWER_UNREADABLE))
Act = Callable[[Batch, str], Awaitable[BatchAnswer]]


class SealedBatchTransport:
    """The way out of a region: seals each batch to its destination and opens the response."""

    def __init__(self, border: Border, carrier: Carrier) -> None:
        self._border = border
        self._carrier = carrier
        self._sessions: Sessions[str, Session] = Sessions()
        self._alone_until: dict[str, float] = {}

    async def deliver(self, batch: Batch, timeout: float, before_attempt: BeforeAttempt | None = None) -> BatchAnswer:
        """See the port. Raises Refused with SEALING_KEY_MISSING, or REGION_NOT_JOINED, where nothing can be sealed."""
        destination, end, sent = batch.destination, _now() + timeout, self._sealed(batch)
        try:
            return await self._deliver(batch, sent, timeout, before_attempt)
        except Refused as refused:
            if not sent.message.nonce or refused.reason not in _UNREADABLE:
                raise
            # A process of a former version, or a coordinator of one on the way, knows no nonce.
            self._sessions.end(destination)
            self._alone_until[destination] = _now() + SECONDS_WITHOUT_SESSION
            left = end - _now()
            # An answer that does not open may follow an effect: only the caller, who counts, repeats such a batch.
            if refused.reason != Reason.REASON_BATCH_UNREADABLE or left <= 0:
                raise
        return await self._deliver(batch, self._sealed(batch), left, before_attempt)

    async def _deliver(
        self, batch: Batch, sent: Sent, timeout: float, before_attempt: BeforeAttempt | None
    ) -> BatchAnswer:
        request = DeliverRequest(
            destination=batch.destination,
            journey=batch.journey,
            sealed=sent.message.sealed,
            nonce=sent.message.nonce,
            traceparents=batch.traceparents,
        )
        response = await self._carrier.deliver(request, timeout, before_attempt)
        return _opened(sent, response, batch.destination)

    def expire_sessions(self, now: float) -> None:
        """Forgets the sessions that are over; `now` is the event loop's time."""
        self._sessions.expire(now)

    def _sealed(self, batch: Batch) -> Sent:
        border, destination = self._border, batch.destination
        content = Batch(destination=destination, envelopes=batch.envelopes).SerializeToString()
        key, route = border.sealing_keys.of(destination), Route(border.region, destination)
        if key is not None:
            try:
                return self._sent(content, key, route)
            except KeyUnusable:
                pass  # no usable key: the region signed one to which nothing can be sealed
        current = border.current
        if current.revision and current.state().member_state(destination) == MemberState.MEMBER_STATE_ABSENT:
            raise Refused(Reason.REASON_REGION_NOT_JOINED, region=destination)
        raise Refused(Reason.REASON_SEALING_KEY_MISSING, region=destination)

    def _sent(self, content: bytes, key: bytes, route: Route) -> Sent:
        border, destination, now = self._border, route.destination, _now()
        understands = border.current.understands(destination, Feature.FEATURE_SESSION_KEYS)
        if not understands or now < self._alone_until.get(destination, now):
            return sent_alone(content, key, border.draw(KEY_BYTES), route)
        session = self._sessions.use(destination, now)
        if session is None or session.public != key:
            session = Session(key, border.draw(KEY_BYTES), route)
            self._sessions.begin(destination, session, now)
        return session.send(content, border.draw(NONCE_BYTES))


def _opened(sent: Sent, response: DeliverResponse, destination: str) -> BatchAnswer:
    try:
        answer = parsed(BatchAnswer, sent.open_answer(Message(response.sealed, response.nonce)))
    except (Unreadable, DecodeError):
        raise Refused(Reason.REASON_ANSWER_UNREADABLE, region=destination) from None
    answer.journey.CopyFrom(response.journey)
    return answer


@dataclass(frozen=True)
class SealedBatchReceiver:
    """The way into a region: opens batches from coordinators, has them executed, and seals the response."""

    border: Border
    keys: RegionKeys
    act: Act
    """Answers a batch of the region that sealed it."""

    async def deliver(self, request: DeliverRequest) -> DeliverResponse:
        """Acts on a batch.

        Raises Refused for a batch that does not open; no effect has happened, and it may be sent again.
        """
        border, origin = self.border, request.origin
        if request.destination != border.region:
            raise Refused(Reason.REASON_NOT_HOME, region=border.region)
        try:
            message, route = Message(request.sealed, request.nonce), Route(origin, border.region)
            received = Received(message, self.keys.sealing_key, route, _now())
            batch = parsed(Batch, received.content)
        except KeyUnknown as unknown:
            key = unknown.key_id.hex()
            raise Refused(Reason.REASON_SEALING_KEY_UNKNOWN, region=border.region, key=key) from None
        except (Unreadable, DecodeError):
            raise Refused(Reason.REASON_BATCH_UNREADABLE, region=origin) from None
        batch.journey.CopyFrom(request.journey)
        answer = await self.act(batch, origin)
        content = BatchAnswer(results=answer.results).SerializeToString()
        sealed = received.answer(content, border.draw)
        return DeliverResponse(journey=answer.journey, sealed=sealed.sealed, nonce=sealed.nonce)


async def expire_sessions(transport: SealedBatchTransport, keys: RegionKeys) -> None:
    """Forgets the sessions that are over, at both ends of a process, also without traffic. Never returns."""
    while True:
        await asyncio.sleep(until_look(LOOK_SECONDS))
        for end in (transport, keys):
            end.expire_sessions(_now())


def _now() -> float:
    return asyncio.get_running_loop().time()
