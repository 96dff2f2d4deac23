"""The billing runs, shared by the processes of a region: the process that advances the checkpoint has done the page."""

import asyncio
import contextlib
import logging
from datetime import datetime

from gateway.store.port import Store, Transaction
from gateway.store.quarantine import Keep, may_run, waits_for_people
from gateway.time.clock import Clock
from gateway.time.looks import until_look
from region_node.business.billing import dunning, monthly
from region_node.business.billing.charging import CYCLE, progress_of
from region_node.node.context import RegionContext

LOOK_AGAIN = 1.0  # seconds: a stepped clock is noticed after at most this
FAILED_REST = 10.0  # seconds before a page that failed is tried again
BREATH = 0.02  # seconds between two pages, for everything else that the store has to do
_log = logging.getLogger(__name__)


def is_due(tx: Transaction, context: RegionContext, now: datetime) -> bool:
    """Whether work is due."""
    progress = progress_of(tx, CYCLE)
    if progress is None:
        return True
    if not monthly.is_due(progress, context, now):
        return dunning.is_due(tx, context, now)
    last = monthly.last_of_many(progress, context, now)
    return last is None or not waits_for_people(tx, monthly.BILLING, last)


def run_page(tx: Transaction, context: RegionContext, now: datetime) -> bool:
    """Does one page of the due work, months before days. Returns False where nothing is due."""
    return (
        monthly.begin(tx, context, now) or monthly.bill_page(tx, context, now) or dunning.arrears_page(tx, context, now)
    )


class BillingRuns:
    """Bills months that have ended, and looks after arrears day by day.

    More than one month at once waits for people (`leave`), such as after a wrong clock or a long absence.
    """

    def __init__(self, context: RegionContext, store: Store, clock: Clock, leave: Keep) -> None:
        self._context = context
        self._leave = leave
        self._store = store
        self._clock = clock
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Runs until cancelled. Begins as soon as the configuration is known."""
        self._context.border.current.on_update(lambda _: self._changed.set())
        while True:
            self._changed.clear()
            (done,) = await asyncio.gather(self._page(), return_exceptions=True)
            if isinstance(done, BaseException):
                _log.error("a page of billing failed and is tried again", exc_info=done)
                await asyncio.sleep(FAILED_REST)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BREATH if done else until_look(LOOK_AGAIN)):
                        await self._changed.wait()

    async def _page(self) -> bool:
        border = self._context.border
        if not border.clock.is_settled() or not border.current.revision or not self._store.accepts_new_work():
            return False
        now = self._clock.now()
        if not await self._store.read(lambda tx: is_due(tx, self._context, now)):
            return False
        return await self._store.write(lambda tx: self._may(tx, now) and run_page(tx, self._context, now))

    def _may(self, tx: Transaction, now: datetime) -> bool:
        progress = progress_of(tx, CYCLE)
        last = None if progress is None else monthly.last_of_many(progress, self._context, now)
        return last is None or may_run(tx, monthly.BILLING, last, now, self._leave)
