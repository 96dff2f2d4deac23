"""Reports the cases that this region leads to coordinators: after every change, until one of them has it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.errors import Refused, Unreachable
from gateway.store.port import CommittedElsewhere, Store, Transaction
from region_node.care.complaints.case_notifier_rows import CaseChanged, CaseReport, note_delivered, queued_reports
from region_node.care.complaints.cases import header
from region_node.care.complaints.rows import COMPLAINT_SUBJECTS, find_complaint

Tell = Callable[[CaseHeader], Awaitable[None]]
"""Returns once a coordinator has it. Raises Refused, or Unreachable where none answers."""

_AT_ONCE = 100
_AGAIN = 1.0  # seconds until the next attempt
_LOOK = 60.0  # seconds in which another process may have died with unsent reports
_log = logging.getLogger(__name__)


class CaseNotifier:
    """A loop of each process of a region. Two may send the same report: a coordinator keeps the higher version."""

    def __init__(self, store: Store, tell: Tell) -> None:
        self._store = store
        self._tell = tell
        self._changed = asyncio.Event()
        store.subscribe(CaseChanged, lambda _: self._changed.set())
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self._changed.clear()
            try:
                is_all_told = await self.tell_all()
            except (Refused, Unreachable) as failure:
                _log.info("cases are told again soon: %s", failure)
                is_all_told = False
            try:
                async with asyncio.timeout(_LOOK if is_all_told else _AGAIN):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def tell_all(self) -> bool:
        """Sends the queued reports; returns whether all arrived.

        Raises Refused where the store does not respond, and Unreachable where no coordinator does.
        """
        after, is_all_told = "", True
        while page := await self._store.read(lambda tx, after=after: queued_reports(tx, after, _AT_ONCE)):  # type: ignore[misc]
            for each in page:
                is_all_told &= await self._tell_one(each)
            after = page[-1].ticket_id
        return is_all_told

    async def _tell_one(self, wanted: CaseReport) -> bool:
        told = await self._store.read(lambda tx: _header(tx, wanted.ticket_id))
        try:
            if told is not None:  # otherwise the case is unreadable since, and was reported before
                await self._tell(told)
        except Refused as refused:
            _log.warning("the case %s is told again: %s", wanted.ticket_id, refused)
            return False
        heard = CaseReport(wanted.ticket_id, told.version if told is not None else wanted.version)
        await self._store.write(lambda tx: note_delivered(tx, heard))
        return True

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        if not committed.subjects or any(each.startswith(COMPLAINT_SUBJECTS) for each in committed.subjects):
            self._changed.set()


def _header(tx: Transaction, ticket_id: str) -> CaseHeader | None:
    row = find_complaint(tx, ticket_id)
    return header(row.complaint) if row is not None else None
