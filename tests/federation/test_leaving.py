"""A node that is told to stop: load balancers learn of it before it leaves the federation, and it serves meanwhile."""

import asyncio
from pathlib import Path

import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from gateway.api.region.v1.catalogue_service_pb2 import ListBusinessesRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.rpc.channels import health_of
from region_node.node.membership.client import FederationClient
from tests.federation.databases import Databases
from tests.federation.running import CALL_SECONDS, running, until


@pytest.mark.long("it has a federation of its own, whose node stops")
async def test_a_node_that_leaves_is_not_serving_for_load_balancers_and_serves_who_calls(
    tmp_path: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_leave = asyncio.Event()
    leave = FederationClient.leave

    async def leave_late(client: FederationClient, endpoint: str) -> None:
        await may_leave.wait()
        await leave(client, endpoint)

    monkeypatch.setattr(FederationClient, "leave", leave_late)
    async with running(tmp_path, databases, ("sichuan",)) as federation:
        channel = federation.dial_node("sichuan", "region/sichuan/operator/counter")
        stopping = asyncio.create_task(federation.stop_node("sichuan"))

        async def is_told() -> bool:
            return (await health_of(channel, "", CALL_SECONDS)).status == HealthCheckResponse.NOT_SERVING

        try:
            await until(is_told, "the node says that it serves no more")
            await CatalogueServiceStub(channel).ListBusinesses(ListBusinessesRequest(), timeout=CALL_SECONDS)
        finally:
            may_leave.set()
            await stopping
