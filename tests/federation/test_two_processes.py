"""Two processes of one region on one database: whatever one of them does, the other knows and goes on with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2 import ReviewDecision, WatchOrdersRequest
from tests.federation.counter import REQUESTER, Counter, Reviewer
from tests.federation.databases import Databases
from tests.federation.running import CALL_SECONDS, Federation, running, until, until_a_lane_stops

COMPLETED = OrderState.ORDER_STATE_COMPLETED
pytestmark = pytest.mark.several_processes


@asynccontextmanager
async def guangdong_twice(directory: Path, databases: Databases) -> AsyncIterator[Federation]:
    """A federation in which Guangdong has two processes, which the coordinator knows."""
    async with running(directory, databases, ["guangdong", "sichuan"]) as federation:
        await federation.start_node("guangdong/1")

        async def both_are_known() -> bool:
            return len((await federation.members())["guangdong"].endpoints) == 2

        await until(both_are_known, "the coordinator knows both processes")
        yield federation


def both_counters(federation: Federation) -> tuple[Counter, Counter]:
    """The same operator at each process."""
    return Counter(federation, "guangdong"), Counter(federation, "guangdong", number=1)


def claimants(federation: Federation) -> list[object]:
    """The processes with open envelopes of Guangdong, in the order of the envelopes."""
    rows = federation.database("guangdong").rows("SELECT claimed_by FROM outbox WHERE closed IS NULL ORDER BY created")
    return [number for (number,) in rows]


async def completed(counter: Counter, count: int) -> list[Order]:
    """The first completed orders that a watch tells."""
    call = counter.orders.WatchOrders(WatchOrdersRequest(requester=REQUESTER), timeout=CALL_SECONDS)
    found: dict[str, Order] = {}
    async for told in call:
        if told.order.state == COMPLETED:
            found[told.order.id] = told.order
        if len(found) == count:
            break
    call.cancel()
    return sorted(found.values(), key=lambda order: order.id)


async def test_a_request_handed_in_at_both_at_once_is_one_order(tmp_path: Path, databases: Databases) -> None:
    async with guangdong_twice(tmp_path, databases) as federation:
        sichuan = Counter(federation, "sichuan")
        number = await sichuan.new_customer(balance=0)
        request, request_id = sichuan.request("PAY", number), federation.next_id()
        orders = await asyncio.gather(
            *(counter.submit(request, request_id=request_id) for counter in both_counters(federation) * 3)
        )
        assert {order.id for order in orders} == {orders[0].id}
        assert await sichuan.balance(number) == 5000


async def test_whoever_watches_at_either_is_told_of_the_orders_of_both(tmp_path: Path, databases: Databases) -> None:
    async with guangdong_twice(tmp_path, databases) as federation:
        first, second = both_counters(federation)
        sichuan = Counter(federation, "sichuan")
        numbers = [await sichuan.new_customer() for _ in range(6)]
        watches = [asyncio.ensure_future(completed(counter, len(numbers))) for counter in (first, second)]
        orders = [
            await counter.submit(counter.request("SUSPEND", number))
            for counter, number in zip([first, second] * 3, numbers, strict=True)
        ]
        told = await asyncio.gather(*watches)
        assert [[order.id for order in each] for each in told] == [sorted(order.id for order in orders)] * 2


async def test_whoever_waits_at_one_is_answered_by_what_the_other_was_told(
    tmp_path: Path, databases: Databases
) -> None:
    """The update of a reviewed order comes to either process, whichever the order was handed in at."""
    async with guangdong_twice(tmp_path, databases) as federation:
        sichuan, reviewer = Counter(federation, "sichuan"), Reviewer(federation, "sichuan")
        for counter in both_counters(federation):
            for _ in range(2):
                number = await sichuan.new_customer()
                order = await counter.order("TERMINATE", number)
                waiting = asyncio.ensure_future(counter.reaches(order.id, OrderState.ORDER_STATE_FAILED))
                await reviewer.decide(order.id, ReviewDecision.REVIEW_DECISION_REJECT, note="papers do not match")
                assert (await waiting).state == OrderState.ORDER_STATE_FAILED


async def test_what_is_asked_about_an_order_leaves_after_it_through_the_process_that_has_it(
    tmp_path: Path, databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    async with guangdong_twice(tmp_path, databases) as federation:
        first, second = both_counters(federation)
        sichuan = Counter(federation, "sichuan")
        number = await sichuan.new_customer(balance=0)
        await federation.stop_node("sichuan")
        order = await first.submit(first.request("PAY", number), wait=0)
        await until_a_lane_stops(caplog)
        cancelling = await second.cancel(order.id, wait=0)
        assert cancelling.state == OrderState.ORDER_STATE_ASSESSING_CANCELLATION
        assert claimants(federation) == [0, 0]
        await federation.start_node("sichuan")
        done = await second.reaches(order.id, COMPLETED)
        assert await sichuan.get(order.id) == done
        assert await sichuan.balance(number) == 5000


@pytest.mark.parametrize("stopped", [0, 1])
async def test_a_process_that_leaves_leaves_its_envelopes_to_the_other(
    tmp_path: Path, databases: Databases, stopped: int
) -> None:
    async with guangdong_twice(tmp_path, databases) as federation:
        counters = both_counters(federation)
        sichuan = Counter(federation, "sichuan")
        number = await sichuan.new_customer(balance=0)
        await federation.stop_node("sichuan")
        order = await counters[stopped].submit(counters[stopped].request("PAY", number), wait=0)
        assert claimants(federation) == [stopped]
        await federation.stop_node(counters[stopped].node)
        remaining = counters[1 - stopped]

        async def was_taken_over() -> bool:
            return claimants(federation) == [remaining.number]

        await until(was_taken_over, "the other process takes over")
        await federation.start_node("sichuan")
        await remaining.reaches(order.id, COMPLETED)
        assert await sichuan.balance(number) == 5000
