"""PLAN_CHANGE: the plan is shown, the customer confirms or declines, the next cycle brings it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.api.region.v1.order_pb2 import OrderState, Party
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.time.clock import from_timestamp
from tests.federation.counter import Counter
from tests.federation.refusals import refusal
from tests.federation.running import Federation

PENDING = OrderState.ORDER_STATE_PENDING
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.clause("3.2.3", "3.2.4", "4.2")
async def test_a_confirmed_plan_begins_with_the_next_cycle(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    order = await guangdong.order("PLAN_CHANGE", number)
    assert (order.state, order.awaiting.party, order.awaiting.action) == (PENDING, Party.PARTY_CUSTOMER, "confirm")
    assert (order.quote.amount.minor_units, order.quote.amount.currency) == (9900, "CNY")
    assert "Tianfu 99" in order.quote.description.en
    assert "天府畅享99元套餐" in order.quote.description.zh_cn
    begins = from_timestamp(order.quote.effective_time).astimezone(SHANGHAI)
    today = federation.clock.now().astimezone(SHANGHAI)
    assert (begins.day, begins.hour, begins.minute) == (1, 0, 0)
    assert timedelta(0) < begins - today < timedelta(days=32)

    waiting = await guangdong.confirm(order.id)
    assert (waiting.state, waiting.awaiting.action) == (OrderState.ORDER_STATE_IN_PROGRESS, "next-cycle")
    assert (await sichuan.read(number)).product.plan_id == "sichuan-29"

    await federation.advance(begins - federation.clock.now())
    done = await guangdong.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)
    assert dict(done.results) == {"plan": "sichuan-99"}
    assert (await sichuan.read(number)).product.plan_id == "sichuan-99"


async def test_a_declined_plan_changes_nothing(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    order = await guangdong.order("PLAN_CHANGE", number)
    declined = await guangdong.confirm(order.id, agreed=False)
    assert (declined.state, declined.cancellation_reason) == (
        OrderState.ORDER_STATE_CANCELLED,
        "declined by the customer",
    )
    assert (await sichuan.read(number)).product.plan_id == "sichuan-29"
    assert (await refusal(guangdong.confirm(order.id))).reason == "ORDER_STATE_FORBIDS"


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ("sichuan-29", Reason.REASON_PLAN_SAME),
        ("guangdong-39", Reason.REASON_PLAN_UNKNOWN),
        ("sichuan-1000", Reason.REASON_PLAN_UNKNOWN),
    ],
)
async def test_a_plan_that_the_home_region_cannot_give_is_rejected(
    guangdong: Counter, sichuan: Counter, plan: str, reason: Reason.ValueType
) -> None:
    order = await guangdong.order("PLAN_CHANGE", await sichuan.new_customer(), plan=plan)
    assert (order.state, order.error.reason) == (OrderState.ORDER_STATE_REJECTED, reason)


async def test_a_running_contract_forbids_it(federation: Federation, guangdong: Counter, sichuan: Counter) -> None:
    ends = federation.clock.now() + timedelta(days=90)
    order = await guangdong.order("PLAN_CHANGE", await sichuan.new_customer(contract_end_time=ends))
    assert (order.state, order.error.reason) == (
        OrderState.ORDER_STATE_REJECTED,
        Reason.REASON_UNDER_CONTRACT,
    )
    assert order.error.parameters["until"] == ends.astimezone(SHANGHAI).date().isoformat()


async def test_without_an_answer_in_time_the_order_is_cancelled(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    order = await guangdong.order("PLAN_CHANGE", number)
    assert from_timestamp(order.awaiting.due_time) - federation.clock.now() <= timedelta(days=3)
    await federation.advance(timedelta(days=3))
    ended = await guangdong.reaches(order.id, OrderState.ORDER_STATE_CANCELLED)
    assert ended.error.reason == Reason.REASON_ANSWER_OVERDUE
    assert (await sichuan.read(number)).product.plan_id == "sichuan-29"


async def test_a_local_customer_gets_the_same_quote(guangdong: Counter, sichuan: Counter) -> None:
    foreign = await guangdong.order("PLAN_CHANGE", await sichuan.new_customer())
    local = await sichuan.order("PLAN_CHANGE", await sichuan.new_customer())
    assert local.quote == foreign.quote
    assert (await sichuan.confirm(local.id)).awaiting.action == "next-cycle"


async def test_only_what_waits_for_a_confirmation_can_be_confirmed(guangdong: Counter, sichuan: Counter) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    told = await refusal(guangdong.confirm(order.id))
    assert (told.reason, told.parameters) == ("ORDER_STATE_FORBIDS", {"state": "inProgress", "action": "confirm"})
    assert await guangdong.get(order.id) == order
