"""Grades of accidents by users and duration, and the timers of their reports."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from coordinator.problems import rules
from coordinator.problems.grades import (
    LARGER,
    MAJOR,
    MONTHLY,
    NONE,
    ORAL,
    ORDINARY,
    SPECIAL,
    WRITTEN,
    grade_of,
    graded,
    thresholds_of,
)
from coordinator.problems.reports import ReportNotifier
from gateway.api.coordinator.v1.problem_service_pb2 import AccidentGrade, AccidentReport, AffectedCount, Problem
from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.federation.catalogue import Federation
from gateway.time.clock import from_timestamp, to_timestamp
from tests.shipped import shipped_configuration
from tests.unit.network_events import NOON

THRESHOLDS = thresholds_of(Federation(1, shipped_configuration()))
ZONE = ZoneInfo("Asia/Shanghai")
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def problem(*counts: int, counted: datetime = NOON) -> Problem:
    found = Problem(header=ProblemHeader(id="problem-1", state=rules.IN_PROGRESS, start_time=to_timestamp(NOON)))
    found.affected.extend(
        AffectedCount(region=f"r{number}", customers=each, count_time=to_timestamp(counted))
        for number, each in enumerate(counts)
    )
    return found


def at(found: Problem, now: datetime) -> Problem:
    return graded(found, THRESHOLDS, ZONE, now)


def reports(found: Problem) -> list[tuple[int, datetime]]:
    return [(each.kind, from_timestamp(each.due_time)) for each in found.reports]


@pytest.mark.parametrize(
    ("users", "lasts", "grade"),
    [
        (0, 5 * HOUR, NONE),
        (1, timedelta(), ORDINARY),
        (500_000, 5 * HOUR, MAJOR),
        (500_001, HOUR, ORDINARY),
        (500_001, HOUR + SECOND, SPECIAL),
        (100_001, HOUR + SECOND, MAJOR),
        (100_000, HOUR + SECOND, LARGER),
        (10_000, 9 * HOUR, ORDINARY),
    ],
)
@pytest.mark.clause("F13.1")
def test_more_than_half_a_million_users_for_more_than_an_hour_is_the_highest_grade(
    users: int, lasts: timedelta, grade: AccidentGrade.ValueType
) -> None:
    assert grade_of(at(problem(users), NOON + lasts)) == grade


def test_users_of_all_regions_count_together_and_the_grade_rises_with_time_from_the_moment_it_was_reached() -> None:
    started = at(problem(300_000, 300_000), NOON)
    assert grade_of(started) == ORDINARY
    risen = at(started, NOON + 3 * HOUR)
    assert [each.grade for each in risen.grades] == [ORDINARY, SPECIAL]
    assert from_timestamp(risen.grades[-1].reach_time) == NOON + HOUR
    late = at(problem(600_000, counted=NOON + 2 * HOUR), NOON + 3 * HOUR)
    assert from_timestamp(late.grades[-1].reach_time) == NOON + 2 * HOUR, "nobody could know before"


@pytest.mark.clause("F13.2")
def test_a_special_accident_is_reported_at_once_and_in_writing_within_four_hours() -> None:
    assert reports(at(problem(600_000), NOON + 2 * HOUR)) == [(ORAL, NOON + HOUR), (WRITTEN, NOON + 5 * HOUR)]


def test_the_next_two_grades_are_reported_within_4_and_24_hours_and_an_ordinary_one_with_its_month() -> None:
    for users in (200_000, 20_000):
        assert reports(at(problem(users), NOON + 2 * HOUR)) == [(ORAL, NOON + 5 * HOUR), (WRITTEN, NOON + 25 * HOUR)]
    assert reports(at(problem(5), NOON)) == [(MONTHLY, datetime(2027, 1, 1, tzinfo=ZONE))]


def test_a_higher_grade_replaces_what_was_not_reported_and_keeps_what_was() -> None:
    larger = at(problem(20_000), NOON + 2 * HOUR)
    larger.reports[0].make_time.CopyFrom(to_timestamp(NOON + 2 * HOUR))
    larger.affected[0].customers = 600_000
    special = at(larger, NOON + 3 * HOUR)
    assert [(each.kind, each.grade, each.HasField("make_time")) for each in special.reports] == [
        (ORAL, LARGER, True),
        (ORAL, SPECIAL, False),
        (WRITTEN, SPECIAL, False),
    ]


def test_a_grade_never_falls_and_an_outage_that_is_over_gets_no_graver_with_time() -> None:
    special = at(problem(600_000), NOON + 2 * HOUR)
    special.affected[0].customers = 3
    assert at(special, NOON + 9 * HOUR) is special
    over = problem(600_000)
    over.header.state = rules.RESOLVED
    over.header.end_time.CopyFrom(to_timestamp(NOON + HOUR))
    assert grade_of(at(over, NOON + 9 * HOUR)) == ORDINARY


def test_what_is_degraded_is_no_accident_and_only_the_time_in_which_something_was_down_counts() -> None:
    degraded = problem(600_000)
    degraded.header.condition = rules.DEGRADED
    assert grade_of(at(degraded, NOON + 9 * HOUR)) == NONE
    degraded.header.condition = rules.DOWN
    degraded.header.down_start_time.CopyFrom(to_timestamp(NOON + 8 * HOUR))
    assert grade_of(at(degraded, NOON + 9 * HOUR)) == ORDINARY
    assert grade_of(at(degraded, NOON + 9 * HOUR + SECOND)) == SPECIAL
    degraded.header.condition = rules.DEGRADED
    degraded.header.down_end_time.CopyFrom(to_timestamp(NOON + 9 * HOUR))
    assert grade_of(at(degraded, NOON + 20 * HOUR)) == ORDINARY


def test_each_report_is_told_once_when_it_is_to_be_made_and_once_when_it_is_overdue() -> None:
    told: list[tuple[str, int, bool]] = []

    class Sink:
        def tell(self, problem: str, report: AccidentReport, *, overdue: bool) -> None:
            told.append((problem, report.kind, overdue))

    notifier, special = ReportNotifier(Sink()), at(problem(600_000), NOON + HOUR + SECOND)
    for now in (NOON + HOUR, NOON + HOUR, NOON + 2 * HOUR, NOON + 6 * HOUR, NOON + 7 * HOUR):
        notifier.take([special], now)
    assert told == [
        ("problem-1", ORAL, False),
        ("problem-1", WRITTEN, False),
        ("problem-1", ORAL, True),
        ("problem-1", WRITTEN, True),
    ]


def test_what_has_turned_out_to_be_a_part_of_another_problem_needs_no_more_reports_and_keeps_those_made() -> None:
    special = at(problem(600_000), NOON + 2 * HOUR)
    special.reports[0].make_time.CopyFrom(to_timestamp(NOON + 2 * HOUR))
    special.header.state = rules.CANCELLED
    after = at(special, NOON + 3 * HOUR)
    assert [each.kind for each in after.reports] == [ORAL]
    assert not rules.has_open_reports(after)
    assert at(after, NOON + 4 * HOUR) is after
