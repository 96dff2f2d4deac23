"""The saga of a joint order at the region that leads it. Pure.

Every region surveys its items and reserves room until one instant that the order names. Once all have reserved, one
decision commits all items; else one decision releases all. A decision never changes. The shape is that of TMF622
ProductOrder with productOrderItem.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.configuration_pb2 import JointBusiness, JointMilestoneKind, JointRelationKind
from gateway.api.region.v1.joint_order_envelopes_pb2 import JointCommand
from gateway.api.region.v1.joint_order_pb2 import (
    JointAwaiting,
    JointDecision,
    JointItem,
    JointMilestone,
    JointOrder,
    JointOrderState,
    JointVerb,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document, LocalizedText
from gateway.errors import Refused
from gateway.time.clock import BETWEEN_TRUSTED, from_timestamp, to_timestamp
from gateway.values.names import camel_case
from region_node.business.joint import rules
from region_node.business.orders.rules import told_order
from region_node.customers.documents.rules import identifying
from region_node.requests.checks import error_of

SURVEYING = JointOrderState.JOINT_ORDER_STATE_SURVEYING
RELEASING = JointOrderState.JOINT_ORDER_STATE_RELEASING
IN_PROGRESS = JointOrderState.JOINT_ORDER_STATE_IN_PROGRESS
COMPLETED = JointOrderState.JOINT_ORDER_STATE_COMPLETED
PARTIAL = JointOrderState.JOINT_ORDER_STATE_PARTIAL
FAILED = JointOrderState.JOINT_ORDER_STATE_FAILED
CANCELLED = JointOrderState.JOINT_ORDER_STATE_CANCELLED

COMMIT = JointDecision.JOINT_DECISION_COMMIT
RELEASE = JointDecision.JOINT_DECISION_RELEASE

RESERVE = JointVerb.JOINT_VERB_RESERVE
BEGIN = JointVerb.JOINT_VERB_BEGIN
GIVE_UP = JointVerb.JOINT_VERB_RELEASE

TRANSITIONS: Mapping[JointOrderState.ValueType, frozenset[JointOrderState.ValueType]] = {
    SURVEYING: frozenset({RELEASING, IN_PROGRESS}),
    RELEASING: frozenset({FAILED, CANCELLED, IN_PROGRESS}),
    IN_PROGRESS: frozenset({COMPLETED, PARTIAL}),
}
DONE = frozenset({COMPLETED, PARTIAL})
FINAL = DONE | {FAILED, CANCELLED}

ORDER_LIMIT = 40 * 1024  # bytes of a new order: an envelope has 64 KiB, and items grow by times and reasons
_RELIES_ON = JointRelationKind.JOINT_RELATION_KIND_RELIES_ON
_REPLACED_BY = JointRelationKind.JOINT_RELATION_KIND_REPLACED_BY
_TEST = JointMilestoneKind.JOINT_MILESTONE_KIND_TEST
_GONE = frozenset({rules.REFUSED, rules.RELEASED, rules.EXPIRED})
_RECEIPTS = frozenset({rules.SURVEYING, rules.COMMITTED, rules.IN_PROGRESS})
_FROM = "an order does not go from {} to {}"


@dataclass(frozen=True)
class Step:
    """A step that the leading region requests of the region of an item."""

    item: JointItem = field(repr=False)
    verb: JointVerb.ValueType


def state_name(state: JointOrderState.ValueType) -> str:
    """The name as TM Forum writes it, for example `inProgress`."""
    return camel_case(JointOrderState.DESCRIPTOR, state)


def is_final(order: JointOrder) -> bool:
    """Whether nothing more can happen to the order."""
    return order.state in FINAL


def told_open(order: JointOrder) -> LocalizedText:
    """An open order with its state, and the regions to ask: those that have it now, else the leading one."""
    regions = dict.fromkeys(each.region for each in order.awaiting) or {order.leader_region: None}
    return told_order(order.id, state_name(order.state), regions)


def begin_survey(order: JointOrder, joint: JointBusiness, now: datetime) -> None:
    """Fixes both ends of a new order: that of the survey, and that of every reservation."""
    survey_due = now + joint.survey_within.ToTimedelta()
    order.create_time.CopyFrom(to_timestamp(now))
    order.survey_due_time.CopyFrom(to_timestamp(survey_due))
    order.hold_until_time.CopyFrom(to_timestamp(survey_due + joint.commit_window.ToTimedelta()))
    order.partial_allowed = joint.partial_allowed
    order.warn_before.CopyFrom(joint.warn_before)
    order.state = SURVEYING


def item_of(order: JointOrder, item_id: str) -> JointItem | None:
    """The item with an id."""
    return next((each for each in order.items if each.id == item_id), None)


def take_report(order: JointOrder, told: JointItem, now: datetime) -> bool:
    """Adopts the report of the region of an item; returns whether it is news.

    Stale, repeated and implausible reports, and those of other regions, are none.
    The decisions of the leading region stay its own.
    """
    item = item_of(order, told.id)
    if item is None or told.region != item.region or told.version <= item.version:
        return False
    if _has_ended(item) or not _is_plausible(order, item, told, now):
        return False
    rules.adopt(item, told)
    return True


def may_recall(order: JointOrder, item: JointItem) -> bool:
    """Whether a decision of this region to commit an item can have been lost: the order has not ended without it."""
    return item.decision != COMMIT and not is_final(order)


def recall(order: JointOrder, command: JointCommand, now: datetime) -> None:
    """Decides as before a loss of data: by a step that commits an item, and that this region itself has signed.

    It proves that this region was restored from a backup of before that decision.
    """
    reserved = {command.item_id, *(each.id for each in order.items if each.state == rules.RESERVED)}
    chosen = {command.item_id, *_closed(order, reserved)} if order.partial_allowed else {e.id for e in order.items}
    chosen |= {each.id for each in order.items if each.decision == COMMIT}
    for each in order.items:
        if each.id == command.item_id:
            each.requested = command.verb
            if command.verb == BEGIN:
                rules.set_limits(each, command.begin_time)
        elif each.id in chosen and each.decision != COMMIT:
            each.requested = RESERVE
    order.version += rules.LOST_VERSIONS
    _decide(order, chosen, now)


def is_notable(order: JointOrder, told: JointItem) -> bool:
    """Whether a report can bring the order on: by a milestone or an end. Others are only the receipt of a step."""
    item = item_of(order, told.id)
    if item is None or told.state not in _RECEIPTS or item.state == rules.HELD or told.error != item.error:
        return True
    if not item.version and any(_waits_for_papers(order, each) for each in order.items):
        return True
    return _reached(told) > _reached(item)


def take_refusal(order: JointOrder, item_id: str, refused: Refused, now: datetime) -> bool:
    """Notes that a region has not even taken an item in; returns whether it is news."""
    item = item_of(order, item_id)
    if item is None or item.state != rules.ACKNOWLEDGED or item.version:
        return False
    item.state = rules.REFUSED
    item.error.CopyFrom(error_of(refused))
    item.change_time.CopyFrom(to_timestamp(now))
    return True


def overlay(order: JointOrder, own: Sequence[JointItem]) -> None:
    """Shows the items of a region as it has them, where the leading region has not heard of a change yet."""
    for told in own:
        item = item_of(order, told.id)
        if item is not None and told.version > item.version:
            rules.adopt(item, told)


def cancel(order: JointOrder, reason: str, now: datetime) -> None:
    """Decides against an order. Raises Refused with JOINT_ORDER_DECIDED behind the decision."""
    if order.state != SURVEYING:
        raise Refused(Reason.REASON_JOINT_ORDER_DECIDED, state=state_name(order.state))
    order.cancellation_reason = reason
    _decide(order, (), now)


def supplement(order: JointOrder, proofs: Sequence[Document]) -> None:
    """Takes the customer's own proof in. Raises Refused with JOINT_ITEM_STATE_FORBIDS where no item waits for one."""
    if is_final(order) or not any(each.HasField("verify_until_time") for each in order.items):
        raise Refused(Reason.REASON_JOINT_ITEM_STATE_FORBIDS, state=state_name(order.state), action="verify")
    del order.proofs[:]
    order.proofs.extend(proofs)


