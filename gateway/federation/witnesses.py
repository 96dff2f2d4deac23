"""Which regions keep the head of a region's audit chain, besides the coordinators. Pure."""

import hashlib
from collections.abc import Iterable, Mapping

from gateway.api.federation.v1.federation_pb2 import Member, MemberState

WITNESSES = 2
_NO_WITNESS = frozenset({MemberState.MEMBER_STATE_ABSENT, MemberState.MEMBER_STATE_SUSPENDED})


def witnesses_of(region: str, candidates: Iterable[str], count: int = WITNESSES) -> list[str]:
    """The witnesses of a region among candidates, the first one first; fewer where there are not so many.

    By rendezvous hashing (Thaler and Ravishankar, 1998): everybody finds the same, and a region that comes or goes
    changes the witnesses of those alone that it is a witness of.
    """
    others = {each for each in candidates if each != region}
    return sorted(others, key=lambda each: (_weight(region, each), each), reverse=True)[:count]


def may_witness(members: Mapping[str, Member]) -> list[str]:
    """The regions that ever joined and are not suspended. One that is silent stays a witness: it keeps what it has."""
    return sorted(region for region, member in members.items() if member.state not in _NO_WITNESS)


def _weight(region: str, other: str) -> bytes:
    return hashlib.sha256(f"{region}\0{other}".encode()).digest()
