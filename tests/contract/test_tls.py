"""The handshake: real servers and clients on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused
from gateway.security.authority import (
    AUTHORITY_CERTIFICATE,
    SIGNING_CERTIFICATE,
    SIGNING_KEY,
    TLS_CERTIFICATE,
    TLS_KEY,
    Authority,
    CertificateSet,
    Issued,
)
from gateway.security.identity import from_auth_context, parse, server_name
from gateway.security.tls import (
    MAX_MESSAGE_BYTES,
    Credentials,
    CredentialsUnusable,
    client_credentials,
    client_options,
    server_credentials,
    server_options,
)
from gateway.time.clock import SystemClock

FEDERATION = "demo.example"
NOW = datetime.now(UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)  # a run of all tests ends before a day does
METHOD = "/demo.Echo/Echo"
# Long enough for a handshake on a busy machine; reached only where a test fails.
PATIENCE_S = 60.0


class ClockAt:
    """A clock that stands still."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        return self._instant


class Files:
    """Issues certificates into a directory for each member."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.authority = new_authority()

    def issue(
        self,
        path: str,
        directory: str = "",
        *,
        by: Authority | None = None,
        valid_from: datetime = NOW - HOUR,
        valid_until: datetime = NOW + DAY,
    ) -> Credentials:
        """The certificates of this member, issued by the federation's authority or by another."""
        target = self._root / (directory or path.replace("/", "_"))
        identity = parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)
        (by or self.authority).issue(identity, valid_from, valid_until).write(target)
        return Credentials(target / AUTHORITY_CERTIFICATE, target / TLS_CERTIFICATE, target / TLS_KEY)


def new_authority() -> Authority:
    return Authority.create(FEDERATION, NOW - 48 * HOUR, NOW + 48 * HOUR)


@pytest.fixture(name="files")
def files_of_a_federation(tmp_path: Path) -> Files:
    return Files(tmp_path)


class Server:
    """A server that answers with the caller's URI, and its requests."""

    def __init__(self) -> None:
        self.port = 0
        self.callers: list[str] = []

    async def echo(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        try:
            identity = from_auth_context(context.auth_context(), FEDERATION)
        except Refused as refusal:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(refusal))
        self.callers.append(identity.uri)
        return identity.uri.encode()


@asynccontextmanager
async def serving(credentials: grpc.ServerCredentials, port: int = 0) -> AsyncIterator[Server]:
    """A running server on a port of its own, unless one is given."""
    echo = Server()
    server = grpc.aio.server(options=server_options())
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(echo.echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("demo.Echo", {"Echo": handler}),))
    echo.port = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    await server.start()
    try:
        yield echo
    finally:
        await server.stop(None)


def echo_of(channel: grpc.aio.Channel) -> grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]:
    return channel.unary_unary(METHOD)


async def call(
    server: Server,
    credentials: grpc.ChannelCredentials,
    name: str,
    body: bytes = b"hello",
    *more: tuple[str, int],
) -> str:
    """The URI that the server saw on a connection of its own; of two options of one name the first counts."""
    options = [*more, *client_options(name), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(f"127.0.0.1:{server.port}", credentials, options=options) as channel:
        answer = await echo_of(channel)(body, timeout=PATIENCE_S)
        return answer.decode()


async def presented(server: Server, client: Credentials) -> int:
    """The serial number of the certificate that the server shows on a new connection."""
    context = ssl.create_default_context(cafile=str(client.authority))
    context.load_cert_chain(client.certificate, client.key)
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context, server_hostname=SICHUAN)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(shown).serial_number


def serial(credentials: Credentials) -> int:
    return x509.load_pem_x509_certificate(credentials.certificate.read_bytes()).serial_number


SICHUAN = server_name(Role.ROLE_REGION, "sichuan", FEDERATION)
OPERATOR = "region/sichuan/operator/crm"
OPERATOR_URI = f"spiffe://{FEDERATION}/{OPERATOR}"


def a_client(files: Files) -> grpc.ChannelCredentials:
    return client_credentials(files.issue(OPERATOR), NOW)


def contents(credentials: Credentials) -> tuple[bytes, bytes]:
    return credentials.key.read_bytes(), credentials.certificate.read_bytes()


def signing_files(files: Files) -> Credentials:
    tls = files.issue("region/sichuan", "signer")
    directory = tls.certificate.parent
    return Credentials(tls.authority, directory / SIGNING_CERTIFICATE, directory / SIGNING_KEY)


