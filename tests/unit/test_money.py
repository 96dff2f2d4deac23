"""Exact arithmetic on amounts."""

from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values.money import in_major_units, minor_units_of, share_half_up

AMOUNTS = st.integers(-(10**12), 10**12)


@given(AMOUNTS, st.integers(-(10**6), 10**6), st.integers(1, 10**6))
def test_a_share_is_the_exact_one_rounded_half_away_from_zero(amount: int, numerator: int, denominator: int) -> None:
    with localcontext(prec=60):
        exact = Decimal(amount) * numerator / denominator
        expected = exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)
    assert share_half_up(amount, numerator, denominator) == expected


@given(AMOUNTS, st.integers(0, 1000), st.integers(1, 1000))
def test_owing_is_shared_as_credit_is(amount: int, numerator: int, denominator: int) -> None:
    assert share_half_up(-amount, numerator, denominator) == -share_half_up(amount, numerator, denominator)


@given(AMOUNTS, st.integers(1, 31))
def test_a_whole_share_is_the_amount(amount: int, days: int) -> None:
    assert share_half_up(amount, days, days) == amount


@pytest.mark.parametrize(("amount", "expected"), [(5, 3), (-5, -3), (4, 2), (1, 1), (-1, -1), (0, 0)])
def test_a_half_goes_away_from_zero(amount: int, expected: int) -> None:
    assert share_half_up(amount, 1, 2) == expected


@pytest.mark.parametrize("denominator", [0, -1])
def test_a_denominator_is_positive(denominator: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        share_half_up(100, 1, denominator)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(1250, "12.50 CNY"), (-1250, "-12.50 CNY"), (5, "0.05 CNY"), (-5, "-0.05 CNY"), (0, "0.00 CNY")],
)
def test_people_read_major_units(amount: int, text: str) -> None:
    assert in_major_units(amount, "CNY") == text


@given(st.integers(0, 10**12))
def test_an_amount_is_understood_as_it_is_shown_and_in_minor_units(amount: int) -> None:
    assert minor_units_of(in_major_units(amount, "CNY").removesuffix(" CNY")) == minor_units_of(str(amount)) == amount


@pytest.mark.parametrize(
    ("written", "amount"), [("1200", 1200), ("12.00", 1200), ("12.5", 1250), ("0.01", 1), ("0", 0), ("012", 12)]
)
def test_a_point_makes_an_amount_one_of_major_units(written: str, amount: int) -> None:
    assert minor_units_of(written) == amount


@pytest.mark.parametrize("written", ["12.005", "12.", ".5", "-12", "1e3", "1,200", "12 ", "", "9" * 16, "１２"])
def test_what_is_finer_than_a_minor_unit_or_no_number_is_no_amount(written: str) -> None:
    assert minor_units_of(written) is None
