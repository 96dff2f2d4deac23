"""Rent of a line that has moved, for faults of before the move: each home gives back its own part, once.

The old home gives back the rent up to the confirmation of the move, and passes the outage on. The new home gives back
the rest, and the customer has one notice of both. After a further move the outage goes to the next home likewise.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.api.region.v1.fault_envelopes_pb2 import FaultMoved, FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.auditing import audit
from gateway.errors import Refused, lasting
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send, was_sent
from gateway.store.port import Transaction
from gateway.time.clock import dated, from_microseconds, from_timestamp, is_dated, to_microseconds, to_timestamp
from region_node.business.reconciliation.evidence import kept_line
from region_node.business.settlement.debts import Debt
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import EntryKind, earned, transfer
from region_node.customers.moved_lines import MovedLine, last_moved, moved_after, moved_line
from region_node.customers.operations import credited_account
from region_node.customers.rows import Line, find_line, line_of
from region_node.customers.states import states_of
from region_node.network.agreements import spans as microseconds
from region_node.network.agreements.outages import note_waiver, waivers_of
from region_node.network.faults import notices, outages, regional
from region_node.network.faults.outages import Span
from region_node.node.context import RegionContext
from region_node.node.rules import MOVED_HERE
from region_node.node.subjects import number_index
from region_node.requests.checks import is_name

_LIFETIME = timedelta(days=3650)  # the rent is due however long the new home is away
_CLOCKS = timedelta(days=1)  # by which clocks of two regions may differ
# Beyond these times around a move the word of the old home is not enough: staff give the rent back.
_BEFORE = timedelta(days=366)  # of the start before the confirmation
_LONGEST = timedelta(days=92)  # of the end behind it: the new home bears no more, whenever the outage began


def line_at(tx: Transaction, number: str, time: datetime) -> tuple[Line | None, MovedLine | None]:
    """The line that had a number, E.164, at the time of a report, and where it has moved since."""
    gone, line = moved_after(tx, number, time), None
    if gone is None:
        line = find_line(tx, number)
        # A fault of the time of the move itself comes to the old home, as long as the number plan names that. By the
        # repair the number may be here again: its line was elsewhere at the time of the report.
        gone = last_moved(tx, number) if line is None or start_of(tx, line) > time else None
    return (line, None) if gone is None else (line_of(tx, gone.product_id), gone)


def kept_line_at(
    tx: Transaction, context: RegionContext, number: str, time: datetime
) -> tuple[Line | None, MovedLine | None]:
    """As `line_at`, for a record that was lost: None for a line of a later customer, and for one of another home."""
    line, gone = line_at(tx, number, time)
    if gone is None:
        line = kept_line(tx, context, number)
    return (None if line is None or start_of(tx, line) > time + _CLOCKS else line), gone


def start_of(tx: Transaction, line: Line) -> datetime:
    """The time from which this region charges a line: one that has come by a move from its first state on."""
    return states_of(tx, line)[0].time if line.product_id.startswith(MOVED_HERE) else line.start_time


def until_move(span: Span, gone: MovedLine | None) -> Span:
    """The part of a time before the confirmation of a move; empty where it begins later."""
    end = span[1] if gone is None else min(span[1], from_microseconds(gone.end_time))
    return span[0], max(span[0], end)


def rent_of(tx: Transaction, context: RegionContext, line: Line, span: Span, known: Sequence[Span]) -> int:
    """The rent of a line for a time here without `known` times, in minor units."""
    try:
        rent = context.federation.plan(line.plan_id).monthly_rent.minor_units
    except Refused as refused:
        lasting(refused)  # a plan that left the configuration costs its lines nothing
        return 0
    counted = (max(span[0], start_of(tx, line)), span[1])
    spans = outages.without(counted, known) if counted[0] < counted[1] else []
    return outages.rent_of(rent, spans, context.time_zone)


def times_given(tx: Transaction, line: Line, span: Span) -> list[Span]:
    """The times of a line within a span for which rent was given back, for whatever fault."""
    found = waivers_of(tx, line.product_id, _stretch(span))
    return [(from_microseconds(each.span.start), from_microseconds(each.span.end)) for each in found]


def post_rent(
    tx: Transaction, context: RegionContext, line: Line, serial: str, given: tuple[Span, int], now: datetime
) -> None:
    """Gives rent back for a time, once: `given` has both. No agreement compensates the line for that time again."""
    span, amount = given
    note_waiver(tx, context, line.product_id, serial, _stretch(span), now)
    rent = earned(EntryKind.RENT)
    posting = transfer(serial, EntryKind.RENT_WAIVED, amount, debit=rent, credit=credited_account(line))
    ledger.post_once(tx, [posting], context.currency, now)


def told_of(fault: Fault, number: int, refunded: int, currency: str, *, is_owed: bool) -> FaultMoved:
    """An outage for the new home; `pass_on` adds the move."""
    outage = fault.outages[number]
    return FaultMoved(
        fault_id=fault.id,
        outage=number,
        number=fault.report.number,
        start_time=outage.start_time,
        end_time=outage.end_time,
        refunded=Money(minor_units=refunded, currency=currency),
        owed=is_owed,
    )


def pass_on(
    tx: Transaction, context: RegionContext, gone: MovedLine, told: FaultMoved, traceparent: str, now: datetime
) -> None:
    """Sends an outage to the next home, once, in the trace of the fault.

    The envelope belongs to the move, and is destroyed with its hand-over.
    """
    told.move_id, told.line = gone.move_id, gone.line
    envelope_id = f"{gone.move_id}#{told.fault_id}/{told.outage}>{gone.region}"
    if was_sent(tx, envelope_id):
        return
    outgoing = OutgoingEnvelope(
        envelope_id=envelope_id,
        destination=gone.region,
        kind=EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED,
        payload=told.SerializeToString(),
        subject=gone.move_id,
        operator="",
        lifetime=_LIFETIME,
    )
    send(tx, context.border, outgoing, now=now, traceparent=traceparent)


def require_told(tx: Transaction, context: RegionContext, told: FaultMoved, line: Line, now: datetime) -> None:
    """Raises Refused with ENVELOPE_INVALID for what cannot have been of a line: an outage, or the amount given back.

    The new home bears what it gives back, so that an old home cannot make it give back the rent of years.
    """
    is_known = all(is_name(part) for part in told.fault_id.split("/", 1))
    is_time = is_dated(told.start_time) and is_dated(told.end_time)
    if not (is_known and is_time) or not dated(told.start_time) <= dated(told.end_time) <= now + _CLOCKS:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no such outage")
    if told.refunded.currency != context.currency or told.refunded.minor_units < 0:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no such refund")
    start, end, moment = dated(told.start_time), dated(told.end_time), start_of(tx, line)
    gone = moved_line(tx, line.product_id)
    is_line = told.number == line.number if gone is None else number_index(tx, told.number) == gone.number
    if not is_line:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="another line of the move")
    if start < moment - _BEFORE or end > moment + _LONGEST:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="an outage too far from the move")
    if told.refunded.minor_units > regional.most_rent(context, (start, end)):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="more than the rent of any plan")


def give_rest(
    tx: Transaction,
    context: RegionContext,
    line: Line,
    told: FaultMoved,
    content: EnvelopeContent,
    now: datetime,
    signed: FaultWaived | None = None,
) -> FaultWaived:
    """Gives back the rent of an outage since the move of a line to this region, once. The answer names it.

    `content` is the envelope that has `told`.
    Where this region has lost what it had given back, `signed` is its first answer.
    """
    gone, serial, origin = moved_line(tx, line.product_id), regional.moved_serial(told), content.origin
    start, end = from_timestamp(told.start_time), from_timestamp(told.end_time)
    span = until_move((start, end), gone)
    amount = rent_of(tx, context, line, span, times_given(tx, line, span))
    waived, time = FaultWaived(), now
    if signed is not None and not signed.waived:
        amount = 0
    elif signed is not None:
        time, amount = dated(signed.waived[0].waiver.time), signed.waived[0].owed.minor_units or amount
    if amount:
        post_rent(tx, context, line, serial, (span, amount), now)
        each = waived.waived.add(outage=told.outage)
        each.waiver.time.CopyFrom(to_timestamp(time))
        if told.owed:
            each.owed.CopyFrom(Money(minor_units=amount, currency=context.currency))
            debt = Debt(regional.RENT, serial, origin, context.region, amount, time)
            regional.note_rent(tx, context, debt, now)
    detail = f"outage {told.outage}"
    audit.append(tx, now=now, actor=f"region/{origin}", action="WaiveRent", subject=told.fault_id, detail=detail)
    if gone is None:
        notices.tell_waived_in_parts(tx, told, amount, context, origin, now)
    else:
        further = FaultMoved()
        further.CopyFrom(told)
        further.refunded.minor_units += amount
        owing = [*(told.refunded_by or (origin,))] if told.refunded.minor_units else []
        further.refunded_by[:] = dict.fromkeys([*owing, context.region] if amount else owing)
        further.owed = False
        pass_on(tx, context, gone, further, content.traceparent, now)
    return waived


def _stretch(span: Span) -> microseconds.Span:
    return microseconds.Span(to_microseconds(span[0]), to_microseconds(span[1]))
