"""The state of a member, and the calls that it allows. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from coordinator.registry.rules import RegionFacts
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, unknown

NOTE_LENGTH = 256
"""The most characters of the reason for a suspension, and of a reference: one line."""


@dataclass(frozen=True)
class Membership:
    """The state of a region, its start and its reason."""

    state: MemberState.ValueType
    since: datetime | None
    note: str = ""


def membership_of(facts: RegionFacts) -> Membership:
    """The membership of a region by its known facts. A suspension precedes everything else."""
    if facts.suspension is not None:
        note = f"{facts.suspension.note} (by {facts.suspension.actor})"
        return Membership(MemberState.MEMBER_STATE_SUSPENDED, facts.suspension.since, note)
    if facts.live:
        return Membership(MemberState.MEMBER_STATE_JOINED, facts.presence_since)
    if facts.ever_joined:
        return Membership(MemberState.MEMBER_STATE_LOST, facts.presence_since)
    return Membership(MemberState.MEMBER_STATE_ABSENT, None)


def require_route(members: Mapping[str, Member], sender: str, destination: str) -> None:
    """Raises Refused unless envelopes may go from one region to the other now."""
    if not members:
        raise Refused(Reason.REASON_CONFIGURATION_MISSING)
    require_member(members, sender)
    require_reachable(members, destination)


def require_reachable(members: Mapping[str, Member], region: str) -> None:
    """Raises Refused unless a region takes part and at least one of its processes can be called."""
    if not require_member(members, region).endpoints:
        raise Refused(Reason.REASON_REGION_UNREACHABLE, region=region)


def require_not_suspended(members: Mapping[str, Member], region: str) -> None:
    """Raises Refused with REGION_SUSPENDED for a region that an administrator has suspended."""
    member = members.get(region)
    if member is not None and member.state == MemberState.MEMBER_STATE_SUSPENDED:
        raise Refused(Reason.REASON_REGION_SUSPENDED, region=region)


def require_configured(members: Mapping[str, Member], region: str) -> None:
    """Raises Refused with REGION_UNKNOWN unless the federation has such a region."""
    if region not in members:
        raise unknown(Reason.REASON_REGION_UNKNOWN, members, region=region)


def require_ever_joined(members: Mapping[str, Member], region: str) -> Member:
    """A region that has joined, suspended or not. Raises Refused with REGION_UNKNOWN or REGION_NOT_JOINED."""
    require_configured(members, region)
    member = members[region]
    if member.state == MemberState.MEMBER_STATE_ABSENT:
        raise Refused(Reason.REASON_REGION_NOT_JOINED, region=region)
    return member


def require_member(members: Mapping[str, Member], region: str) -> Member:
    """A region that takes part. Raises Refused with REGION_UNKNOWN, REGION_SUSPENDED or REGION_NOT_JOINED."""
    require_not_suspended(members, region)
    return require_ever_joined(members, region)
