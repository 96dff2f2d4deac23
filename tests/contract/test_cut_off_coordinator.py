"""A coordinator that etcd does not answer, while it answers others, and while it answers nobody."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import grpc
import pytest

from coordinator.registry.etcd.settings import EtcdSettings
from deploy.local.etcd import LocalEtcd
from gateway.api.federation.v1.federation_pb2 import MemberState, WatchRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.errors import Refused, from_rpc_error, reason_name
from gateway.rpc.channels import invoke
from tests.contract.coordinator_process import CoordinatorProcess, coordinator_process
from tests.contract.coordinators import PATIENCE_S, Watching, join_request, keys_of, refused
from tests.contract.small_federation import Certificates
from tests.contract.test_several_coordinators import HENAN, names, outcome, probe, scene
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy

LEASE = 4.0


@pytest.fixture
def lines(etcd_cluster: LocalEtcd) -> Iterator[Sequence[FaultProxy]]:
    """A line to each member of etcd."""
    background = Background()
    made = [FaultProxy(background, partial(str, endpoint)) for endpoint in etcd_cluster.endpoints]
    yield made
    for line in made:
        line.close()
    background.close()


@pytest.fixture
def over(lines: Sequence[FaultProxy], etcd: EtcdSettings) -> EtcdSettings:
    """The registry over these lines."""
    return EtcdSettings(tuple(line.endpoint for line in lines), etcd.credentials)


async def to_its_end(watching: Watching) -> None:
    """Reads a stream until it ends. Raises as `invoke` does."""
    try:
        async for _ in watching:
            pass
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) or error from None


async def cut(lines: Sequence[FaultProxy]) -> None:
    for line in lines:
        await asyncio.to_thread(line.cut)


@pytest.mark.long("a coordinator waits until it may no longer act by its copy")
def test_while_etcd_answers_others_it_routes_nothing_and_sends_nodes_to_them(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings, lines: Sequence[FaultProxy], over: EtcdSettings
) -> None:
    async def scenario(other: CoordinatorProcess) -> None:
        async with scene(certificates, tmp_path, etcd) as at:
            await at.knows(other.endpoint, MemberState.MEMBER_STATE_JOINED)
            channel = at.dial("region/henan", other.endpoint)
            await probe(channel)
            federation = FederationServiceStub(channel)
            watching = federation.Watch(WatchRequest())
            await cut(lines)
            while await outcome(channel) != "REGISTRY_UNAVAILABLE":
                pass
            while names(await at.suspend(seconds=3.0)):
                pass
            taken = at.sichuan.taken
            assert {await outcome(channel) for _ in range(5)} == {"REGISTRY_UNAVAILABLE"}
            assert at.sichuan.taken == taken
            with pytest.raises(Refused) as ended:
                await to_its_end(watching)
            assert reason_name(ended.value.reason) == "REGISTRY_UNAVAILABLE"
            joining = invoke(federation.Join, join_request(keys_of(certificates, HENAN)), PATIENCE_S)
            assert await refused(joining) == "REGISTRY_UNAVAILABLE"
            for line in lines:
                await asyncio.to_thread(line.heal)
            while await outcome(channel) != "REGION_SUSPENDED":
                pass
            assert at.sichuan.taken == taken

    with coordinator_process(certificates, tmp_path / "1", number=1, etcd=over, lease=LEASE) as other:
        asyncio.run(scenario(other))


@pytest.mark.slow
def test_while_etcd_answers_nobody_it_routes_nothing_beyond_its_lease_and_routes_again_afterwards(
    certificates: Certificates, tmp_path: Path, lines: Sequence[FaultProxy], over: EtcdSettings
) -> None:
    async def scenario(other: CoordinatorProcess) -> None:
        async with scene(certificates, tmp_path, over, lease=LEASE) as at:
            await at.knows(other.endpoint, MemberState.MEMBER_STATE_JOINED)
            channel = at.dial("region/henan", other.endpoint)
            assert await outcome(channel) == "DELIVERED"
            await cut(lines)
            while await outcome(channel) != "LEASE_UNPROVEN":
                pass
            for line in lines:
                await asyncio.to_thread(line.heal)
            # Nobody has beaten for Sichuan meanwhile: that is known again, and is all that is wrong.
            while await outcome(channel) != "REGION_UNREACHABLE":
                pass

    with coordinator_process(certificates, tmp_path / "1", number=1, etcd=over, lease=LEASE) as other:
        asyncio.run(scenario(other))
