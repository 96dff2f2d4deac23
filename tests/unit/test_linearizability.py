"""The checker of histories of suspensions."""

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.linearizability import Kind, Operation, contradiction

KINDS = st.sampled_from(Kind)
TIMES = st.integers(0, 12)


def suspend(begin: float, end: float = math.inf) -> Operation:
    return Operation(Kind.SUSPEND, begin, end)


def reinstate(begin: float, end: float = math.inf) -> Operation:
    return Operation(Kind.REINSTATE, begin, end)


def route(begin: float, end: float) -> Operation:
    return Operation(Kind.ROUTE, begin, end)


@pytest.mark.parametrize(
    "history",
    [
        [],
        [route(0, 1), suspend(2, 3)],
        [suspend(0, 3), route(1, 2)],
        [suspend(0, 3), route(2, 5), route(2, 9)],
        [suspend(0), route(7, 8)],
        [suspend(0, 1), reinstate(2, 3), route(4, 5)],
        [suspend(0, 1), reinstate(2), route(4, 5)],
        [suspend(0, 9), reinstate(1, 2), route(3, 4)],
        [suspend(0, 2), suspend(1, 9), reinstate(3, 4), route(5, 6)],
    ],
)
def test_a_history_that_one_order_explains_is_linearizable(history: Sequence[Operation]) -> None:
    assert contradiction(history) is None


@pytest.mark.parametrize(
    ("history", "told"),
    [
        ([suspend(0, 1), route(2, 3)], route(2, 3)),
        ([suspend(0, 1), reinstate(4, 5), route(2, 3)], route(2, 3)),
        ([suspend(0, 1), reinstate(2, 3), suspend(4, 5), route(6, 7)], route(6, 7)),
        ([route(0, 9), suspend(1, 2), route(3, 4)], route(3, 4)),
        ([suspend(0, 1), reinstate(3), route(2, 4), suspend(5, 6), route(7, 8)], route(7, 8)),
    ],
)
def test_an_envelope_that_came_after_a_suspension_contradicts_it(history: Sequence[Operation], told: Operation) -> None:
    assert contradiction(history) == told


def by_trying_all(history: Sequence[Operation]) -> bool:
    """Whether any order of any choice of uncertain operations explains a history."""
    certain = [each for each in history if each.end < math.inf]
    uncertain = [each for each in history if each.end == math.inf]
    chosen = (
        (*certain, *some) for count in range(len(uncertain) + 1) for some in itertools.combinations(uncertain, count)
    )
    return any(explains(order) for choice in chosen for order in itertools.permutations(choice))


def explains(order: Sequence[Operation]) -> bool:
    suspended, latest = False, -math.inf
    for each in order:
        latest = max(latest, each.begin)
        if each.end < latest or (each.kind is Kind.ROUTE and suspended):
            return False
        suspended = suspended if each.kind is Kind.ROUTE else each.kind is Kind.SUSPEND
    return True


@given(st.lists(st.tuples(KINDS, TIMES, st.one_of(st.integers(0, 6), st.none())), max_size=5))
def test_the_search_finds_what_trying_all_orders_finds(drawn: list[tuple[Kind, int, int | None]]) -> None:
    history = [
        Operation(kind, begin, math.inf if length is None else begin + length)
        for kind, begin, length in drawn
        if kind is not Kind.ROUTE or length is not None
    ]
    assert (contradiction(history) is None) == by_trying_all(history)
