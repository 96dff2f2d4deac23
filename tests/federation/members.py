"""The members of a federation under test, and how they are started."""

from dataclasses import dataclass
from typing import Protocol

from coordinator.app import start as start_coordinator
from coordinator.settings import CoordinatorSettings
from deploy.local.driven_clock import DrivenClock
from region_node.app.process import start as start_node
from region_node.node.settings import RegionSettings


class Member(Protocol):
    """A member that serves."""

    @property
    def port(self) -> int:
        """The port that it got."""
        ...

    async def stop(self) -> None:
        """Ends it in order."""
        ...


class Starting(Protocol):
    """Starts members by their settings."""

    async def coordinator(self, settings: CoordinatorSettings) -> Member:
        """A coordinator."""
        ...

    async def node(self, settings: RegionSettings) -> Member:
        """A region node."""
        ...


@dataclass(frozen=True)
class WithinThisProcess:
    """Members share the loop of the tests, and a clock."""

    clock: DrivenClock

    async def coordinator(self, settings: CoordinatorSettings) -> Member:
        """See Starting."""
        return await start_coordinator(settings, self.clock)

    async def node(self, settings: RegionSettings) -> Member:
        """See Starting."""
        return await start_node(settings, self.clock)
