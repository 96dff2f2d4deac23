"""The coordinators' view of a region's alarms and faults."""

from datetime import timedelta

from gateway.api.federation.v1 import problem_pb2
from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmType, NetworkObject
from gateway.api.region.v1.fault_pb2 import Fault, FaultOutage, FaultPlace, FaultReport, FaultSeverity, FaultState
from gateway.federation.catalogue import Federation
from gateway.time.clock import to_timestamp
from region_node.network.faults import evidence as faults
from region_node.network.faults.places import settle
from region_node.network.measurements import evidence as alarms
from region_node.network.problems.port import record_of
from tests.shipped import shipped_configuration
from tests.unit.network_events import NOON

NETWORK = Federation(1, shipped_configuration()).network
HOUR = timedelta(hours=1)


def fault(**changed: object) -> Fault:
    """A fault of a site in Sichuan that was reported in Guangdong."""
    found = Fault(
        id="guangdong/F20261210-1",
        version=3,
        state=FaultState.FAULT_STATE_IN_PROGRESS,
        severity=FaultSeverity.FAULT_SEVERITY_CRITICAL,
        report=FaultReport(
            number="+8619844000001",
            place=FaultPlace(site="chengdu"),
            services=["broadband-chengdu", "broadband-shenzhen"],
        ),
        create_time=to_timestamp(NOON),
        outages=[FaultOutage(start_time=to_timestamp(NOON))],
    )
    for name, value in changed.items():
        setattr(found, name, value)
    return found


def test_a_fault_is_told_of_by_its_place_and_of_services_that_concern_the_region_and_of_nobody() -> None:
    event = faults.event_of("sichuan", NETWORK, fault(), NOON)
    assert (event.id, record_of(event.id)) == (
        "sichuan/fault/guangdong:F20261210-1",
        ("fault", "guangdong/F20261210-1"),
    )
    assert (list(event.sites), list(event.services)) == (["chengdu"], ["broadband-chengdu"])
    assert (event.severity, event.version) == (problem_pb2.PERCEIVED_SEVERITY_CRITICAL, 3)
    assert not event.HasField("clear_time")
    assert b"19844" not in event.SerializeToString()


def test_a_repaired_fault_is_over_since_its_repair_and_one_that_was_taken_back_since_now() -> None:
    repaired = fault(state=FaultState.FAULT_STATE_RESOLVED)
    repaired.outages[-1].end_time.CopyFrom(to_timestamp(NOON + HOUR))
    event = faults.event_of("sichuan", NETWORK, repaired, NOON + 3 * HOUR)
    assert event.clear_time == to_timestamp(NOON + HOUR)
    event = faults.event_of("sichuan", NETWORK, fault(state=FaultState.FAULT_STATE_CANCELLED), NOON + 3 * HOUR)
    assert event.clear_time == to_timestamp(NOON + 3 * HOUR)


def test_of_a_terminal_or_of_an_address_alone_nothing_is_told_but_that_it_is_none_of_the_network() -> None:
    own = faults.event_of("sichuan", NETWORK, fault(terminal_caused=True), NOON)
    assert (own.retracted, own.clear_time) == (True, to_timestamp(NOON))
    assert not [*own.sites, *own.links, *own.services]
    at_home = fault()
    at_home.report.CopyFrom(FaultReport(place=FaultPlace(address="Renmin Road 1", region="sichuan")))
    assert faults.event_of("sichuan", NETWORK, at_home, NOON).retracted


def test_a_fault_of_one_line_says_so_and_names_no_service_of_the_site_that_nobody_has_named() -> None:
    federation = Federation(1, shipped_configuration())
    number = "+8619844000001"
    for report, of_one_line, names_services in (
        (FaultReport(number=number, place=FaultPlace(site="chengdu")), True, False),
        (FaultReport(number=number, place=FaultPlace(site="chengdu"), services=["broadband-chengdu"]), True, True),
        (FaultReport(number=number, place=FaultPlace(link="chengdu-guangzhou-1")), False, True),
        (FaultReport(place=FaultPlace(site="chengdu")), False, True),
    ):
        settle(federation, report)
        found = fault()
        found.report.CopyFrom(report)
        event = faults.event_of("sichuan", NETWORK, found, NOON)
        assert (event.of_one_line, bool(event.services)) == (of_one_line, names_services), report


def test_what_was_measured_to_be_bad_or_is_not_felt_is_degraded_and_what_is_critical_and_felt_is_down() -> None:
    critical, major = PerceivedSeverity.PERCEIVED_SEVERITY_CRITICAL, PerceivedSeverity.PERCEIVED_SEVERITY_MAJOR
    quality, lost = AlarmType.ALARM_TYPE_QUALITY_OF_SERVICE, AlarmType.ALARM_TYPE_COMMUNICATIONS
    down, degraded = problem_pb2.NETWORK_CONDITION_DOWN, problem_pb2.NETWORK_CONDITION_DEGRADED
    for severity, kind, is_felt, condition in (
        (critical, lost, True, down),
        (critical, lost, False, degraded),
        (critical, quality, True, degraded),
        (major, quality, False, degraded),
        (major, lost, True, degraded),
        (PerceivedSeverity.PERCEIVED_SEVERITY_MINOR, lost, True, problem_pb2.NETWORK_CONDITION_UNSPECIFIED),
    ):
        told = Alarm(
            id="sichuan/alarm-7",
            alarmed_object=NetworkObject(link="chengdu-guangzhou-1"),
            perceived_severity=severity,
            alarm_type=kind,
            service_affecting=is_felt,
        )
        assert alarms.event_of("sichuan", NETWORK, told, NOON).condition == condition, told
    for worst, condition in (
        (FaultSeverity.FAULT_SEVERITY_CRITICAL, down),
        (FaultSeverity.FAULT_SEVERITY_MAJOR, degraded),
    ):
        assert faults.event_of("sichuan", NETWORK, fault(severity=worst), NOON).condition == condition


def test_an_alarm_is_told_of_by_its_object_and_is_never_over_before_it_began() -> None:
    told = Alarm(
        id="sichuan/alarm-7",
        alarmed_object=NetworkObject(link="chengdu-guangzhou-1"),
        perceived_severity=PerceivedSeverity.PERCEIVED_SEVERITY_MAJOR,
        raise_time=to_timestamp(NOON),
        clear_time=to_timestamp(NOON - HOUR),
        affected_services=["lines-chengdu-guangzhou"],
        version=2,
    )
    event = alarms.event_of("sichuan", NETWORK, told, NOON)
    assert (event.id, record_of(event.id)) == ("sichuan/alarm/alarm-7", ("alarm", "alarm-7"))
    assert (list(event.links), list(event.services)) == (["chengdu-guangzhou-1"], [])
    assert (event.severity, event.clear_time) == (problem_pb2.PERCEIVED_SEVERITY_MAJOR, to_timestamp(NOON))
