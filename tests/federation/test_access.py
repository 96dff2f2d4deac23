"""The permitted callers: the option `allow` of every RPC, checked on real servers for every kind of identity."""

import importlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor

import gateway.api
from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.auditing.denial_log import INTERVAL_US
from gateway.security.identity import parse
from tests.federation.certificates import FEDERATION
from tests.federation.chains import read_chain
from tests.federation.counter import Counter
from tests.federation.refusals import Told, read
from tests.federation.running import CALL_SECONDS, Federation


def services() -> Iterator[ServiceDescriptor]:
    """Every service of nodes and coordinators; those of `provider` belong to a region's own systems."""
    for path in sorted(Path(gateway.api.__path__[0]).glob("*/v1/*_pb2.py")):
        package = path.parts[-3]
        file: FileDescriptor = importlib.import_module(f"gateway.api.{package}.v1.{path.stem}").DESCRIPTOR
        yield from file.services_by_name.values() if package != "provider" else ()


SERVICES = {service.full_name: service for service in services()}
# Of no port that asks for a certificate: `tests/contract/test_enrolment.py` has its callers.
OF_JOINERS = {"gateway.api.coordinator.v1.JoiningService"}
OF_BOTH = {"gateway.api.relay.v1.RelayService"}
OF_NODES = {each for each in SERVICES if each.startswith("gateway.api.region.")} | OF_BOTH
OF_COORDINATORS = SERVICES.keys() - OF_NODES - OF_JOINERS | OF_BOTH
# The one RPC that both serve: each takes it from the other only.
RELAY = {"coordinator": Role.ROLE_REGION, "guangdong": Role.ROLE_COORDINATOR}
PATHS = (
    "region/guangdong",
    "region/henan",
    "region/guangdong/operator/counter",
    "region/henan/operator/counter",
    "region/guangdong/staff/reviewer-1",
    "region/henan/staff/reviewer-1",
    "coordinator/0",
    "admin/root",
)


def methods() -> Iterator[MethodDescriptor]:
    """Every RPC of the contract."""
    for service in SERVICES.values():
        yield from service.methods


def may_call(path: str, server: str, method: MethodDescriptor) -> bool:
    """The permission by the contract: the RPC names the role, and operators and staff belong to the node's region."""
    identity = parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)
    if method.name == "Deliver":
        return identity.role == RELAY[server]
    is_named = identity.role in method.GetOptions().Extensions[access_pb2.allow]
    is_bound = identity.role in (Role.ROLE_OPERATOR, Role.ROLE_STAFF)
    return is_named and (not is_bound or identity.region == server)


async def answer(channel: grpc.aio.Channel, method: MethodDescriptor) -> Told | None:
    """How an empty request is answered; None where it is served."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if method.server_streaming:
            # Also a stream of requests: gRPC's client of one may lose why it is refused when its write fails.
            stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
            call = stream(b"", timeout=CALL_SECONDS)
            await call.read()
            call.cancel()
        else:
            rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            await rpc(b"", timeout=CALL_SECONDS)
    except grpc.aio.AioRpcError as error:
        return read(error)
    return None


def test_every_rpc_of_the_contract_says_whom_it_serves() -> None:
    assert all(list(method.GetOptions().Extensions[access_pb2.allow]) for method in methods())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("server", ["coordinator", "guangdong"])
@pytest.mark.clause("7.2(1)")
async def test_an_rpc_serves_whom_the_contract_allows_and_nobody_else(
    federation: Federation, server: str, path: str
) -> None:
    is_coordinator = server == "coordinator"
    channel = federation.dial_coordinator(path) if is_coordinator else federation.dial_node(server, path)
    served = OF_COORDINATORS if is_coordinator else OF_NODES
    wrong = []
    for method in methods():
        told = await answer(channel, method)
        found = "SERVED" if told is None else told.reason
        if method.containing_service.full_name not in served:
            is_right = found == "METHOD_UNKNOWN"
        elif may_call(path, server, method):
            is_right = found not in ("METHOD_UNKNOWN", "PERMISSION_DENIED", "INTERNAL")
        else:
            is_right = found == "PERMISSION_DENIED"
        if not is_right:
            wrong.append(f"{method.full_name}: {found}")
    assert not wrong


async def test_a_denial_leaves_one_audit_row_however_often_it_is_repeated(federation: Federation) -> None:
    # Callers of this test alone: a row of theirs is of no other test, whose row may have been minutes ago.
    attempts = [
        ("region/henan/operator/spy", "guangdong", "/gateway.api.region.v1.OrderService/ListOrders"),
        ("region/sichuan", "guangdong", "/gateway.api.relay.v1.RelayService/Deliver"),
        ("region/guangdong/operator/spy", "coordinator", "/gateway.api.federation.v1.FederationService/Join"),
        ("coordinator/7", "coordinator", "/gateway.api.relay.v1.RelayService/Deliver"),
    ]
    for path, server, method in attempts:
        is_coordinator = server == "coordinator"
        channel = federation.dial_coordinator(path) if is_coordinator else federation.dial_node(server, path)
        rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        for _ in range(5):
            with pytest.raises(grpc.aio.AioRpcError) as denied:
                await rpc(b"", timeout=CALL_SECONDS)
            assert read(denied.value).reason == "PERMISSION_DENIED"
        database = federation.coordinator_database if is_coordinator else federation.database(server)
        found = [
            row for row in read_chain(database) if (row.actor, row.action, row.subject) == (path, "DENIED", method)
        ]
        assert {row.detail.partition(" (and")[0] for row in found} == {"PERMISSION_DENIED"}, (path, method)
        # A machine on which five calls take more than a minute has a second row.
        assert all(later.time - row.time >= INTERVAL_US for row, later in pairwise(found)), (path, method)


async def test_another_operator_sees_nothing_of_an_order(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("SUSPEND", await sichuan.new_customer())
    other = Counter(federation, "guangdong", "app")
    for call in (other.get(order.id), other.cancel(order.id), other.expedite(order.id)):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        assert read(raised.value).reason == "ORDER_NOT_FOUND"
