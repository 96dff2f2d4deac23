"""The work of a region's staff on the items of joint orders, and the copies of orders that a region follows."""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.api.region.v1.joint_order_service_pb2 import WorkOnJointOrderRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.process import failpoints
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from region_node.business.joint import items, leading, openings, proving, provisioning, rules, saga
from region_node.business.joint.rows import (
    ITEM_RECORDS,
    JOINT,
    ORDER_RECORDS,
    JointOrderFilter,
    JointOrderRow,
    facts,
    insert_joint_order,
    item_key,
    list_joint_orders,
    order_of,
    own_items,
    own_items_of,
    update_joint_order,
)
from region_node.business.joint.sending import send_report
from region_node.business.orders.provisioning_answers import Answer, Asked
from region_node.customers.known_statuses import require_unrestricted
from region_node.customers.moved_numbers import home_elsewhere
from region_node.customers.proof import require_word_of_staff
from region_node.customers.rows import find_line
from region_node.customers.status import MOVED, status_of
from region_node.node.context import RegionContext
from region_node.records.listing import Page
from region_node.requests.caller import Caller, done_before, note
from region_node.requests.rows import insert_request
from region_node.tickets.border import require_caught_up

_log = logging.getLogger(__name__)


def work(
    tx: Transaction, context: RegionContext, caller: Caller, asked: WorkOnJointOrderRequest, now: datetime
) -> JointOrder:
    """Executes a step of staff on an item of this region. A repeated request returns the current state.

    Raises Refused with JOINT_ORDER_NOT_FOUND, JOINT_ITEM_NOT_FOUND, JOINT_ITEM_STATE_FORBIDS, and as `items.reserve`.
    """
    key = caller.key(b"work\0" + asked.SerializeToString(deterministic=True))
    row = ORDER_RECORDS.require(tx, asked.joint_order_id)
    if done_before(tx, key) is None:
        item = ITEM_RECORDS.require(tx, item_key(row.order.id, asked.item_id)).item
        require_caught_up(context, tx, facts(row.order), now)
        _do(tx, context, row.order, item, asked, now)
        _store_and_report(tx, context, row, item, now)
        insert_request(tx, key, row.order.id, settled=True, now=now)
        note(tx, caller, "WorkOnJointOrder", row.order.id, now)
        failpoints.reach("joint-worked.before-commit")
    return view(tx, context, ORDER_RECORDS.require(tx, asked.joint_order_id).order)


def reservation_is_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Ends a survey or a reservation at its time, whether or not the leading region is heard of."""
    row, found = ORDER_RECORDS.find(tx, order_of(timer.subject)), ITEM_RECORDS.find(tx, timer.subject)
    if row is not None and found is not None and rules.expire(found.item, now):
        _store_and_report(tx, context, row, found.item, now)


def verify_is_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Ends the wait of an item for the customer's own proof, where nobody has objected in time."""
    row, found = ORDER_RECORDS.find(tx, order_of(timer.subject)), ITEM_RECORDS.find(tx, timer.subject)
    if row is not None and found is not None and rules.prove(found.item, now):
        _store_and_report(tx, context, row, found.item, now)


def answered(tx: Transaction, context: RegionContext, asked: Asked, answer: Answer, now: datetime) -> Asked | None:
    """Handles an answer of the region's own system about an item. The next call is due by itself."""
    changed = provisioning.take_answer(tx, context, asked, answer, now)
    if changed is not None:
        _store_and_report(tx, context, *changed, now)
    return None


def unanswered(
    tx: Transaction, context: RegionContext, asked: Asked, problem: str, wait: timedelta, now: datetime
) -> None:
    """Notes a call to the region's own system without an answer: it is repeated after `wait`, without limit."""
    changed = provisioning.take_silence(tx, asked, problem, wait, now)
    if changed is not None:
        _store_and_report(tx, context, *changed, now)


def adopt(tx: Transaction, context: RegionContext, told: JointOrder, now: datetime, traceparent: str) -> None:
    """Stores a newer version of the leading region. The border has checked that the row is readable or absent."""
    row = ORDER_RECORDS.find(tx, told.id)
    if row is None:
        row = JointOrderRow(told, traceparent)
        insert_joint_order(tx, row, 0, now)
    elif (order := JOINT.next_version(context.region, row.order, told)) is not None:
        update_joint_order(tx, order, now)
        row = replace(row, order=order)
    for item in row.order.items:
        recover(tx, context, row, item, now)
    for own in own_items(tx, context.region, row.order) if row.order.proofs else ():
        if proving.take_proof(tx, context, row.order, own, now):
            _store_and_report(tx, context, row, own, now)


def recover(tx: Transaction, context: RegionContext, row: JointOrderRow, told: JointItem, now: datetime) -> None:
    """Recovers an item of this region that a restored database has lost, and reports it to the leading region.

    A version that the leading region has already is not reported again: its report has the id of the lost one.
    """
    item = items.recover(tx, context, row.order, told, now, row.traceparent)
    if item is not None:
        _log.warning("this region had lost the item %s of %s, which is known elsewhere", item.id, row.order.id)
        if item.version != told.version:
            send_report(tx, context, row, item, now)


