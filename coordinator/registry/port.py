"""The registry: what the coordinators of a federation know in common.

An adapter keeps four things: the configuration with all its revisions, which regions ever joined and which of their
processes live, suspensions, and the furthest audit head of each region. Those are durable, except for the lease of
a process, which ends by itself when heartbeats stop.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from coordinator.membership.rules import Heartbeat, RegionFacts
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.audit import Head


@dataclass(frozen=True)
class Snapshot:
    """The registry at one moment. The configuration is shared: nobody may change it."""

    revision: int
    """The revision in force; 0 where none was ever applied."""
    configuration: Configuration | None
    regions: Mapping[str, RegionFacts]
    """What is known of regions, configured or not, by id."""

    def facts(self, region: str) -> RegionFacts:
        """What is known of one region."""
        return self.regions.get(region) or RegionFacts(region)


@dataclass(frozen=True)
class KeptHead:
    """The end of a region's audit chain as it was handed in."""

    head: Head
    signature: bytes
    time: datetime


class Registry(Protocol):
    """See the module. Every change leaves one audit row, before its method returns."""

    def snapshot(self) -> Snapshot:
        """All that is known now, without waiting."""
        ...

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls the listener on the event loop after every change of the snapshot; returns what ends that.

        A heartbeat that only renews a lease is no change.
        """
        ...

    async def beat(self, region: str, heartbeat: Heartbeat) -> None:
        """Takes in a heartbeat: the process lives for one lease more. Its first one is durable on return."""
        ...

    async def leave(self, region: str, endpoint: str) -> None:
        """Ends the lease of a process at once."""
        ...

    async def suspend(self, region: str, *, note: str, actor: str) -> None:
        """Suspends a region; of one that is suspended, only the note and the actor change."""
        ...

    async def reinstate(self, region: str, *, actor: str) -> None:
        """Ends a suspension; nothing happens where there is none."""
        ...

    async def apply(self, configuration: Configuration, *, expected_revision: int, actor: str) -> int:
        """Puts a valid configuration in force and returns its revision, higher than every one before.

        One that means the same as that in force changes nothing. Raises Refused with CONFIGURATION_CHANGED where
        the revision in force is not the expected one.
        """
        ...

    async def configuration_at(self, revision: int) -> Configuration | None:
        """A configuration that is or was in force."""
        ...

    async def keep_audit_head(self, region: str, kept: KeptHead) -> bool:
        """Keeps a head that is further than the one kept.

        False, and nothing changed, where it is behind it or differs from it: the region's chain was cut or rewritten.
        """
        ...

    async def audit_head(self, region: str) -> KeptHead | None:
        """The furthest head of a region."""
        ...

    async def close(self) -> None:
        """Ends the work of the registry; what is durable stays."""
        ...
