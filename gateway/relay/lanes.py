"""Lanes: a queue per destination, which forms batches.

While a batch is in flight, arriving envelopes collect, and the next batch takes all of them: no added wait when idle. A
lane whose destination does not respond stops sending, and probes with an empty batch until it responds.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple

from gateway.api.relay.v1.relay_pb2 import Batch, DeliverResult, HopStamp, Journey
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable, reason_name, status_code
from gateway.relay.envelopes import BATCH_LIMIT, Sealed
from gateway.relay.fair_queue import FairQueue, QueuedEnvelope
from gateway.relay.in_flight import BATCHES_IN_FLIGHT, BatchesInFlight
from gateway.relay.retry import FullJitter, RetryBudget, probe_until_answered
from gateway.relay.transport import Transport
from gateway.time.clock import Clock, to_timestamp

BATCH_BYTES = 2 * 1024 * 1024  # contents in one delivery: half of a server's limit, since signatures come on top
DELIVER_TIMEOUT = 10.0  # seconds for a delivery there and back: a destination waits for its own commit only
# Seconds: after a quicker answer the next batch may be twice as large, after a slower one, or none, half as large. A
# destination that is too slow for whole batches would answer none in time, whatever it has done meanwhile.
QUICK, SLOW = DELIVER_TIMEOUT / 4, DELIVER_TIMEOUT / 2
SMALL_BATCH = 8  # envelopes that any destination which serves at all takes in time
LONGEST_PARKING = 30.0  # seconds before an envelope that was not taken is offered again
LONGEST_REST = 300.0  # the same, of one that meets a defect, each time
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivered:
    """A queued envelope with the answer that its destination gave, and the serialised journey of its batch."""

    queued: QueuedEnvelope
    result: DeliverResult
    journey: bytes


Settle = Callable[[Sequence[Delivered]], Awaitable[list[bool]]]


@dataclass(frozen=True)
class LanePorts:
    """The ports of a lane.

    `settle` commits receipts at the origin; False at an index means: send that envelope again, unless it was set aside.
    """

    region: str
    transport: Transport
    settle: Settle
    clock: Clock
    source: random.Random


@dataclass
class LaneCounts:
    """Counts of a lane since its start, for metrics."""

    sent: int = 0
    repeated: int = 0
    probes: int = 0
    trips: int = 0
    answered: int = 0
    """Deliveries with an answer, each of one batch."""
    seconds: float = 0.0
    """Time that these took together."""
    failed: Counter[str] = field(default_factory=Counter)
    """Deliveries without an answer, by the name of the gRPC status for it."""
    delivered: int = 0
    """Envelopes whose receipts are kept."""
    not_taken: Counter[str] = field(default_factory=Counter)
    """Envelopes of answered deliveries that are sent again, or left to people, by the name of a gRPC status."""


class Stop(NamedTuple):
    """A destination that does not respond."""

    since: datetime
    failure: str
    """The name of the reason of the last refusal, or of the gRPC status without an answer."""
    waiting: int = 0
    """The number of envelopes in its queue, without those that it has not taken (`gateway.relay.outbox.not_taken`)."""


class Lane:
    """The queue to one destination."""

    def __init__(self, destination: str, ports: LanePorts) -> None:
        self.destination = destination
        self.counts = LaneCounts()
        self._ports = ports
        self._queue = FairQueue()
        self._wait = FullJitter(ports.source)
        self._budget = RetryBudget()
        self._failures = 0
        self._limit = BATCH_LIMIT
        self._changed = asyncio.Event()
        self._in_flight = BatchesInFlight(self._changed.set)
        self._open = True
        self._stop: Stop | None = None

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def stopped(self) -> Stop | None:
        """Since when the destination has not responded, why, and how many envelopes wait; None while it does."""
        return None if self._stop is None else self._stop._replace(waiting=self._queue.unrefused)

    @property
    def in_flight(self) -> int:
        """The number of envelopes in batches that were sent and whose answers are not kept yet."""
        return self._in_flight.contents

    def waiting_of(self, operator: str) -> int:
        """The number of envelopes of an operator that wait."""
        return self._queue.waiting_of(operator)

    def add(self, sealed: Sealed) -> None:
        """Queues an envelope."""
        self._queue.put(QueuedEnvelope(sealed))
        self._changed.set()

    def add_perhaps_sent(self, sealed: Sealed, not_taken: Reason.ValueType = Reason.REASON_UNSPECIFIED) -> None:
        """Queues an envelope of an earlier process, which may have been sent, with why it was not taken then."""
        self._queue.put(QueuedEnvelope(sealed, attempts=1, not_taken=not_taken))
        self._changed.set()

    def withdraw(self, envelope_id: str) -> QueuedEnvelope | None:
        """Withdraws an envelope that certainly never left; None otherwise."""
        return self._queue.withdraw(envelope_id)

    def give_back(self, queued: QueuedEnvelope) -> None:
        """Queues a withdrawn queued envelope again."""
        self._queue.forget(queued.envelope_id)
        self.add(queued.sealed)

    def forget(self, queued: QueuedEnvelope) -> None:
        """Forgets a withdrawn queued envelope, which the caller does not return."""
        self._queue.forget(queued.envelope_id)

    async def run(self) -> None:
        """Sends until cancelled; the next process sends again the batches that are in flight then."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if not self._open:
                    await self._recover()
                self._send_what_waits()
        finally:
            self._open = False
            self._in_flight.cancel()

    def _send_what_waits(self) -> None:
        loop = asyncio.get_running_loop()
        while self._open and self._in_flight.has_room(len(self._queue), self._limit):
            batch = self._queue.take(self._limit, BATCH_BYTES)
            if not batch:
                return
            task = loop.create_task(self._carry(batch))
            self._in_flight.add(task, len(batch))
            task.add_done_callback(partial(self._landed, batch))

    def _landed(self, batch: Sequence[QueuedEnvelope], task: asyncio.Task[None]) -> None:
        """A batch that ended without an answer, by a defect or a call that was cancelled, is sent again."""
        self._changed.set()
        if task.cancelled():
            self._trip(batch, Unreachable("the call was cancelled"))
        elif task.exception() is not None:
            _log.error("a batch to %s was lost on its way", self.destination, exc_info=task.exception())
            self._trip(batch, Unreachable("a batch was lost on its way"))

    async def _carry(self, batch: Sequence[QueuedEnvelope]) -> None:
        for queued in batch:
            self.counts.sent += 1
            self.counts.repeated += queued.attempts > 0
            queued.attempts += 1
        request = Batch(
            destination=self.destination,
            envelopes=[queued.sealed.envelope for queued in batch],
            journey=Journey(stamps=[self._stamp("sent")]),
            traceparents=[queued.sealed.content.traceparent for queued in batch],
        )
        attempts = 0

        def count() -> None:
            nonlocal attempts
            attempts += 1
            if attempts > 1:
                self._count_again(batch)

        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            response = await self._ports.transport.deliver(request, DELIVER_TIMEOUT, count)
        except (Unreachable, Refused) as failure:
            self._adapt(batch, loop.time() - began, is_answered=False)
            self._trip(batch, failure)
            return
        if len(response.results) != len(batch):
            self._trip(batch, Unreachable("the answer is not of this batch"))
            return
        self.counts.answered += 1
        seconds = loop.time() - began
        self.counts.seconds += seconds
        self._in_flight.note_answer()
        self._failures = 0
        self._adapt(batch, seconds, is_answered=True)
        if self._open:  # else another batch has failed meanwhile
            self._stop = None
        response.journey.stamps.append(self._stamp("receipt received"))
        journey = response.journey.SerializeToString()
        settled = await self._ports.settle(
            [Delivered(queued, result, journey) for queued, result in zip(batch, response.results, strict=True)]
        )
        for queued, result, done in zip(batch, response.results, settled, strict=True):
            if done:
                self._queue.release(queued.subject)
                continue
            self.counts.not_taken[_status_of(result)] += 1
            if queued.is_set_aside:
                self._queue.drop(queued.subject)
            else:
                self._park(queued)
        self.counts.delivered += sum(settled)
        self._budget.deposit(sum(settled))

    def _adapt(self, batch: Sequence[QueuedEnvelope], seconds: float, *, is_answered: bool) -> None:
        """Sets the most envelopes of the next batch, by the time of this one."""
        if seconds > SLOW:
            self._limit = max(SMALL_BATCH, min(self._limit, len(batch) // 2))
        elif is_answered and seconds < QUICK:
            self._limit = min(BATCH_LIMIT, 2 * self._limit)

    def _count_again(self, batch: Sequence[QueuedEnvelope]) -> None:
        """Counts the transport's own second attempts at another replica."""
        for queued in batch:
            queued.attempts += 1
        self.counts.sent += len(batch)
        self.counts.repeated += len(batch)
        self._budget.withdraw(len(batch))

    def _park(self, queued: QueuedEnvelope) -> None:
        """Offers an envelope that was not taken again after a while."""
        delay = min(
            LONGEST_REST if queued.defects else LONGEST_PARKING, self._wait.seconds(queued.attempts) * queued.attempts
        )
        asyncio.get_running_loop().call_later(delay, self._offer_again, queued)

    def _offer_again(self, queued: QueuedEnvelope) -> None:
        self._queue.put_back([queued])
        self._changed.set()

    def _trip(self, batch: Sequence[QueuedEnvelope], failure: Unreachable | Refused) -> None:
        status = status_code(failure.reason).name if isinstance(failure, Refused) else failure.status
        self.counts.failed[status] += 1
        if self._open:
            self.counts.trips += 1
            self._stop = self._stop or Stop(self._ports.clock.now(), "")
            told = reason_name(failure.reason) if isinstance(failure, Refused) else str(failure)
            _log.warning("the lane to %s stops sending: %s", self.destination, told)
        self._tell_failure(failure)
        self._open = False
        self._failures += 1
        self._queue.put_back(batch)
        self._changed.set()
        if not self._budget.withdraw(len(batch)):
            self._failures += 1

    def _tell_failure(self, failure: Unreachable | Refused) -> None:
        if self._stop is not None:
            told = reason_name(failure.reason) if isinstance(failure, Refused) else failure.status
            self._stop = self._stop._replace(failure=told)

    async def _recover(self) -> None:
        """Waits for the batches on their way, then probes with an empty batch until the destination answers."""
        if tasks := self._in_flight.tasks:
            await asyncio.wait(tasks)
        if self._failures > BATCHES_IN_FLIGHT:
            await asyncio.sleep(self._wait.seconds(self._failures))
        await probe_until_answered(self._probe, self._wait, asyncio.sleep)
        self._open = True
        if not self._queue:  # else the next batch says whether it is more than an empty one that is answered
            self._stop = None
        _log.warning("the lane to %s sends again", self.destination)

    async def _probe(self) -> bool:
        self.counts.probes += 1
        try:
            await self._ports.transport.deliver(Batch(destination=self.destination), DELIVER_TIMEOUT)
        except (Unreachable, Refused) as failure:
            self._tell_failure(failure)
            return False
        return True

    def _stamp(self, event: str) -> HopStamp:
        return HopStamp(party=self._ports.region, event=event, time=to_timestamp(self._ports.clock.now()))


class Lanes:
    """The lanes of one process, made as destinations come up."""

    def __init__(self, ports: LanePorts) -> None:
        self._ports = ports
        self._lanes: dict[str, Lane] = {}
        # A lane carries envelopes of all calls: it must not run in the trace of the call that created it.
        self._context = copy_context()
        self._tasks = set[asyncio.Task[None]]()

    def to(self, destination: str) -> Lane:
        """The lane to a destination."""
        lane = self._lanes.get(destination)
        if lane is None:
            lane = self._lanes[destination] = Lane(destination, self._ports)
            running = asyncio.get_running_loop().create_task(lane.run(), context=self._context.copy())
            running.add_done_callback(self._ended)
            self._tasks.add(running)
        return lane

    def known(self, destination: str) -> Lane | None:
        """The lane to a destination; None where nothing was sent there yet."""
        return self._lanes.get(destination)

    def all(self) -> list[Lane]:
        """The lanes that exist."""
        return list(self._lanes.values())

    def stopped(self) -> dict[str, Stop]:
        """The destinations that do not respond, each with the time since when, the cause and what waits."""
        return {lane.destination: stop for lane in self._lanes.values() if (stop := lane.stopped) is not None}

    def in_flight(self) -> dict[str, int]:
        """The numbers of envelopes in flight, by destination; without those of none."""
        return {lane.destination: lane.in_flight for lane in self._lanes.values() if lane.in_flight}

    def begin_anew(self) -> None:
        """Forgets all envelopes, also those in flight: the caller adds those that the database has after a loss."""
        for task in self._tasks:
            task.cancel()
        self._lanes.clear()

    async def close(self) -> None:
        """Stops sending. Envelopes without a receipt stay in the outbox."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.critical("a lane ended; its envelopes wait for the next start", exc_info=task.exception())


def _status_of(result: DeliverResult) -> str:
    """The gRPC status for why an envelope has no receipt here. A destination may send any number as its reason."""
    return status_code(result.not_delivered.reason).name if result.HasField("not_delivered") else "DATA_LOSS"
