"""The decisions of the region that leads a joint order. One transaction each.

A step for an item of the leading region itself is done here in the same transaction, without the border.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.joint_order_envelopes_pb2 import JointReport
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointOrderState, JointPlace
from gateway.api.region.v1.joint_order_service_pb2 import CancelJointOrderRequest, SupplementJointOrderRequest
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.store.timers import Timer, cancel_timer, set_timer
from gateway.time.clock import to_timestamp
from region_node.business.joint import items, lines, notices, openings, rules, saga, templates, watching
from region_node.business.joint.proofs import proven
from region_node.business.joint.rows import (
    JOINT,
    ORDER_RECORDS,
    JointOrderRow,
    insert_joint_order,
    next_joint_number,
    note_end,
    update_joint_order,
)
from region_node.business.joint.sending import note_disclosures, send_command, send_updates
from region_node.business.orders.rules import read_characteristics, require_applicant, require_joint
from region_node.customers.documents.rules import require_documents, require_materials, require_reusable
from region_node.customers.known_statuses import require_unrestricted
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, note
from region_node.requests.checks import require_size
from region_node.requests.rows import insert_request
from region_node.tickets.followed import known_request

ORDER_TIMER = "joint-order"  # the order must be looked at: a limit is near, or the survey is over

_log = logging.getLogger(__name__)
_NOTHING = JointOrderState.JOINT_ORDER_STATE_UNSPECIFIED


def submit(
    tx: Transaction,
    context: RegionContext,
    caller: Caller,
    request: OrderRequest,
    places: Sequence[JointPlace],
    now: datetime,
) -> JointOrder:
    """Accepts a joint order, which this region leads. A repeated request returns its current state.

    Raises Refused, also with REQUEST_ID_REUSED for the same id with other content.
    """
    order = JointOrder(request=request, places=places)
    key = caller.key(b"joint\0" + order.SerializeToString(deterministic=True))
    if (known := known_request(JOINT, tx, key)) is not None:
        require_unrestricted(tx, request.number)
        return known
    _check(tx, context, caller, request, places, now)
    number = next_joint_number(tx)
    _complete(context, order, number, now)
    order.operator, order.request_id = caller.operator, caller.request_id
    require_size(order.ByteSize(), saga.ORDER_LIMIT)
    row = JointOrderRow(order, caller.traceparent)
    insert_joint_order(tx, row, number, now)
    note_disclosures(tx, row, now)
    _proceed(tx, context, row, now, before=_NOTHING)
    insert_request(tx, key, order.id, settled=True, now=now)
    note(tx, caller, "SubmitJointOrder", order.id, now)
    failpoints.reach("joint-submitted.before-commit")
    return order


def cancel(
    tx: Transaction, context: RegionContext, caller: Caller, asked: CancelJointOrderRequest, now: datetime
) -> JointOrder:
    """Cancels a joint order before its decision. A repeated request returns its current state.

    Raises Refused with JOINT_ORDER_DECIDED, JOINT_ORDER_LED_ELSEWHERE, JOINT_ORDER_NOT_FOUND.
    """
    key = caller.key(b"cancel\0" + asked.SerializeToString(deterministic=True))
    row = ORDER_RECORDS.require(tx, asked.joint_order_id)
    if (known := known_request(JOINT, tx, key)) is not None:
        return known
    if row.order.leader_region != context.region:
        raise Refused(Reason.REASON_JOINT_ORDER_LED_ELSEWHERE, region=row.order.leader_region)
    before = row.order.state
    saga.cancel(row.order, asked.reason, now)
    _proceed(tx, context, row, now, before=before)
    insert_request(tx, key, row.order.id, settled=True, now=now)
    note(tx, caller, "CancelJointOrder", row.order.id, now)
    return row.order


def supplement(
    tx: Transaction, context: RegionContext, caller: Caller, asked: SupplementJointOrderRequest, now: datetime
) -> JointOrder:
    """Passes the customer's own proof on to the home region. A repeated request returns the current state.

    Raises Refused with JOINT_ITEM_STATE_FORBIDS where no item waits for one, JOINT_ORDER_LED_ELSEWHERE,
    JOINT_ORDER_NOT_FOUND.
    """
    key = caller.key(b"supplement\0" + asked.SerializeToString(deterministic=True))
    row = ORDER_RECORDS.require(tx, asked.joint_order_id)
    if (known := known_request(JOINT, tx, key)) is not None:
        return known
    if row.order.leader_region != context.region:
        raise Refused(Reason.REASON_JOINT_ORDER_LED_ELSEWHERE, region=row.order.leader_region)
    saga.supplement(row.order, asked.documents)
    _proceed(tx, context, row, now, before=row.order.state)
    insert_request(tx, key, row.order.id, settled=True, now=now)
    note(tx, caller, "SupplementJointOrder", row.order.id, now)
    return row.order


def recall(tx: Transaction, context: RegionContext, joint_order_id: str, report: JointReport, now: datetime) -> None:
    """Decides again as before a loss of data, where a report proves by this region's own signature that it did so."""
    row = ORDER_RECORDS.find(tx, joint_order_id)
    command = None if row is None else proven(context, row.order, report)
    if row is None or command is None:
        return
    _log.warning("this region had lost its decision on %s, which %s proves", joint_order_id, report.item.region)
    before = row.order.state
    saga.recall(row.order, command, now)
    for item in row.order.items:
        if item.region == context.region and item.decision == saga.COMMIT:
            items.hold(tx, context, row.order, item.id, now)
    _proceed(tx, context, row, now, before=before)


