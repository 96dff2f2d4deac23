"""Asks other regions what they have exchanged with this one; those that do not answer less and less often."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta

from gateway.api.region.v1.recovery_envelopes_pb2 import CatchUpAnswer, CatchUpQuestion
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.queries import Asker
from gateway.time.clock import to_microseconds
from region_node.lifecycle.recovery.telling import CATCH_UP
from region_node.node.payloads import received

AGAIN_SECONDS = 2.0  # before a region is asked again that could not answer, twice as many each time
LONGEST_PLACE = 512  # characters of a place behind which another region's answer goes on
DOUBLINGS = 3  # of that time
LONG_DOUBLINGS = 10  # of it for a region whose answers of the next minutes will hardly help either
_ANSWER_SECONDS = 10.0
_LIFETIME = timedelta(minutes=10)  # far more than clocks may differ by


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


async def answer_of(asker: Asker, subject: str, region: str, question: CatchUpQuestion, now: datetime) -> CatchUpAnswer:
    """The answer of a region. `subject` names the question, with this region.

    Raises Refused as `Asker.ask`, and with ENVELOPE_INVALID for a place that no question can go on behind.
    """
    outgoing = OutgoingEnvelope(
        envelope_id=f"{subject}/{to_microseconds(now)}>{region}",
        destination=region,
        kind=CATCH_UP,
        payload=question.SerializeToString(),
        subject=subject,
        operator="",
        lifetime=_LIFETIME,
    )
    answer = received(CatchUpAnswer, await asker.ask(outgoing, _ANSWER_SECONDS, "", alone=True))
    if answer.next_place and answer.next_place == question.place:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="an answer that leads to itself")
    if len(answer.next_place) > LONGEST_PLACE:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem=f"a place of more than {LONGEST_PLACE} characters")
    return answer
