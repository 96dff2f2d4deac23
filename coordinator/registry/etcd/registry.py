"""The registry in etcd, which several coordinators share. See the port.

Everything is known from a copy that follows etcd. A change returns once that copy contains it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from coordinator.registry.etcd import decisions, values
from coordinator.registry.etcd.assignments import AssignmentPorts, EtcdAssignments
from coordinator.registry.etcd.cases import EtcdCases
from coordinator.registry.etcd.changes import Change, Changes, Found, Noted, Put
from coordinator.registry.etcd.client import EtcdClient, Read, Rejected, Unanswered
from coordinator.registry.etcd.contact import Contact
from coordinator.registry.etcd.copy import Copy, Entry
from coordinator.registry.etcd.endpoints import EndpointPorts, EtcdEndpoints
from coordinator.registry.etcd.history import History
from coordinator.registry.etcd.keys import KeyRange, Keys
from coordinator.registry.etcd.last_good import LastGood, LastGoodKeeper, RegistryUnreachable
from coordinator.registry.etcd.leases import Leases, seconds_since_boot
from coordinator.registry.etcd.packing import Packed, pack
from coordinator.registry.etcd.planned_outages import Decide, change_planned_outages, read_planned_outages
from coordinator.registry.etcd.plans import Plans
from coordinator.registry.etcd.problems import EtcdProblems, ProblemPorts
from coordinator.registry.etcd.records import ENROLMENTS, RENEWALS, RISKS, EtcdRecords
from coordinator.registry.etcd.replica import LEASE_FILE, Lingering, OwnReplica, ReplicaPorts
from coordinator.registry.etcd.settings import EtcdSettings
from coordinator.registry.etcd.values import Applied
from coordinator.registry.etcd.watch import Follower, FollowerPorts
from coordinator.registry.port import PublishedList, Replica, Snapshot
from coordinator.registry.rules import Heartbeat
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
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing.audit import GENESIS, AuditRow, Head
from gateway.auditing.audit_heads import Continuation, KeptHead, continuation, is_newly_signed
from gateway.errors import Refused
from gateway.federation.revisions import Chain
from gateway.federation.rules import difference
from gateway.federation.suspensions import ProvenSuspension
from gateway.process.finishing import Finishing
from gateway.process.last_good import LastGoodBroken
from gateway.rpc.admission import elsewhere
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import Clock, to_microseconds

_ROWS_AT_ONCE = 1000
_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Parts:
    """The parts of the registry."""

    keys: Keys
    client: EtcdClient
    plans: Plans
    copy: Copy
    clock: Clock
    lease: timedelta
    last_good: LastGood
    others_are_answered: Callable[[Collection[Replica]], Awaitable[bool]]
    seconds: Callable[[], float] = seconds_since_boot
    """A clock that nobody sets, by which leases are counted."""


class EtcdRegistry:
    """See the port. Made by `open`, or `started`, on the event loop that will use it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._keys, self._copy, self._clock = parts.keys, parts.copy, parts.clock
        following = FollowerPorts(parts.client, parts.keys, parts.plans, parts.clock, parts.last_good.path)
        self._history = History(parts.client, parts.keys, parts.plans)
        self._follower = Follower(following, parts.copy, self._tell)
        self._changes = Changes(parts.client, parts.keys, self._follower)
        self._contact = Contact(
            parts.client,
            self._follower,
            parts.copy,
            parts.clock,
            parts.lease,
            parts.keys.configuration,
            self._others_are_answered,
            self._notify,
            parts.seconds,
        )
        patience, end, seconds = self._contact.patience, self._to_the_end, parts.seconds
        file = parts.last_good.path.with_name(LEASE_FILE)
        self._own = OwnReplica(
            ReplicaPorts(parts.client, parts.keys, parts.lease, patience, parts.copy, self._follower, file, seconds)
        )
        self._lingering = Lingering(parts.lease, seconds)
        self._endpoints = EtcdEndpoints(
            EndpointPorts(
                client=parts.client,
                changes=self._changes,
                leases=Leases(parts.client, parts.lease),
                keys=parts.keys,
                copy=parts.copy,
                follower=self._follower,
                clock=parts.clock,
                patience=patience,
                contain=self._contain,
            )
        )
        asking = ProblemPorts(self._changes, parts.keys, parts.clock, self._read_all, patience, end)
        self.assignments: Final = EtcdAssignments(
            AssignmentPorts(parts.keys, parts.clock, self._read_all, self._change)
        )
        self._cases = EtcdCases(asking)
        self.problems: Final = EtcdProblems(asking)
        self.risks: Final = EtcdRecords(asking, RISKS, Risk)
        self.enrolments: Final = EtcdRecords(asking, ENROLMENTS, Enrolment)
        self.renewals: Final = EtcdRecords(asking, RENEWALS, Renewal)
        self._loop = asyncio.get_running_loop()
        self._listeners: list[Callable[[], None]] = []
        self._keeper = LastGoodKeeper(self._copy, self._follower, parts.last_good)
        self._running: list[asyncio.Task[None]] = []
        self._finishing = Finishing(_log_defect)

    @classmethod
    async def open(
        cls,
        settings: EtcdSettings,
        federation: str,
        directory: Path,
        clock: AgreedClock,
        lease: timedelta,
        others_are_answered: Callable[[Collection[Replica]], Awaitable[bool]] | None = None,
        anchor: Anchor | None = None,
    ) -> "EtcdRegistry":
        """Opens the registry of a federation; an endpoint lives for `lease` after each heartbeat.

        `others_are_answered` queries other coordinators whether etcd responds to one of them. With an `anchor`, only
        configurations that verify from it are in force.

        `directory` is the coordinator's own, exists, and holds the last good copy. Until etcd responds, that copy is
        the registry's state. Without a copy, RegistryUnreachable is raised. Also raises CredentialsUnusable.
        """
        keys = Keys(federation)
        copy = Copy(keys, anchor, clock.latest_told)
        client, ask = EtcdClient(settings, clock), others_are_answered or _nobody_to_ask
        parts = Parts(keys, client, Plans(client, keys), copy, clock, lease, LastGood(directory), ask)
        return await cls.started(parts)

    @classmethod
    async def started(cls, parts: Parts) -> "EtcdRegistry":
        """The registry of these parts. Raises RegistryUnreachable, as `open`."""
        registry = cls(parts)
        try:
            await registry._start()
        except BaseException:
            await parts.client.close()
            raise
        return registry

    def snapshot(self) -> Snapshot:
        """See the port."""
        return self._copy.snapshot

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """See the port."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def beat(self, region: str, heartbeat: Heartbeat) -> None:
        """See the port. The heartbeat of a live process counts although etcd does not respond."""
        await self._to_the_end(self._endpoints.beat(region, heartbeat))

    async def leave(self, region: str, endpoint: str) -> None:
        """See the port."""
        if endpoint in self._copy.snapshot.facts(region).live:
            await self._to_the_end(self._endpoints.leave(region, endpoint))

    async def suspend(self, region: str, *, note: str, actor: str) -> int:
        """See the port."""
        key, now = self._keys.suspension(region), self._clock.now()
        return await self._change([key], lambda found: decisions.suspended(found, key, region, note, actor, now), now)

    async def reinstate(self, region: str, *, actor: str) -> None:
        """See the port."""
        key = self._keys.suspension(region)
        await self._change([key], lambda found: decisions.reinstated(found, key, region, actor), self._clock.now())

    async def keep_suspension(self, wanted: ProvenSuspension, *, actor: str) -> int:
        """See the port."""
        keys, known, now = self._keys, self._copy.snapshot, self._clock.now()
        key, latest = keys.suspension_statement(wanted.statement.region), self._copy.latest()
        return await self._change([key], lambda found: decisions.stated(found, keys, wanted, known, latest, actor), now)

    async def publish(self, wanted: PublishedList, *, actor: str) -> None:
        """See the port."""
        key = self._keys.revocation_list(wanted.issuer)
        await self._change([key], lambda found: decisions.published(found, key, wanted, actor), self._clock.now())

    async def apply(
        self,
        configuration: Configuration,
        *,
        expected_revision: int,
        actor: str,
        signed: SignedConfiguration | None = None,
    ) -> int:
        """See the port. Raises Refused with REQUEST_INVALID for a configuration that is too large for etcd."""
        if self._follower.has_gone_back:  # before a number plan is written there
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE)
        own, snapshot = Configuration(), self._copy.snapshot
        own.CopyFrom(configuration)
        # Half a million prefixes take seconds: beside the event loop, and before the decision.
        chain = await asyncio.to_thread(next_chain, snapshot.chain, signed, self._clock.now())
        if chain is not None and chain is snapshot.chain and snapshot.unverified is None:
            return snapshot.revision
        content = signed.content if signed is not None else own.SerializeToString(deterministic=True)
        packed = await asyncio.to_thread(pack, content)
        before = (snapshot.revision, snapshot.configuration or Configuration())
        while True:
            changes = len(await asyncio.to_thread(difference, before[1], own))
            if chain is not None and snapshot.chain is not None:
                return await self._apply_signed(packed, changes, snapshot.chain, chain, actor)
            revision = await self._apply(packed, changes, before[0], expected_revision, actor)
            if revision is not None:
                return revision
            # Another coordinator was faster than the watch.
            applied = await self._applied(self._keys.configuration)
            before = (applied.revision, applied.configuration) if applied is not None else (0, Configuration())

    async def _apply_signed(self, packed: Packed, changes: int, before: Chain, chain: Chain, actor: str) -> int:
        """Puts a signed configuration in force. What does not verify is replaced, of whatever revision it is."""
        now, revision, signed = self._clock.now(), chain.place.revision, chain.revisions[-1]
        key = self._keys.revision(revision)
        await self._answered(self._parts.plans.write(packed, self._contact.patience()))

        def decide(found: Found) -> Change | None:
            if key in found:
                other = values.decode_revision(found[key].value)
                if chain.has(other) and self._copy.snapshot.unverified is None:
                    return None  # a repeated call
                if not chain.has(other) and before.followed_until((other,))[0] is not before:
                    raise Refused(Reason.REASON_CONFIGURATION_CHANGED, revision=str(revision))
            value = Put(values.encode_packed(revision, packed, actor, to_microseconds(now)))
            noted = Noted(actor, "CONFIGURATION_APPLIED", f"configuration/{revision}", f"{changes} changes")
            places = (self._keys.configuration, self._keys.configuration_at(revision))
            return Change(dict.fromkeys(places, value) | {key: Put(values.encode_revision(signed))}, noted=noted)

        await self._change([key], decide, now)
        return revision

    async def _apply(self, packed: Packed, changes: int, before: int, expected_revision: int, actor: str) -> int | None:
        """Puts a configuration in force with `changes` differences from revision `before`.

        Returns None after another change.
        """
        key, now, is_other = self._keys.configuration, self._clock.now(), False
        if changes and before == expected_revision:
            await self._answered(self._parts.plans.write(packed, self._contact.patience()))
        revision = before + 1 if changes else before

        def decide(found: Found) -> Change | None:
            nonlocal is_other
            in_force = values.revision_of(found[key].value) if key in found else 0
            is_other = in_force != before
            # Before the check of the revision: a repeated call after a lost response gets that response.
            if is_other or not changes:
                return None
            if in_force != expected_revision:
                raise Refused(Reason.REASON_CONFIGURATION_CHANGED, revision=str(in_force))
            value = Put(values.encode_packed(revision, packed, actor, to_microseconds(now)))
            noted = Noted(actor, "CONFIGURATION_APPLIED", f"configuration/{revision}", f"{changes} changes")
            return Change({key: value, self._keys.configuration_at(revision): value}, noted=noted)

        await self._change([key], decide, now)
        return None if is_other else revision

    async def configuration_at(self, revision: int) -> Configuration | None:
        """See the port. Raises Refused with REGISTRY_UNAVAILABLE for a revision that only etcd has."""
        snapshot = self._copy.snapshot
        if revision and revision == snapshot.revision:
            return snapshot.configuration
        applied = await self._applied(self._keys.configuration_at(revision))
        return applied.configuration if applied is not None else None

    async def applied_times(self, revisions: range) -> Mapping[int, datetime]:
        """See the port. Raises Refused with REGISTRY_UNAVAILABLE."""
        return await self._answered(self._history.times(revisions, self._contact.patience()))

    async def keep_audit_head(self, region: str, kept: KeptHead) -> bool:
        """See the port. Raises Refused with REGISTRY_UNAVAILABLE."""
        key, answer = self._keys.audit_head_of(region), True

        def decide(found: Found) -> Change | None:
            nonlocal answer
            before = values.decode_kept_head(found[key].value) if key in found else None
            continued = continuation(before, kept)
            answer = continued is not Continuation.CONTRADICTING
            if continued is not Continuation.FURTHER and not is_newly_signed(before, kept):
                return None
            return Change({key: Put(values.encode_kept_head(kept))})

        change = self._changes.make([key], decide, self._clock.now(), self._contact.patience(), is_noted=False)
        await self._to_the_end(change)
        return answer

    async def audit_head(self, region: str) -> KeptHead | None:
        """See the port. Raises Refused with REGISTRY_UNAVAILABLE."""
        value = await self._value(self._keys.audit_head_of(region))
        return values.decode_kept_head(value) if value is not None else None

    async def keep_case(self, header: CaseHeader) -> bool:
        """See the port. Raises Refused with REGISTRY_UNAVAILABLE."""
        return await self._cases.keep(header)

    async def cases(self) -> Sequence[CaseHeader]:
        """See the port. Raises Refused with REGISTRY_UNAVAILABLE."""
        return await self._cases.all()

    async def forget_cases(
        self, decide: Callable[[Sequence[CaseHeader]], Sequence[CaseHeader]], region: str = ""
    ) -> int:
        """See the port. Raises Refused with REGISTRY_UNAVAILABLE."""
        return await self._cases.forget(decide, region)

    async def chain_head(self) -> Head:
        """See the port. Raises Refused with REGISTRY_UNAVAILABLE."""
        value = await self._value(self._keys.audit_head)
        return values.decode_head(value) if value is not None else Head(0, GENESIS)

    async def audit_page(self, after: int) -> list[AuditRow]:
        """See the port. Raises Refused with REGISTRY_UNAVAILABLE."""
        first = after + 1
        page = await self._read(KeyRange(self._keys.audit_row(first), self._keys.audit_row(first + _ROWS_AT_ONCE)))
        return [values.decode_row(page[key].value).row for key in sorted(page)]

    async def planned_outages(self) -> Sequence[PlannedOutageHeader]:
        """See the port."""
        return read_planned_outages(await self._value(self._keys.planned_outages))

    async def change_planned_outages(self, decide: Decide) -> None:
        """See the port. Raises Refused with REGISTRY_UNAVAILABLE."""
        now, seconds = self._clock.now(), self._contact.patience()
        await self._to_the_end(change_planned_outages(self._changes, self._keys, decide, now, seconds))

    async def enter(self, name: str, endpoint: str, version: ProcessVersion | None = None) -> None:
        """See the port. While etcd does not respond, the entry waits."""
        await self._to_the_end(self._contain(self._own.enter(name, endpoint, version)))

    async def confirm(self, change: int) -> None:
        """See the port. While etcd does not respond, the confirmation waits."""
        await self._to_the_end(self._contain(self._own.confirm(change)))

    def lease_seconds(self) -> float:
        """See the port."""
        return self._own.seconds_left()

    def lingering(self) -> Sequence[tuple[Replica, float]]:
        """See the port."""
        return self._lingering.look_at(self._copy.snapshot)

    def is_current(self) -> bool:
        """See the port."""
        return self._contact.is_current()

    def answers(self) -> bool:
        """See the port."""
        return self._contact.answers()

    def is_cut_off(self) -> bool:
        """See the port."""
        return self._contact.is_cut_off

    def answered(self) -> datetime:
        """See the port."""
        return self._contact.answered

    @property
    def loops(self) -> Sequence[asyncio.Task[None]]:
        """See the port."""
        return self._running

    async def close(self) -> None:
        """See the port. This coordinator counts as live no more."""
        await self._finishing.all_done()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._own.leave()
        await self._keeper.close()
        await self._parts.client.close()
        self._listeners.clear()

    async def _others_are_answered(self) -> bool:
        own, replicas = self._own.replica, self._copy.snapshot.replicas
        others = [each for name, each in replicas.items() if own is None or name != own.name]
        return await self._parts.others_are_answered(others)

    async def _start(self) -> None:
        last_good, kept = self._parts.last_good, None
        try:
            kept, problem = last_good.load(), "there is no last good copy"
        except LastGoodBroken as broken:
            problem = f"of the last good copy {broken}"
        if kept is not None:
            self._copy.begin(kept.entries, self._clock.now())
            self._follower.begin(kept.cluster)
        try:
            await self._follower.list(seen=kept.revision if kept is not None else 0)
            self._contact.start_from(self._clock.now(), is_silent=False)
            self._keeper.note_change()
        except (Unanswered, Rejected) as error:
            if kept is None:
                raise RegistryUnreachable(f"etcd does not answer ({error}); {last_good.path}: {problem}") from error
            self._copy.replace(kept.entries, kept.revision, self._clock.now())
            self._keeper.note_loaded()
            self._contact.start_from(last_good.saved_at(), is_silent=True)
            _log.error("etcd does not answer (%s): starting with the last good copy, %s", error, last_good.path)
        work = (self._follower.run(), self._contact.run(), self._own.run(), self._keeper.run())
        self._running = [asyncio.create_task(each) for each in work]

    async def _change(self, keys: Sequence[bytes], decide: Callable[[Found], Change | None], now: datetime) -> int:
        return await self._to_the_end(self._contain(self._changes.make(keys, decide, now, self._contact.patience())))

    async def _contain(self, change: Awaitable[int]) -> int:
        """Makes a change and waits until the copy contains it."""
        revision = await change
        await self._follower.contains(revision)
        return revision

    async def _to_the_end(self, work: Coroutine[object, object, T]) -> T:
        """Completes a coroutine even if its caller is cancelled."""
        with elsewhere():
            return await self._finishing.run(work)

    async def _applied(self, key: bytes) -> Applied | None:
        """A configuration with its number plan. Raises Refused with REGISTRY_UNAVAILABLE; of a later version, too."""
        return await self._answered(self._history.applied(key, self._contact.patience()))

    async def _value(self, key: bytes) -> bytes | None:
        entry = (await self._read(KeyRange(key, key + b"\0"))).get(key)
        return entry.value if entry is not None else None

    async def _read(self, keys: KeyRange) -> dict[bytes, Entry]:
        return (await self._answered(self._parts.client.read([keys], self._contact.patience()))).entries

    async def _read_all(self, ranges: Sequence[KeyRange]) -> Read:
        return await self._answered(self._parts.client.read(ranges, self._contact.patience()))

    async def _answered(self, answer: Awaitable[T]) -> T:
        """An answer of etcd. Raises Refused with REGISTRY_UNAVAILABLE where it gives none."""
        try:
            with elsewhere():
                return await answer
        except (Unanswered, Rejected) as error:
            _log.warning("etcd does not answer: %s", error)
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE) from None

    def _tell(self) -> None:
        self._keeper.note_change()
        self._own.look()
        self._lingering.look_at(self._copy.snapshot)
        self._notify()

    def _notify(self) -> None:
        # Called later, so that a failing listener cannot end the watch.
        for listener in self._listeners:
            self._loop.call_soon(self._call, listener)

    def _call(self, listener: Callable[[], None]) -> None:
        if listener in self._listeners:
            listener()


async def _nobody_to_ask(_: Collection[Replica]) -> bool:
    return False


def _log_defect(error: BaseException) -> None:
    if not isinstance(error, Refused):
        _log.error("a change of the registry failed", exc_info=error)
