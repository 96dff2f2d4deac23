"""Finding orders again: lists with filters and pages, watches that resume."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import (
    GetOrderRequest,
    ListOrdersRequest,
    ListOrdersResponse,
    WatchOrdersRequest,
    WatchOrdersResponse,
)
from gateway.rpc.pages import encode_token
from tests.federation.counter import REQUESTER, Counter, Reviewer
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running

COMPLETED = OrderState.ORDER_STATE_COMPLETED
IN_PROGRESS = OrderState.ORDER_STATE_IN_PROGRESS


@pytest.fixture
def app(federation: Federation) -> Counter:
    """An operator system whose orders are only those of one test, in a region whose own customers order nothing."""
    return Counter(federation, "henan", federation.next_id())


async def listed(counter: Counter | Reviewer, request: ListOrdersRequest) -> ListOrdersResponse:
    """A page. Staff need not say who asks."""
    if isinstance(counter, Counter):
        request.requester.CopyFrom(REQUESTER)
    return await counter.orders.ListOrders(request, timeout=CALL_SECONDS)


async def ids(counter: Counter | Reviewer, request: ListOrdersRequest) -> list[str]:
    """The ids of the orders on a page; of an operator system, its own: its region may own orders of other tests."""
    own = f"{counter.region}/{counter.name}/" if isinstance(counter, Counter) else ""
    return [order.id for order in (await listed(counter, request)).orders if order.id.startswith(own)]


async def test_filters_narrow_a_list_and_it_begins_with_the_newest(app: Counter, sichuan: Counter) -> None:
    numbers = [await sichuan.new_customer() for _ in range(2)]
    suspended = await app.order("SUSPEND", numbers[0])
    terminating = await app.order("TERMINATE", numbers[1])
    resumed = await app.order("RESUME", numbers[0])
    assert await ids(app, ListOrdersRequest()) == [resumed.id, terminating.id, suspended.id]
    assert await ids(app, ListOrdersRequest(states=[COMPLETED])) == [resumed.id, suspended.id]
    assert await ids(app, ListOrdersRequest(states=[IN_PROGRESS, COMPLETED], business="RESUME")) == [resumed.id]
    assert await ids(app, ListOrdersRequest(number=numbers[1])) == [terminating.id]
    assert await ids(app, ListOrdersRequest(awaiting=Party.PARTY_HOME_STAFF)) == [terminating.id]
    assert await ids(app, ListOrdersRequest(business="PAY")) == []
    told = await refusal(listed(app, ListOrdersRequest(states=[OrderState.ValueType(77)])))
    assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "states")


async def test_pages_give_every_order_once(app: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    orders = [await app.order("PAY", number) for _ in range(5)]
    found: list[Order] = []
    wanted, token = ListOrdersRequest(number=number, page_size=2), ""
    sizes = []
    while True:
        wanted.page_token = token
        page = await listed(app, wanted)
        sizes.append(len(page.orders))
        found.extend(page.orders)
        token = page.next_page_token
        if not token:
            break
    assert sizes == [2, 2, 1]
    assert [order.id for order in found] == [order.id for order in reversed(orders)]


async def test_a_new_order_does_not_shift_the_pages_after_it(app: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    orders = [await app.order("PAY", number) for _ in range(3)]
    first = await listed(app, ListOrdersRequest(number=number, page_size=2))
    await app.order("PAY", number)
    token = first.next_page_token
    second = await listed(app, ListOrdersRequest(number=number, page_size=2, page_token=token))
    assert [order.id for order in second.orders] == [orders[0].id]


async def test_staff_of_the_home_region_list_what_waits_for_them(
    guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    waiting = ListOrdersRequest(awaiting=Party.PARTY_HOME_STAFF, number=order.request.number)
    assert await ids(reviewer, waiting) == [order.id]
    await reviewer.approve(order.id)
    assert await ids(reviewer, waiting) == []


async def test_staff_of_the_origin_region_read_and_list_what_their_region_handles(
    federation: Federation, app: Counter, sichuan: Counter
) -> None:
    order = await app.order("SUSPEND", await sichuan.new_customer())
    staff = Reviewer(federation, "henan")
    assert await ids(staff, ListOrdersRequest(number=order.request.number)) == [order.id]
    read = await staff.orders.GetOrder(GetOrderRequest(order_id=order.id), timeout=CALL_SECONDS)
    assert read.order == order
    elsewhere = Reviewer(federation, "guangdong")
    assert await ids(elsewhere, ListOrdersRequest(number=order.request.number)) == []


@contextlib.asynccontextmanager
async def watching(counter: Counter | Reviewer, token: str = "") -> AsyncIterator[AsyncIterator[WatchOrdersResponse]]:
    """A watch, ended when the test has seen enough."""
    requester = REQUESTER if isinstance(counter, Counter) else None
    call = counter.orders.WatchOrders(WatchOrdersRequest(token=token, requester=requester), timeout=CALL_SECONDS)
    try:
        yield aiter(call)
    finally:
        call.cancel()


async def test_a_watch_tells_each_change_and_resumes_after_a_token(app: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    async with watching(app) as changes:
        start = await anext(changes)
        assert not start.HasField("order")
        order = await app.submit(app.request("SUSPEND", number), wait=0)
        first = await anext(changes)
        assert first.order.id == order.id
    done = await app.reaches(order.id, COMPLETED)
    resumed = await app.order("RESUME", number)
    async with watching(app, first.token) as changes:
        again = await anext(changes)
        assert (again.token, again.HasField("order")) == (first.token, False)
        seen = [await anext(changes) for _ in range(2)]
    assert seen[0].order == done
    assert seen[1].order.id == resumed.id
    async with watching(app, start.token) as changes:
        await anext(changes)
        assert [(await anext(changes)).order for _ in range(2)] == [done, resumed]


async def test_a_watch_that_catches_up_tells_an_order_that_changed_often_once(
    federation: Federation, app: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    async with watching(app) as changes:
        start = await anext(changes)
    order = await app.order("TERMINATE", await sichuan.new_customer())
    paid = await app.order("PAY", await sichuan.new_customer())
    await reviewer.approve(order.id)
    pending = await app.awaits(order.id, "confirm")
    events = federation.database("henan").rows("SELECT 1 FROM order_events WHERE order_id = ?", order.id)
    assert len(events) > 1
    async with watching(app, start.token) as changes:
        await anext(changes)
        seen = [await anext(changes) for _ in range(2)]
        last = await app.order("PAY", await sichuan.new_customer())
        after = await anext(changes)
    # In the order of what happened to them last; and the next message is already about what happened after.
    assert [change.order for change in seen] == [paid, pending]
    assert after.order.id == last.id
    async with watching(app, seen[0].token) as changes:
        await anext(changes)
        assert (await anext(changes)).order == pending


async def test_a_watch_shows_only_what_the_watcher_may_see(
    federation: Federation, app: Counter, sichuan: Counter
) -> None:
    other = Counter(federation, "henan", federation.next_id())
    number = await sichuan.new_customer()
    async with watching(other) as changes, watching(Reviewer(federation, "sichuan")) as at_home:
        await anext(changes)
        await anext(at_home)
        hidden = await app.order("PAY", number)
        own = await other.order("PAY", number)
        assert (await anext(changes)).order.id == own.id
        assert [(await anext(at_home)).order.id for _ in range(2)] == [hidden.id, own.id]


@pytest.mark.parametrize(
    "token",
    [
        "nonsense",
        encode_token("orders", "1"),
        encode_token("order-events", "²"),
        encode_token("order-events", "-1"),
        encode_token("order-events", str(10**17)),
        encode_token("order-events", "9" * 5000),
    ],
)
async def test_a_token_that_is_none_is_refused(guangdong: Counter, token: str) -> None:
    request = WatchOrdersRequest(token=token, requester=REQUESTER)
    call = guangdong.orders.WatchOrders(request, timeout=CALL_SECONDS)
    assert (await refusal(call.read())).reason == "TOKEN_INVALID"


async def test_a_token_older_than_the_events_that_are_kept_is_refused(databases: Databases, tmp_path: Path) -> None:
    async with running(tmp_path, databases, ["guangdong"]) as federation:
        guangdong = Counter(federation, "guangdong")
        async with watching(guangdong) as changes:
            start = (await anext(changes)).token
        await guangdong.order("PAY", await guangdong.new_customer())
        await guangdong.order("PAY", await guangdong.new_customer())
        federation.database("guangdong").change(
            "DELETE FROM order_events WHERE sequence < (SELECT MAX(sequence) FROM order_events)"
        )
        request = WatchOrdersRequest(token=start, requester=REQUESTER)
        call = guangdong.orders.WatchOrders(request, timeout=CALL_SECONDS)
        assert (await refusal(call.read())).reason == "TOKEN_EXPIRED"
