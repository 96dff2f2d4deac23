"""When a link will be full, by how what it carries has grown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_node.network.measurements.capacity import Trend, trend


@pytest.mark.clause("1.4.5", "5.3.2", "10.2(1)")
def test_a_link_that_grows_by_ten_a_month_is_full_when_the_rest_is_used_up() -> None:
    found = trend([(1, 50), (2, 60), (3, 70)], 100)
    assert found is not None
    assert (round(found.growth), found.months_left) == (10, 3)


def test_what_does_not_grow_is_never_full() -> None:
    assert trend([(1, 50), (2, 50)], 100) == Trend(0.0, None)
    assert trend([(1, 60), (2, 50)], 100) == Trend(-10.0, None)


def test_what_is_full_is_full() -> None:
    found = trend([(1, 90), (2, 110)], 100)
    assert found is not None
    assert found.months_left == 0


def test_one_month_has_no_trend() -> None:
    assert trend([(1, 50)], 100) is None
    assert trend([], 100) is None


@given(st.integers(0, 1000), st.integers(1, 100), st.sets(st.integers(1, 40), min_size=2, max_size=12))
@pytest.mark.clause("12.3")
def test_a_straight_line_goes_on_straight_also_where_months_are_missing(
    start: int, growth: int, months: set[int]
) -> None:
    line = [(month, start + growth * month) for month in sorted(months)]
    full = line[-1][1] + 7 * growth
    found = trend(line, full)
    assert found is not None
    assert found.months_left in (7, 8), "as exact as floats are"
