"""The registry of a federation with exactly one coordinator, in that coordinator's own store.

The store refuses a second coordinator on the same file. Leases are kept in memory: after a restart a joined region is
lost until its next heartbeat.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from coordinator.registry import operations, planned_outage_rows, revocation_rows, suspensions
from coordinator.registry.assignment_rows import EmbeddedAssignments, NumberAssigned
from coordinator.registry.case_rows import EmbeddedCases
from coordinator.registry.operations import HeadKept, Revision, StatementsChosen, SuspensionChanged, Wanted
from coordinator.registry.port import PublishedList, Replica, Snapshot
from coordinator.registry.problem_rows import EmbeddedProblems
from coordinator.registry.record_rows import ENROLMENTS, RENEWALS, RISKS, EmbeddedRecords
from coordinator.registry.revocation_rows import ListPublished
from coordinator.registry.rules import Heartbeat, Lease, RegionFacts, expired, next_expiry
from coordinator.registry.signed import next_chain
from gateway.api.coordinator.v1.administration_pb2 import SignedConfiguration
from gateway.api.coordinator.v1.enrolment_service_pb2 import Enrolment
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.coordinator.v1.renewal_service_pb2 import Renewal
from gateway.api.coordinator.v1.risk_service_pb2 import Risk
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import ProcessVersion
from gateway.api.federation.v1.revision_pb2 import Anchor
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.auditing import audit
from gateway.auditing.audit import AuditRow, Head
from gateway.auditing.audit_heads import KeptHead, is_newly_signed
from gateway.federation.rules import difference
from gateway.federation.suspensions import ProvenSuspension
from gateway.rpc.admission import elsewhere
from gateway.security.sealing_keys import is_proven_by
from gateway.store.port import Store
from gateway.time.agreed_clock import AgreedClock

_log = logging.getLogger(__name__)


class EmbeddedRegistry:
    """See the port. Made by `open`, on the event loop that will use it."""

    def __init__(self, store: Store, clock: AgreedClock, lease: timedelta, snapshot: Snapshot, newest: int) -> None:
        """`newest` is the highest revision of the database."""
        self._store = store
        self.assignments: Final = EmbeddedAssignments(store, clock)
        self.problems: Final = EmbeddedProblems(store, clock)
        self.risks: Final = EmbeddedRecords(store, clock, RISKS, Risk)
        self.enrolments: Final = EmbeddedRecords(store, clock, ENROLMENTS, Enrolment)
        self.renewals: Final = EmbeddedRecords(store, clock, RENEWALS, Renewal)
        self._cases = EmbeddedCases(store)
        self._clock = clock
        self._lease_seconds = lease.total_seconds()
        self._snapshot = snapshot
        self._newest = newest
        self._leases: dict[tuple[str, str], Lease] = {}
        self._listeners: list[Callable[[], None]] = []
        self._loop = asyncio.get_running_loop()
        self._expiry: asyncio.TimerHandle | None = None
        self._own: Replica | None = None
        # the change of each region's suspension; changes of an earlier process are included in all
        self._suspended_by: dict[str, int] = {}
        # the stored head of a region's audit chain; none while a write of it is under way
        self._heads: dict[str, KeptHead] = {}
        # A commit counts, even where its caller was cancelled before the result.
        store.subscribe(Revision, self._take_revision)
        store.subscribe(SuspensionChanged, self._take_suspension)
        store.subscribe(StatementsChosen, self._take_statements)
        store.subscribe(HeadKept, self._take_head)
        store.subscribe(NumberAssigned, self._take_assignment)
        store.subscribe(ListPublished, self._take_list)

    @classmethod
    async def open(
        cls, store: Store, clock: AgreedClock, lease: timedelta, anchor: Anchor | None = None
    ) -> "EmbeddedRegistry":
        """The registry as the store keeps it. An endpoint lives for `lease` after each heartbeat.

        With an anchor, only configurations that verify from it are in force.
        """
        latest, now = clock.latest_told(), clock.now()
        kept = await store.read(lambda tx: operations.snapshot(tx, anchor, latest))
        newest = await store.read(operations.newest)
        known = {region: replace(facts, presence_since=now) for region, facts in kept.regions.items()}
        return cls(store, clock, lease, replace(kept, regions=known), newest)

    def snapshot(self) -> Snapshot:
        """See the port."""
        return self._snapshot

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """See the port."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def beat(self, region: str, heartbeat: Heartbeat) -> None:
        """See the port."""
        await self._choose_statements()
        facts = self._snapshot.facts(region)
        is_news = facts.has_news_in(heartbeat, is_proven_by)
        if is_news and (joined := facts.joined_by(heartbeat, is_proven_by)) != facts:
            now = self._clock.now()
            with elsewhere():  # envelopes go on to their regions while the database stands still
                await self._store.write(lambda tx: operations.keep_joined(tx, joined, now))
        self._take_heartbeat(region, heartbeat, is_news=is_news)

    async def leave(self, region: str, endpoint: str) -> None:
        """See the port."""
        if self._leases.pop((region, endpoint), None) is not None:
            self._forget(region, endpoint)
            self._tell()

    async def suspend(self, region: str, *, note: str, actor: str) -> int:
        """See the port."""
        now = self._clock.now()
        await self._store.write(lambda tx: operations.suspend(tx, region, note=note, actor=actor, now=now))
        return self._suspended_by.get(region, 0)

    async def reinstate(self, region: str, *, actor: str) -> None:
        """See the port."""
        now = self._clock.now()
        await self._store.write(lambda tx: operations.reinstate(tx, region, actor=actor, now=now))

    async def keep_suspension(self, wanted: ProvenSuspension, *, actor: str) -> int:
        """See the port."""
        known, latest, now = self._snapshot, self._clock.latest_told(), self._clock.now()
        await self._store.write(lambda tx: operations.keep_suspension(tx, wanted, known, latest, actor=actor, now=now))
        return self._suspended_by.get(wanted.statement.region, 0)

    async def apply(
        self,
        configuration: Configuration,
        *,
        expected_revision: int,
        actor: str,
        signed: SignedConfiguration | None = None,
    ) -> int:
        """See the port."""
        own = Configuration()
        own.CopyFrom(configuration)
        content = signed.content if signed is not None else own.SerializeToString(deterministic=True)
        while True:
            snapshot, newest, now = self._snapshot, self._newest, self._clock.now()
            # Half a million prefixes take seconds: beside the event loop, and before the transaction.
            chain = await asyncio.to_thread(next_chain, snapshot.chain, signed, now)
            if chain is not None and chain is snapshot.chain and snapshot.unverified is None:
                return snapshot.revision
            changes = await asyncio.to_thread(difference, snapshot.configuration or Configuration(), own)
            apply = partial(
                operations.apply,
                wanted=Wanted(own, content, snapshot.revision, newest, len(changes), chain),
                expected_revision=expected_revision,
                actor=actor,
                now=now,
            )
            if (revision := await self._store.write(apply)) is not None:
                return revision

    async def publish(self, wanted: PublishedList, *, actor: str) -> None:
        """See the port."""
        now = self._clock.now()
        await self._store.write(lambda tx: revocation_rows.publish(tx, wanted, actor=actor, now=now))

    async def configuration_at(self, revision: int) -> Configuration | None:
        """See the port."""
        return await self._store.read(lambda tx: operations.configuration_at(tx, revision))

    async def applied_times(self, revisions: range) -> Mapping[int, datetime]:
        """See the port."""
        return await self._store.read(lambda tx: operations.applied_times(tx, revisions))

    async def keep_audit_head(self, region: str, kept: KeptHead) -> bool:
        """See the port."""
        known = self._heads.get(region)
        if known is not None and known.head == kept.head and not is_newly_signed(known, kept):
            return True
        # The outcome of a write may stay unknown: no head is remembered then.
        self._heads.pop(region, None)
        with elsewhere():
            return await self._store.write(lambda tx: operations.keep_audit_head(tx, region, kept))

    async def audit_head(self, region: str) -> KeptHead | None:
        """See the port."""
        return await self._store.read(lambda tx: operations.audit_head(tx, region))

    async def keep_case(self, header: CaseHeader) -> bool:
        """See the port."""
        return await self._cases.keep(header)

    async def cases(self) -> Sequence[CaseHeader]:
        """See the port."""
        return await self._cases.all()

    async def forget_cases(
        self, decide: Callable[[Sequence[CaseHeader]], Sequence[CaseHeader]], region: str = ""
    ) -> int:
        """See the port."""
        return await self._cases.forget(decide, region)

    async def planned_outages(self) -> Sequence[PlannedOutageHeader]:
        """See the port."""
        return await self._store.read(planned_outage_rows.planned_outages)

    async def change_planned_outages(self, decide: planned_outage_rows.Decide) -> None:
        """See the port."""
        await self._store.write(lambda tx: planned_outage_rows.change_planned_outages(tx, decide))

    async def enter(self, name: str, endpoint: str, version: ProcessVersion | None = None) -> None:
        """See the port."""
        self._own = Replica(name, endpoint, 0, version=version or ProcessVersion())
        self._put_replica()

    async def confirm(self, change: int) -> None:
        """See the port."""
        if self._own is not None and change > self._own.confirmed:
            self._own = replace(self._own, confirmed=change)
            self._put_replica()

    def lease_seconds(self) -> float:
        """See the port. Its place is the lock of the store, which this process holds while it lives."""
        return math.inf if self._own is not None else 0.0

    def lingering(self) -> Sequence[tuple[Replica, float]]:
        """See the port. There are no others."""
        return ()

    def is_current(self) -> bool:
        """See the port. No other process changes this registry."""
        return True

    def answers(self) -> bool:
        """See the port."""
        return True

    def is_cut_off(self) -> bool:
        """See the port. There are no others."""
        return False

    def answered(self) -> datetime:
        """See the port."""
        return self._clock.now()

    async def chain_head(self) -> Head:
        """See the port."""
        return await self._store.read(audit.head)

    async def audit_page(self, after: int) -> list[AuditRow]:
        """See the port."""
        return await self._store.read(lambda tx: audit.page(tx, after))

    @property
    def loops(self) -> Sequence[asyncio.Task[None]]:
        """See the port. There are none."""
        return ()

    async def close(self) -> None:
        """See the port. The store stays open: its opener closes it."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._listeners.clear()

    def _take_heartbeat(self, region: str, heartbeat: Heartbeat, *, is_news: bool) -> None:
        before = self._snapshot.facts(region)
        joined = before.joined_by(heartbeat, is_proven_by) if is_news else before
        live = {**before.live, heartbeat.endpoint: heartbeat}
        facts = replace(
            joined,
            live=live,
            last=heartbeat,
            presence_since=before.presence_since if before.live else heartbeat.time,
        )
        self._put(facts)
        key = (region, heartbeat.endpoint)
        is_change = key not in self._leases or joined != before or facts.features() != before.features()
        self._leases[key] = Lease(*key, expires=self._loop.time() + self._lease_seconds)
        self._expect_expiry()
        if is_change:
            self._tell()

    def _expect_expiry(self) -> None:
        """Looks again when the next lease expires. A lease renewed meanwhile costs only a look."""
        if self._expiry is None and (due := next_expiry(self._leases.values())) is not None:
            self._expiry = self._loop.call_at(due, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        gone = expired(self._leases.values(), self._loop.time())
        for lease in gone:
            del self._leases[(lease.region, lease.endpoint)]
            self._forget(lease.region, lease.endpoint)
        self._expect_expiry()
        if gone:
            self._tell()

    def _forget(self, region: str, endpoint: str) -> None:
        before = self._snapshot.facts(region)
        live = {each: beat for each, beat in before.live.items() if each != endpoint}
        since = before.presence_since if live else self._clock.now()
        self._put(replace(before, live=live, presence_since=since))

    def _take_revision(self, revision: Revision) -> None:
        self._newest = revision.revision
        self._snapshot = replace(
            self._snapshot,
            revision=revision.revision,
            configuration=revision.configuration,
            content=revision.content,
            chain=revision.chain,
            unverified=None,
        )
        _log.info("revision %d of the configuration is in force", revision.revision)
        self._tell()

    def _take_suspension(self, changed: SuspensionChanged) -> None:
        self._suspended_by[changed.region] = self._snapshot.change + 1
        self._put(self._snapshot.facts(changed.region).standing(changed.suspension))
        if changed.stated is not None:
            stated = {**self._snapshot.suspensions, changed.region: changed.stated}
            others = (each for each in self._snapshot.told_suspensions if each.statement.region != changed.region)
            self._snapshot = replace(self._snapshot, suspensions=stated, told_suspensions=[*others, changed.stated])
        self._tell()

    async def _choose_statements(self) -> None:
        """Lets other statements about regions count once their time has come, or the time is known."""
        chain, latest = self._snapshot.chain, self._clock.latest_told()
        if suspensions.is_due(self._snapshot, latest):
            with elsewhere():
                await self._store.write(lambda tx: operations.choose_statements(tx, chain, latest))

    def _take_statements(self, found: StatementsChosen) -> None:
        for region in {each.statement.region for each in self._snapshot.told_suspensions}:
            durable = found.regions.get(region)
            self._put(self._snapshot.facts(region).standing(durable.suspension if durable is not None else None))
        stated = found.chosen
        self._snapshot = replace(self._snapshot, suspensions=stated.in_force, told_suspensions=stated.all())
        self._tell()

    def _take_assignment(self, assigned: NumberAssigned) -> None:
        self._snapshot = replace(self._snapshot, assignment_mark=assigned.mark)
        self._tell()

    def _take_head(self, stored: HeadKept) -> None:
        self._heads[stored.region] = stored.kept

    def _take_list(self, published: ListPublished) -> None:
        lists = {**self._snapshot.revocation_lists, published.issuer: published.content}
        self._snapshot = replace(self._snapshot, revocation_lists=lists)
        self._tell()

    def _put_replica(self) -> None:
        assert self._own is not None
        self._snapshot = replace(self._snapshot, replicas={self._own.name: self._own})
        self._tell()

    def _put(self, facts: RegionFacts) -> None:
        self._snapshot = replace(self._snapshot, regions={**self._snapshot.regions, facts.region: facts})

    def _tell(self) -> None:
        self._snapshot = replace(self._snapshot, change=self._snapshot.change + 1)
        for listener in list(self._listeners):
            listener()
