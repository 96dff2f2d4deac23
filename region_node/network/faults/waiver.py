"""Rent that this region gives back to its own customers for faults, wherever these were: once for each outage.

The rule is that of `outages.py`: from the report to the repair, each month's share of the plan's rent. Excluded are
time before the line began, and time with rent given back for another fault. The region of the fault owes that rent to
this one (`regional.py`). A row of `fault_waivers` and the id of the posting prevent a repeat. Of a line that has moved
this region gives back the rent up to the confirmation of the move, and the new home the rest (`moved.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.fault_envelopes_pb2 import FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.time.clock import dated, from_microseconds, from_timestamp, is_dated, to_microseconds, to_timestamp
from region_node.business.reconciliation.evidence import line_unknown, not_proven
from region_node.business.reconciliation.port import Act
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import EntryKind, earned
from region_node.customers.moved_lines import MovedLine
from region_node.customers.rows import Line
from region_node.network.faults import moved, notices, outages, regional
from region_node.network.faults.outages import Span
from region_node.network.faults.rows import FaultRow
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index


class Given(NamedTuple):
    """Rent for a part of an outage. `gone` is where the next home of the line has to hear of it, None for nowhere."""

    line: Line | None
    span: Span
    amount: int
    gone: MovedLine | None


@dataclass(frozen=True)
class _Waived:
    """A row. Times are in microseconds, the amount in minor units."""

    outage: int
    amount: int
    time: int


def settle(
    tx: Transaction, context: RegionContext, row: FaultRow, now: datetime, signed: FaultWaived | None = None
) -> None:
    """Gives back the due rent of the fault, notifies the customer, and notes it in the fault.

    The caller stores the row. Where this region has lost what it had given back, `signed` has the times and amounts:
    the region of the fault compares debts by them.
    """
    fault = row.fault
    known, before = _waived(tx, fault.id), {each.outage: each for each in signed.waived} if signed else {}
    for number in outages.to_waive(fault):
        if number not in known:
            _give_back(tx, context, row, number, before.get(number), now)
    for each in _waived(tx, fault.id).values():
        if each.outage < len(fault.outages):
            waiver = fault.outages[each.outage].waiver
            waiver.amount.CopyFrom(Money(minor_units=each.amount, currency=context.currency))
            waiver.time.CopyFrom(to_timestamp(from_microseconds(each.time)))


def said(tx: Transaction, fault: Fault) -> FaultWaived:
    """The waiver in messages to the owner region: its time, and the amount only where that region owes it."""
    waived = FaultWaived()
    for number, each in enumerate(fault.outages):
        if each.HasField("waiver"):
            told = waived.waived.add(outage=number)
            told.waiver.time.CopyFrom(each.waiver.time)
            if regional.is_claimed(tx, fault.id, number):
                told.owed.CopyFrom(each.waiver.amount)
    return waived


def take_over(fault: Fault, waived: FaultWaived) -> bool:
    """The home region has given back rent; whether that is news. `fault` is changed in place.

    One whose time no page could show is left out: no region would take the fault with it.
    """
    is_news = False
    for each in waived.waived:
        if not is_dated(each.waiver.time):
            continue
        if each.outage < len(fault.outages) and not fault.outages[each.outage].HasField("waiver"):
            fault.outages[each.outage].waiver.time.CopyFrom(each.waiver.time)
            is_news = True
    return is_news


def without_amounts(fault: Fault) -> Fault:
    """The fault in messages to other regions than the home region."""
    copy = Fault()
    copy.CopyFrom(fault)
    for each in copy.outages:
        if each.HasField("waiver"):
            each.waiver.ClearField("amount")
    return copy


def given(tx: Transaction, context: RegionContext, act: Act, fault: Fault, waived: FaultWaived) -> Mapping[int, Given]:
    """The rent that this home region has given back, as far as it still has it or has signed it: by outage.

    Raises Refused with RECORD_NOT_PROVEN, RECORD_AMOUNT_NOT_PROVEN, RECORD_LINE_UNKNOWN.
    """
    known, signed = _waived(tx, fault.id), {each.outage: each for each in waived.waived}
    line, gone = moved.kept_line_at(tx, context, fault.report.number, from_timestamp(fault.create_time))
    found = dict[int, Given]()
    for number, outage in enumerate(fault.outages):
        if not outage.HasField("waiver"):
            continue
        row, claimed = known.get(number), signed.get(number, FaultWaived.Waived())
        time = claimed.waiver.time if row is None else to_timestamp(from_microseconds(row.time))
        if outage.waiver.time != time:
            raise not_proven(context.region, act)
        posted = ledger.booked(tx, regional.rent_serial(fault.id, number), earned(EntryKind.RENT))
        if line is None and posted is None:
            raise line_unknown(context, act)
        whole = outages.span_of(outage)
        span = moved.until_move(whole, gone)
        by_rule = 0 if line is None else moved.rent_of(tx, context, line, span, _known(tx, line, fault, span))
        amount = _given(context, act, row, posted, claimed, by_rule)
        # While the customer was on the way this home gave back the rent of the whole outage: no other one gives any.
        is_all = line is None or whole == span or amount > moved.rent_of(tx, context, line, span, ())
        found[number] = Given(line, whole if is_all else span, amount, None if is_all else gone)
    return found


def _given(
    context: RegionContext,
    act: Act,
    row: _Waived | None,
    posted: int | None,
    claimed: FaultWaived.Waived,
    by_rule: int,
) -> int:
    """The amount by the row, else by the posting, the signature, or the rule where that gives nothing."""
    if row is not None:
        return row.amount
    if posted is not None:
        return -posted
    if claimed.HasField("owed"):
        return claimed.owed.minor_units
    if by_rule:
        raise Refused(Reason.REASON_RECORD_AMOUNT_NOT_PROVEN, region=context.region, serial=act.serial)
    return 0


def give_again(
    tx: Transaction, context: RegionContext, row: FaultRow, lost: Mapping[int, Given], now: datetime
) -> None:
    """Books what was `given`, as far as it is lost, as of the time of the waiver. The customer knows of it.

    The next home of a line that has moved hears of it, unless it has.
    """
    for number, each in lost.items():
        _book(tx, context, row, number, each, dated(row.fault.outages[number].waiver.time), now)


def _give_back(
    tx: Transaction,
    context: RegionContext,
    row: FaultRow,
    number: int,
    signed: FaultWaived.Waived | None,
    now: datetime,
) -> None:
    fault = row.fault
    line, gone = moved.line_at(tx, fault.report.number, from_timestamp(fault.create_time))
    span = moved.until_move(outages.span_of(fault.outages[number]), gone)
    amount = moved.rent_of(tx, context, line, span, _known(tx, line, fault, span)) if line is not None else 0
    if line is not None and signed is not None and signed.HasField("owed"):
        amount = signed.owed.minor_units
    time = now if signed is None else dated(signed.waiver.time)
    _book(tx, context, row, number, Given(line, span, amount, gone), time, now)
    detail = f"outage {number}"
    audit.append(tx, now=now, actor=f"region/{context.region}", action="WaiveRent", subject=fault.id, detail=detail)
    if amount and gone is None:
        notices.tell_waived(tx, fault, number, amount, context.currency, now)
    failpoints.reach("fault-waived.before-commit")


def _book(
    tx: Transaction, context: RegionContext, row: FaultRow, number: int, given: Given, time: datetime, now: datetime
) -> None:
    """Stores and books the rent that is given back at a time, and passes it on, as far as that is not done."""
    fault, (line, span, amount, gone) = row.fault, given
    tx.execute(
        "INSERT INTO fault_waivers (fault_id, outage, number_index, start_time, end_time, amount, time)"
        " VALUES (:fault_id, :outage, :number_index, :start_time, :end_time, :amount, :time)"
        " ON CONFLICT (fault_id, outage) DO NOTHING",
        fault_id=fault.id,
        outage=number,
        number_index=number_index(tx, fault.report.number),
        start_time=to_microseconds(span[0]),
        end_time=to_microseconds(span[1]),
        amount=amount,
        time=to_microseconds(time),
    )
    if line is not None and amount:
        moved.post_rent(tx, context, line, regional.rent_serial(fault.id, number), (span, amount), now)
    if amount:
        regional.claim_rent(tx, context, fault, number, amount, time, now)
    if line is not None and gone is not None:
        is_owed = regional.is_rent_owed(fault, number, gone.region)
        told = moved.told_of(fault, number, amount, context.currency, is_owed=is_owed)
        moved.pass_on(tx, context, gone, told, row.traceparent, now)


def _known(tx: Transaction, line: Line, fault: Fault, span: Span) -> list[Span]:
    """The times within a span for which rent was given back for another fault, also for one of before a move."""
    start, end = to_microseconds(span[0]), to_microseconds(span[1])
    here = tx.all(
        _span,
        "SELECT start_time, end_time FROM fault_waivers"
        " WHERE number_index = :number AND start_time < :end AND end_time > :start",
        number=number_index(tx, fault.report.number),
        start=start,
        end=end,
    )
    return [*here, *moved.times_given(tx, line, span)]


def _span(start: int, end: int) -> Span:
    return from_microseconds(start), from_microseconds(end)


def _waived(tx: Transaction, fault_id: str) -> dict[int, _Waived]:
    found = tx.all(
        _Waived, "SELECT outage, amount, time FROM fault_waivers WHERE fault_id = :id ORDER BY outage", id=fault_id
    )
    return {each.outage: each for each in found}
