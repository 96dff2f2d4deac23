"""Removes the oldest ended events of regions that have nearly filled their share of the registry."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from coordinator.membership.members import CurrentMembers
from coordinator.problems.room import Told, crowded_out, is_crowded
from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Book, Decision
from gateway.api.federation.v1.federation_pb2 import MemberState


@dataclass(frozen=True)
class RoomMaker:
    """Makes room in the registry."""

    registry: Registry
    members: CurrentMembers

    async def make(self, book: Book, now: datetime) -> Book:
        """Removes the data that may go; returns the book after it, or the same one where nothing may go.

        Raises Refused with REGISTRY_UNAVAILABLE where the registry does not respond.
        """
        if not is_crowded(book):
            return book
        members = self.members.all().items()
        joined = [name for name, member in members if member.state == MemberState.MEMBER_STATE_JOINED]
        told = Told(await self.registry.problems.followed(), joined)

        def decide(book: Book) -> Decision:
            return crowded_out(book, told, now)

        if (await asyncio.to_thread(decide, book)).is_empty:  # no second read of the book
            return book
        return await self.registry.problems.change(decide)
