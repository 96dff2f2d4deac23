"""The detection of a rise: an exact test, as few false alarms as documented, and a rise that is found within days."""

import math
import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from coordinator.risks.change_detection import DAYS, WEEK, probability_of, rise

RATE = 20  # days between false alarms: often enough to be counted
SERIES = 2000


def poisson(mean: float, source: random.Random) -> int:
    """A Poisson count, by the product of uniform numbers (Knuth)."""
    bound, count, product = math.exp(-mean), 0, source.random()
    while product > bound:
        count, product = count + 1, product * source.random()
    return count


def test_the_probability_is_that_of_the_binomial_distribution() -> None:
    wrong = [
        (count, total)
        for total in range(30)
        for count in range(total + 1)
        if count > total / 9
        and not math.isclose(
            probability_of(count, total),
            sum(math.comb(total, k) * 8 ** (total - k) for k in range(count, total + 1)) / 9**total,
            rel_tol=1e-9,
        )
    ]
    assert wrong == []


@given(st.integers(0, 100_000), st.integers(0, 1_000_000))
def test_a_higher_count_is_never_more_probable(count: int, others: int) -> None:
    lower = probability_of(count, count + others)
    assert 0.0 <= probability_of(count + 1, count + 1 + others) <= lower <= 1.0


def test_chance_alone_raises_no_more_alarms_than_documented_whatever_the_rate_of_complaints() -> None:
    source = random.Random(17)
    alarms = {
        mean: sum(rise([poisson(mean, source) for _ in range(DAYS)], RATE) is not None for _ in range(SERIES))
        for mean in (0.05, 1.0, 8.0)
    }
    allowed = SERIES / RATE
    assert {mean: found for mean, found in alarms.items() if found > allowed + 3 * math.sqrt(allowed)} == {}


def test_a_rhythm_of_the_week_is_no_rise() -> None:
    week = [60, 40, 40, 40, 40, 5, 5]
    days = week * (DAYS // WEEK * 2)
    assert [start for start in range(WEEK) if rise(days[start : start + DAYS], 100) is not None] == []


def found_after(days: Sequence[int], rate: int) -> int | None:
    """The number of days from the end of the first DAYS until a rise is found."""
    ends = range(DAYS, len(days) + 1)
    return next((end - DAYS for end in ends if rise(days[end - DAYS : end], rate) is not None), None)


def test_complaints_that_double_are_found_within_a_week_and_a_flood_on_its_first_day() -> None:
    assert found_after([10] * DAYS + [20] * WEEK, 100_000) in range(1, WEEK + 1)
    assert found_after([10] * DAYS + [60], 100_000) == 1


def test_a_rise_ends_later_than_it_begins_and_does_not_flicker() -> None:
    slight = [10] * (DAYS - WEEK) + [15] * WEEK
    assert rise(slight, 100_000) is None
    assert rise(slight, 100_000, lasts=True) is not None
    assert rise([10] * DAYS, 100_000, lasts=True) is None


def test_a_region_without_any_complaint_has_no_rise() -> None:
    assert rise([0] * DAYS, 1) is None
