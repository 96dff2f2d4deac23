"""The port of a server: it has several listeners of one process, and no other process."""

import asyncio
import socket

import grpc
import pytest
from grpc_health.v1 import health_pb2

from deploy.local.ports import HeldPort
from gateway.api.region.v1 import order_service_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.rpc.ports import PortInUse, held_port
from gateway.rpc.server import LISTENERS, Server, Service
from gateway.security.identity import server_name
from gateway.security.tls import client_credentials, client_options, server_credentials
from tests.contract.small_federation import CLOCK, FEDERATION, NOW, Certificates, border

PATIENCE_S = 60.0
CONNECTIONS = 16  # so many that the system most probably gives some to each listener
NODE, COUNTER = "region/sichuan", "region/sichuan/operator/counter"
CHECK = f"/{health_pb2.DESCRIPTOR.services_by_name['Health'].full_name}/Check"
ORDERS = order_service_pb2.DESCRIPTOR.services_by_name["OrderService"]


def server() -> Server:
    """A node that has but the services of gRPC."""
    services = [Service(ORDERS, lambda _: None)]
    return Server(services, border(services, "sichuan"), reflects=False)


def address_of(port: int) -> str:
    return f"127.0.0.1:{port}"


def shares_its_port(port: int) -> bool:
    """Whether a socket could listen beside those that are there, by the option of the system alone."""
    with socket.socket() as another:
        another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            another.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def is_served(certificates: Certificates, endpoint: str) -> bool:
    options = [
        *client_options(server_name(Role.ROLE_REGION, "sichuan", FEDERATION)),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    credentials = client_credentials(certificates.credentials(COUNTER), NOW)
    async with grpc.aio.secure_channel(endpoint, credentials, options) as channel:
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(CHECK)
        answer = health_pb2.HealthCheckResponse.FromString(await check(b"", timeout=PATIENCE_S, wait_for_ready=True))
    return answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_port_is_held_by_one_process_and_free_after_it() -> None:
    free = HeldPort()
    listen = address_of(free.number)
    with held_port(listen), pytest.raises(PortInUse, match=f"cannot listen on {listen}"), held_port(listen):
        raise AssertionError("held twice")
    with held_port(listen), held_port("127.0.0.1:0"), held_port("127.0.0.1:0"):
        free.release()


@pytest.mark.parametrize(("one", "other"), [("127.0.0.1", "localhost"), ("0.0.0.0", "[::]"), ("[::1]", "[0:0::1]")])
def test_a_port_is_held_under_each_spelling_of_its_address(one: str, other: str) -> None:
    free = HeldPort()
    try:
        for first, second in ((one, other), (other, one)):
            with held_port(f"{first}:{free.number}"), pytest.raises(PortInUse), held_port(f"{second}:{free.number}"):
                raise AssertionError("held twice")
    finally:
        free.release()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::]"])
def test_a_port_is_not_held_beside_another_program_that_listens_at_the_address_or_at_one_that_overlaps(
    host: str,
) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(PortInUse), held_port(f"{host}:{other.getsockname()[1]}"):
            raise AssertionError("held beside it")


def test_each_listener_of_a_server_serves_until_the_server_drains(certificates: Certificates) -> None:
    async def scenario() -> None:
        own = [server_credentials(certificates.credentials(NODE), CLOCK) for _ in range(LISTENERS)]
        first, second, held = server(), server(), HeldPort()
        port = await first.start(address_of(held.number), *own)
        assert shares_its_port(port)
        served = await asyncio.gather(*(is_served(certificates, address_of(port)) for _ in range(CONNECTIONS)))
        assert all(served)
        with pytest.raises(PortInUse):
            await second.start(address_of(port), *own)
        await first.drain()
        assert await second.start(address_of(port), server_credentials(certificates.credentials(NODE), CLOCK)) == port
        assert not shares_its_port(port), "one listener shares with none"
        await second.drain()

    asyncio.run(scenario())
