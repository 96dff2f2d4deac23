"""Scorecards for people: silent regions, missing values and missed targets."""

import re

import pytest

from coordinator.cli.quality.matrix import show_matrix
from coordinator.cli.quality.report_page import page
from gateway.api.federation.v1.quality_pb2 import (
    ScorecardDefinition,
    ScorecardDirection,
    ScorecardFigure,
    ScorecardTarget,
    ScorecardUnit,
)
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure
from gateway.wording.scorecards import Standing, standing, told_interval, told_target, told_value
from tests.unit.test_complaint_report import NOW
from tests.unit.test_hostile_pages import scorecards

HOURS = ScorecardDefinition(
    unit=ScorecardUnit.SCORECARD_UNIT_HOURS,
    direction=ScorecardDirection.SCORECARD_DIRECTION_LOWER,
    target=ScorecardTarget(value=48),
)
SHARE = ScorecardDefinition(
    unit=ScorecardUnit.SCORECARD_UNIT_SHARE,
    direction=ScorecardDirection.SCORECARD_DIRECTION_HIGHER,
    target=ScorecardTarget(value=0.95),
)


def test_a_silent_region_is_named_and_has_no_figure() -> None:
    written = page(scorecards(), "2026-09", NOW, "en")
    (table,) = re.findall(r"<table.*?</table>", written, re.DOTALL)
    assert "henan" in written
    assert "henan" not in table
    assert all(region in table for region in ("guangdong", "sichuan"))


def test_a_figure_without_a_value_in_any_region_has_no_chart_and_is_named() -> None:
    told = scorecards()
    told.definitions.append(SHARE)
    told.definitions[1].figure, told.definitions[1].name.en = ScorecardFigure.SCORECARD_FIGURE_SATISFACTION, "Content"
    told.scorecards[0].figures.add(figure=ScorecardFigure.SCORECARD_FIGURE_SATISFACTION, denominator=3)
    written = page(told, "2026-09", NOW, "en")
    assert written.count("<figure>") == 1
    assert "Without a value in any region: Content." in written


def test_a_value_that_meets_or_misses_its_target_is_marked_in_either_direction() -> None:
    told = [told_value(HOURS, MeasuredFigure(value=hours)) for hours in (47.9, 48, 48.1)]
    assert told == ["47.9 h ✓", "48.0 h ✓", "48.1 h !"]
    assert [told_value(SHARE, MeasuredFigure(value=share)) for share in (0.94, 0.95)] == ["94.00 % !", "95.00 % ✓"]
    assert (told_target(HOURS), told_target(SHARE), told_target(ScorecardDefinition())) == ("≤ 48.0 h", "≥ 95.00 %", "")


def test_a_miss_that_chance_may_explain_is_told_apart() -> None:
    def stands(definition: ScorecardDefinition, value: float, low: float, high: float) -> Standing:
        return standing(definition, MeasuredFigure(value=value, low=low, high=high))

    assert [stands(SHARE, 0.9, 0.8, high) for high in (0.94, 0.95)] == [Standing.MISSED, Standing.DOUBTFUL]
    assert [stands(HOURS, 50, low, 60) for low in (48.1, 48)] == [Standing.MISSED, Standing.DOUBTFUL]
    assert stands(HOURS, 47, 40, 60) == Standing.MET
    assert standing(HOURS, MeasuredFigure(value=50)) == Standing.DOUBTFUL, "of few cases"
    assert standing(SHARE, MeasuredFigure(value=0.9)) == Standing.MISSED, "no sample"
    assert standing(HOURS, MeasuredFigure(denominator=3)) == Standing.UNSET


def test_the_terminal_shows_a_row_for_each_figure_and_a_column_for_each_region(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = scorecards()
    told.scorecards.add(region="henan")
    show_matrix(told)
    head, row, legend = capsys.readouterr().out.splitlines()
    assert head.split() == ["figure", "target", "guangdong", "sichuan", "henan"]
    assert row.split("  ")[0] == "Repair time"
    assert row.split()[-5:] == ["50.00", "!", "50.00", "!", "–"], row
    assert "✓" in legend


def test_what_has_no_value_is_no_zero() -> None:
    few, none = MeasuredFigure(denominator=3), MeasuredFigure()
    assert (told_value(SHARE, few), told_value(SHARE, none)) == ("too few", "none")
    assert told_interval(SHARE, none) == ""
    assert told_interval(SHARE, MeasuredFigure(value=0.5, low=0.25, high=0.75)) == "25.00 % – 75.00 %"
