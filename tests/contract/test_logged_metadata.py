"""What callers send beside their requests stays out of the log."""

import asyncio
import logging

import grpc
import pytest

from gateway.process.logs import configure
from tests.hostile.frames import END_HEADERS, HEADERS, PREFACE, SETTINGS, call_headers, frame

LOGGED = "Invalid encoding"
VALUE = b"a token\xc3("  # no UTF-8
PATIENCE = 60.0  # seconds


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The logs of a process, on the captured standard error."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(logging.getLogger("grpc._cython.cygrpc"), "filters", [])
    configure()


def test_metadata_that_are_no_text_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(values_served()) == [VALUE.decode("latin1")]
    assert LOGGED not in capsys.readouterr().err


async def values_served() -> list[str | bytes]:
    """Calls a server by hand; gives the values that the handler of the call has seen."""
    seen: asyncio.Future[list[str | bytes]] = asyncio.get_running_loop().create_future()

    async def note(_: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        seen.set_result([value for key, value in context.invocation_metadata() or () if key == "x-text"])
        return b""

    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(note)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("log", {"Note": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    headers = call_headers("/log/Note") + b"\x00\x06x-text" + bytes([len(VALUE)]) + VALUE
    writer.write(PREFACE + frame(SETTINGS, 0) + frame(HEADERS, 1, headers, END_HEADERS))
    async with asyncio.timeout(PATIENCE):
        found = await seen
    writer.close()
    await server.stop(None)
    return found
