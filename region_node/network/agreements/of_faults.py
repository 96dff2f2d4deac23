"""Outages of agreements from faults of this region's network."""

from datetime import datetime

from gateway.api.region.v1.agreement_pb2 import OutageCause, PartOutage
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultOutage, FaultSeverity, FaultState
from gateway.federation.network_ways import Parts, services_down
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.network.agreements.outages import LONGEST
from region_node.network.agreements.recording import note, withdraw
from region_node.node.context import RegionContext

_OF_THE_CUSTOMER = (FaultCause.FAULT_CAUSE_TERMINAL, FaultCause.FAULT_CAUSE_CUSTOMER)


def note_outages_of(tx: Transaction, context: RegionContext, before: Fault, fault: Fault, now: datetime) -> None:
    """Notes the outages of a closed fault: the times in which it alone took parts or services down.

    Lesser faults, above all those of one line, take no service down for everybody. A reopened fault is noted anew when
    it is closed again. The notes are withdrawn where the fault has turned out to be a customer's own, or less severe.
    """
    closed = FaultState.FAULT_STATE_CLOSED
    if fault.state != closed or before.state == closed or fault.owner_region != context.region:
        return
    source = f"{context.region}/fault/{fault.id}"
    place = fault.report.place
    out = Parts(frozenset(filter(None, [place.site])), frozenset(filter(None, [place.link])))
    is_cut = fault.severity == FaultSeverity.FAULT_SEVERITY_CRITICAL and out != Parts()
    if not is_cut or fault.cause in _OF_THE_CUSTOMER:
        withdraw(tx, context, source, fault.version, now)
        return
    services = sorted(services_down(context.federation.network, out))
    for each in filter(_is_over, fault.outages):
        note(tx, context, _outage(source, fault, out, each), services, now)


def is_by_force_majeure(fault: Fault, outage: FaultOutage) -> bool:
    """Whether an outage of a fault was beyond everybody's control. A reopened fault may get another cause."""
    return (outage.cause or fault.cause) == FaultCause.FAULT_CAUSE_FORCE_MAJEURE


def _is_over(outage: FaultOutage) -> bool:
    if not outage.HasField("end_time"):
        return False
    start, end = from_timestamp(outage.start_time), from_timestamp(outage.end_time)
    return start < end <= start + LONGEST


def _outage(source: str, fault: Fault, out: Parts, outage: FaultOutage) -> PartOutage:
    is_forced = is_by_force_majeure(fault, outage)
    return PartOutage(
        source=source,
        region=fault.owner_region,
        sites=out.sites,
        links=out.links,
        start_time=outage.start_time,
        end_time=outage.end_time,
        cause=OutageCause.OUTAGE_CAUSE_FORCE_MAJEURE if is_forced else OutageCause.OUTAGE_CAUSE_OPERATOR,
        version=fault.version,
    )
