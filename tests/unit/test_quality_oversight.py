"""The scorecard that a coordinator takes from a region: its own, each figure once, with numbers that can be drawn."""

import math

from coordinator.oversight.quality_service import scorecard_of
from gateway.api.federation.v1.quality_pb2 import ScorecardFigure
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Scorecard


def test_a_region_reports_of_itself_alone_and_what_is_no_number_is_left_out() -> None:
    one, two, three, four, five, six = ScorecardFigure.values()[1:7]
    whole = MeasuredFigure(figure=one, value=0.5, low=0.4, high=0.6)
    told = Scorecard(region="henan", month="2020-01", figures=[whole])
    for figure, value in ((two, math.nan), (three, math.inf), (four, -math.inf), (five, 1.0), (five, 2.0)):
        told.figures.add(figure=figure, value=value)
    told.figures.add(figure=six, value=1.0, low=0.5, high=math.nan)
    found = scorecard_of("sichuan", "2026-10", told)
    assert (found.region, found.month) == ("sichuan", "2026-10")
    assert [(each.figure, each.value) for each in found.figures] == [(one, 0.5), (five, 2.0)]
    assert found.figures[0] == whole
