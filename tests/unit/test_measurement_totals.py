"""The totals of measurements: percentiles within one in a hundred, and parts that add up to the whole."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.alarm_pb2 import QualityFigure
from region_node.network.measurements.totals import Totals, added, decoded, encoded

DELAY, LOSS = QualityFigure.QUALITY_FIGURE_DELAY, QualityFigure.QUALITY_FIGURE_LOSS
values = st.lists(st.integers(0, 10**12), min_size=1, max_size=60)


def true_percentile(found: Sequence[int], of_100: int) -> int:
    rank = max(1, -(-len(found) * of_100 // 100))
    return sorted(found)[rank - 1]


@given(values, st.integers(1, 100))
def test_a_percentile_is_within_one_in_a_hundred(found: list[int], of_100: int) -> None:
    true = true_percentile(found, of_100)
    assert abs(Totals.of(found).percentile(of_100) - true) <= true * 0.01 + 0.5 + 1e-9, "and it is a whole number"


@given(values, values)
def test_parts_add_up_to_the_whole_in_any_order(one: list[int], other: list[int]) -> None:
    whole = Totals.of([*one, *other])
    assert Totals.of(one) + Totals.of(other) == whole
    assert Totals.of(other) + Totals.of(one) == whole


@given(values)
def test_what_is_stored_is_read_back(found: list[int]) -> None:
    figures = {DELAY: Totals.of(found), LOSS: Totals.of([0])}
    assert decoded(encoded(figures)) == figures


def test_figures_of_parts_are_put_together() -> None:
    together = added([{LOSS: Totals.of([1])}, {DELAY: Totals.of([2])}, {LOSS: Totals.of([3])}])
    assert list(together) == [DELAY, LOSS]
    assert (together[LOSS].count, together[LOSS].mean, together[LOSS].minimum, together[LOSS].maximum) == (2, 2, 1, 3)
    assert added([]) == {}


def test_a_million_values_take_the_room_of_a_few_hundred_buckets() -> None:
    spread = Totals.of([10_000 + number % 20_000 for number in range(100_000)])
    assert len(encoded({DELAY: spread})) < 1_000
