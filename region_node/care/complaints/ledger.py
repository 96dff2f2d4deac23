"""The ledger of a complaint's time: every second is booked to one party and one reason. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.api.region.v1.complaint_pb2 import Complaint, LedgerEntry, TimeReason
from gateway.time.clock import from_timestamp
from region_node.care.complaints import rules
from region_node.care.complaints.deadlines import Hours, due_of, find

Account = tuple[str, "TimeReason.ValueType"]
"""A region, or the empty name of the customer, and the reason."""


def ended(complaint: Complaint) -> datetime | None:
    """The instant of its final event; None while it is open."""
    return from_timestamp(complaint.state_changes[-1].time) if rules.is_final(complaint) else None


def is_estimated(complaint: Complaint) -> bool:
    """Whether nobody has recorded its resolution, or its end without a resolution."""
    resolved = [each for each in complaint.state_changes if each.state == rules.RESOLVED]
    return any(each.estimated for each in (resolved or complaint.state_changes)[-1:])


def booked(complaint: Complaint, until: datetime, hours: Hours) -> dict[Account, timedelta]:
    """The time of each holder, in order of first appearance; the sum is the time from filing to `until`.

    A department's time outside of its hours is booked to its closed hours.
    """
    totals: dict[Account, timedelta] = {}

    def book(region: str, reason: TimeReason.ValueType, amount: timedelta) -> None:
        if amount:
            totals[region, reason] = totals.get((region, reason), timedelta()) + amount

    starts = [from_timestamp(each.start_time) for each in complaint.custody]
    ends = [*starts[1:], max(until, starts[-1])] if starts else []
    for each, start, end in zip(complaint.custody, starts, ends, strict=True):
        if each.reason != rules.WORKING:
            book(each.region, each.reason, end - start)
            continue
        open_time = hours(each.region).between(start, end)
        book(each.region, rules.WORKING, open_time)
        book(each.region, rules.CLOSED_HOURS, end - start - open_time)
    return totals


def entries(complaint: Complaint, now: datetime, hours: Hours) -> Sequence[LedgerEntry]:
    """The ledger until the complaint ended, or until now."""
    found = []
    for (region, reason), amount in booked(complaint, ended(complaint) or now, hours).items():
        entry = LedgerEntry(region=region, reason=reason)
        entry.duration.FromTimedelta(amount)
        found.append(entry)
    return found


def remedy_lateness(complaint: Complaint, now: datetime) -> timedelta | None:
    """The delay of the accepted money; None where it is in time, or has no limit."""
    each = find(complaint, rules.REFUND)
    if each is None:
        return None
    late = (from_timestamp(each.met_time) if each.HasField("met_time") else now) - due_of(each)
    return late if late > timedelta() else None


def lateness(complaint: Complaint, now: datetime) -> timedelta | None:
    """The delay of the resolution; None where it is in time, or unknown. The ledger has the reasons."""
    each = find(complaint, rules.RESOLVE)
    if each is None or is_estimated(complaint):
        return None
    until = from_timestamp(each.met_time) if each.HasField("met_time") else (ended(complaint) or now)
    late = until - due_of(each)
    return late if late > timedelta() else None
