"""Several coordinators on one registry: real ones on a real etcd, and one that is a process of its own to be frozen."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from etcd3.etcdrpc import rpc_pb2
from opentelemetry import trace

from coordinator.app import serve
from coordinator.membership.presence import Presence
from coordinator.registry.etcd.client import DELETE, EtcdClient
from coordinator.registry.etcd.contact import Contact
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.last_good import LastGoodKeeper
from coordinator.registry.etcd.replica import OwnReplica
from coordinator.registry.etcd.settings import EtcdSettings
from coordinator.registry.etcd.watch import Follower
from coordinator.settings import CoordinatorSettings
from gateway.api.coordinator.v1.administration_pb2 import (
    ListRegionsRequest,
    ListRegionsResponse,
    ReinstateRegionRequest,
    SuspendRegionRequest,
    SuspendRegionResponse,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.coordinator.v1.revocation_service_pb2 import PublishRevocationListRequest
from gateway.api.coordinator.v1.revocation_service_pb2_grpc import RevocationServiceStub
from gateway.api.federation.v1.federation_pb2 import MemberState, RevocationList, WatchRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.relay.v1 import relay_pb2
from gateway.api.relay.v1.relay_pb2 import (
    DeliverRequest,
    DeliverResponse,
    DeliverResult,
    Envelope,
    EnvelopeContent,
    EnvelopeKind,
    Journey,
    Receipt,
)
from gateway.api.relay.v1.relay_pb2_grpc import (
    RelayServiceServicer,
    RelayServiceStub,
    add_RelayServiceServicer_to_server,
)
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, Unreachable, reason_name
from gateway.federation.current import CurrentFederation
from gateway.process.metrics import UnrecordedCalls
from gateway.process.tracing import Tracing
from gateway.relay.border import Border
from gateway.relay.envelopes import Sealed
from gateway.relay.grpc_carrier import GrpcCarrier
from gateway.relay.lanes import Delivered, LanePorts, Lanes
from gateway.relay.sealed_batches import SealedBatchTransport
from gateway.rpc.channels import Dialer, Replicas, invoke
from gateway.rpc.server import Service
from gateway.security.identity import server_name
from gateway.security.sealing_keys import published
from gateway.security.signing import TrustedKeys
from tests.contract.coordinator_process import CoordinatorProcess, coordinator_process
from tests.contract.coordinators import (
    ADMIN,
    ANSWER_S,
    PATIENCE_S,
    Federation,
    RegionKeys,
    Watching,
    federation,
    join_request,
    keys_of,
    next_of,
    refused,
    run,
    told,
    unhurried,
)
from tests.contract.membership_node import ENDPOINT, eventually, node, running
from tests.contract.small_federation import CLOCK, FEDERATION, Certificates, serving
from tests.contract.test_coordinator_cli import command
from tests.keys import region_keys
from tests.sealed_batches import Inlet

HENAN, SICHUAN = "henan", "sichuan"
SERVICE = relay_pb2.DESCRIPTOR.services_by_name["RelayService"]
SUSPENDED = MemberState.MEMBER_STATE_SUSPENDED
# The wait for a lease included; reached only where a test fails.
LONGEST_S = 60.0


class Destination(RelayServiceServicer):
    """Takes in what is brought, and answers when it may."""

    def __init__(self) -> None:
        self.taken = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def Deliver(  # noqa: N802 - named by gRPC
        self, request: DeliverRequest, context: grpc.aio.ServicerContext[DeliverRequest, DeliverResponse]
    ) -> DeliverResponse:
        self.taken += 1
        await self.may_answer.wait()
        if not request.sealed:
            return DeliverResponse(journey=request.journey)
        opened = Inlet(region_keys(SICHUAN)).open(request)
        results = [DeliverResult(receipt=Receipt(content=each.content)) for each in opened.batch.envelopes]
        return opened.answer(results, request.journey)


@dataclass
class Scene:
    """A coordinator of this process, Henan and Sichuan, which have joined, and what Sichuan takes in."""

    it: Federation
    sichuan: Destination
    closing: AsyncExitStack
    keys: RegionKeys  # of Sichuan

    def dial(self, path: str, endpoint: str) -> grpc.aio.Channel:
        """A channel of a member to any coordinator."""
        dialer = Dialer(self.it.certificates.credentials(path), CLOCK)
        channel = dialer.dial(endpoint, server_name(Role.ROLE_COORDINATOR, "", FEDERATION))
        self.closing.push_async_callback(channel.close)
        return channel

    async def suspend(self, seconds: float = PATIENCE_S) -> SuspendRegionResponse:
        stub = MembershipServiceStub(self.it.as_(ADMIN))
        return await invoke(stub.SuspendRegion, SuspendRegionRequest(region=SICHUAN, note="why"), seconds)

    async def listed(self, endpoint: str) -> ListRegionsResponse:
        stub = MembershipServiceStub(self.dial(ADMIN, endpoint))
        return await invoke(stub.ListRegions, ListRegionsRequest(), PATIENCE_S)

    async def knows(self, endpoint: str, state: MemberState.ValueType) -> None:
        """Returns once that coordinator tells watchers that Sichuan stands so."""
        watching = FederationServiceStub(self.dial("region/henan", endpoint)).Watch(WatchRequest())
        await told(watching, SICHUAN, state)
        watching.cancel()


@asynccontextmanager
async def scene(
    certificates: Certificates, data: Path, etcd: EtcdSettings, lease: float = 600.0
) -> AsyncIterator[Scene]:
    sichuan = Destination()
    service = Service.of(SERVICE, add_RelayServiceServicer_to_server, sichuan)
    async with (
        asyncio.timeout(LONGEST_S),
        AsyncExitStack() as closing,
        serving(certificates, "region/sichuan", [service], SICHUAN) as endpoint,
        federation(certificates, data / "0", lease=lease, etcd=etcd) as it,
    ):
        await it.apply()
        await it.join(keys_of(certificates, HENAN))
        keys = keys_of(certificates, SICHUAN)
        await it.join(keys, join_request(keys, endpoint))
        async with closing:
            yield Scene(it, sichuan, closing, keys)


async def probe(channel: grpc.aio.Channel, seconds: float = PATIENCE_S) -> DeliverResponse:
    """An empty batch for Sichuan."""
    return await invoke(RelayServiceStub(channel).Deliver, DeliverRequest(destination=SICHUAN), seconds)


def names(response: SuspendRegionResponse) -> list[str]:
    return [replica.name for replica in response.unconfirmed]


def test_a_region_that_one_coordinator_suspends_gets_nothing_through_any(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings
) -> None:
    async def scenario() -> None:
        async with (
            scene(certificates, tmp_path, etcd) as at,
            federation(certificates, tmp_path / "1", number=1, etcd=etcd) as other,
        ):
            listed = await at.listed(other.endpoint)
            assert [each.name for each in listed.replicas] == ["coordinator/0", "coordinator/1"]
            assert [each.endpoint for each in listed.replicas] == [at.it.endpoint, other.endpoint]
            assert listed.HasField("registry_time")
            channel = other.as_("region/henan")
            await probe(channel)
            response = await at.suspend()
            assert (response.member.state, names(response)) == (SUSPENDED, [])
            taken = at.sichuan.taken
            assert await refused(probe(channel)) == "REGION_SUSPENDED"
            assert at.sichuan.taken == taken

    asyncio.run(scenario())


def test_a_suspension_waits_for_what_another_coordinator_has_on_its_way(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings
) -> None:
    async def scenario() -> None:
        async with (
            scene(certificates, tmp_path, etcd) as at,
            federation(certificates, tmp_path / "1", number=1, etcd=etcd) as other,
        ):
            at.sichuan.may_answer.clear()
            delivering = asyncio.create_task(probe(other.as_("region/henan")))
            while not at.sichuan.taken:  # noqa: ASYNC110 - it happens at a server
                await asyncio.sleep(0.005)
            with unhurried():
                assert names(await at.suspend(seconds=ANSWER_S)) == ["coordinator/1"]
            suspending = asyncio.create_task(at.suspend())
            at.sichuan.may_answer.set()
            await delivering
            assert names(await suspending) == []

    asyncio.run(scenario())


async def read_on(watching: Watching) -> None:
    """Reads until the stream ends."""
    while True:
        await next_of(watching)


def test_a_certificate_revoked_at_one_coordinator_ends_its_watch_at_another_which_tells_all_of_it(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings
) -> None:
    async def scenario() -> None:
        async with (
            federation(certificates, tmp_path / "0", etcd=etcd) as one,
            federation(certificates, tmp_path / "1", etcd=etcd, number=1) as another,
        ):
            await one.apply()
            stolen, honest = another.watch(HENAN), another.watch(SICHUAN)
            for watching in (stolen, honest):
                assert not (await next_of(watching)).revocation_lists
            own = x509.load_pem_x509_certificate((tmp_path / "certificates" / "region_henan" / "tls.crt").read_bytes())
            crl = certificates.authority.revocation_list([own.serial_number], 1, CLOCK.now())
            revocations = RevocationList(crl=crl.public_bytes(Encoding.DER))
            publish = RevocationServiceStub(one.as_(ADMIN)).PublishRevocationList
            await invoke(publish, PublishRevocationListRequest(revocation_list=revocations), PATIENCE_S)
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await read_on(stolen)
            assert ended.value.code() == grpc.StatusCode.UNAUTHENTICATED
            while not (lists := (await next_of(honest)).revocation_lists):
                pass
            assert list(lists) == [revocations]

    run(scenario())


def test_a_coordinator_that_stops_is_waited_for_no_more(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings
) -> None:
    async def scenario() -> None:
        async with scene(certificates, tmp_path, etcd) as at:
            async with federation(certificates, tmp_path / "1", number=1, etcd=etcd):
                pass
            assert names(await at.suspend()) == []
            assert [each.name for each in (await at.listed(at.it.endpoint)).replicas] == ["coordinator/0"]

    asyncio.run(scenario())


def test_a_frozen_coordinator_is_named_until_its_lease_ends_and_brings_nothing_when_it_wakes(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings
) -> None:
    async def scenario(other: CoordinatorProcess) -> None:
        async with scene(certificates, tmp_path, etcd, lease=600.0) as at:
            await at.knows(other.endpoint, MemberState.MEMBER_STATE_JOINED)
            channel = at.dial("region/henan", other.endpoint)
            await probe(channel)
            taken = at.sichuan.taken
            other.freeze()
            # What is sent to it now waits in its socket, and is the first that it reads when it wakes.
            sent = [asyncio.create_task(outcome(channel)) for _ in range(3)]
            with unhurried():
                assert names(await at.suspend(seconds=ANSWER_S)) == ["coordinator/1"]
            assert names(await at.suspend()) == []
            other.thaw()
            answers = set(await asyncio.gather(*sent))
            while "REGION_SUSPENDED" not in answers:
                answers.add(await outcome(channel))
            assert answers <= {"REGION_SUSPENDED", "REGISTRY_UNAVAILABLE", "LEASE_UNPROVEN", "UNREACHABLE"}
            assert at.sichuan.taken == taken

    with coordinator_process(certificates, tmp_path / "1", number=1, etcd=etcd, lease=4.0) as other:
        asyncio.run(scenario(other))


async def outcome(channel: grpc.aio.Channel) -> str:
    """The outcome of an empty batch for Sichuan."""
    try:
        await probe(channel)
    except Refused as refusal:
        return reason_name(refusal.reason)
    except Unreachable:
        return "UNREACHABLE"
    return "DELIVERED"


@pytest.mark.parametrize(
    ("part", "loop"),
    [
        (Follower, "run"),
        (Contact, "run"),
        (OwnReplica, "run"),
        (LastGoodKeeper, "run"),
        (Presence, "_confirm"),
    ],
)
def test_a_coordinator_one_of_whose_loops_dies_ends_so_that_it_is_started_again(
    certificates: Certificates,
    tmp_path: Path,
    etcd: EtcdSettings,
    monkeypatch: pytest.MonkeyPatch,
    part: type,
    loop: str,
) -> None:
    async def die(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(part, loop, die)
    monkeypatch.setattr("gateway.process.running.wait_for_stop", asyncio.Event().wait)
    chosen = CoordinatorSettings(
        FEDERATION,
        "127.0.0.1:0",
        tmp_path / "data",
        certificates.credentials("coordinator/0"),
        etcd=etcd,
        allow_unsigned_configuration=True,
    )
    with pytest.raises(ZeroDivisionError):
        run(serve(chosen))


def test_the_registrys_chain_of_changes_is_verified_beside_the_coordinators_own(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings
) -> None:
    async def verified(*words: str) -> tuple[int, str, str]:
        settings = str(tmp_path / "1" / "coordinator.toml")
        return await command(certificates, "unused:1", "audit", "verify", "--settings", settings, *words)

    async def scenario() -> None:
        async with scene(certificates, tmp_path, etcd) as at:
            await at.suspend()
            code, out, _ = await verified("--json")
            told_heads = json.loads(out)
            # One configuration, two regions that joined, one suspension; nobody was denied anything.
            assert (code, told_heads["rows"], told_heads["registry"]["rows"]) == (0, 0, 4)
            head = f"4:{told_heads['registry']['hash']}"
            client = EtcdClient(etcd, CLOCK)
            for sequence, broken, seen in ((4, False, ()), (4, True, ("--registry-seen", head)), (2, True, ())):
                await client.call(DELETE, rpc_pb2.DeleteRangeRequest(key=Keys(FEDERATION).audit_row(sequence)))
                code, _, errors = await verified(*seen)
                assert (code == 1, "Error: the registry: the audit chain is broken" in errors) == (broken, broken)
            await client.close()

    with coordinator_process(certificates, tmp_path / "1", number=1, etcd=etcd):
        asyncio.run(scenario())


def test_a_lane_goes_on_through_another_coordinator_while_one_is_frozen(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings
) -> None:
    delivered: list[Delivered] = []

    async def settle(batch: Sequence[Delivered]) -> list[bool]:
        delivered.extend(batch)
        return [True] * len(batch)

    async def scenario(other: CoordinatorProcess) -> None:
        async with scene(certificates, tmp_path, etcd) as at:
            name = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
            replicas = Replicas(Dialer(certificates.credentials("region/henan"), CLOCK), name, random.Random(1))
            replicas.update((at.it.endpoint, other.endpoint))
            at.closing.push_async_callback(replicas.close)
            tracing, calls = Tracing(trace.get_tracer("test")), UnrecordedCalls()
            signer = keys_of(certificates, HENAN).signer
            border = Border(
                HENAN, signer, TrustedKeys(certificates.authority.certificate_pem, FEDERATION), CurrentFederation()
            )
            assert border.sealing_keys.accept(
                SICHUAN,
                published(region_keys(SICHUAN).set, signer, CLOCK.now()),
                lambda *_: certificates.authority.certificate,
            )
            transport = SealedBatchTransport(border, GrpcCarrier(replicas, tracing, calls))
            lanes = Lanes(LanePorts(HENAN, transport, settle, CLOCK, random.Random(1)))
            at.closing.push_async_callback(lanes.close)
            lane = lanes.to(SICHUAN)

            async def send(number: int) -> None:
                lane.add(sealed(number))
                while len(delivered) <= number:  # noqa: ASYNC110 - the lane settles by itself
                    await asyncio.sleep(0.001)

            await at.knows(other.endpoint, MemberState.MEMBER_STATE_JOINED)
            for number in range(10):
                await send(number)
            other.freeze()
            for number in range(10, 40):
                await send(number)
            other.thaw()
            assert lane.counts.trips == 0
            assert max(each.queued.attempts for each in delivered) == 2
            assert lane.counts.repeated == 1
            through = {"coordinator/0", "coordinator/1"}
            while parties_of(delivered[-1]) & through != {"coordinator/1"}:
                await send(len(delivered))

    with coordinator_process(certificates, tmp_path / "1", number=1, etcd=etcd) as other:
        asyncio.run(scenario(other))


def sealed(number: int) -> Sealed:
    kind = EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND
    content = EnvelopeContent(id=str(number), origin=HENAN, destination=SICHUAN, subject=str(number), kind=kind)
    return Sealed(Envelope(content=content.SerializeToString()), content)


def parties_of(delivered: Delivered) -> set[str]:
    """The parties of the batch's stamps."""
    return {stamp.party for stamp in Journey.FromString(delivered.journey).stamps}


