"""States of a move, and the lines that can move. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import LineKind
from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver, CustomerMove, MovedLine, MoveState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.time.clock import dated
from gateway.values.names import snake_case
from region_node.node.rules import MOVED_HERE

REQUESTED = MoveState.MOVE_STATE_REQUESTED
MOVING = MoveState.MOVE_STATE_MOVING
MOVED = MoveState.MOVE_STATE_MOVED
TAKEN_OVER = MoveState.MOVE_STATE_TAKEN_OVER
CANCELLED = MoveState.MOVE_STATE_CANCELLED
REFUSED = MoveState.MOVE_STATE_REFUSED
OPEN = frozenset({REQUESTED, MOVING})
_CLOCKS = timedelta(hours=1)  # by which the clocks of two regions may differ
_TAKEN_WITHIN = timedelta(days=60)  # of the request
CONFIRMED_WITHIN = timedelta(days=7)
TRANSITIONS: Mapping[MoveState.ValueType, frozenset[MoveState.ValueType]] = {
    REQUESTED: frozenset({MOVING, CANCELLED}),
    MOVING: frozenset({MOVED, REFUSED}),
}
"""At the old home; the new home knows a move only as taken over."""


def enter(move: CustomerMove, state: MoveState.ValueType) -> None:
    """Puts a move into a state. Raises Refused with MOVE_DECIDED where it cannot get there."""
    if state not in TRANSITIONS.get(move.state, ()):
        raise Refused(Reason.REASON_MOVE_DECIDED, state=state_name(move.state))
    move.state = state


def state_name(state: MoveState.ValueType) -> str:
    """The state as refusals and lists name it."""
    return snake_case(MoveState.DESCRIPTOR, state)


def require_lines(
    lines: Mapping[str, bool], moved: Sequence[MovedLine], federation: Federation, to_region: str
) -> None:
    """Raises Refused unless each line has a SIM card and gets a plan of the new home.

    `lines` are numbers in E.164, each with whether its line has a SIM card.

    MOVE_LINES_INVALID for the lines, PLAN_UNKNOWN for a plan of no region.
    """
    if sorted(lines) != sorted(each.number for each in moved) or not lines:
        raise _invalid_lines("each line in service needs one plan of the new home", "在用线路须逐条指定新归属地的套餐")
    if not all(lines.values()):
        raise _invalid_lines("a line without a SIM card cannot move", "无SIM卡的线路不能迁移")
    for each in moved:
        require_plan(federation, each.plan_id, to_region)


def require_plan(federation: Federation, plan_id: str, region: str) -> None:
    """Raises Refused with PLAN_UNKNOWN unless a region offers a plan for lines with a SIM card."""
    plan = federation.plan(plan_id)
    if plan.region != region or plan.line_kind == LineKind.LINE_KIND_BROADBAND:
        raise Refused(Reason.REASON_PLAN_UNKNOWN, plan=plan_id)


def require_recent(move: CustomerMove, now: datetime) -> None:
    """Raises Refused with ENVELOPE_INVALID for a move whose request no later statement of settlement would look at.

    A statement looks at three months before its own: the old home must not date what it owes before these.
    """
    age = now.timestamp() - move.create_time.seconds
    is_confirmed = move.change_time.seconds <= now.timestamp() + _CLOCKS.total_seconds()
    if not -_CLOCKS.total_seconds() <= age <= _TAKEN_WITHIN.total_seconds() or not is_confirmed:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a move requested too long ago, or in the future")


def require_times(told: CustomerHandOver) -> None:
    """Raises Refused with ENVELOPE_INVALID for times that no calendar has, which no later attempt would mend.

    A confirmation before the request is none either: the new home would state months that it never had.
    """
    times = [told.move.change_time]
    times += [time for each in told.documents for time in (each.verify_time, each.expire_time, each.withdraw_time)]
    times += [time for each in told.agreements for time in (each.start_time, each.end_time)]
    times += [each.create_time for each in told.complaints]
    try:
        for time in times:
            dated(time)
    except OverflowError:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a time that no calendar has") from None
    if told.move.change_time.seconds < told.move.create_time.seconds - _CLOCKS.total_seconds():
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="confirmed before it was requested")


def ids_at_new_home(move_id: str) -> str:
    """The beginning of all ids that a moved customer has at the new home: no other move makes the same."""
    return f"{MOVED_HERE}{hashlib.sha256(move_id.encode()).hexdigest()[:20]}"


def line_at_new_home(move_id: str, place: int) -> str:
    """The id that a line has at the new home, by its place in the hand-over, from 0."""
    return f"{ids_at_new_home(move_id)}-{place}"


def hand_over_id(move_id: str, to_region: str) -> str:
    """The id of the one envelope that hands the customer of a move over."""
    return f"{move_id}#hand-over>{to_region}"


def _invalid_lines(problem: str, chinese: str) -> Refused:
    return Refused(Reason.REASON_MOVE_LINES_INVALID, problem=problem, problem_zh_cn=chinese)
