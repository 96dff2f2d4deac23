"""Faults of this region as coordinators see them: place, severity and start, without personal data."""

from datetime import datetime

from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.federation.v1 import problem_pb2
from gateway.api.region.v1.fault_pb2 import Fault, FaultSeverity
from gateway.federation.network import NetworkRegistry
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.network.faults import rules
from region_node.network.faults.rows import KIND, find_fault, is_reported_again
from region_node.network.problems.notifier import retract, tell_event, without_others
from region_node.network.problems.port import event_id
from region_node.node.context import RegionContext

_SEVERITIES = {
    FaultSeverity.FAULT_SEVERITY_CRITICAL: problem_pb2.PERCEIVED_SEVERITY_CRITICAL,
    FaultSeverity.FAULT_SEVERITY_MAJOR: problem_pb2.PERCEIVED_SEVERITY_MAJOR,
}
_CONDITIONS = {
    FaultSeverity.FAULT_SEVERITY_CRITICAL: problem_pb2.NETWORK_CONDITION_DOWN,
    FaultSeverity.FAULT_SEVERITY_MAJOR: problem_pb2.NETWORK_CONDITION_DEGRADED,
}


def tell_fault(tx: Transaction, context: RegionContext, before: Fault, fault: Fault, now: datetime) -> None:
    """Reports the state of this region's fault to coordinators, if it concerns the network.

    Former network faults are included, since coordinators may still have them: faults with a problem, or reported
    before. `before` is the former version; empty for a new fault.
    """
    event = _told(tx, context, fault, now)
    if not event.retracted or before.problem_id or _may_be_told(before):
        tell_event(tx, event)


def find_event(tx: Transaction, context: RegionContext, fault_id: str, now: datetime) -> NetworkEvent | None:
    """The coordinators' view of a fault of this region; None for an unknown or foreign fault."""
    row = find_fault(tx, fault_id)
    if row is None or row.fault.owner_region != context.region:
        return None
    return _told(tx, context, row.fault, now)


def event_of(region: str, network: NetworkRegistry, fault: Fault, now: datetime) -> NetworkEvent:
    """The coordinators' view of a fault.

    The event is retracted where the cause is outside of the network, such as the customer's own terminal. It is also
    retracted without an element on which the region may report.
    """
    place = fault.report.place
    event = NetworkEvent(
        id=event_id(region, KIND, fault.id),
        kind=contract.NETWORK_EVENT_KIND_FAULT,
        sites=[place.site] if place.site else [],
        links=[place.link] if place.link else [],
        services=fault.report.services,
        severity=_SEVERITIES.get(fault.severity, problem_pb2.PERCEIVED_SEVERITY_MINOR),
        raise_time=fault.create_time,
        version=fault.version,
        problem_id=fault.problem_id,
        condition=_CONDITIONS.get(fault.severity, problem_pb2.NETWORK_CONDITION_UNSPECIFIED),
        of_one_line=rules.is_of_one_line(fault.report),
    )
    if fault.state not in rules.UNREPAIRED:
        ended = fault.outages[-1].HasField("end_time") if fault.outages else False
        event.clear_time.CopyFrom(fault.outages[-1].end_time if ended else to_timestamp(now))
    without_others(event, network, region)
    is_named = event.sites or event.links or event.services
    return event if is_named and _is_of_network(fault) else retract(event, now)


def _told(tx: Transaction, context: RegionContext, fault: Fault, now: datetime) -> NetworkEvent:
    event = event_of(context.region, context.federation.network, fault, now)
    event.reported_again = event.of_one_line and is_reported_again(tx, fault)
    return event


def _is_of_network(fault: Fault) -> bool:
    is_own_trouble = fault.terminal_caused or fault.cause in rules.NOT_OF_THE_NETWORK
    return not is_own_trouble and fault.state != rules.REJECTED


def _may_be_told(fault: Fault) -> bool:
    """Whether coordinators may have a version of a fault that is not retracted, by any network in force."""
    place = fault.report.place
    return _is_of_network(fault) and bool(place.site or place.link or fault.report.services)
