"""The HTTPS listener of a process: who reads a page, with which certificate, and `/metrics` of a real process."""

import asyncio
import http.client
import json
import logging
import socket
import ssl
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from opentelemetry.trace import NoOpTracer
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.process import wait_until
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.process.metrics import UnrecordedCalls
from gateway.process.tracing import Tracing
from gateway.rpc.access import AccessRules
from gateway.rpc.interceptor import BorderPorts
from gateway.rpc.ports import PortInUse
from gateway.security.authority import Authority
from gateway.security.identity import Identity, parse
from gateway.security.revocations import Revocations
from gateway.security.tls import Credentials
from gateway.web import server as web_server
from gateway.web.bodies import whole_body
from gateway.web.connections import LARGEST_HEAD, LONGEST_LINE
from gateway.web.door import Door
from gateway.web.metrics_page import NAME, PATH
from gateway.web.refusing import told_malformed
from gateway.web.routes import ROOT
from gateway.web.server import Handler, Page, WebServer
from tests.contract.coordinator_process import coordinator_process
from tests.contract.small_federation import CLOCK, FEDERATION, LIFE, NOW, Certificates, new_authority

SECONDS = 60.0
NO_CONNECTION = (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)
T = TypeVar("T")
READERS = frozenset({Role.ROLE_MONITOR, Role.ROLE_OPERATOR, Role.ROLE_STAFF})


class Answer:
    """The answer to one request, on a connection of its own."""

    def __init__(self, port: int, credentials: Credentials | None, authority: Path, path: str = PATH) -> None:
        context = ssl.create_default_context(cafile=str(authority))
        context.check_hostname = False
        if credentials is not None:
            context.load_cert_chain(credentials.certificate, credentials.key)
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            self.status, self.headers, self.body = answer.status, answer.headers, answer.read().decode()
            assert connection.sock is not None
            own = connection.sock.getpeercert(binary_form=True)
            assert own is not None
            self.served_by = x509.load_der_x509_certificate(own).serial_number
        finally:
            connection.close()


class Process:
    """The listener of a node of Sichuan, with one page that says who reads it nothing but `here`."""

    def __init__(self, certificates: Certificates) -> None:
        self.certificates = certificates
        self.credentials = certificates.credentials("region/sichuan")
        self.revocations = Revocations(certificates.authority.certificate_pem, FEDERATION)
        self.denied: list[tuple[str, str]] = []
        self.port = 0

    async def server(
        self,
        show: Handler | None = None,
        apis: Mapping[str, web.Application] | None = None,
        *,
        needs_certificate: bool = True,
    ) -> WebServer:
        border = BorderPorts(
            federation=FEDERATION,
            access=AccessRules([], own_region="sichuan", require_scope=require_scope),
            tracing=Tracing(NoOpTracer()),
            metrics=UnrecordedCalls(),
            denied=self._deny,
            revocations=self.revocations,
        )
        pages = [Page(PATH, NAME, READERS, show or _show)]
        malformed = {ROOT: told_malformed}
        return WebServer(
            pages, self.credentials, border, apis, needs_certificate=needs_certificate, malformed=malformed
        )

    async def _deny(self, identity: Identity, path: str, refused: Refused) -> None:
        self.denied.append((identity.path, reason_name(refused.reason)))

    def ask(self, path: str, by: Authority | None = None, page: str = PATH) -> Answer:
        credentials = self.certificates.credentials(path)
        if by is not None:
            issued = by.issue_tls(parse(f"spiffe://{FEDERATION}/{path}", FEDERATION), NOW, NOW + LIFE)
            credentials.certificate.write_bytes(issued.certificate_pem + by.certificate_pem)
            credentials.key.write_bytes(issued.key_pem)
        return self.ask_with(credentials, page)

    def send(self, data: bytes, continued: bytes = b"") -> bytes:
        """Bytes of a monitor, and the answer until its connection is closed.

        Some more come `continued`, once the server has asked for them.
        """
        credentials = self.certificates.credentials("monitor/prometheus")
        context = ssl.create_default_context(cafile=str(credentials.authority))
        context.check_hostname = False
        context.load_cert_chain(credentials.certificate, credentials.key)
        with (
            socket.create_connection(("127.0.0.1", self.port), SECONDS) as raw,
            context.wrap_socket(raw) as connection,
        ):
            connection.sendall(data)
            if continued:
                assert b" 100 Continue" in connection.recv(4096)
                connection.sendall(continued)
            return b"".join(iter(lambda: connection.recv(4096), b""))

    def ask_with(self, credentials: Credentials | None, page: str = PATH) -> Answer:
        return Answer(self.port, credentials, self.credentials.authority, page)


