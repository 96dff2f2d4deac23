"""The credit of an agreement (TMF657 SLA) for a month. Pure.

All figures are whole numbers: microseconds, minor units, millionths. Availability is the share of the month without the
downtime. Downtime is the union of all outages, each moment once whatever the number of outages and regions. Excluded
times do not count: an outage announced in time, the customer's own cause, force majeure, and waived rent. The rent
waiver (Telecommunications Regulations, art. 32) is excluded so that nothing is compensated twice. Excluded time never
shortens the month itself: an exclusion can only lower the credit.

The result is a list of lines; the lines of one unit add up to the last of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from gateway.api.federation.v1.agreement_pb2 import AgreementTemplate
from gateway.api.region.v1.agreement_pb2 import OutageCause, StatementLineKind
from gateway.values.money import share_half_up
from region_node.network.agreements.spans import Span, length, union, without

MILLION = 1_000_000
NOTICE_POLICY = "planned-outage-notice"
_MICROSECOND = timedelta(microseconds=1)
_EXCLUDED = {
    OutageCause.OUTAGE_CAUSE_PLANNED: StatementLineKind.STATEMENT_LINE_KIND_PLANNED,
    OutageCause.OUTAGE_CAUSE_CUSTOMER: StatementLineKind.STATEMENT_LINE_KIND_CUSTOMER,
    OutageCause.OUTAGE_CAUSE_FORCE_MAJEURE: StatementLineKind.STATEMENT_LINE_KIND_FORCE_MAJEURE,
    OutageCause.OUTAGE_CAUSE_WAIVED: StatementLineKind.STATEMENT_LINE_KIND_WAIVED,
}


@dataclass(frozen=True)
class Outage:
    """A past or future time in which a service is down, with its cause."""

    source: str
    """The cause: a fault, or a planned outage; the id begins with the region. ` + ` separates several."""
    span: Span
    cause: OutageCause.ValueType
    announced: int | None = None
    """The announcement of a planned outage, in microseconds; None for an emergency."""


@dataclass(frozen=True)
class Measured:
    """How many windows of a month were measured, and how many of them kept to the class."""

    windows: int = 0
    kept: int = 0


@dataclass(frozen=True)
class Situation:
    """The input of a statement. Spans and times in microseconds, the charge in minor units."""

    terms: AgreementTemplate
    month: Span
    term: Span
    """For how long of the month the agreement runs; it lies in the month."""
    charge: int
    """The customer's charge for the whole month."""
    notice: timedelta
    """How long before it begins a planned outage is announced in time."""
    outages: Sequence[Outage] = ()
    measured: Measured = field(default_factory=Measured)


@dataclass(frozen=True)
class Line:
    """A line of the calculation: a time in microseconds, or an amount in minor units."""

    kind: StatementLineKind.ValueType
    time: int = 0
    amount: int = 0
    percent: int = 0
    span: Span | None = None
    source: str = ""


@dataclass(frozen=True)
class Result:
    """The result of a month of `period` microseconds: the downtime, and the credit in minor units."""

    lines: tuple[Line, ...]
    period: int
    downtime: int
    credit: int


def is_in_time(outage: Outage, notice: timedelta) -> bool:
    """Whether a planned outage was announced early enough not to count."""
    return outage.announced is not None and outage.span.start - outage.announced >= notice // _MICROSECOND


def is_below(downtime: int, period: int, ppm: int) -> bool:
    """Whether the availability is below `ppm` millionths; in fractions, so that the exact bound is not below."""
    return (period - downtime) * MILLION < ppm * period


def availability_ppm(downtime: int, period: int) -> int:
    """The availability in millionths for people, rounded down: a value below a bound is never shown as the bound.

    Decisions use `is_below`.
    """
    return (period - downtime) * MILLION // period if period else MILLION


def band_percent(terms: AgreementTemplate, downtime: int, period: int) -> int:
    """The credit of the lowest band above the availability, in percent of the charge; 0 for none."""
    return max((each.credit_percent for each in terms.bands if is_below(downtime, period, each.below_ppm)), default=0)


