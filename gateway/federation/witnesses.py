"""The regions that keep the head of a region's audit chain, besides the coordinators. Pure."""

import hashlib
from collections.abc import Iterable, Mapping

from gateway.api.federation.v1.federation_pb2 import Member, MemberState

WITNESSES = 2
_NO_WITNESS = frozenset({MemberState.MEMBER_STATE_ABSENT, MemberState.MEMBER_STATE_SUSPENDED})


def witnesses_of(region: str, candidates: Iterable[str], count: int = WITNESSES) -> list[str]:
    """The witnesses of a region among candidates, in order of rank; fewer where there are too few candidates.

    Rendezvous hashing (Thaler and Ravishankar, 1998): every member computes the same list. A region that joins or
    leaves changes only the lists that contain it.
    """
    others = {each for each in candidates if each != region}
    return sorted(others, key=lambda each: (_weight(region, each), each), reverse=True)[:count]


def may_witness(members: Mapping[str, Member]) -> list[str]:
    """The regions that ever joined and are not suspended. A silent region stays a witness: it keeps its heads."""
    return sorted(region for region, member in members.items() if member.state not in _NO_WITNESS)


def _weight(region: str, other: str) -> bytes:
    return hashlib.sha256(f"{region}\0{other}".encode()).digest()