def advance(order: JointOrder, now: datetime) -> bool:
    """Decides and ends the order where that is due; returns whether it did."""
    before = order.state
    chosen = _chosen(order, now)
    if chosen is not None:
        _decide(order, chosen, now)
    if order.state in (IN_PROGRESS, RELEASING) and _is_done(order, now):
        _end(order, now)
    return order.state != before


def next_steps(order: JointOrder) -> Sequence[Step]:
    """The steps to request now, at most one of each item. The caller notes each by `request`."""
    steps = (Step(item, _wanted(order, item)) for item in order.items)
    return [each for each in steps if each.verb]


def request(item: JointItem, verb: JointVerb.ValueType, now: datetime) -> None:
    """Notes that a step was requested of the region of an item."""
    item.requested = verb
    if verb == BEGIN:
        rules.set_limits(item, to_timestamp(now))


def alert(order: JointOrder, now: datetime) -> Sequence[JointItem]:
    """Warns once of each milestone whose limit is near; returns the items with a new warning."""
    near = [(item, each) for item, each in _open(order) if now >= rules.limits(each, order.warn_before)[0]]
    for _, milestone in near:
        milestone.alert_time.CopyFrom(to_timestamp(now))
    return [item for item, _ in near]


def awaited_milestone(order: JointOrder, item: JointItem) -> JointMilestone | None:
    """The milestone with a limit that the region of an item has to reach now; None for none."""
    milestone = rules.next_milestone(item) if _is_awaited(order, item) else None
    return milestone if milestone is not None and milestone.HasField("due_time") else None


