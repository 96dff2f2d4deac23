"""Questions to another region: signed like commands, answered afresh in time."""

import asyncio
import random

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

from gateway.api.relay.v1.relay_pb2 import Batch, DeliverResult, HopStamp, Journey, Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable
from gateway.relay.border import Border
from gateway.relay.envelopes import OutgoingEnvelope, Sealed, open_receipt, seal
from gateway.relay.retry import FullJitter
from gateway.relay.transport import Transport
from gateway.time.clock import Clock, to_timestamp

ATTEMPTS = 2  # a query has no effect, so it may be sent twice; after that the clerk decides


class Asker:
    """Sends queries to other regions."""

    def __init__(self, border: Border, transport: Transport, clock: Clock, source: random.Random) -> None:
        self._border = border
        self._transport = transport
        self._clock = clock
        self._wait = FullJitter(source)

    async def ask(
        self, outgoing: OutgoingEnvelope, seconds: float, traceparent: str, attempts: int = ATTEMPTS
    ) -> bytes:
        """Returns the result message of the answer, within `seconds`.

        Raises Refused as the other region does, and with REGION_UNREACHABLE without an answer.
        """
        now, revision = self._clock.now(), self._border.current.revision
        sealed = seal(
            outgoing,
            self._border.region,
            self._border.signer,
            now=now,
            revision=revision,
            traceparent=traceparent,
        )
        retrying = AsyncRetrying(
            stop=stop_after_attempt(attempts),
            wait=self._wait,
            retry=retry_if_exception_type(Unreachable),
            sleep=asyncio.sleep,
            reraise=True,
        )
        try:
            async with asyncio.timeout(seconds):
                result: DeliverResult = await retrying(self._deliver, sealed, seconds)
        except (Unreachable, TimeoutError):
            raise Refused(Reason.REASON_REGION_UNREACHABLE, region=outgoing.destination) from None
        return self._read(result, sealed)

    async def _deliver(self, sealed: Sealed, seconds: float) -> DeliverResult:
        stamp = HopStamp(party=self._border.region, event="asked", time=to_timestamp(self._clock.now()))
        batch = Batch(
            destination=sealed.content.destination,
            envelopes=[sealed.envelope],
            journey=Journey(stamps=[stamp]),
            traceparents=[sealed.content.traceparent],
        )
        answer = await self._transport.deliver(batch, seconds)
        if len(answer.results) != 1:
            raise Unreachable("the answer is not of this question")
        return answer.results[0]

    def _read(self, result: DeliverResult, sealed: Sealed) -> bytes:
        if result.HasField("not_delivered"):
            refusal = result.not_delivered
            raise Refused(refusal.reason, **dict(refusal.reason_parameters))
        receipt = open_receipt(result.receipt, self._border.keys, sealed)
        if receipt.outcome == Outcome.OUTCOME_MOVED:
            raise Refused(Reason.REASON_NOT_HOME, region=sealed.content.destination)
        if receipt.outcome == Outcome.OUTCOME_REFUSED:
            raise Refused(receipt.reason, **dict(receipt.reason_parameters))
        return receipt.result
