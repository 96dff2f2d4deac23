"""Question lanes: questions of one moment for one destination share a batch.

While a batch is in flight, arriving questions wait, and the next batch takes all of them: no added wait when idle. A
lane repeats nothing: each question has attempts and a deadline of its own.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial

from gateway.api.relay.v1.relay_pb2 import Batch, DeliverResult, HopStamp, Journey
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable
from gateway.relay.border import Border
from gateway.relay.commit_signing import sign_batch
from gateway.relay.envelopes import BATCH_LIMIT, Sealed
from gateway.relay.in_flight import BatchesInFlight
from gateway.relay.lanes import BATCH_BYTES
from gateway.relay.transport import Transport
from gateway.rpc.admission import elsewhere
from gateway.security.signing import ENVELOPE
from gateway.time.clock import Clock, to_timestamp

ENOUGH = 16  # questions of a second batch, over which the fixed cost of a batch spreads well


@dataclass(frozen=True)
class QuestionCarrier:
    """Carries questions of a region for one destination in one batch, and signs them where they have no signature."""

    border: Border
    transport: Transport
    clock: Clock

    async def carry(self, questions: Sequence[Sealed], deadline: float) -> Sequence[DeliverResult]:
        """The result of each question, in order, until `deadline`, a time of the event loop.

        Raises Refused and Unreachable as the transport does, and Unreachable for a wrong number of results.
        """
        destination = questions[0].content.destination
        envelopes = [sealed.envelope for sealed in questions]
        sign_batch(self.border, ENVELOPE, [each for each in envelopes if not each.signature], destination)
        stamp = HopStamp(party=self.border.region, event="asked", time=to_timestamp(self.clock.now()))
        batch = Batch(
            destination=destination,
            envelopes=envelopes,
            journey=Journey(stamps=[stamp]),
            traceparents=[sealed.content.traceparent for sealed in questions],
        )
        answer = await self.transport.deliver(batch, deadline - asyncio.get_running_loop().time())
        if len(answer.results) != len(questions):
            raise Unreachable("the answer is not of these questions")
        return answer.results


@dataclass(frozen=True, eq=False)
class _Question:
    """A question with its deadline, a time of the event loop. `answer` is done once its caller has given up."""

    sealed: Sealed
    deadline: float
    answer: asyncio.Future[DeliverResult] = field(repr=False)


class QuestionLane:
    """The questions to one destination. Batches run in `context`, outside of the trace of any single caller."""

    def __init__(self, destination: str, carrier: QuestionCarrier, context: Context) -> None:
        self._destination = destination
        self._carrier = carrier
        self._context = context
        self._waiting: deque[_Question] = deque()
        self._in_flight = BatchesInFlight(self._start)
        self._is_starting = False
        self._is_open = True

    async def ask(self, sealed: Sealed, deadline: float) -> DeliverResult:
        """The result of a question. A cancelled question that waits is not sent.

        Raises as `QuestionCarrier.carry`, and Refused with REGION_UNREACHABLE where the lane closes first.
        """
        if not self._is_open:
            raise self._unreachable()
        question = _Question(sealed, deadline, asyncio.get_running_loop().create_future())
        self._waiting.append(question)
        self._start()
        with elsewhere():
            return await question.answer

    async def close(self) -> None:
        """Ends all questions."""
        self._is_open = False
        _fail(self._waiting, self._unreachable())
        self._waiting.clear()
        self._in_flight.cancel()
        await asyncio.gather(*self._in_flight.tasks, return_exceptions=True)

    def _start(self) -> None:
        """Starts a batch. It takes its questions when it runs: all of this turn of the event loop then share it."""
        if self._waiting and not self._is_starting and self._in_flight.has_room(len(self._waiting), ENOUGH):
            # A batch that never runs, because its process ends, stays the last.
            self._is_starting = True
            asked: list[_Question] = []
            task = asyncio.get_running_loop().create_task(self._carry(asked), context=self._context.copy())
            self._in_flight.add(task, 0)
            task.add_done_callback(partial(self._landed, asked))

    def _take(self) -> Sequence[_Question]:
        taken: list[_Question] = []
        size = 0
        while self._waiting and len(taken) < BATCH_LIMIT:
            question = self._waiting[0]
            if not question.answer.done():
                size += len(question.sealed.envelope.content)
                if taken and size > BATCH_BYTES:
                    break
                taken.append(question)
            self._waiting.popleft()
        return taken

    async def _carry(self, asked: list[_Question]) -> None:
        self._is_starting = False
        asked += self._take()
        self._start()
        if not asked:
            return
        latest = max(question.deadline for question in asked)
        results = await self._carrier.carry([question.sealed for question in asked], latest)
        self._in_flight.note_answer()
        for question, result in zip(asked, results, strict=True):
            if not question.answer.done():
                question.answer.set_result(result)

    def _landed(self, asked: Sequence[_Question], task: asyncio.Task[None]) -> None:
        failure = self._unreachable() if task.cancelled() else task.exception()
        if failure is not None:
            _fail(asked, failure)
        self._start()

    def _unreachable(self) -> Refused:
        return Refused(Reason.REASON_REGION_UNREACHABLE, region=self._destination)


def _fail(questions: Iterable[_Question], failure: BaseException) -> None:
    for question in questions:
        if not question.answer.done():
            question.answer.set_exception(failure)
