"""Detects a rise of daily counts against their own past, with a known rate of false alarms. Pure.

Of two Poisson counts with one rate, the later one is binomial, given their sum (Przyborowski and Wilenski 1940). So
the rate itself need not be known or estimated, and the test is exact. Two windows are tested: the last day against the
same weekday of eight weeks, and the last week against eight weeks. Both have the share of one in nine, and a rhythm of
the week raises no alarm. Each window takes half of the allowed rate. Counts that vary more than Poisson counts do raise
more alarms.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

WEEK = 7
BASE_WEEKS = 8
DAYS = WEEK * (BASE_WEEKS + 1)
"""The number of days that a test needs, the last day included."""
CALM = 0.01
"""A rise has ended once each window has at least this probability by chance."""
_SHARE = 1 / (BASE_WEEKS + 1)
_NEGLIGIBLE = 1e-12  # of a sum, for its further terms


class Rise(NamedTuple):
    """A window with more than its past explains."""

    days: int
    """Length of the window in days: 1 or 7."""
    observed: int
    expected: float
    probability: float
    """The probability of such a count, or a higher one, by chance."""


def rise(days: Sequence[int], false_alarm_days: int, *, lasts: bool = False) -> Rise | None:
    """The less probable window, if it is a rise; None else. `days` has DAYS counts, the oldest first.

    A test each day raises a false alarm at most once in `false_alarm_days` on average. A rise that `lasts` ends only
    when both windows are probable again, so that it does not begin and end in turn.
    """
    windows = (
        _tested(1, days[-1], [days[-1 - WEEK * week] for week in range(1, BASE_WEEKS + 1)]),
        _tested(WEEK, sum(days[-WEEK:]), days[-DAYS:-WEEK]),
    )
    found = min(windows, key=lambda each: each.probability)
    return found if found.probability < (CALM if lasts else 1 / (2 * false_alarm_days)) else None


def _tested(length: int, count: int, base: Sequence[int]) -> Rise:
    total = count + sum(base)
    return Rise(length, count, sum(base) / BASE_WEEKS, probability_of(count, total))


def probability_of(count: int, total: int) -> float:
    """The probability of `count` or more of `total` events in the last of nine equal periods."""
    if count <= total * _SHARE:
        return 1.0  # no rise; the exact value is of no use
    chance = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
    chance += count * math.log(_SHARE) + (total - count) * math.log(1 - _SHARE)
    term = result = math.exp(chance)
    if term == 0.0:  # too small for a number, and so are all that follow
        return 0.0
    odds = _SHARE / (1 - _SHARE)
    for number in range(count, total):
        term *= (total - number) / (number + 1) * odds
        result += term
        if term < result * _NEGLIGIBLE:
            break
    return min(1.0, result)
