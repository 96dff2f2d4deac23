"""Certificates by the issuer of a region, and revoked ones, at a real server."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from grpc_health.v1.health import aio as health_aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from opentelemetry.trace import NoOpTracer

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, from_rpc_error, reason_name
from gateway.process.metrics import UnrecordedCalls
from gateway.process.tracing import Tracing
from gateway.rpc.access import AccessRules
from gateway.rpc.channels import health_of
from gateway.rpc.interceptor import BorderInterceptor, BorderPorts
from gateway.security.authority import LOOPBACK, Authority, Issued
from gateway.security.identity import Identity, parse, server_name
from gateway.security.issuers import COORDINATORS, NODES
from gateway.security.revocations import Revocations
from gateway.security.tls import client_options, server_credentials, server_options
from tests.contract.small_federation import CLOCK, FEDERATION, LIFE, NOW, Certificates

PATIENCE_S = 60.0
NODE = server_name(Role.ROLE_REGION, "sichuan", FEDERATION)
COORDINATOR = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
ORDERS = order_api.DESCRIPTOR.services_by_name["OrderService"]


def issue(by: Authority, path: str) -> Issued:
    return by.issue_tls(parse(f"spiffe://{FEDERATION}/{path}", FEDERATION), NOW, NOW + LIFE)


def without_rules(issuer: Authority, authority: Authority) -> Authority:
    """The issuer with its key in the hands of somebody who writes into certificates what he likes."""
    forger = Authority(issuer.certificate, issuer._key, authority.certificate_pem)
    forger.region = ""
    return forger


class Statuses(UnrecordedCalls):
    """Keeps the status of each call that a server has served."""

    def __init__(self, statuses: list[str]) -> None:
        self._statuses = statuses

    def served(self, method: str, status: str, started: float) -> None:
        self._statuses.append(status)


class Node:
    """A node's border on a real port, with gRPC's own health service behind it."""

    def __init__(self, certificates: Certificates) -> None:
        self.authority = certificates.authority
        self.sichuan = self.authority.issue_issuer("sichuan", NOW, NOW + LIFE)
        self.revocations = Revocations(self.authority.certificate_pem, FEDERATION)
        self.denied: list[tuple[str, str]] = []
        self.statuses: list[str] = []
        self.late = timedelta(0)
        self.port = 0

    async def has_served(self, count: int) -> None:
        """Returns once so many calls have ended here: their callers may have the answers earlier."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.statuses) < count:  # noqa: ASYNC110 - the server's own threads fulfil it
                await asyncio.sleep(0)

    def now(self) -> datetime:
        """The time by which the border judges certificates."""
        return datetime.now(UTC) + self.late

    def dial(self, own: Issued, *chain: Authority, name: str = NODE, port: int = 0) -> grpc.aio.Channel:
        pem = own.certificate_pem + b"".join(each.certificate_pem for each in chain)
        credentials = grpc.ssl_channel_credentials(self.authority.certificate_pem, own.key_pem, pem)
        options = [*client_options(name), ("grpc.use_local_subchannel_pool", 1)]
        return grpc.aio.secure_channel(f"127.0.0.1:{port or self.port}", credentials, options=options)

    def revoke(self, number: int, *serials: int) -> None:
        crl = self.sichuan.revocation_list(serials, number, NOW).public_bytes(Encoding.DER)
        issuer = self.sichuan.certificate.public_bytes(Encoding.DER)
        self.revocations.take(RevocationList(crl=crl, issuer_certificate=issuer))


@asynccontextmanager
async def serving(tmp_path: Path, *handlers: grpc.GenericRpcHandler) -> AsyncIterator[Node]:
    """A node whose border has the handlers behind it, or gRPC's health service."""
    certificates = Certificates(tmp_path)
    node = Node(certificates)

    async def denied(identity: Identity, method: str, refused: Refused) -> None:
        node.denied.append((identity.path, reason_name(refused.reason)))

    access, tracing = AccessRules([ORDERS], "sichuan"), Tracing(NoOpTracer(), records=False)
    ports = BorderPorts(FEDERATION, access, tracing, Statuses(node.statuses), denied, node.revocations, node)
    border = BorderInterceptor(ports)
    server = grpc.aio.server(interceptors=[border], options=server_options())
    if handlers:
        server.add_generic_rpc_handlers(handlers)
    else:
        health = health_aio.HealthServicer()
        await health.set("", HealthCheckResponse.SERVING)
        add_HealthServicer_to_server(health, server)
    shown = server_credentials(certificates.credentials("region/sichuan"), CLOCK)
    node.port = server.add_secure_port("127.0.0.1:0", shown)
    await server.start()
    try:
        yield node
    finally:
        await server.stop(None)


def watch_of(channel: grpc.aio.Channel) -> grpc.aio.UnaryStreamMultiCallable[bytes, bytes]:
    return channel.unary_stream("/grpc.health.v1.Health/Watch")


