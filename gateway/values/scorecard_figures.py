"""The figures of a scorecard, of what a month was counted. Pure.

Shares have Wilson's interval, rates Byar's, marks that of Student. Times are the percentiles of ETSI EG 202 057-1 by
nearest rank, with an interval by ranks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from gateway.api.federation.v1.quality_pb2 import ScorecardFigure
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure
from gateway.api.region.v1.survey_pb2 import SurveyMark
from gateway.values import statistics
from gateway.values.percentiles import percentile, percentile_interval

Number: TypeAlias = ScorecardFigure.ValueType
WITHOUT_INTERVAL = frozenset({ScorecardFigure.SCORECARD_FIGURE_NETWORK_AVAILABILITY})
"""The figures that are measured as a whole, and are no sample."""
_HOUR, _SECOND = 3_600_000_000, 1_000_000  # microseconds
_MILLION = 1_000_000
_LOWEST, _HIGHEST = SurveyMark.SURVEY_MARK_VERY_DISSATISFIED, SurveyMark.SURVEY_MARK_VERY_SATISFIED
_MEDIAN, _MOST, _NEARLY_ALL = 50, 80, 95  # percent


@dataclass(frozen=True)
class Counted:
    """The counts of one month."""

    orders: int = 0
    """Completed in the month."""
    orders_in_time: int = 0
    orders_right: int = 0
    """Without a return by a review and without a complaint after them."""
    customers: int = 0
    complaints: int = 0
    complaints_timed: int = 0
    """With a known timeliness."""
    complaints_in_time: int = 0
    complaints_repeated: int = 0
    complaints_appealed: int = 0
    """Those that reached the level of the regulator."""
    repair_times: Sequence[int] = ()
    """In microseconds, ascending."""
    service_time: int = 0
    """Of all network services together, in microseconds."""
    downtime: int = 0
    """Of all network services together, in microseconds."""
    marks: Mapping[int, int] = field(default_factory=dict)
    """By mark the number of answers."""
    smallest_group: int = 1
    """Answers from which on marks may be published."""
    records_compared: int = 0
    records_different: int = 0
    records_judged: int = 0
    """Of the supervision samples."""
    records_passed: int = 0


def measured(figure: Number, counted: Counted) -> MeasuredFigure:
    """The value of a figure, with its interval. Without a case, and for an unknown figure, the value is unset."""
    found = _MEASURES[figure](counted) if figure in _MEASURES else MeasuredFigure()
    found.figure = figure
    return found


def _share(part: int, whole: int) -> MeasuredFigure:
    found = MeasuredFigure(numerator=part, denominator=whole)
    if whole:
        figure = statistics.share(part, whole)
        found.value, found.low, found.high = figure.value, figure.low, figure.high
    return found


def _per_million(events: int, customers: int) -> MeasuredFigure:
    found = MeasuredFigure(numerator=events, denominator=customers)
    if customers:
        figure = statistics.rate(events, customers)
        found.value, found.low, found.high = (each * _MILLION for each in (figure.value, figure.low, figure.high))
    return found


def _hours(counted: Counted, percent: int) -> MeasuredFigure:
    """Few cases have a value and no interval: it would need a longer time than any of them."""
    cases = len(counted.repair_times)
    found = MeasuredFigure(numerator=cases, denominator=cases)
    if cases:
        found.value = percentile(counted.repair_times, percent) / _HOUR
    if (interval := percentile_interval(counted.repair_times, percent)) is not None:
        found.low, found.high = interval[0] / _HOUR, interval[1] / _HOUR
    return found


def _availability(counted: Counted) -> MeasuredFigure:
    up, whole = (counted.service_time - counted.downtime), counted.service_time
    found = MeasuredFigure(numerator=up // _SECOND, denominator=whole // _SECOND)
    if whole:
        found.value = up / whole
    return found


def _satisfaction(counted: Counted) -> MeasuredFigure:
    """Too few answers are counted and not told: their marks may reveal a person."""
    answers = sum(counted.marks.values())
    if answers < max(1, counted.smallest_group):
        return MeasuredFigure(denominator=answers)
    figure = statistics.mean(counted.marks, _LOWEST, _HIGHEST)
    total = sum(mark * count for mark, count in counted.marks.items())
    return MeasuredFigure(numerator=total, denominator=answers, value=figure.value, low=figure.low, high=figure.high)


def _differences(counted: Counted) -> MeasuredFigure:
    """Of records that only the other region has there may be more than this region has in all."""
    return _share(counted.records_different, max(counted.records_compared, counted.records_different))


_MEASURES: Mapping[Number, Callable[[Counted], MeasuredFigure]] = {
    ScorecardFigure.SCORECARD_FIGURE_ORDERS_IN_TIME: lambda each: _share(each.orders_in_time, each.orders),
    ScorecardFigure.SCORECARD_FIGURE_FIRST_TIME_RIGHT: lambda each: _share(each.orders_right, each.orders),
    ScorecardFigure.SCORECARD_FIGURE_COMPLAINTS_PER_MILLION: lambda each: _per_million(each.complaints, each.customers),
    ScorecardFigure.SCORECARD_FIGURE_APPEALS_PER_MILLION: lambda each: _per_million(
        each.complaints_appealed, each.customers
    ),
    ScorecardFigure.SCORECARD_FIGURE_COMPLAINTS_IN_TIME: lambda each: _share(
        each.complaints_in_time, each.complaints_timed
    ),
    ScorecardFigure.SCORECARD_FIGURE_COMPLAINTS_REPEATED: lambda each: _share(
        each.complaints_repeated, each.complaints
    ),
    ScorecardFigure.SCORECARD_FIGURE_REPAIR_TIME_MEDIAN: lambda each: _hours(each, _MEDIAN),
    ScorecardFigure.SCORECARD_FIGURE_REPAIR_TIME_80: lambda each: _hours(each, _MOST),
    ScorecardFigure.SCORECARD_FIGURE_REPAIR_TIME_95: lambda each: _hours(each, _NEARLY_ALL),
    ScorecardFigure.SCORECARD_FIGURE_NETWORK_AVAILABILITY: _availability,
    ScorecardFigure.SCORECARD_FIGURE_SATISFACTION: _satisfaction,
    ScorecardFigure.SCORECARD_FIGURE_RECONCILIATION_DIFFERENCES: _differences,
    ScorecardFigure.SCORECARD_FIGURE_SAMPLES_PASSED: lambda each: _share(each.records_passed, each.records_judged),
}
