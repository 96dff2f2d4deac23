"""Asks other regions in rounds what they have exchanged with this one; silent ones less and less often."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.api.region.v1.recovery_envelopes_pb2 import CatchUpAnswer, CatchUpQuestion
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.running import stop_tasks
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outcomes import outcomes
from gateway.relay.queries import Asker
from gateway.time.clock import to_microseconds
from region_node.lifecycle.recovery.telling import CATCH_UP, PAGE
from region_node.node.payloads import received

LOOK_SECONDS = 60.0  # between two looks of a loop that has nobody to ask
ROUND_SECONDS = 2.0  # that a round waits for answers
AGAIN_SECONDS = 2.0  # before a region is asked again that could not answer, twice as many each time
LONGEST_PLACE = 512  # characters of a place behind which another region's answer goes on
DOUBLINGS = 3  # of that time
LOOK_DOUBLINGS = 5  # of it for a region that reports nothing before people mend that: as seldom as a look
LONG_DOUBLINGS = 10  # of it for a region whose answers of the next minutes will hardly help either
_ANSWER_SECONDS = 10.0
_LIFETIME = timedelta(minutes=10)  # far more than clocks may differ by
_AT_ONCE = 32  # answers that a loop waits for, each of a megabyte
_log = logging.getLogger(__name__)


class Pauses:
    """The regions that are not asked for the time being: those that do not answer, longer each time."""

    def __init__(self) -> None:
        self._times = Counter[str]()
        self._ends: dict[str, float] = {}

    def has(self, region: str) -> bool:
        """Whether a region is not asked now."""
        return asyncio.get_running_loop().time() < self._ends.get(region, 0.0)

    def begin(self, region: str, doublings: int = DOUBLINGS) -> None:
        """A region is not asked for some time."""
        seconds = AGAIN_SECONDS * 2 ** min(self._times[region], doublings)
        self._times[region] += 1
        self._ends[region] = asyncio.get_running_loop().time() + seconds

    def end(self, region: str) -> None:
        """A region has answered."""
        self._times.pop(region, None)
        self._ends.pop(region, None)


class Rounds:
    """The rounds of a loop that asks regions, each by a task of its own: a slow or silent one delays no other.

    A task waits for as long as its region takes. Nothing breaks off what it writes or compares but the end of `run`.
    """

    def __init__(self, asker: Asker) -> None:
        self.pauses = Pauses()
        self._asker = asker
        self._changed = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[bool]] = {}
        self._asked: dict[str, Sequence[object]] = {}
        self._answers = asyncio.Semaphore(_AT_ONCE)

    def wake(self) -> None:
        """Has the next round begin at once."""
        self._changed.set()

    async def run(self, begin: Callable[[], Awaitable[bool]]) -> None:
        """Runs until cancelled. `begin` is a round: it returns whether no question is left, and may raise Refused."""
        try:
            while True:
                self._changed.clear()
                seconds = AGAIN_SECONDS
                try:
                    if await begin():
                        seconds = LOOK_SECONDS
                except Refused as refused:
                    if refused.reason != Reason.REASON_DATABASE_BEHIND:  # as long as people have not accepted the loss
                        _log.warning("other regions are asked again soon: %s", refused)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._changed.wait()
        finally:
            await stop_tasks(self._tasks.values())

    async def ask(
        self, left: Mapping[str, Sequence[object]], ask: Callable[[str], Coroutine[None, None, bool]]
    ) -> bool:
        """A round: begins a task for each region that is left and has neither a task nor a pause; waits a little.

        Returns whether all regions have answered all that is left. Raises the first error of a task.
        """
        for each, questions in left.items():
            if each not in self._tasks and not self.pauses.has(each):
                self._tasks[each] = asyncio.get_running_loop().create_task(ask(each))
                self._asked[each] = questions
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=ROUND_SECONDS)
        ended = {each: task for each, task in self._tasks.items() if task.done()}
        for each in ended:
            del self._tasks[each]
        found = await outcomes(list(ended.values()))
        for outcome in found:
            if isinstance(outcome, Exception):
                raise outcome
        # A task of an earlier round knows nothing of a question that came after it had begun.
        has_asked_all = all(each in ended and self._asked[each] == questions for each, questions in left.items())
        return has_asked_all and all(found)

    async def answer(
        self, subject: str, region: str, question: CatchUpQuestion, now: datetime, refused_places: set[str]
    ) -> CatchUpAnswer:
        """The answer of a region. `subject` names the question, with this region.

        The question begins anew where the region refuses the place that it has given itself: once for all pages with
        the same `refused_places`. Raises Refused as `Asker.ask`, and with ENVELOPE_INVALID for a place that no question
        can go on behind, or more receipts than a page has.
        """
        try:
            answer = await self._page(subject, region, question, now)
        except Refused as refused:
            if refused.reason != Reason.REASON_ENVELOPE_INVALID or not question.place or refused_places:
                raise
            refused_places.add(question.place)
            question.place = ""
            answer = await self._page(subject, region, question, now)
        if answer.next_place and answer.next_place in (question.place, *refused_places):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="an answer that leads to itself")
        if len(answer.receipts) > PAGE:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem=f"a page of more than {PAGE} receipts")
        if len(answer.next_place) > LONGEST_PLACE:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem=f"a place of more than {LONGEST_PLACE} characters")
        return answer

    async def _page(self, subject: str, region: str, question: CatchUpQuestion, now: datetime) -> CatchUpAnswer:
        outgoing = OutgoingEnvelope(
            envelope_id=f"{subject}/{to_microseconds(now)}>{region}",
            destination=region,
            kind=CATCH_UP,
            payload=question.SerializeToString(),
            subject=subject,
            operator="",
            lifetime=_LIFETIME,
        )
        async with self._answers:
            return received(CatchUpAnswer, await self._asker.ask(outgoing, _ANSWER_SECONDS, "", alone=True))