async def outcome(channel: grpc.aio.Channel) -> str:
    """OK, the reason of a refusal, or the status of a connection that did not come about."""
    async with channel:
        return await answered(channel)


async def answered(channel: grpc.aio.Channel) -> str:
    try:
        await health_of(channel, "", PATIENCE_S)
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        return reason_name(refused.reason) if refused is not None else error.code().name
    return "OK"


def test_an_operator_of_a_regions_issuer_gets_in_and_nobody_that_it_must_not_make(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as node:
            issuer = node.sichuan
            forger = without_rules(issuer, node.authority)
            for path in ("region/sichuan/operator/counter", "region/sichuan/staff/wang"):
                assert await outcome(node.dial(issue(issuer, path), issuer)) == "OK", path
            for path in ("region/sichuan", "region/henan/operator/crm", "admin/root", "coordinator/0"):
                told = await outcome(node.dial(issue_client(forger, path), issuer))
                assert told == "UNAUTHENTICATED", path
            assert await outcome(node.dial(Issued(issuer.certificate, issuer._key))) == "UNAVAILABLE"
            assert await outcome(node.dial(issue(issuer, "region/sichuan/staff/wang"))) == "UNAVAILABLE"

    asyncio.run(scenario())


def issue_client(forger: Authority, path: str) -> Issued:
    """A certificate without the names of a server, which TLS would refuse before anybody reads its URI."""
    identity = parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)
    key = issue(forger, "region/sichuan/operator/counter").key
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    return Issued(forger._sign(identity, key.public_key(), NOW, NOW + LIFE, [], usages), key)


def test_no_server_is_believed_by_a_certificate_of_a_regions_issuer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as node:
            forger = without_rules(node.sichuan, node.authority)
            caller = issue(node.authority, "region/sichuan/operator/counter")
            identity = parse(f"spiffe://{FEDERATION}/coordinator/0", FEDERATION)
            name = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
            usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            names = ([x509.DNSName(name)], [x509.DNSName(name), *map(x509.IPAddress, LOOPBACK)])
            for each in names:
                key = caller.key
                false = Issued(forger._sign(identity, key.public_key(), NOW, NOW + LIFE, each, usages), key)
                pair = (false.key_pem, false.certificate_pem + node.sichuan.certificate_pem)
                server = grpc.aio.server(options=server_options())
                port = server.add_secure_port(
                    "127.0.0.1:0", grpc.ssl_server_credentials([pair], node.authority.certificate_pem, True)
                )
                await server.start()
                assert await outcome(node.dial(caller, name=name, port=port)) == "UNAVAILABLE"
                await server.stop(None)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("of", "server", "other", "believed"),
    [
        (NODES, NODE, COORDINATOR, {"region/sichuan"}),
        (COORDINATORS, COORDINATOR, NODE, {"coordinator/0", "admin/root"}),
    ],
    ids=["nodes", "coordinators"],
)
def test_an_issuer_that_renews_is_believed_for_its_servers_and_callers_alone(
    tmp_path: Path, of: str, server: str, other: str, believed: Set[str]
) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as node:
            renewing = node.authority.issue_renewing_issuer(of, NOW, NOW + LIFE)
            forger = without_rules(renewing, node.authority)
            caller = issue(node.authority, "region/sichuan/operator/counter")
            sichuan = parse(f"spiffe://{FEDERATION}/region/sichuan", FEDERATION)
            usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            addressed: list[x509.GeneralName] = [x509.DNSName(server), *map(x509.IPAddress, LOOPBACK)]
            for name, names, told in (
                (server, [x509.DNSName(server)], "UNIMPLEMENTED"),
                (server, addressed, "UNAVAILABLE"),
                (other, [x509.DNSName(other)], "UNAVAILABLE"),
            ):
                public = caller.key.public_key()
                shown = Issued(forger._sign(sichuan, public, NOW, NOW + LIFE, names, usages), caller.key)
                pair = (shown.key_pem, shown.certificate_pem + renewing.certificate_pem)
                false = grpc.aio.server(options=server_options())
                port = false.add_secure_port(
                    "127.0.0.1:0", grpc.ssl_server_credentials([pair], node.authority.certificate_pem, True)
                )
                await false.start()
                assert await outcome(node.dial(caller, name=name, port=port)) == told
                await false.stop(None)
            regions = ("region/sichuan", "region/sichuan/operator/crm", "region/sichuan/staff/wang")
            for path in (*regions, "admin/root", "coordinator/0"):
                told = await outcome(node.dial(issue_client(forger, path), renewing))
                assert told == ("OK" if path in believed else "UNAUTHENTICATED"), path

    asyncio.run(scenario())


