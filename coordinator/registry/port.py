"""The registry: the shared state of a federation's coordinators.

An adapter keeps the configuration with all its revisions, the joined regions with their live processes, and
suspensions. It keeps the assignments of numbers, revocation lists, the furthest audit head of each region, the cases of
complaints, planned outages, network problems, risks and enrolments. Last, it keeps the live coordinators. All are
durable, except for the lease of a process, which ends by itself when heartbeats stop. While the registry does not
respond, the snapshot stays unchanged, and every change is refused with REGISTRY_UNAVAILABLE.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from coordinator.registry.assignment_port import AssignmentRegistry
from coordinator.registry.problem_port import ProblemRegistry
from coordinator.registry.record_port import RecordRegistry
from coordinator.registry.rules import Heartbeat, RegionFacts
from gateway.api.coordinator.v1.administration_pb2 import SignedConfiguration
from gateway.api.coordinator.v1.enrolment_service_pb2 import Enrolment
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.coordinator.v1.renewal_service_pb2 import Renewal
from gateway.api.coordinator.v1.risk_service_pb2 import Risk
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import NumberAssignmentMark, ProcessVersion, RevocationList
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.auditing.audit import AuditRow, Head
from gateway.auditing.audit_heads import KeptHead
from gateway.federation.revisions import Chain
from gateway.federation.suspensions import ProvenSuspension


@dataclass(frozen=True)
class Replica:
    """A live coordinator."""

    name: str
    """For example `coordinator/0`."""
    endpoint: str
    """`host:port`."""
    confirmed: int
    """The last change that it acts by; see `Registry.confirm`."""
    lease: timedelta = timedelta(0)
    """For how long it counts as live after each sign of life; zero for one of an earlier version."""
    version: ProcessVersion = field(default_factory=ProcessVersion)
    """Its version, without its database. It is shared and must not be changed."""


@dataclass(frozen=True)
class Snapshot:
    """The registry at one moment. The configuration is shared and must not be changed."""

    revision: int
    """The revision in force; 0 where none was ever applied."""
    configuration: Configuration | None
    regions: Mapping[str, RegionFacts]
    """The facts of each region, configured or not, by id."""
    change: int = 0
    """The number of the latest change in the snapshot; it contains all earlier ones. Never decreases."""
    replicas: Mapping[str, Replica] = field(default_factory=dict)
    """The coordinators that live, by name."""
    entered: Mapping[str, Replica] = field(default_factory=dict)
    """The coordinators that ever entered and have not left, living or not, by name."""
    ended: frozenset[str] = frozenset()
    """Those of them whose lease was seen to end: they forward nothing until they live again."""
    assignment_mark: NumberAssignmentMark = field(default_factory=NumberAssignmentMark)
    """The end of the list of assignments of numbers. It is shared and must not be changed."""
    content: bytes = field(default=b"", repr=False)
    """The configuration as transported, which is what administrators sign; empty without one."""
    chain: Chain | None = None
    """The signed revisions up to the one in force; None for a registry without an anchor."""
    unverified: LocalizedText | None = None
    """Why the configuration of the store is not the one in force; None where it is. It must not be changed."""
    revocation_lists: Mapping[str, RevocationList] = field(default_factory=dict)
    """The revocation lists, by the id of their issuer. The messages must not be changed."""
    suspensions: Mapping[str, ProvenSuspension] = field(default_factory=dict)
    """The statement of an administrator in force about each region that has one."""
    told_suspensions: Sequence[ProvenSuspension] = ()
    """These, and further ones that may count later."""

    def facts(self, region: str) -> RegionFacts:
        """The facts of one region."""
        return self.regions.get(region) or RegionFacts(region)


@dataclass(frozen=True)
class PublishedList:
    """A verified revocation list that an issuer publishes."""

    issuer: str
    """The id of the issuer: SHA-256 (hex) of its public key, with its subject where another one has the same key."""
    content: RevocationList
    require: Callable[[RevocationList], None]
    """Raises Refused unless the list may replace a former one. May be called several times."""
    detail: str
    """What the audit row says of it."""

    def replaces(self, former: RevocationList | None) -> bool:
        """Whether this list is to be stored. Raises as `require`."""
        if former == self.content:
            return False
        if former is not None:
            self.require(former)
        return True


class Registry(Protocol):
    """See the module.

    Every change leaves one audit row before its method returns. Reports of regions leave none: audit heads, cases and
    planned outages.
    """

    def snapshot(self) -> Snapshot:
        """The current state, without waiting."""
        ...

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls the listener on the event loop after every change of the snapshot; returns the function that ends that.

        Calls it, too, when `is_cut_off` changes, and when a snapshot is current again after `is_current` was False. A
        heartbeat that only renews a lease is no change.
        """
        ...

    async def beat(self, region: str, heartbeat: Heartbeat) -> None:
        """Stores a heartbeat: the process lives for one lease more. Its first one is durable on return."""
        ...

    async def leave(self, region: str, endpoint: str) -> None:
        """Ends the lease of a process immediately."""
        ...

    async def suspend(self, region: str, *, note: str, actor: str) -> int:
        """Suspends a region; of a suspended region, only the note and the actor change.

        Returns the number of the change: replicas that have confirmed it, or a later one, enforce it.
        """
        ...

    async def enter(self, name: str, endpoint: str, version: ProcessVersion | None = None) -> None:
        """Enters this coordinator as serving; it counts as live until `close`, or until it is silent for a lease.

        `version` is None for an unknown version.
        """
        ...

    def lease_seconds(self) -> float:
        """Seconds for which this coordinator certainly counts as live; zero or less where it may not.

        A suspension waits for it for at least as long. Read for each call.
        """
        ...

    def lingering(self) -> Sequence[tuple[Replica, float]]:
        """Coordinators that do not live, and may still act by their last lease, each for so many seconds at most."""
        ...

    async def confirm(self, change: int) -> None:
        """Confirms every change up to this one for this coordinator, in the snapshot of the others."""
        ...

    def is_current(self) -> bool:
        """Whether the snapshot is current.

        False after a pause of this process, until it has caught up, or knows that the registry does not respond. The
        last good copy counts then.
        """
        ...

    def answers(self) -> bool:
        """Whether the registry answers this coordinator."""
        ...

    def is_cut_off(self) -> bool:
        """Whether the registry responds to other coordinators but not to this one: clients should call those instead.

        The snapshot is not current then, however long that lasts.
        """
        ...

    def answered(self) -> datetime:
        """When the registry last answered, by this coordinator's clock: the snapshot may be that old."""
        ...

    async def reinstate(self, region: str, *, actor: str) -> None:
        """Ends a suspension; nothing happens without one."""
        ...

    async def apply(
        self,
        configuration: Configuration,
        *,
        expected_revision: int,
        actor: str,
        signed: SignedConfiguration | None = None,
    ) -> int:
        """Puts a valid configuration in force and returns its revision, higher than every one before.

        A configuration with the meaning of the current one changes nothing. Raises Refused with CONFIGURATION_CHANGED
        where the revision in force is not the expected one. With an anchor, `signed` has to hold the configuration; it
        names its revision itself, and replaces what does not verify. Raises as `next_chain`, too.
        """
        ...

    async def keep_suspension(self, wanted: ProvenSuspension, *, actor: str) -> int:
        """Stores a statement about a region, which suspends it or ends its suspension.

        Returns the number of the change, as `suspend`. Nothing happens where it is stored. Raises Refused with
        SUSPENSION_OUTDATED where a later one is, or one in force was signed later.
        """
        ...

    async def publish(self, wanted: PublishedList, *, actor: str) -> None:
        """Stores a revocation list in place of the former one of its issuer. Raises as `wanted.require`.

        Nothing happens where the same list is stored.
        """
        ...

    async def configuration_at(self, revision: int) -> Configuration | None:
        """A configuration that is or was in force."""
        ...

    async def applied_times(self, revisions: range) -> Mapping[int, datetime]:
        """When revisions came into force, by revision; `revisions` ascends without gaps.

        A revision without a readable time is left out.
        """
        ...

    async def keep_audit_head(self, region: str, kept: KeptHead) -> bool:
        """Stores a head that is further than the stored one, or the stored one with a later, other signature.

        Returns False without a change for a head that contradicts the stored one: the chain was truncated or rewritten.
        `gateway.auditing.audit_heads` has the rule.
        """
        ...

    async def audit_head(self, region: str) -> KeptHead | None:
        """The furthest head of a region."""
        ...

    async def keep_case(self, header: CaseHeader) -> bool:
        """Stores the header of a case, unless a version as high is stored. Durable on return.

        Returns False, and stores nothing, where the share of its region has no room for it. Raises Refused with
        TOO_BUSY where the region has no room for changes.
        """
        ...

    async def cases(self) -> Sequence[CaseHeader]:
        """All cases that are kept, by ticket id."""
        ...

    async def forget_cases(
        self, decide: Callable[[Sequence[CaseHeader]], Sequence[CaseHeader]], region: str = ""
    ) -> int:
        """Forgets those of a region's cases, or of all, that `decide` returns, unless they have changed since.

        Returns how many these are.
        """
        ...

    @property
    def assignments(self) -> AssignmentRegistry:
        """The assignments of numbers."""
        ...

    @property
    def problems(self) -> ProblemRegistry:
        """Problems of the network, and the alarms and faults behind them."""
        ...

    @property
    def risks(self) -> RecordRegistry[Risk]:
        """The register of risks. Signals leave no audit row."""
        ...

    @property
    def enrolments(self) -> RecordRegistry[Enrolment]:
        """The enrolments of regions' nodes, by id."""
        ...

    @property
    def renewals(self) -> RecordRegistry[Renewal]:
        """The last renewal of each process of a region, by id."""
        ...

    async def planned_outages(self) -> Sequence[PlannedOutageHeader]:
        """All planned outages that are held, by id."""
        ...

    async def change_planned_outages(
        self, decide: Callable[[Sequence[PlannedOutageHeader]], Sequence[PlannedOutageHeader] | None]
    ) -> None:
        """Replaces the held windows by the result of `decide`; None changes nothing. Durable on return.

        Of two simultaneous decisions, the second starts from the result of the first: `decide` may be called again.
        Raises its exceptions.
        """
        ...

    async def chain_head(self) -> Head:
        """The last row of the audit chain of the registry's changes."""
        ...

    async def audit_page(self, after: int) -> list[AuditRow]:
        """A page of the audit chain of the registry's changes, after a row, oldest first.

        Empty at the end of the chain.
        """
        ...

    @property
    def loops(self) -> Sequence[asyncio.Task[None]]:
        """The tasks that run until `close`. The end of one earlier is a defect, and the process should end with it."""
        ...

    async def close(self) -> None:
        """Ends the work of the registry; durable data stays."""
        ...
