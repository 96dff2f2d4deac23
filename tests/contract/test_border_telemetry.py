"""The border carries the trace of a call, and records the durations of calls where somebody collects them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from opentelemetry.sdk.metrics.export import Histogram, InMemoryMetricReader, NumberDataPoint

from gateway.api.region.v1.order_service_pb2 import (
    GetOrderRequest,
    SubmitOrderRequest,
    SubmitOrderResponse,
    WatchOrdersRequest,
    WatchOrdersResponse,
)
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.metrics import CallMetrics, UnrecordedCalls
from gateway.process.telemetry import Telemetry
from gateway.process.tracing import current_traceparent
from gateway.relay import outbox
from gateway.relay.envelopes import Sealed
from gateway.rpc.admission import BESIDE_FEW
from gateway.rpc.metrics import observe_door
from gateway.rpc.server import Service
from tests.at_rest import received
from tests.contract.border_scene import (
    COUNTER,
    NODE,
    ORDERS,
    PATIENCE_S,
    WATCH,
    Parser,
    asked,
    dial,
    health_of_a_node,
    why,
)
from tests.contract.relay_scene import Scene, play
from tests.contract.small_federation import Certificates, border, serving

TRACES = [f"00-{digit * 32}-{digit * 16}-01" for digit in "12"]
Submit = Callable[[str], Awaitable[None]]
Context = grpc.aio.ServicerContext[Message, Message]


def orders(submit: Submit) -> Service:
    """Submissions, which do with their request id as the test wants; a watch, and a method that gRPC itself ends."""

    async def submit_order(request: SubmitOrderRequest, context: Context) -> SubmitOrderResponse:
        await submit(request.request_id)
        return SubmitOrderResponse()

    async def watch(request: WatchOrdersRequest, context: Context) -> AsyncIterator[WatchOrdersResponse]:
        yield WatchOrdersResponse()
        await asyncio.Event().wait()

    async def abort(request: GetOrderRequest, context: Context) -> None:
        await context.abort(grpc.StatusCode.DATA_LOSS)

    handlers: dict[str, grpc.RpcMethodHandler[Message, Message]] = {
        "SubmitOrder": grpc.unary_unary_rpc_method_handler(
            submit_order, SubmitOrderRequest.FromString, SubmitOrderResponse.SerializeToString
        ),
        "WatchOrders": grpc.unary_stream_rpc_method_handler(
            watch, WatchOrdersRequest.FromString, WatchOrdersResponse.SerializeToString
        ),
        "GetOrder": grpc.unary_unary_rpc_method_handler(abort, GetOrderRequest.FromString),
    }
    generic = grpc.method_handlers_generic_handler(ORDERS.full_name, handlers)
    return Service(ORDERS, lambda server: server.add_generic_rpc_handlers((generic,)))


@asynccontextmanager
async def node(
    certificates: Certificates, submit: Submit, calls: CallMetrics | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """The channel of an operator to a node with these orders."""
    async with (
        serving(certificates, NODE, [orders(submit)], "sichuan", calls) as endpoint,
        dial(certificates, NODE, COUNTER, endpoint) as channel,
    ):
        yield channel


def call(
    channel: grpc.aio.Channel, request_id: str, traceparent: str = ""
) -> "grpc.aio.UnaryUnaryCall[SubmitOrderRequest, SubmitOrderResponse]":
    metadata = (("traceparent", traceparent),) if traceparent else ()
    request = SubmitOrderRequest(request_id=request_id)
    return OrderServiceStub(channel).SubmitOrder(request, timeout=PATIENCE_S, metadata=metadata)


async def ends(call: Awaitable[object]) -> str:
    """The reason of a refused call, or its status without a reason; empty for an answered one."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return why(error)
    return ""


