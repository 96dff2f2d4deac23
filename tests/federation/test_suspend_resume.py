"""SUSPEND and RESUME at agreed times; the end of a suspension; emergency calls."""

from datetime import datetime, timedelta

import pytest

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import OrderState, Party
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.time.clock import from_timestamp
from tests.federation.counter import Counter
from tests.federation.running import Federation, until

SUSPENDED = ProductStatus.PRODUCT_STATUS_SUSPENDED
ACTIVE = ProductStatus.PRODUCT_STATUS_ACTIVE
COMPLETED = OrderState.ORDER_STATE_COMPLETED
IN_PROGRESS = OrderState.ORDER_STATE_IN_PROGRESS


def written(instant: datetime) -> str:
    """An RFC 3339 time, in another time zone than the regions'."""
    return instant.astimezone().isoformat()


async def until_status(counter: Counter, number: str, status: ProductStatus.ValueType) -> None:
    """Returns when a line of the counter's region has a status."""

    async def holds() -> bool:
        return (await counter.read(number)).product.status == status

    await until(holds, f"{number} is {ProductStatus.Name(status)}")


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
@pytest.mark.clause("3.3.1(1)")
async def test_a_suspension_begins_and_ends_at_the_agreed_times_by_itself(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    at_home, now = Counter(federation, home), federation.clock.now()
    number = await at_home.new_customer()
    start, end = now + timedelta(hours=2), now + timedelta(hours=3)
    order = await guangdong.order("SUSPEND", number, start=written(start), end=written(end))
    assert (order.state, order.awaiting.action, order.awaiting.party) == (
        IN_PROGRESS,
        "agreed-time",
        Party.PARTY_HOME_REGION,
    )
    assert from_timestamp(order.awaiting.due_time) == start
    assert from_timestamp(order.expected_completion_time) == start + timedelta(hours=24)
    assert (await at_home.read(number)).product.status == ACTIVE

    await federation.advance(timedelta(hours=2))
    done = await guangdong.reaches(order.id, COMPLETED)
    assert from_timestamp(done.completion_time) >= start
    product = (await at_home.read(number)).product
    assert (product.status, from_timestamp(product.suspension_end_time)) == (SUSPENDED, end)

    await federation.advance(timedelta(hours=1))
    await until_status(at_home, number, ACTIVE)
    product = (await at_home.read(number)).product
    assert (product.suspension_reason, product.HasField("suspension_end_time")) == ("", False)


async def test_resuming_early_voids_the_agreed_end(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, end = await sichuan.new_customer(), federation.clock.now() + timedelta(hours=1)
    await guangdong.order("SUSPEND", number, end=written(end))
    assert (await guangdong.order("RESUME", number)).state == COMPLETED
    assert not (await sichuan.read(number)).product.HasField("suspension_end_time")
    again = await guangdong.order("SUSPEND", number)
    assert again.state == COMPLETED
    other = await sichuan.new_customer()
    await guangdong.order("SUSPEND", other, end=written(end))
    await federation.advance(timedelta(hours=1))
    await until_status(sichuan, other, ACTIVE)
    assert (await sichuan.read(number)).product.status == SUSPENDED


@pytest.mark.clause("3.3.1(3)")
async def test_emergency_calls_stay_allowed_on_a_suspended_line(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    await guangdong.order("SUSPEND", number)
    product = (await sichuan.read(number)).product
    assert (product.status, product.emergency_calls_allowed) == (SUSPENDED, True)


async def test_an_agreed_time_in_the_past_means_at_once(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    start = federation.clock.now() - timedelta(hours=5)
    order = await guangdong.order("SUSPEND", await sichuan.new_customer(), start=written(start))
    assert order.state == COMPLETED


@pytest.mark.parametrize(("start", "end"), [(None, -1), (2, 1), (2, 2)])
async def test_an_end_that_is_not_after_the_start_is_rejected(
    federation: Federation, guangdong: Counter, sichuan: Counter, start: int | None, end: int
) -> None:
    now, number = federation.clock.now(), await sichuan.new_customer()
    times = {"end": written(now + timedelta(hours=end))}
    if start is not None:
        times["start"] = written(now + timedelta(hours=start))
    order = await guangdong.order("SUSPEND", number, **times)
    assert order.state == OrderState.ORDER_STATE_REJECTED
    assert order.error.reason == Reason.REASON_CHARACTERISTIC_INVALID
    assert (await sichuan.read(number)).product.status == ACTIVE


async def test_what_is_no_longer_possible_at_the_agreed_time_fails_and_says_why(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, start = await sichuan.new_customer(), federation.clock.now() + timedelta(hours=1)
    order = await guangdong.order("SUSPEND", number, start=written(start))
    assert (await sichuan.order("SUSPEND", number)).state == COMPLETED
    await federation.advance(timedelta(hours=1))
    failed = await guangdong.reaches(order.id, OrderState.ORDER_STATE_FAILED)
    assert failed.error.reason == Reason.REASON_LINE_NOT_ACTIVE


@pytest.mark.clause("3.3.2(1)", "3.3.2(3)")
async def test_a_resumption_waits_for_its_agreed_time(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, start = await sichuan.new_customer(), federation.clock.now() + timedelta(hours=1)
    await guangdong.order("SUSPEND", number)
    order = await guangdong.order("RESUME", number, start=written(start))
    assert order.state == IN_PROGRESS
    await federation.advance(timedelta(hours=1))
    await guangdong.reaches(order.id, COMPLETED)
    assert (await sichuan.read(number)).product.status == ACTIVE
