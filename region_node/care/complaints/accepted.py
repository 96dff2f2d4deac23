"""The consequences of an accepted resolution, in the transaction that closes the complaint."""

from datetime import datetime

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.store.timers import set_timer
from region_node.care.complaints import remedy
from region_node.care.complaints.limits import refund
from region_node.node.context import RegionContext
from region_node.tickets.improvements import note_repeat

REMEDY_TIMER = "complaint-remedy"  # the money of a complaint is to be ordered


def accepted(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Orders the money of the resolution, and notes where an improvement did not prevent the cause.

    A timer places the order in its own transaction, so that no failure of it undoes the acceptance. `complaint` is
    changed in place; the caller stores it.
    """
    if remedy.brings_money(complaint):
        remedy.agree(complaint, now)
        deadline = refund(context.federation, complaint, now)
        if deadline is not None:
            complaint.deadlines.append(deadline)
        order_soon(tx, complaint, now)
    note_repeat(tx, context.region, complaint, now)
    failpoints.reach("complaint-accepted.before-commit")


def order_soon(tx: Transaction, complaint: Complaint, now: datetime) -> None:
    """Schedules the order of a complaint's money immediately; after a kill, another process places it."""
    timer_id = f"{REMEDY_TIMER}/{complaint.ticket_id}"
    set_timer(tx, timer_id, kind=REMEDY_TIMER, subject=complaint.ticket_id, due=now)
