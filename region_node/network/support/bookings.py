"""The bookings of shared resources: never more than there is is lent for one time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.region.v1.support_resource_service_pb2 import SharedResource
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds

_FOREVER = 2**62  # microseconds


@dataclass(frozen=True)
class Booking:
    """A quantity from `start` to `end`, in microseconds; both the start and the instants before the end count."""

    quantity: int
    start: int
    end: int


def highest_use(booked: Sequence[Booking], start: int, end: int, now: int) -> int:
    """The highest quantity that is booked at an instant from `start` to `end`. Pure.

    Bookings last until they are released: an overdue one has no end.
    """
    lasting = [each if each.end > now else Booking(each.quantity, each.start, _FOREVER) for each in booked]
    met = [each for each in lasting if each.start < end and each.end > start]
    instants = {start, *(each.start for each in met if each.start > start)}
    return max(sum(each.quantity for each in met if each.start <= at < each.end) for at in instants)


def free_times(resource: SharedResource, booked: Sequence[Booking], now: datetime) -> Sequence[tuple[datetime, int]]:
    """The free quantity of a resource now, and at each later instant at which it changes. Pure.

    Nothing is free outside of the time in which the region lends it; an overdue booking lasts.
    """
    begun = to_microseconds(now)
    first = to_microseconds(from_timestamp(resource.start_time)) if resource.HasField("start_time") else begun
    last = to_microseconds(from_timestamp(resource.end_time)) if resource.HasField("end_time") else _FOREVER
    lasting = [each if each.end > begun else Booking(each.quantity, each.start, _FOREVER) for each in booked]
    instants = {begun, first, last, *(each.start for each in lasting), *(each.end for each in lasting)}
    found: list[tuple[datetime, int]] = []
    for at in sorted(each for each in instants if begun <= each < _FOREVER):
        used = sum(each.quantity for each in lasting if each.start <= at < each.end)
        free = max(resource.quantity - used, 0) if first <= at < last else 0
        if not found or found[-1][1] != free:
            found.append((from_microseconds(at), free))
    return found


def book(
    tx: Transaction,
    loan_id: str,
    resource: SharedResource,
    quantity: int,
    span: tuple[datetime, datetime],
    now: datetime,
) -> None:
    """Books a quantity for a loan, in place of its former booking.

    Raises Refused with RESOURCE_NOT_FREE where it is not free for all of the span, before the write. The store runs
    writing operations one after the other, also those of several processes.
    """
    start, end = map(to_microseconds, span)
    used = highest_use(_booked(tx, resource.id, loan_id), start, end, to_microseconds(now))
    is_shared = _is_within(resource, span)
    if not is_shared or used + quantity > resource.quantity:
        free = max(resource.quantity - used, 0) if is_shared else 0
        raise Refused(Reason.REASON_RESOURCE_NOT_FREE, resource=resource.id, free=str(free))
    book_again(tx, loan_id, resource.id, quantity, span)


def book_again(tx: Transaction, loan_id: str, resource_id: str, quantity: int, span: tuple[datetime, datetime]) -> None:
    """Books what a loan holds, whatever is free: its region has promised it."""
    start, end = map(to_microseconds, span)
    tx.execute(
        "INSERT INTO resource_bookings (loan_id, resource_id, quantity, start_time, end_time)"
        " VALUES (:loan_id, :resource_id, :quantity, :start, :end) ON CONFLICT (loan_id) DO UPDATE SET"
        " quantity = excluded.quantity, start_time = excluded.start_time, end_time = excluded.end_time",
        loan_id=loan_id,
        resource_id=resource_id,
        quantity=quantity,
        start=start,
        end=end,
    )


def release(tx: Transaction, loan_id: str) -> None:
    """Ends the booking of a loan; without one nothing happens."""
    tx.execute("DELETE FROM resource_bookings WHERE loan_id = :loan_id", loan_id=loan_id)


def require_unlent(tx: Transaction, resource_id: str, quantity: int, now: datetime) -> None:
    """Raises Refused with RESOURCE_LENT where more than `quantity` is booked at an instant."""
    used = highest_use(_booked(tx, resource_id, ""), 0, _FOREVER, to_microseconds(now))
    if used > quantity:
        raise Refused(Reason.REASON_RESOURCE_LENT, resource=resource_id, quantity=str(used))


def require_lent_within(tx: Transaction, resource: SharedResource) -> None:
    """Raises Refused with RESOURCE_LENT where a part is booked for a time in which it is not shared any more."""
    outside = 0
    for each in _booked(tx, resource.id, ""):
        if not _is_within(resource, (from_microseconds(each.start), from_microseconds(each.end))):
            outside += each.quantity
    if outside:
        raise Refused(Reason.REASON_RESOURCE_LENT, resource=resource.id, quantity=str(outside))


def _is_within(resource: SharedResource, span: tuple[datetime, datetime]) -> bool:
    """Whether the region shares the resource for all of a span."""
    start, end = span
    is_after = not resource.HasField("start_time") or from_timestamp(resource.start_time) <= start
    return is_after and (not resource.HasField("end_time") or end <= from_timestamp(resource.end_time))


def _booked(tx: Transaction, resource_id: str, but: str) -> Sequence[Booking]:
    """The bookings of a resource, but that of one loan."""
    return tx.all(
        Booking,
        "SELECT quantity, start_time, end_time FROM resource_bookings"
        " WHERE resource_id = :resource_id AND loan_id <> :but",
        resource_id=resource_id,
        but=but,
    )
