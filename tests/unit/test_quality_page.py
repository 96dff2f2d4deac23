"""Scorecards for people: silent regions, missing values and missed targets."""

import re

from coordinator.cli.quality.report_page import page
from gateway.api.federation.v1.quality_pb2 import (
    ScorecardDefinition,
    ScorecardDirection,
    ScorecardTarget,
    ScorecardUnit,
)
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure
from gateway.cli.scorecard import told_interval, told_target, told_value
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


def test_a_value_that_misses_its_target_is_marked_in_either_direction() -> None:
    told = [told_value(HOURS, MeasuredFigure(value=hours)) for hours in (47.9, 48, 48.1)]
    assert told == ["47.9 h", "48.0 h", "48.1 h !"]
    assert [told_value(SHARE, MeasuredFigure(value=share)) for share in (0.94, 0.95)] == ["94.00 % !", "95.00 %"]
    assert (told_target(HOURS), told_target(SHARE), told_target(ScorecardDefinition())) == ("≤ 48.0 h", "≥ 95.00 %", "")


def test_what_has_no_value_is_no_zero() -> None:
    few, none = MeasuredFigure(denominator=3), MeasuredFigure()
    assert (told_value(SHARE, few), told_value(SHARE, none)) == ("too few", "none")
    assert told_interval(SHARE, none) == ""
    assert told_interval(SHARE, MeasuredFigure(value=0.5, low=0.25, high=0.75)) == "25.00 % – 75.00 %"
