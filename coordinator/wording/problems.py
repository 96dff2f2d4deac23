"""Problems of the network in words: their cause, their evidence, grades of accidents, and how they went."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from coordinator.wording.elements import LINK, SERVICE, SITE, told_elements
from gateway.api.coordinator.v1.problem_service_pb2 import (
    AccidentGrade,
    AccidentReport,
    NetworkEvent,
    NetworkEventKind,
    Problem,
    ReportKind,
)
from gateway.api.federation.v1.problem_pb2 import NetworkCondition, ProblemHeader
from gateway.cli.problems import Names, told_cause
from gateway.federation.problems import is_cause_known, was_down
from gateway.time.clock import from_timestamp
from gateway.wording.languages import enumerated, remarked, translated
from gateway.wording.words import told_severity, value_word


def told_evidence(header: ProblemHeader, names: Names) -> str:
    """The root cause with its confidence. Without a claimed one, the property that the events share."""
    is_sure, cause = is_cause_known(header) and header.HasField("confidence"), told_cause(header, names)
    return remarked(cause, f"{header.confidence} %") if is_sure else cause


def told_report(report: AccidentReport) -> str:
    """The kind of a report."""
    return value_word(ReportKind.DESCRIPTOR, report.kind)


def told_grade(grade: AccidentGrade.ValueType) -> str:
    """A grade of accidents."""
    return value_word(AccidentGrade.DESCRIPTOR, grade)


def grade_of(problem: Problem) -> str:
    """The gravest grade that a problem has reached; empty without one."""
    return told_grade(problem.grades[-1].grade) if problem.grades else ""


def why_no_accident(problem: Problem) -> str:
    """Why a problem has no grade, as a sentence; empty where it has one."""
    if problem.grades:
        return ""
    if was_down(problem.header):
        return translated("It is no accident: no customer is known to be affected.")
    return translated("It is no accident: nothing was down.")


def next_report(problem: Problem) -> AccidentReport | None:
    """The report that has to be made next; None without one."""
    waiting = [each for each in problem.reports if not each.HasField("make_time")]
    return min(waiting, key=lambda each: from_timestamp(each.due_time), default=None)


def told_affected(customers: int | None, complaints: int) -> str:
    """The numbers of customers and complaints, as a sentence. None stands for customers whom no region has counted."""
    if customers is None:
        return translated("Customers affected: no region has counted yet")
    return translated(
        "Customers affected: {count:,}; complaints: {complaints:,}", count=customers, complaints=complaints
    )


def told_kind(event: NetworkEvent) -> str:
    """The kind of an alarm or a fault."""
    return value_word(NetworkEventKind.DESCRIPTOR, event.kind)


def told_gravity(event: NetworkEvent) -> str:
    """The severity of an event, and the condition of its elements."""
    severity = told_severity(event.severity)
    if not event.condition:
        return severity
    return enumerated([severity, value_word(NetworkCondition.DESCRIPTOR, event.condition)])


def told_places(event: NetworkEvent, names: Names) -> str:
    """The links, sites and services of an event, by their names."""
    told = ((LINK, event.links), (SITE, event.sites), (SERVICE, event.services))
    return enumerated(told_elements(kind, ids, names) for kind, ids in told if ids)


def steps(problem: Problem, events: Sequence[NetworkEvent]) -> Iterator[tuple[datetime, str]]:
    """The time and the sentence of each step of a problem, in any order."""
    for each in events:
        yield from_timestamp(each.raise_time), translated("{event} began", event=each.id)
        if each.HasField("clear_time"):
            yield from_timestamp(each.clear_time), _over(each)
    for reached in problem.grades:
        grade = told_grade(reached.grade)
        what = translated("accident is {grade}; customers: {count:,}", grade=grade, count=reached.customers)
        yield from_timestamp(reached.reach_time), what
    for report in problem.reports:
        if report.HasField("make_time"):
            name = report.administrator
            what = translated("{kind} report was made by {name}", kind=told_report(report), name=name)
            yield from_timestamp(report.make_time), what


def _over(event: NetworkEvent) -> str:
    if event.retracted:
        return translated("{event} turned out to be no trouble of the network", event=event.id)
    return translated("{event} was over", event=event.id)
