"""AuditOversightService: verifies the audit chains of regions and coordinators, for administrators."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc

from coordinator.auditing.rules import Told, compare, take_part
from coordinator.membership.members import CurrentMembers
from coordinator.membership.registered import trust_registered
from coordinator.membership.rules import require_configured, require_reachable
from coordinator.registry.own_chains import OwnChains
from coordinator.registry.port import Registry
from coordinator.routing.channels import RegionChannels
from gateway.api.coordinator.v1.administration_pb2 import (
    ChainVerdict,
    Sighting,
    VerifyChainsRequest,
    VerifyChainsResponse,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import AuditOversightServiceServicer
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import AuditHead, MemberState
from gateway.api.region.v1.audit_service_pb2 import (
    ListWitnessedHeadsRequest,
    ListWitnessedHeadsResponse,
    VerifyChainRequest,
    VerifyChainResponse,
    WitnessedHead,
)
from gateway.api.region.v1.audit_service_pb2_grpc import AuditServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing.audit import Head
from gateway.auditing.chain_heads import head_signer
from gateway.auditing.walking import MOST_SEQUENCES, ROWS, verified_part
from gateway.errors import Refused, Unreachable
from gateway.federation.witnesses import may_witness, witnesses_of
from gateway.rpc.calls import current_call
from gateway.rpc.channels import invoke
from gateway.rpc.few_at_once import FewAtOnce
from gateway.rpc.incidents import contained
from gateway.security.signing import AUDIT_HEAD, TrustedKeys
from gateway.time.clock import Clock, from_microseconds, to_timestamp

ANSWER_SECONDS = 10.0  # for one part of one chain
LONGEST_WALK = 1800.0  # seconds, through all parts of one chain
LONGEST_KNOWN_WALK = 4 * LONGEST_WALK  # through one whose heads others have seen
PATIENCE = 10.0  # seconds for which a verification waits for another one at this coordinator
VERIFICATIONS = 8  # at the same time, one of each administrator
_AT_ONCE = 4  # chains that are read at the same time, beside all other work of their regions
# Of one region: the two chains at each of many addresses. A region that tells more has invented them.
_MOST_CHAIN_HEADS = 64
_COORDINATOR = "coordinator"
Answer = TypeVar("Answer")
AskPart = Callable[[VerifyChainRequest], Awaitable[VerifyChainResponse | Refused]]
"""Has the owner of a chain verify a part of it."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AuditPorts:
    """The ports of the service."""

    members: CurrentMembers
    registry: Registry
    channels: RegionChannels
    keys: TrustedKeys
    clock: Clock
    own: OwnChains


