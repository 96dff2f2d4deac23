"""Money for complaints: the owner region's node orders it from the home region, and follows the order.

The order's id consists of ticket id and attempt, and an attempt follows only one without effect. So the home region
books the money once, despite kills and resends.
"""

from copy import deepcopy
from datetime import datetime

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.auditing import audit
from gateway.errors import Refused, lasting
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from region_node.business.orders import intake
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import find_order
from region_node.care.complaints import owner, remedy
from region_node.care.complaints.rows import ComplaintRow, find_complaint
from region_node.customers.accounts.remedies import ticket_id_of
from region_node.node.context import RegionContext
from region_node.requests.caller import OwnNode
from region_node.requests.checks import error_of


def order_is_due(tx: Transaction, orders: OrderContext, timer: Timer, now: datetime) -> None:
    """Orders the money of a complaint. Raises Refused where the node cannot order anything now: the timer stays due."""
    context = orders.node
    row = _owned(tx, context, timer.subject)
    if row is None or row.complaint.remedy.state != remedy.AGREED:
        return
    complaint, before = row.complaint, deepcopy(row.complaint)
    caller = OwnNode(context.region, remedy.request_id(complaint), row.traceparent)
    try:
        order = intake.submit(tx, orders, caller, remedy.order_for(complaint), now)
    except Refused as refused:  # before its first write
        remedy.refuse(complaint, error_of(lasting(refused)), now)
    else:
        remedy.follow(complaint, order, now)
    failpoints.reach("remedy-ordered.before-commit")
    _keep(tx, context, row, before, now)


def order_changed(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Stores the state of the money's order in the complaint, and notifies the customer."""
    found = find_order(tx, timer.subject)
    row = _owned(tx, context, ticket_id_of(timer.subject))
    if found is None or row is None:  # made unreadable since, or only booked here
        return
    before = deepcopy(row.complaint)
    if remedy.follow(row.complaint, found.order, now):
        failpoints.reach("remedy-followed.before-commit")
        _keep(tx, context, row, before, now)


def order_again(tx: Transaction, context: RegionContext, ticket_id: str, now: datetime) -> Complaint:
    """Has money that the home region refused ordered once more. Raises Refused before the first write."""
    row = owner.require_owned(tx, context, ticket_id, now)
    before = deepcopy(row.complaint)
    remedy.order_again(row.complaint, now)
    remedy.order_soon(tx, row.complaint, now)
    owner.keep_and_tell(tx, context, row, before, now)
    return row.complaint


def settle_otherwise(
    tx: Transaction, context: RegionContext, ticket_id: str, staff_id: str, note: str, now: datetime
) -> Complaint:
    """Money that the home region refused was given in another way. Raises Refused before the first write."""
    row = owner.require_owned(tx, context, ticket_id, now)
    before = deepcopy(row.complaint)
    remedy.settle_otherwise(row.complaint, f"{context.region}/{staff_id}", note, now)
    owner.keep_and_tell(tx, context, row, before, now)
    return row.complaint


def _keep(tx: Transaction, context: RegionContext, row: ComplaintRow, before: Complaint, now: datetime) -> None:
    """Stores the state of the money; its payment or refusal adds a row to the audit chain."""
    money = row.complaint.remedy
    if money.state != before.remedy.state and money.state in (remedy.BOOKED, remedy.REFUSED):
        audit.append(
            tx,
            now=now,
            actor=f"region/{context.region}",
            action="FollowRemedy",
            subject=row.complaint.ticket_id,
            detail=f"{remedy.state_name(money.state)}, {money.order_id or 'not ordered'}",
        )
    owner.keep_and_tell(tx, context, row, before, now)


def _owned(tx: Transaction, context: RegionContext, ticket_id: str) -> ComplaintRow | None:
    row = find_complaint(tx, ticket_id)
    return row if row is not None and row.complaint.owner_region == context.region else None
