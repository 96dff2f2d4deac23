"""Dealings of operator systems and members of staff with lines of this home region, counted by the hour.

Counters are added to without a read. The hour is that of arrival by the clock of this region: a time that another
region sends proves nothing. `region_node.care.anomalies` looks at the counters, and removes them.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.store.port import Transaction
from gateway.store.tables import Tally
from region_node.requests.checks import is_name

HOUR = 3600  # seconds
_STAFF = "staff/"  # before the name of an operator who has a certificate of staff
_DEALINGS = Tally("dealings", key=("hour", "region", "operator", "staff_id"), added=("lines", "failures"))


@dataclass(frozen=True)
class Dealer:
    """The region that asks, its operator system as `Caller.operator`, and the member of staff that this names."""

    region: str
    operator: str
    staff_id: str = ""


def count_line(tx: Transaction, dealer: Dealer, now: datetime) -> None:
    """Counts an order for a line, or a reading of it, without a proof of the customer."""
    _count(tx, dealer, now, lines=1, failures=0)


def count_failure(tx: Transaction, dealer: Dealer, now: datetime) -> None:
    """Counts a refused order or reading, a wrong code or password, or a code for a number that nobody has."""
    _count(tx, dealer, now, lines=0, failures=1)


def hour_of(now: datetime) -> int:
    """The hour of an instant, in hours since 1970."""
    return int(now.timestamp()) // HOUR


def _count(tx: Transaction, dealer: Dealer, now: datetime, *, lines: int, failures: int) -> None:
    operator = dealer.operator if is_name(dealer.operator.removeprefix(_STAFF)) else ""
    staff_id = dealer.staff_id if operator and is_name(dealer.staff_id) else ""
    tx.add(_DEALINGS, hour_of(now), dealer.region, operator, staff_id, lines=lines, failures=failures)
