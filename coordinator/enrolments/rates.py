"""How often joiners may ask: those of each network, all together, and beside both who has a token that counts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from coordinator.enrolments.decisions import counts
from gateway.api.coordinator.v1.enrolment_service_pb2 import Enrolment
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.rates import Rate
from gateway.time.clock import Clock

# Calls of the joiners of one network, or with one token: each of them asks every few seconds.
JOINERS = 16  # as a burst
JOINERS_PER_SECOND = 8
# Calls of all of them together, each of which takes a millisecond of the processor, or two.
ALL_JOINERS = 256  # as a burst
ALL_JOINERS_PER_SECOND = 128
LOOK = 1.0  # seconds between two reads of the tokens that count
_EVERYBODY = ""


class JoiningRates:
    """The rates of one port. Used on one event loop.

    A network takes nothing of the total beyond its own rate, and only what the total allows is kept in memory: so these
    are few networks, however many call.
    """

    def __init__(self, read_all: Callable[[], Awaitable[Sequence[Enrolment]]], clock: Clock) -> None:
        """`read_all` gives all enrolments; it may raise Refused."""
        self._read_all = read_all
        self._clock = clock
        self._each = Rate(JOINERS, JOINERS_PER_SECOND)
        self._all = Rate(ALL_JOINERS, ALL_JOINERS_PER_SECOND)
        self._looked = 0.0
        self._looking: asyncio.Task[frozenset[str]] | None = None

    async def require_room(self, network: str, enrolment: str) -> None:
        """Raises Refused with ENROLMENTS_TOO_MANY for a call of a network beyond the rates.

        One with the token of an enrolment that counts has a rate of its own then, which strangers cannot use up.
        """
        now = asyncio.get_running_loop().time()
        has_room = self._each.has_room(network, now) and self._all.allows(_EVERYBODY, now)
        if not has_room and enrolment not in await self._counting(now):
            raise Refused(Reason.REASON_ENROLMENTS_TOO_MANY)
        if not self._each.allows(network if has_room else enrolment, now):
            raise Refused(Reason.REASON_ENROLMENTS_TOO_MANY)

    async def _counting(self, now: float) -> frozenset[str]:
        """The enrolments whose tokens count. All callers of a second share one read, which none of them cuts off."""
        if self._looking is None or (self._looking.done() and now - self._looked >= LOOK):
            self._looked = now
            self._looking = asyncio.create_task(self._read())
        return await asyncio.shield(self._looking)

    async def _read(self) -> frozenset[str]:
        known, now = await self._read_all(), self._clock.now()
        return frozenset(each.id for each in known if counts(each, now))
