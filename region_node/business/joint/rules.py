"""The life of an item of a joint order at its region. Pure.

A reservation ends by itself at the instant that the order names, whether or not the leading region is heard of. After a
commitment an item is never given up: one that arrives behind the end holds the item until staff have made room.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.region.v1.joint_order_pb2 import (
    JointAwaiting,
    JointDecision,
    JointItem,
    JointItemState,
    JointMilestone,
    JointOrder,
    JointOrderState,
    JointVerb,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import from_microseconds, from_timestamp, to_timestamp
from gateway.values.names import camel_case
from region_node.requests.checks import error_of

ACKNOWLEDGED = JointItemState.JOINT_ITEM_STATE_ACKNOWLEDGED
SURVEYING = JointItemState.JOINT_ITEM_STATE_SURVEYING
RESERVED = JointItemState.JOINT_ITEM_STATE_RESERVED
REFUSED = JointItemState.JOINT_ITEM_STATE_REFUSED
RELEASED = JointItemState.JOINT_ITEM_STATE_RELEASED
EXPIRED = JointItemState.JOINT_ITEM_STATE_EXPIRED
COMMITTED = JointItemState.JOINT_ITEM_STATE_COMMITTED
IN_PROGRESS = JointItemState.JOINT_ITEM_STATE_IN_PROGRESS
HELD = JointItemState.JOINT_ITEM_STATE_HELD
COMPLETED = JointItemState.JOINT_ITEM_STATE_COMPLETED

TRANSITIONS: Mapping[JointItemState.ValueType, frozenset[JointItemState.ValueType]] = {
    ACKNOWLEDGED: frozenset({SURVEYING, REFUSED, RELEASED}),
    SURVEYING: frozenset({RESERVED, REFUSED, RELEASED, EXPIRED, HELD}),
    REFUSED: frozenset({HELD}),
    RESERVED: frozenset({RELEASED, EXPIRED, COMMITTED, IN_PROGRESS}),
    RELEASED: frozenset({HELD}),
    EXPIRED: frozenset({RELEASED, HELD}),
    HELD: frozenset({COMMITTED, IN_PROGRESS}),
    COMMITTED: frozenset({IN_PROGRESS}),
    IN_PROGRESS: frozenset({COMPLETED}),
}
RESERVING = frozenset({SURVEYING, RESERVED})
"""The states that end by themselves."""
UNPROVEN = frozenset({SURVEYING, HELD})
"""The states in which an item may wait for the customer's own proof."""

STEPS = ("verify", "reserve", "refuse", "reach", "ask_again")
"""The steps of staff on an item, as the contract names them."""
AT_WORK = (
    JointOrderState.JOINT_ORDER_STATE_SURVEYING,
    JointOrderState.JOINT_ORDER_STATE_IN_PROGRESS,
)
"""The states of an order with an item on which a region works."""
REASON_LIMIT = 256  # characters
LOST_VERSIONS = 1000  # more than an order or an item has, so that no version is told twice with different content
MOST_VERSIONS = 2**53  # of an item, far from the end of the field
_UNDO = "undo_"
"""Begins the names of the parameters by which an error says that the undo of a refused item was refused."""
_COMMIT = JointDecision.JOINT_DECISION_COMMIT
_TEST = JointMilestoneKind.JOINT_MILESTONE_KIND_TEST
_GONE = frozenset({REFUSED, RELEASED, EXPIRED})
_COMMITTED = frozenset({COMMITTED, IN_PROGRESS, HELD, COMPLETED})
_ENDED_EARLY = frozenset({RELEASED, EXPIRED})
_BEFORE = frozenset({SURVEYING, RESERVED, EXPIRED})
_BEGUN = frozenset({IN_PROGRESS, HELD, COMPLETED})
_AT_WORK_STATES = frozenset({SURVEYING, IN_PROGRESS, HELD})
_MICRO = 10**6
_LAST = 4 * 10**9 * _MICRO  # microseconds: a year to which no limit comes
_AT_WORK = 2  # milestones: the survey, and the first of the work
_SECOND = 10**9  # ns
_PLAUSIBLE: Mapping[JointVerb.ValueType, frozenset[JointItemState.ValueType]] = {
    JointVerb.JOINT_VERB_RESERVE: _BEFORE | {REFUSED},
    JointVerb.JOINT_VERB_RELEASE: _BEFORE | {REFUSED, RELEASED},
    JointVerb.JOINT_VERB_COMMIT: _ENDED_EARLY | {RESERVED, COMMITTED, HELD},
    JointVerb.JOINT_VERB_BEGIN: _ENDED_EARLY | {RESERVED} | _COMMITTED,
}


