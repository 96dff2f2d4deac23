"""The revocation lists of the registry, in force at this coordinator."""

from coordinator.registry.port import Registry
from gateway.security.revocations import Revocations


def follow_registry(registry: Registry, revocations: Revocations) -> None:
    """Puts the lists of the registry in force, now and after each change."""

    def take() -> None:
        revocations.keep_each(registry.snapshot().revocation_lists.values())

    take()
    registry.on_change(take)
