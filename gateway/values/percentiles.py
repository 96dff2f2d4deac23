"""Percentiles of measured values, and their confidence intervals. Pure."""

import math
from collections.abc import Sequence

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
    low = _excess(len(values), percent / 100)
    high = _excess(len(values), 1 - percent / 100)
    return (values[low - 1], values[-high]) if low and high else None


def _excess(cases: int, chance: float) -> int:
    """How many of the numbers 0, 1, 2 … of so many cases have together at most the probability of a tail.

    Numbers far below the mean are left out: by Bernstein's inequality all of them have together less than e^-36. So the
    work grows with the square root of the cases.
    """
    deviation = math.sqrt(cases * chance * (1 - chance))
    first = max(0, math.floor(cases * chance - 12 * deviation - 24))
    total = 0.0
    for number in range(first, cases + 1):
        total += _probability(number, cases, chance)
        if total > _TAIL:
            return number
    return 0


def _probability(number: int, cases: int, chance: float) -> float:
    """The binomial probability of a number of so many cases."""
    ways = math.lgamma(cases + 1) - math.lgamma(number + 1) - math.lgamma(cases - number + 1)
    return math.exp(ways + number * math.log(chance) + (cases - number) * math.log(1 - chance))
