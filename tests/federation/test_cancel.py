"""Cancelling in every state: before it was sent, while it is on its way, while it waits, and too late."""

import threading
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2 import CancelOrderRequest, ReviewDecision
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.store.postgresql_connection import Writer
from gateway.store.sqlite import SqliteDatabase
from tests.federation.counter import REQUESTER, Counter, Reviewer
from tests.federation.databases import Databases
from tests.federation.forger import COMMAND, Forger, cancellation
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation, running, until, until_a_lane_stops

CANCELLED = OrderState.ORDER_STATE_CANCELLED
COMPLETED = OrderState.ORDER_STATE_COMPLETED
ASSESSING = OrderState.ORDER_STATE_ASSESSING_CANCELLATION
PENDING = OrderState.ORDER_STATE_PENDING
GRANTED = [ASSESSING, OrderState.ORDER_STATE_PENDING_CANCELLATION, CANCELLED]


async def waiting_for(what: str, counter: Counter, home: str) -> Order:
    """An order at a counter about a customer of `home` that waits for something."""
    federation = counter.federation
    number = await Counter(federation, home).new_customer()
    if what == "agreed-time":
        start = (federation.clock.now() + timedelta(hours=1)).isoformat()
        return await counter.order("SUSPEND", number, start=start)
    if what in ("review", "supplement"):
        order = await counter.order("TERMINATE", number)
        if what == "supplement":
            decision = ReviewDecision.REVIEW_DECISION_RETURN
            await Reviewer(federation, home).decide(order.id, decision, documents=["SIM"], note="which SIM?")
            order = await counter.reaches(order.id, PENDING)
        return order
    order = await counter.order("PLAN_CHANGE", number, plan=f"{home}-{'129' if home == 'guangdong' else '99'}")
    return order if what == "confirm" else await counter.confirm(order.id)


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
@pytest.mark.parametrize("what", ["agreed-time", "review", "supplement", "confirm", "next-cycle"])
async def test_an_order_that_waits_is_cancelled_and_nothing_comes_of_it(
    federation: Federation, guangdong: Counter, home: str, what: str
) -> None:
    order = await waiting_for(what, guangdong, home)
    assert order.awaiting.action == what
    cancelled = await guangdong.cancel(order.id)
    assert (cancelled.state, cancelled.cancellation_reason) == (CANCELLED, "changed my mind")
    assert [change.state for change in cancelled.state_changes][-3:] == GRANTED
    assert cancelled.HasField("cancellation_time")
    assert not cancelled.HasField("awaiting")
    at_home = Counter(federation, home)
    assert (await at_home.get(order.id)).state == CANCELLED
    await federation.advance(timedelta(hours=1))
    later = await guangdong.order("SUSPEND", order.request.number)
    assert later.state == COMPLETED, "the line is as it was"
    assert federation.database(home).rows("SELECT timer_id FROM timers WHERE subject = ?", order.id) == []


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_a_cancelled_order_is_cancelled_once(federation: Federation, guangdong: Counter, home: str) -> None:
    order, request_id = await waiting_for("review", guangdong, home), federation.next_id()
    first = await guangdong.cancel(order.id, request_id=request_id)
    assert await guangdong.cancel(order.id, request_id=request_id) == first
    assert await guangdong.cancel(order.id) == first


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_what_is_done_refused_or_failed_is_too_late_to_cancel(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    at_home = Counter(federation, home)
    number = await at_home.new_customer()
    done = await guangdong.order("SUSPEND", number)
    rejected = await guangdong.order("SUSPEND", number)
    failed = await guangdong.order("TERMINATE", await at_home.new_customer())
    decision = ReviewDecision.REVIEW_DECISION_REJECT
    await Reviewer(federation, home).decide(failed.id, decision, note="no")
    failed = await guangdong.reaches(failed.id, OrderState.ORDER_STATE_FAILED)
    for order, state in ((done, "completed"), (rejected, "rejected"), (failed, "failed")):
        told = await refusal(guangdong.cancel(order.id))
        assert (told.reason, told.parameters) == ("ORDER_TOO_LATE_TO_CANCEL", {"state": state})
        assert await guangdong.get(order.id) == order
    assert (await at_home.read(number)).product.status == ProductStatus.PRODUCT_STATUS_SUSPENDED


async def test_a_held_order_is_cancelled_at_once(federation: Federation, guangdong: Counter) -> None:
    order = await guangdong.order("SUSPEND", federation.next_number(NOT_JOINED))
    cancelled = await guangdong.cancel(order.id)
    assert (cancelled.state, cancelled.version) == (CANCELLED, 0)
    assert not federation.database("guangdong").rows("SELECT 1 FROM outbox WHERE subject = ?", order.id)


async def until_guangdong_does_not_reach(federation: Federation, waiting: dict[str, int]) -> None:
    """Returns when the coordinator has heard that Guangdong does not reach these regions, and no others.

    `waiting` has the number of envelopes that wait for each.
    """
    administrator = MembershipServiceStub(federation.dial_coordinator("admin/root"))

    async def holds() -> bool:
        members = (await administrator.ListRegions(ListRegionsRequest(), timeout=CALL_SECONDS)).members
        [report] = [each.report for each in members if each.region == "guangdong"]
        told = {each.destination: each.waiting for each in report.open_breakers}
        return told == waiting and report.HasField("certificate_end_time")

    await until(holds, f"guangdong does not reach {waiting}")


async def until_all_is_answered(federation: Federation) -> None:
    """Returns when Guangdong has the receipts of all its envelopes, which may come after what they tell."""

    async def holds() -> bool:
        return not federation.database("guangdong").rows("SELECT 1 FROM outbox WHERE closed IS NULL")

    await until(holds, "no envelope of guangdong is under way")


async def test_an_order_that_never_left_is_cancelled_at_once_and_never_leaves(
    databases: Databases, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        numbers = [await sichuan.new_customer() for _ in range(2)]
        await federation.stop_node("sichuan")
        first = await guangdong.submit(guangdong.request("SUSPEND", numbers[0]), wait=0)
        await until_a_lane_stops(caplog)
        await until_guangdong_does_not_reach(federation, {"sichuan": 1})
        second = await guangdong.submit(guangdong.request("PAY", numbers[1]), wait=0)
        await until_guangdong_does_not_reach(federation, {"sichuan": 2})
        cancelled = await guangdong.cancel(second.id)
        assert (cancelled.state, cancelled.version) == (CANCELLED, 0)
        await until_guangdong_does_not_reach(federation, {"sichuan": 1})
        await federation.start_node("sichuan")
        await guangdong.reaches(first.id, COMPLETED)
        await until_guangdong_does_not_reach(federation, {})
        # Nor does it leave when the node starts again and looks at what it still has to send.
        await until_all_is_answered(federation)
        await federation.stop_node("guangdong")
        await federation.start_node("guangdong")
        assert (await guangdong.get(second.id)) == cancelled
        assert (await refusal(sichuan.get(second.id))).reason == "ORDER_NOT_FOUND"
        assert await sichuan.balance(numbers[1]) == 20_000
        sums = federation.database("guangdong").rows(
            "SELECT account, SUM(amount) FROM ledger_entries GROUP BY account HAVING SUM(amount) <> 0"
        )
        assert sums == []


async def test_an_order_is_cancelled_and_never_leaves_although_the_caller_gave_up_meanwhile(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        numbers = [await sichuan.new_customer() for _ in range(2)]
        await federation.stop_node("sichuan")
        first = await guangdong.submit(guangdong.request("PAY", numbers[0]), wait=0)
        await until_a_lane_stops(caplog)
        second = await guangdong.submit(guangdong.request("PAY", numbers[1]), wait=0)
        disk = threading.Event()
        with monkeypatch.context() as patch:
            slow_commits(patch, disk)
            request = CancelOrderRequest(
                request_id="cancel-1", order_id=second.id, reason="changed my mind", requester=REQUESTER
            )
            with pytest.raises(grpc.aio.AioRpcError) as unanswered:
                await guangdong.orders.CancelOrder(request, timeout=2.0)
            assert unanswered.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            disk.set()
            cancelled = await guangdong.reaches(second.id, CANCELLED)
        await federation.start_node("sichuan")
        await guangdong.reaches(first.id, COMPLETED)
        assert await guangdong.get(second.id) == cancelled
        assert (await refusal(sichuan.get(second.id))).reason == "ORDER_NOT_FOUND"
        assert await sichuan.balance(numbers[1]) == 20_000


def slow_commits(patch: pytest.MonkeyPatch, disk: threading.Event) -> None:
    """Commits of both engines wait, in their thread, until the disk is there."""
    on_sqlite, on_postgresql = SqliteDatabase.commit, Writer.commit

    def commit_on_sqlite(database: SqliteDatabase) -> None:
        disk.wait()
        on_sqlite(database)

    def commit_on_postgresql(writer: Writer) -> None:
        disk.wait()
        on_postgresql(writer)

    patch.setattr(SqliteDatabase, "commit", commit_on_sqlite)
    patch.setattr(Writer, "commit", commit_on_postgresql)


async def test_an_order_on_its_way_is_assessed_until_its_home_region_grants_it(
    databases: Databases, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        await federation.stop_node("sichuan")
        order = await guangdong.submit(guangdong.request("TERMINATE", number), wait=0)
        await until_a_lane_stops(caplog)
        assessed = await guangdong.cancel(order.id, wait=0)
        assert (assessed.state, assessed.awaiting.action) == (ASSESSING, "decide")
        await federation.start_node("sichuan")
        cancelled = await guangdong.reaches(order.id, CANCELLED)
        assert cancelled == await sichuan.get(order.id)


async def test_a_cancellation_that_came_too_late_says_so(
    databases: Databases, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number, request_id = await sichuan.new_customer(), federation.next_id()
        await federation.stop_node("sichuan")
        order = await guangdong.submit(guangdong.request("SUSPEND", number), wait=0)
        await until_a_lane_stops(caplog)
        assert (await guangdong.cancel(order.id, request_id=request_id, wait=0)).state == ASSESSING
        await federation.start_node("sichuan")
        await guangdong.reaches(order.id, COMPLETED)
        await until_all_is_answered(federation)
        # The same request now tells what became of it.
        told = await refusal(guangdong.cancel(order.id, request_id=request_id))
        assert (told.reason, told.parameters) == ("ORDER_TOO_LATE_TO_CANCEL", {"state": "completed"})


async def test_a_cancellation_that_overtakes_its_order_keeps_it_from_ever_being_done(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, request_id = await sichuan.new_customer(balance=0), federation.next_id()
    forger = Forger(federation, "guangdong")
    order = Order(id=f"guangdong/counter/{request_id}")
    command: OrderCommand = cancellation(order)
    result = await forger.deliver(forger.seal("sichuan", COMMAND, command, order.id), "sichuan")
    assert result.HasField("receipt")
    late = await guangdong.submit(guangdong.request("PAY", number), request_id=request_id)
    assert (late.state, late.error.reason) == (
        OrderState.ORDER_STATE_REJECTED,
        Reason.REASON_ORDER_CANCELLED_BEFORE,
    )
    assert await sichuan.balance(number) == 0
    returned = federation.database("guangdong").rows(
        "SELECT SUM(amount) FROM ledger_entries WHERE posting_id LIKE ? AND account = 'cash'", f"{order.id}#%"
    )
    assert returned == [(0,)]
