"""The signals of the registry: lost, late and cut off regions, certificates, accidents, overruns, audit chains. Pure.

A detail has ids, times in UTC and figures alone, so that it reads alike in each language.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from cryptography import x509

from coordinator.membership.rules import membership_of
from coordinator.planned_outages.rules import region_of as region_of_outage
from coordinator.problems import rules as problem_rules
from coordinator.problems.elements import element_of, region_of
from coordinator.problems.grades import grade_of
from coordinator.registry.port import Snapshot
from coordinator.registry.record_port import DecideRecord
from coordinator.registry.rules import RegionFacts
from coordinator.risks import rules
from coordinator.risks.rules import Signal
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.api.coordinator.v1.risk_service_pb2 import Risk
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.federation.v1.risk_pb2 import RiskRules, RiskSignal, RiskSource
from gateway.federation.network import NetworkRegistry
from gateway.security.renewing import LONGEST_RENEWED
from gateway.time.clock import from_timestamp, time_in

LOST = RiskSource.RISK_SOURCE_REGION_LOST
BREAKER = RiskSource.RISK_SOURCE_BREAKER_OPEN
LATE = RiskSource.RISK_SOURCE_DELIVERY_LATE
ACCIDENT = RiskSource.RISK_SOURCE_ACCIDENT
AUDIT = RiskSource.RISK_SOURCE_AUDIT
ANOMALY = RiskSource.RISK_SOURCE_ANOMALY
CERTIFICATE = RiskSource.RISK_SOURCE_CERTIFICATE
PLANNED_OUTAGE = RiskSource.RISK_SOURCE_PLANNED_OUTAGE
_Test = Callable[[RegionFacts, timedelta, datetime], str]
"""The detail of a signal of a region; empty without one."""
_COORDINATOR = "coordinator"  # the first part of the name of each
_SHOWN = 16  # digits of a digest
_HEARD_OF = timedelta(minutes=2)  # several heartbeats: an older one may have a successor at another coordinator


@dataclass(frozen=True)
class Observation:
    """All signals of a source that last now."""

    source: RiskSource.ValueType
    signals: tuple[Signal, ...]
    silent: frozenset[str] = frozenset()
    """Regions of which nothing is known now: their risks stay as they are."""
    only: str = ""
    """The one subject that was looked at; empty for all."""

    def wanted(self, risks: Mapping[str, Risk], scales: RiskRules, now: datetime) -> dict[str, DecideRecord[Risk]]:
        """The changes of risks by this observation, by risk id; empty where the risks, by id, have it already."""
        found: dict[str, DecideRecord[Risk]] = {}
        for signal in self.signals:
            if rules.raised(risks.get(signal.risk_id), signal, scales, now) is not None:
                found[signal.risk_id] = lambda before, signal=signal: rules.raised(before, signal, scales, now)  # type: ignore[misc]
        lasting = {signal.risk_id for signal in self.signals}
        for name, risk in risks.items():
            is_known = risk.source == self.source and self.silent.isdisjoint(risk.subject.split("/"))
            is_known = is_known and self.only in ("", risk.subject)
            if is_known and risk.signal_lasts and name not in lasting:
                found[name] = lambda before: rules.calmed(before, scales, now)
        return found


def of_regions(snapshot: Snapshot, scales: RiskRules, now: datetime) -> Iterator[Observation]:
    """Regions that are lost, whose envelopes wait, that do not reach another one, or with a certificate that ends."""
    configured = snapshot.configuration.regions if snapshot.configuration is not None else ()
    facts = [snapshot.facts(region.id) for region in configured]
    known = frozenset(each.region for each in facts)
    silent = frozenset(each.region for each in facts if not each.live)
    joined = frozenset(each.region for each in facts if membership_of(each).state == MemberState.MEMBER_STATE_JOINED)
    tests: Sequence[tuple[RiskSource.ValueType, _Test, frozenset[str]]] = (
        (LOST, _lost, frozenset()),
        (LATE, partial(_late, known), silent),
        (BREAKER, partial(_cut_off, joined), silent),
        (ANOMALY, partial(_anomaly, known), silent),
        (CERTIFICATE, _certificate, silent | {_COORDINATOR}),  # each of them looks at its own
    )
    for source, test, unknown in tests:
        rule = rules.rule_of(scales, source)
        if rule is not None:
            signals = ((each.region, test(each, _tolerance(rule), now)) for each in facts)
            lasting = (Signal(source, region, region, detail) for region, detail in signals if detail)
            yield Observation(source, tuple(lasting), unknown)


def of_own_certificate(
    name: str, life: tuple[datetime, datetime] | None, rule: RiskSignal, now: datetime
) -> Observation:
    """The certificate of a coordinator that ends, as that coordinator finds it in its files; None is unreadable.

    `life` is its begin and its end.
    """
    begin, end = life or (None, None)
    signal = Signal(CERTIFICATE, name, "", "" if end is None else _told(end))
    has_signal = end is None or _ends_soon(begin, end, _tolerance(rule), now)
    return Observation(CERTIFICATE, (signal,) if has_signal else (), only=name)


def of_audit_chains(
    heads: Mapping[str, tuple[datetime, bool]],
    judged: Mapping[str, tuple[datetime, bool]],
    risks: Mapping[str, Risk],
    snapshot: Snapshot,
    now: datetime,
) -> Observation:
    """Broken audit chains, and configurations that contradict those of other regions.

    `heads` has the time of a region's last head, and whether it continued the stored one. `judged` has the time of the
    last verification of its chain, and whether the chain was whole. Other coordinators may find otherwise. So a finding
    counts from after the last change of the chain's signal alone, and a verification alone ends it. A dispute about a
    configuration, which the region itself may report or withdraw, neither hides a broken chain nor ends its signal.
    """
    heard = {region: each for region, each in heads.items() if now - each[0] <= _HEARD_OF}
    configured = snapshot.configuration.regions if snapshot.configuration is not None else ()
    known = frozenset(each.id for each in configured)
    lasting, silent = list[Signal](), set[str]()
    for region in sorted(known):
        signal = Signal(AUDIT, region, region, region)
        risk = risks.get(signal.risk_id)
        since = rules.changed_finding(risk, signal.detail)
        is_broken = risk is not None and risk.signal_lasts and risk.signal_detail == signal.detail
        told, verdict = (each.get(region, (since, True)) for each in (heard, judged))
        if any(time > since and not is_whole for time, is_whole in (told, verdict)):
            lasting.append(signal)
        elif verdict[0] <= since if is_broken else region not in heard:
            silent.add(region)
        elif region in heard and (disputed := _disputed(known, snapshot, region)):
            lasting.append(signal._replace(detail=disputed))
    return Observation(AUDIT, tuple(lasting), frozenset(silent))


def _disputed(known: Set[str], snapshot: Snapshot, region: str) -> str:
    """The first region whose configuration differs from that of a region, by its report; empty without one."""
    disputed = [each for each in snapshot.facts(region).report().disputed_revisions if each.region in known]
    first = max(disputed, key=lambda each: bool(each.known_digest), default=None)  # a contradiction before a delay
    if first is None:
        return ""
    told, own = first.configuration_digest.hex()[:_SHOWN], first.known_digest.hex()[:_SHOWN]
    return f"{first.revision} {first.region} {told or '-'} {own or '-'}"


def of_accidents(problems: Iterable[Problem], network: NetworkRegistry, risks: Mapping[str, Risk]) -> Observation:
    """Network problems with a grade, by the region of the root cause; the gravest of a region counts.

    Of several such, that of the present risk, by id, counts on.
    """
    gravest: dict[str, Signal] = {}
    named = {(risk.subject, risk.signal_detail) for risk in risks.values() if risk.source == ACCIDENT}
    for problem in problems:
        header, grade = problem.header, grade_of(problem)
        region = region_of(network, element_of(header.root_cause))
        if problem_rules.has_ended(header) or not grade or not region:
            continue
        signal = Signal(ACCIDENT, region, region, header.id, impact=grade + 1)
        gravest[region] = max(
            gravest.get(region, signal), signal, key=lambda each: (each.impact, (each.subject, each.detail) in named)
        )
    return Observation(ACCIDENT, tuple(gravest.values()))


def of_planned_outages(
    planned: Iterable[PlannedOutageHeader], events: Iterable[NetworkEvent], rule: RiskSignal, now: datetime
) -> Observation:
    """Planned outages past their end with an element that still has an open alarm or fault."""
    impaired = {name for each in events if not each.HasField("clear_time") for name in (*each.sites, *each.links)}
    overrun: dict[str, Signal] = {}
    for each in planned:
        end, region = from_timestamp(each.end_time), region_of_outage(each.id)
        parts = sorted(impaired.intersection((*each.sites, *each.links)))
        if parts and not each.withdrawn and end + _tolerance(rule) < now:
            overrun[region] = Signal(PLANNED_OUTAGE, region, region, f"{each.id} {_told(end)} {parts[0]}")
    return Observation(PLANNED_OUTAGE, tuple(overrun.values()))


def _lost(facts: RegionFacts, tolerance: timedelta, now: datetime) -> str:
    found = membership_of(facts)
    is_lost = found.state == MemberState.MEMBER_STATE_LOST and found.since is not None
    return _told(found.since) if is_lost and found.since is not None and found.since + tolerance < now else ""


def _late(known: Set[str], facts: RegionFacts, tolerance: timedelta, now: datetime) -> str:
    """The destination that keeps an envelope waiting for the longest time."""
    waiting = sorted(
        (from_timestamp(each.create_time), each.destination, each.count)
        for each in facts.report().waiting
        if each.destination in known
    )
    if not waiting or waiting[0][0] + tolerance >= now:
        return ""
    since, destination, count = waiting[0]
    return f"{destination} {count} {_told(since)}"


def _cut_off(joined: Set[str], facts: RegionFacts, tolerance: timedelta, now: datetime) -> str:
    """The joined destination to which a process has not sent for the longest time: a silent one has its own signal."""
    stopped = sorted(
        (from_timestamp(each.open_time), each.destination, endpoint)
        for endpoint, process in facts.live.items()
        for each in process.report.open_breakers
        if each.destination in joined
    )
    if not stopped or stopped[0][0] + tolerance >= now:
        return ""
    since, destination, endpoint = stopped[0]
    return f"{endpoint} {destination} {_told(since)}"


def _anomaly(known: Set[str], facts: RegionFacts, tolerance: timedelta, now: datetime) -> str:
    """The asking region with the anomaly that has waited for people of this region for the longest time."""
    waiting = sorted(
        (from_timestamp(each.begin_time), each.region, each.count)
        for each in facts.report().anomalies
        if each.region in known
    )
    if not waiting or waiting[0][0] + tolerance >= now:
        return ""
    since, region, count = waiting[0]
    return f"{region} {count} {_told(since)}"


def _certificate(facts: RegionFacts, tolerance: timedelta, now: datetime) -> str:
    """The certificate that ends first: of the region's signing key, or, with its endpoint, of a process."""
    ends = []
    for endpoint, process in facts.live.items():
        report = process.report
        begin = from_timestamp(report.certificate_begin_time) if report.HasField("certificate_begin_time") else None
        if report.HasField("certificate_end_time"):
            ends.append((from_timestamp(report.certificate_end_time), endpoint, begin))
    if facts.signing_certificate:
        ends.append((x509.load_pem_x509_certificate(facts.signing_certificate).not_valid_after_utc, "", None))
    soon = [(end, endpoint) for end, endpoint, begin in ends if _ends_soon(begin, end, tolerance, now)]
    return " ".join(part for end, endpoint in sorted(soon)[:1] for part in (endpoint, _told(end)) if part)


def _ends_soon(begin: datetime | None, end: datetime, tolerance: timedelta, now: datetime) -> bool:
    """Whether a certificate is a signal. One that a program renews is none before the last sixth of its life.

    It is due after two thirds, and a program that fails has told so for hours by then.
    """
    if begin is not None and timedelta() < end - begin <= LONGEST_RENEWED:
        tolerance = min(tolerance, (end - begin) / 6)
    return end - tolerance < now


def _tolerance(rule: RiskSignal) -> timedelta:
    return rule.tolerance.ToTimedelta()


def _told(instant: datetime) -> str:
    return time_in(UTC, instant)