class AuditOversightService(AuditOversightServiceServicer):
    """See the contract."""

    def __init__(self, ports: AuditPorts) -> None:
        self._ports = ports
        self._verifying = FewAtOnce(VERIFICATIONS, PATIENCE)
        self._verifying_for: defaultdict[str, FewAtOnce] = defaultdict(lambda: FewAtOnce(1, PATIENCE))

    async def VerifyChains(
        self,
        request: VerifyChainsRequest,
        context: grpc.aio.ServicerContext[VerifyChainsRequest, VerifyChainsResponse],
    ) -> AsyncIterator[VerifyChainsResponse]:
        """See the contract. Sightings are fetched first, because a chain that is read later can only be longer."""
        members = self._ports.members.all()
        if request.region:
            require_configured(members, request.region)
        # A region that answers slowly, or a caller that reads nothing, lengthens the verification of one administrator.
        async with self._verifying_for[current_call().identity.path].place(), self._verifying.place():
            async for verdict in self.verdicts(request.region, is_coordinator_only=request.is_coordinator_only):
                yield VerifyChainsResponse(verdict=verdict)

    async def verdicts(self, region: str = "", *, is_coordinator_only: bool = False) -> AsyncIterator[ChainVerdict]:
        """The verdict on each chain as it becomes available: of one region, or of all and this coordinator."""
        members = self._ports.members.all()
        joined = [each for each, member in members.items() if member.state != MemberState.MEMBER_STATE_ABSENT]
        seen = await self._seen(joined)
        limit = asyncio.Semaphore(_AT_ONCE)
        asked = [] if is_coordinator_only else [region] if region else joined
        own = [] if region else self._ports.own.names()
        walks = [
            *(asyncio.ensure_future(self._verdict(each, seen.get(each, []), limit)) for each in asked),
            *(asyncio.ensure_future(self._own_verdict(each, seen.get(_chain_key(each), []))) for each in own),
        ]
        try:
            for walk in asyncio.as_completed(walks):
                yield await walk
        finally:
            for each in walks:
                each.cancel()

    async def _seen(self, regions: Iterable[str]) -> dict[str, list[Sighting]]:
        """The heads that coordinators and regions keep, by the region of the chain, or the key of another chain."""
        asked = list(regions)
        seen: dict[str, list[Sighting]] = {region: [] for region in asked}
        seen.update({_chain_key(each): [] for each in self._ports.own.names()})
        for region in asked:
            trust_registered(self._ports.registry, self._ports.keys, region, self._ports.clock.now())
            kept = await self._ports.registry.audit_head(region)
            if kept is not None:
                head = AuditHead(sequence=kept.head.sequence, hash=kept.head.hash, signature=kept.signature)
                self._add(seen, region, Sighting(witness=_COORDINATOR, head=head, time=to_timestamp(kept.time)))
        answers = await asyncio.gather(*(self._call(region, _list_heads) for region in asked))
        for witness, answer in zip(asked, answers, strict=True):
            if not isinstance(answer, Refused):
                for each in answer.heads:
                    if not each.chain:
                        self._add(
                            seen, each.region, Sighting(witness=f"region/{witness}", head=each.head, time=each.time)
                        )
                own = [each for each in answer.heads if each.chain and _chain_key(each.chain) in seen]
                for each in own[:_MOST_CHAIN_HEADS]:
                    seen[_chain_key(each.chain)] += self._of_coordinators(f"region/{witness}", each)
        return seen

    def _of_coordinators(self, witness: str, kept: WitnessedHead) -> Iterator[Sighting]:
        """The last head that a coordinator has signed itself, and the kept one where that is another."""
        signed, unsigned = kept.signed, AuditHead(sequence=kept.head.sequence, hash=kept.head.hash)
        signer = head_signer(signed, self._ports.keys) if signed.chain == kept.chain else ""
        if signer:
            yield Sighting(
                witness=witness,
                head=AuditHead(sequence=signed.sequence, hash=signed.hash, signature=signed.signature),
                time=to_timestamp(from_microseconds(signed.sign_time_us)),
                endpoint=kept.endpoint,
                signer=signer,
            )
        if not signer or (signed.sequence, signed.hash) != (unsigned.sequence, unsigned.hash):
            yield Sighting(witness=witness, head=unsigned, time=kept.time, endpoint=kept.endpoint)

    def _add(self, seen: dict[str, list[Sighting]], region: str, sighting: Sighting) -> None:
        """Adds a sighting that the region itself has signed: an invented head must accuse nobody."""
        head = Head(sighting.head.sequence, sighting.head.hash)
        if region not in seen:
            return
        if self._ports.keys.verify(region, AUDIT_HEAD, head.signed_bytes(), sighting.head.signature):
            sighting.signer = f"region/{region}"
            seen[region].append(sighting)
        else:
            _log.warning("%s keeps a head of %s that its key did not sign", sighting.witness, region)

    async def _verdict(self, region: str, seen: list[Sighting], limit: asyncio.Semaphore) -> ChainVerdict:
        members, keys = self._ports.members, self._ports.keys
        snapshot = members.snapshot()
        suspended = {each for each, stated in snapshot.suspensions.items() if stated.statement.suspended}
        configuration = snapshot.configuration or Configuration()
        candidates = may_witness(configuration, members.all(), suspended, keys.has_certified)
        verdict = ChainVerdict(region=region, witnesses=witnesses_of(region, candidates))
        async with limit:
            return await judged(verdict, seen, lambda request: self._call(region, _verify_part(request)))

    async def _own_verdict(self, chain: str, seen: list[Sighting]) -> ChainVerdict:
        """The verdict on a chain of the coordinators."""
        own = self._ports.own

        async def part(request: VerifyChainRequest) -> VerifyChainResponse | Refused:
            try:
                return await verified_part(lambda after: own.page(chain, after), request)
            except Refused as refused:
                return refused

        return await judged(ChainVerdict(chain=chain), seen, part)

    async def _call(self, region: str, ask: Callable[[AuditServiceStub, float], Awaitable[Answer]]) -> Answer | Refused:
        try:
            require_reachable(self._ports.members.all(), region)
            return await self._ports.channels.call(
                region, lambda replica, left: ask(AuditServiceStub(replica.channel), left), ANSWER_SECONDS
            )
        except Refused as refused:
            return refused
        except Unreachable:
            return Refused(Reason.REASON_REGION_UNREACHABLE, region=region)


