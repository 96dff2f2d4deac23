"""The scorecard that a coordinator takes from a region: its own, each figure once, with numbers that can be drawn."""

import math

from coordinator.oversight.quality_service import scorecard_of
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Scorecard


def test_a_region_reports_of_itself_alone_and_what_is_no_number_is_left_out() -> None:
    told = Scorecard(region="henan", month="2020-01", figures=[MeasuredFigure(figure=1, value=0.5, low=0.4, high=0.6)])
    for figure, value in ((2, math.nan), (3, math.inf), (4, -math.inf), (5, 1.0), (5, 2.0)):
        told.figures.add(figure=figure, value=value)
    told.figures.add(figure=6, value=1.0, low=0.5, high=math.nan)
    found = scorecard_of("sichuan", "2026-10", told)
    assert (found.region, found.month) == ("sichuan", "2026-10")
    assert [(each.figure, each.value) for each in found.figures] == [(1, 0.5), (5, 2.0)]
    assert found.figures[0] == told.figures[0]
