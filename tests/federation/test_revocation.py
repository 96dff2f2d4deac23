"""Revoked certificates in a running federation: in force everywhere, on open calls, and after a restart."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.coordinator.v1.revocation_service_pb2 import PublishRevocationListRequest
from gateway.api.coordinator.v1.revocation_service_pb2_grpc import RevocationServiceStub
from gateway.api.federation.v1.federation_pb2 import JoinRequest, RevocationList
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import ListOrdersRequest, WatchOrdersRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.authority import Authority
from gateway.security.identity import server_name
from gateway.security.tls import client_options
from tests.federation.certificates import FEDERATION
from tests.federation.commands import as_administrator, run_command
from tests.federation.counter import REQUESTER, Counter
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until
from tests.promises import OUT_WITHIN_S

OPERATOR = "region/guangdong/operator/stolen"
REGIONS = ("guangdong", "sichuan")


def serial_of(federation: Federation, path: str) -> int:
    pem = federation.certificates.credentials(path).certificate.read_bytes()
    return x509.load_pem_x509_certificate(pem).serial_number


def signed(federation: Federation, number: int, *serials: int, by: Authority | None = None) -> RevocationList:
    issuer = by or federation.certificates.authority
    crl = issuer.revocation_list(serials, number, federation.clock.now()).public_bytes(Encoding.DER)
    return RevocationList(crl=crl, issuer_certificate=by.certificate.public_bytes(Encoding.DER) if by else b"")


async def publish(federation: Federation, told: RevocationList, path: str = "admin/root") -> None:
    service = RevocationServiceStub(federation.dial_coordinator(path))
    await service.PublishRevocationList(PublishRevocationListRequest(revocation_list=told), timeout=CALL_SECONDS)


async def outcome(orders: OrderServiceStub) -> str:
    """OK, or the reason of the refusal."""
    call = orders.ListOrders(ListOrdersRequest(requester=REQUESTER), timeout=CALL_SECONDS)
    try:
        await call
    except grpc.aio.AioRpcError:
        return (await refusal(call)).reason
    return "OK"


async def refused_or_done(asked: Awaitable[object]) -> str:
    """OK, or the status of the failure."""
    try:
        await asked
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def test_a_stolen_certificate_is_out_on_its_open_calls_and_after_a_restart_without_a_coordinator(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases, REGIONS) as federation:
        stolen = OrderServiceStub(federation.dial_node("guangdong", OPERATOR))
        own = OrderServiceStub(federation.dial_node("guangdong", "region/guangdong/operator/counter"))
        watch = stolen.WatchOrders(WatchOrdersRequest(requester=REQUESTER))
        await watch.read()

        async def is_denied() -> bool:
            service = FederationServiceStub(federation.dial_coordinator(OPERATOR))
            call = service.Join(JoinRequest(), timeout=CALL_SECONDS)
            try:
                await call
            except grpc.aio.AioRpcError as error:
                return error.code() == grpc.StatusCode.UNAUTHENTICATED
            return False

        assert not await is_denied()
        told = signed(federation, 5, serial_of(federation, OPERATOR))
        await publish(federation, told)
        assert await is_denied(), "a coordinator refuses it when the command returns"
        async with asyncio.timeout(OUT_WITHIN_S):
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await watch.read()
        assert ended.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert [await outcome(each) for each in (stolen, own)] == ["CERTIFICATE_REVOKED", "OK"]
        # The same again changes nothing; an older list, or one that lacks a number, is none.
        await publish(federation, told)
        for older in (signed(federation, 5), signed(federation, 6, 1)):
            service = RevocationServiceStub(federation.dial_coordinator("admin/root"))
            request = PublishRevocationListRequest(revocation_list=older)
            refused = await refusal(service.PublishRevocationList(request, timeout=CALL_SECONDS))
            assert refused.reason == "REVOCATION_LIST_OUTDATED"
        # Neither memory is needed: the node starts with what it kept, while no coordinator is there.
        assert federation.coordinator is not None
        port = federation.coordinator.port
        await federation.stop_node("guangdong")
        await federation.coordinator.stop()
        await federation.start_node("guangdong")
        after = OrderServiceStub(federation.dial_node("guangdong", OPERATOR))
        assert await outcome(after) == "CERTIFICATE_REVOKED"
        await federation.start_coordinator(port)
        await until(is_denied, "the coordinator knows it from its database")


@pytest.mark.files  # no part of it depends on the engine
async def test_nodes_call_no_coordinator_with_a_revoked_certificate_and_stop_in_order(
    databases: Databases, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, databases, REGIONS) as federation:
        counter = Counter(federation, "guangdong")
        number = await Counter(federation, "sichuan").new_customer()
        await counter.reaches((await counter.order("SUSPEND", number)).id, OrderState.ORDER_STATE_COMPLETED)
        await publish(federation, signed(federation, 5, serial_of(federation, "coordinator/0")))

        async def is_called() -> bool:
            return (await refused_or_done(counter.bill(number))) == "OK"

        async def is_left_out() -> bool:
            told = f"the certificate of the server at {federation.coordinator_endpoint} was revoked"
            return sum(told in record.getMessage() for record in caplog.records) > len(REGIONS)

        await until(
            is_left_out, "each process has seen it, the coordinator those of the same machine, too", OUT_WITHIN_S
        )
        order = await counter.submit(counter.request("RESUME", number), wait=0)
        assert order.state != OrderState.ORDER_STATE_COMPLETED
        assert not await is_called()


@pytest.mark.slow  # ten commands
@pytest.mark.files  # no part of it depends on the engine
async def test_a_region_issues_to_its_own_and_revokes_by_itself(databases: Databases, tmp_path: Path) -> None:
    async with running(tmp_path, databases, REGIONS) as federation:
        administrator = as_administrator(federation) | {"CROSSREGION_LANG": "en"}
        authority, issuer, out = tmp_path / "authority", tmp_path / "issuer", tmp_path / "counter"
        federation.certificates.authority.save(authority)
        uri = f"spiffe://{FEDERATION}/region/guangdong/operator/desk"
        settings = federation.region_settings("guangdong")
        node = {
            "CROSSREGION_LANG": "en",
            "REGION_NODE_FEDERATION": FEDERATION,
            "REGION_NODE_REGION": "guangdong",
            "REGION_NODE_LISTEN": settings.listen,
            "REGION_NODE_DATA": str(settings.data),
            "REGION_NODE_COORDINATORS": federation.coordinator_endpoint,
            "REGION_NODE_CREDENTIALS__AUTHORITY": str(settings.credentials.authority),
            "REGION_NODE_CREDENTIALS__CERTIFICATE": str(settings.credentials.certificate),
            "REGION_NODE_CREDENTIALS__KEY": str(settings.credentials.key),
            "REGION_NODE_SIGNING__CERTIFICATE": str(settings.signing.certificate),
            "REGION_NODE_SIGNING__KEY": str(settings.signing.key),
            "REGION_NODE_KEYS": str(settings.keys),
            "REGION_NODE_ALLOW_UNSCOPED_OPERATORS": "true",
        }

        async def typed(module: str, *arguments: str) -> str:
            ended = await run_command(module, *arguments, environment=node | administrator)
            assert ended.code == 0, ended.err
            return ended.out

        def dial() -> OrderServiceStub:
            certificate, key = (out / "tls.crt").read_bytes(), (out / "tls.key").read_bytes()
            credentials = grpc.ssl_channel_credentials((out / "authority.crt").read_bytes(), key, certificate)
            name = server_name(Role.ROLE_REGION, "guangdong", FEDERATION)
            options = client_options(name)
            return OrderServiceStub(grpc.aio.secure_channel(federation.endpoint("guangdong"), credentials, options))

        own, at = "region_node.cli.main", str(issuer)
        await typed("coordinator.cli.main", "certificates", "issue-issuer", str(authority), "guangdong", "--out", at)
        await typed(own, "credentials", "issue", at, uri, "--out", str(out), "--hours", "1")
        first = dial()
        assert await outcome(first) == "OK"
        await typed(own, "credentials", "renew", at, str(out), "--hours", "1")
        second = dial()
        assert [await outcome(each) for each in (first, second)] == ["OK", "OK"]
        stranger = await run_command(
            own, "credentials", "issue", at, uri.replace("guangdong", "sichuan"), "--out", str(out), environment=node
        )
        assert (stranger.code, "operators and staff alone" in stranger.err) == (1, True)
        await typed(own, "credentials", "revoke", at, uri)

        async def both_are_out() -> bool:
            return [await outcome(each) for each in (first, second)] == ["CERTIFICATE_REVOKED"] * 2

        await until(both_are_out, "the node refuses both", OUT_WITHIN_S)
        assert (await typed(own, "credentials", "list", at)).count("revoked") == 2
        listed = await typed("coordinator.cli.main", "revocations", "list", "--out", str(tmp_path / "lists"))
        assert "of region/guangdong" in listed
        assert (tmp_path / "lists" / "0.crl").read_bytes() == (issuer / "revoked.crl").read_bytes()
        # With its issuer, a region loses all that the issuer has issued.
        await typed(own, "credentials", "issue", at, uri.replace("desk", "crm"), "--out", str(out), "--hours", "1")
        third = dial()
        assert await outcome(third) == "OK"
        serial = x509.load_pem_x509_certificate((issuer / "issuer.crt").read_bytes()).serial_number
        await typed("coordinator.cli.main", "certificates", "revoke", str(authority), "--serial", f"{serial:x}")
        await typed("coordinator.cli.main", "revocations", "publish", str(authority / "revoked.crl"))

        async def is_out() -> bool:
            return await outcome(third) == "CERTIFICATE_REVOKED"

        await until(is_out, "the node refuses what the revoked issuer has issued", OUT_WITHIN_S)
