"""The witnesses of the region's audit chain: coordinators and other regions, queried by a command."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from google.protobuf.message import DecodeError

from gateway.api.federation.v1.federation_pb2 import AuditHead, GetAuditHeadRequest, Member
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.region.v1.witnessing_pb2 import WitnessAnswer, WitnessStatement
from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse, EnvelopeKind
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.auditing import audit as chain
from gateway.auditing.audit_heads import dated_bytes
from gateway.errors import Refused, Unreachable
from gateway.federation.current import CurrentFederation
from gateway.federation.suspensions import claimed
from gateway.federation.witnesses import may_witness, witnesses_of
from gateway.maintenance.doctor.peers import peer, unreached
from gateway.process.last_good import LastGoodBroken
from gateway.relay.border import Border
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.queries import Asker
from gateway.relay.sealed_batches import SealedBatchTransport
from gateway.relay.transport import BeforeAttempt
from gateway.rpc.channels import Dialer, invoke
from gateway.rpc.element_counts import parsed
from gateway.security.identity import server_name
from gateway.security.sealing_keys import SealingKeys
from gateway.security.signing import AUDIT_HEAD, WITNESSED_HEAD, Signer, TrustedKeys
from gateway.time.clock import Clock, SystemClock, from_timestamp, to_microseconds
from gateway.wording.languages import refusal, translated
from region_node.node.membership.last_good import LastGood
from region_node.node.settings import RegionSettings

_TIMEOUT = 5.0  # seconds for the answer of a coordinator, or of a region through one
_LIFETIME = timedelta(seconds=30)
COORDINATOR = "coordinator"


class NoWitness(Exception):
    """No coordinator gave a valid head; the text has the reason of each."""


@dataclass(frozen=True)
class Countersigned:
    """A head of this region's chain that another region has signed as its witness."""

    witness: str
    head: chain.Head
    time: int
    """The time of the signature, in microseconds by the witness's clock."""
    signature: bytes
    certificate: bytes
    """PEM, of the witness's signing key."""


@dataclass(frozen=True)
class Testimony:
    """The collected heads."""

    coordinator: chain.Head | None
    """The longest head that a coordinator keeps."""
    regions: Sequence[Countersigned] = ()
    silent: Sequence[str] = field(default_factory=list)
    """The witnesses that cannot be queried, for people."""

    def seen(self) -> list[chain.Seen]:
        """All heads."""
        found = [chain.Seen(f"region/{each.witness}", each.head) for each in self.regions]
        if self.coordinator is not None:
            found.append(chain.Seen(COORDINATOR, self.coordinator))
        return found


