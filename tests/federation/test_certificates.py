"""Certificates that are not good enough: of another authority, expired, or of somebody else."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from gateway.api.federation.v1.federation_pb2 import JoinRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import ListOrdersRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.authority import Issued
from gateway.security.identity import server_name
from gateway.time.clock import to_timestamp
from tests.federation.certificates import FEDERATION, Certificates, new_authority
from tests.federation.counter import REQUESTER, Counter
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until

OPERATOR = "region/guangdong/operator/counter"


def dial_guangdong(federation: Federation, issued: Issued) -> grpc.aio.Channel:
    """A channel to Guangdong's node with any certificate."""
    name = server_name(Role.ROLE_REGION, "guangdong", FEDERATION)
    return federation.certificates.dial_with(issued, federation.endpoint("guangdong"), name)


async def list_orders(channel: grpc.aio.Channel) -> grpc.StatusCode:
    """How a call over the channel ends."""
    async with channel:
        try:
            await OrderServiceStub(channel).ListOrders(ListOrdersRequest(requester=REQUESTER), timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def test_a_good_certificate_made_by_hand_gets_in(federation: Federation) -> None:
    """The control of the tests below: it is the certificate and nothing else that is refused there."""
    issued = federation.certificates.issue_tls(OPERATOR)
    assert await list_orders(dial_guangdong(federation, issued)) == grpc.StatusCode.OK


async def test_a_certificate_of_another_authority_gets_no_connection(federation: Federation) -> None:
    issued = federation.certificates.issue_tls(OPERATOR, by=new_authority())
    assert await list_orders(dial_guangdong(federation, issued)) == grpc.StatusCode.UNAVAILABLE


async def test_an_expired_certificate_gets_no_connection(federation: Federation) -> None:
    issued = federation.certificates.issue_tls(OPERATOR, ended=timedelta(minutes=1))
    assert await list_orders(dial_guangdong(federation, issued)) == grpc.StatusCode.UNAVAILABLE


@pytest.mark.clause("7.2(3)")
async def test_a_caller_without_a_certificate_gets_no_connection(federation: Federation) -> None:
    credentials = grpc.ssl_channel_credentials(federation.certificates.authority.certificate_pem)
    name = server_name(Role.ROLE_REGION, "guangdong", FEDERATION)
    channel = grpc.aio.secure_channel(
        federation.endpoint("guangdong"), credentials, options=[("grpc.ssl_target_name_override", name)]
    )
    assert await list_orders(channel) == grpc.StatusCode.UNAVAILABLE


async def test_a_server_of_another_authority_is_not_talked_to(federation: Federation, tmp_path: Path) -> None:
    other = Certificates(tmp_path)
    path = "region/guangdong/operator/counter"
    name = server_name(Role.ROLE_REGION, "guangdong", FEDERATION)
    channel = other.dial_with(other.issue_tls(path), federation.endpoint("guangdong"), name)
    assert await list_orders(channel) == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("path", ["region/henan/operator/counter", "region/henan/staff/reviewer-1"])
async def test_an_operator_or_staff_of_another_region_is_turned_away(federation: Federation, path: str) -> None:
    orders = OrderServiceStub(federation.dial_node("guangdong", path))
    told = await refusal(orders.ListOrders(ListOrdersRequest(requester=REQUESTER), timeout=CALL_SECONDS))
    assert (told.code, told.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")


def _join(federation: Federation, endpoint: str, *, leaving: bool = False) -> Callable[[], Awaitable[object]]:
    """Sichuan says where its node is, truly or not."""
    request = JoinRequest(
        endpoint=endpoint,
        signing_certificate=federation.certificates.signing("region/sichuan").certificate.read_bytes(),
        federation_revision=1,
        node_time=to_timestamp(federation.clock.now()),
        leaving=leaving,
    )
    service = FederationServiceStub(federation.dial_coordinator("region/sichuan"))
    return lambda: service.Join(request, timeout=CALL_SECONDS)


async def test_another_regions_node_at_the_advertised_endpoint_is_not_talked_to(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        await federation.stop_node("sichuan")
        await _join(federation, federation.endpoint("henan"))()
        before = federation.database("henan").contents()
        order = await guangdong.submit(guangdong.request("SUSPEND", number), wait=0)

        async def was_tried() -> bool:
            rows = federation.database("guangdong").rows("SELECT 1 FROM outbox WHERE closed IS NULL")
            waiting = await guangdong.get(order.id)
            return rows == [(1,)] and waiting.state == OrderState.ORDER_STATE_ACKNOWLEDGED

        await until(was_tried, "the order waits")
        told = await refusal(guangdong.bill(number))
        assert told.reason == "REGION_UNREACHABLE"
        assert (await guangdong.get(order.id)).version == 0
        assert federation.database("henan").contents() == before

        await _join(federation, federation.endpoint("henan"), leaving=True)()
        await federation.start_node("sichuan")
        done = await guangdong.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)
        assert done.version == 1


async def test_a_region_cannot_join_with_the_signing_certificate_of_another(federation: Federation) -> None:
    request = JoinRequest(
        endpoint="127.0.0.1:1",
        signing_certificate=federation.certificates.signing("region/sichuan").certificate.read_bytes(),
        node_time=to_timestamp(federation.clock.now()),
    )
    service = FederationServiceStub(federation.dial_coordinator("region/henan"))
    told = await refusal(service.Join(request, timeout=CALL_SECONDS))
    assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "signing_certificate")
