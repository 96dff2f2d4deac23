"""Percentiles of measured values, and their confidence intervals. Pure."""

import math
from collections.abc import Iterable, Sequence

_TAIL = 0.025  # of the probability on either side of a two-sided interval of 95 %


def percentile(values: Sequence[int], percent: int) -> int:
    """The nearest-rank percentile of ascending values: the smallest that `percent` percent of them do not exceed.

    Raises ValueError without values, or for a percentage outside of 1 to 100.
    """
    if not values or not 1 <= percent <= 100:
        raise ValueError("a percentile needs values, and 1 to 100 percent")
    return values[-(-percent * len(values) // 100) - 1]


def percentile_interval(values: Sequence[int], percent: int) -> tuple[int, int] | None:
    """The 95 % confidence interval of a percentile of ascending values; None for too few of them.

    Both bounds are values by their ranks, which holds for any distribution (H. A. David, Order Statistics, 7.1).
    Raises ValueError for a percentage outside of 1 to 99.
    """
    if not 1 <= percent <= 99:
        raise ValueError("an interval needs 1 to 99 percent")
    low = _excess(_binomial(len(values), percent / 100))
    high = _excess(_binomial(len(values), 1 - percent / 100))
    return (values[low - 1], values[-high]) if low and high else None


def _excess(probabilities: Iterable[float]) -> int:
    """How many of the first probabilities have together at most that of a tail."""
    total = 0.0
    for number, each in enumerate(probabilities):
        total += each
        if total > _TAIL:
            return number
    return 0


def _binomial(cases: int, chance: float) -> Iterable[float]:
    """The probability of 0, 1, 2 … of so many cases."""
    for number in range(cases + 1):
        ways = math.lgamma(cases + 1) - math.lgamma(number + 1) - math.lgamma(cases - number + 1)
        yield math.exp(ways + number * math.log(chance) + (cases - number) * math.log(1 - chance))
