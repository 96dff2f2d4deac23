"""Grades an accident by its users and its downtime, and lists the reports that the grade requires. Pure.

Grades and reports are those of 《电信网络运行监督管理办法》 (2009); their figures are policies of the federation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from coordinator.problems import rules
from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import AccidentReport, Problem, ReachedGrade
from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.federation.catalogue import Federation
from gateway.federation.problems import was_down
from gateway.time.clock import from_timestamp, to_timestamp

NONE = contract.ACCIDENT_GRADE_UNSPECIFIED
ORDINARY = contract.ACCIDENT_GRADE_ORDINARY
LARGER = contract.ACCIDENT_GRADE_LARGER
MAJOR = contract.ACCIDENT_GRADE_MAJOR
SPECIAL = contract.ACCIDENT_GRADE_SPECIAL
ORAL = contract.REPORT_KIND_ORAL
WRITTEN = contract.REPORT_KIND_WRITTEN
MONTHLY = contract.REPORT_KIND_MONTHLY
_NAMES = ((SPECIAL, "special"), (MAJOR, "major"), (LARGER, "larger"))


@dataclass(frozen=True)
class Threshold:
    """The bounds above which a grade is reached: users, and time.

    `oral` and `written` are the limits of the reports.
    """

    grade: contract.AccidentGrade.ValueType
    users: int
    duration: timedelta
    oral: timedelta
    written: timedelta


def thresholds_of(federation: Federation) -> list[Threshold]:
    """The thresholds of the federation, the gravest first. Raises Refused with CONFIGURATION_INVALID."""
    return [
        Threshold(
            grade,
            federation.figure(f"accident-{name}-users", ()),
            duration_of(federation, f"accident-{name}-duration"),
            # A special accident is reported immediately, which no policy of time can express.
            timedelta() if grade == SPECIAL else duration_of(federation, f"accident-{name}-oral"),
            duration_of(federation, f"accident-{name}-written"),
        )
        for grade, name in _NAMES
    ]


def duration_of(federation: Federation, policy: str) -> timedelta:
    """A policy that is a duration. Raises Refused with CONFIGURATION_INVALID."""
    return federation.policy(policy).limit.duration.ToTimedelta()


def graded(problem: Problem, thresholds: Sequence[Threshold], zone: ZoneInfo, now: datetime) -> Problem:
    """The problem with the grade that it has reached by now, and the required reports.

    A grade never falls: a later drop in affected users does not undo the accident. Unmade reports of a lower grade are
    replaced. The month of an ordinary accident ends in `zone`. A merged problem needs no more reports: the absorbing
    one does.
    """
    if problem.header.state == rules.CANCELLED:
        return _without_open_reports(problem)
    reached = _reached(problem, thresholds, now)
    if reached is None:
        return problem
    graver = Problem()
    graver.CopyFrom(_without_open_reports(problem))
    graver.grades.append(reached)
    graver.reports.extend(_reports(reached, thresholds, zone))
    return graver


def _without_open_reports(problem: Problem) -> Problem:
    """The problem without open reports; itself where it has none."""
    if not rules.has_open_reports(problem):
        return problem
    after = Problem()
    after.CopyFrom(problem)
    made = [each for each in problem.reports if each.HasField("make_time")]
    del after.reports[:]
    after.reports.extend(made)
    return after


def grade_of(problem: Problem) -> contract.AccidentGrade.ValueType:
    """The gravest grade reached so far."""
    return problem.grades[-1].grade if problem.grades else NONE


def _down(header: ProblemHeader, now: datetime) -> tuple[datetime, datetime]:
    """The start and the end of its downtime; a degraded time afterwards does not count."""
    if header.HasField("down_start_time"):
        start, has_ended, end = header.down_start_time, header.HasField("down_end_time"), header.down_end_time
    else:
        start, has_ended, end = header.start_time, header.HasField("end_time"), header.end_time
    return from_timestamp(start), from_timestamp(end) if has_ended else now


def _reached(problem: Problem, thresholds: Sequence[Threshold], now: datetime) -> ReachedGrade | None:
    header, users = problem.header, rules.customers(problem)
    if not users or not was_down(header):
        return None
    start, end = _down(header, now)
    lasted = end - start
    counted = max(from_timestamp(each.count_time) for each in problem.affected)
    grade, after = next(
        ((each.grade, each.duration) for each in thresholds if users > each.users and lasted > each.duration),
        (ORDINARY, timedelta()),
    )
    if grade <= grade_of(problem):
        return None
    return ReachedGrade(grade=grade, reach_time=to_timestamp(max(start + after, counted)), customers=users)


def _reports(reached: ReachedGrade, thresholds: Sequence[Threshold], zone: ZoneInfo) -> Iterator[AccidentReport]:
    since = from_timestamp(reached.reach_time)
    found = next((each for each in thresholds if each.grade == reached.grade), None)
    if found is None:
        yield AccidentReport(kind=MONTHLY, grade=reached.grade, due_time=to_timestamp(_end_of_month(since, zone)))
        return
    yield AccidentReport(kind=ORAL, grade=reached.grade, due_time=to_timestamp(since + found.oral))
    yield AccidentReport(kind=WRITTEN, grade=reached.grade, due_time=to_timestamp(since + found.written))


def _end_of_month(since: datetime, zone: ZoneInfo) -> datetime:
    local = since.astimezone(zone)
    return datetime(local.year + local.month // 12, local.month % 12 + 1, 1, tzinfo=zone)