def view(tx: Transaction, context: RegionContext, order: JointOrder) -> JointOrder:
    """The order with the items of this region in their latest state, and the numbers of the lines that they opened."""
    own = own_items(tx, context.region, order)
    saga.overlay(order, own)
    for item in order.items:
        if item.region == context.region:
            item.opened_number = openings.number_of(tx, order, item)
    return order


@dataclass(frozen=True)
class Seen:
    """A joint order, and who may read it."""

    order: JointOrder = field(repr=False)
    is_at_home: bool
    """Whether all of this region may read it."""
    refused: Refused | None
    """Why nobody may, at present."""

    def by(self, identity: Identity, *, acts: bool = False) -> JointOrder:
        """The order, for a reader. Raises Refused as `find_for`."""
        if not (_is_own(self.order, identity) or (not acts and self.is_at_home)):
            raise Refused(Reason.REASON_JOINT_ORDER_NOT_FOUND, order=self.order.id)
        if self.refused is not None:
            raise self.refused
        return self.order


def see(tx: Transaction, context: RegionContext, joint_order_id: str) -> Seen:
    """A joint order for all its readers. Raises Refused with JOINT_ORDER_NOT_FOUND."""
    row = ORDER_RECORDS.find(tx, joint_order_id)
    if row is None:
        raise Refused(Reason.REASON_JOINT_ORDER_NOT_FOUND, order=joint_order_id)
    try:
        require_unrestricted(tx, row.order.request.number)
        refused = None
    except Refused as error:
        refused = error.with_traceback(None)
    return Seen(view(tx, context, row.order), _is_at_home(tx, context, row.order), refused)


def find_for(
    tx: Transaction, context: RegionContext, joint_order_id: str, identity: Identity, *, acts: bool = False
) -> JointOrder:
    """The joint order, for a permitted reader: staff of its regions, its operator system, and all of the home region.

    One that `acts` on it is of the first two. Raises Refused with JOINT_ORDER_NOT_FOUND, also for other readers, and
    with CUSTOMER_RESTRICTED.
    """
    return see(tx, context, joint_order_id).by(identity, acts=acts)


def list_for(
    tx: Transaction,
    context: RegionContext,
    wanted: JointOrderFilter,
    identity: Identity,
    before: tuple[int, str] | None,
    limit: int,
) -> Page[JointOrder]:
    """As `list_joint_orders`, for the readers of `find_for`, with the items of this region in their latest state.

    All operator systems find those of the home by number.
    """
    page = _page_for(tx, context, wanted, identity, before, limit)
    own = own_items_of(tx, context.region, page.items)
    for order in page.items:
        saga.overlay(order, own[order.id])
    return page


def _page_for(
    tx: Transaction,
    context: RegionContext,
    wanted: JointOrderFilter,
    identity: Identity,
    before: tuple[int, str] | None,
    limit: int,
) -> Page[JointOrder]:
    if identity.role == Role.ROLE_STAFF:
        return list_joint_orders(tx, wanted, before, limit)
    if not _is_own_customer(tx, context, wanted.number):
        return list_joint_orders(tx, replace(wanted, operator=identity.name), before, limit)
    page = list_joint_orders(tx, wanted, before, limit)
    seen = [each for each in page.items if each.home_region == context.region or _is_own(each, identity)]
    return Page(seen, page.following)


def _is_own(order: JointOrder, identity: Identity) -> bool:
    has_submitted = (order.leader_region, order.operator) == (identity.region, identity.name)
    return has_submitted or identity.role == Role.ROLE_STAFF


def _is_at_home(tx: Transaction, context: RegionContext, order: JointOrder) -> bool:
    """Whether the customer was at home in this region when the order was taken in, and still is."""
    return order.home_region == context.region and _is_own_customer(tx, context, order.request.number)


def _is_own_customer(tx: Transaction, context: RegionContext, number: str) -> bool:
    """Whether a number is this region's, and its line one of a customer who is here. An erased customer is not."""
    line = find_line(tx, number) if number else None
    if line is None or status_of(tx, line.customer_id) == MOVED:
        return False
    return home_elsewhere(tx, context.federation, context.region, number, has_line=True) is None


def _do(
    tx: Transaction,
    context: RegionContext,
    order: JointOrder,
    item: JointItem,
    asked: WorkOnJointOrderRequest,
    now: datetime,
) -> None:
    match asked.WhichOneof("step"):
        case "reserve":
            items.reserve(tx, context, order, item, now)
        case "refuse":
            rules.refuse(item, Refused(Reason.REASON_JOINT_SURVEY_REFUSED, problem=asked.refuse), now)
        case "reach":
            rules.reach(item, asked.reach, now)
        case "verify":
            require_word_of_staff(context, context.federation.business(order.request.business).policies)
            if not rules.prove(item, now):
                rules.require_state(item, "verify")
        case "ask_again":
            provisioning.ask_again(tx, order, item, now)
        case _:
            raise invalid("step", "none is set", "未指定任何一项")


def _store_and_report(
    tx: Transaction, context: RegionContext, row: JointOrderRow, item: JointItem, now: datetime
) -> None:
    items.store(tx, context, row.order, item, now)
    if row.order.leader_region == context.region:
        leading.hear(tx, context, row.order.id, item, now)
    else:
        send_report(tx, context, row, item, now)
