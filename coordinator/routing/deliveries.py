"""The deliveries of this coordinator that are on their way."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class Deliveries:
    """Knows which regions are being delivered to, and from which. Used on one event loop."""

    def __init__(self) -> None:
        self._on_their_way: dict[asyncio.Event, tuple[str, str]] = {}

    @contextmanager
    def between(self, origin: str, destination: str) -> Iterator[None]:
        """A delivery is on its way for as long as the block runs."""
        over = asyncio.Event()
        self._on_their_way[over] = (origin, destination)
        try:
            yield
        finally:
            del self._on_their_way[over]
            over.set()

    async def over(self, regions: Collection[str]) -> None:
        """Returns when the current deliveries of these regions are over."""
        touching = [over for over, ends in self._on_their_way.items() if not set(ends).isdisjoint(regions)]
        for over in touching:
            await over.wait()