class Witnesses:
    """The coordinators of the settings, and other regions through them, queried with the node's own certificate."""

    def __init__(self, settings: RegionSettings, clock: Clock | None = None) -> None:
        """Raises CredentialsUnusable, or NoWitness where the node's own files cannot prove a signature."""
        self._settings = settings
        self._clock = clock or SystemClock()
        now = self._clock.now()
        self._own = settings.own_credentials.in_use(now)
        self._dialer = Dialer(self._own, self._clock)
        self._sealing_keys = SealingKeys()
        self._keys = TrustedKeys(self._own.load(now).authority, settings.federation)
        try:
            self._keys.accept(settings.region, settings.signing.certificate.read_bytes(), now)
        except (OSError, Refused) as error:
            raise NoWitness(f"{settings.signing.certificate}: {refusal(error)}") from error

    async def testify(self) -> Testimony:
        """Queries all.

        Raises NoWitness where no coordinator responds, or one has a head that this region did not sign.
        """
        kept = await self._of_coordinators()
        answers = await asyncio.gather(*(self._of_region(each) for each in self._witnesses()))
        return Testimony(
            kept,
            [each for each in answers if isinstance(each, Countersigned)],
            [each for each in answers if isinstance(each, str)],
        )

    async def _of_coordinators(self) -> chain.Head | None:
        """The longest head of a coordinator; None where no responding one has any."""
        coordinators = self._settings.coordinators
        answers = await asyncio.gather(*(self._ask(each) for each in coordinators), return_exceptions=True)
        problems, heads = [], []
        for coordinator, answer in zip(coordinators, answers, strict=True):
            if isinstance(answer, Refused | Unreachable):
                problems.append(
                    translated(
                        "Coordinator {coordinator} gave no audit head: {problem}",
                        coordinator=coordinator,
                        problem=await self._problem(coordinator, answer),
                    )
                )
            elif isinstance(answer, BaseException):
                raise answer
            else:
                heads.append(self._proven(coordinator, answer))
        if not heads:
            raise NoWitness("\n".join(problems))
        return max((head for head in heads if head is not None), key=lambda head: head.sequence, default=None)

    async def _ask(self, coordinator: str) -> AuditHead | None:
        name = server_name(Role.ROLE_COORDINATOR, "", self._settings.federation)
        async with self._dialer.dial(coordinator, name) as channel:
            stub = FederationServiceStub(channel)
            response = await invoke(stub.GetAuditHead, GetAuditHeadRequest(), _TIMEOUT)
        return response.audit_head if response.HasField("audit_head") else None

    async def _problem(self, coordinator: str, failure: Refused | Unreachable) -> str:
        name = server_name(Role.ROLE_COORDINATOR, "", self._settings.federation)
        return (await unreached("", peer(coordinator, name, self._own), failure)).found

    def _proven(self, coordinator: str, told: AuditHead | None) -> chain.Head | None:
        """The head, if this region signed it."""
        if told is None:
            return None
        head = chain.Head(told.sequence, told.hash)
        if not self._keys.verify(self._settings.region, AUDIT_HEAD, head.signed_bytes(), told.signature):
            raise NoWitness(
                translated(
                    "Coordinator {coordinator} keeps a head that this region's key did not sign.",
                    coordinator=coordinator,
                )
            )
        return head

    def _witnesses(self) -> list[Member]:
        """The witnesses by the state that the node keeps on disk."""
        kept = LastGood(self._settings.data)
        try:
            state, configuration = kept.load(), kept.configuration()
        except LastGoodBroken:
            return []
        if state is None or configuration is None:
            return []
        members = {member.region: member for member in state.members}
        # The node keeps statements that it has proven, and no others.
        suspended = {each.region for each in map(claimed, state.suspensions) if each.suspended}
        candidates = may_witness(configuration, members, suspended, self._keys.has_certified)
        return [members[each] for each in witnesses_of(self._settings.region, candidates)]

    async def _of_region(self, member: Member) -> Countersigned | str | None:
        """The head kept by a region, or the reason without one; None for a region that never received any."""
        try:
            self._keys.accept(member.region, member.signing_certificate, self._clock.now())
            self._sealing_keys.accept(member.region, member.sealing_key, self._keys.signer_of)
            answer = await self._question(member.region)
        except (Refused, DecodeError, OSError, ValueError) as error:
            told = refusal(error)
            return translated(
                "Region {region} could not be asked as a witness: {problem}", region=member.region, problem=told
            )
        if not answer.HasField("kept"):
            return None
        head, time = chain.Head(answer.kept.sequence, answer.kept.hash), from_timestamp(answer.tell_time)
        region = self._settings.region
        if not self._keys.verify(region, AUDIT_HEAD, head.signed_bytes(), answer.kept.signature):
            return translated("Region {region} keeps a head that this region's key did not sign.", region=member.region)
        if not self._keys.verify(member.region, WITNESSED_HEAD, dated_bytes(region, head, time), answer.signature):
            return translated("Region {region} did not sign what it keeps.", region=member.region)
        return Countersigned(member.region, head, to_microseconds(time), answer.signature, member.signing_certificate)

    async def _question(self, witness: str) -> WitnessAnswer:
        """Queries by an envelope, like the node: regions reach each other through a coordinator only."""
        settings, now = self._settings, self._clock.now()
        signer = Signer.load(settings.signing.key)
        border = Border(settings.region, signer, self._keys, CurrentFederation(), sealing_keys=self._sealing_keys)
        outgoing = OutgoingEnvelope(
            envelope_id=f"{settings.region}/witness/{to_microseconds(now)}?{witness}",
            destination=witness,
            kind=EnvelopeKind.ENVELOPE_KIND_WITNESS,
            payload=WitnessStatement().SerializeToString(),
            subject=f"{settings.region}/witness",
            operator="",
            lifetime=_LIFETIME,
        )
        transport = SealedBatchTransport(border, _AnyCoordinator(self._dialer, settings))
        asker = Asker(border, transport, self._clock, random.Random())
        return parsed(WitnessAnswer, await asker.ask(outgoing, _TIMEOUT, "", attempts=1))


class _AnyCoordinator:
    """A carrier to other regions, through the first responding coordinator."""

    def __init__(self, dialer: Dialer, settings: RegionSettings) -> None:
        self._dialer = dialer
        self._settings = settings

    async def deliver(
        self, request: DeliverRequest, timeout: float, before_attempt: BeforeAttempt | None = None
    ) -> DeliverResponse:
        """See Carrier."""
        name = server_name(Role.ROLE_COORDINATOR, "", self._settings.federation)
        failure = Unreachable("no coordinator is known")
        for coordinator in self._settings.coordinators:
            async with self._dialer.dial(coordinator, name) as channel:
                try:
                    return await invoke(RelayServiceStub(channel).Deliver, request, timeout)
                except Unreachable as error:
                    failure = error
        raise failure
