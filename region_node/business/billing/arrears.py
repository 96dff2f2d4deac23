"""Late fees and the procedure against arrears (Telecommunications Regulations, art. 34). Pure.

Payments count towards charges first, the oldest first, and towards late fees last. A late fee accrues for every day
that ends with an unpaid principal, from the day after the due date. Late fees bear no late fees. A line is suspended
only after days overdue, and terminated only after further days of suspension. The customer is notified before each
(Order 36, art. 10: 24 hours).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from gateway.values.money import share_half_up

NOTICE = timedelta(hours=24)
NOTICE_BEFORE = timedelta(days=2)  # a run that comes some seconds earlier than the day before still keeps to NOTICE


@dataclass(frozen=True)
class ArrearsState:
    """The progress of the procedure: the times of the notices and of the suspension; None where not yet."""

    warned: datetime | None = None
    suspended: datetime | None = None
    last_warned: datetime | None = None

    def came_before(self, overdue_since: datetime) -> bool:
        """Whether it came so far before the oldest bill that is unpaid was overdue: by bills that were paid since."""
        reached = self.suspended or self.warned
        return reached is not None and reached <= overdue_since


class Move(Enum):
    """The next step of the procedure."""

    NOTHING = auto()
    WARN = auto()
    SUSPEND = auto()
    WARN_LAST = auto()
    TERMINATE = auto()


def late_fee(principal: int, per_mille: int) -> int:
    """The late fee of one day on an overdue principal, in minor units, rounded half up once."""
    return share_half_up(principal, per_mille, 1000)


def unpaid(balance_then: int, credits_since: int) -> int:
    """The unpaid part of all charges up to a time: the balance then, and the credits since."""
    return max(0, -(balance_then + credits_since))


def next_move(
    state: ArrearsState, overdue_since: datetime, now: datetime, *, suspension_days: int, termination_days: int
) -> Move:
    """The next step for an overdue account; the days are policies."""
    if state.suspended is None:
        begins = overdue_since + timedelta(days=suspension_days)
        if state.warned is None:
            return Move.WARN if now >= begins - NOTICE_BEFORE else Move.NOTHING
        return Move.SUSPEND if now >= max(begins, state.warned + NOTICE) else Move.NOTHING
    ends = state.suspended + timedelta(days=termination_days)
    if state.last_warned is None:
        return Move.WARN_LAST if now >= ends - NOTICE_BEFORE else Move.NOTHING
    return Move.TERMINATE if now >= max(ends, state.last_warned + NOTICE) else Move.NOTHING
