"""A transport for questions that a test holds in its hands, on virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache

from gateway.api.relay.v1.relay_pb2 import Batch, BatchAnswer, DeliverResult, EnvelopeContent, Outcome
from gateway.errors import Refused, reason_name
from gateway.relay.envelopes import Answer, Sealed, seal_receipt
from gateway.relay.queries import ATTEMPTS, Asker
from gateway.relay.question_lanes import ENOUGH
from gateway.relay.transport import BeforeAttempt
from tests.contract.lane_scene import NoWaiting, quiet
from tests.contract.relay_pair import DESTINATION, NOW, ORIGIN, OUTGOING, QUERY, FixedClock, Pair
from tests.simulation.virtual_time import VirtualLoop

ACCEPTED, REFUSED, MOVED = Outcome.OUTCOME_ACCEPTED, Outcome.OUTCOME_REFUSED, Outcome.OUTCOME_MOVED
ELSEWHERE = "henan"
LONG = 50.0
NO_CALL = "none"
CALL: ContextVar[str] = ContextVar("call", default=NO_CALL)

pair = cache(Pair)


@dataclass(repr=False)
class Delivery:
    """A batch on its way, until the test answers."""

    batch: Batch
    seconds: float
    call: str
    """The call in whose context the batch runs."""
    answer: "asyncio.Future[BatchAnswer]"

    @property
    def names(self) -> list[str]:
        """The questions, by name."""
        return [EnvelopeContent.FromString(each.content).id for each in self.batch.envelopes]

    def accept(self, differing: Mapping[str, DeliverResult] | None = None) -> None:
        """The destination answers each question with its name, but for the differing ones."""
        given = dict(differing or {})
        results = [given.get(name) or self.receipt(name) for name in self.names]
        self.answer.set_result(BatchAnswer(results=results))

    def receipt(self, name: str, answer: Answer | None = None, signed_by: str = DESTINATION) -> DeliverResult:
        """The receipt of one question."""
        envelope = self.batch.envelopes[self.names.index(name)]
        sealed = Sealed(envelope, EnvelopeContent.FromString(envelope.content))
        told = answer or Answer(ACCEPTED, result=f"told {name}".encode())
        return DeliverResult(receipt=seal_receipt(sealed, told, pair().borders[signed_by].signer, now=NOW, revision=7))


FILLED = ["told first", *(f"told second {number}" for number in range(ENOUGH))]
"""The answers to the questions of `Way.fill`."""


@dataclass(repr=False)
class Way:
    """The transport, and the questions asked."""

    batches: list[Delivery] = field(default_factory=list)
    most_shared: int = 0
    asked: list["asyncio.Task[bytes]"] = field(default_factory=list)
    asker: Asker = field(init=False)

    def __post_init__(self) -> None:
        self.asker = Asker(pair().borders[ORIGIN], self, FixedClock(), NoWaiting())

    async def deliver(self, batch: Batch, timeout: float, before_attempt: BeforeAttempt | None = None) -> BatchAnswer:
        delivery = Delivery(batch, timeout, CALL.get(), asyncio.get_running_loop().create_future())
        self.batches.append(delivery)
        self.most_shared = max(self.most_shared, sum(each.call == NO_CALL for each in self.on_their_way))
        return await delivery.answer

    @property
    def on_their_way(self) -> list[Delivery]:
        """The batches without an answer."""
        return [each for each in self.batches if not each.answer.done()]

    @property
    def sent(self) -> list[list[str]]:
        """The names in each batch so far."""
        return [batch.names for batch in self.batches]

    def ask(
        self,
        *names: str,
        seconds: float = LONG,
        attempts: int = ATTEMPTS,
        alone: bool = False,
        destination: str = DESTINATION,
        size: int = 1,
    ) -> "asyncio.Task[bytes]":
        """Asks questions at one moment; returns the last."""
        for name in names:
            outgoing = replace(OUTGOING, envelope_id=name, kind=QUERY, destination=destination, payload=bytes(size))
            asking = self.asker.ask(outgoing, seconds, "00-1", attempts, alone=alone)
            self.asked.append(asyncio.get_running_loop().create_task(asking))
        return self.asked[-1]

    async def fill(self) -> None:
        """Sends as many batches as may be in flight: one of one question, and a second one of just enough."""
        self.ask("first")
        await quiet()
        names = [f"second {number}" for number in range(ENOUGH)]
        self.ask(*names)
        await quiet()
        assert self.sent == [["first"], names]

    async def outcomes(self) -> list[str]:
        """The outcome of each question: its answer, or the reason of its refusal."""
        ended = await asyncio.gather(*self.asked, return_exceptions=True)
        return [outcome(each) for each in ended]


def outcome(ended: bytes | BaseException) -> str:
    """An answer, the reason of a refusal, or the type of another exception."""
    if isinstance(ended, bytes):
        return ended.decode()
    return reason_name(ended.reason) if isinstance(ended, Refused) else type(ended).__name__


def play_way(scenario: Callable[[Way], Coroutine[object, object, None]]) -> Way:
    """Runs a scenario on virtual time: it raises Stalled where a question is lost."""

    async def bounded() -> Way:
        way = Way()
        await scenario(way)
        await way.asker.close()
        await way.outcomes()
        assert asyncio.all_tasks() == {asyncio.current_task()}, "nothing of a lane is left"
        return way

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(bounded())
