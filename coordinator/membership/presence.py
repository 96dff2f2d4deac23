"""This coordinator's entry in the registry, with the changes that it has put in force."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace

from coordinator.membership.members import CurrentMembers
from coordinator.registry.fence import RegistryFence
from coordinator.registry.port import Registry, Replica, Snapshot
from coordinator.registry.rules import Suspension
from gateway.api.federation.v1.federation_pb2 import ProcessVersion
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

LEAST_SECONDS = 0.5  # of a lease: a delivery that had less would fail, and another coordinator can make it


class Presence:
    """Confirms suspensions once no delivery to or from the suspended regions is in transit.

    `members` are those of this coordinator's router. `over` returns when the current deliveries of some regions are
    over. `fence` is None for a registry that several coordinators share.
    """

    def __init__(
        self,
        registry: Registry,
        members: CurrentMembers,
        over: Callable[[Collection[str]], Awaitable[None]],
        fence: RegistryFence | None = None,
    ) -> None:
        self._registry = registry
        self._members = members
        self._over = over
        self._fence = fence
        self._changed = asyncio.Event()
        self._confirming: asyncio.Task[None] | None = None
        self.own: Replica | None = None
        """This coordinator's entry, with the last change whose suspensions it enforces."""

    def routing_seconds(self) -> float:
        """Seconds for which envelopes may be forwarded by the snapshot.

        Unless the registry certainly counts this coordinator as live, a suspension would not wait for its confirmation.
        Raises Refused with REGISTRY_UNAVAILABLE, LEASE_UNPROVEN, or REGISTRY_BEHIND while the fence is closed.
        """
        if self._fence is not None:
            self._fence.require_open()
        if self.own is None or not self._registry.is_current():
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE)
        if (seconds := self._registry.lease_seconds()) < LEAST_SECONDS:
            raise Refused(Reason.REASON_LEASE_UNPROVEN)
        return seconds

    async def enter(self, name: str, endpoint: str, version: ProcessVersion | None = None) -> None:
        """Enters this coordinator as serving, and confirms suspensions from then on, until `close`."""
        await self._registry.enter(name, endpoint, version)
        own = self.own = Replica(name, endpoint, 0, version=version or ProcessVersion())
        self._members.on_change(lambda _: self._changed.set())
        self._confirming = asyncio.get_running_loop().create_task(self._confirm(own))

    @property
    def loops(self) -> Sequence[asyncio.Task[None]]:
        """The tasks that run until `close`. The end of one earlier is a defect, and the process should end with it."""
        return [self._confirming] if self._confirming is not None else []

    async def close(self) -> None:
        """Confirms nothing more."""
        if self._confirming is not None:
            self._confirming.cancel()
            await asyncio.gather(self._confirming, return_exceptions=True)

    async def _confirm(self, own: Replica) -> None:
        confirmed: Mapping[str, Suspension] = {}
        while True:
            # The registry's own snapshot may be newer than the router's; confirming it would hide what the router still
            # lets through.
            snapshot = self._members.snapshot()
            suspensions = _suspensions(snapshot)
            if suspensions != confirmed:
                await self._over(suspensions.keys())
                self.own = replace(own, confirmed=snapshot.change)
                await self._registry.confirm(snapshot.change)
                confirmed = suspensions
            await self._changed.wait()
            self._changed.clear()


def _suspensions(snapshot: Snapshot) -> dict[str, Suspension]:
    """Why regions are suspended, by their id."""
    return {region: facts.suspension for region, facts in snapshot.regions.items() if facts.suspension is not None}
