"""The charges of regions in the registry, as a coordinator knows them between two counts."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """The writes of one coordinator at the begin of a read of the registry."""

    number: int
    """From 1: a later read has a greater one."""
    grown: Mapping[str, int]
    """The growth by writes until then, by regions."""


@dataclass(frozen=True)
class _Count:
    """The charges of regions, or of one, read after a mark."""

    charges: Mapping[str, int]
    mark: Mark


class Tally:
    """The charges of each region as one coordinator knows them: the last count, and its own writes since.

    Every count takes in the writes of the other coordinators. Reads may overlap: of two counts, the one whose read
    began later lasts, whichever ends first.
    """

    def __init__(self) -> None:
        self._grown = Counter[str]()
        self._marks = 0
        self._count: _Count | None = None
        self._later: dict[str, _Count] = {}
        """Counts of one region each, by that region, which were read after that of all."""
        self._turn = asyncio.Lock()  # a count reads much

    async def refresh(self, region: str, most: int, count: Callable[[], Awaitable[Mapping[str, int]]]) -> None:
        """Counts at the start, and once this coordinator has written an eighth of the share of a region."""
        if self._is_stale(region, most):
            async with self._turn:
                if self._is_stale(region, most):
                    mark = self.mark()
                    self.take(await count(), mark)

    def mark(self) -> Mark:
        """A mark from before a read of the registry, for `take`."""
        self._marks += 1
        return Mark(self._marks, dict(self._grown))

    def take(self, counted: Mapping[str, int], mark: Mark) -> None:
        """Takes the charges in the registry, read after the mark: writes since then count in addition."""
        if self._count is None or mark.number > self._count.mark.number:
            self._count = _Count(counted, mark)
            self._later = {name: each for name, each in self._later.items() if each.mark.number > mark.number}

    def take_one(self, region: str, charge: int, mark: Mark) -> None:
        """As `take`, of one region."""
        known = self._known(region)
        if known is None or mark.number > known.mark.number:
            self._later[region] = _Count({region: charge}, mark)

    def note(self, region: str, growth: int) -> None:
        """Notes a write of this coordinator."""
        self._grown[region] += growth

    def has_room(self, region: str, growth: int, most: int) -> bool:
        """Whether a region may write something that takes so much more."""
        known = self._known(region)
        charge = self._since(region, known) + (known.charges.get(region, 0) if known is not None else 0)
        return growth <= 0 or charge + growth <= most

    def _is_stale(self, region: str, most: int) -> bool:
        known = self._known(region)
        return known is None or self._since(region, known) > most // 8

    def _known(self, region: str) -> _Count | None:
        return self._later.get(region, self._count)

    def _since(self, region: str, known: _Count | None) -> int:
        """The growth by writes since a count; since the start without one."""
        return self._grown[region] - (known.mark.grown.get(region, 0) if known is not None else 0)
