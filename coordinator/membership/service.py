"""The coordinator's service for region nodes."""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import grpc
from google.protobuf.duration_pb2 import Duration

from coordinator.membership.members import CurrentMembers
from coordinator.membership.registered import trust_registered
from coordinator.membership.rules import require_configured, require_not_suspended
from coordinator.registry import shares
from coordinator.registry.fence import RegistryFence
from coordinator.registry.own_chains import OwnChains
from coordinator.registry.port import Registry
from coordinator.registry.rules import Heartbeat
from coordinator.registry.writes import Writes
from gateway.api.federation.v1 import federation_pb2
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing.audit import GENESIS, Head
from gateway.auditing.audit_heads import KeptHead
from gateway.auditing.denial_log import DenialLog
from gateway.auditing.walking import LARGEST_SEQUENCE
from gateway.errors import Refused
from gateway.federation import versions
from gateway.federation.suspensions import ProvenSuspension
from gateway.process.finishing import Finishing
from gateway.rpc.calls import current_call
from gateway.rpc.rates import Rate
from gateway.security.sealing_keys import prover_of
from gateway.security.signing import AUDIT_HEAD, TrustedKeys
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import (
    BETWEEN_TRUSTED,
    MAX_CLOCK_ERROR,
    from_timestamp,
    times_are_dated,
    to_microseconds,
    to_timestamp,
)

_ENDPOINT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[1-9][0-9]{0,4}", re.ASCII)
_ENDPOINT_LENGTH = 255
_FAILURE = re.compile(r"[A-Z0-9_]{0,64}", re.ASCII)
ENDPOINTS_PER_REGION = 32  # processes of one region; more are a mistake or an attack
WATCHES_PER_REGION = 2 * ENDPOINTS_PER_REGION  # a process that connects anew may have two for a moment
# Limits per region: heartbeats in one interval, and new endpoints in so many seconds. Twice the need of all its
# processes.
_BURST = 2 * ENDPOINTS_PER_REGION
NEWCOMERS_SECONDS = 60.0
# Each change of a region's certificate, sealing key or capabilities is an audit row and goes to every node. People make
# them.
KEY_CHANGES = 16  # as a burst
_KEY_CHANGES_PER_HOUR = 6
_HEAD_BYTES = 256  # of an audit head in the registry
KNOWN_CHAINS = 8  # of one request
_CERTIFICATE_BYTES = 16 * 1024  # each change sends it to every node
_TOLD_BYTES = 16 * 1024  # of capabilities, and of a report
_REGISTRY_LOST = frozenset({Reason.REASON_REGISTRY_UNAVAILABLE, Reason.REASON_OUTCOME_UNKNOWN})
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FederationPorts:
    """The ports of the service. `interval` is the time between heartbeats."""

    registry: Registry
    members: CurrentMembers
    keys: TrustedKeys
    denial_log: DenialLog
    clock: AgreedClock
    interval: timedelta
    chains: OwnChains
    fence: RegistryFence | None = None
    """None for a registry that several coordinators share."""


