"""Seeds of the simulation, and that a seed is the whole of a run."""

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import pytest

from gateway.federation.documents import is_ordered_by_nodes
from tests.simulation import joint_orders, relocating, swarm, wild_clocks
from tests.simulation.accountants import FIRST_RECONCILED
from tests.simulation.businesses import WANTS
from tests.simulation.campaign import run_seeds
from tests.simulation.disk import AFTER, BEFORE
from tests.simulation.federation import FEW_LEAPS, MANY_LEAPS, leaps_of, simulate
from tests.simulation.world import configuration

ROOT = Path(__file__).parents[2]
FEW = 12  # seeds: most kinds of fault happen
LONGEST_DOWN = 10.1  # seconds until a killed process starts again
PART = 50  # seeds in one test: enough for every kind of fault to happen


@pytest.mark.guarantee("G2", "G3", "G4", "G7", "G10")
@pytest.mark.long("each seed is a federation that lives through a minute of faults")
@pytest.mark.timeout(600)  # 16 seconds of work, beside whatever else the machine does
def test_every_guarantee_holds_in_the_first_seeds() -> None:
    summary = run_seeds(range(FEW), 1, lambda _: None)
    assert not summary.failed, "\n".join("\n".join(report.story()) for report in summary.failed)


@pytest.mark.guarantee("G2", "G4")
@pytest.mark.timeout(300)
def test_what_several_regions_do_together_is_committed_everywhere_or_nowhere() -> None:
    summary = run_seeds(range(joint_orders.FIRST_SEED, joint_orders.FIRST_SEED + 2), 1, lambda _: None)
    assert not summary.failed, "\n".join("\n".join(report.story()) for report in summary.failed)
    missing = [each for each in ("completed", "failed", "cancelled") if not summary.counts[f"joint orders {each}"]]
    assert not missing, "nothing is proven about what never happened"


@pytest.mark.guarantee("G2", "G4")
@pytest.mark.timeout(300)
def test_regions_agree_on_each_day_and_what_is_planted_in_their_books_is_repaired_once() -> None:
    summary = run_seeds(range(FIRST_RECONCILED, FIRST_RECONCILED + 1), 1, lambda _: None)
    assert not summary.failed, "\n".join("\n".join(report.story()) for report in summary.failed)
    assert summary.counts["nights passed"] == 3
    assert summary.counts["defects planted"] == 2


@pytest.mark.slow
@pytest.mark.timeout(600)  # two minutes on a quiet machine
def test_regions_agree_on_each_day_under_every_kind_of_fault() -> None:
    summary = run_seeds(range(FIRST_RECONCILED, FIRST_RECONCILED + PART), 1, lambda _: None)
    assert not summary.failed, "\n".join("\n".join(report.story()) for report in summary.failed)
    wanted = ("defects planted", "kills during a repair", "differences in flight")
    assert [each for each in wanted if not summary.counts[each]] == [], "nothing is proven about what never happened"


def test_a_customer_who_moves_has_one_home_at_any_time() -> None:
    report = simulate(relocating.FIRST_SEED + 8)
    assert not report.violations, "\n".join(report.story())
    happens = ("customers moved", "databases restored", "new homes restored")
    missing = [each for each in happens if not report.counts[each]]
    assert not missing, "nothing is proven about what never happened"


@pytest.mark.guarantee("G2", "G4")
def test_two_processes_of_a_region_do_each_thing_once_though_a_crowd_comes() -> None:
    report = simulate(swarm.FIRST_SEED + 3)
    assert not report.violations, "\n".join(report.story())
    happens = ("second processes killed", "envelopes taken over", "accepted in a crowd", "turned away: TOO_BUSY")
    missing = [each for each in happens if not report.counts[each]]
    assert not missing, "nothing is proven about what never happened"