def state_name(state: JointItemState.ValueType) -> str:
    """The name as TM Forum writes it, for example `inProgress`."""
    return camel_case(JointItemState.DESCRIPTOR, state)


def next_milestone(item: JointItem) -> JointMilestone | None:
    """The first milestone that is not reached."""
    return next((each for each in item.milestones if not each.HasField("reach_time")), None)


def milestone_at_work(item: JointItem) -> JointMilestone | None:
    """The milestone with a limit on which the region of an item works now; None for one that waits, or has ended."""
    milestone = next_milestone(item) if item.state in _AT_WORK_STATES else None
    return milestone if milestone is not None and milestone.HasField("due_time") else None


def is_to_reserve(item: JointItem) -> bool:
    """Whether staff make a check before they reserve an item, or make room for a held one."""
    return item.state in UNPROVEN


def steps_of(item: JointItem, now: datetime) -> Sequence[str]:
    """The steps that an item leaves to the staff of its region. The step itself may be refused for other reasons."""
    is_possible = {
        "verify": item.HasField("verify_until_time"),
        "reserve": is_to_reserve(item) and not is_unproven(item, now),
        "refuse": item.state == SURVEYING,
        "reach": item.state == IN_PROGRESS,
        "ask_again": _is_left_to_staff(item),
    }
    return [each for each in STEPS if is_possible[each]]


def _is_left_to_staff(item: JointItem) -> bool:
    """Whether the call that an item needs was refused. One without an answer is repeated by itself."""
    reason = item.error.reason
    if item.state == REFUSED:
        return any(each.startswith(_UNDO) for each in item.error.parameters)
    if item.state == RELEASED:
        return reason == Reason.REASON_JOINT_SYSTEM_REFUSED  # other reasons are those of the survey
    is_waiting = item.HasField("verify_until_time") or reason == Reason.REASON_PROVIDER_UNAVAILABLE
    return item.state in (IN_PROGRESS, HELD) and item.HasField("error") and not is_waiting


def is_work_of(order: JointOrder, awaiting: JointAwaiting, region: str) -> bool:
    """Whether a region works on an item that is awaited. A reservation is released without its staff.

    The word of the leading region may be old: the item itself is at work, as its region has it.
    """
    is_awaited = awaiting.region == region and awaiting.milestone != JointMilestoneKind.JOINT_MILESTONE_KIND_UNSPECIFIED
    return is_awaited and any(each.id == awaiting.item_id and each.state in _AT_WORK_STATES for each in order.items)


def may_cancel(order: JointOrder, region: str) -> bool:
    """Whether a region may cancel an order: the leading one, before the decision."""
    return order.leader_region == region and order.state == JointOrderState.JOINT_ORDER_STATE_SURVEYING


def limits(milestone: JointMilestone, warn_before: Duration) -> tuple[datetime, datetime]:
    """The instants of the warning and of the limit of a milestone. Those that no calendar has are moved into one."""
    due = milestone.due_time.seconds * _MICRO + milestone.due_time.nanos // 1000
    before = warn_before.seconds * _MICRO + warn_before.nanos // 1000
    warning, limit = (from_microseconds(min(max(each, 0), _LAST)) for each in (due - before, due))
    return warning, limit


