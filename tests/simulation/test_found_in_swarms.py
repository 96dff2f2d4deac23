"""Findings of seeds in which several kinds of fault come together."""

import pytest

from tests.simulation.federation import Report, simulate
from tests.simulation.losing import lose
from tests.simulation.mutants.recovering import receipts_not_asked_for


def require_held(report: Report) -> None:
    """No guarantee was broken."""
    assert not report.violations, "\n".join(report.story())


@pytest.mark.timeout(300)
def test_a_ticket_is_listed_whose_id_a_region_gave_again_while_nobody_could_tell_it_of_its_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receipts_not_asked_for(monkeypatch)  # as where no other region keeps one
    report = lose(5_008)
    require_held(report)
    lost = "sichuan/L20260328-1"
    assert any(each.about == lost and "lists COMMAND_LOST of guangdong" in each.what for each in report.events)


@pytest.mark.timeout(300)
def test_a_loss_that_receipts_alone_can_tell_breaks_no_guarantee() -> None:
    require_held(lose(5_008))


@pytest.mark.timeout(300)
def test_an_order_passes_between_regions_whose_trusted_clocks_err_to_either_side() -> None:
    require_held(simulate(6_007))


@pytest.mark.timeout(300)
def test_the_versions_of_a_fault_reach_regions_whose_trusted_clocks_err_to_the_other_side() -> None:
    require_held(lose(6_019))


@pytest.mark.timeout(300)
def test_a_fee_of_a_stay_that_two_clocks_make_shorter_than_nothing_is_on_a_bill() -> None:
    require_held(simulate(700_132))


@pytest.mark.timeout(300)
def test_a_region_follows_a_fault_whose_number_comes_back_while_versions_are_on_their_way_to_it() -> None:
    require_held(simulate(700_004))
