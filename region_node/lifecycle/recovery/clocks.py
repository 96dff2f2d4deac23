"""Confirming a clock by people where nobody else can."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.api.region.v1.approval_service_pb2 import ApprovalAct
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.revocations import Revocations
from gateway.store.agreed_time import keep_agreed
from gateway.store.port import Transaction
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import time_in
from region_node.approvals.operations import Act, Awaited, approval_of, use
from region_node.requests.auditing import AuditedCall

READING = timedelta(minutes=2)
"""The greatest difference of a time that a person reads and types: it tells of a wrong day, not of seconds."""


def require_confirmable(clock: AgreedClock, present: datetime) -> datetime:
    """The time of the machine, which a person reads from another clock, too.

    Raises Refused with CLOCK_NEEDS_NOBODY, and with CLOCK_DIFFERS where the machine shows another time.
    """
    if clock.is_settled() or not clock.is_alone():
        raise Refused(Reason.REASON_CLOCK_NEEDS_NOBODY)
    shown = clock.wall()
    if abs(shown - present) > READING:
        raise Refused(Reason.REASON_CLOCK_DIFFERS, time=time_in(UTC, shown))
    return shown


def confirm(
    tx: Transaction, shown: datetime, reference: str, call: AuditedCall, revocations: Revocations
) -> Awaited | None:
    """Keeps the time of the machine as the agreed one, once a second member of staff has confirmed the act.

    The approval has the times of the clock so far, which may be ahead; what stays has that of the machine.
    """
    act = Act(ApprovalAct.APPROVAL_ACT_CONFIRM_CLOCK, reference=reference)
    approval = approval_of(tx, act, call, revocations)
    if isinstance(approval, Awaited):
        return approval
    use(tx, approval)
    keep_agreed(tx, shown)
    replace(call, now=shown).record(tx, "ConfirmClock", "clock", f"reference {reference}, {approval.confirmation}")
    return None
