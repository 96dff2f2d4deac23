"""The application service of a kind of ticket: the work of its service, without gRPC."""

from collections.abc import Callable
from datetime import datetime
from typing import Generic

from gateway.process import failpoints
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, Opener
from region_node.requests.changes import Changes
from region_node.requests.room import Room
from region_node.tickets.followed import Followed, M, answered_request
from region_node.tickets.rows import TicketRow

Operation = Callable[[Transaction, datetime], M]
"""An operation at an instant, which returns the ticket. Raises Refused before the first write."""


class TicketApplication(Generic[M]):
    """Accepts tickets and steps of staff, and waits for the owner on request."""

    kind: Followed[M, TicketRow[M]]
    is_opened: str
    """The fail point of a new ticket, after its commit."""
    is_worked: str
    """The fail point of a step, after its commit."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, changes: Changes, room: Room) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._changes = changes
        self._room = room

    async def _open(self, opener: Opener, opened: Operation[M], *, number: str = "", region: str = "") -> M:
        """Accepts a ticket about a number, or for a region. Raises Refused, also as `Room.require`."""
        self._room.require(opener.operator, number=number, regions=[region])
        return await self._done(opened, self.is_opened)

    async def _work(self, caller: Caller, worked: Operation[M], wait: float) -> M:
        """Executes a staff member's step; raises Refused where the owner has refused it within `wait` seconds."""
        done = await self._changes.answered(caller, self._done(worked, self.is_worked), wait)
        return await self._store.read(lambda tx: answered_request(self.kind, tx, caller, done))

    async def _done(self, operation: Operation[M], point: str) -> M:
        now = self._clock.now()
        done = await self._store.write(lambda tx: operation(tx, now))
        failpoints.reach(point)
        return done
