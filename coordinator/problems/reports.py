"""Notifies the authors of due reports through a port. Its adapters are the log and a metric."""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from opentelemetry.metrics import Meter

from coordinator.problems import rules
from gateway.api.coordinator.v1.problem_service_pb2 import AccidentGrade, AccidentReport, Problem, ReportKind
from gateway.process.metrics import observe
from gateway.time.clock import from_timestamp
from gateway.wording.times import told_time

_log = logging.getLogger(__name__)


class ReportSink(Protocol):
    """The destination of notices about due and overdue reports."""

    def tell(self, problem: str, report: AccidentReport, *, overdue: bool) -> None:
        """Sends a notice: once for each report, and again when it is overdue.

        Each coordinator sends its own, also after a restart.
        """
        ...


class LogSink:
    """Writes warnings, and errors once a report is overdue."""

    def tell(self, problem: str, report: AccidentReport, *, overdue: bool) -> None:
        """See the port."""
        _log.log(
            logging.ERROR if overdue else logging.WARNING,
            "the %s report of %s (%s) %s %s",
            kind_name(report),
            problem,
            AccidentGrade.Name(report.grade).removeprefix("ACCIDENT_GRADE_").lower(),
            "was due at" if overdue else "is due at",
            told_time(report.due_time),
        )


class ReportNotifier:
    """The waiting reports as last seen. Their deadlines are in the registry, with their problems."""

    def __init__(self, sink: ReportSink) -> None:
        self._sink = sink
        self._told: set[tuple[str, int, int, bool]] = set()
        self._waiting: Counter[tuple[str, bool]] = Counter()

    def take(self, problems: Iterable[Problem], now: datetime) -> None:
        """Sends notices about the new reports."""
        waiting: Counter[tuple[str, bool]] = Counter()
        for problem in problems:
            for each in problem.reports if rules.has_open_reports(problem) else ():
                if not each.HasField("make_time"):
                    overdue = from_timestamp(each.due_time) < now
                    waiting[kind_name(each), overdue] += 1
                    self._tell(problem.header.id, each, overdue=overdue)
        self._waiting = waiting

    def observe(self, meter: Meter) -> None:
        """Gauges how many reports wait."""
        observe(
            meter,
            "crossregion.problem.reports_waiting",
            "{report}",
            lambda: [
                (float(count), {"kind": kind, "overdue": str(overdue).lower()})
                for (kind, overdue), count in self._waiting.items()
            ],
        )

    def _tell(self, problem: str, report: AccidentReport, *, overdue: bool) -> None:
        key = problem, report.kind, report.grade, overdue
        if key not in self._told:
            self._told.add(key)
            self._sink.tell(problem, report, overdue=overdue)


def kind_name(report: AccidentReport) -> str:
    """The printed kind of a report."""
    return ReportKind.Name(report.kind).removeprefix("REPORT_KIND_").lower()
