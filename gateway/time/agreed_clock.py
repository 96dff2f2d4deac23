"""The time of day that this process and others agree on, which no step of the machine's clock moves.

Everything that depends on time waits until the clock is settled: timers, billing, purges, the expiry of keys.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from math import inf
from statistics import median_low

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import BETWEEN_TRUSTED, EPOCH, MAX_CLOCK_ERROR, SteadyClock

LISTENING = 10.0  # seconds after a start in which others may answer, before a process goes by its own clock alone
SHORT_ABSENCE = timedelta(minutes=20)  # since the last agreed time, which is kept every ten minutes: a restart
LONGEST_ALONE = timedelta(days=31)  # since the last agreed time: with nobody to ask, a longer absence is not believed
OPINION_COUNTS = 600.0  # seconds: far longer than the time between two heartbeats
_SEVERAL = 2  # others, of whom one alone may have the wrong clock
_LOOK = 0.2  # seconds between two looks of those who wait
_TRUST = 1.0  # seconds for which a look at all opinions counts: `now` notices a step of the machine by itself
_log = logging.getLogger(__name__)


class Standing(Enum):
    """Whether a time of day can be relied on."""

    SETTLED = "settled"
    UNPROVEN = "unproven"
    """Nobody has confirmed it since the start, and somebody still may."""
    WRONG = "wrong"
    """It contradicts others or the time that the database kept, or it has stepped since they confirmed it."""


@dataclass(frozen=True)
class Opinion:
    """The time of somebody else's clock since 1970, less the seconds of this steady clock."""

    offset: timedelta
    heard: float
    """In seconds of the steady clock."""


@dataclass(frozen=True)
class Evidence:
    """All that speaks for or against a time of day. An offset is a time since 1970 less the steady clock's seconds."""

    started: float
    """In seconds of the steady clock."""
    last: datetime | None = None
    """The agreed time that the database kept; None for a new one."""
    agreed: timedelta | None = None
    """The offset of the time of day when it was settled last; None before the first time."""
    opinions: Mapping[str, Opinion] = field(default_factory=dict)

    def heard(self, whom: str, opinion: Opinion) -> "Evidence":
        """The evidence with an opinion, and without those that count no more."""
        lasting = {name: each for name, each in self.opinions.items() if _counts(each, opinion.heard)}
        return replace(self, opinions={**lasting, whom: opinion})

    def without_stale(self, whom: str, opinion: Opinion, offset: timedelta) -> "Evidence":
        """The evidence without opinions from before a step of all clocks, as after a virtual machine has stood still.

        The new opinion has left its party's former one just as this clock has left the agreed time. Opinions older than
        that former one count no more: parties that are heard regularly have newer ones.
        """
        former = self.opinions.get(whom)
        if former is None or self.agreed is None or _are_near(former.offset, opinion.offset):
            return self
        if not _are_near(opinion.offset - former.offset, offset - self.agreed):
            return self
        lasting = {name: each for name, each in self.opinions.items() if each.heard >= former.heard}
        return replace(self, opinions=lasting)

    def has_others(self, steady: float) -> bool:
        """Whether somebody else was heard lately."""
        return bool(_offsets(self, steady))

    def follows_last(self, offset: timedelta, steady: float) -> bool:
        """Whether a time of day comes soon after the one that the database kept."""
        return self.last is not None and -MAX_CLOCK_ERROR <= self.since_last(offset, steady) <= LONGEST_ALONE

    def since_last(self, offset: timedelta, steady: float) -> timedelta:
        """The time from the one that the database kept to a time of day; since 1970 for a new database."""
        return offset + timedelta(seconds=steady) - ((self.last or EPOCH) - EPOCH)

    def better_than(self, offset: timedelta, steady: float) -> timedelta | None:
        """The offset of the others, where the database's time speaks for them and against a time of day."""
        others = _offsets(self, steady)
        if not others or self.follows_last(offset, steady):
            return None
        theirs = median_low(others)
        return theirs if self.follows_last(theirs, steady) else None

    def difference(self, offset: timedelta, steady: float) -> timedelta:
        """A time of day less that of the others; without them, less the time that was agreed or kept last."""
        others = _offsets(self, steady)
        if others:
            return offset - median_low(others)
        if self.agreed is not None:
            return offset - self.agreed
        return timedelta(0) if self.last is None else self.since_last(offset, steady)