def durations(reader: InMemoryMetricReader) -> dict[tuple[str, str], int]:
    """The number of served calls whose duration was recorded, by method and status."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        (
            str((point.attributes or {})["rpc.method"]).rpartition("/")[2],
            str((point.attributes or {})["rpc.response.status_code"]),
        ): point.count
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if isinstance(metric.data, Histogram) and metric.name == "rpc.server.call.duration"
        for point in metric.data.data_points
    }


def test_the_trace_of_a_caller_reaches_outbox_and_inbox_without_an_exporter(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        left: list[Sealed] = []

        async def submit(request_id: str) -> None:
            left.append(await scene.send(request_id, current_traceparent()))

        async with node(Certificates(tmp_path), submit) as channel:
            await call(channel, "1", TRACES[0])
        await scene.receive(left[0])
        queued = await scene.store.read(lambda tx: [row.traceparent for row in outbox.rows_about(tx, "order 1")])
        kept = await scene.store.read(lambda tx: [EnvelopeContent.FromString(row.content) for row in received(tx)])
        assert queued == [content.traceparent for content in kept] == TRACES[:1]

    play(tmp_path, scenario)


def test_calls_at_one_time_do_not_see_each_other_s_trace(tmp_path: Path) -> None:
    async def scenario() -> None:
        callers = {"first": TRACES[0], "second": TRACES[1], "without": "", "invalid": "00-1"}
        all_are_served, seen = asyncio.Barrier(len(callers)), dict[str, str]()

        async def submit(request_id: str) -> None:
            await all_are_served.wait()
            seen[request_id] = current_traceparent()

        async with node(Certificates(tmp_path), submit) as channel:
            await asyncio.gather(*(call(channel, name, trace) for name, trace in callers.items()))
        assert [seen["first"], seen["second"]] == TRACES
        assert len(set(seen.values())) == len(callers)
        assert {len(each) for each in seen.values()} == {len(TRACES[0])}

    asyncio.run(scenario())


def test_each_call_is_recorded_with_its_status_and_gives_its_place_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rpc.shares.CALLS", 1)

    async def scenario() -> None:
        begun = asyncio.Event()

        async def submit(request_id: str) -> None:
            match request_id:
                case "refused":
                    raise Refused(Reason.REASON_ORDER_NOT_FOUND, order="henan/counter/R1")
                case "defect":
                    raise ZeroDivisionError
                case "slow":
                    begun.set()
                    await asyncio.Event().wait()

        reader = InMemoryMetricReader()
        telemetry = Telemetry.of("region-node", "sichuan", [reader])
        async with node(Certificates(tmp_path), submit, telemetry.calls) as channel:
            assert await ends(call(channel, "answered")) == ""
            assert await ends(call(channel, "refused")) == "ORDER_NOT_FOUND"
            assert await ends(call(channel, "defect")) == "INTERNAL"
            stub = OrderServiceStub(channel)
            assert await ends(stub.GetOrder(GetOrderRequest(), timeout=PATIENCE_S)) == "DATA_LOSS"
            watch = stub.WatchOrders(WatchOrdersRequest(), timeout=PATIENCE_S)
            await watch.read()
            assert await ends(call(channel, "answered")) == "CALLS_TOO_MANY"
            watch.cancel()
            slow = await begins(channel, begun)
            slow.cancel()
            async with asyncio.timeout(PATIENCE_S):
                while await ends(call(channel, "answered")):
                    pass
        counted = durations(reader)
        telemetry.shutdown()
        assert counted.pop(("SubmitOrder", "RESOURCE_EXHAUSTED")) >= 1
        assert counted == {
            ("SubmitOrder", "OK"): 2,
            ("SubmitOrder", "NOT_FOUND"): 1,
            ("SubmitOrder", "INTERNAL"): 1,
            ("SubmitOrder", "CANCELLED"): 1,
            ("GetOrder", "DATA_LOSS"): 1,
            ("WatchOrders", "CANCELLED"): 1,
        }

    asyncio.run(scenario())


async def begins(
    channel: grpc.aio.Channel, begun: asyncio.Event
) -> "grpc.aio.UnaryUnaryCall[SubmitOrderRequest, SubmitOrderResponse]":
    """A call that is being served, once the caller has a place for it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            slow = call(channel, "slow")
            ended = asyncio.ensure_future(slow.code())
            serving_it = asyncio.ensure_future(begun.wait())
            await asyncio.wait([ended, serving_it], return_when=asyncio.FIRST_COMPLETED)
            if begun.is_set():
                ended.cancel()
                return slow
            serving_it.cancel()


def points(reader: InMemoryMetricReader, name: str) -> dict[tuple[str, ...], float]:
    """The values of a metric, by those of its attributes in the order of their names."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        tuple(str(value) for _, value in sorted((point.attributes or {}).items())): point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
        if isinstance(point, NumberDataPoint)
    }


def test_calls_without_room_are_counted_by_reason_and_by_the_role_of_their_caller_alone(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rpc.shares.CALLS", 1)

    async def scenario() -> None:
        door = border([Parser().service(ORDERS)], "sichuan")
        reader = InMemoryMetricReader()
        telemetry = Telemetry.of("region-node", "sichuan", [reader])
        observe_door(telemetry.meter, door)
        staff = "region/sichuan/staff/zhao"
        async with health_of_a_node(certificates, COUNTER, staff, door=door) as channels:
            for channel in channels:
                watches: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(WATCH)
                watch = watches(b"", timeout=PATIENCE_S)
                await watch.read()
                assert await asked(channel) == "CALLS_TOO_MANY"
            monkeypatch.setattr("gateway.rpc.shares.ALL_CALLS", 1)
            assert await asked(channels[0]) == "SERVER_CALLS_TOO_MANY"
        assert points(reader, "crossregion.door.refused") == {
            ("CALLS_TOO_MANY", "operator"): 1,
            ("CALLS_TOO_MANY", "staff"): 1,
            ("SERVER_CALLS_TOO_MANY", "unspecified"): 1,
        }
        gauges = ("waiting", "served", "places")
        assert [points(reader, f"crossregion.door.{each}")[()] for each in gauges] == [0, 0, BESIDE_FEW]
        telemetry.shutdown()

    asyncio.run(scenario())


def test_durations_are_not_recorded_where_nobody_collects_them() -> None:
    telemetry = Telemetry.of("region-node", "sichuan")
    assert isinstance(telemetry.calls, UnrecordedCalls)
    telemetry.shutdown()
