"""The price of a repair part, charged to the account of the line (specification 6.3): once for each part.

Only the home region charges, for parts from its own staff, at a price that the customer has accepted. So no region
makes another one charge its customers. A part for another region's customer stays uncharged; staff see that, and
collect the price. The installation of a part is noted once, in the same transaction.
"""

from datetime import datetime

from gateway.api.region.v1.fault_pb2 import Fault, RepairPart
from gateway.auditing import audit
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.business.reconciliation.evidence import line_unknown
from region_node.business.reconciliation.port import Act
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import EntryKind, Posting, charge
from region_node.customers.rows import find_line
from region_node.network.faults import moved, notices, parts, regional
from region_node.node.context import RegionContext


def charge_parts(tx: Transaction, context: RegionContext, fault: Fault, now: datetime) -> None:
    """Charges each part that was put in and is to be paid for. `fault` is changed in place; the caller stores it."""
    if not fault.report.number or {fault.home_region, fault.owner_region} != {context.region}:
        return
    line = find_line(tx, fault.report.number)
    for part in fault.repair.parts if line is not None else ():
        if _is_due(part):
            assert line is not None
            ledger.post(tx, _posting(fault, part, line.account_id), context.currency, now)
            part.charged = True
            actor, detail = f"region/{context.region}", f"part {part.number}"
            audit.append(tx, now=now, actor=actor, action="ChargePart", subject=fault.id, detail=detail)
            notices.tell_charged(tx, fault, part, now)


def lost(tx: Transaction, context: RegionContext, act: Act, fault: Fault) -> tuple[Posting, ...]:
    """The charges for parts of this region's own fault that it does not have booked any more.

    Raises Refused with RECORD_LINE_UNKNOWN.
    """
    found = list[Posting]()
    for part in fault.repair.parts:
        if not part.charged:
            continue
        line, _ = moved.kept_line_at(tx, context, fault.report.number, from_timestamp(part.install_time))
        missing = ledger.unbooked(tx, [_posting(fault, part, "" if line is None else line.account_id)])
        if missing and line is None:
            raise line_unknown(context, act)
        found.extend(missing)
    return tuple(found)


def _posting(fault: Fault, part: RepairPart, account: str) -> Posting:
    serial = regional.part_serial(fault.id, part.number)
    return charge(serial, EntryKind.REPAIR_PART, part.price.minor_units, account)


def _is_due(part: RepairPart) -> bool:
    return part.quote == parts.ACCEPTED and part.HasField("install_time") and not part.charged
