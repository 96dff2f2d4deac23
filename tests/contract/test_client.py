"""What a channel of the client adds to calls, over real connections: by threads and by asyncio alike."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from gateway import client
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import (
    ListOrdersRequest,
    ListOrdersResponse,
    SubmitOrderRequest,
    SubmitOrderResponse,
    WatchOrdersRequest,
    WatchOrdersResponse,
)
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.client import Refused, Region, Unanswered
from gateway.errors import Refused as Refusal
from gateway.errors import invalid, to_status
from gateway.rpc.server import Service
from gateway.security.tls import CredentialsUnusable
from tests.contract.border_scene import COUNTER, NODE, ORDERS, PATIENCE_S
from tests.contract.small_federation import FEDERATION, NOTHING_LISTENS, Certificates, serving

Context = grpc.aio.ServicerContext[Message, Message]
Failure = Refusal | grpc.StatusCode | Status
WAIT = 5
REQUEST = SubmitOrderRequest(request_id="R-1", order=OrderRequest(business="PAY"), wait=Duration(seconds=WAIT))
AWAY = grpc.StatusCode.UNAVAILABLE
LATER = Refusal(Reason.REASON_OPEN_WORK_TOO_MUCH)  # after 60 s
FULL = Refusal(Reason.REASON_STORE_UNAVAILABLE)
MANY = 200  # calls one after the other
TIMEOUT = 30.0  # seconds: shorter than any time that a server here has its callers wait


@dataclass
class Node:
    """Orders that fail as a test wants, and what the node was asked."""

    failures: list[Failure] = field(default_factory=list)
    """Of the calls to come; a call after them is answered."""
    ends: list[tuple[int, Failure | None]] = field(default_factory=list)
    """How the watches to come end: after how many changes, and by which failure, if any."""
    changes: int = 0
    """All changes that there are; a watch tells those after its token, and waits for more."""
    pages: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The order and the next token of each page, by its token."""
    submitted: list[SubmitOrderRequest] = field(default_factory=list)
    left: list[float] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)
    held: asyncio.Event | None = None
    """Watches do not end before it is set."""

    async def submit(self, request: SubmitOrderRequest, context: Context) -> SubmitOrderResponse:
        self.submitted.append(request)
        self.left.append(context.time_remaining() or 0.0)
        if self.failures:
            await fail(self.failures.pop(0), context)
        return SubmitOrderResponse(order=Order(id="sichuan/1"))

    async def list(self, request: ListOrdersRequest, context: Context) -> ListOrdersResponse:
        if self.failures:
            await fail(self.failures.pop(0), context)
        order, token = self.pages[request.page_token]
        return ListOrdersResponse(orders=[Order(id=order)], next_page_token=token)

    async def watch(self, request: WatchOrdersRequest, context: Context) -> AsyncIterator[WatchOrdersResponse]:
        self.watched.append(request.token)
        after = int(request.token or 0)
        told, failure = self.ends.pop(0) if self.ends else (self.changes, AWAY)
        yield WatchOrdersResponse(token=str(after))
        for change in range(after + 1, min(after + told, self.changes) + 1):
            yield WatchOrdersResponse(token=str(change), order=Order(id=str(change)))
        if self.held is not None:
            await self.held.wait()
        if failure is not None:
            await fail(failure, context)

    @asynccontextmanager
    async def serving(self, certificates: Certificates) -> AsyncIterator[Region]:
        """Serves; what is given calls it as an operator."""
        handlers: dict[str, grpc.RpcMethodHandler[Message, Message]] = {
            "SubmitOrder": grpc.unary_unary_rpc_method_handler(
                self.submit, SubmitOrderRequest.FromString, SubmitOrderResponse.SerializeToString
            ),
            "ListOrders": grpc.unary_unary_rpc_method_handler(
                self.list, ListOrdersRequest.FromString, ListOrdersResponse.SerializeToString
            ),
            "WatchOrders": grpc.unary_stream_rpc_method_handler(
                self.watch, WatchOrdersRequest.FromString, WatchOrdersResponse.SerializeToString
            ),
        }
        generic = grpc.method_handlers_generic_handler(ORDERS.full_name, handlers)
        service = Service(ORDERS, lambda server: server.add_generic_rpc_handlers((generic,)))
        async with serving(certificates, NODE, [service], "sichuan") as endpoint:
            yield region_at(endpoint, certificates)


async def fail(failure: Failure, context: Context) -> None:
    if isinstance(failure, Refusal):
        raise failure
    if isinstance(failure, Status):
        await context.abort_with_status(rpc_status.to_status(failure))
    await context.abort(failure, "as the test wants")


