"""Faults that alarms raise: the fault's report takes its content from the alarm."""

from datetime import datetime

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1.alarm_pb2 import Alarm
from gateway.api.region.v1.fault_pb2 import Fault, FaultReport, FaultSeverity
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.network import NetworkRegistry
from gateway.store.port import Transaction
from region_node.network.faults import rules
from region_node.network.faults.rows import find_fault
from region_node.network.measurements.alarm_rows import find_alarm, require_alarm
from region_node.network.measurements.alarms import changed
from region_node.node.context import RegionContext

_SEVERITIES = {
    PerceivedSeverity.PERCEIVED_SEVERITY_CRITICAL: FaultSeverity.FAULT_SEVERITY_CRITICAL,
    PerceivedSeverity.PERCEIVED_SEVERITY_MAJOR: FaultSeverity.FAULT_SEVERITY_MAJOR,
}


def completed(tx: Transaction, network: NetworkRegistry, report: FaultReport) -> FaultReport:
    """A copy of the report, completed from its alarm, where it names an alarm and no place.

    Raises Refused with ALARM_NOT_FOUND, and with NETWORK_SERVICE_UNKNOWN for an alarm of a removed service.
    """
    told, place = FaultReport(), report.place
    told.CopyFrom(report)
    if not report.alarm_id or place.site or place.link or place.address:
        return told
    alarm = require_alarm(tx, report.alarm_id)
    about = alarm.alarmed_object
    told.place.link, told.place.site = about.link, about.site or _site_of(network, about.service)
    if about.service and not told.services:
        told.services.append(about.service)
    told.severity = report.severity or _severity_of(alarm)
    told.description = report.description or f"{alarm.probable_cause} {alarm.specific_problem}".strip()
    return told


def raised_by_alarm(tx: Transaction, context: RegionContext, fault: Fault, now: datetime) -> None:
    """Stores the fault at the alarm of this region that raised it; nothing for a customer's report.

    Raises Refused with ALARM_HAS_FAULT for an alarm with an open fault: two crews would go to one cut.
    """
    report = fault.report
    if not report.alarm_id or report.number or (alarm := find_alarm(tx, report.alarm_id)) is None:
        return
    before = find_fault(tx, alarm.fault_id) if alarm.fault_id else None
    if before is not None and before.fault.state not in rules.ENDED:
        raise Refused(Reason.REASON_ALARM_HAS_FAULT, alarm=alarm.id, fault=alarm.fault_id)
    alarm.fault_id = fault.id
    changed(tx, context, alarm, now)


def _severity_of(alarm: Alarm) -> FaultSeverity.ValueType:
    """The severity: a critical alarm without an effect on customers cuts nobody off."""
    found = _SEVERITIES.get(alarm.perceived_severity, FaultSeverity.FAULT_SEVERITY_MINOR)
    return found if alarm.service_affecting else min(found, FaultSeverity.FAULT_SEVERITY_MAJOR)


def _site_of(network: NetworkRegistry, service: str) -> str:
    """The assumed place of a service's fault: its first site in the region that runs it."""
    if not service:
        return ""
    known = network.service(service)
    sites = [each for each in known.sites if network.site(each).region == known.region]
    return next(iter([*sites, *known.sites]), "")