def next_look(order: JointOrder, now: datetime) -> datetime | None:
    """When the order must be looked at again without a report; None for never."""
    times = [rules.limits(each, order.warn_before)[0] for _, each in _open(order)]
    if order.state == SURVEYING:
        times.append(from_timestamp(order.survey_due_time))
    elif any(_holds(item) for item in order.items):
        times.append(from_timestamp(order.hold_until_time) + BETWEEN_TRUSTED)
    return min((each for each in times if each > now), default=None)


def note_awaiting(order: JointOrder) -> None:
    """Writes into the order which regions have to act now, since when, and until when."""
    awaiting = [_awaited(order, item) for item in order.items] if not is_final(order) else []
    del order.awaiting[:]
    order.awaiting.extend(each for each in awaiting if each is not None)


def followers(order: JointOrder) -> Sequence[str]:
    """The regions that receive each version: those of the items, and the home region of the number, each once."""
    regions = (*(item.region for item in order.items), order.home_region)
    return [each for each in dict.fromkeys(regions) if each not in ("", order.leader_region)]


def _chosen(order: JointOrder, now: datetime) -> Collection[str] | None:
    """The items to commit; none of them to release all; None while nothing is to be decided."""
    if order.state != SURVEYING:
        return None
    reserved = {item.id for item in order.items if item.state == rules.RESERVED}
    is_over = now >= from_timestamp(order.survey_due_time)
    if len(reserved) == len(order.items):
        return reserved if _may_commit(order, now) else ()
    if not order.partial_allowed:
        return () if is_over or any(item.state in _GONE for item in order.items) else None
    if not is_over and not all(item.state in _GONE | {rules.RESERVED} for item in order.items):
        return None
    return _closed(order, reserved) if _may_commit(order, now) else ()


def _may_commit(order: JointOrder, now: datetime) -> bool:
    """Whether half of the window is left, so that a commitment reaches every region before the reservations end."""
    survey_due, end = from_timestamp(order.survey_due_time), from_timestamp(order.hold_until_time)
    return now <= survey_due + (end - survey_due) / 2


def _closed(order: JointOrder, reserved: Collection[str]) -> Collection[str]:
    """The greatest part of the reserved items of which each has all to which it is related."""
    chosen = set(reserved)
    pairs = [(item.id, each.item_id) for item in order.items for each in item.relations]
    while alone := {one for one, other in pairs if one in chosen and other not in chosen} | {
        other for one, other in _bundles(order) if other in chosen and one not in chosen
    }:
        chosen -= alone
    return chosen


def _bundles(order: JointOrder) -> Sequence[tuple[str, str]]:
    kind = JointRelationKind.JOINT_RELATION_KIND_BUNDLES
    return [(item.id, each.item_id) for item in order.items for each in item.relations if each.kind == kind]


def _decide(order: JointOrder, chosen: Collection[str], now: datetime) -> None:
    for item in order.items:
        item.decision = COMMIT if item.id in chosen else RELEASE
    order.decide_time.CopyFrom(to_timestamp(now))
    state = IN_PROGRESS if chosen else RELEASING
    if order.state != state:
        _enter(order, state)


def _end(order: JointOrder, now: datetime) -> None:
    decisions = {item.decision for item in order.items}
    if order.state == RELEASING:
        _enter(order, CANCELLED if order.cancellation_reason else FAILED)
    else:
        _enter(order, PARTIAL if RELEASE in decisions else COMPLETED)
    order.end_time.CopyFrom(to_timestamp(now))


def _enter(order: JointOrder, state: JointOrderState.ValueType) -> None:
    """Raises ValueError for an impossible transition: a defect."""
    if state not in TRANSITIONS.get(order.state, ()):
        raise ValueError(_FROM.format(state_name(order.state), state_name(state)))
    order.state = state


def _is_done(order: JointOrder, now: datetime) -> bool:
    """Whether every item is done, or certainly holds no room any more: a reservation ends also in a silent region."""
    over = now >= from_timestamp(order.hold_until_time) + BETWEEN_TRUSTED
    return all(
        item.state == rules.COMPLETED if item.decision == COMMIT else over or not _holds(item) for item in order.items
    )


