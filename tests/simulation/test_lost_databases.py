"""An older database of any region, of any moment: what others know comes back, and what does not is listed.

It is put back, or a standby takes over that lacks the last commits.
"""

from collections.abc import Callable, Sequence

import pytest

from tests.simulation import joint_orders
from tests.simulation.federation import Report
from tests.simulation.losing import PROVEN, fail_over, lose

FIRST = 17
MANY = 89
FEW = 40
FEW_JOINT = 11  # seeds in which regions also do orders together
OFTEN = ("commands listed", "differences named")  # in some of many runs


def require_same(reports: list[Report], proven: Sequence[str]) -> None:
    """Nothing differs that no list names, and the runs prove something."""
    failed = [report for report in reports if report.violations]
    assert not failed, "\n".join("\n".join(report.story()) for report in failed)
    for what in proven:
        assert sum(report.counts[what] for report in reports), f"nothing is proven without {what}"


@pytest.mark.guarantee("G2", "G4")
@pytest.mark.long("each seed is a federation that lives through a minute")
@pytest.mark.timeout(300)
def test_regions_have_the_same_of_each_other_after_one_has_lost_its_newest_part_in_one_run() -> None:
    require_same([lose(FIRST)], PROVEN)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes on a quiet machine
@pytest.mark.parametrize(("run", "many"), [(lose, MANY), (fail_over, FEW)])
def test_regions_have_the_same_of_each_other_after_one_has_lost_its_newest_part(
    run: Callable[[int], Report], many: int
) -> None:
    seeds = (*range(many), *range(joint_orders.FIRST_SEED, joint_orders.FIRST_SEED + FEW_JOINT))
    require_same([each if each.violations else each.without_events() for each in map(run, seeds)], (*PROVEN, *OFTEN))


@pytest.mark.slow
def test_a_confirmed_move_that_its_old_home_has_lost_is_listed_for_people() -> None:
    report = lose(50_003)
    require_same([report], PROVEN)
    assert any("#hand-over>" in each.what and "lists COMMAND_LOST" in each.what for each in report.events)
