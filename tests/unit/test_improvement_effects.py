"""Improvement actions for a figure of the scorecard: how they are recorded, and what shows that they helped."""

import contextlib
from collections.abc import Iterator
from datetime import datetime

import pytest

from gateway.api.federation.v1.quality_pb2 import ScorecardFigure
from gateway.api.region.v1.improvement_service_pb2 import (
    AddImprovementActionRequest,
    GetImprovementEffectResponse,
    ImprovementAction,
    ImprovementEffect,
    ListImprovementActionsRequest,
)
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.sqlite import SqliteTransaction
from region_node.care.improvements import operations
from region_node.care.improvements.effects import effect_of
from region_node.tickets.improvements import count_repeat, list_actions
from tests.empty_database import empty_database
from tests.unit.quality_scene import DAY, HOUR, Region, context
from tests.unit.situations import NOW

IN_TIME = ScorecardFigure.SCORECARD_FIGURE_ORDERS_IN_TIME
REPAIR = ScorecardFigure.SCORECARD_FIGURE_REPAIR_TIME_95
LATER = NOW + 50 * DAY  # in the second month after
Effect = ImprovementEffect


@pytest.fixture(name="region")
def region_on_a_database() -> Iterator[Region]:
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        yield Region(context(), SqliteTransaction(connection, RegionKeys(KeySet.new())))


def planned(region: Region, now: datetime = NOW, **asked: object) -> ImprovementAction:
    request = AddImprovementActionRequest(
        text="a second shift", owner="OPERATIONS", due_date="2031-01-01", figure=IN_TIME
    )
    for name, value in asked.items():
        setattr(request, name, value)
    return operations.add(region.tx, region.context, "wang", request, now)


def effect(region: Region, action: ImprovementAction, now: datetime) -> GetImprovementEffectResponse:
    return operations.effect(region.tx, region.context, action.id, now)


def orders(region: Region, when: datetime, in_time: int, late: int) -> None:
    for number in range(in_time + late):
        region.order(when, promised=when + HOUR if number < in_time else when - HOUR)


@pytest.mark.clause("12.1")
def test_an_action_for_a_figure_compares_the_month_before_it_with_the_month_after_its_end(region: Region) -> None:
    orders(region, NOW - 30 * DAY, 10, 30)
    action = planned(region)
    orders(region, NOW, 0, 50)  # the month in which it began and ended counts for neither
    found = effect(region, action, NOW)
    assert (found.month_before, found.before.numerator, found.before.denominator) == ("2030-05", 10, 40)
    assert (found.month_after, found.effect) == ("", Effect.IMPROVEMENT_EFFECT_UNSPECIFIED)
    operations.finish(region.tx, action.id, "wang", "done", NOW)
    orders(region, NOW + 30 * DAY, 38, 2)
    assert effect(region, action, NOW + 30 * DAY).month_after == ""
    found = effect(region, action, LATER)
    assert (found.month_after, found.after.numerator, found.after.denominator) == ("2030-07", 38, 40)
    assert found.effect == Effect.IMPROVEMENT_EFFECT_BETTER


def test_what_is_right_at_first_is_compared_once_no_complaint_can_change_it(region: Region) -> None:
    action = planned(region, figure=ScorecardFigure.SCORECARD_FIGURE_FIRST_TIME_RIGHT)
    operations.finish(region.tx, action.id, "wang", "done", NOW)
    assert [effect(region, action, at).month_after for at in (LATER, LATER + 30 * DAY)] == ["", "2030-07"]


def test_an_action_is_listed_with_its_figure_and_no_complaint_counts_as_its_repeat(region: Region) -> None:
    action = planned(region)
    ((_, listed),) = list_actions(region.tx, ListImprovementActionsRequest(), None, 10)
    assert (listed.figure, listed.text, listed.ticket_id) == (IN_TIME, "a second shift", "")
    assert count_repeat(region.tx, "sichuan/1", "", "", NOW + DAY) == []
    ((_, listed),) = list_actions(region.tx, ListImprovementActionsRequest(), None, 10)
    assert (listed.id, listed.repeats) == (action.id, 0)


def test_a_figure_that_is_not_defined_and_a_figure_beside_a_complaint_are_refused(region: Region) -> None:
    for asked, reason in (
        ({"figure": 99}, Reason.REASON_FIGURE_NOT_DEFINED),
        ({"ticket_id": "sichuan/1"}, Reason.REASON_REQUEST_INVALID),
        ({"due_date": "2020-01-01"}, Reason.REASON_REQUEST_INVALID),
    ):
        with pytest.raises(Refused) as refused:
            planned(region, **asked)
        assert refused.value.reason == reason, asked


def test_only_intervals_that_are_apart_show_an_effect(region: Region) -> None:
    def figure(value: float | None, least: float | None = None, most: float | None = None) -> MeasuredFigure:
        return MeasuredFigure(value=value, low=least, high=most)

    measured = ScorecardFigure.SCORECARD_FIGURE_NETWORK_AVAILABILITY
    higher, lower, whole = (operations.definition_of(region.context, each) for each in (IN_TIME, REPAIR, measured))
    few, high, low = figure(None), figure(0.9, 0.8, 0.95), figure(0.5, 0.4, 0.6)
    for definition, before, after, expected in (
        (higher, low, high, Effect.IMPROVEMENT_EFFECT_BETTER),
        (higher, high, low, Effect.IMPROVEMENT_EFFECT_WORSE),
        (lower, low, high, Effect.IMPROVEMENT_EFFECT_WORSE),
        (lower, high, low, Effect.IMPROVEMENT_EFFECT_BETTER),
        (higher, low, figure(0.7, 0.6, 0.8), Effect.IMPROVEMENT_EFFECT_NOT_SHOWN),
        (higher, high, high, Effect.IMPROVEMENT_EFFECT_NOT_SHOWN),
        (higher, few, high, Effect.IMPROVEMENT_EFFECT_TOO_FEW),
        (higher, high, few, Effect.IMPROVEMENT_EFFECT_TOO_FEW),
        (lower, figure(4), figure(3, 2, 5), Effect.IMPROVEMENT_EFFECT_TOO_FEW),
        (whole, figure(0.9), figure(0.99), Effect.IMPROVEMENT_EFFECT_WITHOUT_INTERVAL),
    ):
        assert effect_of(definition, before, after) == expected, (definition.figure, before, after)