@pytest.mark.slow
def test_a_node_stays_joined_and_hears_of_changes_whichever_coordinator_freezes(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings
) -> None:
    async def scenario(processes: Sequence[CoordinatorProcess]) -> None:
        (tmp_path / "node").mkdir()
        async with (
            scene(certificates, tmp_path, etcd) as at,
            node(
                certificates, tmp_path / "node", *(each.endpoint for each in processes), issued=at.keys.issued
            ) as under_test,
            running(under_test.client.follow(), under_test.client.stay_joined(ENDPOINT)),
        ):
            stub = MembershipServiceStub(at.it.as_(ADMIN))
            await eventually(lambda: under_test.current.revision == 1)
            for process, is_suspended in zip(processes, (True, False), strict=True):
                process.freeze()
                if is_suspended:
                    request = SuspendRegionRequest(region=HENAN, note="why")
                    await invoke(stub.SuspendRegion, request, 1.0)
                else:
                    await invoke(stub.ReinstateRegion, ReinstateRegionRequest(region=HENAN), PATIENCE_S)
                await eventually(
                    lambda expected=is_suspended: (  # type: ignore[misc]
                        (under_test.current.state().member_state(HENAN) == SUSPENDED) == expected
                    )
                )
                before = (await at.it.member(SICHUAN)).heartbeat_time.ToNanoseconds()
                while (await at.it.member(SICHUAN)).heartbeat_time.ToNanoseconds() == before:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.02)
                assert ENDPOINT in (await at.it.member(SICHUAN)).endpoints
                process.thaw()

    with ExitStack() as stack:
        asyncio.run(
            scenario(
                [
                    stack.enter_context(
                        coordinator_process(certificates, tmp_path / f"{number}", number=number, etcd=etcd, lease=4.0)
                    )
                    for number in (1, 2)
                ]
            )
        )
