"""How long orders took from their intake to their completion, counted as they are completed."""

from datetime import datetime, timedelta

from gateway.api.region.v1.order_pb2 import Order
from gateway.store.port import Transaction
from gateway.store.tables import Tally
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.customers.documents.reuse import count_reuse

DAYS_COUNTED = 30
_DAY = 86_400_000_000  # microseconds
_COMPLETED = Tally("completed_orders", key=("business", "day", "took"), added=("orders",))


def rounded_up(took: timedelta) -> int:
    """A time in milliseconds, rounded up to two significant digits; at least 1."""
    milliseconds = max(1, -(-took // timedelta(milliseconds=1)))
    unit = 1
    while milliseconds > 99 * unit:
        unit *= 10
    return -(-milliseconds // unit) * unit


def note_completed(tx: Transaction, order: Order, now: datetime) -> None:
    """Counts an order that has just been completed."""
    count_reuse(tx, order)
    business, day = order.request.business, to_microseconds(now) // _DAY
    took = rounded_up(now - from_timestamp(order.create_time))
    tx.add(_COMPLETED, business, day, took, orders=1)


def forget_counted(tx: Transaction, now: datetime) -> None:
    """Removes the days that are counted no more."""
    tx.execute("DELETE FROM completed_orders WHERE day < :oldest", oldest=_oldest_day(now))


def times_taken(tx: Transaction, business: str, now: datetime) -> list[tuple[int, int]]:
    """The durations of orders of a business (milliseconds, ascending) with their counts, in the last 30 days."""
    return tx.all(
        lambda took, orders: (took, orders),
        "SELECT took, CAST(SUM(orders) AS BIGINT) FROM completed_orders"
        " WHERE business = :business AND day >= :oldest GROUP BY took ORDER BY took",
        business=business,
        oldest=_oldest_day(now),
    )


def _oldest_day(now: datetime) -> int:
    return to_microseconds(now) // _DAY - DAYS_COUNTED
