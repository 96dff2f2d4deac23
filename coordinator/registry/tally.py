"""The charges of regions in the registry, as a coordinator knows them between two counts."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping


class Tally:
    """The charges of each region as one coordinator knows them: the last count, and its own writes since.

    Every count takes in the writes of the other coordinators.
    """

    def __init__(self) -> None:
        self._grown = Counter[str]()
        # what was counted, and the growth until the read before it
        self._count: tuple[Mapping[str, int], Mapping[str, int]] | None = None
        self._turn = asyncio.Lock()  # a count reads much

    async def refresh(self, region: str, most: int, count: Callable[[], Awaitable[Mapping[str, int]]]) -> None:
        """Counts at the start, and once this coordinator has written an eighth of the share of a region."""
        if self._is_stale(region, most):
            async with self._turn:
                if self._is_stale(region, most):
                    mark = self.mark()
                    self.take(await count(), mark)

    def mark(self) -> Mapping[str, int]:
        """A mark from before a read of the registry, for `take`."""
        return dict(self._grown)

    def take(self, counted: Mapping[str, int], mark: Mapping[str, int]) -> None:
        """Takes the charges in the registry, read after the mark: writes since then count in addition."""
        self._count = counted, mark

    def take_one(self, region: str, charge: int, mark: Mapping[str, int]) -> None:
        """As `take`, of one region."""
        if self._count is not None:
            counted, earlier = self._count
            self._count = {**counted, region: charge}, {**earlier, region: mark.get(region, 0)}

    def note(self, region: str, growth: int) -> None:
        """Notes a write of this coordinator."""
        self._grown[region] += growth

    def has_room(self, region: str, growth: int, most: int) -> bool:
        """Whether a region may write something that takes so much more."""
        counted, mark = self._count or ({}, {})
        charge = counted.get(region, 0) + self._grown[region] - mark.get(region, 0)
        return growth <= 0 or charge + growth <= most

    def _is_stale(self, region: str, most: int) -> bool:
        return self._count is None or self._grown[region] - self._count[1].get(region, 0) > most // 8
