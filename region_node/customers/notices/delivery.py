"""Sends stored notices to the region's notification system, each until it is accepted."""

import logging
from datetime import timedelta

from gateway.errors import Refused, Unreachable
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.customers.notices.port import Message, Notifier
from region_node.customers.notices.rows import ABOUT, Claimed, NoticeAdded, claim, next_due, note_delivered, postpone
from region_node.customers.notices.rules import QuietHours, quiet_hours_of
from region_node.node.context import RegionContext
from region_node.node.deliveries import Deliveries
from region_node.node.outgoing import Outgoing, Queue

NOTIFY_SECONDS = 5.0  # for one text
_BATCH = 32  # texts at the same time
_SHORTEST_REST = 1.0  # seconds before a text is tried again
_LONGEST_REST = 600.0
# Longer than the delivery of a text, so that nobody claims a text in delivery. After the death of a process another one
# continues.
_CLAIM = timedelta(seconds=2 * NOTIFY_SECONDS)
_log = logging.getLogger(__name__)


def rest_after(attempts: int) -> timedelta:
    """How long a notice rests that was tried so often, `attempts` at least 1: twice as long each time."""
    return timedelta(seconds=min(_SHORTEST_REST * 2.0 ** min(attempts - 1, 30), _LONGEST_REST))


class NoticeDelivery:
    """A loop that each process of a region may run. A notice belongs to its claimant.

    Its id prevents a second delivery where two processes have sent it.
    """

    def __init__(self, context: RegionContext, store: Store, clock: Clock, notifier: Notifier) -> None:
        self.deliveries = Deliveries("notices")
        self._context = context
        self._clock = clock
        self._notifier = notifier
        queue = Queue(ABOUT, NoticeAdded, next_due, lambda tx, now: claim(tx, now, _BATCH, _CLAIM, self._quiet_hours()))
        self._outgoing = Outgoing(store, clock, queue, self._deliver)

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._outgoing.run()

    def _quiet_hours(self) -> QuietHours | None:
        """Those of the policies in force; None where the federation has none."""
        try:
            return quiet_hours_of(self._context.federation, self._context.region)
        except Refused:
            return None

    async def _deliver(self, claimed: Claimed) -> bool:
        notice = claimed.notice
        message = Message(notice.notice_id, notice.kind, notice.number, notice.text)
        try:
            with self.deliveries.delivery():
                await self._notifier.notify(message, NOTIFY_SECONDS)
        except Unreachable as failure:
            attempts = claimed.attempts + 1
            _log.warning("a notice of kind %s waits after %d attempts: %s", notice.kind, attempts, failure.status)
            due = self._clock.now() + rest_after(attempts)
            await self._outgoing.keep(lambda tx: postpone(tx, notice.notice_id, due, attempts))
            return False
        taken = self._clock.now()
        await self._outgoing.keep(lambda tx: note_delivered(tx, notice.notice_id, taken))
        return True
