"""The wait for the only request of a call ends in time or with its caller, and a refused request is not kept."""

import asyncio
from traceback import walk_tb

import pytest
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused
from gateway.rpc.request_streams import RequestReader


@pytest.fixture(name="reader")
def reader_without_patience(monkeypatch: pytest.MonkeyPatch) -> RequestReader:
    monkeypatch.setattr("gateway.rpc.request_streams.PATIENCE", 0)
    monkeypatch.setattr("gateway.rpc.request_streams.BYTES_PER_SECOND", 2**40)
    return RequestReader(1024, StringValue.DESCRIPTOR, StringValue.FromString)


async def never() -> bytes:
    await asyncio.Event().wait()
    return b""


def test_a_request_that_does_not_come_is_refused_and_the_task_goes_on(reader: RequestReader) -> None:
    async def scenario() -> None:
        with pytest.raises(Refused) as refused:
            await reader.read_only(never())
        assert refused.value.reason == Reason.REASON_REQUEST_NOT_SENT
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(scenario())


def test_a_request_that_came_is_read_whatever_the_patience(reader: RequestReader) -> None:
    async def come() -> bytes:
        return StringValue(value="here").SerializeToString()

    assert asyncio.run(reader.read_only(come())) == StringValue(value="here")


def test_a_caller_who_goes_away_as_the_patience_ends_is_no_refusal(reader: RequestReader) -> None:
    async def scenario() -> None:
        reading = asyncio.ensure_future(reader.read_only(never()))
        asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_later(0, reading.cancel))
        await asyncio.wait([reading])
        assert reading.cancelled()

    asyncio.run(scenario())


@pytest.mark.parametrize("documents", [[Document()] * 1_000, [Document(verifier="\u202e")]], ids=["many", "acting"])
def test_the_refusal_of_a_request_keeps_nothing_of_it(documents: list[Document]) -> None:
    reader = RequestReader(4096, OrderRequest.DESCRIPTOR, OrderRequest.FromString)
    with pytest.raises(Refused) as refused:
        asyncio.run(reader.read(OrderRequest(documents=documents).SerializeToString()))
    frames = [frame for frame, _ in walk_tb(refused.value.__traceback__)]
    assert frames[-1].f_code.co_name in ("read", "require_few")
    assert refused.value.__context__ is None
    assert not [value for frame in frames for value in frame.f_locals.values() if isinstance(value, Message)]
