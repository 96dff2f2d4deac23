"""Money between the region of a fault and the home region of its line: both have the same facts of the fault.

The region of the fault owes the home region the rent that its network made it give back, but for force majeure. The
home region owes the price of a part that the other region put in free of charge, by the warranty of the home region's
customer. A region believes no more rent than the federation's plans allow. After a move the old home owes the new one
the rent that this gives back since, by the same rule.
"""

from datetime import datetime, timedelta

from gateway.api.region.v1.fault_envelopes_pb2 import FaultMoved, FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault, RepairPart
from gateway.store.port import Transaction
from gateway.time.clock import dated, from_timestamp, is_dated
from region_node.business.settlement.debts import Debt, charged_debts, is_noted, note_debt
from region_node.customers.accounts.rules import EntryKind, earned
from region_node.network.agreements.of_faults import is_by_force_majeure
from region_node.network.faults import outages, parts
from region_node.node.context import RegionContext

RENT, PART = "waived-rent", "warranty-part"
"""The names of both kinds of debt."""
_LARGEST_PART = 5_000_000  # minor units: no part of a line costs as much
_CLOCKS = timedelta(days=1)  # by which time zones and clocks of two regions may differ


def rent_serial(fault_id: str, outage: int) -> str:
    """The serial of the rent given back for an outage: the id of the posting that gives it back."""
    return f"{fault_id}#waived{outage}"


def part_serial(fault_id: str, number: int) -> str:
    """The serial of a part of a repair: the id of the posting that charges it."""
    return f"{fault_id}#part{number}"


def fault_of(serial: str) -> str:
    """The id of the fault of such a serial."""
    return serial.partition("#")[0]


def claim_rent(
    tx: Transaction, context: RegionContext, fault: Fault, outage: int, amount: int, time: datetime, now: datetime
) -> None:
    """The home region has given back rent at a time, and claims it of the region of the fault."""
    if not is_rent_owed(fault, outage, context.region):
        return
    debt = Debt(RENT, rent_serial(fault.id, outage), fault.owner_region, context.region, amount, time)
    note_rent(tx, context, debt, now)


def note_rent(tx: Transaction, context: RegionContext, debt: Debt, now: datetime) -> None:
    """Books the rent that the region of a fault owes, in either region; once."""
    note_debt(tx, context, debt, EntryKind.RENT_OWED, earned(EntryKind.RENT), now)


def is_rent_owed(fault: Fault, outage: int, region: str) -> bool:
    """Whether a region that gives rent back for an outage need not bear it: the fault is elsewhere, and no disaster."""
    return fault.owner_region != region and not is_by_force_majeure(fault, fault.outages[outage])


def moved_serial(told: FaultMoved) -> str:
    """The serial of the rent that the new home of a move gives back for an outage: the id of its posting."""
    return f"{rent_serial(told.fault_id, told.outage)}>{told.move_id}"


def is_of_move(serial: str) -> bool:
    """Whether a serial is that of rent that the new home of a move has given back."""
    return ">" in serial


def owe_moved(
    tx: Transaction, context: RegionContext, told: FaultMoved, waived: FaultWaived, region: str, now: datetime
) -> bool:
    """The old home owes the new one, `region`, the rent that it has given back; False for an implausible claim."""
    span = from_timestamp(told.start_time), from_timestamp(told.end_time)
    for each in waived.waived:
        if not each.HasField("owed"):
            continue
        amount = _plausible(context, each, span, now)
        if not told.owed or each.outage != told.outage or amount is None:
            return False
        debt = Debt(RENT, moved_serial(told), context.region, region, amount, dated(each.waiver.time))
        note_rent(tx, context, debt, now)
    return True


def is_claimed(tx: Transaction, fault_id: str, outage: int) -> bool:
    """Whether the rent for an outage is claimed of the region of the fault."""
    return is_noted(tx, RENT, rent_serial(fault_id, outage))


def owe_rent(tx: Transaction, context: RegionContext, fault: Fault, claimed: FaultWaived.Waived, now: datetime) -> bool:
    """The region of the fault owes the rent that the home region claims; returns False for an implausible claim."""
    if is_claimed(tx, fault.id, claimed.outage):
        return True
    if claimed.outage >= len(fault.outages):
        return False
    outage = fault.outages[claimed.outage]
    if not outage.HasField("end_time") or is_by_force_majeure(fault, outage):
        return False
    amount = _plausible(context, claimed, outages.span_of(outage), now)
    if amount is None:
        return False
    time = dated(claimed.waiver.time)
    debt = Debt(RENT, rent_serial(fault.id, claimed.outage), context.region, fault.home_region, amount, time)
    note_rent(tx, context, debt, now)
    return True


def _plausible(context: RegionContext, claimed: FaultWaived.Waived, span: outages.Span, now: datetime) -> int | None:
    """The amount of a claim in minor units; None beyond the rent of every plan, or before the repair."""
    end, most = span[1], most_rent(context, span)
    amount = claimed.owed.minor_units if claimed.owed.currency == context.currency else 0
    if not is_dated(claimed.waiver.time) or not 0 < amount <= most:
        return None
    return amount if end - _CLOCKS <= dated(claimed.waiver.time) <= now + _CLOCKS else None


def most_rent(context: RegionContext, span: outages.Span) -> int:
    """The rent of the dearest plan for a time, whatever the clocks and time zones, in minor units."""
    rent = max((each.monthly_rent.minor_units for each in context.federation.configuration.plans), default=0)
    return outages.rent_of(rent, [(span[0] - _CLOCKS, span[1] + _CLOCKS)], context.time_zone)


def settle_parts(tx: Transaction, context: RegionContext, fault: Fault, now: datetime) -> None:
    """The home region owes the region of the fault each part that this one has put in under the warranty."""
    home, owner = fault.home_region, fault.owner_region
    if home in ("", owner) or context.region not in (home, owner):
        return
    for part in fault.repair.parts:
        if is_owed(context, part):
            note_part(tx, context, fault, part, now)


def note_part(tx: Transaction, context: RegionContext, fault: Fault, part: RepairPart, now: datetime) -> None:
    """Books a part that `is_owed`, in either region; once."""
    serial, time = part_serial(fault.id, part.number), from_timestamp(part.install_time)
    debt = Debt(PART, serial, fault.home_region, fault.owner_region, part.price.minor_units, time)
    note_debt(tx, context, debt, EntryKind.PART_OWED, earned(EntryKind.REPAIR_PART), now)


def is_owed(context: RegionContext, part: RepairPart) -> bool:
    """Whether a part was put in under the warranty, and has a price between regions."""
    is_free = part.quote == parts.FREE and part.HasField("install_time")
    return is_free and part.price.currency == context.currency and 0 < part.price.minor_units <= _LARGEST_PART


CHARGED_RENT, CHARGED_PARTS = charged_debts(RENT), charged_debts(PART)
