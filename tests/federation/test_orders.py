"""Orders of local and of foreign customers, by the same calls; the same request twice; the wrong state."""

import asyncio

import pytest

from gateway.api.region.v1.customer_service_pb2 import Customer, ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.time.clock import from_timestamp
from tests.federation.counter import Counter, seconds
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation

COMPLETED = OrderState.ORDER_STATE_COMPLETED
REJECTED = OrderState.ORDER_STATE_REJECTED
HELD = OrderState.ORDER_STATE_HELD


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
@pytest.mark.clause("1.3.1")
async def test_local_and_foreign_customers_take_the_same_calls(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    at_home = Counter(federation, home)
    number = await at_home.new_customer()
    suspended = await guangdong.order("SUSPEND", number)
    assert (suspended.state, suspended.home_region, suspended.version) == (COMPLETED, home, 1)
    assert (await at_home.read(number)).product.status == ProductStatus.PRODUCT_STATUS_SUSPENDED
    resumed = await guangdong.order("RESUME", number)
    assert resumed.state == COMPLETED
    assert (await at_home.read(number)).product.status == ProductStatus.PRODUCT_STATUS_ACTIVE
    for order in (suspended, resumed):
        assert await guangdong.get(order.id) == order
        assert order.id == f"guangdong/counter/{order.id.rpartition('/')[2]}"
        assert from_timestamp(order.completion_time) >= from_timestamp(order.create_time)
        assert order.state_changes[0].state == OrderState.ORDER_STATE_ACKNOWLEDGED
        assert order.state_changes[-1].state == COMPLETED
        assert not order.HasField("awaiting")


async def test_both_regions_end_with_the_same_order(guangdong: Counter, sichuan: Counter) -> None:
    order = await guangdong.order("SUSPEND", await sichuan.new_customer())
    assert await sichuan.get(order.id) == order == await guangdong.get(order.id)


async def test_a_number_may_be_written_as_people_write_it(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    order = await guangdong.order("SUSPEND", f"{number[3:6]}-{number[6:10]} {number[10:]}")
    assert (order.state, order.request.number) == (COMPLETED, number)


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_the_same_request_twice_is_one_order(federation: Federation, guangdong: Counter, home: str) -> None:
    at_home = Counter(federation, home)
    number = await at_home.new_customer(balance=0)
    request, request_id = guangdong.request("PAY", number), federation.next_id()
    answers = await asyncio.gather(*(guangdong.submit(request, request_id=request_id) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert await guangdong.submit(request, request_id=request_id) == answers[0]
    assert await at_home.balance(number) == 5000


async def test_the_same_request_with_another_wait_is_the_same_request(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    request, request_id = guangdong.request("PAY", await sichuan.new_customer()), federation.next_id()
    first = await guangdong.submit(request, request_id=request_id, wait=0)
    assert (await guangdong.submit(request, request_id=request_id)).id == first.id


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_the_same_id_with_another_content_is_refused_and_the_first_stands(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    at_home = Counter(federation, home)
    number, request_id = await at_home.new_customer(balance=0), federation.next_id()
    first = await guangdong.submit(guangdong.request("PAY", number), request_id=request_id)
    other = guangdong.request("PAY", number, amount="5001")
    assert (await refusal(guangdong.submit(other, request_id=request_id))).reason == "REQUEST_ID_REUSED"
    assert await guangdong.get(first.id) == first
    assert await at_home.balance(number) == 5000


async def test_two_operators_may_use_the_same_id(federation: Federation, guangdong: Counter, sichuan: Counter) -> None:
    number, request_id = await sichuan.new_customer(balance=0), federation.next_id()
    app = Counter(federation, "guangdong", "app")
    orders = [await each.submit(each.request("PAY", number), request_id=request_id) for each in (guangdong, app)]
    assert [order.id for order in orders] == [f"guangdong/counter/{request_id}", f"guangdong/app/{request_id}"]
    assert await sichuan.balance(number) == 10_000


async def test_without_a_wait_the_answer_is_that_the_outcome_is_not_known_yet(
    guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.submit(guangdong.request("SUSPEND", await sichuan.new_customer()), wait=0)
    assert (order.state, order.version) == (OrderState.ORDER_STATE_ACKNOWLEDGED, 0)
    assert order.awaiting.party == Party.PARTY_HOME_REGION
    assert (await guangdong.reaches(order.id, COMPLETED)).version == 1


REFUSED_AT_HOME: list[tuple[str, dict[str, object], str]] = [
    ("RESUME", {}, "LINE_NOT_SUSPENDED"),
    ("SUSPEND", {"status": ProductStatus.PRODUCT_STATUS_SUSPENDED}, "LINE_NOT_ACTIVE"),
    ("SUSPEND", {"status": ProductStatus.PRODUCT_STATUS_TERMINATED}, "LINE_CLOSED"),
    ("SUSPEND", {"balance": -1}, "IN_ARREARS"),
    ("TERMINATE", {"balance": 1}, "IN_ARREARS"),
    ("TERMINATE", {"binding": "family-4"}, "LINE_BOUND"),
    ("PAY", {"status": ProductStatus.PRODUCT_STATUS_TERMINATED}, "LINE_CLOSED"),
]


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_what_the_line_or_account_does_not_allow_is_rejected_with_the_reason(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    at_home, found = Counter(federation, home), []
    for business, product, _ in REFUSED_AT_HOME:
        number, balance = federation.next_number(home), product.get("balance", 20_000)
        assert isinstance(balance, int)
        customer = at_home.customer(number, balance=balance)
        for field, value in product.items():
            if field != "balance":
                setattr(customer.product, field, value)
        await at_home.create(customer)
        order = await guangdong.order(business, number)
        assert order.state == REJECTED, (business, product)
        found.append((business, product, Reason.Name(order.error.reason).removeprefix("REASON_")))
        assert order.error.message.zh_cn
        assert order.error.message.en
        assert await at_home.read(number) == as_created(customer)
        assert await guangdong.get(order.id) == order
    assert found == REFUSED_AT_HOME


def as_created(customer: Customer) -> Customer:
    """The customer as it is read again: the region adds what it says about emergency calls, and nothing else."""
    expected = Customer()
    expected.CopyFrom(customer)
    expected.product.emergency_calls_allowed = True
    return expected


async def test_a_line_that_nobody_has_is_rejected(federation: Federation, guangdong: Counter) -> None:
    for home in ("guangdong", "sichuan"):
        for business, reason in (
            ("SUSPEND", Reason.REASON_PROOF_NOT_OF_NUMBER),
            ("PAY", Reason.REASON_SUBSCRIPTION_NOT_FOUND),  # without any proof
        ):
            order = await guangdong.order(business, federation.next_number(home))
            assert (order.state, order.error.reason) == (REJECTED, reason)


@pytest.mark.parametrize(
    ("home", "reason", "remedy"),
    [
        ("", Reason.REASON_NUMBER_UNRESOLVED, "extend the number plan"),
        (NOT_JOINED, Reason.REASON_REGION_NOT_JOINED, "join"),
    ],
)
@pytest.mark.clause("F17.1")
async def test_an_order_with_no_way_home_is_held_and_says_why(
    federation: Federation, guangdong: Counter, home: str, reason: Reason.ValueType, remedy: str
) -> None:
    number = federation.next_number(home)
    order = await guangdong.order("SUSPEND", number)
    assert (order.state, order.error.reason, order.home_region) == (HELD, reason, home)
    assert (order.awaiting.party, order.awaiting.action) == (Party.PARTY_FEDERATION, remedy)
    assert number not in order.error.message.en


async def test_a_wait_ends_when_its_time_is_up(federation: Federation, guangdong: Counter) -> None:
    order = await guangdong.submit(guangdong.request("SUSPEND", federation.next_number(NOT_JOINED)), wait=30)
    assert order.state == HELD


async def test_a_check_alone_tells_what_would_be_refused(federation: Federation, guangdong: Counter) -> None:
    order = guangdong.request("SUSPEND", federation.next_number("sichuan"), reason="")
    request = SubmitOrderRequest(order=order, validate_only=True, wait=seconds(0))
    told = await refusal(guangdong.orders.SubmitOrder(request, timeout=CALL_SECONDS))
    assert told.reason == "CHARACTERISTIC_MISSING"


async def test_the_home_region_sees_foreign_orders_of_its_customers_and_others_do_not(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order: Order = await guangdong.order("SUSPEND", await sichuan.new_customer())
    assert (await Counter(federation, "sichuan", "app").get(order.id)).id == order.id
    told = await refusal(Counter(federation, "henan").get(order.id))
    assert told.reason == "ORDER_NOT_FOUND"
