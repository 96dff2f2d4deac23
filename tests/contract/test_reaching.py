"""Diagnoses of connection errors: real servers, of which all but one differ from the caller's expectation."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

import region_node.cli.main
from gateway.api.types.v1.access_pb2 import Role
from gateway.cli.reachability import Choices, Server
from gateway.security.identity import parse, server_name
from gateway.security.tls import Credentials
from gateway.wording.languages import in_each_language
from tests.contract.small_federation import (
    FEDERATION,
    HOUR,
    NOTHING_LISTENS,
    NOW,
    Certificates,
    new_authority,
    serving,
)

TEXTS = Path(region_node.cli.main.__file__).parents[1] / "texts"
SICHUAN = server_name(Role.ROLE_REGION, "sichuan", FEDERATION)
CHOICES = Choices("--node", "--region or --federation", "--credentials")
UNAVAILABLE, LATE = grpc.StatusCode.UNAVAILABLE.name, grpc.StatusCode.DEADLINE_EXCEEDED.name
CHINESE = re.compile(r"[\u4e00-\u9fff]")
RAW = re.compile(r"ipv4:|UNKNOWN|errno|failed to connect|handshake|Verification", re.IGNORECASE)


@asynccontextmanager
async def listening(context: ssl.SSLContext | None) -> AsyncIterator[str]:
    """Something that is no node: it takes connections, and says nothing."""

    async def took(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"no TLS\r\n")
        writer.close()

    server = await asyncio.start_server(took, "127.0.0.1", 0, ssl=context)
    async with server:
        yield "{}:{}".format(*server.sockets[0].getsockname())


def expired(certificates: Certificates, directory: Path) -> ssl.SSLContext:
    """TLS of a node of Sichuan whose certificate has expired."""
    identity = parse(f"spiffe://{FEDERATION}/region/sichuan", FEDERATION)
    certificates.authority.issue(identity, NOW - HOUR, NOW - timedelta(minutes=1)).write(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    return context


def told(endpoint: str, credentials: Credentials, status: str = UNAVAILABLE) -> tuple[str, str]:
    """The diagnosis in English and in Chinese."""
    server = Server(endpoint, SICHUAN, credentials, CHOICES)
    said = in_each_language(TEXTS, lambda: server.told(status))
    return said["en"], said["zh"]


def test_a_server_that_is_not_reached_is_told_with_what_was_tried_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    certificates, others = Certificates(tmp_path), Certificates(tmp_path / "others")
    mine = certificates.credentials("region/sichuan/operator/crm")
    theirs = others.credentials("region/sichuan/operator/crm")
    # The federation's authority, and a certificate that it has not issued.
    forged = tmp_path / "forged"
    certificates.issue("region/sichuan/operator/crm", new_authority()).write(forged)
    (forged / "authority.crt").write_bytes(mine.authority.read_bytes())

    async def story() -> list[str]:
        wrong: list[str] = []
        async with (
            serving(certificates, "region/sichuan", [], "sichuan") as node,
            serving(certificates, "region/guangdong", [], "guangdong") as other,
            listening(None) as plain,
            listening(expired(certificates, tmp_path / "expired")) as old,
        ):
            cases: list[tuple[str, Credentials, str, str, str]] = [
                (other, mine, UNAVAILABLE, f"guangdong.region.{FEDERATION} serves there", "--region"),
                (NOTHING_LISTENS, mine, UNAVAILABLE, "nothing listens there", "start the server, or correct --node"),
                (
                    "no-such-host.invalid:7101",
                    mine,
                    UNAVAILABLE,
                    "the host no-such-host.invalid is not known",
                    "--node",
                ),
                (node, theirs, UNAVAILABLE, f"not of the authority in {theirs.authority}", "--credentials"),
                (
                    node,
                    Credentials.within(forged),
                    UNAVAILABLE,
                    f"does not accept the certificate {forged}",
                    "issue you",
                ),
                (old, mine, UNAVAILABLE, "the certificate of the server is expired", "renewed"),
                (plain, mine, UNAVAILABLE, "does not speak TLS", "correct --node"),
                (node, mine, UNAVAILABLE, "it is there now", "ask again"),
                (node, mine, LATE, "did not answer in time", "its log"),
                (node, mine, grpc.StatusCode.UNIMPLEMENTED.name, "does not know this call", "version"),
                (node, mine, grpc.StatusCode.UNKNOWN.name, "broken off", "its log"),
            ]
            for endpoint, credentials, status, problem, todo in cases:
                english, chinese = await asyncio.to_thread(told, endpoint, credentials, status)
                wanted = (endpoint, SICHUAN, problem, todo)
                if not all(each in english for each in wanted) or RAW.search(english):
                    wrong.append(f"{problem}: {english}")
                if not all(each in chinese for each in (endpoint, SICHUAN)) or not CHINESE.search(chinese):
                    wrong.append(f"{problem}: {chinese}")
                if re.search(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}", chinese):
                    wrong.append(f"English is left: {chinese}")
        return wrong

    wrong = asyncio.run(story())
    assert not wrong, "\n".join(wrong)


def test_a_machine_that_keeps_silent_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silent)
    english, _ = told("192.0.2.1:7101", Certificates(tmp_path).credentials("region/sichuan/operator/crm"))
    assert "the machine does not answer. To do: see to the network and its firewalls, or correct --node" in english
