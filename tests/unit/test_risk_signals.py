"""The signals of the registry: each begins after its tolerance, names its region, and ends with its cause."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from coordinator.registry.port import Snapshot
from coordinator.registry.rules import Heartbeat, RegionFacts
from coordinator.risks import rules, signals
from coordinator.risks.signals import Observation
from deploy.local.federation import FEDERATION_FILES
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.coordinator.v1.problem_service_pb2 import AccidentGrade, Problem, ReachedGrade
from gateway.api.coordinator.v1.risk_service_pb2 import Risk
from gateway.api.federation.v1.federation_pb2 import (
    DisputedRevision,
    NodeReport,
    OpenBreaker,
    WaitingAnomalies,
    WaitingEnvelopes,
)
from gateway.api.federation.v1.problem_pb2 import NetworkElement, NetworkElementKind, ProblemHeader, ProblemState
from gateway.federation.files import load
from gateway.federation.network import NetworkRegistry
from gateway.security.authority import Authority
from gateway.security.identity import parse
from gateway.time.clock import to_timestamp
from tests.unit.network_events import event

CONFIGURATION = load(FEDERATION_FILES)
SCALES = CONFIGURATION.risks
NETWORK = NetworkRegistry(CONFIGURATION.network)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
IN_PROGRESS = ProblemState.PROBLEM_STATE_IN_PROGRESS
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HEARTBEAT = Heartbeat("127.0.0.1:1", NOW, 1, timedelta(), b"")
JOINED = RegionFacts("sichuan", ever_joined=True, live={HEARTBEAT.endpoint: HEARTBEAT}, last=HEARTBEAT)


def snapshot(**regions: RegionFacts) -> Snapshot:
    return Snapshot(1, CONFIGURATION, regions)


def subjects(found: Observation) -> list[str]:
    return [each.subject for each in found.signals]


def of_regions(facts: RegionFacts, source: int, at: datetime = NOW) -> Observation:
    found = signals.of_regions(snapshot(sichuan=facts), SCALES, at)
    return next(each for each in found if each.source == source)


def test_a_region_is_lost_after_its_tolerance_and_one_that_never_joined_is_not() -> None:
    silent = replace(JOINED, live={}, presence_since=NOW)
    assert subjects(of_regions(silent, signals.LOST, NOW + 9 * MINUTE)) == []
    assert subjects(of_regions(silent, signals.LOST, NOW + 11 * MINUTE)) == ["sichuan"]
    assert subjects(of_regions(JOINED, signals.LOST, NOW + DAY)) == []
    assert subjects(of_regions(RegionFacts("sichuan"), signals.LOST, NOW + DAY)) == []


def test_envelopes_that_wait_too_long_are_a_signal_of_their_region_and_a_silent_region_is_not_judged() -> None:
    waiting = WaitingEnvelopes(destination="henan", count=7, create_time=to_timestamp(NOW - 2 * HOUR))
    late = replace(HEARTBEAT, report=NodeReport(waiting=[waiting]))
    facts = replace(JOINED, live={late.endpoint: late}, last=late)
    found = of_regions(facts, signals.LATE)
    assert [each.detail for each in found.signals] == ["henan 7 2026-11-24 10:00 +00:00"]
    assert "sichuan" not in found.silent
    assert subjects(of_regions(facts, signals.LATE, NOW - HOUR - MINUTE)) == []
    assert "sichuan" in of_regions(replace(facts, live={}), signals.LATE).silent


def living(*reports: NodeReport) -> RegionFacts:
    """A joined region with a process for each report."""
    live = {f"127.0.0.1:{port}": replace(HEARTBEAT, report=report) for port, report in enumerate(reports, 1)}
    return replace(JOINED, live=live, last=list(live.values())[-1])


def test_what_a_region_says_of_a_destination_that_does_not_exist_raises_nothing() -> None:
    waiting = WaitingEnvelopes(destination="x" * 9_000, count=7, create_time=to_timestamp(NOW - 2 * HOUR))
    assert subjects(of_regions(living(NodeReport(waiting=[waiting])), signals.LATE)) == []


def test_a_breaker_that_stays_open_to_a_region_that_is_there_is_a_signal_also_of_one_of_several_processes() -> None:
    def told(*opened: datetime, destination: str = "henan") -> NodeReport:
        return NodeReport(
            open_breakers=[OpenBreaker(destination=destination, open_time=to_timestamp(x)) for x in opened]
        )

    cut_off, joined = living(told(NOW - 10 * MINUTE), told()), replace(JOINED, region="henan")

    def found(sichuan: RegionFacts, henan: RegionFacts = joined) -> Observation:
        known = snapshot(sichuan=sichuan, henan=henan)
        return next(each for each in signals.of_regions(known, SCALES, NOW) if each.source == signals.BREAKER)

    assert [each.detail for each in found(cut_off).signals] == ["127.0.0.1:1 henan 2026-11-24 11:50 +00:00"]
    assert "sichuan" not in found(cut_off).silent
    assert subjects(found(living(told(NOW - 4 * MINUTE)))) == [], "within the tolerance"
    assert subjects(found(cut_off, replace(joined, live={}))) == [], "a lost region has its own signal"
    assert subjects(found(living(told(NOW - HOUR, destination="atlantis")))) == []
    assert "sichuan" in found(replace(cut_off, live={})).silent


def test_the_certificate_of_a_process_is_a_signal_in_its_last_month_and_a_silent_region_keeps_its_risk() -> None:
    def ends(*days: int) -> RegionFacts:
        return living(*(NodeReport(certificate_end_time=to_timestamp(NOW + each * DAY)) for each in days))

    assert subjects(of_regions(ends(31, 40), signals.CERTIFICATE)) == []
    found = of_regions(ends(40, 29), signals.CERTIFICATE)
    assert [each.detail for each in found.signals] == ["127.0.0.1:2 2026-12-23 12:00 +00:00"]
    assert "sichuan" in of_regions(replace(ends(29), live={}), signals.CERTIFICATE).silent


def test_a_certificate_that_a_program_renews_is_a_signal_in_the_last_sixth_of_its_life() -> None:
    def ends(left: timedelta, life: timedelta) -> RegionFacts:
        end = NOW + left
        begin_time, end_time = to_timestamp(end - life), to_timestamp(end)
        return living(NodeReport(certificate_begin_time=begin_time, certificate_end_time=end_time))

    def own(left: timedelta, life: timedelta) -> Observation:
        (rule,) = (each for each in SCALES.signals if each.source == signals.CERTIFICATE)
        return signals.of_own_certificate("coordinator/0", (NOW + left - life, NOW + left), rule, NOW)

    in_hours = ((9, 48, False), (7, 48, True), (29 * 24, 90 * 24, True), (25, 24, False), (5, 0, True))
    for left, life, is_signal in in_hours:
        found = of_regions(ends(left * HOUR, life * HOUR), signals.CERTIFICATE)
        assert (bool(found.signals), bool(own(left * HOUR, life * HOUR).signals)) == (is_signal, is_signal)


def test_a_certificate_is_a_signal_in_its_last_month() -> None:
    authority = Authority.create("demo.example", NOW - DAY, NOW + 400 * DAY)
    who = parse("spiffe://demo.example/region/sichuan", "demo.example")
    issued = authority.issue_signing(who, NOW - DAY, NOW + 100 * DAY)
    facts = replace(JOINED, signing_certificate=issued.certificate_pem)
    assert subjects(of_regions(facts, signals.CERTIFICATE, NOW + 69 * DAY)) == []
    assert subjects(of_regions(facts, signals.CERTIFICATE, NOW + 71 * DAY)) == ["sichuan"]


def test_an_anomaly_that_nobody_has_acknowledged_for_an_hour_is_a_signal_of_the_region_that_found_it() -> None:
    def found(since: datetime, region: str = "henan") -> Observation:
        told = WaitingAnomalies(region=region, count=2, begin_time=to_timestamp(since))
        return of_regions(living(NodeReport(anomalies=[told])), signals.ANOMALY)

    assert [each.detail for each in found(NOW - 2 * HOUR).signals] == ["henan 2 2026-11-24 10:00 +00:00"]
    assert subjects(found(NOW - 2 * HOUR)) == ["sichuan"]
    assert subjects(found(NOW - HOUR + MINUTE)) == []
    assert subjects(found(NOW - 2 * HOUR, "x" * 9_000)) == [], "of regions of the configuration alone"


def test_a_contradicting_audit_chain_is_a_signal_and_a_chain_that_was_not_heard_of_lately_stays_as_it_is() -> None:
    heads: Mapping[str, tuple[datetime, bool]] = {"sichuan": (NOW, False), "henan": (NOW, True)}
    found = signals.of_audit_chains(heads, {}, {}, snapshot(), NOW + MINUTE)
    assert subjects(found) == ["sichuan"]
    assert found.silent.isdisjoint(heads)
    assert "guangdong" in found.silent
    later = signals.of_audit_chains(heads, {}, {}, snapshot(), NOW + HOUR)
    assert (subjects(later), later.silent >= heads.keys()) == ([], True)


def test_a_configuration_that_another_region_contradicts_is_a_signal_of_the_region_that_says_so() -> None:
    split = DisputedRevision(region="henan", revision=7, configuration_digest=bytes(32), known_digest=b"\1" * 32)
    withheld = DisputedRevision(region="guangdong", revision=8, configuration_digest=bytes(32))
    heads: Mapping[str, tuple[datetime, bool]] = {"sichuan": (NOW, True)}
    for disputed, detail in (
        ([split, withheld], f"7 henan {'00' * 8} {'01' * 8}"),
        ([withheld], f"8 guangdong {'00' * 8} -"),
        ([DisputedRevision(region="x" * 9_000, revision=7)], ""),
    ):
        facts = living(NodeReport(), NodeReport(disputed_revisions=disputed), NodeReport())
        found = signals.of_audit_chains(heads, {}, {}, snapshot(sichuan=facts), NOW)
        assert [(each.subject, each.detail) for each in found.signals] == ([("sichuan", detail)] if detail else [])


def accident(name: str, grade: AccidentGrade.ValueType, state: ProblemState.ValueType = IN_PROGRESS) -> Problem:
    link = NetworkElement(kind=NetworkElementKind.NETWORK_ELEMENT_KIND_LINK, id="chengdu-guangzhou-1")
    header = ProblemHeader(id=name, root_cause=link, state=state)
    return Problem(header=header, grades=[ReachedGrade(grade=grade)] if grade else [])


def test_the_gravest_accident_of_a_region_counts_until_its_end() -> None:
    ordinary, major = (AccidentGrade.ACCIDENT_GRADE_ORDINARY, AccidentGrade.ACCIDENT_GRADE_MAJOR)
    lasting = [accident("p-1", ordinary), accident("p-2", major), accident("p-3", ordinary), accident("p-4", 0)]  # type: ignore[arg-type]
    (found,) = signals.of_accidents(lasting, NETWORK, {}).signals
    assert (found.impact, found.detail) == (4, "p-2")
    resolved = accident("p-1", major, ProblemState.PROBLEM_STATE_RESOLVED)
    assert signals.of_accidents([resolved], NETWORK, {}).signals == ()


def test_a_risk_names_an_accident_until_its_end_and_then_another_that_lasts_even_of_no_graver_grade() -> None:
    ordinary, major = (AccidentGrade.ACCIDENT_GRADE_ORDINARY, AccidentGrade.ACCIDENT_GRADE_MAJOR)
    lasting, risks = [accident("p-2", major)], dict[str, Risk]()

    def looked() -> tuple[str, int, int]:
        """The accident that the risk of the region names after a look, its impact, and the length of the history."""
        for name, decide in signals.of_accidents(lasting, NETWORK, risks).wanted(risks, SCALES, NOW).items():
            after = decide(risks.get(name))
            assert after is not None
            risks[name] = after
        (risk,) = risks.values()
        return risk.signal_detail, risk.signal_impact, len(risk.history)

    assert looked() == ("p-2", 4, 1)
    lasting.insert(0, accident("p-1", major))
    assert looked() == ("p-2", 4, 1), "it lasts"
    lasting.pop()
    assert looked() == ("p-1", 4, 2)
    lasting[:] = [accident("p-3", ordinary)]
    assert looked() == ("p-3", 2, 3)
    assert looked() == ("p-3", 2, 3)


def test_a_planned_outage_overruns_while_one_of_its_elements_is_impaired_behind_its_end() -> None:
    link = "chengdu-guangzhou-1"
    planned = PlannedOutageHeader(id="sichuan/planned/1", links=[link], end_time=to_timestamp(NOW), version=1)
    rule = rules.rule_of(SCALES, signals.PLANNED_OUTAGE)
    assert rule is not None
    open_alarm, cleared = event("sichuan/alarm/1", links=[link]), event("sichuan/alarm/2", links=[link], cleared=NOW)
    elsewhere = event("sichuan/alarm/3", links=["elsewhere"])

    def overrun(*events: object, at: datetime = NOW + HOUR, withdrawn: bool = False) -> list[str]:
        planned.withdrawn = withdrawn
        return subjects(signals.of_planned_outages([planned], events, rule, at))  # type: ignore[arg-type]

    assert overrun(open_alarm, cleared) == ["sichuan"]
    assert overrun(cleared, elsewhere) == []
    assert overrun(open_alarm, at=NOW + MINUTE) == [], "within the tolerance"
    assert overrun(open_alarm, withdrawn=True) == []


def risks_after(observation: Observation, risks: Mapping[str, Risk], at: datetime) -> dict[str, Risk]:
    after = dict(risks)
    for name, decide in observation.wanted(risks, SCALES, at).items():
        changed = decide(risks.get(name))
        assert changed is not None, "what is wanted is a change"
        after[name] = changed
    return after


def test_an_observation_raises_once_lowers_at_the_end_and_leaves_what_it_cannot_see() -> None:
    lost = rules.Signal(signals.LOST, "sichuan", "sichuan", "x")
    lasting, over = Observation(signals.LOST, (lost,)), Observation(signals.LOST, ())
    raised = risks_after(lasting, {}, NOW)
    assert raised[lost.risk_id].signal_lasts
    assert lasting.wanted(raised, SCALES, NOW + MINUTE) == {}
    assert Observation(signals.LOST, (), frozenset({"sichuan"})).wanted(raised, SCALES, NOW) == {}
    assert Observation(signals.LATE, ()).wanted(raised, SCALES, NOW) == {}, "of another source"
    calm = risks_after(over, raised, NOW + HOUR)
    assert not calm[lost.risk_id].signal_lasts
    assert over.wanted(calm, SCALES, NOW + HOUR) == {}
