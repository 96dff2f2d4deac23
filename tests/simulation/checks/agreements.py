"""Agreements: outages are at every home as their owners have noted them, and each month was credited once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.region.v1.agreement_pb2 import Agreement, OutageCause
from gateway.errors import reason_name
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds
from gateway.values.money import share_half_up
from region_node.business.billing.rules import Month
from region_node.network.agreements.rows import find_statement, list_agreements
from region_node.network.agreements.statements import SETTLES
from region_node.network.faults.outages import Span, without
from tests.simulation.checks.parts_out import NOTICE, down_together, noted_parts
from tests.simulation.evidence import Evidence
from tests.simulation.region import Region

OUTAGES, CREDITED, DURABLE = "outages are at every home", "credited once", "durable"
_ZONE = "Asia/Shanghai"
_CLOCKS = timedelta(minutes=1)
_MOST = 100
_COLUMNS = "service, source, agreement_id, start_time, end_time, region, cause, announce_time, withdrawn"


@dataclass(frozen=True)
class _Noted:
    """An outage as its owner has it."""

    service: str
    source: str
    agreement_id: str
    start_time: int
    end_time: int
    region: str
    cause: int
    announce_time: int | None
    withdrawn: int


@dataclass(frozen=True)
class _Known:
    """A region's outages of a service."""

    outages: Sequence[_Noted]
    together: Sequence[Span]
    together_excluded: Sequence[Span]


def check(evidence: Evidence) -> None:
    """All outages, agreements and statements of all regions."""
    kept = _outages(evidence)
    _noted_by_hand(evidence, kept)
    _everywhere(evidence, kept)
    agreements = _agreements(evidence)
    own = [each for region, rows in kept.items() for each in rows if each.region == region]
    known = {each.name: kept[each.name] if each.name == evidence.joined_late else own for each in evidence.regions}
    parts = noted_parts(evidence)
    wanted: Counter[tuple[str, str]] = Counter()
    for region, agreement in agreements:
        for month in _months_over(evidence.now):
            together = down_together(agreement.service, parts[region.name])
            _statement(evidence, region, agreement, month, _Known(known[region.name], *together), wanted)
    _postings(evidence, wanted)


def _outages(evidence: Evidence) -> Mapping[str, Sequence[_Noted]]:
    found: dict[str, list[_Noted]] = {region.name: [] for region in evidence.regions}
    for region, row in evidence.rows(f"SELECT {_COLUMNS} FROM service_outages"):
        found[region].append(_Noted(**dict(row)))
    return found


def _noted_by_hand(evidence: Evidence, kept: Mapping[str, Sequence[_Noted]]) -> None:
    for errand in evidence.network.outages:
        if errand.refused is not None:
            evidence.broken("right outcome", "-", f"an outage was not noted: {reason_name(errand.refused)}")
        if errand.source:
            times = sum(each.source == errand.source for each in kept[errand.region])
            if times != 1:
                evidence.broken(DURABLE, errand.source, f"{errand.region} has noted it {times} times")


def _everywhere(evidence: Evidence, kept: Mapping[str, Sequence[_Noted]]) -> None:
    """Every region keeps the same of what each has noted of its own network, once."""
    for owner, rows in kept.items():
        for region, others in kept.items():
            told = Counter(each for each in rows if each.region == owner and not each.agreement_id)
            found = Counter(each for each in others if each.region == owner and not each.agreement_id)
            if region == evidence.joined_late:  # of what was noted before it joined nobody has told it
                told = Counter(each for each in told if _place(each) in set(map(_place, found)))
            for each in sorted({*(told - found), *(found - told)}, key=lambda each: (each.source, each.service)):
                text = f"{region} has it {found[each]} times, {owner} {told[each]} times: {each}"
                evidence.broken(OUTAGES, each.source, text)


def _place(noted: _Noted) -> tuple[str, str, int]:
    return noted.service, noted.source, noted.start_time


def _agreements(evidence: Evidence) -> list[tuple[Region, Agreement]]:
    found = [
        (region, each.agreement)
        for region in evidence.regions
        for each in region.ports.disk.read(lambda tx: list_agreements(tx, None, "", None, _MOST))
        if each.agreement is not None
    ]
    made = Counter((region.name, agreement.id) for region, agreement in found)
    wanted = Counter((each.region, each.agreement_id) for each in evidence.network.agreements if each.agreement_id)
    if made != wanted:
        evidence.broken(DURABLE, "-", f"agreements made: {made}, and asked for: {wanted}")
    return found