class FederationService(FederationServiceServicer):
    """The caller's region is that of its certificate, nothing else."""

    def __init__(self, ports: FederationPorts) -> None:
        self._ports = ports
        self._watching: dict[asyncio.Event, str] = {}
        self._placed: dict[str, Counter[str]] = {}
        """By region: the endpoints whose heartbeats are being written, and how many of each."""
        self._writing = Finishing()
        self._wrong_clocks: dict[str, frozenset[str]] = {}
        self._heads: dict[str, tuple[datetime, bool]] = {}
        self._heartbeats = Rate(_BURST, _BURST / ports.interval.total_seconds())
        self._newcomers = Rate(_BURST, _BURST / NEWCOMERS_SECONDS)
        self._key_changes = Rate(KEY_CHANGES, _KEY_CHANGES_PER_HOUR / 3600)
        self._head_writes = Writes(shares.HEAD_WRITES)
        self._closed = False
        ports.members.on_change(lambda _: self._wake())
        if ports.fence is not None:
            ports.fence.on_change(self._wake)

    async def Join(
        self,
        request: federation_pb2.JoinRequest,
        context: grpc.aio.ServicerContext[federation_pb2.JoinRequest, federation_pb2.JoinResponse],
    ) -> federation_pb2.JoinResponse:
        """See the contract."""
        region, now = current_call().identity.region, self._ports.clock.now()
        heard = self._ports.clock.steady()
        self._require_not_cut_off()
        self._require_configured(region)
        self._require_rate(self._heartbeats, region)
        await self._look(region, request)
        heartbeat = _heartbeat(request, now)
        heartbeat = replace(heartbeat, signing_certificate=self._accepted(region, request, now))
        self._require_own_sealing_key(region, request)
        head = self._verified_head(region, request, now)
        if request.leaving:
            await self._ports.registry.leave(region, heartbeat.endpoint)
        else:
            await self._writing.run(self._write(region, heartbeat))
            if self._ports.registry.snapshot().facts(region).suspension is None:
                # By the steady clock of when it came: the registry may have taken long.
                self._ports.clock.hear(region, from_timestamp(request.node_time), heard)
            await self._notice_oddities(region, heartbeat)
        if head is not None:
            await self._keep_head(region, head)
        interval = Duration()
        interval.FromTimedelta(self._ports.interval)
        response = federation_pb2.JoinResponse(
            interval=interval, federation_revision=self._ports.registry.snapshot().revision
        )
        if not self._ports.clock.is_contradicted():
            response.coordinator_time.CopyFrom(to_timestamp(self._ports.clock.now()))
        return response

    async def Watch(
        self,
        request: federation_pb2.WatchRequest,
        context: grpc.aio.ServicerContext[federation_pb2.WatchRequest, federation_pb2.WatchResponse],
    ) -> AsyncIterator[federation_pb2.WatchResponse]:
        """See the contract. The first message comes as soon as there is a configuration.

        Nothing is sent from a registry that may be outdated. Where it responds to other coordinators, the stream ends
        with REGISTRY_UNAVAILABLE, so that the node watches one of them. Where the database is an older one that was put
        back, it ends with REGISTRY_BEHIND. Where the database does not answer, it ends too: each state names the row up
        to which it goes. A suspended region receives a last message without a configuration, and the stream ends with
        REGION_SUSPENDED. More streams of a region than its processes need are refused with WATCHES_TOO_MANY.
        """
        region = current_call().identity.region
        changed, held = asyncio.Event(), request.federation_revision
        mark = request.number_assignments if request.HasField("number_assignments") else None
        if request.number_assignments.revision > LARGEST_SEQUENCE:
            raise _invalid("number_assignments", "not a revision")
        verified = request.verified_revision if request.HasField("verified_revision") else None
        told: Mapping[str, federation_pb2.RevocationList] = {}
        stated: Mapping[str, ProvenSuspension] = {}
        if sum(each == region for each in self._watching.values()) >= WATCHES_PER_REGION:
            raise Refused(Reason.REASON_WATCHES_TOO_MANY, watches=str(WATCHES_PER_REGION))
        self._watching[changed] = region
        try:
            await self._look(region, request)
            while not self._closed:
                self._require_current()
                page = await self._next_assignments(region, mark)
                snapshot = self._ports.registry.snapshot()
                if self._ports.registry.is_current() and snapshot.configuration is not None:
                    response = federation_pb2.WatchResponse(
                        federation_revision=snapshot.revision,
                        members=self._ports.members.all().values(),
                        coordinator_time=to_timestamp(self._ports.clock.now()),
                    )
                    is_suspended = snapshot.facts(region).suspension is not None
                    if snapshot.revision > held and not is_suspended:
                        held = snapshot.revision
                        if verified is None:
                            response.configuration.CopyFrom(snapshot.configuration)
                        else:
                            response.configuration_content = snapshot.content
                            response.revisions.extend(snapshot.chain.since(verified) if snapshot.chain else ())
                            verified = held
                    if page is not None and not is_suspended:
                        response.number_assignments.CopyFrom(page)
                        mark = page.mark
                    lists = snapshot.revocation_lists
                    response.revocation_lists.extend(each for name, each in lists.items() if told.get(name) is not each)
                    told = lists
                    if request.HasField("verified_revision"):
                        known = snapshot.suspensions
                        response.suspensions.extend(
                            each.signed for name, each in known.items() if stated.get(name) is not each
                        )
                        stated = known
                    await self._add_head(response)
                    yield response
                    require_not_suspended(self._ports.members.all(), region)
                    if page is not None and page.has_more:
                        continue
                await changed.wait()
                changed.clear()
        finally:
            self._watching.pop(changed, None)

    async def GetAuditHead(
        self,
        request: federation_pb2.GetAuditHeadRequest,
        context: grpc.aio.ServicerContext[federation_pb2.GetAuditHeadRequest, federation_pb2.GetAuditHeadResponse],
    ) -> federation_pb2.GetAuditHeadResponse:
        """See the contract."""
        kept = await self._ports.registry.audit_head(current_call().identity.region)
        if kept is None:
            return federation_pb2.GetAuditHeadResponse()
        return federation_pb2.GetAuditHeadResponse(
            audit_head=federation_pb2.AuditHead(
                sequence=kept.head.sequence, hash=kept.head.hash, signature=kept.signature
            ),
            hand_in_time=to_timestamp(kept.time),
        )

    async def GetChainHeads(
        self,
        request: federation_pb2.GetChainHeadsRequest,
        context: grpc.aio.ServicerContext[federation_pb2.GetChainHeadsRequest, federation_pb2.GetChainHeadsResponse],
    ) -> federation_pb2.GetChainHeadsResponse:
        """See the contract."""
        if len(request.known) > KNOWN_CHAINS:
            raise _invalid("known", f"more than {KNOWN_CHAINS}")
        if any(each.sequence > LARGEST_SEQUENCE for each in request.known):
            raise _invalid("known", "not a sequence number")
        return await self._ports.chains.told(request)

    def close(self) -> None:
        """Ends all streams, so that a drain need not wait for them."""
        self._closed = True
        self._wake()

    async def _next_assignments(
        self, region: str, mark: federation_pb2.NumberAssignmentMark | None
    ) -> federation_pb2.NumberAssignments | None:
        """The next assignments for a region after a mark; None where it has all, or knows none by its version.

        Raises Refused with REGISTRY_UNAVAILABLE: a node that lacks some is better served by another coordinator.
        """
        registry = self._ports.registry
        snapshot = registry.snapshot()
        if mark is None or mark == snapshot.assignment_mark or not registry.is_current():
            return None
        is_sent = snapshot.configuration is not None and snapshot.facts(region).suspension is None
        return await registry.assignments.after(mark) if is_sent else None

    def _require_not_cut_off(self) -> None:
        if self._ports.registry.is_cut_off():
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE)

    def _require_current(self) -> None:
        self._require_not_cut_off()
        if self._ports.fence is not None:
            self._ports.fence.require_open()

    async def _add_head(self, response: federation_pb2.WatchResponse) -> None:
        """Adds the end of the chain, which is read behind the state, so that it covers all of it."""
        if self._ports.fence is not None:
            response.registry_head.CopyFrom(await self._ports.fence.head())

    async def _look(self, region: str, request: federation_pb2.JoinRequest | federation_pb2.WatchRequest) -> None:
        if self._ports.fence is not None and request.HasField("registry_head"):
            await self._ports.fence.look(region, request.registry_head)

    def _wake(self) -> None:
        for changed in self._watching:
            changed.set()

    def _require_configured(self, region: str) -> None:
        """Raises Refused for a region missing from the configuration, if there is one yet."""
        if self._ports.registry.snapshot().configuration is not None:
            require_configured(self._ports.members.all(), region)

    async def _write(self, region: str, heartbeat: Heartbeat) -> None:
        """Writes a heartbeat to the end, also for a caller who has gone: the endpoint has its place for as long."""
        with self._place(region, heartbeat.endpoint):
            self._require_calm(region, heartbeat)
            await self._ports.registry.beat(region, heartbeat)

    @contextmanager
    def _place(self, region: str, endpoint: str) -> Iterator[None]:
        """The endpoint's place among those of its region, while its heartbeat is written.

        Others that come meanwhile count it. Raises Refused where all places are taken, or too many newcomers come.
        """
        live, placed = self._ports.registry.snapshot().facts(region).live, self._placed.setdefault(region, Counter())
        if endpoint not in live:
            if len({endpoint, *live, *placed}) > ENDPOINTS_PER_REGION:
                raise _invalid("endpoint", f"the region has {ENDPOINTS_PER_REGION} live endpoints already")
            self._require_rate(self._newcomers, region)
        placed[endpoint] += 1
        try:
            yield
        finally:
            placed[endpoint] -= 1
            if not placed[endpoint]:
                del placed[endpoint]

    def _require_rate(self, rate: Rate, region: str) -> None:
        if not rate.allows(region, asyncio.get_running_loop().time()):
            raise Refused(Reason.REASON_HEARTBEATS_TOO_MANY, region=region)

    def _accepted(self, region: str, request: federation_pb2.JoinRequest, now: datetime) -> bytes:
        """The certificate of a heartbeat, in the form of `Heartbeat`. Raises Refused for an invalid one."""
        keys, known = self._ports.keys, self._ports.registry.snapshot().facts(region).signing_certificate
        # The region may have joined at another coordinator, or before this one was started.
        trust_registered(self._ports.registry, keys, region, now)
        told = keys.accept(
            region,
            request.signing_certificate,
            now,
            before_change=lambda: self._require_rate(self._key_changes, region),
        )
        newest = keys.newest(region)
        if not known:
            return newest or told
        return told if told == newest else b""

    def _require_calm(self, region: str, heartbeat: Heartbeat) -> None:
        facts = self._ports.registry.snapshot().facts(region)
        if facts.is_told_otherwise_by(heartbeat) and heartbeat.brings_news_after(facts.live.get(heartbeat.endpoint)):
            self._require_rate(self._key_changes, region)

    def _require_own_sealing_key(self, region: str, request: federation_pb2.JoinRequest) -> None:
        told = request.sealing_key
        if request.HasField("sealing_key") and prover_of(region, told, self._ports.keys.signer_of) is None:
            raise _invalid("sealing_key", "not signed by the region")

    def _verified_head(self, region: str, request: federation_pb2.JoinRequest, now: datetime) -> KeptHead | None:
        if not request.HasField("audit_head"):
            return None
        told = request.audit_head
        if len(told.hash) != len(GENESIS) or told.sequence > LARGEST_SEQUENCE:
            raise _invalid("audit_head", "not a sequence number with a SHA-256 hash")
        head = Head(told.sequence, told.hash)
        if not self._ports.keys.verify(region, AUDIT_HEAD, head.signed_bytes(), told.signature):
            raise _invalid("audit_head", "not signed by the region")
        return KeptHead(head, told.signature, now)

    def audit_heads(self) -> Mapping[str, tuple[datetime, bool]]:
        """By region: when this coordinator received the last audit head, and whether it continued the stored one."""
        return self._heads

    async def _keep_head(self, region: str, head: KeptHead) -> None:
        if not self._head_writes.allows(region, _HEAD_BYTES, asyncio.get_running_loop().time()):
            return  # a later heartbeat brings the next one
        try:
            continues = await self._ports.registry.keep_audit_head(region, head)
        except Refused as refused:
            if refused.reason not in _REGISTRY_LOST:
                raise
            # The region stays joined, and sends the head again with its next heartbeat.
            _log.info("an audit head of %s is not kept: %s", region, refused)
            return
        self._heads[region] = self._ports.clock.now(), continues
        if not continues:
            await self._ports.denial_log.alarm(
                f"region/{region}",
                "AUDIT_HEAD_CONTRADICTED",
                f"region/{region}",
                f"row {head.head.sequence} {head.head.hash.hex()} does not continue what is kept",
            )

    async def _notice_oddities(self, region: str, heartbeat: Heartbeat) -> None:
        """Logs problems that people have to solve at the node: a wrong clock, or a coordinator that lost revisions."""
        endpoint, live = heartbeat.endpoint, self._ports.registry.snapshot().facts(region).live
        known = self._wrong_clocks.get(region, frozenset()) & live.keys()
        if abs(heartbeat.clock_error) <= MAX_CLOCK_ERROR:
            known -= {endpoint}
        elif endpoint not in known:
            known |= {endpoint}
            _log.warning("the clock of %s at %s is off by %s", region, endpoint, heartbeat.clock_error)
        self._wrong_clocks[region] = known
        newest = self._ports.registry.snapshot().revision
        if heartbeat.federation_revision > newest:
            await self._ports.denial_log.alarm(
                f"region/{region}",
                "REVISION_UNKNOWN",
                "configuration",
                f"{heartbeat.federation_revision} is newer than {newest}, the newest here:"
                " was the coordinator's database lost?",
            )