def is_committed(item: JointItem) -> bool:
    """Whether the region of an item has made its reservation permanent."""
    return item.state in _COMMITTED and any(each.HasField("reach_time") for each in item.milestones[:1])


def is_plausible(known: JointItem, told: JointItem, since: datetime, until: datetime) -> bool:
    """Whether a region can say that of an item of which the last requested step is known.

    Its milestones are those of the item, reached in their order between the two instants, and fit its state.
    """
    reached = [each.HasField("reach_time") for each in told.milestones]
    count = sum(reached)
    return (
        told.state in _PLAUSIBLE.get(known.requested, ())
        and [each.kind for each in told.milestones] == [each.kind for each in known.milestones]
        and reached == sorted(reached, reverse=True)
        and (count == len(reached)) == (told.state == COMPLETED)
        and (count > 0 or told.state not in _COMMITTED | {RESERVED})
        and (count < _AT_WORK or told.state in _BEGUN)
        and has_times_within(told, since, until)
    )


def has_times_within(item: JointItem, since: datetime, until: datetime) -> bool:
    """Whether the times that the region of an item reports lie between two instants."""
    times = [each.reach_time for each in item.milestones if each.HasField("reach_time")]
    times += [getattr(item, each) for each in ("change_time", "begin_time") if item.HasField(each)]
    first, last = since.timestamp(), until.timestamp()
    return all(first <= each.seconds <= last and 0 <= each.nanos < _SECOND for each in times)


def has_wait_within(item: JointItem, end: Timestamp) -> bool:
    """Whether the wait of an item for the customer's own proof ends with the reservation, at the latest."""
    wait = item.verify_until_time
    return 0 <= wait.seconds <= end.seconds and 0 <= wait.nanos < _SECOND


def adopt(item: JointItem, told: JointItem) -> None:
    """Takes over the part of an item that its region decides."""
    item.state, item.version = told.state, told.version
    item.papers_checked = told.papers_checked
    item.change_time.CopyFrom(told.change_time)
    item.ClearField("error")
    if told.HasField("error"):
        item.error.CopyFrom(told.error)
    wait_as(item, told)
    reached = {each.kind: each.reach_time for each in told.milestones if each.HasField("reach_time")}
    for milestone in item.milestones:
        if milestone.kind in reached:
            milestone.reach_time.CopyFrom(reached[milestone.kind])


def wait_as(item: JointItem, told: JointItem) -> None:
    """Takes over how long an item waits for the customer's own proof."""
    item.ClearField("verify_until_time")
    if told.HasField("verify_until_time"):
        item.verify_until_time.CopyFrom(told.verify_until_time)


def set_limits(item: JointItem, begin: Timestamp) -> None:
    """Begins the work: every milestone behind the survey gets its limit."""
    item.begin_time.CopyFrom(begin)
    for milestone in item.milestones:
        if milestone.within_s:
            milestone.due_time.CopyFrom(Timestamp(seconds=begin.seconds + milestone.within_s, nanos=begin.nanos))


def survey(item: JointItem, hold_until: datetime, now: datetime, problem: Refused | None = None) -> None:
    """Begins the survey of a new item, or refuses it for a problem, or behind the end of its reservation."""
    if now >= hold_until:
        problem = Refused(Reason.REASON_JOINT_RESERVATION_ENDED)
    _enter(item, SURVEYING if problem is None else REFUSED, now)
    if problem is not None:
        item.error.CopyFrom(error_of(problem))


def commit(item: JointItem, begin: Timestamp | None, now: datetime) -> bool:
    """Makes the reservation permanent, and begins the work where `begin` is given; returns whether that is news.

    An item whose reservation has ended, or was lost with the database, is held.
    Raises Refused with ENVELOPE_INVALID for one that was never reserved.
    """
    is_new_begin = begin is not None and not item.HasField("begin_time")
    if item.state in _COMMITTED and not is_new_begin:
        return False
    if begin is not None and is_new_begin and item.milestones[0].HasField("reach_time"):
        set_limits(item, begin)
    match item.state:
        case JointItemState.JOINT_ITEM_STATE_RESERVED | JointItemState.JOINT_ITEM_STATE_COMMITTED:
            _enter(item, IN_PROGRESS if item.HasField("begin_time") else COMMITTED, now)
        case state if state in _GONE | {SURVEYING} and item.milestones[0].HasField("reach_time"):
            _enter(item, HELD, now)
        case JointItemState.JOINT_ITEM_STATE_HELD:
            _note(item, now)
        case _:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem=f"a commitment of an item {state_name(item.state)}")
    return True


