"""Callbacks of an attacker: names that no name server answers, and answers without end."""

import asyncio
import socket
import ssl
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp.client_proto import ResponseHandler

from deploy.local.identity_provider import self_signed
from gateway.api.region.v1.listener_service_pb2 import EventKind
from gateway.errors import Refused, Unreachable, is_temporary, reason_name, retry_seconds
from region_node.listeners import callbacks, names
from region_node.listeners.callbacks import Callbacks
from region_node.listeners.names import NAMES_AT_ONCE, SHARE
from region_node.node.settings import ListenerSettings
from tests.contract.test_listeners import PATIENCE, Region, has_failed, listening

CALLED = "ClientConnectorCertificateError"  # of a callback that was found by a name of no certificate
SOON = 20.0  # seconds, for what takes one or two
SMALL = 64 * 1024  # bytes: the system doubles what it is asked for


class Silence:
    """Name servers of this machine: those of `silent.example` answer at the end, all others at once."""

    def __init__(self, here: Region, monkeypatch: pytest.MonkeyPatch) -> None:
        self._here, self._monkeypatch = here, monkeypatch
        self._ends, self._found = threading.Event(), socket.getaddrinfo

    def ask(self, host: str, *others: int, **named: int) -> object:
        """The place of `socket.getaddrinfo`."""
        if named.get("flags"):
            return self._found(host, *others, **named)
        if host == "silent.example":
            self._ends.wait(PATIENCE)
        return self._found("127.0.0.1", *others, **named)

    async def fill(self, *operators: str) -> Counter[str]:
        """The refusals of more listeners of each operator system than names are looked up at once."""
        registered = (self._here.register("https://silent.example/x", each) for each in operators * NAMES_AT_ONCE)
        with self._monkeypatch.context() as impatient:
            impatient.setattr(names, "PLACE_SECONDS", 0.1)
            impatient.setattr(callbacks, "POST_SECONDS", 1.0)
            found = await asyncio.gather(*registered, return_exceptions=True)
        return Counter(reason_name(each.reason) for each in found if isinstance(each, Refused))

    def end(self) -> None:
        """All names are answered."""
        self._ends.set()


@asynccontextmanager
async def silence(here: Region, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Silence]:
    """Silent name servers, for the seconds that a test takes: they end with it."""
    found = Silence(here, monkeypatch)
    monkeypatch.setattr(socket, "getaddrinfo", found.ask)
    try:
        async with asyncio.timeout(SOON):
            yield found
    finally:
        found.end()


def test_names_that_no_name_server_answers_hold_up_nothing_else_of_the_process_and_later_names_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook), silence(here, monkeypatch) as servers:
            operators = [f"flooding-{each}" for each in range(NAMES_AT_ONCE // SHARE)]
            refused = await servers.fill(*operators)
            assert refused["CALLBACK_REFUSED"] == NAMES_AT_ONCE, "all places are taken"
            await asyncio.to_thread(str)  # as the process follows its federation
            servers.end()
            await here.register(hook.url.replace("127.0.0.1", "crm.example"))
            await here.order(1)
            async with here.telling():
                failed = await here.listener(has_failed)
            assert failed.problem == CALLED

    asyncio.run(scenario())


def test_silent_name_servers_of_one_operator_system_hold_up_its_own_names_alone_and_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook), silence(here, monkeypatch) as servers:
            named = hook.url.replace("127.0.0.1", "crm.example")
            own = await here.register(named, "flooding")
            refused = await servers.fill("flooding")
            assert refused == {"CALLBACK_REFUSED": SHARE, "CALLBACK_NAME_AWAITED": NAMES_AT_ONCE - SHARE}
            monkeypatch.setattr(names, "PLACE_SECONDS", 0.1)
            with pytest.raises(Refused, match="CALLBACK_NAME_AWAITED") as caught:
                await here.register(named, "flooding", [EventKind.EVENT_KIND_CREATE])
            assert (is_temporary(caught.value.reason), retry_seconds(caught.value)) == (True, 30)
            await here.remove((await here.register(hook.url, "flooding")).id, "flooding")
            await here.register(named)
            await here.order(1)
            await here.order(2, "flooding")
            async with here.telling():
                assert (await here.listener(has_failed)).problem == CALLED
                await here.until(lambda: f"{own.id} is told later: CALLBACK_NAME_AWAITED" in caplog.text, timedelta())
                assert (await here.listener(lambda _: True, operator="flooding")).problem == ""
                servers.end()
                assert (await here.listener(has_failed, timedelta(seconds=1), "flooding")).problem == CALLED

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
            Callbacks(ListenerSettings(("127.0.0.0/8",), authority)).connected("counter") as connection,
        ):
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(Unreachable):
                await connection.post(urlsplit(f"https://127.0.0.1:{port}/x"), {}, b"{}")
            await ended.wait()
        assert 0 < max(pieces) <= SMALL

    monkeypatch.setattr(callbacks, "POST_SECONDS", 1.0)
    monkeypatch.setattr(ResponseHandler, "data_received", data_received)
    asyncio.run(scenario())
