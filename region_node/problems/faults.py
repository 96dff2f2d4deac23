"""Faults of this region as coordinators hear of them: where they are, how bad, since when, and nothing of a person."""

from datetime import datetime

from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.federation.v1 import problem_pb2
from gateway.api.region.v1.fault_pb2 import Fault, FaultSeverity
from gateway.clock import to_timestamp
from gateway.federation.network import NetworkRegistry
from gateway.store.port import Transaction
from region_node.context import RegionContext
from region_node.faults import rules
from region_node.problems.telling import tell_event

_FAULT = "fault"
_SEVERITIES = {
    FaultSeverity.FAULT_SEVERITY_CRITICAL: problem_pb2.PERCEIVED_SEVERITY_CRITICAL,
    FaultSeverity.FAULT_SEVERITY_MAJOR: problem_pb2.PERCEIVED_SEVERITY_MAJOR,
}


def tell_fault(tx: Transaction, context: RegionContext, fault: Fault, now: datetime) -> None:
    """Coordinators are to hear how a fault of this region stands, if it is one of the network."""
    event = event_of(context.region, context.federation.network, fault, now)
    if event is not None:
        tell_event(tx, event)


def event_of(region: str, network: NetworkRegistry, fault: Fault, now: datetime) -> NetworkEvent | None:
    """What coordinators hear; None of a customer's own terminal, and of what no element of the network is named for."""
    place, services = fault.report.place, network.services
    event = NetworkEvent(
        id=f"{region}/{_FAULT}/{fault.id.replace('/', ':')}",
        kind=contract.NETWORK_EVENT_KIND_FAULT,
        sites=[each for each in (place.site,) if each in network.sites],
        links=[each for each in (place.link,) if each in network.links],
        services=[
            each
            for each in fault.report.services
            if each in services and region in network.regions_concerned(services[each])
        ],
        severity=_SEVERITIES.get(fault.severity, problem_pb2.PERCEIVED_SEVERITY_MINOR),
        raise_time=fault.creation_date,
        version=fault.version,
        problem=fault.problem,
    )
    if fault.state not in rules.UNREPAIRED:
        ended = fault.outages[-1].HasField("end_time") if fault.outages else False
        event.clear_time.CopyFrom(fault.outages[-1].end_time if ended else to_timestamp(now))
    is_of_network = event.sites or event.links or event.services
    return event if is_of_network and not fault.terminal_caused else None


def fault_of(event_id: str) -> str:
    """The id of the fault that an event tells of; empty where it is an alarm."""
    _, kind, key = event_id.split("/")
    return key.replace(":", "/") if kind == _FAULT else ""
