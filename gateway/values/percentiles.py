"""Percentiles of measured values. Pure."""

from collections.abc import Sequence


def percentile(values: Sequence[int], percent: int) -> int:
    """The nearest-rank percentile of ascending values: the smallest that `percent` percent of them do not exceed.

    Raises ValueError without values, or for a percentage outside of 1 to 100.
    """
    if not values or not 1 <= percent <= 100:
        raise ValueError("a percentile needs values, and 1 to 100 percent")
    return values[-(-percent * len(values) // 100) - 1]
