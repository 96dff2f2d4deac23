"""An older database of a coordinator is put back: nothing is forwarded or told by it until people have looked."""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from deploy.local.ports import HeldPort
from gateway.api.coordinator.v1.administration_pb2 import (
    AcceptRegistryLossRequest,
    ListRegionsRequest,
    ListRegionsResponse,
    SuspendRegionRequest,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.coordinator.v1.case_service_pb2 import ReportCaseRequest
from gateway.api.coordinator.v1.case_service_pb2_grpc import CaseServiceStub
from gateway.api.coordinator.v1.enrolment_service_pb2 import EnrolRequest
from gateway.api.coordinator.v1.enrolment_service_pb2_grpc import JoiningServiceStub
from gateway.api.federation.v1.federation_pb2 import ChainHead, MemberState, WatchRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.relay.v1.relay_pb2 import DeliverRequest
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import from_rpc_error, reason_name
from gateway.rpc.channels import health_of, invoke
from gateway.security.enrolling import SECRET_BYTES
from gateway.security.identity import server_name
from gateway.security.tls import client_options, joiner_credentials
from tests.contract.coordinators import (
    ADMIN,
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
)
from tests.contract.small_federation import FEDERATION, Certificates

SUSPENDED = MemberState.MEMBER_STATE_SUSPENDED
HENAN, SICHUAN = "henan", "sichuan"


@dataclass
class PutBack:
    """A coordinator with its database of before a suspension, and the head that a region was told after it."""

    it: Federation
    head: ChainHead
    keys: Mapping[str, RegionKeys]

    async def join(self, region: str, head: ChainHead | None = None, at: Federation | None = None) -> None:
        """A heartbeat of a region, which names a head."""
        request = join_request(self.keys[region])
        if head is not None:
            request.registry_head.CopyFrom(head)
        await (at or self.it).join(self.keys[region], request)


@asynccontextmanager
async def put_back(certificates: Certificates, data: Path) -> AsyncIterator[PutBack]:
    keys = {region: keys_of(certificates, region) for region in (HENAN, SICHUAN)}
    database, copy = data / "coordinator.db", data / "older.db"
    async with federation(certificates, data) as it:
        await it.apply()
        for region in (HENAN, SICHUAN):
            await it.join(keys[region])
    shutil.copyfile(database, copy)
    async with federation(certificates, data) as it:
        for region in (HENAN, SICHUAN):
            await it.join(keys[region])
        watching = it.watch(HENAN)
        await next_of(watching)
        await suspend(it)
        head = (await told(watching, SICHUAN, SUSPENDED)).registry_head
    replace(database, copy)
    async with federation(certificates, data) as it:
        yield PutBack(it, head, keys)


def replace(database: Path, copy: Path) -> None:
    for leftover in database.parent.glob(f"{database.name}-*"):
        leftover.unlink()
    shutil.copyfile(copy, database)


async def suspend(it: Federation) -> None:
    request = SuspendRegionRequest(region=SICHUAN, note="its key is lost")
    await invoke(MembershipServiceStub(it.as_(ADMIN)).SuspendRegion, request, PATIENCE_S)


async def regions(it: Federation) -> ListRegionsResponse:
    return await invoke(MembershipServiceStub(it.as_(ADMIN)).ListRegions, ListRegionsRequest(), PATIENCE_S)


async def accept(it: Federation, reference: str, number: int = 1) -> None:
    request = AcceptRegistryLossRequest(number=number, reference=reference)
    await invoke(MembershipServiceStub(it.as_(ADMIN)).AcceptRegistryLoss, request, PATIENCE_S)


async def health(it: Federation) -> int:
    return (await health_of(it.as_(ADMIN), "", PATIENCE_S)).status


async def delivered(it: Federation) -> str:
    """How an envelope from Sichuan to Henan ends."""
    stub = RelayServiceStub(it.as_(f"region/{SICHUAN}"))
    return await refused(invoke(stub.Deliver, DeliverRequest(destination=HENAN, nonce=b"1"), PATIENCE_S))


async def enrolled(certificates: Certificates, endpoint: str) -> str:
    """How an enrolment by a token that nobody has issued ends."""
    trusted = joiner_credentials(certificates.authority.certificate_pem)
    options = client_options(server_name(Role.ROLE_COORDINATOR, "", FEDERATION))
    async with grpc.aio.secure_channel(endpoint, trusted, options=options) as channel:
        request = EnrolRequest(secret=bytes(SECRET_BYTES))
        return await refused(invoke(JoiningServiceStub(channel).Enrol, request, PATIENCE_S))


async def watched(it: Federation, head: ChainHead | None = None) -> str:
    """The reason for which Henan is not told the state; empty where it is."""
    watching = FederationServiceStub(it.as_(f"region/{HENAN}")).Watch(WatchRequest(registry_head=head))
    return await ended_by(watching, after=1)


async def ended_by(watching: Watching, after: int = 100) -> str:
    """The reason with which a stream ends; empty where it has brought so many messages."""
    try:
        for _ in range(after):
            await next_of(watching)
    except grpc.aio.AioRpcError as error:
        refusal = from_rpc_error(error)
        assert refusal is not None
        return reason_name(refusal.reason)
    return ""


def test_a_forgotten_suspension_is_not_passed_over_once_a_region_that_knows_it_has_joined(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with put_back(certificates, tmp_path) as old:
            it, head = old.it, old.head
            await old.join(SICHUAN)
            assert await delivered(it) == "REGION_UNREACHABLE", "nobody is reached before naming what was told"
            await old.join(HENAN, head)
            assert await delivered(it) == "REGISTRY_BEHIND"
            case = CaseServiceStub(it.as_(f"region/{SICHUAN}")).ReportCase
            assert await refused(invoke(case, ReportCaseRequest(), PATIENCE_S)) == "REGISTRY_BEHIND"
            loss = (await regions(it)).loss
            assert (loss.number, loss.witness, loss.seen_sequence) == (1, "region/henan", head.sequence)
            assert loss.last_sequence < head.sequence < loss.begin_sequence

    run(scenario())


def test_the_fence_stands_after_a_restart_until_an_administrator_has_suspended_again_and_accepted(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with put_back(certificates, tmp_path) as old:
            it, head = old.it, old.head
            assert await watched(it, head) == "REGISTRY_BEHIND"
        port = HeldPort()
        joining = f"127.0.0.1:{port.number}"
        async with federation(certificates, tmp_path, enrolment=joining) as it:
            assert await watched(it) == "REGISTRY_BEHIND", "also to a region that names nothing"
            assert await enrolled(certificates, joining) == "REGISTRY_BEHIND"
            assert await health(it) == HealthCheckResponse.NOT_SERVING
            for region in (SICHUAN, HENAN):
                await old.join(region, at=it)
            await suspend(it)
            await accept(it, "INC-2041")
            await accept(it, "INC-2041")
            assert await refused(accept(it, "INC-2042")) == "LOSS_ACCEPTED"
            assert await refused(accept(it, "INC-2042", number=2)) == "LOSS_NOT_FOUND"
            assert not (await regions(it)).HasField("loss")
            while await health(it) != HealthCheckResponse.SERVING:
                pass
            assert await watched(it, head) == "", "what was lost of before is known"
            assert await enrolled(certificates, joining) == "ENROLMENT_TOKEN_INVALID"
            assert await delivered(it) == "REGION_SUSPENDED"
            actions = [row.action for row in it.audit_rows()]
            assert actions.index("DATABASE_BEHIND") < actions.index("REGISTRY_LOSS_ACCEPTED")

    run(scenario())


def test_a_stream_that_was_told_an_older_state_ends_once_another_region_knows_more(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with put_back(certificates, tmp_path) as old:
            it, head = old.it, old.head
            watching = it.watch(SICHUAN)
            await next_of(watching)
            await old.join(HENAN, head)
            assert await ended_by(watching) == "REGISTRY_BEHIND"

    run(scenario())


def test_a_head_that_the_coordinator_has_not_told_closes_no_fence(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with put_back(certificates, tmp_path) as old:
            it, head = old.it, old.head
            further, other, unproven = (ChainHead.FromString(head.SerializeToString()) for _ in range(3))
            further.sequence += 2**63
            other.chain = "coordinator/1"
            unproven.proof = bytes(32)
            for each in (further, other, unproven, ChainHead(), ChainHead(chain=head.chain, hash=b"short")):
                await old.join(HENAN, each)
                assert not (await regions(it)).HasField("loss"), each
            assert await watched(it, unproven) == ""

    run(scenario())


def test_a_database_that_has_what_regions_know_serves_them(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, tmp_path) as it:
            await it.apply()
            head = (await next_of(it.watch(HENAN))).registry_head
            await suspend(it)
            assert await watched(it, head) == ""
        async with federation(certificates, tmp_path) as it:
            assert await watched(it, head) == ""
            assert not (await regions(it)).HasField("loss")

    run(scenario())