async def judged(verdict: ChainVerdict, seen: list[Sighting], ask: AskPart) -> ChainVerdict:
    """Completes a verdict by the chain, read part by part, and by the heads that others keep of it."""
    told: Told = {}
    refused: Refused | None = Refused(Reason.REASON_INTERNAL)
    with contained(f"the verification of the chain of {verdict.region or verdict.chain}"):
        walked = await _walk(verdict, seen, told, ask)
        if walked is None:
            compare(verdict, seen, told)
        refused = walked
    if refused is not None:
        verdict.reason = refused.reason
        del verdict.sightings[:]
        verdict.sightings.extend(seen)
    return verdict


async def _walk(verdict: ChainVerdict, seen: Sequence[Sighting], told: Told, ask: AskPart) -> Refused | None:
    """Reads a chain part by part. Returns the refusal that ended the reading early, if any.

    A region that invents ever more rows does not hold up the verification of the others.
    """
    loop = asyncio.get_running_loop()
    # A head that others have seen is signed by the region, which may have invented it, too.
    end = loop.time() + (LONGEST_KNOWN_WALK if seen else LONGEST_WALK)
    while loop.time() < end:
        request = next_part(verdict, seen, told)
        part = await ask(request)
        if isinstance(part, Refused):
            return part
        if not take_part(verdict, request, part, seen, told):
            continue
        if part.is_end or part.HasField("problem"):
            return None
        if part.head.sequence <= request.after.sequence:
            return Refused(Reason.REASON_ENVELOPE_INVALID, problem="the chain is told without going on")
    return Refused(Reason.REASON_ENVELOPE_INVALID, problem="the chain is told without an end")


def next_part(verdict: ChainVerdict, sightings: Iterable[Sighting], told: Told) -> VerifyChainRequest:
    """The request for the next part of a chain, with numbers of rows that others have seen: of signed heads first.

    Where a call cannot request all rows of signed heads, the part ends at the last requested one. Numbers that a
    witness invents do not shorten a part.
    """
    after = verdict.head.sequence
    ahead = [each for each in sightings if each.head.sequence > after and each.head.sequence not in told]
    signed = sorted({each.head.sequence for each in ahead if each.signer})
    unsigned = sorted({each.head.sequence for each in ahead}.difference(signed))
    wanted = [*signed, *unsigned][:MOST_SEQUENCES]
    return VerifyChainRequest(
        after=verdict.head if after else None,
        rows=min(wanted[-1] - after, ROWS) if len(signed) > MOST_SEQUENCES else ROWS,
        sequences=wanted,
    )


def _chain_key(chain: str) -> str:
    """The key of a chain of the coordinators beside the ids of regions, which have no slash at their begin."""
    return f"/{chain}"


def _list_heads(stub: AuditServiceStub, seconds: float) -> Awaitable[ListWitnessedHeadsResponse]:
    return invoke(stub.ListWitnessedHeads, ListWitnessedHeadsRequest(), seconds)


def _verify_part(request: VerifyChainRequest) -> Callable[[AuditServiceStub, float], Awaitable[VerifyChainResponse]]:
    return lambda stub, seconds: invoke(stub.VerifyChain, request, seconds)
