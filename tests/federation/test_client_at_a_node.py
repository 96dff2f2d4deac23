"""The client of `gateway.client` at a real node, over a link that breaks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest
from google.protobuf.duration_pb2 import Duration

from gateway import client
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.order_service_pb2 import (
    ListOrdersRequest,
    SubmitOrderRequest,
    WatchOrdersRequest,
    WatchOrdersResponse,
)
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.client import Refused, Region
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy
from tests.federation.commands import as_caller
from tests.federation.counter import REQUESTER, Counter
from tests.federation.running import CALL_SECONDS, Federation, until

# A client over a link is the same whatever the engine of the node.
pytestmark = pytest.mark.files


@pytest.fixture
def link(federation: Federation) -> Iterator[FaultProxy]:
    """The link to Guangdong's node."""
    background = Background()
    proxy = FaultProxy(background, lambda: federation.endpoint("guangdong"))
    yield proxy
    proxy.close()
    background.close()


def region_of(federation: Federation, link: FaultProxy) -> Region:
    """The node, as the counter's environment names it."""
    return Region.from_environment(as_caller(federation, "guangdong", "operator/counter", node=link.endpoint))


async def test_an_order_whose_answer_is_lost_is_sent_again_and_done_once(
    federation: Federation, link: FaultProxy, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(balance=0)
    listing = ListOrdersRequest(number=number, page_size=1, requester=REQUESTER)
    wait = Duration(seconds=10)
    request = SubmitOrderRequest(request_id=federation.next_id(), order=guangdong.request("PAY", number), wait=wait)
    another = guangdong.request("PAY", number, amount="1")
    loop = asyncio.get_running_loop()
    connected = asyncio.Event()

    def run() -> tuple[Order, list[str]]:
        with region_of(federation, link).channel() as channel:
            orders = OrderServiceStub(channel)
            assert [page for page in client.pages(orders.ListOrders, listing) if page.orders] == []
            link.drop_answers()
            loop.call_soon_threadsafe(connected.set)
            order = orders.SubmitOrder(request).order
            with pytest.raises(Refused) as refused:
                orders.SubmitOrder(SubmitOrderRequest(request_id=request.request_id, order=another))
            assert refused.value.name == "REQUEST_ID_REUSED"
            return order, [each.id for page in client.pages(orders.ListOrders, listing) for each in page.orders]

    async def is_paid_and_the_answer_lost() -> bool:
        return await sichuan.balance(number) == 5000 and link.most(lambda each: each.answers.lost) > 0

    running = asyncio.create_task(asyncio.to_thread(run))
    await connected.wait()
    await until(is_paid_and_the_answer_lost, "the order is done, and nobody has told its caller")
    link.heal()
    async with asyncio.timeout(CALL_SECONDS):
        order, listed = await running
    assert listed == [order.id] == [f"guangdong/counter/{request.request_id}"]
    assert await sichuan.balance(number) == 5000


async def test_a_watch_over_a_link_that_is_cut_tells_every_change_once(
    federation: Federation, link: FaultProxy, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    async with region_of(federation, link).aio_channel() as channel, asyncio.timeout(CALL_SECONDS):
        request = WatchOrdersRequest(requester=REQUESTER)
        async with aclosing(client.aio.watch(OrderServiceStub(channel).WatchOrders, request)) as messages:
            start = await anext(messages)
            assert not start.HasField("order")
            first = await guangdong.order("PAY", number)
            told = await _until_final(messages, first)
            link.cut()
            second = await guangdong.order("PAY", number)
            link.heal()
            told += await _until_final(messages, second)
    own = [each for each in told if each.order.id in {first.id, second.id}]
    assert len({each.token for each in told}) == len(told)
    assert [each.order.id for each in own] == sorted((each.order.id for each in own), key=[first.id, second.id].index)
    versions = [(each.order.id, each.order.version) for each in own]
    assert len(set(versions)) == len(versions)
    assert {first.id, second.id} == {each.order.id for each in own}


async def _until_final(messages: AsyncIterator[WatchOrdersResponse], order: Order) -> list[WatchOrdersResponse]:
    """The changes up to the last one of an order."""
    told: list[WatchOrdersResponse] = []
    async for message in messages:
        told.append(message)
        if (message.order.id, message.order.version) == (order.id, order.version):
            return told
    raise AssertionError("the watch has ended")