def _months_over(now: datetime) -> list[Month]:
    """The months since the start that are stated by now."""
    found, month = [], Month.of("2026-03", _ZONE)
    while month.end + SETTLES + _CLOCKS < now:
        found.append(month)
        month = month.next()
    return found


def _statement(
    evidence: Evidence,
    region: Region,
    agreement: Agreement,
    month: Month,
    noted: _Known,
    wanted: Counter[tuple[str, str]],
) -> None:
    statement = region.ports.disk.read(lambda tx: find_statement(tx, agreement, month.name))
    start = max(month.start, from_timestamp(agreement.start_time))
    if statement is None:
        evidence.broken(CREDITED, agreement.id, f"nothing was stated for {month.name}")
        return
    wanted[agreement.id, month.name] = statement.credit.minor_units
    down = _down(evidence, region, agreement, noted, (start, month.end))
    credit = _credit(agreement, month, (start, month.end), down)
    if (statement.downtime_us, statement.credit.minor_units) != (_length(down), credit):
        told = f"{month.name}: down for {statement.downtime_us}, credited {statement.credit.minor_units}"
        evidence.broken(CREDITED, agreement.id, f"{told}; it is {_length(down)} and {credit}")


def _down(evidence: Evidence, region: Region, agreement: Agreement, noted: _Known, term: Span) -> list[Span]:
    """When the service was down, without what does not count."""
    counted = [(max(start, term[0]), min(end, term[1])) for start, end in noted.together]
    excluded = [*_waived(evidence, region, agreement), *noted.together_excluded]
    for each in noted.outages:
        if each.service != agreement.service or each.withdrawn or each.agreement_id not in ("", agreement.id):
            continue
        span = from_microseconds(each.start_time), from_microseconds(each.end_time)
        announced = from_microseconds(each.announce_time) if each.announce_time is not None else None
        in_time = announced is not None and span[0] - announced >= NOTICE
        counts = each.cause == OutageCause.OUTAGE_CAUSE_OPERATOR or (
            each.cause == OutageCause.OUTAGE_CAUSE_PLANNED and not in_time
        )
        (counted if counts else excluded).append((max(span[0], term[0]), min(span[1], term[1])))
    left: list[Span] = []
    for each_span in sorted(each for each in counted if each[0] < each[1]):
        left += without(each_span, [*left, *(each for each in excluded if each[0] < each[1])])
    return left


def _waived(evidence: Evidence, region: Region, agreement: Agreement) -> list[Span]:
    """The times for which the line's rent was given back for faults."""
    sql = "SELECT fault_id, start_time, end_time FROM fault_waivers WHERE amount > 0"
    return [
        (from_microseconds(row["start_time"]), from_microseconds(row["end_time"]))
        for where, row in evidence.rows(sql)
        if where == region.name and evidence.faults[row["fault_id"]][where].report.number == agreement.number
    ]


def _length(spans: Sequence[Span]) -> int:
    return sum(to_microseconds(end) - to_microseconds(start) for start, end in spans)


def _credit(agreement: Agreement, month: Month, term: Span, down: Sequence[Span]) -> int:
    """By the bands of the agreement: the lowest that the availability is below, of the charge for the term."""
    period, downtime = _length([term]), _length(down)
    bands = agreement.terms.bands
    below = [each.credit_percent for each in bands if (period - downtime) * 1_000_000 < each.below_ppm * period]
    charge = share_half_up(agreement.monthly_charge.minor_units, period, _length([(month.start, month.end)]))
    credit = share_half_up(charge, max(below, default=0), 100)
    return min(credit, share_half_up(charge, agreement.terms.cap_percent, 100))


def _postings(evidence: Evidence, wanted: Counter[tuple[str, str]]) -> None:
    """The postings of each month add up to its credit."""
    sql = (
        "SELECT posting_id, amount FROM ledger_entries WHERE account LIKE 'account-%'"
        " AND kind IN ('service-credit', 'service-credit-correction')"
    )
    booked: Counter[tuple[str, str]] = Counter()
    for _, row in evidence.rows(sql):
        agreement, _, month = row["posting_id"].partition("#")[0].rpartition("/")
        booked[agreement, month] += row["amount"]
    for key in sorted(booked.keys() | wanted.keys()):
        if booked[key] != wanted[key]:
            evidence.broken(CREDITED, key[0], f"{key[1]}: booked {booked[key]}, stated {wanted[key]}")
