"""Audit chains are verified for one administrator at a time, and a node walks through its own for few at a time."""

import asyncio
from pathlib import Path

import grpc
import pytest

from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict, VerifyChainsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import AuditOversightServiceStub
from gateway.api.region.v1 import audit_service_pb2 as api
from gateway.api.region.v1.audit_service_pb2_grpc import AuditServiceStub, add_AuditServiceServicer_to_server
from gateway.auditing import audit
from gateway.rpc.channels import invoke
from gateway.rpc.server import Service
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from region_node.node.operator_scopes import OperatorScopes
from region_node.oversight.audit_service import WALKS, AuditService
from tests.contract.border_scene import COORDINATOR, NODE, PATIENCE_S, dialled, until, why
from tests.contract.coordinators import ADMIN, federation, refused, run
from tests.contract.small_federation import CLOCK, NOW, Certificates

AUDIT = api.DESCRIPTOR.services_by_name["AuditService"]


def test_chains_are_verified_for_one_administrator_at_a_time_and_another_one_waits_for_a_while(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = list[str](), asyncio.Event()

    async def judged(verdict: ChainVerdict, *_: object) -> ChainVerdict:
        begun.append(verdict.chain)
        await may_end.wait()
        return verdict

    async def verify(stub: AuditOversightServiceStub) -> str:
        try:
            async for _ in stub.VerifyChains(VerifyChainsRequest(is_coordinator_only=True), timeout=PATIENCE_S):
                pass
        except grpc.aio.AioRpcError as error:
            return why(error)
        return ""

    async def scenario() -> None:
        async with federation(certificates, tmp_path / "data") as it:
            stub, second = (AuditOversightServiceStub(it.as_(each)) for each in (ADMIN, "admin/second"))
            monkeypatch.setattr("coordinator.auditing.service.judged", judged)
            gone = asyncio.ensure_future(verify(stub))
            await until(lambda: len(begun) == 1)
            assert [await verify(each) for each in (stub, second)] == 2 * ["TOO_BUSY"]
            assert len(begun) == 1
            gone.cancel()
            may_end.set()
            while await verify(second):
                pass  # the coordinator learns that the first one has gone

    monkeypatch.setattr("coordinator.auditing.service.PATIENCE", 0.2)
    run(scenario())


def test_a_node_walks_through_its_chain_for_few_calls_at_a_time(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("region_node.oversight.audit_service.PATIENCE", 0.2)
    begun, may_end = list[int](), asyncio.Event()

    async def scenario() -> None:
        store = SqliteStore(tmp_path / "node.sqlite", migrations_of("gateway"))
        await store.write(lambda tx: audit.append(tx, now=NOW, actor="x", action="x", subject="-", detail=""))
        read = store.read

        async def slow_read(operation: object) -> object:
            begun.append(1)
            await may_end.wait()
            return await read(operation)  # type: ignore[arg-type]

        monkeypatch.setattr(store, "read", slow_read)
        service = Service.of(
            AUDIT, add_AuditServiceServicer_to_server, AuditService(store, store, OperatorScopes(), CLOCK)
        )
        async with dialled(certificates, NODE, COORDINATOR, service) as channel:
            stub, request = AuditServiceStub(channel), api.VerifyChainRequest()
            walks = [asyncio.ensure_future(invoke(stub.VerifyChain, request, PATIENCE_S)) for _ in range(WALKS)]
            await until(lambda: len(begun) == WALKS)
            assert await refused(invoke(stub.VerifyChain, request, PATIENCE_S)) == "TOO_BUSY"
            assert len(begun) == WALKS
            may_end.set()
            assert [each.head.sequence for each in await asyncio.gather(*walks)] == WALKS * [1]
            assert (await invoke(stub.VerifyChain, request, PATIENCE_S)).is_end
        await store.close()

    asyncio.run(scenario())
