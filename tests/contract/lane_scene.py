"""A lane over a transport that the test holds in its hands: when it answers, when not, and what it carried."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from gateway.api.relay.v1.relay_pb2 import (
    Batch,
    BatchAnswer,
    DeliverResult,
    Envelope,
    EnvelopeContent,
    HopStamp,
    Journey,
    NotDelivered,
    Receipt,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable
from gateway.relay.envelopes import Sealed
from gateway.relay.lanes import Delivered, Lane, LanePorts, Lanes
from gateway.relay.transport import BeforeAttempt
from gateway.time.clock import SystemClock

# Reached only where a test fails.
PATIENCE_S = 60.0
ORIGIN, DESTINATION = "guangdong", "sichuan"


class NoWaiting(random.Random):
    """A source of randomness for which every wait is over at once."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


def sealed(
    envelope_id: str, *, subject: str = "", operator: str = "counter", bulk: bool = False, size: int = 10
) -> Sealed:
    content = EnvelopeContent(
        id=envelope_id,
        origin=ORIGIN,
        destination=DESTINATION,
        subject=subject or envelope_id,
        operator=operator,
        bulk=bulk,
        payload=bytes(size),
    )
    return Sealed(Envelope(content=content.SerializeToString()), content)


@dataclass
class Delivery:
    """A batch on its way, until the test answers."""

    request: Batch
    answer: "asyncio.Future[BatchAnswer]"
    before_attempt: BeforeAttempt | None = None

    @property
    def ids(self) -> list[str]:
        """The envelopes, by id."""
        return [EnvelopeContent.FromString(each.content).id for each in self.request.envelopes]

    def accept(self) -> None:
        """The destination answers every envelope, each with its own receipt."""
        results = [DeliverResult(receipt=Receipt(content=each.content)) for each in self.request.envelopes]
        stamps = [*self.request.journey.stamps, HopStamp(party=DESTINATION, event="committed")]
        self.answer.set_result(BatchAnswer(results=results, journey=Journey(stamps=stamps)))

    def turn_away(self, reason: Reason.ValueType = Reason.REASON_STORE_UNAVAILABLE) -> None:
        """The destination takes none of the envelopes for now."""
        result = DeliverResult(not_delivered=NotDelivered(reason=reason))
        self.answer.set_result(BatchAnswer(results=[result] * len(self.request.envelopes)))

    def fail(self, failure: Exception) -> None:
        """No answer."""
        self.answer.set_exception(failure)


@dataclass
class Way:
    """The transport and the origin's store of receipts, as ports of a lane."""

    batches: list[Delivery] = field(default_factory=list)
    probes: int = 0
    reachable: bool = True
    failure: Unreachable | Refused = field(default_factory=lambda: Unreachable("cut"))
    """How probes end where it is not reachable."""
    answers_by_itself: bool = False
    settled: list[str] = field(default_factory=list)
    delivered: list[Delivered] = field(default_factory=list)
    settle_when: "Callable[[], Coroutine[object, object, None]] | None" = None

    async def deliver(self, batch: Batch, timeout: float, before_attempt: BeforeAttempt | None = None) -> BatchAnswer:
        assert timeout > 0
        if not batch.envelopes:
            self.probes += 1
            if not self.reachable:
                raise self.failure
            return BatchAnswer()
        if before_attempt is not None:
            before_attempt()
        delivery = Delivery(batch, asyncio.get_running_loop().create_future(), before_attempt)
        self.batches.append(delivery)
        if self.answers_by_itself:
            delivery.accept()
        return await delivery.answer

    async def settle(self, batch: Sequence[Delivered]) -> list[bool]:
        if self.settle_when is not None:
            await self.settle_when()
        done = [delivered.result.HasField("receipt") for delivered in batch]
        self.delivered += batch
        self.settled += [each.queued.envelope_id for each, is_done in zip(batch, done, strict=True) if is_done]
        return done

    @property
    def sent(self) -> list[list[str]]:
        """The ids in each batch so far."""
        return [batch.ids for batch in self.batches]

    def ports(self) -> LanePorts:
        return LanePorts(ORIGIN, self, self.settle, SystemClock(), NoWaiting())


async def until(holds: Callable[[], bool]) -> None:
    """Lets the loop run until a condition holds."""
    while not holds():  # noqa: ASYNC110 - the conditions are looked at from outside of what fulfils them
        await asyncio.sleep(0)


async def quiet() -> None:
    """Lets the loop run until everything that can be done now is done."""
    for _ in range(50):
        await asyncio.sleep(0)


Scenario = Callable[[Way, Lane], Coroutine[object, object, None]]


def run(scenario: Scenario) -> Way:
    """Runs a scenario with a lane, which ends with it."""

    async def bounded() -> Way:
        way = Way()
        lanes = Lanes(way.ports())
        async with asyncio.timeout(PATIENCE_S):
            try:
                await scenario(way, lanes.to(DESTINATION))
            finally:
                await lanes.close()
        return way

    return asyncio.run(bounded())
