"""Outages that faults of this region's network were: what agreements are measured by."""

from datetime import datetime

from gateway.api.region.v1.agreement_pb2 import OutageCause, PartOutage, ServiceOutage
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultOutage, FaultSeverity, FaultState
from gateway.clock import from_timestamp
from gateway.federation.network_ways import Parts, services_down
from gateway.store.port import Transaction
from region_node.agreements.outages import LONGEST, note_outage
from region_node.agreements.part_outages import note_parts_out
from region_node.context import RegionContext

_OF_THE_CUSTOMER = (FaultCause.FAULT_CAUSE_TERMINAL, FaultCause.FAULT_CAUSE_CUSTOMER)


def note_outages_of(tx: Transaction, context: RegionContext, fault: Fault, now: datetime) -> None:
    """Notes for which times a closed fault cut a site or a link off, and took services down that had no other way.

    What is not as bad, a fault of one line above all, takes no service down for everybody. A fault that was opened
    again is noted anew when it is closed; what has turned out to be a customer's own does not count.
    """
    is_cut = fault.severity == FaultSeverity.FAULT_SEVERITY_CRITICAL
    if not is_cut or fault.state != FaultState.FAULT_STATE_CLOSED or fault.owner_region != context.region:
        return
    place = fault.report.place
    out = Parts(frozenset(filter(None, [place.site])), frozenset(filter(None, [place.link])))
    down = sorted(services_down(context.federation.network, out))
    for each in filter(_is_over, fault.outages):
        if out != Parts():
            note_parts_out(tx, context, _part_outage(context, fault, each, out), now)
        for service in down:
            note_outage(tx, context, _outage(context, fault, each, service), now)


def _is_over(outage: FaultOutage) -> bool:
    if not outage.HasField("end_time"):
        return False
    start, end = from_timestamp(outage.start_time), from_timestamp(outage.end_time)
    return start < end <= start + LONGEST


def _cause(fault: Fault) -> OutageCause.ValueType:
    is_force_majeure = fault.cause == FaultCause.FAULT_CAUSE_FORCE_MAJEURE
    return OutageCause.OUTAGE_CAUSE_FORCE_MAJEURE if is_force_majeure else OutageCause.OUTAGE_CAUSE_OPERATOR


def _part_outage(context: RegionContext, fault: Fault, outage: FaultOutage, out: Parts) -> PartOutage:
    return PartOutage(
        source=f"{context.region}/fault/{fault.id}",
        region=context.region,
        sites=sorted(out.sites),
        links=sorted(out.links),
        start_time=outage.start_time,
        end_time=outage.end_time,
        cause=_cause(fault),
        version=fault.version,
        withdrawn=fault.cause in _OF_THE_CUSTOMER,
    )


def _outage(context: RegionContext, fault: Fault, outage: FaultOutage, service: str) -> ServiceOutage:
    return ServiceOutage(
        source=f"{context.region}/fault/{fault.id}",
        service=service,
        region=context.region,
        start_time=outage.start_time,
        end_time=outage.end_time,
        cause=_cause(fault),
        version=fault.version,
        withdrawn=fault.cause in _OF_THE_CUSTOMER,
    )
