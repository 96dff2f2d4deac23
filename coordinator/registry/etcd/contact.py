"""Whether etcd responds, and whether the copy is current: one task queries etcd, and callers need not wait."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from coordinator.registry.etcd.client import ATTEMPT_SECONDS, CALL_SECONDS, EtcdClient, Rejected, Unanswered
from coordinator.registry.etcd.copy import Copy
from coordinator.registry.etcd.leases import seconds_since_boot
from coordinator.registry.etcd.watch import Follower
from gateway.time.clock import Clock

_ANSWER_SECONDS = 1.0
_ASK_OTHERS_AFTER = 1 / 3  # of a lease: the others must respond before this coordinator counts as gone
_CATCH_UP_SECONDS = 0.5
_LONGEST_INTERVAL_SECONDS = 1.0
_PATIENCE_OF_LEASE = 2 / 3  # a replica that was silent for longer may count as gone
_LOOKS_IN_LEASE = 6
_log = logging.getLogger(__name__)


class Contact:
    """Queries etcd regularly for its revision, and makes the copy follow."""

    def __init__(
        self,
        client: EtcdClient,
        follower: Follower,
        copy: Copy,
        clock: Clock,
        lease: timedelta,
        key: bytes,
        others_are_answered: Callable[[], Awaitable[bool]],
        tell: Callable[[], None],
        seconds: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self._client = client
        self._follower = follower
        self._copy = copy
        self._clock = clock
        self._key = key
        self._others_are_answered = others_are_answered
        self._tell = tell
        self._seconds = seconds
        self._lease_seconds = lease.total_seconds()
        self._interval = min(_LONGEST_INTERVAL_SECONDS, self._lease_seconds / _LOOKS_IN_LEASE)
        self._wanted = asyncio.Event()
        self._answered_at = self._looked_at = seconds()
        self._answered: datetime = clock.now()
        self._is_silent = False
        self._is_alarmed = False
        self._is_cut_off = False
        self._was_outdated = False
        self._answer_seconds = min(_ANSWER_SECONDS, self._lease_seconds / _LOOKS_IN_LEASE)

    def start_from(self, answered: datetime, *, is_silent: bool) -> None:
        """Starts from a copy: just read from etcd, or an old one while etcd is silent."""
        self._answered, self._is_silent = answered, is_silent
        self._answered_at = self._looked_at = self._seconds()
        if is_silent:
            self._answered_at -= max(0.0, (self._clock.now() - answered).total_seconds())

    @property
    def answered(self) -> datetime:
        """When etcd last answered."""
        return self._answered

    def patience(self) -> float:
        """Seconds that a call may take: few where etcd has been silent for longer than an election takes."""
        is_away = self._is_silent and self._seconds() - self._answered_at > CALL_SECONDS
        return ATTEMPT_SECONDS if is_away else CALL_SECONDS

    def is_current(self) -> bool:
        """See the port. The first call after a pause finds the last check outdated, and starts another."""
        if self._may_be_acted_on():
            return True
        self._was_outdated = True
        self._wanted.set()
        return False

    def answers(self) -> bool:
        """Whether etcd answered the last look, and lately."""
        return not self._is_silent and self._seconds() - self._answered_at <= self._lease_seconds * _PATIENCE_OF_LEASE

    @property
    def is_cut_off(self) -> bool:
        """Whether etcd answers other coordinators and not this one."""
        return self._is_cut_off

    async def run(self) -> None:
        """Checks until it is cancelled."""
        while True:
            await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._wanted.wait()
            self._wanted.clear()

    async def look(self) -> None:
        """Queries etcd once. The result holds for the time of the request, since a pause may follow."""
        was_cut_off = self._is_cut_off
        await self._ask()
        if was_cut_off != self._is_cut_off or (self._was_outdated and self._may_be_acted_on()):
            self._was_outdated = False
            self._tell()

    def _may_be_acted_on(self) -> bool:
        return not self._is_cut_off and self._seconds() - self._looked_at <= self._lease_seconds * _PATIENCE_OF_LEASE

    async def _ask(self) -> None:
        asked_at, asked, before = self._seconds(), self._clock.now(), self._copy.revision
        try:
            revision = await self._client.revision(self._key, self._answer_seconds)
            await self._catch_up(revision, before)
        except (Unanswered, Rejected) as error:
            self._is_silent = True
            await self._ask_others()
            if not self._is_cut_off:
                self._looked_at = asked_at  # the last good copy has to do
            self._raise_alarm(error)
        else:
            self._answered_at = self._looked_at = asked_at
            self._answered, self._is_silent = asked, False
            if self._is_cut_off:
                self._is_cut_off = False
                _log.warning("etcd answers this coordinator again: it routes again")
            if self._is_alarmed:
                self._is_alarmed = False
                _log.warning("etcd answers again: the registry is as of now")

    async def _catch_up(self, revision: int, before: int) -> None:
        self._follower.require_onward(revision, before)
        await self._follower.ask_for_progress()
        if not await self._follower.reached(revision, _CATCH_UP_SECONDS):
            await self._follower.list(_ANSWER_SECONDS)
        # Listeners learn of the copy on the loop's next turn; only then may callers act on it.
        await asyncio.sleep(0)

    async def _ask_others(self) -> None:
        """Checks whether etcd responds to others: a change may then happen without this coordinator."""
        if self._seconds() - self._answered_at <= self._lease_seconds * _ASK_OTHERS_AFTER:
            return
        before, self._is_cut_off = self._is_cut_off, await self._others_are_answered()
        if self._is_cut_off and not before:
            _log.error("etcd answers other coordinators and not this one: it routes nothing until it does")

    def _raise_alarm(self, error: Exception) -> None:
        if not self._is_alarmed and self._seconds() - self._answered_at > self._lease_seconds:
            self._is_alarmed = True
            _log.error("etcd has not answered since %s: the last good copy is in use (%s)", self._answered, error)
