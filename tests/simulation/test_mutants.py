"""The tests are tested: every deliberate defect is found within a bounded number of seeds."""

from collections.abc import Callable
from functools import cache

import pytest

from tests.simulation.federation import Report
from tests.simulation.mutants import MUTANTS, Mutant

FIRST_TIER = ("inbox-without-unique", "answer-before-the-commit")


@cache
def holds_unpatched(run: Callable[[int], Report], seed: int) -> bool:
    return not run(seed).violations


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "mutant",
    [pytest.param(each, id=each.name, marks=() if each.name in FIRST_TIER else pytest.mark.slow) for each in MUTANTS],
)
def test_a_defect_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(mutant.first, mutant.first + mutant.within):
        assert holds_unpatched(mutant.run, seed), f"seed {seed} fails without any defect"
        with monkeypatch.context() as patch:
            mutant.patch(patch)
            found = mutant.run(seed).violations
        if mutant.breaks in {violation.guarantee for violation in found}:
            return
    pytest.fail(f"{mutant.within} seeds do not show that it breaks: {mutant.breaks}")
