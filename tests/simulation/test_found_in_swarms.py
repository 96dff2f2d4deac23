"""Findings of seeds in which several kinds of fault come together."""

import pytest

from tests.simulation.federation import Report, simulate
from tests.simulation.losing import lose


def require_held(report: Report) -> None:
    """No guarantee was broken."""
    assert not report.violations, "\n".join(report.story())


@pytest.mark.timeout(300)
def test_a_loss_that_no_coordinator_could_tell_a_region_of_breaks_no_guarantee() -> None:
    require_held(lose(5_002))


@pytest.mark.timeout(300)
def test_an_order_passes_between_regions_whose_trusted_clocks_err_to_either_side() -> None:
    require_held(simulate(6_007))


@pytest.mark.timeout(300)
def test_the_versions_of_a_fault_reach_regions_whose_trusted_clocks_err_to_the_other_side() -> None:
    require_held(lose(6_019))
