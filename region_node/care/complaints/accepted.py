"""What the acceptance of a resolution sets going, in the transaction that closes the complaint."""

from datetime import datetime

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.auditing import audit
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.store.timers import set_timer
from gateway.time.clock import from_timestamp
from region_node.care.complaints import remedy
from region_node.care.complaints.limits import refund
from region_node.node.context import RegionContext
from region_node.tickets.improvements import count_repeat

REMEDY_TIMER = "complaint-remedy"  # the money of a complaint is to be ordered


def accepted(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Has the money ordered that the resolution brings, and notes where an improvement did not keep the cause away.

    The order is placed by a transaction of its own, which a timer stands for: nothing that stands in its way undoes the
    acceptance. `complaint` is changed in place; the caller stores it.
    """
    if remedy.brings_money(complaint):
        remedy.agree(complaint, now)
        deadline = refund(context.federation, complaint, now)
        if deadline is not None:
            complaint.deadlines.append(deadline)
        order_soon(tx, complaint, now)
    _note_repeat(tx, context, complaint, now)
    failpoints.reach("complaint-accepted.before-commit")


def order_soon(tx: Transaction, complaint: Complaint, now: datetime) -> None:
    """Has the money of a complaint ordered at once; if the process dies before, by the next one."""
    timer_id = f"{REMEDY_TIMER}/{complaint.ticket_id}"
    set_timer(tx, timer_id, kind=REMEDY_TIMER, subject=complaint.ticket_id, due=now)


def _note_repeat(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Counts the complaint for the older actions against its cause."""
    category, cause = complaint.request.category, complaint.resolution.cause_code
    for action_id in count_repeat(tx, complaint.ticket_id, category, cause, from_timestamp(complaint.create_time)):
        audit.append(
            tx,
            now=now,
            actor=f"region/{context.region}",
            action="FlagImprovementAction",
            subject=action_id,
            detail=f"ineffective: {complaint.ticket_id}",
        )
