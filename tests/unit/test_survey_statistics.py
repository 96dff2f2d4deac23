"""Means, shares and intervals of surveys, against published values."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import statistics
from region_node.care.surveys.results import results
from region_node.care.surveys.rows import ANSWERS, Count

# Two-sided 95 % quantiles of Student's t, from any printed table.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 9: 2.262, 10: 2.228, 20: 2.086, 30: 2.042, 120: 1.980}
# Wilson's interval without correction, from Newcombe, Statistics in Medicine 17 (1998), table I.
WILSON = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0.0, 0.1611), (1, 29): (0.0061, 0.1718)}
marks = st.dictionaries(st.integers(1, 5), st.integers(1, 500), min_size=1)


def test_quantiles_of_student_are_those_of_the_tables() -> None:
    wrong = {n: statistics.student_t(n) for n, t in STUDENT.items() if abs(statistics.student_t(n) / t - 1) > 0.003}
    assert not wrong


def test_wilsons_interval_is_that_of_the_literature() -> None:
    found = {case: statistics.share(*case) for case in WILSON}
    assert {case: (round(each.low, 4), round(each.high, 4)) for case, each in found.items()} == WILSON


def test_a_rate_has_nearly_the_exact_interval_of_a_poisson_count() -> None:
    # Exact bounds from Garwood, Biometrika 28 (1936), table I.
    exact = {0: (0.0, 3.689), 1: (0.0253, 5.572), 5: (1.623, 11.668), 10: (4.795, 18.390), 30: (20.241, 42.827)}
    for events, (low, high) in exact.items():
        found = statistics.rate(events, 1)
        assert found.low == pytest.approx(low, abs=0.03), events
        assert found.high == pytest.approx(high, rel=0.01), events


def test_a_mean_has_the_interval_of_student() -> None:
    # 2, 3, 3, 4, 5: mean 3.4, standard deviation 1.1402, t of 4 degrees 2.776.
    figure = statistics.mean({2: 1, 3: 2, 4: 1, 5: 1}, 1, 5)
    assert figure.value == pytest.approx(3.4)
    assert figure.high - figure.value == pytest.approx(2.776 * 1.1402 / math.sqrt(5), rel=0.003)


@given(marks)
def test_a_mean_lies_in_its_interval_and_the_interval_in_the_scale(given_marks: dict[int, int]) -> None:
    figure = statistics.mean(given_marks, 1, 5)
    assert 1 <= figure.low <= figure.value + 1e-9
    assert figure.value - 1e-9 <= figure.high <= 5


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_a_share_lies_in_its_interval(part: int, more: int) -> None:
    figure = statistics.share(part, part + more)
    assert 0 <= figure.low <= figure.value + 1e-9
    assert figure.value - 1e-9 <= figure.high <= 1


@pytest.mark.clause("8.2(4)")
def test_the_recommend_score_counts_nine_and_ten_for_and_up_to_six_against() -> None:
    # 5 of +1, 4 of 0, 1 of -1: mean 0.4, standard deviation 0.6992, t of 9 degrees 2.262.
    figure = statistics.recommend_score({10: 4, 9: 1, 8: 3, 7: 1, 6: 1})
    assert figure.value == pytest.approx(40)
    assert figure.answers == 10
    half = 100 * 2.262 * 0.6992 / math.sqrt(10)
    assert (figure.value - figure.low, figure.high - figure.value) == pytest.approx((half, half), rel=0.003)
    assert statistics.recommend_score({0: 2}).value == -100
    single = statistics.recommend_score({9: 1})
    assert (single.value, single.low, single.high) == (100, -100, 100), "one answer tells nothing"


@given(st.dictionaries(st.integers(0, 10), st.integers(1, 300), min_size=1))
def test_a_recommend_score_lies_in_its_interval_and_the_interval_in_the_scale(given_marks: dict[int, int]) -> None:
    figure = statistics.recommend_score(given_marks)
    assert -100 <= figure.low <= figure.value + 1e-9
    assert figure.value - 1e-9 <= figure.high <= 100


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 20)), st.integers(1, 8))
def test_no_small_group_is_shown_nor_follows_from_a_total(answers: dict[str, int], smallest: int) -> None:
    shown = set(statistics.shown(answers, smallest))
    assert all(answers[name] >= smallest for name in shown)
    left_out = sum(count for name, count in answers.items() if name not in shown)
    assert left_out == 0 or left_out >= smallest or not shown


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=2, max_size=4), st.integers(2, 6))
def test_a_range_of_months_tells_nothing_that_its_months_do_not_tell(table: list[tuple[int, ...]], least: int) -> None:
    counts = [
        Count(f"2030-0{month}", group, "SUSPEND", "app", ANSWERS, 0, answers)
        for month, row in enumerate(table, 1)
        for group, answers in zip("abc", row, strict=True)
    ]

    def told(months: range) -> dict[str, int]:
        names = {f"2030-0{month}" for month in months}
        found = results("sichuan", [each for each in counts if each.month in names], least).by_region
        return {group.name: group.answers for group in found}

    months = range(1, len(table) + 1)
    by_month = {month: told(range(month, month + 1)) for month in months}
    for first, last in itertools.combinations_with_replacement(months, 2):
        for group, answers in told(range(first, last + 1)).items():
            assert answers == sum(by_month[month].get(group, 0) for month in range(first, last + 1))
