"""Admission of regions: a region may call a service of this coordinator at present, or is refused."""

from collections.abc import Callable

from coordinator.membership.members import CurrentMembers
from coordinator.membership.rules import require_not_suspended
from coordinator.registry.fence import RegistryFence

_BEHIND_THE_FENCE = frozenset({"FederationService", "MembershipService"})
"""What a closed fence leaves to regions: by these they name heads, and give statements back."""
_WHILE_SUSPENDED = frozenset({"RenewalService", "RevocationService"})
"""What a suspension leaves to a region: certificate and revocations, by which it serves its own customers on."""


def admission(members: CurrentMembers, fence: RegistryFence | None) -> Callable[[str, str], None]:
    """A check of a region and the name of a service, which raises Refused with REGION_SUSPENDED or REGISTRY_BEHIND."""

    def require(region: str, service: str) -> None:
        if service not in _WHILE_SUSPENDED:
            require_not_suspended(members.all(), region)
        if fence is not None and service not in _BEHIND_THE_FENCE:
            fence.require_open()

    return require
