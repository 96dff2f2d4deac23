"""When the work of a region begins: at once, or when people have accepted the loss of its database."""

import asyncio
import contextlib
from dataclasses import dataclass

from gateway.process.running import stop_tasks
from region_node.app.core import RegionCore
from region_node.lifecycle.erasure.repeated_erasure import ErasedKeysKeeper
from region_node.lifecycle.moving.restored import RestoredCustomers
from region_node.lifecycle.recovery.keeper import FenceKeeper


@dataclass(frozen=True)
class Older:
    """The parts of a process that mend a database which has become an older one."""

    erased_keys: ErasedKeysKeeper
    restored: RestoredCustomers
    core: RegionCore

    async def before_opening(self) -> None:
        """Destroys erased keys, and marks customers who have moved. Raises Refused."""
        await self.erased_keys.start()
        await self.restored.check_again()


async def begins(core: RegionCore, fence: FenceKeeper, stack: contextlib.AsyncExitStack) -> asyncio.Task[None]:
    """Takes up the work of the region. Returns once that is done, or has to wait for people to accept a loss."""

    async def begin() -> None:
        await fence.opened()
        await core.start()

    begun, closed = asyncio.create_task(begin()), asyncio.create_task(fence.closed())
    stack.push_async_callback(stop_tasks, [begun, closed])
    await asyncio.wait((begun, closed), return_when=asyncio.FIRST_COMPLETED)
    closed.cancel()
    if begun.done():
        await begun
    return begun


async def work(core: RegionCore, begun: asyncio.Task[None]) -> None:
    """Returns when a loop of the region ends, or raises its error. They are stopped with the region only."""
    await asyncio.shield(begun)
    ended, _ = await asyncio.wait(core.loops, return_when=asyncio.FIRST_COMPLETED)
    for each in ended:
        each.result()
