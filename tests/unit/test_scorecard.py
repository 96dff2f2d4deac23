"""The scorecard of a region: what is counted into each figure, and what stays out."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition, ScorecardFigure, ScorecardUnit
from gateway.api.region.v1.agreement_pb2 import OutageCause, ServiceOutage
from gateway.api.region.v1.fault_pb2 import FaultCause, FaultState
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure
from gateway.federation.quality_rules import quality_problems
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import to_timestamp
from gateway.values.scorecard_figures import Counted, measured
from region_node.business.reconciliation.rows import DayRow, keep_day
from region_node.care.quality.scorecard import scorecard
from region_node.network.agreements.outages import keep_outage
from tests.empty_database import empty_database
from tests.unit.quality_scene import DAY, HOUR, MONTH, REGION, Region, context
from tests.unit.situations import FEDERATION, NOW

Figure = ScorecardFigure


@pytest.fixture(name="region")
def region_on_a_database() -> Iterator[Region]:
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        yield Region(context(), SqliteTransaction(connection, RegionKeys(KeySet.new())))


def counts(figure: MeasuredFigure) -> tuple[int, int]:
    return figure.numerator, figure.denominator


def test_a_month_without_anything_has_every_figure_and_no_value_but_the_availability(region: Region) -> None:
    card = scorecard(region.tx, region.context, MONTH, NOW + 60 * DAY)
    assert sorted(each.figure for each in card.figures) == Figure.values()[1:]
    valued = [each.figure for each in card.figures if each.HasField("value")]
    assert valued == [Figure.SCORECARD_FIGURE_NETWORK_AVAILABILITY]


def test_marks_count_once_no_answer_can_come_so_that_two_looks_tell_no_single_one(region: Region) -> None:
    region.mark(4, 9)
    before, after = (region.figure(Figure.SCORECARD_FIGURE_SATISFACTION, NOW + days * DAY) for days in (20, 60))
    assert (counts(before), before.HasField("value")) == ((0, 0), False)
    assert (counts(after), after.value) == ((36, 9), 4)


def test_orders_count_in_the_month_of_their_completion_at_their_home_region(region: Region) -> None:
    region.order(NOW)
    region.order(NOW, promised=NOW - HOUR)
    region.order(NOW - 40 * DAY)
    region.order(NOW, home="guangdong")
    assert counts(region.figure(Figure.SCORECARD_FIGURE_ORDERS_IN_TIME)) == (1, 2)


def test_joint_orders_count_beside_plain_ones_at_the_region_that_has_led_them(region: Region) -> None:
    region.order(NOW)
    region.joint_order(NOW)
    region.joint_order(NOW, promised=NOW - HOUR)
    region.joint_order(NOW + HOUR, is_partial=True)
    region.joint_order(NOW - 40 * DAY)
    assert counts(region.figure(Figure.SCORECARD_FIGURE_ORDERS_IN_TIME)) == (3, 4)
    assert counts(region.figure(Figure.SCORECARD_FIGURE_FIRST_TIME_RIGHT)) == (3, 4)
    region.complaint(NOW + timedelta(minutes=30))
    assert counts(region.figure(Figure.SCORECARD_FIGURE_FIRST_TIME_RIGHT)) == (0, 4), "one that came after the others"


def test_the_year_of_a_region_ends_by_its_own_clock(region: Region) -> None:
    midnight = datetime(2030, 12, 31, 16, tzinfo=UTC)  # in Shanghai
    for minutes, number in ((-1, "+861085200002"), (0, "+861085200003"), (1, "+861085200004")):
        region.order(midnight + timedelta(minutes=minutes), number=number)
        region.fault(midnight + timedelta(minutes=minutes), (HOUR, FaultState.FAULT_STATE_RESOLVED))
    for month, expected in (("2030-12", 1), ("2031-01", 2)):
        card = scorecard(region.tx, region.context, month, midnight + 40 * DAY)
        cases = {each.figure: each.denominator for each in card.figures}
        assert cases[Figure.SCORECARD_FIGURE_ORDERS_IN_TIME] == expected, month
        assert cases[Figure.SCORECARD_FIGURE_REPAIR_TIME_MEDIAN] == expected, month
        assert cases[Figure.SCORECARD_FIGURE_NETWORK_AVAILABILITY] > 0, month


def test_an_order_is_right_unless_a_review_returned_it_or_a_complaint_about_the_number_followed(region: Region) -> None:
    region.order(NOW)
    region.order(NOW, number="+861085200002", returned=True)
    region.order(NOW, number="+861085200003")
    region.order(NOW, number="+861085200004")
    region.complaint(NOW + 29 * DAY, "+861085200003")
    region.complaint(NOW + 31 * DAY, "+861085200004")
    region.complaint(NOW - HOUR)
    assert counts(region.figure(Figure.SCORECARD_FIGURE_FIRST_TIME_RIGHT)) == (2, 4)


def test_complaints_are_those_of_the_figures_of_complaints(region: Region) -> None:
    region.complaint(NOW)
    region.complaint(NOW - 40 * DAY)
    assert counts(region.figure(Figure.SCORECARD_FIGURE_COMPLAINTS_PER_MILLION)) == (1, 0)
    assert counts(region.figure(Figure.SCORECARD_FIGURE_COMPLAINTS_REPEATED)) == (0, 1)


def test_complaints_that_reached_the_regulator_are_appeals(region: Region) -> None:
    for level in (0, 4, 5):
        region.complaint(NOW, level=level)
    assert counts(region.figure(Figure.SCORECARD_FIGURE_APPEALS_PER_MILLION)) == (1, 0)


def test_a_rate_of_few_customers_and_of_no_events_has_an_interval() -> None:
    appeals = Figure.SCORECARD_FIGURE_APPEALS_PER_MILLION
    none, one = (measured(appeals, Counted(complaints_appealed=each, customers=2_000_000)) for each in (0, 1))
    assert (none.value, none.low, one.value) == (0, 0, 0.5)
    assert 1.8 < none.high < 1.9
    assert one.low < 0.5 < one.high
    more = measured(Figure.SCORECARD_FIGURE_COMPLAINTS_PER_MILLION, Counted(complaints=9, customers=3))
    assert more.low < more.value == 3_000_000 < more.high, "a customer may have several"


def test_a_repair_time_has_an_interval_once_there_are_cases_enough_for_it() -> None:
    def hours(cases: int, figure: ScorecardFigure.ValueType) -> MeasuredFigure:
        return measured(figure, Counted(repair_times=[number * 3_600_000_000 for number in range(1, cases + 1)]))

    median, nearly_all = Figure.SCORECARD_FIGURE_REPAIR_TIME_MEDIAN, Figure.SCORECARD_FIGURE_REPAIR_TIME_95
    few, enough = hours(5, median), hours(6, median)
    assert (few.value, few.HasField("low"), enough.low, enough.high) == (3, False, 1, 6)
    assert not hours(71, nearly_all).HasField("low")
    assert (hours(72, nearly_all).value, hours(72, nearly_all).high) == (69, 72)


def test_a_fault_beyond_the_network_has_no_repair_time(region: Region) -> None:
    resolved = FaultState.FAULT_STATE_RESOLVED
    region.fault(NOW, (2 * HOUR, resolved))
    for cause in (FaultCause.FAULT_CAUSE_TERMINAL, FaultCause.FAULT_CAUSE_CUSTOMER):
        region.fault(NOW, (9 * HOUR, resolved), cause=cause)
    found = region.figure(Figure.SCORECARD_FIGURE_REPAIR_TIME_95)
    assert (found.denominator, found.value) == (1, 2)


def test_a_repair_time_ends_with_the_repair_that_stands(region: Region) -> None:
    resolved, closed = FaultState.FAULT_STATE_RESOLVED, FaultState.FAULT_STATE_CLOSED
    at_work = FaultState.FAULT_STATE_IN_PROGRESS
    region.fault(NOW, (2 * HOUR, resolved), (9 * HOUR, closed))
    region.fault(NOW, (HOUR, resolved), (3 * HOUR, at_work), (6 * HOUR, resolved), (7 * HOUR, closed))
    region.fault(NOW, (HOUR, resolved), (30 * HOUR, at_work))
    region.fault(NOW - 40 * DAY, (HOUR, resolved))
    found = region.figure(Figure.SCORECARD_FIGURE_REPAIR_TIME_MEDIAN)
    assert (found.denominator, round(found.value, 6)) == (2, 2)
    assert region.figure(Figure.SCORECARD_FIGURE_REPAIR_TIME_95).value == pytest.approx(6)


def test_the_network_was_up_but_for_its_own_outages_each_moment_once(region: Region) -> None:
    services = [each.id for each in FEDERATION.network.services.values() if each.region == REGION]
    for source, cause, first, last in (
        ("1", OutageCause.OUTAGE_CAUSE_OPERATOR, 0, 10),
        ("2", OutageCause.OUTAGE_CAUSE_OPERATOR, 5, 12),
    ):
        outage = ServiceOutage(
            service=services[0], source=f"{REGION}/fault/{source}", region=REGION, cause=cause, version=1
        )
        outage.start_time.CopyFrom(to_timestamp(NOW + first * HOUR))
        outage.end_time.CopyFrom(to_timestamp(NOW + last * HOUR))
        keep_outage(region.tx, region.context, outage, NOW)
    found = region.figure(Figure.SCORECARD_FIGURE_NETWORK_AVAILABILITY)
    whole = 30 * 24 * 3600 * len(services)
    assert counts(found) == (whole - 12 * 3600, whole)


def test_few_marks_are_counted_and_not_told(region: Region) -> None:
    region.mark(5, 4)
    found = region.figure(Figure.SCORECARD_FIGURE_SATISFACTION)
    assert (found.denominator, found.HasField("value"), found.numerator) == (4, False, 0)
    region.mark(2, 4)
    found = region.figure(Figure.SCORECARD_FIGURE_SATISFACTION)
    assert found.value == pytest.approx(3.5)
    assert found.low < 3.5 < found.high


def test_differences_are_a_share_of_the_records_of_the_month(region: Region) -> None:
    keep_day(region.tx, DayRow("guangdong", f"{MONTH}-30", records_here=7))
    keep_day(region.tx, DayRow("guangdong", "2030-07-01", records_here=9))
    assert counts(region.figure(Figure.SCORECARD_FIGURE_RECONCILIATION_DIFFERENCES)) == (0, 7)


def test_a_figure_that_this_version_does_not_know_has_no_value() -> None:
    assert not measured(Figure.SCORECARD_FIGURE_UNSPECIFIED, Counted(orders=1)).HasField("value")


def test_each_problem_of_a_definition_is_named_with_its_path() -> None:
    shipped = Configuration(quality=FEDERATION.configuration.quality)
    assert list(quality_problems(shipped)) == []
    found = {}
    for path, (field, value) in {
        "unit": ("unit", ScorecardUnit.SCORECARD_UNIT_MARK),
        "direction": ("direction", 0),
        "source": ("source", " "),
    }.items():
        changed = Configuration.FromString(shipped.SerializeToString())
        setattr(changed.quality.figures[0], field, value)
        found[path] = [each.partition(":")[0] for each in quality_problems(changed)]
    first = "quality.figures[SCORECARD_FIGURE_ORDERS_IN_TIME]"
    assert found == {path: [f"{first}.{path}"] for path in found}
    changed = Configuration.FromString(shipped.SerializeToString())
    changed.quality.figures[0].target.value = 95
    changed.quality.figures.append(ScorecardDefinition.FromString(shipped.quality.figures[1].SerializeToString()))
    told = "\n".join(quality_problems(changed))
    for each in (f"{first}.target.value", f"{first}.target.source", "SCORECARD_FIGURE_FIRST_TIME_RIGHT"):
        assert each in told, each