def _is_plausible(order: JointOrder, item: JointItem, told: JointItem, now: datetime) -> bool:
    since = from_timestamp(order.create_time) - BETWEEN_TRUSTED
    is_timely = rules.has_wait_within(told, order.hold_until_time)
    return is_timely and rules.is_plausible(item, told, since, now + BETWEEN_TRUSTED)


def _has_ended(item: JointItem) -> bool:
    """Whether nothing more can happen to an item. A commitment holds one again whose reservation has ended."""
    gone = (rules.REFUSED, rules.RELEASED)
    return item.state == rules.COMPLETED or (item.decision != COMMIT and item.state in gone)


def _holds(item: JointItem) -> bool:
    """Whether an item that is not to be done may still hold room."""
    return item.decision == RELEASE and item.state not in _GONE


def _wanted(order: JointOrder, item: JointItem) -> JointVerb.ValueType:
    """The step to request of an item; unspecified for none."""
    if item.decision == COMMIT:
        wanted = BEGIN if _may_begin(order, item) else JointVerb.JOINT_VERB_COMMIT
    elif item.decision == RELEASE:
        wanted = GIVE_UP
    else:
        wanted = JointVerb.JOINT_VERB_UNSPECIFIED if _waits_for_papers(order, item) else RESERVE
    is_new = wanted > item.requested and not (wanted == GIVE_UP and item.state in _GONE)
    return wanted if is_new else JointVerb.JOINT_VERB_UNSPECIFIED


def _waits_for_papers(order: JointOrder, item: JointItem) -> bool:
    """Whether an item is requested later, once the home of the ended line has checked the papers on file."""
    if item.requested or not item.opens_line:
        return False
    is_on_file = any(each.document_id for each in identifying(order.request.documents))
    return is_on_file and any(each.ends_line and each.state == rules.ACKNOWLEDGED for each in order.items)


def _may_begin(order: JointOrder, item: JointItem) -> bool:
    """Whether the items on which an item relies are done, and those that replace it are tested."""
    return all(_is_fulfilled(each.kind, item_of(order, each.item_id)) for each in item.relations)


def _is_fulfilled(kind: JointRelationKind.ValueType, other: JointItem | None) -> bool:
    if other is None:
        return False
    if kind == _RELIES_ON:
        return other.state == rules.COMPLETED
    if kind == _REPLACED_BY:
        return any(each.kind == _TEST and each.HasField("reach_time") for each in other.milestones)
    return True


def _open(order: JointOrder) -> Sequence[tuple[JointItem, JointMilestone]]:
    """Each item with the next milestone, where that has a limit and no warning yet."""
    nexts = ((item, awaited_milestone(order, item)) for item in order.items)
    return [(item, each) for item, each in nexts if each is not None and not each.HasField("alert_time")]


def _is_awaited(order: JointOrder, item: JointItem) -> bool:
    """Whether the region of an item has to reach its next milestone now."""
    if order.state == SURVEYING:
        return item.state in (rules.ACKNOWLEDGED, rules.SURVEYING) and not _waits_for_papers(order, item)
    is_at_work = item.requested == BEGIN and item.state != rules.COMPLETED
    return item.decision == COMMIT and (is_at_work or item.state == rules.HELD)


def _awaited(order: JointOrder, item: JointItem) -> JointAwaiting | None:
    if _is_awaited(order, item):
        milestone = rules.next_milestone(item)
        if milestone is None:
            return None
        due = milestone.due_time if milestone.HasField("due_time") else None
        return _awaiting(item, _since(order, item), due, milestone.kind)
    if _holds(item):
        return _awaiting(item, order.decide_time, order.hold_until_time)
    return None


def _awaiting(
    item: JointItem,
    since: Timestamp,
    due: Timestamp | None,
    milestone: JointMilestoneKind.ValueType = JointMilestoneKind.JOINT_MILESTONE_KIND_UNSPECIFIED,
) -> JointAwaiting:
    return JointAwaiting(region=item.region, item_id=item.id, milestone=milestone, since_time=since, due_time=due)


def _reached(item: JointItem) -> int:
    return sum(each.HasField("reach_time") for each in item.milestones)


def _since(order: JointOrder, item: JointItem) -> Timestamp:
    """When the present work on an item began: with the milestone before, its begin, or the order."""
    reached = [each.reach_time for each in item.milestones if each.HasField("reach_time")]
    times = [order.create_time, *reached, *([item.begin_time] if item.HasField("begin_time") else [])]
    return max(times, key=lambda each: (each.seconds, each.nanos))
