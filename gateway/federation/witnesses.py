"""The regions that keep the head of a region's audit chain, besides the coordinators. Pure."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Member

WITNESSES = 2


def witnesses_of(region: str, candidates: Iterable[str], count: int = WITNESSES) -> list[str]:
    """The witnesses of a region among candidates, in order of rank; fewer where there are too few candidates.

    Rendezvous hashing (Thaler and Ravishankar, 1998): every member computes the same list. A region that joins or
    leaves changes only the lists that contain it.
    """
    others = {each for each in candidates if each != region}
    return sorted(others, key=lambda each: (_weight(region, each), each), reverse=True)[:count]


def may_witness(
    configuration: Configuration,
    members: Mapping[str, Member],
    suspended: Collection[str],
    is_certified: Callable[[str, bytes], bool],
) -> list[str]:
    """The regions of the configuration that the authority has certified, without those that are suspended.

    The state of a member has no part in it: by that a coordinator could choose the witnesses. `suspended` are the
    regions with a signed suspension. `is_certified` is true for a signing certificate (PEM) that the authority has
    issued to a region; each region shows one when it joins. A silent region stays a witness: it keeps its heads.
    """
    known = {each.id: members[each.id].signing_certificate for each in configuration.regions if each.id in members}
    return sorted(each for each, pem in known.items() if pem and each not in suspended and is_certified(each, pem))


def _weight(region: str, other: str) -> bytes:
    return hashlib.sha256(f"{region}\0{other}".encode()).digest()
