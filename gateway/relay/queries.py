"""Questions to another region: signed like commands, answered afresh in time."""

import asyncio
import contextlib
import random
from contextvars import copy_context

from gateway.api.relay.v1.relay_pb2 import DeliverResult, Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import NO_ROOM, Refused, Unreachable
from gateway.relay.border import Border
from gateway.relay.envelopes import OutgoingEnvelope, Sealed, open_receipt, unsigned_envelope
from gateway.relay.question_lanes import QuestionCarrier, QuestionLane
from gateway.relay.retry import FullJitter
from gateway.relay.transport import Transport
from gateway.time.clock import Clock

# A query may be sent twice, because it has no effect, or one that a repeat does not double: a consent has a request id.
# After that the clerk decides.
ATTEMPTS = 2


class Asker:
    """Sends queries to other regions. Queries of one moment for one region share a batch."""

    def __init__(self, border: Border, transport: Transport, clock: Clock, source: random.Random) -> None:
        self._border = border
        self._clock = clock
        self._carrier = QuestionCarrier(border, transport, clock)
        self._wait = FullJitter(source)
        self._lanes: dict[str, QuestionLane] = {}
        # A batch has questions of several calls: it must not run in the trace of the call that created its lane.
        self._context = copy_context()

    async def ask(
        self,
        outgoing: OutgoingEnvelope,
        seconds: float,
        traceparent: str,
        attempts: int = ATTEMPTS,
        *,
        alone: bool = False,
    ) -> bytes:
        """Returns the result message of the answer, within `seconds`.

        `alone` is for a slow answer, on which neighbours of its batch would wait, and for a large one. Raises Refused
        as the other region does, with REGION_UNREACHABLE without an answer, and with TOO_BUSY without room on the way:
        the reasons for want of room are those of this region's own door.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        now, border = self._clock.now(), self._border
        sealed = unsigned_envelope(
            outgoing,
            border.region,
            now=now,
            revision=border.current.revision,
            traceparent=traceparent,
            assignments=border.current.assignments,
        )
        try:
            async with asyncio.timeout_at(deadline):
                return self._read(await self._delivered(sealed, deadline, attempts, alone), sealed)
        except (Unreachable, TimeoutError):
            raise Refused(Reason.REASON_REGION_UNREACHABLE, region=outgoing.destination) from None
        except Refused as refused:
            if refused.reason in NO_ROOM:
                raise Refused(Reason.REASON_TOO_BUSY) from None
            raise

    async def close(self) -> None:
        """Ends all questions in shared batches. A question alone ends with the task that asks it."""
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))

    async def _delivered(self, sealed: Sealed, deadline: float, attempts: int, alone: bool) -> DeliverResult:
        """The result of the first of so many attempts that reaches the destination. Raises as the last one does.

        An answer for which its neighbours left no room is asked for once more, alone.
        """
        for attempt in range(1, attempts):
            with contextlib.suppress(Unreachable):
                return await self._with_room(sealed, deadline, alone)
            await asyncio.sleep(self._wait.seconds(attempt))
        return await self._with_room(sealed, deadline, alone)

    async def _with_room(self, sealed: Sealed, deadline: float, alone: bool) -> DeliverResult:
        result = await self._deliver(sealed, deadline, alone)
        if alone or result.not_delivered.reason != Reason.REASON_MESSAGE_TOO_LARGE:
            return result
        return await self._deliver(sealed, deadline, True)

    async def _deliver(self, sealed: Sealed, deadline: float, alone: bool) -> DeliverResult:
        if alone:
            [result] = await self._carrier.carry([sealed], deadline)
            return result
        destination = sealed.content.destination
        lane = self._lanes.get(destination)
        if lane is None:
            lane = self._lanes[destination] = QuestionLane(destination, self._carrier, self._context)
        return await lane.ask(sealed, deadline)

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
