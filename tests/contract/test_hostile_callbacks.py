"""Callbacks of an attacker: names that no name server answers, and answers without end."""

import asyncio
import socket
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp.client_proto import ResponseHandler

from deploy.local.identity_provider import self_signed
from gateway.errors import Refused, Unreachable
from region_node.listeners import callbacks
from region_node.listeners.callbacks import Callbacks
from region_node.listeners.names import NAMES_AT_ONCE
from region_node.node.settings import ListenerSettings
from tests.contract.test_listeners import PATIENCE, Region, has_failed, listening

SMALL = 64 * 1024  # bytes: the system doubles what it is asked for


def test_names_that_no_name_server_answers_hold_up_nothing_else_of_the_process_and_later_names_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, found = threading.Event(), socket.getaddrinfo

    def asked(host: str, *others: int, **named: int) -> object:
        if host == "silent.example":
            answers.wait(PATIENCE)
        return found("127.0.0.1", *others, **named)

    async def registered(here: Region) -> None:
        with pytest.raises(Refused, match="CALLBACK_REFUSED"):
            await here.register("https://silent.example/x", "flooding")

    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            with monkeypatch.context() as impatient:
                impatient.setattr(callbacks, "POST_SECONDS", 0.01)
                await asyncio.gather(*(registered(here) for _ in range(2 * NAMES_AT_ONCE)))
            try:
                await asyncio.to_thread(str)  # as the process follows its federation
            finally:
                answers.set()
            await here.register(hook.url.replace("127.0.0.1", "crm.example"))
            await here.order(1)
            async with here.telling():
                failed = await here.listener(has_failed)
            assert failed.problem == "ClientConnectorCertificateError", "it was found by a name of no certificate"

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("begin", "part"),
    [
        (b"HTTP/1.1 204 No Content\r\n", b"A: b\r\n" * 1_000),
        (b"HTTP/1.1 204 No Content\r\nA: ", b"b" * 65_536),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000),
    ],
    ids=["headers", "header", "hints"],
)
def test_an_answer_without_end_is_given_up_and_read_in_small_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: bytes, part: bytes
) -> None:
    authority, key = self_signed(tmp_path, "hook")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority, key)
    ended, pieces, taken = asyncio.Event(), list[int](), ResponseHandler.data_received

    def data_received(handler: ResponseHandler, data: bytes) -> None:
        pieces.append(len(data))
        taken(handler, data)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begin)
        try:
            while True:
                writer.write(part)
                await writer.drain()
        except ConnectionError:
            ended.set()

    async def scenario() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server,
            Callbacks(ListenerSettings(("127.0.0.0/8",), authority)).connected() as connection,
        ):
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(Unreachable):
                await connection.post(urlsplit(f"https://127.0.0.1:{port}/x"), {}, b"{}")
            await ended.wait()
        assert 0 < max(pieces) <= SMALL

    monkeypatch.setattr(callbacks, "POST_SECONDS", 1.0)
    monkeypatch.setattr(ResponseHandler, "data_received", data_received)
    asyncio.run(scenario())