@pytest.mark.guarantee("G3")
def test_every_guarantee_holds_though_clocks_of_regions_and_of_the_coordinator_are_wild() -> None:
    report = simulate(swarm.WILD_CLOCKS + 5)
    assert not report.violations, "\n".join(report.story())
    missing = [each for each in wild_clocks.KINDS if not report.counts[each]]
    assert not missing, "nothing is proven about what never happened"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("first", "kinds"),
    [(swarm.FIRST_SEED, swarm.KINDS), (swarm.WILD_CLOCKS, (*swarm.KINDS, *wild_clocks.KINDS))],
)
def test_every_guarantee_holds_though_timers_fail_and_answers_of_databases_are_lost(
    first: int, kinds: Sequence[str]
) -> None:
    summary = run_seeds(range(first, first + PART), 1, lambda _: None)
    assert not summary.failed, "\n".join("\n".join(report.story()) for report in summary.failed)
    assert all(summary.counts[each] for each in kinds), "nothing is proven about what never happened"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_brought_to_a_region_whose_suspension_is_confirmed() -> None:
    summary = run_seeds(range(PART), 1, lambda _: None, "coordinators")
    assert not summary.failed, "\n".join("\n".join(report.story()) for report in summary.failed)
    assert not summary.never_happened, "nothing is proven about what never happened"


@pytest.mark.slow
@pytest.mark.timeout(600)  # a minute on a quiet machine
@pytest.mark.parametrize("first", [*range(0, 100, PART), joint_orders.FIRST_SEED, relocating.FIRST_SEED])
def test_every_guarantee_holds_under_every_kind_of_fault(first: int) -> None:
    summary = run_seeds(range(first, first + PART), 1, lambda _: None)
    assert not summary.failed, "\n".join("\n".join(report.story()) for report in summary.failed)
    assert not summary.never_happened, "nothing is proven about what never happened"


def test_people_ask_for_every_business_of_the_shipped_catalogue_that_is_an_order() -> None:
    assert set(WANTS) == {
        each.code for each in configuration().businesses if each.steps and not is_ordered_by_nodes(each)
    }


def test_days_pass_in_few_leaps_in_most_runs_and_in_many_in_some_of_any_campaign() -> None:
    for first in (0, swarm.FIRST_SEED, joint_orders.FIRST_SEED, FIRST_RECONCILED, relocating.FIRST_SEED):
        drawn = [leaps_of(seed) for seed in range(first, first + PART)]
        assert 0 < drawn.count(MANY_LEAPS) < PART / 4, first
        assert drawn.count(FEW_LEAPS) + drawn.count(MANY_LEAPS) == PART


seventh = cache(partial(simulate, 7))


def test_a_region_that_is_killed_at_a_commit_starts_again_while_faults_last() -> None:
    assert any(seventh().counts[f"crashes {point}"] for point in (BEFORE, AFTER))
    killed: dict[str, float] = {}
    for event in seventh().events:
        if event.what == "is killed":
            killed[event.who] = event.seconds
        elif event.what == "starts":
            assert event.seconds - killed.get(event.who, event.seconds) < LONGEST_DOWN, event


def test_the_same_seed_is_the_same_run() -> None:
    first, second = seventh(), simulate(7)
    assert [str(event) for event in first.events] == [str(event) for event in second.events]
    assert first.digest != simulate(8).digest


def test_seeds_come_to_the_same_in_processes_of_their_own() -> None:
    asked = [sys.executable, "-m", "tests.simulation", "--kind", "coordinators", "--seeds", "3", "--jobs", "2"]
    shown = subprocess.run(
        asked, cwd=ROOT, capture_output=True, check=False, text=True
    )  # few seeds: some kind is missing
    here = [*run_seeds(range(3), 1, lambda _: None, "coordinators").lines()]
    assert shown.stdout.splitlines()[2:] == here[1:], shown.stderr


@pytest.mark.slow
def test_a_seed_replays_in_another_process_whatever_it_hashes_strings_to() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", "11"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert simulate(11).digest in told[0]
