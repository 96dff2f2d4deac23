"""The border reads nothing of callers whom it turns away, and of others no more than a request may hold."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from types import FrameType

import grpc
import pytest

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, from_rpc_error
from gateway.rpc.access import LARGEST_REQUEST
from gateway.rpc.element_counts import most_elements, require_few
from gateway.security.identity import server_name
from gateway.security.tls import MAX_MESSAGE_BYTES, client_credentials, client_options
from tests.contract.border_scene import (
    CALLS,
    CHECK,
    COORDINATOR,
    COUNTER,
    DELIVER,
    NODE,
    ORDERS,
    PATIENCE_S,
    STRANGER,
    SUBMIT,
    WATCH,
    WATCH_ORDERS,
    Parser,
    dial,
    dialled,
    elements,
    health_of_a_node,
    largest_request,
    refused,
    refused_silent,
    services,
)
from tests.contract.small_federation import FEDERATION, NOW, Certificates, serving


def test_a_request_of_whom_the_contract_does_not_name_is_never_parsed(certificates: Certificates) -> None:
    async def scenario() -> None:
        parser = Parser()
        for server in (NODE, COORDINATOR):
            served = [parser.service(each) for each in services()]
            async with dialled(certificates, server, STRANGER, *served) as channel:
                told = {
                    f"{method.full_name} {len(data)}": await refused(channel, method, data)
                    for service in services()
                    for method in service.methods
                    for data in (b"", b"\0" * 1_000)
                }
            assert {name: reason for name, reason in told.items() if reason != "PERMISSION_DENIED"} == {}
        assert parser.parsed == []

    asyncio.run(scenario())


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_compressed_request_is_refused_whoever_sends_it(
    certificates: Certificates, compression: grpc.Compression
) -> None:
    async def scenario() -> None:
        parser = Parser()
        for server, caller, method in CALLS:
            async with dialled(certificates, server, caller, parser.service(method.containing_service)) as channel:
                assert await refused(channel, method, elements(method, 7_000_000), compression) == "UNIMPLEMENTED"
        assert parser.parsed == []

    asyncio.run(scenario())


def test_a_request_of_more_bytes_than_its_method_allows_is_refused_before_it_is_parsed(
    certificates: Certificates,
) -> None:
    async def scenario() -> None:
        for server, caller, method in CALLS:
            parser, service = Parser(), method.containing_service
            largest = largest_request(method)
            assert largest == (LARGEST_REQUEST if method is not DELIVER else 4 * 1024 * 1024)
            async with dialled(certificates, server, caller, parser.service(service)) as channel:
                assert await refused(channel, method, elements(method, largest)) == "MESSAGE_TOO_LARGE"
                assert parser.parsed == []

    asyncio.run(scenario())


def test_a_request_of_more_elements_than_its_bytes_are_for_is_refused_before_it_is_parsed(
    certificates: Certificates,
) -> None:
    async def scenario() -> None:
        for server, caller, method in CALLS:
            parser, most = Parser(), most_elements(largest_request(method))
            async with dialled(certificates, server, caller, parser.service(method.containing_service)) as channel:
                assert await refused(channel, method, elements(method, most + 1)) == "TOO_MANY_ELEMENTS"
                assert parser.parsed == []
                assert await refused(channel, method, elements(method, most)) == ""

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["region", "reason", "self", "refused", "parameters"])
def test_a_refusal_that_a_peer_sent_passes_whatever_its_parameters_are_called(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def require(*_: object) -> None:
        raise Refused(Reason.REASON_TOO_BUSY, **{name: "henan"})

    monkeypatch.setattr("gateway.rpc.request_streams.require_few", require)

    async def scenario() -> None:
        async with dialled(certificates, NODE, COUNTER, Parser().service(ORDERS)) as channel:
            submit: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                f"/{ORDERS.full_name}/{SUBMIT.name}"
            )
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await submit(elements(SUBMIT, 1), timeout=PATIENCE_S, wait_for_ready=True)
            told = from_rpc_error(ended.value)
            assert told is not None
            assert (told.reason, told.parameters) == (Reason.REASON_TOO_BUSY, {name: "henan"})

    asyncio.run(scenario())


def fail(*_: object) -> None:
    raise RuntimeError("a defect")


def fail_together(data: bytes, *_: object) -> None:
    try:
        fail(data)
    except RuntimeError as error:
        raise ExceptionGroup("defects", [error]) from None


def bytes_in(frame: FrameType) -> list[bytes]:
    return [value for value in frame.f_locals.values() if isinstance(value, bytes)]


@pytest.mark.parametrize(
    ("check", "reason"), [(require_few, "TOO_MANY_ELEMENTS"), (fail, "INTERNAL"), (fail_together, "INTERNAL")]
)
def test_nothing_keeps_a_request_whose_call_has_ended_with_an_error(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, check: Callable[..., None], reason: str
) -> None:
    monkeypatch.setattr("gateway.rpc.request_streams.require_few", check)
    monkeypatch.setattr("gateway.rpc.incidents._log.disabled", True)  # pytest keeps what is logged

    def keepers(request: bytes) -> list[FrameType]:
        frames = [each for each in gc.get_objects() if isinstance(each, FrameType)]
        return [each for each in frames if any(value is not request and value == request for value in bytes_in(each))]

    async def scenario() -> None:
        for server, caller, method in CALLS:
            request = elements(method, most_elements(largest_request(method)) + 1)
            async with dialled(certificates, server, caller, Parser().service(method.containing_service)) as channel:
                assert await refused(channel, method, request) == reason
                assert keepers(request) == []

    gc.collect()
    gc.disable()  # it would end the circle of gRPC's end of a call
    try:
        asyncio.run(scenario())
    finally:
        gc.enable()


class Words(str):
    """A text that is known to be gone."""


def test_nothing_keeps_the_long_words_of_a_peer_whose_refusal_the_border_passes_on(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[weakref.ref[Words]] = []

    def refuse(*_: object) -> None:
        words = Words("x" * 2000)
        told.append(weakref.ref(words))
        raise Refused(Reason.REASON_CALLS_TOO_MANY, caller=words, calls="1")

    monkeypatch.setattr("gateway.rpc.request_streams.require_few", refuse)

    async def scenario() -> None:
        for server, caller, method in CALLS:
            async with dialled(certificates, server, caller, Parser().service(method.containing_service)) as channel:
                assert await refused(channel, method, elements(method, 1)) == "CALLS_TOO_MANY"

    asyncio.run(scenario())
    gc.collect()
    assert told
    assert not any(each() for each in told)


def test_a_caller_who_is_turned_away_is_told_so_before_anything_is_sent(certificates: Certificates) -> None:
    async def scenario() -> None:
        for server in (NODE, COORDINATOR):
            served = [Parser().service(each) for each in services()]
            async with dialled(certificates, server, STRANGER, *served) as channel:
                told = {
                    method.full_name: await refused_silent(channel, f"/{service.full_name}/{method.name}")
                    for service in services()
                    for method in service.methods
                }
            assert {name: reason for name, reason in told.items() if reason != "PERMISSION_DENIED"} == {}

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [100, MAX_MESSAGE_BYTES])
def test_a_client_whose_request_is_not_read_is_told_why(certificates: Certificates, size: int) -> None:
    def why_synchronously(endpoint: str) -> str:
        options = client_options(server_name(Role.ROLE_REGION, "sichuan", FEDERATION))
        credentials = client_credentials(certificates.credentials(STRANGER), NOW)
        with grpc.secure_channel(endpoint, credentials, options) as channel:
            watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(WATCH_ORDERS)
            with pytest.raises(grpc.RpcError) as error:
                next(watch(bytes(size), timeout=PATIENCE_S))
        return str(error.value)

    async def scenario() -> None:
        async with serving(certificates, NODE, [Parser().service(ORDERS)], "sichuan") as endpoint:
            async with dial(certificates, NODE, STRANGER, endpoint) as channel:
                told = await refused(channel, ORDERS.methods_by_name["WatchOrders"], bytes(size))
            assert told == "PERMISSION_DENIED"
            assert "PERMISSION_DENIED" in await asyncio.to_thread(why_synchronously, endpoint)

    asyncio.run(scenario())


def test_a_call_whose_request_does_not_come_is_ended(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rpc.request_streams.PATIENCE", 0)
    monkeypatch.setattr("gateway.rpc.request_streams.BYTES_PER_SECOND", 2**30)

    async def scenario() -> None:
        async with health_of_a_node(certificates, COUNTER) as (channel,):
            for path in (CHECK, WATCH, WATCH_ORDERS, f"/{ORDERS.full_name}/{SUBMIT.name}"):
                assert await refused_silent(channel, path) == "REQUEST_NOT_SENT", path

    asyncio.run(scenario())
