"""The permitted callers of each RPC of a coordinator, and the audit of denied ones."""

from pathlib import Path

import grpc
import pytest

from gateway.api.coordinator.v1 import administration_pb2
from gateway.api.coordinator.v1.administration_pb2 import ReinstateRegionRequest, SuspendRegionRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.federation.v1 import federation_pb2
from gateway.api.federation.v1.federation_pb2 import JoinRequest
from gateway.api.relay.v1 import relay_pb2
from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import from_rpc_error, reason_name
from gateway.rpc.channels import invoke
from tests.contract.coordinators import ADMIN, PATIENCE_S, denials, federation, keys_of, refused, run
from tests.contract.small_federation import Certificates


@pytest.fixture(name="data")
def data_directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


def methods() -> list[tuple[str, bool, frozenset[int]]]:
    """Every RPC of a coordinator: its path, whether it streams, and who may call it."""
    files = (administration_pb2, federation_pb2, relay_pb2)
    return [
        (
            f"/{service.full_name}/{method.name}",
            method.server_streaming,
            frozenset(method.GetOptions().Extensions[access_pb2.allow]),
        )
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]


CALLERS = {
    "region/sichuan": Role.ROLE_REGION,
    "region/sichuan/operator/counter": Role.ROLE_OPERATOR,
    "region/sichuan/staff/wang": Role.ROLE_STAFF,
    "coordinator/1": Role.ROLE_COORDINATOR,
    ADMIN: Role.ROLE_ADMIN,
}


@pytest.mark.parametrize("path", CALLERS)
def test_whoever_the_contract_does_not_name_is_turned_away_and_noted(
    certificates: Certificates, data: Path, path: str
) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            forbidden = [(method, streams) for method, streams, allowed in methods() if CALLERS[path] not in allowed]
            assert forbidden
            for method, streams in forbidden:
                assert await reason_of(it.as_(path), method, streams=streams) == "PERMISSION_DENIED"
            noted = {name for actor, name, reason in denials(it.audit_rows()) if actor == path}
            assert noted == {method.rpartition("/")[2] for method, _ in forbidden}

    run(scenario())


async def reason_of(channel: grpc.aio.Channel, method: str, *, streams: bool) -> str:
    """Why an empty request to a method is refused."""
    unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(method)
    try:
        if streams:
            await stream(b"", timeout=PATIENCE_S).read()
        else:
            await unary(b"", timeout=PATIENCE_S)
    except grpc.aio.AioRpcError as error:
        refusal = from_rpc_error(error)
        return reason_name(refusal.reason) if refusal is not None else error.code().name
    return ""


def test_a_denial_is_noted_once_and_not_for_every_try(certificates: Certificates, data: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            for _ in range(5):
                await refused(it.join(keys_of(certificates, "sichuan"), JoinRequest()))
                method = "/gateway.api.coordinator.v1.MembershipService/ListRegions"
                await reason_of(it.as_("region/sichuan"), method, streams=False)
            assert denials(it.audit_rows()) == [("region/sichuan", "ListRegions", "PERMISSION_DENIED")]

    run(scenario())


def test_a_region_that_is_suspended_between_two_calls_of_a_connection_is_refused(
    certificates: Certificates, data: Path
) -> None:
    async def scenario() -> None:
        async with federation(certificates, data) as it:
            await it.apply()
            await it.join(keys_of(certificates, "sichuan"))
            asked, method = it.as_("region/sichuan"), "/gateway.api.federation.v1.FederationService/GetAuditHead"
            members = MembershipServiceStub(it.as_(ADMIN))
            assert await reason_of(asked, method, streams=False) == ""
            await invoke(members.SuspendRegion, SuspendRegionRequest(region="sichuan", note="lost key"), PATIENCE_S)
            assert await reason_of(asked, method, streams=False) == "REGION_SUSPENDED"
            await invoke(members.ReinstateRegion, ReinstateRegionRequest(region="sichuan"), PATIENCE_S)
            assert await reason_of(asked, method, streams=False) == ""

    run(scenario())
