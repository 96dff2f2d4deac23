"""The time at which a link's traffic will reach its capacity, by its growth. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_LEAST_MONTHS = 2  # a single one has no trend


@dataclass(frozen=True)
class Trend:
    """A straight line through the months, by least squares."""

    growth: float
    """In kbit/s a month."""
    months_left: int | None
    """Whole months after the last one until the line reaches the capacity; 0 where it has, None for never."""


def trend(months: Sequence[tuple[int, int]], capacity_kbps: int) -> Trend | None:
    """The trend of the traffic, as (number of the month, kbit/s), in order; None for less than two months."""
    if len(months) < _LEAST_MONTHS:
        return None
    middle = sum(month for month, _ in months) / len(months)
    mean = sum(carried for _, carried in months) / len(months)
    spread = sum((month - middle) ** 2 for month, _ in months)
    growth = sum((month - middle) * (carried - mean) for month, carried in months) / spread
    now = mean + growth * (months[-1][0] - middle)
    if now >= capacity_kbps:
        return Trend(growth, 0)
    # A line that would take longer than anybody plans for is as good as level.
    left = (capacity_kbps - now) / growth if growth > 0 else math.inf
    return Trend(growth, math.ceil(left) if left <= 1200 else None)
