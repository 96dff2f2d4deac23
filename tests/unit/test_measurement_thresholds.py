"""Thresholds: what raises an alarm, what clears it, and that noise around the bound makes nothing flap."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.federation.catalogue import Federation
from region_node.network.measurements.thresholds import (
    AVAILABILITY,
    CLEAR_AFTER,
    DELAY,
    LOSS,
    RAISE_AFTER,
    VARIATION,
    Bound,
    Crossing,
    ThresholdState,
    Window,
    bounds_of,
    stands,
    strictest,
)
from tests.shipped import shipped_configuration

NETWORK = Federation(1, shipped_configuration()).network
BOUND = Bound(100, 90, "y1541-0")
CALM = ThresholdState()


def windows(values: Sequence[int], first: int = 1) -> list[Window]:
    return [Window(start, value) for start, value in enumerate(values, first)]


def crossings(values: Sequence[int], state: ThresholdState = CALM) -> list[tuple[bool, int]]:
    return [(each.is_raised, each.start) for each in stands(BOUND, state, windows(values))[1]]


def test_so_many_windows_over_the_bound_raise_and_one_fewer_do_not() -> None:
    assert crossings([101] * (RAISE_AFTER - 1)) == []
    assert crossings([101] * RAISE_AFTER) == [(True, RAISE_AFTER)]
    assert crossings([101] * 100) == [(True, RAISE_AFTER)]


def test_the_bound_itself_is_kept() -> None:
    assert crossings([100] * 100) == []


def test_one_window_that_is_not_over_begins_the_count_anew() -> None:
    assert crossings([101, 101, 100] * 20) == []


def test_so_many_windows_at_the_lower_bound_clear_and_one_fewer_do_not() -> None:
    raised, _ = stands(BOUND, CALM, windows([101] * RAISE_AFTER))
    again = windows([90] * (CLEAR_AFTER - 1), RAISE_AFTER + 1)
    waiting, told = stands(BOUND, raised, again)
    assert not told
    assert waiting.is_raised
    assert stands(BOUND, waiting, [Window(50, 91)])[0].under == 0
    cleared, told = stands(BOUND, waiting, [Window(50, 90)])
    assert told == [Crossing(is_raised=False, start=50, value=90)]
    assert not cleared.is_raised


between = st.lists(st.integers(91, 100), max_size=50)


@given(st.lists(st.integers(91, 1000), max_size=200))
def test_what_never_reaches_the_lower_bound_is_raised_once_at_most_and_never_cleared(values: list[int]) -> None:
    assert crossings(values) in ([], *([(True, start)] for start in range(1, len(values) + 1)))


@given(between)
def test_noise_between_the_bounds_changes_nothing(values: list[int]) -> None:
    assert crossings(values) == []
    assert crossings(values, ThresholdState(is_raised=True)) == []


@given(st.lists(st.integers(80, 110), max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_changes_alternate_and_lie_as_far_apart_as_they_must(values: list[int], cuts: list[int]) -> None:
    told = crossings(values)
    assert [is_raised for is_raised, _ in told] == [number % 2 == 0 for number in range(len(told))]
    for (_, one), (is_raised, other) in pairwise([(False, 0), *told]):
        assert other - one >= (RAISE_AFTER if is_raised else CLEAR_AFTER)
    state, found = CALM, []
    whole = windows(values)
    ends = [0, *sorted(cuts), len(whole)]
    for start, end in pairwise(ends):
        state, more = stands(BOUND, state, whole[start:end])
        found += [(each.is_raised, each.start) for each in more]
    assert found == told, "it does not matter in which pieces windows come"


def test_a_window_that_comes_late_changes_nothing() -> None:
    state, _ = stands(BOUND, CALM, windows([101, 101], 10))
    assert stands(BOUND, state, [Window(9, 500)]) == (state, [])


def test_a_link_has_the_strictest_bounds_of_the_services_on_it() -> None:
    classes = NETWORK.quality_classes
    found = strictest([classes["y1541-1"], classes["y1541-0"]])
    assert found[DELAY] == Bound(100_000, 90_000, "y1541-0")
    assert strictest([classes["y1541-4"]]).keys() == {DELAY, LOSS}
    of_link = bounds_of(NETWORK, "link", "chengdu-guangzhou-1")
    assert of_link.keys() == {DELAY, VARIATION, LOSS, AVAILABILITY}
    of_service = bounds_of(NETWORK, "service", "broadband-chengdu")
    assert of_service[DELAY].quality_class == "y1541-1"


def test_what_is_down_is_critical_and_a_class_that_is_not_kept_is_major() -> None:
    bounds = bounds_of(NETWORK, "service", "broadband-chengdu")
    assert bounds[DELAY].severity == PerceivedSeverity.PERCEIVED_SEVERITY_MAJOR
    assert bounds[AVAILABILITY].severity == PerceivedSeverity.PERCEIVED_SEVERITY_CRITICAL
