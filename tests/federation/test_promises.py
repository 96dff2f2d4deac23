"""Promises and limits of time: the jeopardy alert of a silent home region, and orders that can no longer be done."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.rpc import calls
from gateway.time.clock import from_timestamp
from tests.federation.counter import Counter, seconds
from tests.federation.databases import Databases
from tests.federation.running import Federation, running, until

COMPLETED = OrderState.ORDER_STATE_COMPLETED


async def until_alerted(counter: Counter, order_id: str) -> None:
    """Returns when an order bears a jeopardy alert at this region."""

    async def holds() -> bool:
        return bool((await counter.get(order_id)).jeopardy_alerts)

    await until(holds, f"{order_id} is in jeopardy")


@pytest.mark.clause("1.1.4", "1.2.3")
async def test_a_missed_promise_is_alerted_where_it_was_given_and_the_order_goes_on(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        await federation.stop_node("sichuan")
        order = await guangdong.submit(guangdong.request("SUSPEND", number), wait=0)
        promised = from_timestamp(order.expected_completion_time)
        assert promised - from_timestamp(order.create_time) == timedelta(hours=24)
        await federation.advance(promised - federation.clock.now())
        await until_alerted(guangdong, order.id)
        alerted = await guangdong.get(order.id)
        assert [alert.region for alert in alerted.jeopardy_alerts] == ["guangdong"]
        assert from_timestamp(alerted.jeopardy_alerts[0].alert_time) >= promised
        await federation.start_node("sichuan")
        done = await guangdong.reaches(order.id, COMPLETED)
        assert list(done.jeopardy_alerts) == list(alerted.jeopardy_alerts)


@pytest.mark.clause("2.2.3")
async def test_a_review_that_takes_too_long_is_alerted(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    await federation.advance(from_timestamp(order.expected_completion_time) - federation.clock.now())
    await until_alerted(guangdong, order.id)
    assert (await guangdong.get(order.id)).state == order.state


async def test_an_order_done_in_time_is_not_alerted(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("SUSPEND", await sichuan.new_customer())
    database = federation.database("guangdong")
    assert database.rows("SELECT 1 FROM timers WHERE subject = ?", order.id) == []
    assert database.rows("SELECT due_time FROM orders WHERE order_id = ?", order.id) == [(None,)]


async def test_an_order_that_arrives_after_its_time_is_never_done_and_the_money_goes_back(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer(balance=0)
        await federation.stop_node("sichuan")
        order = await guangdong.submit(guangdong.request("PAY", number), wait=0)
        await federation.advance(timedelta(days=7, minutes=1))
        await federation.start_node("sichuan")
        expired = await guangdong.reaches(order.id, OrderState.ORDER_STATE_REJECTED)
        assert expired.error.reason == Reason.REASON_ORDER_EXPIRED
        assert await sichuan.balance(number) == 0
        sums = federation.database("guangdong").rows(
            "SELECT account, SUM(amount) FROM ledger_entries GROUP BY account HAVING SUM(amount) <> 0"
        )
        assert sums == []


@pytest.mark.long("a caller's time runs out")
async def test_a_caller_with_less_time_than_its_wait_is_answered_within_its_time(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        await federation.stop_node("sichuan")
        request = SubmitOrderRequest(
            request_id=federation.next_id(), order=guangdong.request("SUSPEND", number), wait=seconds(30)
        )
        monkeypatch.setattr(calls, "HOP_MARGIN", 19.0)  # a busy machine takes some of it for the way of the answer
        answer = await guangdong.orders.SubmitOrder(request, timeout=20.0)
        assert answer.order.state == OrderState.ORDER_STATE_ACKNOWLEDGED
