"""Brings stored notices to the region's notification system, each until it is taken."""

import asyncio
import contextlib
import logging
from datetime import timedelta

from gateway.clock import Clock
from gateway.errors import Refused
from gateway.relay.transport import Unreachable
from gateway.store.port import CommittedElsewhere, Operation, Store
from region_node.notices.port import Message, Notifier
from region_node.notices.rows import ABOUT, Claimed, NoticeAdded, claim, next_due, note_delivered, postpone

NOTIFY_SECONDS = 5.0  # for one text
_BATCH = 32  # texts at once
_SHORTEST_REST = 1.0  # seconds before a text is tried again
_LONGEST_REST = 600.0
_LONGEST_SLEEP = 60.0  # seconds: a clock may be set
_REST = 1.0  # seconds after the store refused, or nothing of a batch was taken
# Longer than a text may take: nobody claims what is under way. Where a process dies, another goes on after it.
_CLAIM = timedelta(seconds=2 * NOTIFY_SECONDS)
_log = logging.getLogger(__name__)


def rest_after(attempts: int) -> timedelta:
    """How long a notice rests that was tried so often, `attempts` at least 1: twice as long each time."""
    return timedelta(seconds=min(_SHORTEST_REST * 2.0 ** min(attempts - 1, 30), _LONGEST_REST))


class NoticeDelivery:
    """Every process of a region may run one: a notice belongs to who claimed it, and its id keeps it from being sent
    twice where two have.
    """

    def __init__(self, store: Store, clock: Clock, notifier: Notifier) -> None:
        self._store = store
        self._clock = clock
        self._notifier = notifier
        self._changed = asyncio.Event()
        store.subscribe(NoticeAdded, lambda _: self._changed.set())
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self._changed.clear()
            try:
                tried = await self._deliver_due()
                if not tried:
                    await self._sleep()
                elif not any(tried):
                    await asyncio.sleep(_REST)
            except Refused as refused:
                _log.warning("notices are looked at again soon: %s", refused)
                await asyncio.sleep(_REST)

    def _committed_elsewhere(self, event: CommittedElsewhere) -> None:
        if not event.subjects or ABOUT in event.subjects:
            self._changed.set()

    async def _deliver_due(self) -> list[bool]:
        """Tries what is due; whether each was taken."""
        if not await self._is_due():
            return []
        now = self._clock.now()
        claimed = await self._store.write(lambda tx: claim(tx, now, _BATCH, _CLAIM))
        return await asyncio.gather(*(self._deliver(each) for each in claimed))

    async def _is_due(self) -> bool:
        due = await self._store.read(next_due)
        return due is not None and due <= self._clock.now()

    async def _deliver(self, claimed: Claimed) -> bool:
        notice = claimed.notice
        message = Message(notice.notice_id, notice.kind, notice.number, notice.text)
        try:
            await self._notifier.notify(message, NOTIFY_SECONDS)
        except Unreachable as failure:
            attempts = claimed.attempts + 1
            _log.warning("a notice of kind %s waits after %d attempts: %s", notice.kind, attempts, failure.status)
            due = self._clock.now() + rest_after(attempts)
            await self._keep(lambda tx: postpone(tx, notice.notice_id, due, attempts))
            return False
        taken = self._clock.now()
        await self._keep(lambda tx: note_delivered(tx, notice.notice_id, taken))
        return True

    async def _keep(self, operation: Operation[None]) -> None:
        """Where the store refuses, the claim ends by itself, and the text is sent again under its old id."""
        try:
            await self._store.write(operation)
        except Refused as refused:
            _log.warning("a notice is sent again: %s", refused)

    async def _sleep(self) -> None:
        due = await self._store.read(next_due)
        seconds = _LONGEST_SLEEP
        if due is not None:
            seconds = min(max((due - self._clock.now()).total_seconds(), 0.0), _LONGEST_SLEEP)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
