"""An older database of any region, of any moment: what others know comes back, and what does not is listed.

It is put back, or a standby takes over that lacks the last commits.
"""

from collections import Counter
from collections.abc import Sequence

import pytest

from tests.simulation import joint_orders, swarm
from tests.simulation.campaign import run_seeds
from tests.simulation.federation import Report
from tests.simulation.losing import PROVEN, fail_over, lose, lose_little

FIRST = 17
PART = 25  # restores in one test: enough for everything in `PROVEN` to happen
PARTS = (
    *(("older-database", first, PART) for first in range(0, 75, PART)),
    ("older-database", joint_orders.FIRST_SEED, 10),  # regions also do orders together
    ("older-database", swarm.WILD_CLOCKS, 15),  # beside other faults
    ("last-seconds", 0, PART),
    ("fail-over", 0, PART),
    ("fail-over", joint_orders.FIRST_SEED, 5),
)
"""A hundred restores, 25 of the last seconds, and thirty fail-overs: the kind of run, the first seed and how many."""


def require_same(reports: Sequence[Report]) -> None:
    """Nothing differs that no list names, and the runs prove something."""
    failed = [report for report in reports if report.violations]
    assert not failed, "\n".join("\n".join(report.story()) for report in failed)


def require_proven(counts: Counter[str]) -> None:
    """A loss happened, and others told what was lost."""
    assert [each for each in PROVEN if not counts[each]] == [], "nothing is proven about what never happened"


@pytest.mark.guarantee("G2", "G4")
@pytest.mark.long("each seed is a federation that lives through a minute")
@pytest.mark.timeout(300)
def test_regions_have_the_same_of_each_other_after_one_has_lost_its_newest_part_in_one_run() -> None:
    report = lose(FIRST)
    require_same([report])
    require_proven(report.counts)


@pytest.mark.guarantee("G2")
@pytest.mark.long("each seed is a federation that lives through a minute")
@pytest.mark.timeout(300)
def test_a_region_finds_that_it_has_lost_the_last_seconds_alone_by_a_receipt_of_another_one() -> None:
    require_same([lose_little(FIRST)])


@pytest.mark.guarantee("G2")
@pytest.mark.long("each seed is a federation that lives through a minute")
@pytest.mark.timeout(300)
def test_a_region_finds_its_loss_beside_receipts_that_a_clock_gone_back_has_given_since() -> None:
    require_same([lose_little(6_011)])


@pytest.mark.slow
@pytest.mark.timeout(900)  # half a minute on a quiet machine
@pytest.mark.parametrize(("kind", "first", "many"), PARTS)
def test_regions_have_the_same_of_each_other_after_one_has_lost_its_newest_part(
    kind: str, first: int, many: int
) -> None:
    summary = run_seeds(range(first, first + many), 1, lambda _: None, kind)
    require_same(summary.failed)
    require_proven(summary.counts)


@pytest.mark.slow
def test_a_confirmed_move_that_its_old_home_has_lost_is_listed_for_people() -> None:
    report = lose(50_003)
    require_same([report])
    require_proven(report.counts)
    assert any("#hand-over>" in each.what and "lists COMMAND_LOST" in each.what for each in report.events)


@pytest.mark.long("each seed is a federation that lives through a minute")
@pytest.mark.parametrize("seed", [6_001, 6_003])
def test_what_a_database_has_lost_in_a_fail_over_leaves_no_lane_of_a_process_that_lives_on(seed: int) -> None:
    require_same([fail_over(seed)])


@pytest.mark.long("each seed is a federation that lives through a minute")
def test_a_process_finds_its_lost_commit_although_another_one_has_committed_since_the_fail_over() -> None:
    require_same([fail_over(6_034)])