def quality_percent(terms: AgreementTemplate, measured: Measured) -> int:
    """The credit for missed quality, in percent; nothing where there is no promise or no measurement."""
    if not terms.HasField("quality") or not measured.windows:
        return 0
    fails = measured.kept * MILLION < terms.quality.target_ppm * measured.windows
    return terms.quality.credit_percent if fails else 0


def compute(situation: Situation) -> Result:
    """The calculation of a month, line by line. The order of the outages makes no difference."""
    times, downtime = _times(situation)
    period = situation.term.length
    amounts, credit = _amounts(situation, downtime)
    return Result((*times, *amounts), period, downtime, credit)


def _times(situation: Situation) -> tuple[list[Line], int]:
    """The lines of time, and their sum, the downtime."""
    term = situation.term
    lines = [Line(StatementLineKind.STATEMENT_LINE_KIND_PERIOD, time=term.length, span=term)]
    counted, excluded = _parted(situation)
    for each in counted:
        span = each.span.within(term)
        lines.append(
            Line(StatementLineKind.STATEMENT_LINE_KIND_OUTAGE, time=span.length, span=span, source=each.source)
        )
    left = union(each.span.within(term) for each in counted)
    twice = length(each.span.within(term) for each in counted) - length(left)
    if twice:
        lines.append(Line(StatementLineKind.STATEMENT_LINE_KIND_OVERLAP, time=-twice))
    for each in excluded:
        span = each.span.within(term)
        after = without(left, span)
        taken, left = length(left) - length(after), after
        if taken:
            lines.append(Line(_EXCLUDED[each.cause], time=-taken, span=span, source=each.source))
    downtime = length(left)
    lines.append(Line(StatementLineKind.STATEMENT_LINE_KIND_DOWNTIME, time=downtime))
    return lines, downtime


def _parted(situation: Situation) -> tuple[list[Outage], list[Outage]]:
    """The counting and the excluded outages, each in an order independent of the input's order."""
    there = [each for each in situation.outages if each.span.within(situation.term).length]
    counted = [each for each in there if counts(each, situation.notice)]
    excluded = [each for each in there if not counts(each, situation.notice)]
    return sorted(counted, key=_place), sorted(excluded, key=_place)


def counts(outage: Outage, notice: timedelta) -> bool:
    """Whether its time is downtime: the operator's own fault, or planned work without timely notice."""
    if outage.cause == OutageCause.OUTAGE_CAUSE_PLANNED:
        return not is_in_time(outage, notice)
    return outage.cause not in _EXCLUDED


def _place(outage: Outage) -> tuple[int, Span, str]:
    return outage.cause, outage.span, outage.source


def _amounts(situation: Situation, downtime: int) -> tuple[Iterable[Line], int]:
    """The lines of money, and their sum, the credit. Each percentage is rounded once, half up."""
    term, terms = situation.term.length, situation.terms
    charge = share_half_up(situation.charge, term, situation.month.length)
    lines = [Line(StatementLineKind.STATEMENT_LINE_KIND_CHARGE, amount=charge)]
    credit = 0
    for kind, percent in (
        (StatementLineKind.STATEMENT_LINE_KIND_AVAILABILITY, band_percent(terms, downtime, term)),
        (StatementLineKind.STATEMENT_LINE_KIND_QUALITY, quality_percent(terms, situation.measured)),
    ):
        if percent:
            amount = share_half_up(charge, percent, 100)
            lines.append(Line(kind, amount=amount, percent=percent))
            credit += amount
    most = share_half_up(charge, terms.cap_percent, 100)
    if credit > most:
        kind = StatementLineKind.STATEMENT_LINE_KIND_CAP
        lines.append(Line(kind, amount=most - credit, percent=terms.cap_percent))
        credit = most
    lines.append(Line(StatementLineKind.STATEMENT_LINE_KIND_CREDIT, amount=credit))
    return lines, credit
