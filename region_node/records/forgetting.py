"""Has the envelopes about a record forgotten once they have had their answers."""

from datetime import datetime, timedelta

from gateway.store.port import Transaction
from gateway.store.timers import set_timer

FORGET_TIMER = "envelopes-forgotten"
_ANSWERED_WITHIN = timedelta(days=1)


def forget_later(tx: Transaction, subject: str, now: datetime) -> None:
    """Has the envelopes about a subject forgotten in a day, or later while one of them waits for its answer."""
    set_timer(tx, f"{FORGET_TIMER}/{subject}", kind=FORGET_TIMER, subject=subject, due=now + _ANSWERED_WITHIN)
