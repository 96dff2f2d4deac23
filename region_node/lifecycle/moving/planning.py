"""Has the number plan name the new homes of customers who have moved, until it does."""

import asyncio
import logging

from gateway.api.region.v1.customer_move_pb2 import CustomerMove
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable
from gateway.federation.catalogue import Federation
from gateway.process import failpoints
from gateway.store.port import Store, Transaction
from region_node.customers.moved_numbers import note_named
from region_node.lifecycle.moving.port import Assign, MoveEnded
from region_node.lifecycle.moving.restored import RestoredCustomers
from region_node.lifecycle.moving.rows import customer_here, find_move, keep_move, unplanned_moves
from region_node.node.context import RegionContext

_AT_ONCE = 100
_AGAIN = 1.0  # seconds until the next attempt
_LOOK = 60.0  # seconds in which another process may have died before it told
_log = logging.getLogger(__name__)


class MovePlanning:
    """A loop of each process of a region. Two may tell the same: a coordinator assigns a number once."""

    def __init__(self, context: RegionContext, store: Store, assign: Assign, restored: RestoredCustomers) -> None:
        self._context = context
        self._store = store
        self._assign = assign
        self._restored = restored
        self._changed = asyncio.Event()
        store.subscribe(MoveEnded, lambda _: self._changed.set())
        context.border.current.on_update(lambda _: self._changed.set())

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._restored.check()
                is_done = await self.tell_all()
            except (Refused, Unreachable) as failure:
                _log.info("moved numbers are told again soon: %s", failure)
                is_done = False
            try:
                async with asyncio.timeout(_LOOK if is_done else _AGAIN):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def tell_all(self) -> bool:
        """Assigns the numbers that this region gave away; returns whether the plan in force names all new homes.

        Raises Refused where the store does not respond, and Unreachable where no coordinator does.
        """
        after, is_done = "", True
        while page := await self._store.read(lambda tx, after=after: unplanned_moves(tx, after, _AT_ONCE)):  # type: ignore[misc]
            for each in page:
                is_done &= await self._tell(each)
            after = page[-1].id
        return is_done

    async def _tell(self, move: CustomerMove) -> bool:
        federation = self._context.federation
        homes = {each.number: federation.number_plan.home_of(each.number) for each in move.lines}
        waiting = [number for number, home in homes.items() if home == move.from_region]
        if not waiting:
            await self._store.write(lambda tx: _note_planned(tx, move.id, federation))
            return True
        if move.from_region == self._context.region:
            for number in waiting:
                try:
                    await self._assign(number, move.to_region)
                except Refused as refused:
                    if refused.reason != Reason.REASON_NOT_HOME:  # else a later move of the number was told before
                        _log.warning("the number of the move %s is told again: %s", move.id, refused)
        return False


def _note_planned(tx: Transaction, move_id: str, federation: Federation) -> None:
    """The plan in force names the new home, which older copies of it do not."""
    move, customer_id = find_move(tx, move_id), customer_here(tx, move_id)
    if move is None or customer_id is None or move.is_planned:
        return
    move.is_planned = True
    keep_move(tx, move, customer_id)
    note_named(tx, [each.number for each in move.lines], move.to_region, federation.revision)
    failpoints.reach("move-planned.before-commit")
