"""What one caller may take of a server: calls, connections and bytes, beside which others keep theirs."""

import asyncio

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from gateway.rpc.shares import CALLS_OF_STRANGERS
from gateway.security.identity import parse
from tests.contract.border_scene import (
    COORDINATOR,
    COUNTER,
    DELIVER,
    LONG,
    NODE,
    ORDERS,
    PATIENCE_S,
    PIECE,
    STRANGER,
    SUBMIT,
    SUBMIT_MANY,
    WATCH,
    WATCH_ORDERS,
    Parser,
    asked,
    dial,
    dialled,
    elements,
    health_of_a_node,
    refused,
    refused_silent,
    silent,
    until,
    until_answered,
    why,
)
from tests.contract.small_federation import FEDERATION, Certificates, serving
from tests.federation.refusals import read


def test_strangers_of_one_region_have_few_calls_and_take_nobody_else_s(certificates: Certificates) -> None:
    async def scenario() -> None:
        others = ("region/guangdong/staff/second", "region/hubei/operator/counter", COUNTER)
        async with health_of_a_node(certificates, STRANGER, *others) as (stranger, neighbour, *rest):
            watches: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = stranger.unary_stream(WATCH)
            opened = [watches(b"", timeout=PATIENCE_S) for _ in range(CALLS_OF_STRANGERS)]
            for watch in opened:
                await watch.read()
            assert await asked(stranger) == await asked(neighbour) == "CALLS_TOO_MANY"
            assert await refused_silent(stranger, WATCH) == "CALLS_TOO_MANY"
            assert [await asked(each) for each in rest] == ["", ""]
            for watch in opened:
                watch.cancel()
            await until_answered(stranger)

    asyncio.run(scenario())


@pytest.mark.parametrize("path", [WATCH, WATCH_ORDERS, f"/{ORDERS.full_name}/SubmitOrders"])
def test_silent_streams_of_one_caller_leave_the_places_of_others(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("gateway.rpc.shares.CALLS", 2)

    async def scenario() -> None:
        async with health_of_a_node(certificates, COUNTER, "region/sichuan/operator/second") as (channel, other):
            streams = [silent(channel, path) for _ in range(3)]
            ends = [asyncio.ensure_future(stream.code()) for stream in streams]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            assert [end.result() for end in ends if end.done()] == [grpc.StatusCode.RESOURCE_EXHAUSTED]
            assert await asked(other) == ""
            for stream in streams:
                stream.cancel()
            await until_answered(channel)

    asyncio.run(scenario())


def test_calls_beyond_the_most_at_a_time_are_refused_and_told_when_to_come_again(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rpc.shares.ALL_CALLS", 1)

    async def scenario() -> None:
        async with health_of_a_node(certificates, COUNTER) as (channel,):
            watches: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(WATCH)
            watch = watches(b"", timeout=PATIENCE_S)
            await watch.read()
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await watches(b"", timeout=PATIENCE_S).read()
            assert why(error.value) == await asked(channel) == "SERVER_CALLS_TOO_MANY"
            assert read(error.value).retry_seconds
            watch.cancel()
            await until_answered(channel)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("server", "method", "callers"),
    [
        (COORDINATOR, DELIVER, (NODE, "region/henan")),
        (NODE, SUBMIT, (COUNTER, "region/sichuan/operator/second")),
    ],
    ids=["regions at a coordinator", "operators at a node"],
)
def test_requests_under_way_take_a_share_of_the_bytes_and_those_beyond_it_are_never_parsed(
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    server: str,
    method: MethodDescriptor,
    callers: tuple[str, str],
) -> None:
    data = elements(method, PIECE)
    monkeypatch.setattr("gateway.rpc.shares.BYTES", 3 * len(data))
    parser, region = Parser(), parse(f"spiffe://{FEDERATION}/{server}", FEDERATION).region
    parser.may_answer.clear()

    async def scenario() -> None:
        service = parser.service(method.containing_service)
        async with (
            serving(certificates, server, [service], region) as endpoint,
            dial(certificates, server, callers[0], endpoint) as greedy,
            dial(certificates, server, callers[1], endpoint) as other,
        ):
            calls = [asyncio.ensure_future(refused(greedy, method, data)) for _ in range(5)]
            await until(lambda: sum(each.done() for each in calls) == 2 and len(parser.parsed) == 3)
            assert {each.result() for each in calls if each.done()} == {"REQUEST_BYTES_TOO_MANY"}
            calls.append(asyncio.ensure_future(refused(other, method, data)))
            await until(lambda: len(parser.parsed) == 4)
            parser.may_answer.set()
            assert sorted(await asyncio.gather(*calls)) == 4 * [""] + 2 * ["REQUEST_BYTES_TOO_MANY"]
            assert len(parser.parsed) == 4
            assert await refused(greedy, method, data) == "", "what was answered takes no room"

    asyncio.run(scenario())


def test_calls_on_more_connections_than_a_caller_may_have_are_refused_until_others_end(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rpc.shares.CONNECTIONS", 1)

    async def scenario() -> None:
        async with health_of_a_node(certificates, COUNTER, COUNTER, "region/sichuan/operator/second") as channels:
            first, second, other = channels
            watches: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = first.unary_stream(WATCH)
            watch = watches(b"", timeout=PATIENCE_S)
            await watch.read()
            assert await asked(second) == "CONNECTIONS_TOO_MANY"
            assert await asked(first) == await asked(other) == ""
            watch.cancel()
            await until_answered(second)

    asyncio.run(scenario())


def test_requests_beyond_the_rate_of_their_caller_wait_unparsed_while_others_are_served(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = elements(SUBMIT, PIECE)
    monkeypatch.setattr("gateway.rpc.shares.BYTES_AT_ONCE", len(data))
    monkeypatch.setattr("gateway.rpc.shares.BYTES_PER_SECOND", len(data) / LONG)
    monkeypatch.setattr("gateway.rpc.shares.LONGEST_WAIT", 4 * LONG)
    parser, stream_of = Parser(), f"/{ORDERS.full_name}/SubmitOrders"

    async def scenario() -> None:
        async with (
            serving(certificates, NODE, [parser.service(ORDERS)], "sichuan") as endpoint,
            dial(certificates, NODE, COUNTER, endpoint) as greedy,
            dial(certificates, NODE, "region/sichuan/operator/second", endpoint) as other,
        ):
            assert await refused(greedy, SUBMIT, data) == ""
            calls = [asyncio.ensure_future(refused(greedy, SUBMIT, data)) for _ in range(3)]
            stream = silent(greedy, stream_of)
            await stream.write(data)
            while await refused(greedy, SUBMIT, data) != "REQUEST_BYTES_TOO_MANY":
                pass  # one that came before the others waits in their place
            assert await refused(other, SUBMIT, data) == ""
            assert len(parser.parsed) == 2
            for each in calls:
                each.cancel()
            stream.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(scenario())


def test_a_stream_holds_the_bytes_of_the_message_that_is_being_served(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = elements(SUBMIT_MANY, PIECE)
    monkeypatch.setattr("gateway.rpc.shares.BYTES", len(data))

    async def scenario() -> None:
        async with dialled(certificates, NODE, COUNTER, Parser().service(ORDERS)) as channel:
            stream = silent(channel, f"/{ORDERS.full_name}/SubmitOrders")
            for _ in range(3):
                await stream.write(data)
                assert await stream.read() == b""
            await stream.done_writing()
            assert await stream.code() == grpc.StatusCode.OK

    asyncio.run(scenario())
