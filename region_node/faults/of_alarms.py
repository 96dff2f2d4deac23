"""Faults that alarms raise: what an alarm says of the trouble is what the report says of the fault."""

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1.alarm_pb2 import Alarm
from gateway.api.region.v1.fault_pb2 import FaultReport, FaultSeverity
from gateway.federation.network import NetworkRegistry
from gateway.store.port import Transaction
from region_node.measurements.alarm_rows import require_alarm

_SEVERITIES = {
    PerceivedSeverity.PERCEIVED_SEVERITY_CRITICAL: FaultSeverity.FAULT_SEVERITY_CRITICAL,
    PerceivedSeverity.PERCEIVED_SEVERITY_MAJOR: FaultSeverity.FAULT_SEVERITY_MAJOR,
}


def completed(tx: Transaction, network: NetworkRegistry, report: FaultReport) -> FaultReport:
    """The report with what its alarm says and it leaves out; as it is where it names no alarm, or a place of its own.

    Raises Refused with ALARM_NOT_FOUND, and with NETWORK_SERVICE_UNKNOWN for one of a service that is no more.
    """
    place = report.place
    if not report.alarm or place.site or place.link or place.address:
        return report
    alarm, told = require_alarm(tx, report.alarm), FaultReport()
    told.CopyFrom(report)
    about = alarm.alarmed_object
    told.place.link, told.place.site = about.link, about.site or _site_of(network, about.service)
    if about.service and not told.services:
        told.services.append(about.service)
    told.severity = report.severity or _severity_of(alarm)
    told.description = report.description or f"{alarm.probable_cause} {alarm.specific_problem}".strip()
    return told


def _severity_of(alarm: Alarm) -> FaultSeverity.ValueType:
    """How bad it is: a critical one that customers do not feel cuts nobody off."""
    found = _SEVERITIES.get(alarm.perceived_severity, FaultSeverity.FAULT_SEVERITY_MINOR)
    return found if alarm.service_affecting else min(found, FaultSeverity.FAULT_SEVERITY_MAJOR)


def _site_of(network: NetworkRegistry, service: str) -> str:
    """Where a fault of a service is, as long as nobody knows better: at its first site in the region that runs it."""
    if not service:
        return ""
    known = network.service(service)
    sites = [each for each in known.sites if network.site(each).region == known.region]
    return next(iter([*sites, *known.sites]), "")
