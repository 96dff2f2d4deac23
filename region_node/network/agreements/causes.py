"""The regions of the outages behind the credit of a statement, and the share of each. Pure.

The time of a region is the downtime in which an outage of its network counted. A time with outages of several regions
counts for each of them. The credit is shared by these times, to the minor unit, by the largest remainder. Credits for
missed quality have no outage behind them: a cap cuts them first.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from gateway.api.region.v1.agreement_pb2 import AgreementStatement, StatementLine
from gateway.api.region.v1.agreement_pb2 import StatementLineKind as Kind
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.network.agreements.spans import Span, length, union, without
from region_node.network.agreements.together import JOINED

_EXCLUDED = frozenset(
    {
        Kind.STATEMENT_LINE_KIND_PLANNED,
        Kind.STATEMENT_LINE_KIND_CUSTOMER,
        Kind.STATEMENT_LINE_KIND_FORCE_MAJEURE,
        Kind.STATEMENT_LINE_KIND_WAIVED,
    }
)


class Cause(NamedTuple):
    """A part of the downtime with one of the outages in it."""

    source: str
    span: Span

    @property
    def region(self) -> str:
        """The region of the outage."""
        return self.source.partition("/")[0]


def causes_of(statement: AgreementStatement) -> list[Cause]:
    """The outages that counted, each with the parts of the downtime that it lies in."""
    outages = [each for each in statement.lines if each.kind == Kind.STATEMENT_LINE_KIND_OUTAGE]
    down = union(map(_span, outages))
    for each in statement.lines:
        if each.kind in _EXCLUDED:
            down = without(down, _span(each))
    return [
        Cause(source, part)
        for each in outages
        for part in _within(down, _span(each))
        for source in each.source.split(JOINED)
    ]


def caused_credit(statement: AgreementStatement) -> int:
    """The part of the credit that outages caused, in minor units."""
    kind = Kind.STATEMENT_LINE_KIND_AVAILABILITY
    amount = sum(each.amount.minor_units for each in statement.lines if each.kind == kind)
    return min(amount, statement.credit.minor_units)


def times(causes: Iterable[Cause], charged: Collection[Cause], home: str) -> dict[str, int]:
    """The time of each region, in microseconds.

    Only `charged` causes count for other regions. A time without one, and outages of its own, are of the home region.
    """
    known = list(causes)
    others = {each.span for each in known if each in charged and each.region != home}
    found: dict[str, list[Span]] = {}
    for each in known:
        if each.region == home or each in charged:
            found.setdefault(each.region, []).append(each.span)
        elif each.span not in others:
            found.setdefault(home, []).append(each.span)
    return {region: length(union(spans)) for region, spans in found.items()}


def shares(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """An amount, shared in proportion to weights; the shares sum to it.

    Minor units that are left go to the largest remainders; of equal ones, to the first region by id. No weight at all
    leaves nothing to share.
    """
    total = sum(weights.values())
    if not total:
        return {}
    found = {region: amount * weight // total for region, weight in weights.items()}
    left = amount - sum(found.values())
    for region in sorted(weights, key=lambda each: (-(amount * weights[each] % total), each))[:left]:
        found[region] += 1
    return found


def _span(line: StatementLine) -> Span:
    start, end = (to_microseconds(from_timestamp(each)) for each in (line.start_time, line.end_time))
    return Span(start, end)


def _within(spans: Sequence[Span], limits: Span) -> list[Span]:
    return [part for part in (each.within(limits) for each in spans) if part.length]
