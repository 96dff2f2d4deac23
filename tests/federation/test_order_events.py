"""The event feed: every change of every order, in the order of commits, resumable, and without personal data."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gateway.api.region.v1.order_event_service_pb2 import (
    OrderEvent,
    StreamOrderEventsRequest,
    StreamOrderEventsResponse,
)
from gateway.api.region.v1.order_event_service_pb2_grpc import OrderEventServiceStub
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.rpc.pages import encode_token
from gateway.time.clock import from_timestamp
from region_node.business.orders.events import EVENTS_AT_ONCE
from tests.federation.counter import Counter, Reviewer
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running

ACKNOWLEDGED = OrderState.ORDER_STATE_ACKNOWLEDGED
COMPLETED = OrderState.ORDER_STATE_COMPLETED
FAILED = OrderState.ORDER_STATE_FAILED
IN_PROGRESS = OrderState.ORDER_STATE_IN_PROGRESS
REJECTED = OrderState.ORDER_STATE_REJECTED
NAME, REASON, AMOUNT = "Ouyang Zhenhua", "posted to Lhasa", "4873193"


def feed(counter: Counter | Reviewer, node: str = "") -> OrderEventServiceStub:
    """The event feed of a region's node."""
    path = counter.path if isinstance(counter, Counter) else f"region/{counter.region}/staff/{counter.name}"
    return OrderEventServiceStub(counter.federation.dial_node(node or counter.region, path))


async def past(counter: Counter | Reviewer, token: str = "") -> tuple[list[OrderEvent], str]:
    """All events there are after a token, and the token after them."""
    request = StreamOrderEventsRequest(token=token, only_past=True)
    events: list[OrderEvent] = []
    async for message in feed(counter).StreamOrderEvents(request, timeout=CALL_SECONDS):
        assert len(message.events) <= EVENTS_AT_ONCE
        events.extend(message.events)
        token = message.token
    return events, token


@contextlib.asynccontextmanager
async def following(
    counter: Counter, token: str = "", node: str = ""
) -> AsyncIterator[AsyncIterator[StreamOrderEventsResponse]]:
    """A stream that waits for more, ended when the test has seen enough."""
    call = feed(counter, node).StreamOrderEvents(StreamOrderEventsRequest(token=token), timeout=CALL_SECONDS)
    try:
        yield aiter(call)
    finally:
        call.cancel()


def told(events: Sequence[OrderEvent], order: Order) -> list[OrderEvent]:
    """The events of one order."""
    return [event for event in events if event.order_id == order.id]


