"""An administrator has audit chains verified once at a time, and a node walks through its own for few at a time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from coordinator.auditing.service import VERIFICATIONS
from coordinator.cli.connection import Connection
from coordinator.cli.node.audit_chains import verify_federation
from gateway.api.coordinator.v1 import administration_pb2
from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict, VerifyChainsRequest, VerifyChainsResponse
from gateway.api.coordinator.v1.administration_pb2_grpc import (
    AuditOversightServiceServicer,
    AuditOversightServiceStub,
    add_AuditOversightServiceServicer_to_server,
)
from gateway.api.region.v1 import audit_service_pb2 as api
from gateway.api.region.v1.audit_service_pb2_grpc import AuditServiceStub, add_AuditServiceServicer_to_server
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.cli.exits import NotDone
from gateway.errors import Refused
from gateway.rpc.channels import invoke
from gateway.rpc.server import Service
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from region_node.node.operator_scopes import OperatorScopes
from region_node.oversight.audit_service import WALKS, AuditService
from tests.contract.border_scene import COORDINATOR, NODE, PATIENCE_S, dialled, until, why
from tests.contract.coordinators import ADMIN, federation, refused, run
from tests.contract.small_federation import CLOCK, FEDERATION, NOW, Certificates, serving

OVERSIGHT = administration_pb2.DESCRIPTOR.services_by_name["AuditOversightService"]
AUDIT = api.DESCRIPTOR.services_by_name["AuditService"]


def verifications(monkeypatch: pytest.MonkeyPatch, may_end: asyncio.Event) -> list[str]:
    """The chains whose verification a coordinator has begun; it ends no earlier than it may."""
    begun = list[str]()

    async def judged(verdict: ChainVerdict, *_: object) -> ChainVerdict:
        begun.append(verdict.chain)
        await may_end.wait()
        return verdict

    monkeypatch.setattr("coordinator.auditing.service.PATIENCE", 0.2)
    monkeypatch.setattr("coordinator.auditing.service.judged", judged)
    return begun


async def verify(stub: AuditOversightServiceStub) -> str:
    """The reason of a refused verification; empty for a whole one."""
    try:
        async for _ in stub.VerifyChains(VerifyChainsRequest(is_coordinator_only=True), timeout=PATIENCE_S):
            pass
    except grpc.aio.AioRpcError as error:
        return why(error)
    return ""


def test_a_verification_that_does_not_end_hinders_only_the_next_one_of_its_administrator(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = asyncio.Event()
    begun = verifications(monkeypatch, may_end)

    async def scenario() -> None:
        async with federation(certificates, tmp_path / "data") as it:
            stub, second = (AuditOversightServiceStub(it.as_(each)) for each in (ADMIN, "admin/second"))
            gone = asyncio.ensure_future(verify(stub))
            await until(lambda: len(begun) == 1)
            assert await verify(stub) == "TOO_BUSY"
            assert len(begun) == 1
            other = asyncio.ensure_future(verify(second))
            await until(lambda: len(begun) == 2)
            gone.cancel()
            may_end.set()
            assert await other == ""
            while await verify(stub):
                pass  # the coordinator learns that the first caller has gone

    run(scenario())


def test_chains_are_verified_for_few_administrators_at_a_time(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = asyncio.Event()
    begun = verifications(monkeypatch, may_end)

    async def scenario() -> None:
        async with federation(certificates, tmp_path / "data") as it:
            names = (f"admin/{number}" for number in range(VERIFICATIONS + 1))
            *first, last = (AuditOversightServiceStub(it.as_(each)) for each in names)
            asked = [asyncio.ensure_future(verify(each)) for each in first]
            await until(lambda: len(begun) == VERIFICATIONS)
            assert await verify(last) == "TOO_BUSY"
            assert len(begun) == VERIFICATIONS
            may_end.set()
            assert {*await asyncio.gather(*asked)} == {""}
            assert await verify(last) == ""

    run(scenario())


class Verifying(AuditOversightServiceServicer):
    """A coordinator that is too busy to verify, or tells of a broken chain of a region."""

    def __init__(self, *, is_busy: bool) -> None:
        self._is_busy = is_busy

    async def VerifyChains(  # noqa: N802 - named by gRPC
        self,
        request: VerifyChainsRequest,
        context: grpc.aio.ServicerContext[VerifyChainsRequest, VerifyChainsResponse],
    ) -> AsyncIterator[VerifyChainsResponse]:
        if self._is_busy:
            raise Refused(Reason.REASON_TOO_BUSY)
        verdict = ChainVerdict(region="" if request.is_coordinator_only else "sichuan", chain=COORDINATOR)
        if verdict.region:
            verdict.problems.add(sequence=7)
        yield VerifyChainsResponse(verdict=verdict)


@pytest.mark.parametrize("order", [1, -1], ids=["busy-second", "busy-first"])
def test_a_broken_chain_is_told_although_another_coordinator_is_too_busy_to_verify(
    order: int, certificates: Certificates, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials = certificates.credentials(ADMIN)

    def told(*endpoints: str) -> str:
        with pytest.raises(NotDone) as broken:
            verify_federation(Connection(endpoints, credentials, FEDERATION), "", as_json=True)
        return str(broken.value)

    async def scenario() -> str:
        services = (
            Service.of(OVERSIGHT, add_AuditOversightServiceServicer_to_server, Verifying(is_busy=is_busy))
            for is_busy in (False, True)
        )
        async with AsyncExitStack() as stack:
            endpoints = [
                await stack.enter_async_context(serving(certificates, COORDINATOR, (each,), "")) for each in services
            ]
            return await asyncio.to_thread(told, *endpoints[::order])

    problems = asyncio.run(scenario())
    assert [each["region"] for each in json.loads(capsys.readouterr().out)["chains"]][-1] == "sichuan"
    assert "sichuan" in problems
    assert "refused by the coordinator at" in problems


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
