"""Dealings of operator systems and members of staff with lines of this home region, counted by the hour.

Counters are added to without a read. The hour is that of arrival by the clock of this region: a time that another
region sends proves nothing. `region_node.care.anomalies` looks at the counters, and removes them.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.store.port import Transaction
from gateway.store.tables import Tally
from region_node.node.context import RegionContext
from region_node.node.rules import OF_STAFF
from region_node.node.unknown_numbers import NumberUnknown, Party
from region_node.requests.checks import is_name

HOUR = 3600  # seconds
_DEALINGS = Tally(
    "dealings", key=("hour", "region", "operator", "staff_id"), added=("lines", "failures", "unknown_numbers")
)
OF_NOBODY = frozenset(
    {
        Reason.REASON_SUBSCRIPTION_NOT_FOUND,
        Reason.REASON_CUSTOMER_NOT_FOUND,
        Reason.REASON_PROOF_NOT_OF_NUMBER,
    }
)
"""The refusals of numbers that nobody has, and of proofs that may name one."""


@dataclass(frozen=True)
class Dealer:
    """The region that asks, its operator system as `Caller.operator`, and the member of staff that this names."""

    region: str
    operator: str
    staff_id: str = ""


def count_line(tx: Transaction, dealer: Dealer, now: datetime) -> None:
    """Counts an order for a line, or a reading of it, without a proof of the customer."""
    _add(tx, counted_as(dealer), hour_of(now), lines=1)


def count_failure(
    tx: Transaction, dealer: Dealer, now: datetime, refused: Reason.ValueType = Reason.REASON_UNSPECIFIED
) -> None:
    """Counts a refused order or reading, a wrong code or password, or a code for a number that nobody has.

    `refused` is the reason of the refusal of a call that names a number. By SUBSCRIPTION_NOT_FOUND and
    CUSTOMER_NOT_FOUND its caller learns that nobody has the number. PROOF_NOT_OF_NUMBER leaves that open. It
    counts alike for all numbers, so that no bound reveals it.
    """
    party, hour = counted_as(dealer), hour_of(now)
    is_unknown = refused in OF_NOBODY
    _add(tx, party, hour, failures=1, unknown_numbers=int(is_unknown))
    if is_unknown:
        tx.publish(NumberUnknown(party, hour))


def require_few_unknown(context: RegionContext, dealer: Dealer, now: datetime) -> None:
    """Raises Refused with UNKNOWN_NUMBERS_TOO_MANY where the dealer has named too many unknown numbers in this hour.

    Called before a number is looked up for a caller who would learn whether somebody has it.
    """
    if context.unknown_numbers.is_named(dealer.region):
        hour, left = hour_of(now), HOUR - int(now.timestamp()) % HOUR
        context.unknown_numbers.require_few(context.figure, context.region, counted_as(dealer), hour, left)


def hour_of(now: datetime) -> int:
    """The hour of an instant, in hours since 1970."""
    return int(now.timestamp()) // HOUR


def counted_as(dealer: Dealer) -> Party:
    """The party of a dealer: names of a wrong form count for the rest of their region, or of their operator system."""
    operator = dealer.operator if is_name(dealer.operator.removeprefix(OF_STAFF)) else ""
    staff_id = dealer.staff_id if operator and is_name(dealer.staff_id) else ""
    return Party(dealer.region, operator, staff_id)


def _add(
    tx: Transaction, party: Party, hour: int, *, lines: int = 0, failures: int = 0, unknown_numbers: int = 0
) -> None:
    tx.add(_DEALINGS, hour, *party, lines=lines, failures=failures, unknown_numbers=unknown_numbers)