def expired(files: Files, path: str) -> Credentials:
    return files.issue(path, "expired", valid_from=NOW - 3 * HOUR, valid_until=NOW - 2 * HOUR)


WHILE_IT_WAS_VALID = NOW - timedelta(hours=2, minutes=30)


# Each takes the files of the federation and gives a client that is not let in.
REFUSED_CLIENTS: dict[str, Callable[[Files], grpc.ChannelCredentials]] = {
    "of another authority": lambda files: grpc.ssl_channel_credentials(
        files.authority.certificate_pem, *contents(files.issue(OPERATOR, "stranger", by=new_authority()))
    ),
    "that trusts another authority": lambda files: grpc.ssl_channel_credentials(
        new_authority().certificate_pem, *contents(files.issue(OPERATOR))
    ),
    "expired": lambda files: client_credentials(expired(files, OPERATOR), WHILE_IT_WAS_VALID),
    "without a certificate": lambda files: grpc.ssl_channel_credentials(files.authority.certificate_pem),
    "with a signing certificate": lambda files: client_credentials(signing_files(files), NOW),
}


@pytest.mark.guarantee("G14")
@pytest.mark.parametrize("which", REFUSED_CLIENTS)
def test_a_wrong_client_is_refused_where_the_right_one_passes(files: Files, which: str) -> None:
    async def scenario() -> None:
        async with serving(server_credentials(files.issue("region/sichuan"), SystemClock())) as server:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await call(server, REFUSED_CLIENTS[which](files), SICHUAN)
            assert error.value.code() == grpc.StatusCode.UNAVAILABLE
            assert not server.callers
            assert await call(server, a_client(files), SICHUAN) == OPERATOR_URI

    asyncio.run(scenario())


# Each takes the files of the federation and gives a server that is not believed, and what the client says.
REFUSED_SERVERS: dict[str, tuple[Callable[[Files], grpc.ServerCredentials], str]] = {
    "of another authority": (
        lambda files: server_credentials(files.issue("region/sichuan", by=new_authority()), SystemClock()),
        "unable to get local issuer",
    ),
    "expired": (
        lambda files: server_credentials(expired(files, "region/sichuan"), ClockAt(WHILE_IT_WAS_VALID)),
        "certificate has expired",
    ),
    "another region": (
        lambda files: server_credentials(files.issue("region/henan"), SystemClock()),
        "Hostname Verification",
    ),
    "the coordinator": (
        lambda files: server_credentials(files.issue("coordinator/1"), SystemClock()),
        "Hostname Verification",
    ),
    "an operator of the region": (
        lambda files: server_credentials(files.issue("region/sichuan/operator/app"), SystemClock()),
        "unsupported certificate purpose",
    ),
}


@pytest.mark.parametrize("which", REFUSED_SERVERS)
def test_a_client_refuses_a_wrong_server_in_the_handshake(files: Files, which: str) -> None:
    make, problem = REFUSED_SERVERS[which]

    async def scenario() -> None:
        async with serving(make(files)) as server:
            with pytest.raises(grpc.aio.AioRpcError, match=problem) as error:
                await call(server, a_client(files), SICHUAN)
            assert error.value.code() == grpc.StatusCode.UNAVAILABLE
            assert not server.callers

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["region/sichuan", "coordinator/1"])
def test_a_server_passes_under_the_name_of_its_role_whatever_address_is_dialled(files: Files, path: str) -> None:
    identity = parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)

    async def scenario() -> str:
        async with serving(server_credentials(files.issue(path), SystemClock())) as server:
            name = server_name(identity.role, identity.region, FEDERATION)
            return await call(server, a_client(files), name)

    assert asyncio.run(scenario()) == OPERATOR_URI


