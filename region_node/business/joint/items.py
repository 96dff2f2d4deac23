"""The items of this region: the steps that a leading region requests, and the ends of reservations."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointVerb
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, is_temporary, lasting
from gateway.store.port import Transaction
from gateway.store.timers import cancel_timer, set_timer
from gateway.time.clock import from_timestamp
from region_node.business.joint import lines, openings, proving, provisioning, rules, saga, watching
from region_node.business.joint.rows import (
    ITEM_RECORDS,
    JointItemRow,
    insert_item,
    item_key,
    update_item,
)
from region_node.customers.verification.bounds import require_few_unknown
from region_node.node.context import RegionContext
from region_node.requests.dealings import Dealer, count_failure

RESERVATION_TIMER = "joint-reservation"  # the end of a survey or a reservation has come
_BEYOND_BOUND = (Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY, Reason.REASON_NOT_VERIFIED)  # of `require_few_unknown`


def obey(
    tx: Transaction,
    context: RegionContext,
    order: JointOrder,
    requested: JointItem,
    verb: JointVerb.ValueType,
    begin: Timestamp | None,
    now: datetime,
    traceparent: str,
) -> JointItem | None:
    """Does a step on an item of this region; returns the item, or None for one of an erased customer.

    A step that was done before changes nothing. A release of an unknown item takes it in as released, so that its late
    reservation keeps no room. Raises Refused before the first write.
    """
    key, is_release = item_key(order.id, requested.id), verb == saga.GIVE_UP
    if verb == saga.RESERVE or (is_release and not ITEM_RECORDS.is_known(tx, key)):
        return _take_in(tx, context, order, requested, verb, now, traceparent)
    item = ITEM_RECORDS.require(tx, key).item
    if rules.release(item, now) if is_release else rules.commit(item, begin, now):
        store(tx, context, order, item, now)
    return item


def recover(
    tx: Transaction, context: RegionContext, order: JointOrder, told: JointItem, now: datetime, traceparent: str
) -> JointItem | None:
    """Recovers an item that a restored database has lost, or has as it was before; returns it if it was so.

    `told` is the item as the leading region has it. One without a version was never answered, and is not lost.
    """
    key, item = item_key(order.id, told.id), JointItem()
    is_known = ITEM_RECORDS.is_known(tx, key)
    known = ITEM_RECORDS.read(tx, key) if is_known else None
    if (is_known and known is None) or told.region != context.region or not told.version:
        return None
    item.CopyFrom(known if known is not None else told)
    if known is None:
        item.state, item.version = rules.ACKNOWLEDGED, 0
        item.ends_line = lines.is_ending(context, order, item)
        item.opens_line = openings.is_opening(context, order, item)
    if not rules.is_lost(item, told) or (rules.is_committed(item) and not rules.is_committed(told)):
        return None
    hold_until = from_timestamp(order.hold_until_time)
    rules.recover(item, told, hold_until, now)
    # Only this region says which papers it has checked, and what it has asked the customer; what is lost it asks again.
    item.papers_checked = known is not None and known.papers_checked
    rules.wait_as(item, JointItem() if known is None else known)
    if known is None and item.state == rules.SURVEYING:
        _check_lost(tx, context, order, item, now)
    if known is None and item.state in rules.UNPROVEN:
        proving.ask(tx, context, order, item, now)
    if known is None:
        watching.follow(tx, context, order, None, item)
        insert_item(tx, order.id, JointItemRow(item, traceparent), now)
    if item.state in rules.RESERVING:
        set_timer(tx, _timer(order, item), kind=RESERVATION_TIMER, subject=key, due=hold_until)
    store(tx, context, order, item, now)
    return item


def reserve(tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime) -> None:
    """The survey was good, or room was made for a held item. An item whose line forbids it is refused.

    Raises Refused with JOINT_ITEM_STATE_FORBIDS or JOINT_ITEM_UNPROVEN, and for the line of a held item, which nobody
    can refuse any more.
    """
    rules.require_state(item, "reserve", rules.SURVEYING, rules.HELD)
    proving.require_proven(context, item, now)
    problem = lines.problem_of(tx, context, order, item, now)
    if problem is None:
        rules.reserve(item, now)
    elif item.state == rules.SURVEYING:
        rules.refuse(item, problem, now)
    else:
        raise problem


def hold(tx: Transaction, context: RegionContext, order: JointOrder, item_id: str, now: datetime) -> None:
    """Holds an item of this region of which only the decision to commit was not lost."""
    item = ITEM_RECORDS.require(tx, item_key(order.id, item_id)).item
    if rules.hold(item, now):
        store(tx, context, order, item, now)


def store(tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime) -> None:
    """Stores a changed item. Only a survey and a reservation end by themselves. Line and region's own system follow.

    Raises Refused before the first write, as `lines.follow`.
    """
    lines.follow(tx, context, order, item, now)
    if item.state not in rules.RESERVING:
        cancel_timer(tx, _timer(order, item))
    watching.follow(tx, context, order, ITEM_RECORDS.read(tx, item_key(order.id, item.id)), item)
    update_item(tx, order.id, item)
    proving.follow(tx, order, item)
    provisioning.follow(tx, context, order, item, now)


def _take_in(
    tx: Transaction,
    context: RegionContext,
    order: JointOrder,
    requested: JointItem,
    verb: JointVerb.ValueType,
    now: datetime,
    traceparent: str,
) -> JointItem | None:
    key = item_key(order.id, requested.id)
    if ITEM_RECORDS.is_known(tx, key):
        return ITEM_RECORDS.read(tx, key)
    item, hold_until = JointItem(), from_timestamp(order.hold_until_time)
    item.CopyFrom(requested)
    item.ClearField("verify_until_time")
    item.ClearField("papers_checked")
    item.state = rules.ACKNOWLEDGED  # its versions go on behind those that the leading region has heard of
    item.ends_line = lines.is_ending(context, order, item)
    item.opens_line = openings.is_opening(context, order, item)
    if verb == saga.RESERVE and requested.ends_line and not item.ends_line:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="the catalogue has no such end of a line")
    if verb == saga.RESERVE:
        problem = _check(tx, context, order, item, now)
        rules.survey(item, hold_until, now, None if problem is None else lasting(problem))
        if problem is not None:
            _count(tx, order, item, problem, now)
        if item.state == rules.SURVEYING:
            proving.ask(tx, context, order, item, now)
    else:
        rules.release(item, now)
    watching.follow(tx, context, order, None, item)
    insert_item(tx, order.id, JointItemRow(item, traceparent), now)
    proving.follow(tx, order, item)
    provisioning.follow(tx, context, order, item, now)
    if item.state in rules.RESERVING:
        set_timer(tx, _timer(order, item), kind=RESERVATION_TIMER, subject=key, due=hold_until)
    return item


def _check(
    tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime
) -> Refused | None:
    """The reason why a new item is not taken in, by its line; notes whether the papers of the line are good.

    Raises Refused as `require_few_unknown`, before it looks at a line that ends.
    """
    if item.ends_line:
        require_few_unknown(tx, context, dealer_of(order), proving.submitted(order), now)
    problem = lines.problem_of(tx, context, order, item, now)
    item.papers_checked = problem is None and (item.ends_line or item.opens_line)
    return problem


def _check_lost(tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime) -> None:
    """Checks the papers of an item that comes back, as of a new one: within the bound of its dealer."""
    try:
        problem = _check(tx, context, order, item, now)
    except Refused as refused:
        if refused.reason not in _BEYOND_BOUND:
            raise
        return  # they are checked as the item is reserved
    if problem is not None and not is_temporary(problem.reason):
        _count(tx, order, item, problem, now)


def _count(tx: Transaction, order: JointOrder, item: JointItem, problem: Refused, now: datetime) -> None:
    """Counts a refused end of a line with its dealer, who learns by it of numbers and papers."""
    if item.ends_line:
        count_failure(tx, dealer_of(order), now, problem.reason)


def dealer_of(order: JointOrder) -> Dealer:
    """The dealer that has handed an order in at its leading region."""
    return Dealer(order.leader_region, order.operator, order.request.requester.staff_id)


def _timer(order: JointOrder, item: JointItem) -> str:
    return f"{RESERVATION_TIMER}/{item_key(order.id, item.id)}"
