"""A debt for a fault that one of two regions has lost is booked once more, by what that region itself has signed.

The home region has signed the rent that it claims. The owner has signed the version that notes the rent as given back,
and no amount: it books that of its own difference, which its staff have seen, as the rule of a first claim believes it.
A claim that it still has names the same amount.
The version that an owner has sent, or a home region has taken, has the price of a part. The rent of a move has another
message, and comes back with a backup.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from gateway.api.region.v1.fault_envelopes_pb2 import FaultWaived
from gateway.api.region.v1.fault_pb2 import RepairPart
from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairEvidence
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import dated, from_timestamp
from region_node.business.reconciliation.evidence import impossible, line_unknown, not_proven
from region_node.business.reconciliation.port import Act, Restoring
from region_node.business.settlement.debts import Debt, is_noted
from region_node.network.faults import moved, regional
from region_node.network.faults.regional import PART, RENT, fault_of, part_serial, rent_serial
from region_node.network.faults.restoring import Signed, last_signed, own_signed, signed_about
from region_node.node.context import RegionContext


def _evidence(
    kind: str,
    proves: Callable[[RegionContext, Act, str, Signed], bool],
    tx: Transaction,
    context: RegionContext,
    act: Act,
) -> RepairEvidence:
    _require_restorable(act, act.there)
    if not is_noted(tx, kind, act.serial):
        raise impossible(context, act)
    return last_signed(tx, act, partial(proves, context, act, act.there))[0]


def _require_restorable(act: Act, lost: str) -> None:
    if regional.is_of_move(act.serial):
        raise Refused(Reason.REASON_RECORD_NOT_RESTORABLE, kind=RENT, region=lost)


def _restore_rent(tx: Transaction, context: RegionContext, act: Act, told: RepairEvidence, now: datetime) -> None:
    _require_restorable(act, context.region)
    if is_noted(tx, RENT, act.serial):
        raise impossible(context, act)
    signed, region = own_signed(context, act, told), context.region
    if {signed.fault.home_region, signed.fault.owner_region} != {region, act.there}:
        raise not_proven(region, act)
    claimed, number = _claim_of(act, signed), _waived_outage(act, signed)
    if signed.fault.home_region == region and claimed is not None:
        amount, time = claimed.owed.minor_units, dated(claimed.waiver.time)
        regional.note_rent(tx, context, Debt(RENT, act.serial, act.there, region, amount, time), now)
        return
    kept = (_claim_of(act, each) for _, each in signed_about(tx, act))
    is_other = any(each is not None and each.owed.minor_units != act.amount for each in kept)
    if signed.fault.owner_region != region or number is None or is_other:
        raise not_proven(region, act)
    owed = Money(minor_units=act.amount, currency=context.currency)
    believed = FaultWaived.Waived(outage=number, waiver=signed.fault.outages[number].waiver, owed=owed)
    if not regional.owe_rent(tx, context, signed.fault, believed, now):
        raise not_proven(region, act)


def _proves_rent(context: RegionContext, act: Act, region: str, signed: Signed) -> bool:
    """Whether a word of a region proves rent that is owed."""
    is_owner = signed.fault.owner_region == region
    return (_waived_outage(act, signed) if is_owner else _claim_of(act, signed)) is not None


def _claim_of(act: Act, signed: Signed) -> FaultWaived.Waived | None:
    """The rent that a home region claims by its receipt."""
    claims = (each for each in signed.waived.waived if rent_serial(signed.fault.id, each.outage) == act.serial)
    return next((each for each in claims if each.HasField("owed")), None)


def _waived_outage(act: Act, signed: Signed) -> int | None:
    """The outage, from 0, for which a version notes that rent was given back."""
    waived = (number for number, each in enumerate(signed.fault.outages) if each.HasField("waiver"))
    return next((each for each in waived if rent_serial(signed.fault.id, each) == act.serial), None)


def _restore_part(tx: Transaction, context: RegionContext, act: Act, told: RepairEvidence, now: datetime) -> None:
    if is_noted(tx, PART, act.serial):
        raise impossible(context, act)
    signed = own_signed(context, act, told)
    part, region = _part_of(context, act, signed), context.region
    if part is None or {signed.fault.home_region, signed.fault.owner_region} != {region, act.there}:
        raise not_proven(region, act)
    # A region that follows as the origin alone has taken a version that may name any home region.
    if signed.fault.home_region == region:
        fault = signed.fault
        line, _ = moved.kept_line_at(tx, context, fault.report.number, from_timestamp(fault.create_time))
        if line is None:
            raise line_unknown(context, act)
    regional.note_part(tx, context, signed.fault, part, now)


def _proves_part(context: RegionContext, act: Act, region: str, signed: Signed) -> bool:
    return _part_of(context, act, signed) is not None


def _part_of(context: RegionContext, act: Act, signed: Signed) -> RepairPart | None:
    """The part under the warranty that a version has."""
    found = (each for each in signed.fault.repair.parts if part_serial(signed.fault.id, each.number) == act.serial)
    return next((each for each in found if regional.is_owed(context, each)), None)


RENT_RESTORING = Restoring(partial(_evidence, RENT, _proves_rent), _restore_rent, fault_of)
PART_RESTORING = Restoring(partial(_evidence, PART, _proves_part), _restore_part, fault_of)
"""Debts for faults between their owner and the home region of the line."""
