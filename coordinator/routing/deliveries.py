"""The deliveries of this coordinator that are on their way."""

import asyncio
from collections.abc import Collection
from contextlib import AbstractContextManager


class Deliveries:
    """Knows which regions are being delivered to, and from which. Used on one event loop."""

    def __init__(self) -> None:
        self._on_their_way: set[_Delivery] = set()

    def between(self, origin: str, destination: str) -> AbstractContextManager[None]:
        """A delivery is on its way for as long as the block runs."""
        return _Delivery(self._on_their_way, (origin, destination))

    async def over(self, regions: Collection[str]) -> None:
        """Returns when the current deliveries of these regions are over."""
        touching = [each for each in self._on_their_way if not each.ends.isdisjoint(regions)]
        for each in touching:
            await each.over()


class _Delivery(AbstractContextManager[None]):
    """One delivery. An event is made only where its end is waited for, which is rare."""

    __slots__ = ("_on_their_way", "_over", "ends")

    def __init__(self, on_their_way: "set[_Delivery]", ends: tuple[str, str]) -> None:
        self._on_their_way = on_their_way
        self._over: asyncio.Event | None = None
        self.ends = frozenset(ends)

    def __enter__(self) -> None:
        self._on_their_way.add(self)

    def __exit__(self, *_: object) -> None:
        self._on_their_way.discard(self)
        if self._over is not None:
            self._over.set()

    async def over(self) -> None:
        """Returns when it is over."""
        if self in self._on_their_way:
            self._over = self._over or asyncio.Event()
            await self._over.wait()
