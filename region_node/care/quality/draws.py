"""Random samples of a population that is read page by page, by stratum. Pure.

A hash of seed and id orders the records of a stratum. Anybody can repeat a draw from the same records.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Mapping
from typing import Final


class Draw:
    """A draw of at most `size` records."""

    def __init__(self, size: int, seed: str) -> None:
        self._size = size
        self._seed = seed
        self._least: Final[dict[str, list[tuple[int, str]]]] = {}
        self.population: Final[Counter[str]] = Counter()
        """The number of records of each stratum."""

    def take(self, stratum: str, record_id: str) -> None:
        """A record of the population; each is taken once."""
        self.population[stratum] += 1
        kept = self._least.setdefault(stratum, [])
        digest = hashlib.sha256(f"{self._seed}\0{record_id}".encode()).digest()
        heapq.heappush(kept, (-int.from_bytes(digest), record_id))
        if len(kept) > self._size:
            heapq.heappop(kept)

    def drawn(self) -> list[tuple[str, str]]:
        """The strata and ids of the sample, in order."""
        allotted = allot(self.population, self._size)
        return sorted(
            (stratum, record_id)
            for stratum, kept in self._least.items()
            for _, record_id in heapq.nlargest(allotted[stratum], kept)
        )


def allot(population: Mapping[str, int], size: int) -> dict[str, int]:
    """How many of `size` each stratum gets: one, where there is room for all, and the rest in proportion (D'Hondt)."""
    found = {stratum: int(size >= len(population)) for stratum in population}
    for _ in range(min(size, sum(population.values())) - sum(found.values())):
        open_strata = [stratum for stratum in population if found[stratum] < population[stratum]]
        neediest = max(open_strata, key=lambda stratum: (population[stratum] / (found[stratum] + 1), stratum))
        found[neediest] += 1
    return found