def hear(tx: Transaction, context: RegionContext, joint_order_id: str, told: JointItem, now: datetime) -> None:
    """Takes the report of the region of an item, and goes on. One that is stale or repeated changes nothing."""
    row = ORDER_RECORDS.find(tx, joint_order_id)
    if row is None:
        return
    before, is_notable = row.order.state, saga.is_notable(row.order, told)
    if not saga.take_report(row.order, told, now):
        return
    if is_notable:
        _proceed(tx, context, row, now, before=before)
    else:
        update_joint_order(tx, row.order, now)


def hear_refusal(
    tx: Transaction, context: RegionContext, joint_order_id: str, item_id: str, refused: Refused, now: datetime
) -> None:
    """Takes the word of a region that does not take an item in, and goes on."""
    row = ORDER_RECORDS.find(tx, joint_order_id)
    if row is not None and saga.take_refusal(row.order, item_id, refused, now):
        _proceed(tx, context, row, now, before=row.order.state)


def tell_again(
    tx: Transaction, context: RegionContext, joint_order_id: str, item_id: str, told: JointItem, now: datetime
) -> None:
    """Sends a version again where a region has refused a step for an item that it has lost, or has as it was before.

    `told` is the item as that region has it, empty for one that it does not know.
    """
    row = ORDER_RECORDS.find(tx, joint_order_id)
    item = None if row is None else saga.item_of(row.order, item_id)
    if row is not None and item is not None and rules.is_lost(told, item):
        _proceed(tx, context, row, now, before=row.order.state)


def order_is_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Looks at an order at the end of its survey or of its reservations, and before a limit."""
    row = ORDER_RECORDS.find(tx, timer.subject)
    if row is not None and not saga.is_final(row.order):
        _proceed(tx, context, row, now, before=row.order.state)


def _proceed(
    tx: Transaction, context: RegionContext, row: JointOrderRow, now: datetime, *, before: JointOrderState.ValueType
) -> None:
    """Decides where that is due, requests the next steps, and tells the followers of the new version.

    `before` is the state that the customer knows.
    """
    order, foreign = row.order, dict[str, JointItem]()
    saga.advance(order, now)
    while steps := saga.next_steps(order):
        for step in steps:
            saga.request(step.item, step.verb, now)
            if step.item.region == context.region:
                _obey(tx, context, row, step.item, now)
            else:
                foreign[step.item.id] = step.item
        saga.advance(order, now)
    for item in saga.alert(order, now):
        watching.watch_alerted(tx, order, item, now)
    saga.note_awaiting(order)
    order.version += 1
    update_joint_order(tx, order, now)
    # An order that a version without this watch has taken in is watched from here on.
    watching.watch_promise(tx, order)
    for item in order.items:
        watching.watch_again(tx, order, item, now)
    if order.state in saga.DONE and before not in saga.DONE:
        note_end(tx, order)
    for item in foreign.values():
        send_command(tx, context, row, item, now)
    informed = {item.region for item in foreign.values() if item.requested == saga.RESERVE}
    send_updates(tx, context, row, now, informed=informed)
    notices.tell_changed(tx, order, before, now)
    look, timer = saga.next_look(order, now), f"{ORDER_TIMER}/{order.id}"
    if look is None:
        cancel_timer(tx, timer)
    else:
        set_timer(tx, timer, kind=ORDER_TIMER, subject=order.id, due=look)


def _obey(tx: Transaction, context: RegionContext, row: JointOrderRow, item: JointItem, now: datetime) -> None:
    """Does a step on an item of this region, and takes the report of it."""
    begin = item.begin_time if item.requested == saga.BEGIN else None
    own = items.obey(tx, context, row.order, item, item.requested, begin, now, row.traceparent)
    if own is not None:
        saga.take_report(row.order, own, now)


def _check(
    tx: Transaction,
    context: RegionContext,
    caller: Caller,
    request: OrderRequest,
    places: Sequence[JointPlace],
    now: datetime,
) -> None:
    federation = context.federation
    prepared = federation.prepared(request.business)
    require_joint(prepared.business, joint=True)
    require_applicant(request, caller.operator)
    require_materials(federation.material_codes, request.documents)
    require_reusable(federation, request.documents)
    read_characteristics(prepared, request)
    templates.require_places(prepared.business, places)
    for place in places:
        federation.region(place.region)
        _require_member(context, place.region)
    require_documents(prepared, request, now)
    openings.require_plan_sold(context, request, places)
    lines.require_place(tx, context, caller, request, places, now)


def _require_member(context: RegionContext, region: str) -> None:
    """Raises Refused with REGION_NOT_JOINED, REGION_SUSPENDED."""
    state = context.border.current.state().member_state(region)
    if state == MemberState.MEMBER_STATE_SUSPENDED:
        raise Refused(Reason.REASON_REGION_SUSPENDED, region=region)
    if state != MemberState.MEMBER_STATE_JOINED and region != context.region:
        raise Refused(Reason.REASON_REGION_NOT_JOINED, region=region)


def _complete(context: RegionContext, order: JointOrder, number: int, now: datetime) -> None:
    """Fills in the parts of a new order that this region decides."""
    business = context.federation.business(order.request.business)
    order.id = f"{context.region}/J{now.astimezone(ZoneInfo(context.time_zone)):%Y%m%d}-{number}"
    order.leader_region = context.region
    order.home_region = context.federation.number_plan.home_of(order.request.number) or ""
    saga.begin_survey(order, business.joint, now)
    survey_due = now + business.joint.survey_within.ToTimedelta()
    order.items.extend(templates.new_items(business, order.places, context.region, survey_due))
    for item in order.items:
        item.opens_line = openings.is_opening(context, order, item)
    regions = (context.region, order.home_region or context.region)
    promised = context.federation.promised(business, now, regions)
    order.expected_completion_time.CopyFrom(to_timestamp(promised))
