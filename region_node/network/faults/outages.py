"""The times of unrepaired faults, and the rent to give back for them. Pure.

Telecommunications Regulations, art. 32: the limit is 48 hours from the report in towns, and 72 hours in the
countryside. After the limit the customer is notified, and pays no monthly rent for the time of the fault. Faults of the
customer's own terminal are excluded. The clock never stops, not even for the customer.

An outage is such a time. A repair at the end of the limit is in time, and no rent is given back. A later repair gives
back the whole time from the report to the repair, and not only the delay. The same holds for a report withdrawn after
the limit: the customer already has a notice of the delay. A fault reopened before its limit has not been repaired: its
outage continues. A fault reopened later begins another outage, with its own limit. If it was late before, it is late
immediately, and only the additional time is given back.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from gateway.api.federation.v1.configuration_pb2 import TimeLimit
from gateway.api.region.v1.fault_pb2 import Fault, FaultOutage
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.time.clock import BETWEEN_TRUSTED, from_timestamp, to_microseconds, to_timestamp
from gateway.values.money import share_half_up
from region_node.business.billing.rules import Month
from region_node.network.faults import rules

Span = tuple[datetime, datetime]
"""From and until."""
_MICROSECOND = timedelta(microseconds=1)


def begin(federation: Federation, fault: Fault, start: datetime) -> None:
    """Begins an outage; the strictest limit of the regions concerned counts.

    Raises Refused with CONFIGURATION_INVALID where the policy is missing.
    """
    regions = [each for each in (fault.origin_region, fault.home_region, fault.owner_region) if each]
    first = federation.fault_repair(start, regions, rural=fault.report.place.rural)[0]
    _add(fault, start, first.due_time, first.region, first.limit)


def set_first(federation: Federation, fault: Fault) -> None:
    """The outage since the report, by the limits that the region in charge has in force."""
    del fault.outages[:]
    begin(federation, fault, from_timestamp(fault.create_time))


def due_of(fault: Fault) -> datetime | None:
    """The limit of the repair; None where it is repaired, needs no repair, or has no limit by law."""
    is_over = fault.outages[-1].HasField("end_time") or fault.state not in rules.UNREPAIRED
    return None if is_over or _is_excluded(fault) else from_timestamp(fault.outages[-1].due_time)


def note_breach(fault: Fault, now: datetime) -> bool:
    """Notes an unmet limit; returns whether it is new."""
    due = due_of(fault)
    if due is None or now <= due or fault.outages[-1].HasField("breach_time"):
        return False
    fault.outages[-1].breach_time.CopyFrom(to_timestamp(due))
    return True


def note_late_repair(fault: Fault) -> None:
    """Notes a late repair of the customer's own fault, where it turns out to be the network's."""
    last = fault.outages[-1]
    is_late = last.HasField("end_time") and from_timestamp(last.end_time) > from_timestamp(last.due_time)
    if is_late and not last.HasField("breach_time") and not _is_excluded(fault):
        last.breach_time.CopyFrom(last.due_time)


def repair(fault: Fault, now: datetime) -> None:
    """Ends the outage by a repair or withdrawal, late or in time by its cause. Call it before the new state."""
    note_breach(fault, now)
    stop(fault, now)
    fault.outages[-1].cause = fault.cause


def stop(fault: Fault, now: datetime) -> None:
    """Ends the outage of a fault that needs no repair any more."""
    last = fault.outages[-1]
    if not last.HasField("end_time"):
        last.end_time.CopyFrom(to_timestamp(max(now, from_timestamp(last.start_time))))


def reopen(federation: Federation, fault: Fault, now: datetime) -> None:
    """Begins an outage of a reopened fault. Call it after the new state."""
    last = fault.outages[-1]
    now = max(now, from_timestamp(last.end_time))  # the clock may have stepped back since the repair
    if last.HasField("breach_time"):
        _add(fault, now, from_timestamp(last.due_time), last.limit_region, last.limit)
        fault.outages[-1].breach_time.CopyFrom(to_timestamp(now))
    elif now <= from_timestamp(last.due_time):
        last.ClearField("end_time")
        last.ClearField("cause")
    else:
        begin(federation, fault, now)


def to_waive(fault: Fault) -> list[int]:
    """The outages, from 0, for which rent is due to the customer and was not given back yet.

    None before the repair or withdrawal, which sets the cause: a reopened fault has no cause any more.
    """
    is_known = fault.state in rules.REPAIRED or fault.state == rules.CANCELLED
    if not fault.report.number or not is_known or _is_excluded(fault):
        return []
    return [
        number
        for number, each in enumerate(fault.outages)
        if each.HasField("breach_time") and each.HasField("end_time") and not each.HasField("waiver")
    ]


def is_late_by_the_customer(fault: Fault) -> bool:
    """Whether the last outage was late, but without rent given back, as the cause was the customer's own."""
    last = fault.outages[-1]
    return last.HasField("breach_time") and not last.HasField("waiver") and _is_excluded(fault)


def span_of(outage: FaultOutage) -> Span:
    """The start and the end of an outage."""
    return from_timestamp(outage.start_time), from_timestamp(outage.end_time)


def without(span: Span, known: Iterable[Span]) -> list[Span]:
    """The rest of a time without others: two faults of one line give nothing back twice."""
    left = [span]
    for start, end_ in known:
        cut: list[Span] = []
        for first, last in left:
            cut += [(first, min(last, start)), (max(first, end_), last)]
        left = [each for each in cut if each[0] < each[1]]
    return left


def rent_of(monthly_rent: int, spans: Sequence[Span], time_zone: str) -> int:
    """The part of a monthly rent for some times, in minor units: each month's share, rounded half up once."""
    share = Fraction(0)
    for start, end_ in spans:
        month = Month.at(start, time_zone)
        while month.start < end_:
            inside = min(end_, month.end) - max(start, month.start)
            share += Fraction(inside // _MICROSECOND, (month.end - month.start) // _MICROSECOND)
            month = month.next()
    return share_half_up(monthly_rent, share.numerator, share.denominator)


def require_plausible(fault: Fault, now: datetime) -> None:
    """Raises Refused with ENVELOPE_INVALID for impossible outages in another region's version.

    Outages begin after the report, follow one another, are late only after the limit, and end in the past.
    """
    last = to_microseconds(from_timestamp(fault.create_time))
    latest = to_microseconds(now + BETWEEN_TRUSTED)
    for each in fault.outages:
        start, due = (to_microseconds(from_timestamp(time)) for time in (each.start_time, each.due_time))
        ends = to_microseconds(from_timestamp(each.end_time)) if each.HasField("end_time") else latest
        is_late = each.HasField("breach_time")
        if not last <= start <= ends <= latest or (is_late and ends <= due):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no such outage")
        last = ends
    if not fault.outages:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no outage")


def _add(fault: Fault, start: datetime, due: datetime, region: str, limit: TimeLimit) -> None:
    fault.outages.add(start_time=to_timestamp(start), due_time=to_timestamp(due), limit_region=region, limit=limit)


def _is_excluded(fault: Fault) -> bool:
    return fault.terminal_caused or fault.cause in rules.NOT_OF_THE_NETWORK