def self_signed(directory: Path, names: list[x509.GeneralName]) -> Credentials:
    """A client whose certificate carries just these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, OPERATOR_URI)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - HOUR)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    issued = Issued(certificate, key)
    CertificateSet(issued.certificate_pem, issued, None).write(directory)
    return Credentials(directory / AUTHORITY_CERTIFICATE, directory / TLS_CERTIFICATE, directory / TLS_KEY)


@pytest.mark.parametrize(
    "names",
    [
        [x509.UniformResourceIdentifier(OPERATOR_URI), x509.UniformResourceIdentifier(OPERATOR_URI + "2")],
        [x509.DNSName(OPERATOR_URI)],
        [x509.RFC822Name("crm@demo.example")],
    ],
    ids=["two URIs", "a DNS name with the text of a URI", "no URI"],
)
def test_a_trusted_certificate_without_exactly_one_uri_is_nobody(
    files: Files, tmp_path: Path, names: list[x509.GeneralName]
) -> None:
    server_files = files.issue("region/sichuan")
    own = self_signed(tmp_path / "client", names)
    with server_files.authority.open("ab") as authorities:
        authorities.write(own.certificate.read_bytes())
    client = grpc.ssl_channel_credentials(files.authority.certificate_pem, *contents(own))

    async def scenario() -> None:
        async with serving(server_credentials(server_files, SystemClock())) as server:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await call(server, client, SICHUAN)
            assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
            assert not server.callers

    asyncio.run(scenario())


def test_certificates_replaced_while_serving_are_shown_to_new_connections_and_end_no_old_one(
    files: Files,
) -> None:
    client = files.issue(OPERATOR)
    first = files.issue("region/sichuan")
    former = serial(first)

    async def scenario() -> None:
        async with (
            serving(server_credentials(first, SystemClock())) as server,
            grpc.aio.secure_channel(
                f"127.0.0.1:{server.port}", client_credentials(client, NOW), options=client_options(SICHUAN)
            ) as channel,
        ):
            await echo_of(channel)(b"before", timeout=PATIENCE_S)
            assert await presented(server, client) == former
            second = files.issue("region/sichuan")
            assert await presented(server, client) == serial(second) != former
            await echo_of(channel)(b"after", timeout=PATIENCE_S)
            assert await call(server, client_credentials(client, NOW), SICHUAN) == OPERATOR_URI

    asyncio.run(scenario())


def test_a_replaced_authority_lets_its_own_clients_in_and_no_others(files: Files) -> None:
    fresh = new_authority()
    former_client = a_client(files)
    fresh_client = client_credentials(files.issue(OPERATOR, "fresh", by=fresh), NOW)

    async def scenario() -> None:
        async with serving(server_credentials(files.issue("region/sichuan"), SystemClock())) as server:
            assert await call(server, former_client, SICHUAN) == OPERATOR_URI
            files.issue("region/sichuan", by=fresh)
            assert await call(server, fresh_client, SICHUAN) == OPERATOR_URI
            with pytest.raises(grpc.aio.AioRpcError):
                await call(server, former_client, SICHUAN)

    asyncio.run(scenario())


def test_a_server_serves_on_while_its_files_are_missing_broken_or_half_replaced(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    client = files.issue(OPERATOR)
    served = files.issue("region/sichuan")
    former = serial(served)
    other = files.issue("region/sichuan", "other")

    async def scenario() -> None:
        async with serving(server_credentials(served, SystemClock())) as server:
            served.key.unlink()
            assert await presented(server, client) == former
            served.key.write_bytes(b"garbage")
            assert await presented(server, client) == former
            served.key.write_bytes(other.key.read_bytes())
            assert await presented(server, client) == former
            assert await presented(server, client) == former
            served.certificate.write_bytes(other.certificate.read_bytes())
            assert await presented(server, client) == serial(other)

    asyncio.run(scenario())
    warnings = [record.getMessage() for record in caplog.records if record.name == "gateway.security.tls"]
    assert len(warnings) == 3, "one warning for each state of the files, however many connect"
    assert "No such file" in warnings[0]
    assert "no private key" in warnings[1]
    assert "is not the key of" in warnings[2]


def test_grpc_is_handed_certificates_only_when_their_files_have_changed(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handed new ones at each handshake, it frees those that other handshakes are using."""
    asked: list[Callable[[], grpc.ServerCertificateConfiguration | None]] = []

    def keep(
        initial: grpc.ServerCertificateConfiguration,
        changed: Callable[[], grpc.ServerCertificateConfiguration | None],
        require_client_authentication: bool,
    ) -> None:
        asked.append(changed)

    monkeypatch.setattr(grpc, "dynamic_ssl_server_credentials", keep)
    server_credentials(files.issue("region/sichuan"), SystemClock())
    (changed,) = asked
    assert [changed(), changed()] == [None, None]
    files.issue("region/sichuan")
    assert changed() is not None
    assert changed() is None


def test_a_second_server_on_the_port_does_not_start(files: Files) -> None:
    served = files.issue("region/sichuan")

    async def scenario() -> None:
        async with serving(server_credentials(served, SystemClock())) as server:
            with pytest.raises(RuntimeError, match="bind"):
                async with serving(server_credentials(served, SystemClock()), server.port):
                    pass

    asyncio.run(scenario())


