"""The registry of the coordinators, as far as a run needs it. It outlives their processes."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from coordinator.registry.port import Snapshot
from coordinator.registry.problem_port import Administered, Book, Decide
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.auditing.audit import Head
from gateway.auditing.audit_heads import Continuation, KeptHead, continuation
from gateway.federation.catalogue import Federation

_SLOWEST = 0.05  # seconds before a change is durable, and after it until anybody is told


@dataclass
class SimulatedRegistry:
    """See the ports `Registry` and `ProblemRegistry`. A process that is killed meanwhile may have changed something."""

    source: random.Random
    federation: Callable[[], Federation]
    kept: Book = field(default_factory=Book)
    windows: Sequence[PlannedOutageHeader] = ()
    told: dict[tuple[str, str], int] = field(default_factory=dict)
    changes: int = 0
    """How often anything was changed."""
    heads: dict[str, KeptHead] = field(default_factory=dict)
    """The furthest end of the audit chain that each region has told."""

    @property
    def problems(self) -> "SimulatedRegistry":
        """See the port."""
        return self

    def snapshot(self) -> Snapshot:
        """See the port: what is in force, and nothing of regions."""
        federation = self.federation()
        return Snapshot(federation.revision, federation.configuration, {})

    def keep_head(self, region: str, told: AuditHead, now: datetime) -> None:
        """See `keep_audit_head` of the port."""
        kept = KeptHead(Head(told.sequence, told.hash), told.signature, now)
        if continuation(self.heads.get(region), kept) is Continuation.FURTHER:
            self.heads[region] = kept

    def head_of(self, region: str) -> AuditHead | None:
        """The head of a region as it was told; None without one."""
        kept = self.heads.get(region)
        if kept is None:
            return None
        return AuditHead(sequence=kept.head.sequence, hash=kept.head.hash, signature=kept.signature)

    async def keep_event(self, event: NetworkEvent) -> bool:
        """See the port."""
        await self._travel()
        known = self.kept.events.get(event.id)
        if known is None or known.version < event.version:
            self.kept = Book({**self.kept.events, event.id: event}, self.kept.problems)
            self.changes += 1
        await self._travel()
        return True

    async def book(self) -> Book:
        """See the port."""
        await self._travel()
        return self.kept

    async def change(self, decide: Decide, by: Administered | None = None) -> Book:
        """See the port."""
        await self._travel()
        decision = decide(self.kept)
        after = self.kept.after(decision)
        self.kept, self.changes = after, self.changes + (not decision.is_empty)
        await self._travel()
        return after

    async def followed(self) -> Mapping[tuple[str, str], int]:
        """See the port."""
        await self._travel()
        return dict(self.told)

    async def note_followed(self, problem: str, region: str, version: int) -> None:
        """See the port."""
        await self._travel()
        if self.told.get((problem, region), 0) < version:
            self.told[problem, region] = version
            self.changes += 1

    async def planned_outages(self) -> Sequence[PlannedOutageHeader]:
        """See the port."""
        await self._travel()
        return self.windows

    async def change_planned_outages(
        self, decide: Callable[[Sequence[PlannedOutageHeader]], Sequence[PlannedOutageHeader] | None]
    ) -> None:
        """See the port."""
        await self._travel()
        after = decide(self.windows)
        if after is not None:
            self.windows, self.changes = after, self.changes + 1
        await self._travel()

    async def _travel(self) -> None:
        await asyncio.sleep(self.source.uniform(0.0, _SLOWEST))
