"""The times in which a fault is not repaired, and what of the rent is given back for them. Pure.

Telecommunications Regulations, art. 32: from the report on, a fault is repaired within 48 hours in towns and 72 hours
in the countryside; where it is not, the customer is told and pays no monthly rent for the time of the fault. Faults of
the customer's own terminal are excluded. The clock never stops, whoever is waited for.

An outage is such a time. What is repaired when the limit ends is repaired in time, and nothing is given back. What is
later gets back the whole time from the report to the repair, and not only what is beyond the limit. So does what the
customer takes back after the limit: it was late, and the customer was told so. A fault that opens again before its
limit has not been repaired: its outage goes on. One that opens again later begins another outage, with a limit of its
own, unless it was late before: then it is late at once, and the additional time is given back alone.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from gateway.api.federation.v1.configuration_pb2 import TimeLimit
from gateway.api.region.v1.fault_pb2 import Fault, FaultOutage
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp
from gateway.values.money import share_half_up
from region_node.business.billing.rules import Month
from region_node.network.faults import rules

Span = tuple[datetime, datetime]
"""From and until."""
_MICROSECOND = timedelta(microseconds=1)
_CLOCK_ERROR = 31_000_000  # microseconds between two members whose clocks are trusted


def begin(federation: Federation, fault: Fault, start: datetime) -> None:
    """A first outage, or another one, begins: of the limits of the regions concerned the strictest holds.

    Raises Refused with CONFIGURATION_INVALID where the policy is missing.
    """
    regions = [each for each in (fault.origin_region, fault.home_region, fault.owner_region) if each]
    first = federation.fault_repair(start, regions, rural=fault.report.place.rural)[0]
    _add(fault, start, first.due, first.region, first.limit)


def set_first(federation: Federation, fault: Fault) -> None:
    """The outage since the report, by the limits that the region in charge has in force."""
    del fault.outages[:]
    begin(federation, fault, from_timestamp(fault.create_time))


def due_of(fault: Fault) -> datetime | None:
    """By when it is, or was, to be repaired; None where it is, where nobody has to, and where the law says no time."""
    is_over = fault.outages[-1].HasField("end_time") or fault.state not in rules.UNREPAIRED
    return None if is_over or _is_excluded(fault) else from_timestamp(fault.outages[-1].due)


def note_breach(fault: Fault, now: datetime) -> bool:
    """Notes that the limit has passed without a repair; whether it has, and had not been noted before."""
    due = due_of(fault)
    if due is None or now <= due or fault.outages[-1].HasField("breach_time"):
        return False
    fault.outages[-1].breach_time.CopyFrom(to_timestamp(due))
    return True


def note_late_repair(fault: Fault) -> None:
    """Notes what was repaired too late while it seemed the customer's own, where it turns out to be the network's."""
    last = fault.outages[-1]
    is_late = last.HasField("end_time") and from_timestamp(last.end_time) > from_timestamp(last.due)
    if is_late and not last.HasField("breach_time") and not _is_excluded(fault):
        last.breach_time.CopyFrom(last.due)


def repair(fault: Fault, now: datetime) -> None:
    """It is repaired or taken back, late or in time, as its cause says already. To be called before the new state."""
    note_breach(fault, now)
    stop(fault, now)


def stop(fault: Fault, now: datetime) -> None:
    """Nobody has to repair it any more."""
    last = fault.outages[-1]
    if not last.HasField("end_time"):
        last.end_time.CopyFrom(to_timestamp(max(now, from_timestamp(last.start_time))))


def reopen(federation: Federation, fault: Fault, now: datetime) -> None:
    """It is not repaired after all. To be called after the new state."""
    last = fault.outages[-1]
    if last.HasField("breach_time"):
        _add(fault, now, from_timestamp(last.due), last.limit_region, last.limit)
        fault.outages[-1].breach_time.CopyFrom(to_timestamp(now))
    elif now <= from_timestamp(last.due):
        last.ClearField("end_time")
    else:
        begin(federation, fault, now)


def to_waive(fault: Fault) -> list[int]:
    """The outages, from 0, for which rent is due to the customer and was not given back yet.

    None before it is repaired or taken back, and so known what it was: one that opens again has no cause any more.
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
    """Whether the last outage was late, and nothing is given back for it as it was the customer's own."""
    last = fault.outages[-1]
    return last.HasField("breach_time") and not last.HasField("waiver") and _is_excluded(fault)


def span_of(outage: FaultOutage) -> Span:
    """From when until when an outage was."""
    return from_timestamp(outage.start_time), from_timestamp(outage.end_time)


def without(span: Span, known: Iterable[Span]) -> list[Span]:
    """What is left of a time without others: nothing is given back twice for two faults of one line."""
    left = [span]
    for start, end_ in known:
        cut: list[Span] = []
        for first, last in left:
            cut += [(first, min(last, start)), (max(first, end_), last)]
        left = [each for each in cut if each[0] < each[1]]
    return left


def rent_of(monthly_rent: int, spans: Sequence[Span], time_zone: str) -> int:
    """The part of a monthly rent for some times, in minor units: of each month its share, rounded half up once."""
    share = Fraction(0)
    for start, end_ in spans:
        month = Month.at(start, time_zone)
        while month.start < end_:
            inside = min(end_, month.end) - max(start, month.start)
            share += Fraction(inside // _MICROSECOND, (month.end - month.start) // _MICROSECOND)
            month = month.next()
    return share_half_up(monthly_rent, share.numerator, share.denominator)


def require_plausible(fault: Fault, now: datetime) -> None:
    """Raises Refused with ENVELOPE_INVALID for outages of another region's word that cannot have been.

    They are since the report, one after the other, late only where the limit had passed, and none ends in the future.
    """
    last = to_microseconds(from_timestamp(fault.create_time))
    latest = to_microseconds(now) + _CLOCK_ERROR
    for each in fault.outages:
        start, due = (to_microseconds(from_timestamp(time)) for time in (each.start_time, each.due))
        ends = to_microseconds(from_timestamp(each.end_time)) if each.HasField("end_time") else latest
        is_late = each.HasField("breach_time")
        if not last <= start <= ends <= latest or (is_late and ends <= due):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no such outage")
        last = ends
    if not fault.outages:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no outage")


def _add(fault: Fault, start: datetime, due: datetime, region: str, limit: TimeLimit) -> None:
    fault.outages.add(start_time=to_timestamp(start), due=to_timestamp(due), limit_region=region, limit=limit)


def _is_excluded(fault: Fault) -> bool:
    return fault.terminal_caused or fault.cause in rules.NOT_OF_THE_NETWORK