async def test_every_change_is_told_once_in_the_order_of_commits(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    decision = ReviewDecision.REVIEW_DECISION_REJECT
    await reviewer.decide(order.id, decision, note="papers do not match")
    done = await guangdong.reaches(order.id, FAILED)
    for counter in (guangdong, sichuan):
        events, _ = await past(counter)
        first = events[0].sequence  # nights of other tests may have purged what came before
        assert [event.sequence for event in events] == list(range(first, first + len(events)))
        stored = federation.database(counter.region).rows(
            "SELECT order_id, state, version FROM order_events ORDER BY sequence"
        )
        assert [(event.order_id, event.state, event.version) for event in events][: len(stored)] == stored
    events = told((await past(guangdong))[0], order)
    assert [event.state for event in events] == [ACKNOWLEDGED, IN_PROGRESS, FAILED]
    assert [event.awaiting for event in events] == [
        Party.PARTY_HOME_REGION,
        Party.PARTY_HOME_STAFF,
        Party.PARTY_UNSPECIFIED,
    ]
    assert [event.version for event in events] == [0, 1, done.version]


async def test_an_event_tells_what_the_order_was_then(guangdong: Counter, sichuan: Counter, reviewer: Reviewer) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    _, before = await past(guangdong)
    decision = ReviewDecision.REVIEW_DECISION_REJECT
    await reviewer.decide(order.id, decision, note="papers do not match")
    done = await guangdong.reaches(order.id, FAILED)
    (event,) = told((await past(guangdong, before))[0], order)
    expected = OrderEvent(
        sequence=event.sequence,
        event_time=event.event_time,
        order_id=order.id,
        version=done.version,
        business="TERMINATE",
        state=FAILED,
        origin_region="guangdong",
        home_region="sichuan",
        operator="counter",
        reason=done.error.reason,
        steps_done=done.steps_done,
        create_time=order.create_time,
        expected_completion_time=done.expected_completion_time,
    )
    assert event == expected
    assert event.reason != Reason.REASON_UNSPECIFIED
    assert abs((from_timestamp(event.event_time) - guangdong.federation.clock.now()).total_seconds()) < CALL_SECONDS


async def test_a_rejection_tells_its_reason(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    await guangdong.order("SUSPEND", number)
    order = await guangdong.order("SUSPEND", number)
    event = told((await past(guangdong))[0], order)[-1]
    assert (event.state, event.reason) == (REJECTED, order.error.reason)


async def test_a_stream_resumes_after_its_token_and_goes_on_with_what_happens(
    guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    _, token = await past(guangdong)
    async with following(guangdong, token) as messages:
        start = await anext(messages)
        assert (list(start.events), start.token) == ([], token)
        first = await guangdong.order("PAY", number)
        seen = [event async for event in _until(messages, first, COMPLETED)]
    assert [event.state for event in told(seen, first)] == [ACKNOWLEDGED, COMPLETED]
    second = await guangdong.order("PAY", number)
    again, after = await past(guangdong, token)
    assert [event.order_id for event in again] == [first.id] * 2 + [second.id] * 2
    assert await past(guangdong, after) == ([], after)


async def _until(
    messages: AsyncIterator[StreamOrderEventsResponse], order: Order, state: OrderState.ValueType
) -> AsyncIterator[OrderEvent]:
    """Events up to the one in which an order enters a state."""
    async for message in messages:
        for event in message.events:
            yield event
            if event.order_id == order.id and event.state == state:
                return


@pytest.mark.parametrize(
    "token", ["nonsense", encode_token("order-events", "1"), encode_token("order-event-feed", str(10**17))]
)
async def test_a_token_that_no_feed_gave_is_refused(guangdong: Counter, token: str) -> None:
    call = feed(guangdong).StreamOrderEvents(StreamOrderEventsRequest(token=token), timeout=CALL_SECONDS)
    assert (await refusal(call.read())).reason == "TOKEN_INVALID"


async def test_staff_of_the_region_read_the_feed(guangdong: Counter, sichuan: Counter, federation: Federation) -> None:
    order = await guangdong.order("PAY", await sichuan.new_customer())
    assert told((await past(Reviewer(federation, "guangdong")))[0], order)


async def test_no_event_holds_anything_of_the_customer(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    _, before = await past(sichuan)
    number = await sichuan.new_customer(name=NAME)
    await guangdong.order("SUSPEND", number, reason=REASON)
    await guangdong.order("SUSPEND", number, reason=REASON)
    order = await guangdong.order("TERMINATE", number)
    await reviewer.decide(order.id, ReviewDecision.REVIEW_DECISION_REJECT, note=f"{NAME} is under age")
    held = await guangdong.order("PAY", federation.next_number(""), amount=AMOUNT)
    await sichuan.order("RESUME", number)
    events = (await past(guangdong))[0] + (await past(sichuan, before))[0]
    assert told(events, held)
    assert told(events, order)
    stored = [
        cell
        for region in ("guangdong", "sichuan")
        for row in federation.database(region).rows("SELECT body FROM order_events")
        for cell in row
        if isinstance(cell, bytes)
    ]
    places = {
        "events": "\n".join(str(event) for event in events),
        "rows": b"\n".join(stored).decode("latin-1"),
    }
    planted = (
        number.removeprefix("+86"),
        held.request.number.removeprefix("+86"),
        NAME,
        REASON,
        "ID_ORIG",
        "clerk-7",
        "6222-0001",
        AMOUNT,
    )
    in_orders = federation.database("guangdong").opened().decode("latin-1")
    assert all(text in in_orders for text in planted), "the search finds what is there"
    assert [(place, text) for place, found in places.items() for text in planted if text in found] == []


async def test_a_feed_that_catches_up_is_told_all_in_pieces(databases: Databases, tmp_path: Path) -> None:
    async with running(tmp_path, databases, ["guangdong"]) as federation:
        guangdong = Counter(federation, "guangdong")
        order = await guangdong.order("PAY", await guangdong.new_customer())
        count = 2 * EVENTS_AT_ONCE + 7
        federation.database("guangdong").change(
            "WITH RECURSIVE more(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM more WHERE n < "
            f"{count}) INSERT INTO order_events (sequence, order_id, version, state, time)"
            f" SELECT n, '{order.id}', n, {COMPLETED}, 0 FROM more"
        )
        events, token = await past(guangdong)
        assert [event.sequence for event in events] == list(range(1, count + 1))
        # The rows without a body are those of an earlier version: they tell less, and nothing wrong.
        assert events[-1] == OrderEvent(
            sequence=count,
            event_time=events[-1].event_time,
            order_id=order.id,
            version=count,
            business="PAY",
            state=COMPLETED,
            origin_region="guangdong",
            operator="counter",
            create_time=order.create_time,
        )
        federation.database("guangdong").change(f"DELETE FROM order_events WHERE sequence < {count}")
        assert [event.sequence for event in (await past(guangdong))[0]] == [count]
        assert await past(guangdong, token) == ([], token)
        stale = StreamOrderEventsRequest(token=encode_token("order-event-feed", "3"), only_past=True)
        call = feed(guangdong).StreamOrderEvents(stale, timeout=CALL_SECONDS)
        assert (await refusal(call.read())).reason == "TOKEN_EXPIRED"


@pytest.mark.several_processes
async def test_whoever_follows_at_one_process_is_told_what_another_does(databases: Databases, tmp_path: Path) -> None:
    async with running(tmp_path, databases, ["guangdong", "sichuan"]) as federation:
        await federation.start_node("guangdong/1")
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        async with following(guangdong, node="guangdong/1") as messages:
            assert not (await anext(messages)).events
            order = await guangdong.order("PAY", number)
            seen = [event async for event in _until(messages, order, COMPLETED)]
        assert [event.sequence for event in seen] == [1, 2]