@pytest.mark.parametrize("by_issuer", [True, False], ids=["a region's issuer", "the authority"])
def test_a_revoked_certificate_ends_its_open_streams_and_is_refused_on_its_connection(
    tmp_path: Path, by_issuer: bool
) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as node:
            by = node.sichuan if by_issuer else node.authority
            chain = [by] if by_issuer else []
            stolen, other = (issue(by, f"region/sichuan/operator/{name}") for name in ("counter", "crm"))
            async with node.dial(stolen, *chain) as channel, node.dial(other, *chain) as beside:
                streams = [watch_of(each)(b"") for each in (channel, beside)]
                for stream in streams:
                    await stream.read()
                if by_issuer:
                    node.revoke(1, stolen.certificate.serial_number)
                else:
                    crl = by.revocation_list([stolen.certificate.serial_number], 1, NOW).public_bytes(Encoding.DER)
                    node.revocations.take(RevocationList(crl=crl))
                with pytest.raises(grpc.aio.AioRpcError) as ended:
                    async with asyncio.timeout(PATIENCE_S):
                        await streams[0].read()
                refused = from_rpc_error(ended.value)
                assert refused is not None
                assert reason_name(refused.reason) == "CERTIFICATE_REVOKED"
                assert (await answered(channel), await answered(beside)) == ("CERTIFICATE_REVOKED", "OK")
                assert not streams[1].done()
            assert set(node.denied) == {("region/sichuan/operator/counter", "CERTIFICATE_REVOKED")}

    asyncio.run(scenario())


def test_a_revocation_during_the_first_answer_of_a_stream_ends_the_stream_after_it(tmp_path: Path) -> None:
    """Server and caller share an event loop, which cannot learn between these steps that the answer was sent."""
    told = asyncio.Event()

    async def watch(_: object, __: object) -> AsyncIterator[bytes]:
        told.set()
        yield b"first"
        await asyncio.Event().wait()

    async def scenario() -> None:
        serve: grpc.RpcMethodHandler[HealthCheckRequest, bytes]
        serve = grpc.unary_stream_rpc_method_handler(watch, HealthCheckRequest.FromString, None)
        handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Watch": serve})
        async with serving(tmp_path, handler) as node:
            stolen = issue(node.sichuan, "region/sichuan/operator/counter")
            async with node.dial(stolen, node.sichuan) as channel:
                stream = watch_of(channel)(b"")
                await told.wait()
                node.revoke(1, stolen.certificate.serial_number)
                async with asyncio.timeout(PATIENCE_S):
                    assert await stream.read() == b"first"
                    with pytest.raises(grpc.aio.AioRpcError) as ended:
                        await stream.read()
            refused = from_rpc_error(ended.value)
            assert refused is not None
            assert reason_name(refused.reason) == "CERTIFICATE_REVOKED"

    asyncio.run(scenario())


def test_an_expired_certificate_is_refused_on_an_open_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as node:
            channel = node.dial(issue(node.sichuan, "region/sichuan/staff/wang"), node.sichuan)
            assert await answered(channel) == "OK"
            node.late = LIFE
            assert await outcome(channel) == "CERTIFICATE_EXPIRED"

    asyncio.run(scenario())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda each: each.name)
def test_a_resumed_session_brings_nobody_past_revocation_and_end(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """TLS verifies no certificate of a resumed session again."""

    async def scenario() -> None:
        async with serving(tmp_path) as node:
            own = issue(node.sichuan, "region/sichuan/operator/counter")
            files = {"own": own.certificate_pem + node.sichuan.certificate_pem, "key": own.key_pem}
            for name, content in files.items():
                (tmp_path / name).write_bytes(content)
            context = ssl.create_default_context(cadata=node.authority.certificate_pem.decode())
            context.load_cert_chain(tmp_path / "own", tmp_path / "key")
            context.set_alpn_protocols(["h2"])
            context.maximum_version = version
            is_resumed, session = await asyncio.to_thread(_check, node.port, context, None)
            assert not is_resumed
            node.late = LIFE
            assert (await asyncio.to_thread(_check, node.port, context, session))[0]
            await node.has_served(2)
            assert (node.statuses, node.denied) == (["OK", "UNAUTHENTICATED"], [])
            node.late = timedelta(0)
            node.revoke(1, own.certificate.serial_number)
            assert (await asyncio.to_thread(_check, node.port, context, session))[0]
            await node.has_served(3)
            assert node.denied == [("region/sichuan/operator/counter", "CERTIFICATE_REVOKED")]

    asyncio.run(scenario())


def _check(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bool | None, ssl.SSLSession | None]:
    """Makes a call. Returns whether a session was resumed, and the session for the next time.

    gRPC's own client resumes none; one of an attacker does (RFC 9113, and RFC 7541, 6.2.2).
    """
    headers = {
        ":method": "POST",
        ":scheme": "https",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": "node",
        "content-type": "application/grpc",
        "te": "trailers",
        "grpc-timeout": "5S",
    }
    block = b"".join(b"\0" + _string(name) + _string(value) for name, value in headers.items())
    call = _frame(4, 0, 0, b"") + _frame(1, 4, 1, block) + _frame(0, 1, 1, bytes(5))
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname=NODE, session=session) as tls,
    ):
        tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + call)
        told = b""
        while b"grpc-status" not in told:
            told += tls.recv(65536)
        return tls.session_reused, tls.session


def _string(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload
