"""The coordinator's service about regions, for administrators."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.membership.members import member_of, members_of
from coordinator.membership.presence import Presence
from coordinator.membership.rules import NOTE_LENGTH, require_configured
from coordinator.membership.suspensions import kept_statement, required_statement
from coordinator.registry.fence import RegistryFence
from coordinator.registry.port import Registry, Replica, Snapshot
from gateway.api.coordinator.v1 import administration_pb2
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceServicer
from gateway.api.federation.v1.federation_pb2 import Member, MemberProcess, ProcessVersion
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import incarnations
from gateway.auditing.walking import LARGEST_SEQUENCE
from gateway.errors import Refused, invalid
from gateway.rpc.calls import current_call
from gateway.time.clock import to_timestamp

CONFIRM_SECONDS = 12.0  # for other coordinators to confirm, at least: longer than a delivery takes
_LEASES = 1.2  # that a suspension waits for at most: etcd takes a moment to end one
_END_SECONDS = 0.05  # after the end of a lease that lingers, before it is looked at again


@dataclass(frozen=True)
class _Unconfirmed:
    """A coordinator that may still forward envelopes, and for how many seconds unless it proves itself live again."""

    replica: Replica
    seconds: float
    """Zero for one that gives no lease."""


class MembershipService(MembershipServiceServicer):
    """Lists, suspends and reinstates regions."""

    def __init__(
        self,
        registry: Registry,
        presence: Presence,
        now: Callable[[], datetime],
        version: Callable[[], Awaitable[ProcessVersion]] | None = None,
        fence: RegistryFence | None = None,
    ) -> None:
        """`version` is that of this coordinator with what it finds in its database; None where that is not known.

        `fence` is None for a registry that several coordinators share.
        """
        self._registry = registry
        self._presence = presence
        self._now = now
        self._version = version
        self._fence = fence

    async def ListRegions(
        self,
        request: administration_pb2.ListRegionsRequest,
        context: grpc.aio.ServicerContext[
            administration_pb2.ListRegionsRequest, administration_pb2.ListRegionsResponse
        ],
    ) -> administration_pb2.ListRegionsResponse:
        """See the contract."""
        snapshot = self._registry.snapshot()
        members = members_of(snapshot)
        for region, member in members.items():
            facts = snapshot.facts(region)
            member.report.CopyFrom(facts.report())
            member.processes.extend(
                MemberProcess(endpoint=each.endpoint, version=_of_told(each.report.version))
                for each in sorted(facts.live.values(), key=lambda each: each.endpoint)
            )
        loss = self._fence.loss if self._fence is not None else None
        return administration_pb2.ListRegionsResponse(
            loss=None if loss is None else incarnations.told(loss),
            members=members.values(),
            replicas=_told(await self._replicas(snapshot)),
            registry_time=to_timestamp(self._registry.answered()),
        )

    async def SuspendRegion(
        self,
        request: administration_pb2.SuspendRegionRequest,
        context: grpc.aio.ServicerContext[
            administration_pb2.SuspendRegionRequest, administration_pb2.SuspendRegionResponse
        ],
    ) -> administration_pb2.SuspendRegionResponse:
        """See the contract."""
        self._require_configured(request.region)
        note = _line("note", request.note)
        region, actor = request.region, current_call().identity.path
        signed = request.signed if request.HasField("signed") else None
        wanted = required_statement(self._registry.snapshot(), signed, region, self._now(), suspended=True, note=note)
        if wanted is None:
            change = await self._registry.suspend(region, note=note, actor=actor)
        else:
            change = await self._registry.keep_suspension(wanted, actor=actor)
        longest = max((each.seconds for each in self._unconfirmed(change)), default=0.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(current_call().patience(max(CONFIRM_SECONDS, _LEASES * longest))):
                await self._confirmed(change)
        now, behind = self._now(), self._unconfirmed(change)
        left = {each.replica.name: timedelta(seconds=each.seconds) for each in behind if each.seconds}
        ends = {name: to_timestamp(now + seconds) for name, seconds in left.items()}
        return administration_pb2.SuspendRegionResponse(
            member=self._member(request.region),
            unconfirmed=_told((each.replica for each in behind), ends),
        )

    async def ReinstateRegion(
        self,
        request: administration_pb2.ReinstateRegionRequest,
        context: grpc.aio.ServicerContext[
            administration_pb2.ReinstateRegionRequest, administration_pb2.ReinstateRegionResponse
        ],
    ) -> administration_pb2.ReinstateRegionResponse:
        """See the contract."""
        self._require_configured(request.region)
        region, actor = request.region, current_call().identity.path
        signed = request.signed if request.HasField("signed") else None
        wanted = required_statement(self._registry.snapshot(), signed, region, self._now(), suspended=False)
        if wanted is None:
            await self._registry.reinstate(region, actor=actor)
        else:
            await self._registry.keep_suspension(wanted, actor=actor)
        return administration_pb2.ReinstateRegionResponse(member=self._member(region))

    async def KeepSuspension(
        self,
        request: administration_pb2.KeepSuspensionRequest,
        context: grpc.aio.ServicerContext[
            administration_pb2.KeepSuspensionRequest, administration_pb2.KeepSuspensionResponse
        ],
    ) -> administration_pb2.KeepSuspensionResponse:
        """See the contract."""
        chain = self._registry.snapshot().chain
        if chain is not None:
            wanted = kept_statement(chain, request.signed, self._now())
            await self._registry.keep_suspension(wanted, actor=current_call().identity.path)
        return administration_pb2.KeepSuspensionResponse()

    async def AcceptRegistryLoss(
        self,
        request: administration_pb2.AcceptRegistryLossRequest,
        context: grpc.aio.ServicerContext[
            administration_pb2.AcceptRegistryLossRequest, administration_pb2.AcceptRegistryLossResponse
        ],
    ) -> administration_pb2.AcceptRegistryLossResponse:
        """See the contract."""
        reference = _line("reference", request.reference)
        if self._fence is None:
            raise Refused(Reason.REASON_LOSS_NOT_FOUND, loss=str(request.number))
        number = min(request.number, LARGEST_SEQUENCE)
        accepted = await self._fence.accept(number, reference, current_call().identity.path)
        return administration_pb2.AcceptRegistryLossResponse(loss=incarnations.told(accepted))

    async def _replicas(self, snapshot: Snapshot) -> Sequence[Replica]:
        """The live coordinators; this one with what it finds in its database."""
        own = self._presence.own
        if self._version is None or own is None:
            return list(snapshot.replicas.values())
        try:
            version = await self._version()
        except Refused:  # the registry may answer where the database does not
            return list(snapshot.replicas.values())
        return [
            replace(each, version=version) if each.name == own.name else each for each in snapshot.replicas.values()
        ]

    def _require_configured(self, region: str) -> None:
        require_configured(members_of(self._registry.snapshot()), region)

    async def _confirmed(self, change: int) -> None:
        """Returns when every coordinator acts by a change, or can forward nothing any more."""
        changed = asyncio.Event()
        end = self._registry.on_change(changed.set)
        try:
            while self._unconfirmed(change):
                ends = [seconds for _, seconds in self._registry.lingering()]
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(ends) + _END_SECONDS if ends else None):
                        await changed.wait()
                changed.clear()
        finally:
            end()

    def _unconfirmed(self, change: int) -> list[_Unconfirmed]:
        """The coordinators that may still act otherwise than by a change; this one is checked directly.

        Of those that live, whoever has not confirmed it. Of those that entered and do not live, whoever may not have
        noticed that.
        """
        replicas, own = dict(self._registry.snapshot().replicas), self._presence.own
        if own is not None:
            replicas[own.name] = own
        behind = [
            _Unconfirmed(replica, replica.lease.total_seconds())
            for replica in replicas.values()
            if replica.confirmed < change
        ]
        lingering = [
            _Unconfirmed(replica, seconds)
            for replica, seconds in self._registry.lingering()
            if replica.name not in replicas
        ]
        return behind + lingering

    def _member(self, region: str) -> Member:
        return member_of(self._registry.snapshot().facts(region))


def _told(replicas: Iterable[Replica], ends: Mapping[str, Timestamp] | None = None) -> list[administration_pb2.Replica]:
    """Coordinators by their name, with the ends of leases by it."""
    told = []
    for replica in sorted(replicas, key=lambda replica: replica.name):
        each = administration_pb2.Replica(
            name=replica.name,
            endpoint=replica.endpoint,
            version=_of_told(replica.version),
            lease_end_time=(ends or {}).get(replica.name),
        )
        if replica.lease:
            each.lease.FromTimedelta(replica.lease)
        told.append(each)
    return told


def _line(field: str, text: str) -> str:
    """The text of a field without the spaces around it. Raises Refused for anything but one line."""
    line = text.strip()
    if not 1 <= len(line) <= NOTE_LENGTH or not line.isprintable():
        raise invalid(
            field, f"must be one line of 1 to {NOTE_LENGTH} characters", f"须为1至{NOTE_LENGTH}个字符的一行文字"
        )
    return line


def _of_told(version: ProcessVersion) -> ProcessVersion | None:
    """A version; None for a process that tells none."""
    return version if version.version else None
