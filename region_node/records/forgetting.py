"""Forgets the envelopes about a record after their receipts."""

from datetime import datetime, timedelta

from gateway.store.port import Transaction
from gateway.store.timers import set_timer

FORGET_TIMER = "envelopes-forgotten"
_ANSWERED_WITHIN = timedelta(days=1)


def forget_later(tx: Transaction, subject: str, now: datetime) -> None:
    """Forgets the envelopes about a subject in a day, or later while one of them waits for its receipt."""
    set_timer(tx, f"{FORGET_TIMER}/{subject}", kind=FORGET_TIMER, subject=subject, due=now + _ANSWERED_WITHIN)
