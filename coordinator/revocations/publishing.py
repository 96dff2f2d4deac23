"""The place of a revocation list among those of the registry, and which one it may replace."""

from collections.abc import Mapping

from coordinator.registry.port import PublishedList
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.security.revocations import VerifiedList


def published(verified: VerifiedList, lists: Mapping[str, RevocationList]) -> PublishedList:
    """A verified list as it is to be stored beside the lists of the registry.

    The first issuer of a key has the id of the key, by which coordinators of every version find it. Another issuer
    with this key has a list of its own.
    """
    former = lists.get(verified.key_id)
    is_own = former is None or verified.has_issuer_of(former)
    return PublishedList(
        verified.key_id if is_own else verified.issuer_id,
        verified.told,
        verified.require_may_replace,
        f"number {verified.number}, {len(verified.revoked)} certificates",
    )