def is_lost(item: JointItem, told: JointItem) -> bool:
    """Whether the leading region has a word of an item's region that this region does not have any more.

    Only a region itself counts the versions of its items: its database was restored from an older one.
    """
    if told.version == item.version:
        return (told.state, told.change_time) != (item.state, item.change_time)
    return item.version < told.version <= MOST_VERSIONS


def recover(item: JointItem, told: JointItem, hold_until: datetime, now: datetime) -> None:
    """Brings an item of a restored database on to what its region had said of it, as the leading region knows it.

    A final item stays final, but for one that ends or opens a line: the database has lost that, too. A promise is
    surveyed again, and work is held until staff have confirmed the room: neither stands on the word of another region
    alone.
    """
    adopt(item, told)
    item.requested, item.decision = told.requested, told.decision
    if told.HasField("begin_time"):
        set_limits(item, told.begin_time)
    has_lost_line = _forget_line(item)
    if not has_lost_line and (told.state == COMPLETED or (told.state in _GONE and told.decision != _COMMIT)):
        return
    item.version += LOST_VERSIONS
    if told.decision == _COMMIT:
        item.state = HELD
    elif told.decision == JointDecision.JOINT_DECISION_RELEASE:
        item.state = RELEASED
    else:
        item.state = SURVEYING if now < hold_until else EXPIRED
    _note(item, now)


def has_changed_line(item: JointItem) -> bool:
    """Whether an item has ended or opened a line."""
    return any(each.HasField("reach_time") for each in _changing_line(item))


def _forget_line(item: JointItem) -> bool:
    """Undoes the milestones from that which changes a line on; returns whether one was reached.

    A line that was not lost is not changed again.
    """
    has_changed = has_changed_line(item)
    for each in _changing_line(item):
        each.ClearField("reach_time")
    return has_changed


def _changing_line(item: JointItem) -> Sequence[JointMilestone]:
    """The milestones from that on which changes a line: the test of a line that is opened, else the last one."""
    kinds = [each.kind for each in item.milestones]
    return item.milestones[kinds.index(_TEST) if item.opens_line and _TEST in kinds else len(kinds) - item.ends_line :]


def hold(item: JointItem, now: datetime) -> bool:
    """Holds an item whose commitment is proven, where its reservation is lost or has ended; returns whether it is so.

    A decision to commit follows a reservation only: the survey counts as done, and staff make room again.
    """
    if item.state not in _GONE | {SURVEYING}:
        return False
    if not item.milestones[0].HasField("reach_time"):
        item.milestones[0].reach_time.CopyFrom(to_timestamp(now))
    _enter(item, HELD, now)
    return True


def release(item: JointItem, now: datetime) -> bool:
    """Ends the reservation; returns whether there was one.

    Raises Refused with ENVELOPE_INVALID for a committed item.
    """
    if item.state in _COMMITTED:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem=f"a release of an item {state_name(item.state)}")
    if item.state in (REFUSED, RELEASED):
        return False
    _enter(item, RELEASED, now)
    return True


def expire(item: JointItem, now: datetime) -> bool:
    """Ends a survey or a reservation at its time; returns whether there was one."""
    if item.state not in RESERVING:
        return False
    _enter(item, EXPIRED, now)
    return True


