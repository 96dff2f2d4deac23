"""A timer that goes through each month after its end, place by place.

Its subject is the month and the place in it, or the time of the first request. The month of that time is known once
there is a configuration.
"""

from datetime import datetime, timedelta

from gateway.store.port import Transaction
from gateway.store.timers import is_set, set_timer, subject_of
from gateway.time.clock import from_microseconds, to_microseconds
from region_node.business.billing.rules import Month

RETRY = timedelta(minutes=1)
"""Until the next look of a node without a configuration."""
_SINCE = "since"


def ensure_monthly(tx: Transaction, kind: str, now: datetime) -> None:
    """Sets the one timer of a kind if it is missing: the first month is the current one."""
    if not is_set(tx, kind):
        come_back(tx, kind, f"{_SINCE} {to_microseconds(now)}", now)


def come_back(tx: Transaction, kind: str, subject: str, due: datetime) -> None:
    """Sets the one timer of a kind again."""
    set_timer(tx, kind, kind=kind, subject=subject, due=due)


def has_passed(tx: Transaction, kind: str, month: Month, place: str) -> bool:
    """Whether the timer of a kind has gone through a place of a month, to which it does not come back."""
    subject = subject_of(tx, kind)
    if subject is None:
        return False
    running, after = place_of(subject, month.time_zone)
    return (month.name, place) <= (running.name, after)


def place_of(subject: str, zone: str) -> tuple[Month, str]:
    """The month, by the clocks of a zone, and the place in it; the empty place is the beginning."""
    name, _, after = subject.partition(" ")
    return (Month.at(from_microseconds(int(after)), zone), "") if name == _SINCE else (Month.of(name, zone), after)
