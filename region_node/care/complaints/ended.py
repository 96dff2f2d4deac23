"""When a complaint has ended, whether its customer was erased is looked at."""

from datetime import datetime

from gateway.store.port import Transaction
from gateway.timers import set_timer

ENDED_TIMER = "complaint-ended"  # what is kept about an erased customer may have to go


def look_at_ended(tx: Transaction, docket: str, now: datetime) -> None:
    """Has it looked at once whether a complaint, of which something may still be open, has to go."""
    set_timer(tx, f"{ENDED_TIMER}/{docket}", kind=ENDED_TIMER, subject=docket, due=now)
