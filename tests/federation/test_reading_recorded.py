"""Orders name a number and what its customer did: who reads them says so, and it is recorded where they are read."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.api.region.v1.billing_service_pb2 import ListSettlementsRequest
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.region.v1.customer_service_pb2 import GetCustomerRequest
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.order_service_pb2 import GetOrderRequest, ListOrdersRequest, WatchOrdersRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import Channel, Requester
from tests.federation.counter import REQUESTER, Counter, Reviewer
from tests.federation.databases import Row
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation

OF_STAFF = Requester()  # not set
INCOMPLETE = [
    OF_STAFF,
    Requester(channel=Channel.CHANNEL_COUNTER),
    Requester(staff_id="clerk 7", channel=Channel.CHANNEL_COUNTER),
    Requester(staff_id="clerk-7"),
]
Read = Callable[[str, str, Requester], Awaitable[object]]


@pytest.fixture
def app(federation: Federation) -> Counter:
    """An operator system that only one test uses, in a region whose own customers order nothing."""
    return Counter(federation, "henan", federation.next_id())


def rows(federation: Federation, path: str) -> list[Row]:
    """The audit rows of one actor in the region of `path`, oldest first."""
    return federation.database(path.split("/")[1]).rows(
        "SELECT action, subject, detail FROM audit WHERE actor = ? ORDER BY sequence", path
    )


def readings(federation: Federation, region: str) -> dict[str, Read]:
    """Each call that reads orders or books, of a caller at `path`, about an order, by a requester."""

    def orders(path: str) -> OrderServiceStub:
        return OrderServiceStub(federation.dial_node(region, path))

    async def get(path: str, order_id: str, requester: Requester) -> object:
        request = GetOrderRequest(order_id=order_id, requester=requester)
        return await orders(path).GetOrder(request, timeout=CALL_SECONDS)

    async def list_orders(path: str, order_id: str, requester: Requester) -> object:
        return await orders(path).ListOrders(ListOrdersRequest(page_size=1, requester=requester), timeout=CALL_SECONDS)

    async def watch(path: str, order_id: str, requester: Requester) -> object:
        call = orders(path).WatchOrders(WatchOrdersRequest(requester=requester), timeout=CALL_SECONDS)
        try:
            return await anext(aiter(call))
        finally:
            call.cancel()

    async def settlements(path: str, order_id: str, requester: Requester) -> object:
        billing = BillingServiceStub(federation.dial_node(region, path))
        return await billing.ListSettlements(ListSettlementsRequest(requester=requester), timeout=CALL_SECONDS)

    return {"GetOrder": get, "ListOrders": list_orders, "WatchOrders": watch, "ListSettlements": settlements}


@pytest.mark.clause("7.4(4)")
async def test_each_reading_leaves_a_row_with_the_system_and_the_person_behind_it(
    federation: Federation, app: Counter, sichuan: Counter
) -> None:
    order = await app.order("PAY", await sichuan.new_customer())
    await app.order("PAY", await sichuan.new_customer())
    before = len(rows(federation, app.path))
    for read in readings(federation, "henan").values():
        await read(app.path, order.id, Requester(staff_id="li.na", channel=Channel.CHANNEL_HOTLINE))
    assert rows(federation, app.path)[before:] == [
        ("GetOrder", order.id, "staff li.na"),
        ("ListOrders", "-", "staff li.na, 1 read"),
        ("WatchOrders", "-", "staff li.na"),
        ("ListSettlements", "-", "staff li.na"),
    ]


async def test_staff_are_named_by_their_certificate_whatever_they_say(
    federation: Federation, app: Counter, sichuan: Counter
) -> None:
    order = await app.order("PAY", await sichuan.new_customer())
    name = federation.next_id()
    path = f"region/henan/staff/{name}"
    read = readings(federation, "henan")["GetOrder"]
    for requester in (OF_STAFF, Requester(staff_id="somebody-else", channel=Channel.CHANNEL_COUNTER)):
        await read(path, order.id, requester)
    assert rows(federation, path) == [("GetOrder", order.id, f"staff {name}")] * 2


async def test_staff_read_a_customer_without_naming_themselves_twice(federation: Federation, sichuan: Counter) -> None:
    number, name = await sichuan.new_customer(), federation.next_id()
    path = f"region/sichuan/staff/{name}"
    customers = CustomerServiceStub(federation.dial_node("sichuan", path))
    await customers.GetCustomer(GetCustomerRequest(number=number), timeout=CALL_SECONDS)
    assert rows(federation, path) == [("GetCustomer", f"customer-{number.removeprefix('+')}", f"staff {name}")]


@pytest.mark.parametrize("requester", INCOMPLETE)
@pytest.mark.parametrize("method", ["GetOrder", "ListOrders", "WatchOrders", "ListSettlements"])
async def test_an_operator_system_that_does_not_say_who_asks_is_told_nothing(
    federation: Federation, app: Counter, method: str, requester: Requester
) -> None:
    told = await refusal(readings(federation, "henan")[method](app.path, "henan/counter/R1", requester))
    assert told.reason == "REQUEST_INVALID"
    assert told.parameters["field"].startswith("requester.")
    assert not [row for row in rows(federation, app.path) if row[0] == method]


async def test_an_order_that_the_caller_may_not_see_is_read_by_nobody(
    federation: Federation, app: Counter, sichuan: Counter
) -> None:
    order = await app.order("PAY", await sichuan.new_customer())
    other = Counter(federation, "henan", federation.next_id())
    assert (await refusal(other.get(order.id))).reason == "ORDER_NOT_FOUND"
    assert rows(federation, other.path) == []


async def test_a_watch_is_recorded_once_however_long_it_runs(
    federation: Federation, app: Counter, sichuan: Counter
) -> None:
    call = app.orders.WatchOrders(WatchOrdersRequest(requester=REQUESTER), timeout=CALL_SECONDS)
    async with asyncio.timeout(CALL_SECONDS):
        changes = aiter(call)
        await anext(changes)
        number = await sichuan.new_customer()
        for _ in range(3):
            order = await app.order("PAY", number)
            while (await anext(changes)).order.id != order.id:
                continue
    call.cancel()
    assert [row for row in rows(federation, app.path) if row[0] == "WatchOrders"] == [
        ("WatchOrders", "-", f"staff {REQUESTER.staff_id}")
    ]


async def test_what_is_read_and_changed_of_customers_and_bills_names_the_person_too(
    federation: Federation, app: Counter, reviewer: Reviewer
) -> None:
    number = await app.new_customer()
    bill = await app.bill(number)
    await app.read(number)
    customer, person = f"customer-{number.removeprefix('+')}", f"staff {REQUESTER.staff_id}"
    assert rows(federation, app.path) == [
        ("BatchCreateCustomers", f"{customer} and 0 more", person),
        ("QueryBill", customer, f"{person}, {bill.month}"),
        ("GetCustomer", customer, person),
    ]


async def test_a_bill_asked_for_elsewhere_names_the_person_at_home(
    federation: Federation, app: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    bill = await app.bill(number)
    asked = federation.database("sichuan").rows("SELECT subject, detail FROM audit WHERE actor = ?", app.path)
    assert asked == [(f"customer-{number.removeprefix('+')}", f"staff {REQUESTER.staff_id}, {bill.month}")]