def test_a_proxy_of_the_environment_is_not_asked(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("grpc_proxy", "https_proxy", "http_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")

    async def scenario() -> str:
        async with serving(server_credentials(files.issue("region/sichuan"), SystemClock())) as server:
            return await call(server, a_client(files), SICHUAN)

    assert asyncio.run(scenario()) == OPERATOR_URI


@pytest.mark.parametrize(
    ("more", "problem"),
    [((), "Sent message larger"), ((("grpc.max_send_message_length", -1),), "Received message larger")],
    ids=["by the client", "by the server"],
)
def test_a_message_beyond_the_limit_is_refused_and_the_largest_passes(
    files: Files, more: tuple[tuple[str, int], ...], problem: str
) -> None:
    async def scenario() -> None:
        async with serving(server_credentials(files.issue("region/sichuan"), SystemClock())) as server:
            with pytest.raises(grpc.aio.AioRpcError, match=problem) as error:
                await call(server, a_client(files), SICHUAN, bytes(MAX_MESSAGE_BYTES + 1), *more)
            assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert not server.callers
            assert await call(server, a_client(files), SICHUAN, bytes(MAX_MESSAGE_BYTES), *more)

    asyncio.run(scenario())


def unusable(credentials: Credentials, now: datetime = NOW) -> str:
    """The reason why credentials cannot be used, the same from a client, a server and the loader."""
    with pytest.raises(CredentialsUnusable) as told:
        credentials.load(now)
    with pytest.raises(CredentialsUnusable):
        client_credentials(credentials, now)
    with pytest.raises(CredentialsUnusable):
        server_credentials(credentials, ClockAt(now))
    return str(told.value)


@pytest.mark.parametrize("name", [AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY])
def test_a_missing_or_unreadable_file_is_named(files: Files, name: str) -> None:
    credentials = files.issue("region/sichuan")
    path = credentials.key.with_name(name)
    path.write_bytes(b"garbage")
    assert str(path) in unusable(credentials)
    assert "can be read" in unusable(credentials)
    path.unlink()
    assert f"{path}: No such file" in unusable(credentials)
    path.mkdir()
    assert f"{path}: Is a directory" in unusable(credentials)


@pytest.mark.parametrize(("hours", "problem"), [(-2, "is not valid before"), (25, "expired at")])
def test_a_certificate_out_of_its_time_is_named_with_the_time(files: Files, hours: int, problem: str) -> None:
    credentials = files.issue("region/sichuan")
    assert f"{credentials.certificate}: {problem}" in unusable(credentials, NOW + hours * HOUR)


def test_an_expired_authority_is_named(files: Files) -> None:
    credentials = files.issue("region/sichuan")
    assert f"{credentials.authority}: expired at" in unusable(credentials, NOW + 49 * HOUR)


def test_a_key_of_another_certificate_is_named(files: Files) -> None:
    own, other = files.issue("region/sichuan"), files.issue("region/henan")
    mixed = Credentials(own.authority, own.certificate, other.key)
    assert f"{other.key}: is not the key of {own.certificate}" in unusable(mixed)


def test_the_stamp_changes_when_a_file_does_and_else_stays(files: Files) -> None:
    credentials = files.issue("region/sichuan")
    stamp = credentials.stamp()
    assert credentials.stamp() == stamp
    files.issue("region/sichuan")
    assert credentials.stamp() != stamp


def test_credentials_end_with_their_certificate_or_with_the_authority_that_ends_last(files: Files) -> None:
    assert files.issue("region/sichuan").end(NOW) == (NOW + DAY).replace(microsecond=0)
    beyond = files.issue("region/henan", valid_until=NOW + 48 * HOUR)
    soon = Authority.create(FEDERATION, NOW - HOUR, NOW + 2 * HOUR)
    beyond.authority.write_bytes(soon.certificate_pem)
    assert beyond.end(NOW) == (NOW + 2 * HOUR).replace(microsecond=0)
    beyond.authority.write_bytes(soon.certificate_pem + files.authority.certificate_pem)
    assert beyond.end(NOW) == (NOW + 48 * HOUR).replace(microsecond=0)


def test_the_private_key_does_not_show_when_loaded_credentials_are_printed(files: Files) -> None:
    assert "PRIVATE" not in repr(files.issue("region/sichuan").load(NOW))
