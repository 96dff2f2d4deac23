"""Has the number plan name the new homes of customers who have moved, until it does."""

import logging

from gateway.api.region.v1.customer_move_pb2 import CustomerMove
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.process import failpoints
from gateway.store.port import Store, Transaction
from region_node.customers.moved_numbers import note_named
from region_node.lifecycle.moving.port import Assign, MoveEnded
from region_node.lifecycle.moving.recovering import LostCustomers
from region_node.lifecycle.moving.restored import RestoredCustomers
from region_node.lifecycle.moving.rows import customer_here, find_move, is_behind, keep_move, unnamed, unplanned_moves
from region_node.node.context import RegionContext
from region_node.node.telling import Queue, Telling, is_busy

_AT_ONCE = 100
_log = logging.getLogger(__name__)


class MovePlanning:
    """A loop of each process of a region. Two may tell the same: a coordinator assigns a number once."""

    def __init__(
        self,
        context: RegionContext,
        store: Store,
        assign: Assign,
        restored: RestoredCustomers,
        lost: LostCustomers,
    ) -> None:
        self._context = context
        self._store = store
        self._assign = assign
        self._restored = restored
        self._lost = lost
        self._moves = Queue(store, lambda tx, after: unplanned_moves(tx, after, _AT_ONCE), lambda each: each.id)
        self._telling = Telling("moved numbers", self.tell_all)
        store.subscribe(MoveEnded, self._telling.wake)
        context.border.current.on_update(self._telling.wake)

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._telling.run()

    async def tell_all(self) -> bool:
        """Assigns the numbers that this region gave away, and recovers customers that it has lost.

        Returns whether the plan in force names all new homes, and no customer is missing.

        Raises Refused where the store does not respond, and where a coordinator has no room. Raises Unreachable where
        no coordinator responds.
        """
        await self._restored.check()
        is_whole = await self._lost.recover()
        return await self._moves.tell_each(self._tell) and is_whole

    async def _tell(self, move: CustomerMove) -> bool:
        federation = self._context.federation
        if await self._store.read(lambda tx: is_behind(tx, move, federation)):
            return False
        waiting = await self._store.read(lambda tx: unnamed(tx, move, federation))
        if not waiting:
            await self._store.write(lambda tx: _note_planned(tx, move.id, federation))
            return True
        if move.from_region == self._context.region:
            for number in waiting:
                try:
                    await self._assign(number, move.to_region)
                except Refused as refused:
                    if is_busy(refused):
                        raise
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
    note_named(tx, [each.number for each in move.lines], move.to_region, federation)
    failpoints.reach("move-planned.before-commit")