def _invalid(field: str, problem: str) -> Refused:
    return Refused(Reason.REASON_REQUEST_INVALID, field=field, problem=problem)


def _require_times(report: federation_pb2.NodeReport) -> None:
    """Raises Refused with REQUEST_INVALID for a time from which no term can be counted."""
    if not times_are_dated(report):
        raise _invalid("report", "a time is out of range")


def _heartbeat(request: federation_pb2.JoinRequest, now: datetime) -> Heartbeat:
    """The heartbeat of a process in the request. Raises Refused with REQUEST_INVALID."""
    if len(request.endpoint) > _ENDPOINT_LENGTH or not _ENDPOINT.fullmatch(request.endpoint):
        raise _invalid("endpoint", "not host:port")
    if not request.HasField("node_time"):
        raise _invalid("node_time", "is missing")
    if len(request.signing_certificate) > _CERTIFICATE_BYTES:
        raise _invalid("signing_certificate", f"more than {_CERTIFICATE_BYTES} bytes")
    for field, told in (("capabilities", request.capabilities), ("report", request.report)):
        if told.ByteSize() > _TOLD_BYTES:
            raise _invalid(field, f"more than {_TOLD_BYTES} bytes")
    if not versions.has_form(request.report.version):
        raise _invalid("report", "not a version")
    if not all(_FAILURE.fullmatch(each.failure) for each in request.report.open_breakers):
        raise _invalid("report", "not the name of a reason or a status")
    try:
        clock_error = from_timestamp(request.node_time) - now
    except OverflowError:
        raise _invalid("node_time", "out of range") from None
    _require_times(request.report)
    return Heartbeat(
        request.endpoint,
        now,
        request.federation_revision,
        clock_error,
        request.signing_certificate,
        federation_pb2.SealingKey() if _is_misdated(request, clock_error, now) else request.sealing_key,
        request.capabilities,
        request.report,
    )


def _is_misdated(request: federation_pb2.JoinRequest, clock_error: timedelta, now: datetime) -> bool:
    """Whether the sealing key is dated by a wrong clock, or ahead by somebody who has the region's key.

    The key signed last counts, so that one from the future would count for too long.
    """
    latest = to_microseconds(now + BETWEEN_TRUSTED)
    return abs(clock_error) > BETWEEN_TRUSTED or request.sealing_key.sign_time_us > latest