def standing(evidence: Evidence, offset: timedelta, steady: float) -> Standing:
    """Whether a time of day, by its offset at a time of the steady clock, can be relied on. Pure.

    At least half of the others must agree with it: with this clock they are the majority. Where none was heard for
    long, the steady clock continues the last agreed time. Before the first agreement the database's time counts.
    """
    others = _offsets(evidence, steady)
    if others:
        agreeing = sum(_are_near(each, offset) for each in others)
        return Standing.SETTLED if 2 * agreeing >= len(others) else Standing.WRONG
    if evidence.agreed is not None:
        return Standing.SETTLED if _are_near(evidence.agreed, offset) else Standing.WRONG
    if evidence.last is not None and not evidence.follows_last(offset, steady):
        return Standing.WRONG
    return Standing.UNPROVEN if steady - evidence.started < LISTENING else Standing.SETTLED


class AgreedClock:
    """A clock whose time steps by more than `MAX_CLOCK_ERROR` only where others confirm it, or nobody answers a start.

    While the machine's clock contradicts the agreed time, the steady clock continues that time. A new one is settled
    and goes by its own clock until `start_from` or `hear`.
    """

    def __init__(self, clock: SteadyClock) -> None:
        self._clock = clock
        offset, steady = self._reading()
        self._take(Evidence(started=steady, agreed=offset))
        self._noted = Standing.SETTLED
        self._settled_at = self._looked_at = steady

    def start_from(self, last: datetime | None) -> None:
        """Relies on nothing but the agreed time that an earlier process has stored, until somebody else was heard."""
        offset, steady = self._reading()
        self._take(Evidence(started=steady, last=last))
        self._origin = EPOCH + offset
        self._looked_at = -inf

    def now(self) -> datetime:
        """The agreed time; before the first agreement, that of the machine at the start, and the time since then."""
        wall = self._clock.now()
        expected = self._origin + timedelta(0, self._clock.steady())
        return wall if abs(wall - expected) <= MAX_CLOCK_ERROR else expected

    def latest_told(self) -> datetime | None:
        """The latest time that a member passes on from another one's clock; None before this process trusts a clock.

        The member allows for the difference of that clock, and this process for the difference of the member's.
        """
        self.is_settled()
        return self.now() + 2 * BETWEEN_TRUSTED if self._evidence.agreed is not None else None

    def is_contradicted(self) -> bool:
        """Whether several others, and more than agree with it, have one other time than this clock."""
        steady = self._clock.steady()
        offset, others = self.now() - EPOCH - timedelta(seconds=steady), _offsets(self._evidence, steady)
        agreeing = sum(_are_near(each, offset) for each in others)
        against = (sum(_are_near(each, time) for each in others) for time in others if not _are_near(time, offset))
        return max(against, default=0) >= max(_SEVERAL, agreeing + 1)

    def wall(self) -> datetime:
        """The time of the machine, right or wrong."""
        return self._clock.now()

    def steady(self) -> float:
        """Seconds that no step moves."""
        return self._clock.steady()

    def hear(self, whom: str, told: datetime, steady: float | None = None) -> None:
        """Notes what somebody else's clock showed, at a time of the steady clock; now by default."""
        heard = self.steady() if steady is None else steady
        opinion = Opinion(told - EPOCH - timedelta(seconds=heard), heard)
        offset, _ = self._reading()
        self._take(self._evidence.without_stale(whom, opinion, offset).heard(whom, opinion))
        self.is_settled()

    def is_alone(self) -> bool:
        """Whether nobody else was heard lately."""
        return not self._evidence.has_others(self.steady())

    def take_confirmed(self, kept: datetime) -> None:
        """Settles the clock by a time that a person or another process has just kept, where the machine shows it, too.

        Others who are heard decide instead.
        """
        offset, _ = self._reading()
        if self.is_alone() and abs(self.wall() - kept) <= MAX_CLOCK_ERROR:
            self._take(replace(self._evidence, last=kept, agreed=offset))
            self.is_settled()

    def is_settled(self) -> bool:
        """Whether all that depends on time may be done."""
        offset, steady = self._reading()
        found, self._looked_at = standing(self._evidence, offset, steady), steady
        if found == Standing.SETTLED:
            self._settled_at = steady
            # Alone, a clock that steps again and again by a little would carry the agreed time along.
            agreed = self._evidence.agreed
            if agreed != offset and (agreed is None or self._evidence.has_others(steady)):
                self._take(replace(self._evidence, agreed=offset))
        elif self._evidence.agreed is None:  # a process that has started by a wrong clock
            self._take(replace(self._evidence, agreed=self._evidence.better_than(offset, steady)))
        if found != self._noted:
            self._noted = found
            self._tell(found, self._evidence.difference(offset, steady))
        return found == Standing.SETTLED

    async def settled(self) -> None:
        """Returns as soon as the clock is settled."""
        while not self.is_settled():  # noqa: ASYNC110 - time alone may settle it
            await asyncio.sleep(_LOOK)

    def settled_now(self) -> datetime:
        """The agreed time, for a decision that lasts. Raises Refused with CLOCK_UNTRUSTED unless it is settled."""
        if not self.is_settled():
            raise Refused(Reason.REASON_CLOCK_UNTRUSTED)
        return self.now()

    def require_trusted(self) -> None:
        """Raises Refused with CLOCK_UNTRUSTED where this clock was wrong at the last look, of this second or later.

        The same holds for an unproven clock long after the time that the database kept: it may be weeks ahead.
        """
        if self.steady() - self._looked_at >= _TRUST:
            self.is_settled()
        if self._noted == Standing.WRONG or (self._noted == Standing.UNPROVEN and self._was_long_away()):
            raise Refused(Reason.REASON_CLOCK_UNTRUSTED)

    def difference(self) -> timedelta:
        """The time of the machine less that of the others, or less the agreed time where nobody was heard."""
        return self._evidence.difference(*self._reading())

    def unsettled_seconds(self) -> float:
        """For how long all that depends on time has waited; 0 while the clock is settled."""
        return 0.0 if self.is_settled() else self.steady() - self._settled_at

    def _was_long_away(self) -> bool:
        last = self._evidence.last
        return last is not None and self.now() - last > SHORT_ABSENCE

    def _take(self, evidence: Evidence) -> None:
        self._evidence = evidence
        if evidence.agreed is not None:
            self._origin = EPOCH + evidence.agreed

    def _reading(self) -> tuple[timedelta, float]:
        """The offset of the time of the machine, and the steady clock."""
        wall, steady = self._clock.now(), self._clock.steady()
        return wall - EPOCH - timedelta(0, steady), steady

    def _tell(self, found: Standing, difference: timedelta) -> None:
        if found == Standing.SETTLED:
            _log.info("the clock is settled: timers, billing and purges go on")
        elif found == Standing.UNPROVEN:
            _log.info("timers, billing and purges wait until somebody else confirms the clock")
        else:
            _log.warning("the clock is off by %s: timers, billing and purges wait until it is right", difference)


def _offsets(evidence: Evidence, steady: float) -> list[timedelta]:
    return [each.offset for each in evidence.opinions.values() if _counts(each, steady)]


def _counts(opinion: Opinion, steady: float) -> bool:
    return steady - opinion.heard <= OPINION_COUNTS


def _are_near(one: timedelta, other: timedelta) -> bool:
    return abs(one - other) <= MAX_CLOCK_ERROR
