"""The scorecard that a coordinator takes from a region: its own, each figure once, with numbers that can be drawn."""

import math

import pytest

from coordinator.oversight.quality_service import former_scorecard, scorecard_of
from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition, ScorecardFigure
from gateway.api.region.v1.quality_service_pb2 import FormerMonth, MeasuredFigure, Scorecard
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.former_regions import require_former


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


DEFINED = [ScorecardDefinition(figure=each) for each in ScorecardFigure.values()[1:]]


def test_the_others_give_the_scorecard_of_a_region_that_has_left_whatever_one_of_them_tells() -> None:
    true = FormerMonth(region="sichuan", orders=4, orders_in_time=3, repair_times=[1, 5])
    absurd = FormerMonth(region="sichuan", orders=4, orders_in_time=9, complaints_in_time=2, repair_times=[3])
    told = [[true], [FormerMonth(region="henan", orders=50)], [absurd, absurd], []]
    found = former_scorecard("sichuan", "2026-10", DEFINED, told)
    assert found is not None
    assert (found.region, found.month, found.has_left) == ("sichuan", "2026-10", True)
    figures = {each.figure: each for each in found.figures}
    in_time = figures[ScorecardFigure.SCORECARD_FIGURE_ORDERS_IN_TIME]
    assert (in_time.numerator, in_time.denominator, in_time.value) == (8, 8, 1.0)
    assert figures[ScorecardFigure.SCORECARD_FIGURE_REPAIR_TIME_MEDIAN].denominator == 3
    assert not figures[ScorecardFigure.SCORECARD_FIGURE_COMPLAINTS_IN_TIME].HasField("value")


@pytest.mark.parametrize("wrong", [[], ["gone", "gone"], ["gone", ""], ["here"], [f"{each}" for each in range(65)]])
def test_a_question_names_few_regions_that_have_left_and_each_of_them_once(wrong: list[str]) -> None:
    require_former("regions", [f"{each}" for each in range(64)], ["here"])
    with pytest.raises(Refused) as told:
        require_former("regions", wrong, ["here"])
    assert (told.value.reason, told.value.parameters["field"]) == (Reason.REASON_REQUEST_INVALID, "regions")


def test_a_region_that_has_left_has_no_scorecard_of_a_month_of_which_nobody_has_a_record() -> None:
    assert former_scorecard("sichuan", "2026-10", DEFINED, [[FormerMonth(region="sichuan")], []]) is None
