"""Compact totals of many measurements: count, sum, extremes, and a histogram. Pure.

Buckets grow by a fixed ratio, so that a percentile is within 1 % of a measured value. The source is DDSketch (Masson,
Rim and Lee, 2019). Totals of parts add up to those of the whole, in any order.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from gateway.api.region.v1.alarm_pb2 import QualityFigure

_PRECISION = 0.01
_RATIO = (1 + _PRECISION) / (1 - _PRECISION)
_PER_FOLD = 1 / math.log(_RATIO)
_Stored = tuple[int, int, int, int, list[int]]


@dataclass(frozen=True)
class Totals:
    """The totals of one figure's values, of which there is at least one."""

    count: int
    sum: int
    minimum: int
    maximum: int
    buckets: Mapping[int, int]
    """The number of values in each bucket, by its number: bucket 0 holds the value 0."""

    @classmethod
    def of(cls, values: Sequence[int]) -> "Totals":
        """The totals of non-negative values, of which there is at least one."""
        return cls(len(values), sum(values), min(values), max(values), Counter(map(_bucket, values)))

    def __add__(self, more: "Totals") -> "Totals":
        """The totals of both."""
        buckets = Counter(self.buckets)
        buckets.update(more.buckets)
        return Totals(
            self.count + more.count,
            self.sum + more.sum,
            min(self.minimum, more.minimum),
            max(self.maximum, more.maximum),
            buckets,
        )

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return self.sum / self.count

    def percentile(self, of_100: int) -> int:
        """The percentile (nearest rank), within 1 % and rounded to a whole number."""
        rank, passed = max(1, -(-self.count * of_100 // 100)), 0
        for bucket in sorted(self.buckets):
            passed += self.buckets[bucket]
            if passed >= rank:
                return min(max(_middle(bucket), self.minimum), self.maximum)
        return self.maximum


Figures = Mapping[QualityFigure.ValueType, Totals]
"""The totals of all figures with values."""


def added(parts: Iterable[Figures]) -> dict[QualityFigure.ValueType, Totals]:
    """The totals of all parts together."""
    found: dict[QualityFigure.ValueType, Totals] = {}
    for part in parts:
        for figure, totals in part.items():
            found[figure] = found[figure] + totals if figure in found else totals
    return dict(sorted(found.items()))


def encoded(figures: Figures) -> str:
    """The stored form."""
    stored = {
        figure: (each.count, each.sum, each.minimum, each.maximum, [*each.buckets, *each.buckets.values()])
        for figure, each in figures.items()
    }
    return json.dumps(stored, separators=(",", ":"))


def decoded(text: str) -> dict[QualityFigure.ValueType, Totals]:
    """The totals in a stored form."""
    stored = cast("dict[str, _Stored]", json.loads(text))
    found = {}
    for figure, (count, total, least, most, flat) in stored.items():
        half = len(flat) // 2
        buckets = dict(zip(flat[:half], flat[half:], strict=True))
        found[QualityFigure.ValueType(int(figure))] = Totals(count, total, least, most, buckets)
    return found


def _bucket(value: int) -> int:
    return math.ceil(math.log(value) * _PER_FOLD) + 1 if value > 0 else 0


def _middle(bucket: int) -> int:
    """The value that is nearest to all of a bucket."""
    return round(2 * _RATIO ** (bucket - 1) / (_RATIO + 1)) if bucket else 0