async def _show(_: web.Request) -> web.StreamResponse:
    return web.Response(text="here")


def require_scope(operator: str, service: str) -> None:
    if (operator, service) != ("monitoring", NAME):
        raise Refused(Reason.REASON_OPERATOR_SCOPE_MISSING, operator=operator, missing=service)


@contextmanager
def serving(
    process: Process,
    listen: str = "127.0.0.1:0",
    apis: Mapping[str, web.Application] | None = None,
    *,
    needs_certificate: bool = True,
) -> Iterator[None]:
    """Serves on an event loop beside the test, of the kind that processes have."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(SECONDS)

    try:
        server = run(process.server(None, apis, needs_certificate=needs_certificate))
        process.port = run(server.start(listen))
        following = asyncio.run_coroutine_threadsafe(server.follow(), loop)
        try:
            yield
        finally:
            following.cancel()
            run(server.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(Certificates(tmp_path))


def test_a_page_is_read_by_its_roles_and_nobody_else_and_a_denial_is_noted(process: Process) -> None:
    with serving(process):
        for path in ("monitor/prometheus", "region/sichuan/staff/li", "region/sichuan/operator/monitoring"):
            answer = process.ask(path)
            assert (answer.status, answer.body) == (HTTPStatus.OK, "here")
            assert answer.headers["Cache-Control"] == "no-store"
            assert "Server" not in answer.headers
        for path in ("region/henan/staff/wang", "region/henan", "coordinator/0"):
            answer = process.ask(path)
            assert (answer.status, "PERMISSION_DENIED" in answer.body) == (HTTPStatus.FORBIDDEN, True)
        answer = process.ask("region/sichuan/operator/counter")
        assert (answer.status, "OPERATOR_SCOPE_MISSING" in answer.body) == (HTTPStatus.FORBIDDEN, True)
    assert process.denied[-1] == ("region/sichuan/operator/counter", "OPERATOR_SCOPE_MISSING")
    assert len(process.denied) == 4


def test_nobody_connects_without_a_certificate_of_the_federation_or_by_an_older_tls(process: Process) -> None:
    with serving(process):
        foreign = process.certificates.credentials("monitor/other")
        stranger = new_authority().issue(parse(f"spiffe://{FEDERATION}/monitor/other", FEDERATION), NOW, NOW + LIFE)
        foreign.certificate.write_bytes(stranger.tls.certificate_pem)
        foreign.key.write_bytes(stranger.tls.key_pem)
        for credentials, alert in ((None, "CERTIFICATE_REQUIRED"), (foreign, "UNKNOWN_CA")):
            with pytest.raises(ssl.SSLError, match=alert):
                process.ask_with(credentials)
        older = ssl.create_default_context(cafile=str(foreign.authority))
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        with (
            socket.create_connection(("127.0.0.1", process.port)) as raw,
            pytest.raises(NO_CONNECTION),
        ):
            older.wrap_socket(raw, server_hostname="localhost")


def test_an_issuer_of_a_region_makes_readers_of_its_own_region_alone(process: Process) -> None:
    sichuan = process.certificates.authority.issue_issuer("sichuan", NOW, NOW + LIFE)
    with serving(process):
        assert (process.ask("region/sichuan/staff/li", by=sichuan)).status == HTTPStatus.OK
        forger = Authority(sichuan.certificate, sichuan._key, process.certificates.authority.certificate_pem)
        forger.region = ""
        for path in ("monitor/prometheus", "region/henan/staff/wang"):
            assert process.ask(path, by=forger).status == HTTPStatus.UNAUTHORIZED


def test_a_revoked_certificate_reads_nothing(process: Process) -> None:
    reader = process.certificates.credentials("monitor/prometheus")
    with serving(process):
        assert (process.ask_with(reader)).status == HTTPStatus.OK
        serial = x509.load_pem_x509_certificate(reader.certificate.read_bytes()).serial_number
        crl = process.certificates.authority.revocation_list([serial], 1, CLOCK.now())
        process.revocations.take(RevocationList(crl=crl.public_bytes(Encoding.DER)))
        answer = process.ask_with(reader)
        assert (answer.status, "CERTIFICATE_REVOKED" in answer.body) == (HTTPStatus.UNAUTHORIZED, True)


def test_a_replaced_certificate_serves_the_next_connection_and_a_broken_one_does_not(process: Process) -> None:
    with serving(process):
        before = (process.ask("monitor/prometheus")).served_by
        process.credentials.certificate.write_bytes(b"nothing")
        assert (process.ask("monitor/prometheus")).served_by == before
        process.certificates.credentials("region/sichuan")
        wait_until(
            lambda: process.ask("monitor/prometheus").served_by != before, SECONDS, "the new certificate is served"
        )


def test_a_page_that_is_not_there_is_not_found_and_says_nothing_else(process: Process) -> None:
    with serving(process):
        answer = process.ask("monitor/prometheus", page="/nothing")
        assert (answer.status, answer.body) == (HTTPStatus.NOT_FOUND, "Not Found")


def test_another_method_than_reading_a_page_is_refused_with_those_that_it_has(process: Process) -> None:
    with serving(process):
        answer = process.send(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert b"\r\nAllow: GET,HEAD\r\n" in answer


@pytest.mark.parametrize(
    "line",
    [
        b"GET /metrics?number=+86 19851000001 HTTP/1.1\r\nHost: node\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer 19851000001\x01\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_into_no_log(process: Process, caplog: pytest.LogCaptureFixture, line: bytes) -> None:
    with caplog.at_level(logging.DEBUG), serving(process):
        assert process.send(line).startswith(b"HTTP/1.0 400")
    assert "19851000001" not in caplog.text
    assert "from 127.0.0.1: Bad" in caplog.text


def test_what_is_no_request_writes_no_line_above_debug(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    head = b"GET /metrics HTTP/1.1\r\n"
    with serving(process), caplog.at_level(logging.INFO):
        caplog.clear()
        for sent in (b"\x16\x03 no line\r\n\r\n", head + b"no header\r\n\r\n", head + bytes(LONGEST_LINE + 1)):
            assert b" 400 " in process.send(sent)
        told = caplog.text
    assert told == ""


def test_connections_end_with_their_age_and_more_than_the_limit_are_closed(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(web_server, "CONNECTION_AGE_MS", 0)
    whole = b"GET /nothing HTTP/1.1\r\nHost: node\r\n\r\n"
    with serving(process):
        assert b"Connection: close" in process.send(whole), "an answer leaves an old connection open"
        monkeypatch.setattr(web_server, "CONNECTION_GRACE_MS", 0)
        assert process.send(whole[:9]) == b"", "half of a request keeps its connection"
        monkeypatch.setattr(web_server, "MOST_CONNECTIONS", 0)
        with pytest.raises(NO_CONNECTION):
            process.ask("monitor/prometheus")


def test_strangers_leave_half_of_the_connections_to_callers_with_certificates(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "MOST_CONNECTIONS", 2)
    context = ssl.create_default_context(cafile=str(process.credentials.authority))
    context.check_hostname = False
    with serving(process, needs_certificate=False):
        with closing(http.client.HTTPSConnection("127.0.0.1", process.port, timeout=SECONDS, context=context)) as first:
            for _ in range(2):
                first.request("GET", PATH)
                assert first.getresponse().read(), "its connection stays open"
            with pytest.raises(NO_CONNECTION):
                process.ask_with(None)
            assert process.ask("monitor/prometheus").body == "here"
        wait_until(lambda: _is_answered(process), SECONDS, "another stranger has the place")


def test_one_certificate_takes_a_part_of_the_connections_and_others_have_theirs(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "MOST_OF_CALLER", 2)
    credentials = process.certificates.credentials("monitor/prometheus")
    context = ssl.create_default_context(cafile=str(credentials.authority))
    context.check_hostname = False
    context.load_cert_chain(credentials.certificate, credentials.key)
    with serving(process), ExitStack() as held:
        for _ in range(2):
            connection = http.client.HTTPSConnection("127.0.0.1", process.port, timeout=SECONDS, context=context)
            held.enter_context(closing(connection))
            connection.request("GET", PATH)
            assert connection.getresponse().read() == b"here", "its connection stays open"
        with pytest.raises(NO_CONNECTION):
            process.ask("monitor/prometheus")
        assert process.ask("monitor/another").body == "here"


def _is_answered(process: Process) -> bool:
    try:
        return process.ask_with(None).status == HTTPStatus.UNAUTHORIZED
    except NO_CONNECTION:
        return False


def test_calls_by_https_end_while_those_by_grpc_do(process: Process) -> None:
    assert asyncio.run(_asked_while_closing(process)).body == "here"


async def _asked_while_closing(process: Process) -> Answer:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def show(_: web.Request) -> web.StreamResponse:
        begun.set()
        await ended.wait()
        return web.Response(text="here")

    async def drain() -> None:
        ended.set()

    door = Door(None)
    door._server = await process.server(show)
    process.port = await door._server.start("127.0.0.1:0")
    asking = asyncio.create_task(asyncio.to_thread(process.ask, "monitor/prometheus"))
    await begun.wait()
    await door.close(drain)
    return await asking


def test_a_defect_of_a_page_is_told_by_its_number(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    async def show(_: web.Request) -> web.StreamResponse:
        raise ZeroDivisionError

    async def asked() -> Answer:
        server = await process.server(show)
        process.port = await server.start("127.0.0.1:0")
        answer = await asyncio.to_thread(process.ask, "monitor/prometheus")
        await server.close()
        return answer

    answer = asyncio.run(asked())
    assert (answer.status, "INTERNAL" in answer.body) == (HTTPStatus.INTERNAL_SERVER_ERROR, True)
    assert f"in {PATH}" in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("line", "header", "code"),
    [
        (b"GET /tmf-api/x?token=SECRET" + bytes(9_000).replace(b"\0", b"a"), b"A: b", "REQUEST_INVALID"),
        (b"GET /tmf-api?a=b", b"Authorization: SECRET" + bytes(9_000).replace(b"\0", b"a"), "REQUEST_INVALID"),
        (b"GET /tmf-api/x", b"SECRET", "REQUEST_INVALID"),
        (b"GET /metrics", b"SECRET", ""),
        (b"\x16\x03SECRET /tmf-api/x", b"A: b", ""),
    ],
    ids=["line", "header", "no header", "page", "no line"],
)
def test_what_is_no_request_is_refused_in_the_form_of_its_path_and_repeated_neither_in_the_answer_nor_in_the_log(
    process: Process, caplog: pytest.LogCaptureFixture, line: bytes, header: bytes, code: str
) -> None:
    with serving(process), caplog.at_level(logging.DEBUG):
        told = process.send(line + b" HTTP/1.1\r\nHost: node\r\n" + header + b"\r\n\r\n")
    head, _, body = told.partition(b"\r\n\r\n")
    assert b" 400 Bad Request" in head.partition(b"\r\n")[0]
    assert (b"Cache-Control: no-store" in head, b"aiohttp" in head) == (True, False)
    answer = json.loads(body)
    assert answer.get("code", "") == code
    assert ("error" in answer, "SECRET" in caplog.text, b"SECRET" in told) == (not code, False, False)


def test_a_line_that_comes_in_parts_is_refused_in_the_form_of_its_path(process: Process) -> None:
    with serving(process):
        told = process.send(b"GET /tmf-api/x?a=" + bytes(1 << 20).replace(b"\0", b"a") + b" HTTP/1.1\r\n\r\n")
    assert b'"8190' not in told
    assert b"8190" in told
    assert b'"@type":"Error"' in told.replace(b" ", b"")


def taking() -> Mapping[str, web.Application]:
    """An API that tells how many bytes a body has."""

    async def take(request: web.Request) -> web.Response:
        return web.Response(text=f"{len(await whole_body(request))} bytes")

    api = web.Application()
    api.router.add_post("/taken", take)
    return {"/api": api}


TAKEN = b"POST /api/taken HTTP/1.1\r\nHost: node\r\nExpect: 100-continue\r\n"


def test_bodies_larger_than_a_head_are_taken_on_one_connection(process: Process) -> None:
    body = bytes(3 * LARGEST_HEAD)
    head = TAKEN + b"Content-Length: %d\r\n" % len(body)
    with serving(process, apis=taking()):
        told = process.send(head + b"\r\n", body + head + b"Connection: close\r\n\r\n" + body)
    assert told.count(b"%d bytes" % len(body)) == 2


def test_a_body_that_goes_on_as_no_http_has_not_come_whole(process: Process) -> None:
    with serving(process, apis=taking()):
        told = process.send(TAKEN + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\n{}\r\nno length\r\n")
    assert told.count(b"HTTP/1.1 ") == 1
    assert b" 400 " in told.partition(b"\r\n")[0]
    assert b"has not come whole" in told


def test_a_port_in_use_is_named(process: Process) -> None:
    with serving(process):
        other = Process(process.certificates)
        with pytest.raises(PortInUse, match=str(process.port)), serving(other, f"127.0.0.1:{process.port}"):
            pass


def test_a_coordinator_shows_its_metrics_to_a_monitor(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    monitor = certificates.credentials("monitor/prometheus")
    extra = '[web]\nlisten = "127.0.0.1:0"\nport_file = "web-port"\n'
    with coordinator_process(certificates, tmp_path / "coordinator", extra=extra):
        port = int((tmp_path / "coordinator" / "web-port").read_text())
        answer = Answer(port, monitor, monitor.authority)
    values = {
        sample.name: sample.value for family in text_string_to_metric_families(answer.body) for sample in family.samples
    }
    assert values["crossregion_store_waiting"] == 0
    assert 0 < values["crossregion_certificate_validity_seconds"] <= LIFE.total_seconds()
    assert values["process_resident_memory_bytes"] > 0
