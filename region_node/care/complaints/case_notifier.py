"""Reports the cases that this region leads to coordinators: after every change, until one of them has it."""

import logging
from collections.abc import Awaitable, Callable

from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.errors import Refused
from gateway.store.port import CommittedElsewhere, Store, Transaction
from region_node.care.complaints.case_notifier_rows import CaseChanged, CaseReport, note_delivered, queued_reports
from region_node.care.complaints.cases import header
from region_node.care.complaints.rows import COMPLAINT_SUBJECTS, find_complaint
from region_node.node.telling import Queue, Telling, is_busy

Tell = Callable[[CaseHeader], Awaitable[None]]
"""Returns once a coordinator has it. Raises Refused, or Unreachable where none answers."""

_AT_ONCE = 100
_log = logging.getLogger(__name__)


class CaseNotifier:
    """A loop of each process of a region. Two may send the same report: a coordinator keeps the higher version."""

    def __init__(self, store: Store, tell: Tell) -> None:
        self._store = store
        self._tell = tell
        self._reports = Queue(store, lambda tx, after: queued_reports(tx, after, _AT_ONCE), lambda each: each.ticket_id)
        self._telling = Telling("cases", self.tell_all)
        store.subscribe(CaseChanged, self._telling.wake)
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._telling.run()

    async def tell_all(self) -> bool:
        """Sends the queued reports; returns whether all arrived.

        Raises Refused where the store does not respond, and with TOO_BUSY where a coordinator has no room. Raises
        Unreachable where no coordinator responds.
        """
        return await self._reports.tell_each(self._tell_one)

    async def _tell_one(self, wanted: CaseReport) -> bool:
        told = await self._store.read(lambda tx: _header(tx, wanted.ticket_id))
        try:
            if told is not None:  # otherwise the case is unreadable since, and was reported before
                await self._tell(told)
        except Refused as refused:
            _log.warning("the case %s is told again: %s", wanted.ticket_id, refused)
            if is_busy(refused):
                raise
            return False
        heard = CaseReport(wanted.ticket_id, told.version if told is not None else wanted.version)
        await self._store.write(lambda tx: note_delivered(tx, heard))
        return True

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        if not committed.subjects or any(each.startswith(COMPLAINT_SUBJECTS) for each in committed.subjects):
            self._telling.wake()


def _header(tx: Transaction, ticket_id: str) -> CaseHeader | None:
    row = find_complaint(tx, ticket_id)
    return header(row.complaint) if row is not None else None
