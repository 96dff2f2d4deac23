"""Delivers every level to a sink until it is accepted: at least once, despite kills."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.errors import Unreachable
from gateway.federation.current import CurrentFederation
from gateway.process import failpoints
from gateway.relay.retry import FullJitter
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.care.escalations.duty import with_duty
from region_node.care.escalations.port import Sink
from region_node.care.escalations.rows import (
    ABOUT,
    EscalationNotice,
    NoticeAdded,
    claim,
    next_due,
    note_delivered,
    postpone,
)
from region_node.node.deliveries import Deliveries
from region_node.node.outgoing import Outgoing, Queue

TELL_SECONDS = 5.0  # for one notice
LONGEST_REST = 120.0  # seconds: a recovered sink gets its notices within this time
_BATCH = 16  # in one batch
# Longer than the delivery of a notice, so that nobody claims a notice in delivery. After the death of a process another
# one continues.
_CLAIM = timedelta(seconds=2 * TELL_SECONDS)


class EscalationNotifier:
    """A loop for one sink that each process of a region may run. A notice belongs to its claimant.

    After a death between delivery and its record, the notice is delivered again under the same id.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        name: str,
        sink: Sink,
        source: random.Random,
        current: CurrentFederation,
    ) -> None:
        self.deliveries = Deliveries(f"escalations/{name}")
        self._name = name
        self._clock = clock
        self._sink = sink
        self._current = current
        self._wait = FullJitter(source, longest=LONGEST_REST)
        queue = Queue(ABOUT, NoticeAdded, partial(next_due, sink=name), self._claim)
        self._outgoing = Outgoing(store, clock, queue, self._tell_levels)

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._outgoing.run()

    def _claim(self, tx: Transaction, now: datetime) -> list[list[EscalationNotice]]:
        """The due notices, grouped by complaint."""
        found = claim(tx, self._name, now, _BATCH, _CLAIM)
        return [list(levels) for _, levels in groupby(found, key=lambda each: each.raised.ticket_id)]

    async def _tell_levels(self, levels: Sequence[EscalationNotice]) -> bool:
        """Delivers the levels in ascending order. A failed one does not delay higher ones."""
        return any([await self._tell(each) for each in levels])

    async def _tell(self, notice: EscalationNotice) -> bool:
        try:
            with self.deliveries.delivery():
                await self._sink.tell(self._named(notice.raised), TELL_SECONDS)
        except Unreachable:
            due = self._clock.now() + timedelta(seconds=self._wait.seconds(notice.attempts + 1))
            await self._outgoing.keep(lambda tx: postpone(tx, notice, due))
            return False
        failpoints.reach("complaint-told.before-commit")
        now = self._clock.now()
        await self._outgoing.keep(lambda tx: note_delivered(tx, notice, now))
        return True

    def _named(self, raised: RaisedComplaint) -> RaisedComplaint:
        """The notice with the person on duty now; a node without a configuration names nobody."""
        if not self._current.revision:
            return raised
        return with_duty(raised, self._current.federation.body, self._clock.now())
