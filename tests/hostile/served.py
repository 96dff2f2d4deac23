"""The fate of an honest caller beside an attack, and what the attack cost the server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.process.resident import resident_bytes
from tests.bench.report import percentile
from tests.hostile.caller import Fate, HonestCaller
from tests.hostile.costs import Cost

# Of the honest caller: while an attack is held, and alone before and after it, which is what they are compared with.
HONEST_CALLS = 20
RECOVERED = 3.0  # the most that half of the calls after an attack may take, in those before it
PARTS = 20  # of quiet calls, in one of which at the latest the server has recovered: it has the rest of an attack to do
KIB = 1024
# Bytes of a node: caches that fill, and pages that its allocator keeps, under any load.
KEPT = 48 * 1024 * KIB


@dataclass
class Served:
    """The fate of an honest caller's calls, and of the server's memory, while another one attacks."""

    caller: HonestCaller
    pause: float
    """Seconds between two calls."""
    before: Fate
    """Of calls directly before the attack."""
    memory: int
    """Bytes of the server before the attack."""
    opening: Fate | None = None
    """Of calls while the attack began; None until it has."""
    beside: Fate = field(default_factory=Fate)
    """Of calls while the attack was held."""
    after: Fate = field(default_factory=Fate)
    """Of calls after the attack."""
    kept: int = 0
    """Bytes by which the server has grown, after the attack."""

    def __str__(self) -> str:
        return (
            f"{len(self.beside.waits)} honest calls, p50 {self.waited(0.5):.1f} and p99 {self.waited(0.99):.1f} times"
            f" as long as quiet ones, half of them in {self.occupied(0.5):.1f} times the processor time, afterwards"
            f" {self.recovered:.1f}; memory {self.grown / 2**20:+.1f} MiB, afterwards {self.kept / 2**20:+.1f}"
        )

    @property
    def grown(self) -> int:
        """The most bytes by which the server has grown during the attack."""
        return max(each.memory for each in self.fates if each is not self.before) - self.memory

    @property
    def fates(self) -> list[Fate]:
        """Of all calls."""
        return [self.before, *([self.opening] if self.opening else []), self.beside, self.after]

    @property
    def recovered(self) -> float:
        """The median processor time of the calls after the attack, as a multiple of that before it."""
        return percentile(self.after.processor, 0.5) / percentile(self.before.processor, 0.5)

    @property
    def cost(self) -> Cost:
        """What the attack cost."""
        return Cost(self.waited(0.99), (self.memory + self.kept) / self.memory)

    def waited(self, share: float) -> float:
        """A percentile of the times beside the attack, as a multiple of the quiet one."""
        return percentile(self.beside.waits, share) / percentile(self.before.waits + self.after.waits, share)

    def occupied(self, share: float) -> float:
        """The same of the processor times of the server."""
        quiet = self.before.processor + self.after.processor
        return percentile(self.beside.processor, share) / percentile(quiet, share)

    async def hold(
        self, *harms: Callable[[], Awaitable[object]], act: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        """Holds an attack, and does each harm over and over, while somebody acts and then the honest caller calls."""
        self.opening = await asyncio.to_thread(self.caller.finish, 0)

        async def call() -> Fate:
            if act is not None:
                await act()
            return await asyncio.to_thread(self.caller.call, HONEST_CALLS, self.pause)

        calls = asyncio.create_task(call())

        async def repeat(harm: Callable[[], Awaitable[object]]) -> None:
            while not calls.done():
                await harm()
                await asyncio.sleep(0)  # a harm that never waits would keep the loop from hearing of the calls

        try:
            await asyncio.gather(calls, *map(repeat, harms))
        finally:
            self.beside = await calls

    async def end(self) -> None:
        """Ends an attack whose acts were done one after the other, since the caller began."""
        self.opening, self.beside = Fate(), await asyncio.to_thread(self.caller.finish, HONEST_CALLS)


@asynccontextmanager
async def beside(caller: HonestCaller, server: int, pause: float, quiet_pause: float) -> AsyncIterator[Served]:
    """An honest caller of a process calls while the attack of the context begins and is held, and before and after it.

    Its calls have so many seconds between them, and less where it calls alone.
    """
    before = await asyncio.to_thread(caller.call, HONEST_CALLS, quiet_pause)
    served = Served(caller, pause, before, resident_bytes(server))
    caller.begin(pause)
    try:
        yield served
    finally:
        if served.opening is None:  # the attack has failed before it was held
            await asyncio.to_thread(caller.finish, 0)
    for _ in range(PARTS):
        served.after = await asyncio.to_thread(caller.call, HONEST_CALLS, quiet_pause)
        if served.recovered < RECOVERED:
            break
    served.kept = resident_bytes(server) - served.memory


def require_served(served: Served, growth: int) -> None:
    """Checks that each honest call was answered beside an attack that was held, none refused, and what the attack cost.

    How long the calls waited is printed and not judged: it depends on what else the machine does. The allocator may
    keep the bytes.
    """
    print(served.cost)
    assert len(served.beside.waits) >= HONEST_CALLS
    assert [failure for each in served.fates for failure in each.failures] == []
    assert served.recovered < RECOVERED
    assert max(served.grown, served.kept) < growth
