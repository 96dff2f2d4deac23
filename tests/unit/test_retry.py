"""When a lane tries again."""

import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from gateway.relay.retry import (
    BUDGET_ALLOWANCE,
    BUDGET_SHARE,
    LONGEST_WAIT,
    SHORTEST_WAIT,
    FullJitter,
    RetryBudget,
    probe_until_answered,
)


class Highest(random.Random):
    """A source of randomness that always gives the upper bound."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


@given(st.integers(0, 2**32), st.integers(1, 10_000))
def test_a_wait_is_never_longer_than_the_longest_nor_next_to_nothing(seed: int, attempt: int) -> None:
    assert SHORTEST_WAIT / 2 <= FullJitter(random.Random(seed)).seconds(attempt) <= LONGEST_WAIT


def test_the_bound_of_the_wait_doubles_until_it_is_the_longest() -> None:
    wait = FullJitter(Highest(), shortest=0.25, longest=3.0)
    assert [wait.seconds(attempt) for attempt in (1, 2, 3, 4, 5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_two_that_failed_together_do_not_come_back_together() -> None:
    waits = {FullJitter(random.Random(seed)).seconds(5) for seed in range(20)}
    assert len(waits) == 20


def test_a_full_batch_may_be_repeated_before_anything_got_through() -> None:
    budget = RetryBudget()
    assert budget.withdraw(int(BUDGET_ALLOWANCE))
    assert not budget.withdraw(1)


def test_a_refused_withdrawal_takes_nothing() -> None:
    budget = RetryBudget()
    assert not budget.withdraw(int(BUDGET_ALLOWANCE) + 1)
    assert budget.withdraw(int(BUDGET_ALLOWANCE))


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 300)), max_size=100))
def test_repeats_are_at_most_the_allowance_and_a_tenth_of_what_got_through(steps: list[tuple[bool, int]]) -> None:
    budget, delivered, repeated = RetryBudget(), 0, 0
    for delivers, count in steps:
        if delivers:
            budget.deposit(count)
            delivered += count
        elif budget.withdraw(count):
            repeated += count
    # A sum of tenths in floating point.
    assert repeated <= BUDGET_ALLOWANCE + delivered * BUDGET_SHARE + 1e-6


def test_a_long_quiet_time_does_not_save_up_for_a_storm() -> None:
    budget = RetryBudget()
    budget.deposit(1_000_000)
    assert not budget.withdraw(int(BUDGET_ALLOWANCE) + 1)


def test_probing_ends_with_the_first_answer_and_waits_before_each_probe() -> None:
    done: list[str | float] = []
    answers = iter([False, False, True])

    async def probe() -> bool:
        done.append("probe")
        return next(answers)

    async def sleep(seconds: float) -> None:
        done.append(seconds)

    asyncio.run(probe_until_answered(probe, FullJitter(Highest(), shortest=0.25, longest=3.0), sleep))
    assert done == [0.5, "probe", 0.5, "probe", 1.0, "probe"]
