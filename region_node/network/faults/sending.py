"""How what is said of a fault leaves for other regions."""

from datetime import datetime, timedelta

from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand, FaultFiling, FaultUpdate
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, DisclosureParticulars
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.relay.envelopes import Letter
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from region_node.customers.sharing.disclosures import note_sent
from region_node.customers.sharing.rows import DisclosureRow
from region_node.network.faults.rows import FaultRow
from region_node.network.faults.waiver import without_amounts
from region_node.node.context import RegionContext

_LIFETIME = timedelta(days=3650)  # a report waits however long the region in which the fault is was away
_KINDS = {
    FaultFiling: EnvelopeKind.ENVELOPE_KIND_FAULT_REPORTED,
    FaultCommand: EnvelopeKind.ENVELOPE_KIND_FAULT_COMMAND,
    FaultUpdate: EnvelopeKind.ENVELOPE_KIND_FAULT_UPDATE,
}


def send_to_owner(
    tx: Transaction,
    context: RegionContext,
    row: FaultRow,
    envelope_id: str,
    message: FaultFiling | FaultCommand,
    now: datetime,
) -> None:
    """Sends a report, or what the customer says to it, to the region in which the fault is."""
    _send(tx, context, row, envelope_id, row.fault.owner_region, message, now)
    if isinstance(message, FaultFiling) and row.fault.report.number:
        _note_for_customer(tx, row.fault, now)


def send_update(tx: Transaction, context: RegionContext, row: FaultRow, region: str, now: datetime) -> None:
    """Tells a region that follows the fault how it stands."""
    fault = row.fault
    told = fault if region == fault.home_region else without_amounts(fault)
    _send(tx, context, row, f"{fault.id}@{fault.version}", region, FaultUpdate(fault=told), now)


def _send(
    tx: Transaction,
    context: RegionContext,
    row: FaultRow,
    envelope_id: str,
    region: str,
    message: FaultFiling | FaultCommand | FaultUpdate,
    now: datetime,
) -> None:
    letter = Letter(
        envelope_id=f"{envelope_id}>{region}",
        destination=region,
        kind=_KINDS[type(message)],
        payload=message.SerializeToString(),
        subject=row.fault.id,
        operator=row.fault.operator,
        lifetime=_LIFETIME,
    )
    send(tx, context.border, letter, now=now, traceparent=row.traceparent)


def _note_for_customer(tx: Transaction, fault: Fault, now: datetime) -> None:
    """Has a customer of this region see that another one was told of their fault."""
    row = DisclosureRow(
        kind=DisclosureKind.DISCLOSURE_KIND_FAULT_SENT,
        time=now,
        region=fault.owner_region,
        operator=fault.operator,
        purpose="",
        particulars=DisclosureParticulars(record=fault.id),
    )
    note_sent(tx, fault.report.number, row)