def reserve(item: JointItem, now: datetime) -> None:
    """The survey was good, as was the line, or room was made for a held item.

    Raises Refused with JOINT_ITEM_STATE_FORBIDS.
    """
    require_state(item, "reserve", SURVEYING, HELD)
    item.ClearField("error")
    if item.state == SURVEYING:
        item.papers_checked = item.ends_line or item.opens_line
        item.milestones[0].reach_time.CopyFrom(to_timestamp(now))
        _enter(item, RESERVED, now)
    else:
        _enter(item, IN_PROGRESS if item.HasField("begin_time") else COMMITTED, now)


def refuse(item: JointItem, refused: Refused, now: datetime) -> None:
    """The survey was bad, as `refused` says. A reservation is a promise, and cannot be refused any more.

    Raises Refused with JOINT_ITEM_STATE_FORBIDS.
    """
    require_state(item, "refuse", SURVEYING)
    item.error.CopyFrom(error_of(refused))
    _enter(item, REFUSED, now)


def reach(item: JointItem, kind: JointMilestoneKind.ValueType, now: datetime) -> None:
    """The next milestone was reached; the last one ends the item. Raises Refused with JOINT_ITEM_STATE_FORBIDS."""
    require_state(item, "reach", IN_PROGRESS)
    milestone = next_milestone(item)
    if milestone is None or milestone.kind != kind:
        raise Refused(Reason.REASON_JOINT_ITEM_STATE_FORBIDS, state=state_name(item.state), action="reach")
    milestone.reach_time.CopyFrom(to_timestamp(now))
    item.ClearField("error")
    if next_milestone(item) is None:
        _enter(item, COMPLETED, now)
    else:
        _note(item, now)


def is_unproven(item: JointItem, now: datetime) -> bool:
    """Whether an item still waits for the customer's own proof."""
    return item.HasField("verify_until_time") and now < from_timestamp(item.verify_until_time)


def prove(item: JointItem, now: datetime) -> bool:
    """Ends the wait for the customer's own proof; returns whether there was one."""
    if not item.HasField("verify_until_time"):
        return False
    item.ClearField("verify_until_time")
    item.ClearField("error")
    _note(item, now)
    return True


def note_problem(item: JointItem, problem: Refused | None, now: datetime) -> None:
    """Notes why an item does not go on by itself; None once it does again."""
    item.ClearField("error")
    if problem is not None:
        item.error.CopyFrom(error_of(problem))
    _note(item, now)


def note_undo_refused(item: JointItem, problem: Refused, now: datetime) -> None:
    """Notes, beside the cause for which an item was refused, that the region's own system does not undo it."""
    added = error_of(problem)
    for name, value in added.parameters.items():
        item.error.parameters[_UNDO + name] = value
    told = item.error.message
    told.zh_cn = "；".join(filter(None, (told.zh_cn.rstrip("。"), added.message.zh_cn)))
    told.en = "; ".join(filter(None, (told.en.rstrip("."), added.message.en)))
    _note(item, now)


def cause_of(item: JointItem) -> Refused | None:
    """The cause for which an item was refused, without what its undo met; None for an item in another state."""
    if item.state != REFUSED or not item.error.reason:
        return None
    told = item.error.parameters.items()
    return Refused(item.error.reason, **{name: value for name, value in told if not name.startswith(_UNDO)})


def require_state(item: JointItem, action: str, *states: JointItemState.ValueType) -> None:
    """Raises Refused with JOINT_ITEM_STATE_FORBIDS unless the item is in one of the states."""
    if item.state not in states:
        raise Refused(Reason.REASON_JOINT_ITEM_STATE_FORBIDS, state=state_name(item.state), action=action)


def _enter(item: JointItem, state: JointItemState.ValueType, now: datetime) -> None:
    """Raises ValueError for an impossible transition: a defect."""
    if state not in TRANSITIONS.get(item.state, ()):
        raise ValueError(f"an item does not go from {state_name(item.state)} to {state_name(state)}")
    item.state = state
    if state not in UNPROVEN:
        item.ClearField("verify_until_time")
    _note(item, now)


def _note(item: JointItem, now: datetime) -> None:
    item.version += 1
    item.change_time.CopyFrom(to_timestamp(now))