def region_at(endpoint: str, certificates: Certificates, patience: float = PATIENCE_S) -> Region:
    """The node at an endpoint, for an operator."""
    directory = certificates.credentials(COUNTER).certificate.parent
    return Region(endpoint, "sichuan", FEDERATION, directory, patience=patience)


def after_a_minute(reason: Reason.ValueType) -> Status:
    """A refusal that has its caller wait for a minute."""
    status = to_status(Refusal(reason))
    detail = next(each for each in status.details if each.type_url.endswith(RetryInfo.DESCRIPTOR.full_name))
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=60)))
    return status


@dataclass(frozen=True)
class Way:
    """How a program calls."""

    refused: Callable[[Region, int], Awaitable[list[Refused]]]
    """The refusals of so many calls of a channel."""
    submit: Callable[[Region, float | None], Awaitable[Order]]
    orders: Callable[[Region], Awaitable[list[str]]]
    """The ids in all pages."""
    watched: Callable[[Region, WatchOrdersRequest, int], Awaitable[list[str]]]
    """The ids of the orders in so many messages."""


async def refused_by_a_task(region: Region, number: int) -> list[Refused]:
    refusals: list[Refused] = []
    async with region.aio_channel() as channel:
        for _ in range(number):
            try:
                await OrderServiceStub(channel).SubmitOrder(REQUEST, timeout=TIMEOUT)
            except Refused as refused:
                refusals.append(refused)
    return refusals


async def refused_by_a_thread(region: Region, number: int) -> list[Refused]:
    def run() -> list[Refused]:
        refusals: list[Refused] = []
        with region.channel() as channel:
            for _ in range(number):
                try:
                    OrderServiceStub(channel).SubmitOrder(REQUEST, timeout=TIMEOUT)
                except Refused as refused:
                    refusals.append(refused)
        return refusals

    return await asyncio.to_thread(run)


async def submitted_by_a_task(region: Region, timeout: float | None) -> Order:
    async with region.aio_channel() as channel:
        return (await OrderServiceStub(channel).SubmitOrder(REQUEST, timeout=timeout)).order


async def submitted_by_a_thread(region: Region, timeout: float | None) -> Order:
    def run() -> Order:
        with region.channel() as channel:
            return OrderServiceStub(channel).SubmitOrder(REQUEST, timeout=timeout).order

    return await asyncio.to_thread(run)


async def listed_by_a_task(region: Region) -> list[str]:
    async with region.aio_channel() as channel:
        pages = client.aio.pages(OrderServiceStub(channel).ListOrders, ListOrdersRequest())
        return [order.id async for page in pages for order in page.orders]


async def listed_by_a_thread(region: Region) -> list[str]:
    def run() -> list[str]:
        with region.channel() as channel:
            pages = client.pages(OrderServiceStub(channel).ListOrders, ListOrdersRequest())
            return [order.id for page in pages for order in page.orders]

    return await asyncio.to_thread(run)


async def watched_by_a_task(region: Region, request: WatchOrdersRequest, number: int) -> list[str]:
    async with region.aio_channel() as channel:
        messages = client.aio.watch(OrderServiceStub(channel).WatchOrders, request)
        told = [(await anext(messages)).order.id for _ in range(number)]
        await messages.aclose()
        return told


async def watched_by_a_thread(region: Region, request: WatchOrdersRequest, number: int) -> list[str]:
    def run() -> list[str]:
        with (
            region.channel() as channel,
            closing(client.watch(OrderServiceStub(channel).WatchOrders, request)) as messages,
        ):
            return [next(messages).order.id for _ in range(number)]

    return await asyncio.to_thread(run)


