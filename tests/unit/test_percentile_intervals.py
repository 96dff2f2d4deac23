"""The confidence interval of a percentile covers it with at least 95 %, and is none wider than that needs."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values.percentiles import percentile, percentile_interval

TAIL = Fraction(1, 40)


def below(rank: int, cases: int, percent: int) -> Fraction:
    """The exact probability that fewer than `rank` of so many cases lie below the percentile."""
    chance = Fraction(percent, 100)
    return sum((comb(cases, n) * chance**n * (1 - chance) ** (cases - n) for n in range(rank)), start=Fraction())


@given(st.integers(0, 90), st.integers(1, 99))
def test_each_bound_is_the_nearest_rank_that_leaves_no_more_than_its_tail(cases: int, percent: int) -> None:
    found = percentile_interval(range(1, cases + 1), percent)
    lows = [rank for rank in range(1, cases + 1) if below(rank, cases, percent) <= TAIL]
    highs = [rank for rank in range(1, cases + 1) if 1 - below(rank, cases, percent) <= TAIL]
    assert found == ((lows[-1], highs[0]) if lows and highs else None)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300), st.integers(1, 99))
def test_a_percentile_lies_in_its_interval(values: list[int], percent: int) -> None:
    found = percentile_interval(sorted(values), percent)
    assert found is None or found[0] <= percentile(sorted(values), percent) <= found[1]


def test_an_interval_of_nothing_and_of_many_cases() -> None:
    assert percentile_interval([], 50) is None
    assert percentile_interval(range(100_000), 95) == pytest.approx((95_000, 95_000), abs=150)
    many = 10**9  # a look at each of them would not end
    assert percentile_interval(range(many), 50) == pytest.approx((many // 2, many // 2), abs=50_000)
    with pytest.raises(ValueError, match="percent"):
        percentile_interval([1], 100)
