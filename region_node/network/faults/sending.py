"""The sending of messages about faults to other regions."""

from datetime import datetime

from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand, FaultFiling, FaultUpdate
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.relay.outbox import was_sent
from gateway.store.port import Transaction
from region_node.customers.disclosures.recording import Sent, note_sent
from region_node.network.faults.rows import FaultRow, facts
from region_node.network.faults.waiver import without_amounts
from region_node.node.context import RegionContext
from region_node.tickets.sending import send_about

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
    """Sends a report, or the customer's command, to the owner region."""
    _send(tx, context, row, envelope_id, row.fault.owner_region, message, now)
    if isinstance(message, FaultFiling) and row.fault.report.number:
        fault, kind = row.fault, DisclosureKind.DISCLOSURE_KIND_FAULT_SENT
        note_sent(tx, fault.report.number, Sent(kind, fault.id, fault.owner_region, fault.operator), now)


def send_update(tx: Transaction, context: RegionContext, row: FaultRow, region: str, now: datetime) -> None:
    """Sends the current version of the fault to a follower."""
    fault = row.fault
    told = fault if region == fault.home_region else without_amounts(fault)
    _send(tx, context, row, f"{fault.id}@{fault.version}", region, FaultUpdate(fault=told), now)


def send_missing(tx: Transaction, context: RegionContext, row: FaultRow, now: datetime) -> None:
    """Sends the current version of the fault to its origin, unless that was done."""
    fault = row.fault
    if not was_sent(tx, f"{fault.id}@{fault.version}>{fault.origin_region}"):
        send_update(tx, context, row, fault.origin_region, now)


def _send(
    tx: Transaction,
    context: RegionContext,
    row: FaultRow,
    envelope_id: str,
    region: str,
    message: FaultFiling | FaultCommand | FaultUpdate,
    now: datetime,
) -> None:
    send_about(
        tx,
        context,
        facts(row.fault),
        _KINDS[type(message)],
        message,
        now,
        envelope_id=envelope_id,
        region=region,
        traceparent=row.traceparent,
    )