WAYS = {
    "task": Way(refused_by_a_task, submitted_by_a_task, listed_by_a_task, watched_by_a_task),
    "thread": Way(refused_by_a_thread, submitted_by_a_thread, listed_by_a_thread, watched_by_a_thread),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """Both ways."""
    return WAYS[request.param]


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop for a node, and for the calls of asyncio."""
    with asyncio.Runner() as runner:
        yield runner


def test_a_call_has_a_deadline_and_is_sent_again_unchanged_until_it_is_answered(
    certificates: Certificates, runner: asyncio.Runner, way: Way
) -> None:
    async def story() -> None:
        node = Node(failures=[AWAY, Refusal(Reason.REASON_INTERNAL, incident="7"), FULL])
        async with node.serving(certificates) as region:
            assert (await way.submit(region, None)).id == "sichuan/1"
        assert node.submitted == [REQUEST] * 4
        assert all(WAIT < left <= PATIENCE_S for left in node.left)

    runner.run(story())


def test_a_refusal_tells_its_reason_texts_and_field_and_is_not_repeated(
    certificates: Certificates, runner: asyncio.Runner, way: Way
) -> None:
    async def story() -> None:
        node = Node(failures=[invalid("order.number", "it is empty", "不能为空")])
        async with node.serving(certificates) as region:
            with pytest.raises(Refused) as refused:
                await way.submit(region, None)
        assert len(node.submitted) == 1
        told = refused.value
        assert (told.name, told.field, told.is_temporary) == ("REQUEST_INVALID", "order.number", False)
        assert told.reason == Reason.REASON_REQUEST_INVALID
        assert told.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "it is empty" in told.text.en
        assert "不能为空" in told.text.zh_cn

    runner.run(story())


def test_a_caller_that_the_server_would_have_wait_beyond_its_timeout_learns_so_at_once(
    certificates: Certificates, runner: asyncio.Runner, way: Way
) -> None:
    async def story() -> None:
        node = Node(failures=[LATER])
        async with node.serving(certificates) as region:
            with pytest.raises(Refused) as refused:
                await way.submit(region, 30.0)
            assert (refused.value.is_temporary, refused.value.retry_after) == (True, 60.0)
            node.failures = [AWAY, LATER]
            with pytest.raises(Unanswered) as unanswered:
                await way.submit(region, 30.0)
            assert unanswered.value.refused is not None
            assert unanswered.value.refused.name == refused.value.name
        assert len(node.submitted) == 3

    runner.run(story())


def test_where_nobody_listens_the_caller_learns_so_after_its_patience(
    certificates: Certificates, runner: asyncio.Runner, way: Way
) -> None:
    with pytest.raises(Unanswered) as unanswered:
        runner.run(_submitted(way, region_at(NOTHING_LISTENS, certificates, patience=0.5)))
    # A machine that needs all of the patience for the first attempt has no refused connection to tell of.
    assert unanswered.value.code() in (AWAY, grpc.StatusCode.DEADLINE_EXCEEDED)


def test_a_client_sends_few_calls_to_a_node_without_room_and_refuses_the_others_in_its_words(
    certificates: Certificates, runner: asyncio.Runner, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.client.throttling.MEMORY", 600.0)  # a busy machine makes no call forgotten

    async def story() -> None:
        node = Node(failures=[after_a_minute(Reason.REASON_CALLS_TOO_MANY)] * MANY)
        async with node.serving(certificates) as region:
            refusals = await way.refused(region, MANY)
        told = {(each.name, each.code(), each.text.en, each.text.zh_cn) for each in refusals}
        by_client = [each for each in refusals if each.is_local]
        assert len(told) == 1, "a refusal is the same whoever refuses"
        assert len(node.submitted) == MANY - len(by_client)
        assert 0 < len(node.submitted) < MANY / 4
        assert all(each.is_temporary and 0 < (each.retry_after or 0) <= 60 for each in by_client)
        assert all(each.__cause__ is None for each in by_client), "nothing has failed beneath"
        assert all(each.__cause__ not in (None, each) for each in refusals if not each.is_local)

    runner.run(story())


def test_a_client_that_holds_orders_back_reads_all_the_same(certificates: Certificates, runner: asyncio.Runner) -> None:
    async def story() -> None:
        node = Node(failures=[after_a_minute(Reason.REASON_CALLS_TOO_MANY)] * MANY, pages={"": ("first", "")})
        async with node.serving(certificates) as region, region.aio_channel() as channel:
            orders = OrderServiceStub(channel)
            held_back = False
            while not held_back:
                with pytest.raises(Refused) as refused:
                    await orders.SubmitOrder(REQUEST, timeout=TIMEOUT)
                held_back = refused.value.is_local
            node.failures = []
            assert [each.id for each in (await orders.ListOrders(ListOrdersRequest())).orders] == ["first"]

    runner.run(story())


@pytest.mark.parametrize("reason", [Reason.REASON_OPEN_WORK_TOO_MUCH, Reason.REASON_ORDERS_WAITING_TOO_MANY])
def test_a_refusal_of_one_order_keeps_no_other_order_from_the_node(
    certificates: Certificates, runner: asyncio.Runner, way: Way, reason: Reason.ValueType
) -> None:
    async def story() -> None:
        node = Node(failures=[after_a_minute(reason)] * 20)
        async with node.serving(certificates) as region:
            assert len(await way.refused(region, 20)) == 20
        assert len(node.submitted) == 20

    runner.run(story())


def test_a_client_that_is_told_not_to_throttle_sends_every_call(
    certificates: Certificates, runner: asyncio.Runner, way: Way
) -> None:
    async def story() -> None:
        node = Node(failures=[after_a_minute(Reason.REASON_CALLS_TOO_MANY)] * 20)
        async with node.serving(certificates) as region:
            await way.refused(replace(region, throttles=False), 20)
        assert len(node.submitted) == 20

    runner.run(story())


async def _submitted(way: Way, region: Region) -> Order:
    return await way.submit(region, None)


def test_the_pages_of_a_list_are_read_to_the_last(certificates: Certificates, runner: asyncio.Runner, way: Way) -> None:
    async def story() -> None:
        node = Node(failures=[AWAY], pages={"": ("first", "2"), "2": ("second", "3"), "3": ("third", "")})
        async with node.serving(certificates) as region:
            assert await way.orders(region) == ["first", "second", "third"]

    runner.run(story())


def test_a_watch_tells_each_change_once_whatever_cuts_it(
    certificates: Certificates, runner: asyncio.Runner, way: Way
) -> None:
    async def story() -> None:
        node = Node(changes=6, ends=[(2, AWAY), (0, FULL), (1, None), (2, None)])
        request = WatchOrdersRequest()
        async with node.serving(certificates) as region:
            assert await way.watched(region, request, 7) == ["", "1", "2", "3", "4", "5", "6"]
        assert node.watched == ["", "2", "2", "3", "5"]
        assert request == WatchOrdersRequest(), "the request of the caller is as it was"

    runner.run(story())


def test_a_watch_that_is_refused_ends(certificates: Certificates, runner: asyncio.Runner, way: Way) -> None:
    async def story() -> None:
        node = Node(changes=1, ends=[(1, Refusal(Reason.REASON_TOKEN_INVALID))])
        async with node.serving(certificates) as region:
            with pytest.raises(Refused) as refused:
                await way.watched(region, WatchOrdersRequest(), 3)
        assert refused.value.name == "TOKEN_INVALID"
        assert len(node.watched) == 1

    runner.run(story())


def test_a_watch_of_a_thread_ends_with_its_channel_also_in_a_long_pause(
    certificates: Certificates, runner: asyncio.Runner
) -> None:
    def watched(region: Region, stop: threading.Event, interrupted: threading.Event) -> list[str]:
        with region.channel() as channel:
            rpc = OrderServiceStub(channel).WatchOrders
            told = []
            for message in client.watch(rpc, WatchOrdersRequest(), tell=lambda _: interrupted.set(), stop=stop):
                told.append(message.order.id)
                if message.order.id == "1":
                    channel.close()  # as another thread does
            return told

    async def story() -> None:
        stop, interrupted = threading.Event(), threading.Event()
        node = Node(changes=1, held=asyncio.Event())
        async with node.serving(certificates) as region, asyncio.timeout(PATIENCE_S):
            assert await asyncio.to_thread(watched, region, stop, interrupted) == ["", "1"]
            node = Node(ends=[(0, LATER)])
        interrupted.clear()
        async with node.serving(certificates) as region, asyncio.timeout(PATIENCE_S):
            watching = asyncio.create_task(asyncio.to_thread(watched, region, stop, interrupted))
            assert await asyncio.to_thread(interrupted.wait, PATIENCE_S)
            stop.set()
            assert await watching == [""]

    runner.run(story())


@pytest.mark.parametrize("is_answered", [False, True])
def test_a_watch_of_a_task_ends_with_a_closed_channel_and_its_task_goes_on(
    certificates: Certificates, runner: asyncio.Runner, is_answered: bool
) -> None:
    async def story() -> None:
        arrived, go = asyncio.Event(), asyncio.Event()

        class Slow(Node):
            async def watch(self, request: WatchOrdersRequest, context: Context) -> AsyncIterator[WatchOrdersResponse]:
                if is_answered:
                    yield WatchOrdersResponse(token="1")
                arrived.set()
                await go.wait()
                await fail(AWAY, context)

        async with Slow().serving(certificates) as region, asyncio.timeout(PATIENCE_S):
            channel = region.aio_channel()
            rpc = OrderServiceStub(channel).WatchOrders
            told: list[str] = []
            begun = asyncio.Event()

            async def watched() -> str:
                async for message in client.aio.watch(rpc, WatchOrdersRequest()):
                    told.append(message.token)
                    begun.set()
                return "ended"

            watching, leaving = asyncio.create_task(watched()), asyncio.create_task(watched())
            await (begun if is_answered else arrived).wait()
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            await channel.close()
            if is_answered:
                go.set()  # gRPC closes a channel of asyncio under a stream that runs
            assert await watching == "ended"

    runner.run(story())


def test_a_channel_is_not_made_without_usable_credentials(certificates: Certificates) -> None:
    region = region_at(NOTHING_LISTENS, certificates)
    (region.credentials / "tls.key").unlink()
    for make in (region.channel, region.aio_channel):
        with pytest.raises(CredentialsUnusable):
            make()
