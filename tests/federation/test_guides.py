"""Guides across regions: what is promised before an order is what the order is promised."""

import pytest

from gateway.api.region.v1 import catalogue_service_pb2 as api
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.time.clock import from_timestamp
from tests.federation.counter import Counter
from tests.federation.running import CALL_SECONDS, Federation


async def guide(counter: Counter, business: str, number: str) -> api.GetBusinessGuideResponse:
    """The guide of a business for a number, at this counter."""
    request = api.GetBusinessGuideRequest(business=business, number=number)
    return await counter.catalogue.GetBusinessGuide(request, timeout=CALL_SECONDS)


@pytest.mark.clause("1.1.2", "2.2.1")
async def test_a_guide_for_a_customer_of_henan_tells_henans_promise_and_the_order_is_promised_the_same(
    federation: Federation, guangdong: Counter
) -> None:
    henan = Counter(federation, "henan")
    number = await henan.new_customer()
    told = await guide(guangdong, "RESUME", number)
    assert told.home_region == "henan"
    assert {limit.region for limit in told.limits} == {"", "henan"}
    dues = [from_timestamp(limit.due_time) for limit in told.limits]
    assert dues == sorted(dues)
    assert from_timestamp(told.expected_completion_time) == dues[0]
    for business in ("SUSPEND", "RESUME"):
        promised = from_timestamp((await guide(guangdong, business, number)).expected_completion_time)
        order = await guangdong.order(business, number)
        later = from_timestamp(order.expected_completion_time) - promised
        assert 0 <= later.total_seconds() < CALL_SECONDS


@pytest.mark.clause("10.1(1)")
async def test_every_business_has_a_guide_with_a_promise_in_every_region(federation: Federation) -> None:
    codes = [business.code for business in (await federation.configuration()).businesses]
    number = await Counter(federation, "sichuan").new_customer()
    for region in ("guangdong", "henan", "sichuan"):
        for code in codes:
            told = await guide(Counter(federation, region), code, number)
            assert told.limits
            assert told.HasField("expected_completion_time")
            assert {policy.name for policy in told.policies} == set(told.business.policies)


@pytest.mark.clause("10.1(2)")
async def test_a_completed_order_is_counted_in_the_guide_of_both_regions_once(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()

    async def counted(counter: Counter) -> int:
        return (await guide(counter, "SUSPEND", number)).time_taken.orders

    before = [await counted(counter) for counter in (guangdong, sichuan)]
    order = await guangdong.submit(guangdong.request("SUSPEND", number), wait=10)
    await guangdong.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)
    await sichuan.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)
    assert [await counted(counter) for counter in (guangdong, sichuan)] == [count + 1 for count in before]
