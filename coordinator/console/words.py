"""The badges for what pages show of regions and others."""

from collections.abc import Mapping

from coordinator.wording.members import state_word
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.federation.v1.problem_pb2 import NetworkCondition, ProblemHeader, ProblemState
from gateway.cli.problems import told_state
from gateway.web.tables import Cell
from gateway.wording.times import told_if_set

_MEMBER_BADGES: Mapping[MemberState.ValueType, str] = {
    MemberState.MEMBER_STATE_JOINED: "done",
    MemberState.MEMBER_STATE_LOST: "late",
    MemberState.MEMBER_STATE_SUSPENDED: "soon",
}


def member_badge(state: MemberState.ValueType) -> str:
    """The class of the badge of a membership state."""
    return _MEMBER_BADGES.get(state, "calm")


def member_state_cell(member: Member) -> Cell:
    """The membership state as a badge, and since when."""
    return Cell(state_word(member.state), badge=member_badge(member.state), note=told_if_set(member.state_time))


def problem_state_cell(header: ProblemHeader) -> Cell:
    """The state of a problem of the network as a badge."""
    if header.state != ProblemState.PROBLEM_STATE_IN_PROGRESS:
        badge = "done"
    elif header.condition == NetworkCondition.NETWORK_CONDITION_DOWN:
        badge = "late"
    else:
        badge = "soon"
    return Cell(told_state(header), badge=badge)
