"""Many orders, and many questions, on one stream."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

import grpc
import pytest

from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest, QueryBillsRequest, QueryBillsResponse
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.region.v1.order_service_pb2 import (
    SubmitOrdersRequest,
    SubmitOrdersResponse,
    SubmittedOrder,
    SubmittedResult,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.rpc import server
from gateway.security.signing import count_signatures
from region_node.business.orders import application
from region_node.business.orders.bulk import LARGEST_PACK
from region_node.requests import room
from tests.federation.counter import REQUESTER, WAIT, Counter, seconds
from tests.federation.databases import Databases
from tests.federation.joint_staff import JointStaff
from tests.federation.refusals import read, refusal
from tests.federation.running import CALL_SECONDS, PATIENCE, running, until, until_a_lane_stops

COMPLETED = OrderState.ORDER_STATE_COMPLETED


def named(counter: Counter, orders: Iterable[OrderRequest]) -> list[SubmitOrdersRequest]:
    """Requests with ids of their own."""
    return [SubmitOrdersRequest(request_id=counter.federation.next_id(), order=order) for order in orders]


async def submitted(counter: Counter, requests: Sequence[SubmitOrdersRequest]) -> dict[str, SubmitOrdersResponse]:
    """The response to each request, by request id; each has one. The stream has no deadline."""
    answers = [answer async for answer in counter.orders.SubmitOrders(iter(requests))]
    assert len(answers) == len(requests)
    return {answer.request_id: answer for answer in answers}


def packed(requests: Iterable[SubmitOrdersRequest], *, wait: float = 0.0) -> SubmitOrdersRequest:
    """The same orders in one message."""
    orders = [SubmittedOrder(request_id=each.request_id, order=each.order) for each in requests]
    return SubmitOrdersRequest(orders=orders, wait=seconds(wait))


async def results(counter: Counter, pack: SubmitOrdersRequest) -> Sequence[SubmittedResult]:
    """The outcomes of the orders of a pack, which are those of its ids in the same order."""
    (answer,) = [each async for each in counter.orders.SubmitOrders(iter([pack]))]
    assert not answer.request_id
    assert [each.request_id for each in answer.pack.results] == [each.request_id for each in pack.orders]
    return answer.pack.results


async def test_each_order_of_a_stream_is_taken_in_as_one_that_is_submitted(
    guangdong: Counter, sichuan: Counter
) -> None:
    foreign, own = await sichuan.new_customer(balance=0), await guangdong.new_customer(balance=0)
    requests = named(guangdong, [guangdong.request("PAY", number) for number in (foreign, own) * 30])
    answers = await submitted(guangdong, requests)
    for request in requests:
        order = answers[request.request_id].order
        assert order.id == f"guangdong/counter/{request.request_id}"
        assert order.request.bulk
        assert (await guangdong.reaches(order.id, COMPLETED)).request.number == request.order.number
    assert await sichuan.balance(foreign) == await guangdong.balance(own) == 30 * 5000
    audited = guangdong.federation.database("guangdong").rows(
        "SELECT COUNT(*) FROM audit WHERE action = 'SubmitOrder' AND actor LIKE '%counter'"
        f" AND subject IN ({', '.join('?' * len(requests))})",
        *(answer.order.id for answer in answers.values()),
    )
    assert audited == [(len(requests),)]


async def test_a_stream_that_is_sent_again_makes_nothing_new(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer(balance=0)
    requests = named(guangdong, [guangdong.request("PAY", number)] * 20)
    first = await submitted(guangdong, requests[:12])
    again = await submitted(guangdong, requests)
    assert {each: again[each].order.id for each in first} == {each: first[each].order.id for each in first}
    for answer in again.values():
        await guangdong.reaches(answer.order.id, COMPLETED)
    assert await sichuan.balance(number) == len(requests) * 5000


async def test_an_order_submitted_in_bulk_by_itself_is_the_same_order(guangdong: Counter, sichuan: Counter) -> None:
    order = guangdong.request("PAY", await sichuan.new_customer())
    order.bulk = True
    (request,) = named(guangdong, [order])
    done = await guangdong.submit(order, request_id=request.request_id)
    assert (await submitted(guangdong, [request]))[request.request_id].order == done


async def test_a_refusal_of_one_is_told_with_its_reason_and_ends_nothing(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    good, reused, large, missing, last = named(guangdong, [guangdong.request("PAY", number) for _ in range(5)])
    reused.request_id = good.request_id
    large.order.characteristics["note"] = "x" * 40_000
    missing.order.characteristics.clear()
    first = await submitted(guangdong, [good])
    reused.order.characteristics["amount"] = "1"
    nameless = SubmitOrdersRequest(request_id="", order=last.order)
    answers = await submitted(guangdong, [reused, large, missing, nameless, last])
    assert first[good.request_id].HasField("order")
    assert answers[last.request_id].HasField("order")
    told = [answers[each.request_id].refused for each in (reused, large, missing, nameless)]
    assert [each.reason for each in told] == [
        Reason.REASON_REQUEST_ID_REUSED,
        Reason.REASON_MESSAGE_TOO_LARGE,
        Reason.REASON_CHARACTERISTIC_MISSING,
        Reason.REASON_REQUEST_INVALID,
    ]
    assert all(each.message.zh_cn and each.message.en for each in told)


async def test_the_orders_of_a_pack_are_taken_in_as_those_of_a_stream_and_told_in_their_order(
    guangdong: Counter, sichuan: Counter
) -> None:
    foreign, own = await sichuan.new_customer(balance=0), await guangdong.new_customer(balance=0)
    for size in (1, 16, LARGEST_PACK):
        requests = named(guangdong, [guangdong.request("PAY", (foreign, own)[index % 2]) for index in range(size)])
        told = await results(guangdong, packed(requests))
        for request, result in zip(requests, told, strict=True):
            assert result.order.id == f"guangdong/counter/{request.request_id}"
            assert result.order.request.number == request.order.number
            assert result.order.request.bulk
            await guangdong.reaches(result.order.id, COMPLETED)
        singly = await submitted(guangdong, requests)
        assert [singly[each.request_id].order.id for each in requests] == [each.order.id for each in told]
    paid = [await sichuan.balance(foreign), await guangdong.balance(own)]
    assert paid == [(1 + 8 + LARGEST_PACK // 2) * 5000, (8 + LARGEST_PACK // 2) * 5000]


async def test_each_refusal_in_a_pack_is_that_of_its_order_alone(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    good, reused, large, control, missing, nameless, nothing, last = named(
        guangdong, [guangdong.request("PAY", number) for _ in range(8)]
    )
    reused.request_id = good.request_id
    reused.order.characteristics["amount"] = "1"
    large.order.characteristics["note"] = "x" * 40_000
    control.order.characteristics["note"] = "\0"
    missing.order.characteristics.clear()
    nameless.request_id = ""
    nothing.ClearField("order")
    told = await results(guangdong, packed([good, reused, large, control, missing, nameless, nothing, last]))
    assert told[0].HasField("order")
    assert told[-1].HasField("order")
    assert [Reason.Name(each.refused.reason).removeprefix("REASON_") for each in told[1:-1]] == [
        "REQUEST_ID_REUSED",
        "MESSAGE_TOO_LARGE",
        "CHARACTER_NOT_ALLOWED",
        "CHARACTERISTIC_MISSING",
        "REQUEST_INVALID",
        "REQUEST_INVALID",
    ]


async def test_an_order_that_stands_twice_in_a_pack_is_one_order(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer(balance=0)
    (request,) = named(guangdong, [guangdong.request("PAY", number)])
    first, again = await results(guangdong, packed([request, request]))
    assert first.order.id == again.order.id
    await guangdong.reaches(first.order.id, COMPLETED)
    assert await sichuan.balance(number) == 5000


async def test_a_pack_of_no_form_is_refused_as_a_whole_and_the_stream_goes_on(
    guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    good, *others = named(guangdong, [guangdong.request("PAY", number) for _ in range(LARGEST_PACK + 2)])
    both, also_both, many = packed(others[:1]), packed(others[:1]), packed(others)
    both.request_id = others[0].request_id
    also_both.order.CopyFrom(others[0].order)
    answers = [each async for each in guangdong.orders.SubmitOrders(iter([both, also_both, many, packed([good])]))]
    refused = [each.refused for each in answers if each.HasField("refused")]
    assert [(each.reason, each.parameters["field"]) for each in refused] == [
        (Reason.REASON_REQUEST_INVALID, "orders")
    ] * 3
    assert all(each.message.zh_cn and each.message.en for each in refused)
    (taken,) = [each.pack.results[0].order.id for each in answers if each.HasField("pack")]
    assert taken == f"guangdong/counter/{good.request_id}"
    first = await submitted(guangdong, others[:1])
    assert first[others[0].request_id].HasField("order"), "nothing of a refused pack was stored"


async def test_envelopes_of_a_pack_and_their_receipts_share_signatures_that_are_the_same_at_both_ends(
    guangdong: Counter, sichuan: Counter
) -> None:
    number, federation = await sichuan.new_customer(), guangdong.federation
    requests = named(guangdong, [guangdong.request("PAY", number) for _ in range(LARGEST_PACK)])
    told = await results(guangdong, packed(requests, wait=20))
    ids = [each.order.id for each in told]
    about = f"IN ({', '.join('?' * len(ids))})"
    asked = f"{about} AND envelope_id LIKE '%#submit>%' ORDER BY envelope_id"

    async def are_settled() -> bool:
        return not federation.database("guangdong").rows(
            f"SELECT 1 FROM outbox WHERE subject {about} AND closed IS NULL", *ids
        )

    await until(are_settled, "all receipts are kept")
    columns = "SELECT envelope_id, signature, receipt_signature"
    sent = federation.database("guangdong").rows(f"{columns} FROM outbox WHERE subject {asked}", *ids)
    assert len(sent) == len(ids)
    assert sent == federation.database("sichuan").rows(f"{columns} FROM inbox WHERE subject {asked}", *ids)
    for column in (1, 2):
        signatures = [each for row in sent if isinstance(each := row[column], bytes)]
        assert 0 < count_signatures(signatures) < len(signatures) == len(ids)


async def test_a_pack_with_a_wait_tells_what_the_home_regions_decided_as_submit_order_does(
    guangdong: Counter, sichuan: Counter
) -> None:
    foreign, own = await sichuan.new_customer(), await guangdong.new_customer()
    requests = named(guangdong, [guangdong.request("PAY", number) for number in (foreign, own, "+8619851999999")])
    told = await results(guangdong, packed(requests, wait=20))
    for request, result in zip(requests, told, strict=True):
        assert not result.order.request.bulk
        assert await guangdong.submit(request.order, request_id=request.request_id) == result.order
    assert [each.order.state for each in told[:2]] == [COMPLETED, COMPLETED]
    assert told[2].order.state == OrderState.ORDER_STATE_REJECTED
    (single,) = named(guangdong, [guangdong.request("PAY", foreign)])
    single.wait.CopyFrom(seconds(20))
    assert (await submitted(guangdong, [single]))[single.request_id].order.state == COMPLETED
    for refused in await results(guangdong, packed(named(guangdong, [single.order] * 2), wait=31)):
        assert (refused.refused.reason, refused.refused.parameters["field"]) == (Reason.REASON_REQUEST_INVALID, "wait")


async def test_what_came_before_bytes_that_are_no_request_is_answered(guangdong: Counter, sichuan: Counter) -> None:
    requests = named(guangdong, [guangdong.request("PAY", await sichuan.new_customer())] * 3)
    channel = guangdong.federation.dial_node("guangdong", guangdong.path)
    rpc: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
        "/gateway.api.region.v1.OrderService/SubmitOrders"
    )
    messages = [*(request.SerializeToString() for request in requests), b"\xff\xff"]
    call = rpc(iter(messages), timeout=CALL_SECONDS)
    answered = []
    for _ in requests:
        answer = await call.read()
        assert isinstance(answer, bytes)
        answered.append(SubmitOrdersResponse.FromString(answer).request_id)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    assert sorted(answered) == sorted(request.request_id for request in requests)
    assert read(raised.value).reason == "REQUEST_INVALID"


async def test_a_node_that_stops_answers_what_it_has_read_and_ends_the_stream(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "DRAIN_SECONDS", 10 * PATIENCE)  # an open stream would keep the node for so long
    async with running(tmp_path, databases, ["guangdong", "sichuan"]) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        call = guangdong.orders.SubmitOrders()
        (request,) = named(guangdong, [guangdong.request("PAY", number)])
        await call.write(request)
        answer = await call.read()
        assert isinstance(answer, SubmitOrdersResponse)
        assert answer.request_id == request.request_id
        async with asyncio.timeout(PATIENCE):
            await federation.stop_node("guangdong")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call.read()
        assert read(raised.value).reason == "TOO_BUSY"


@pytest.mark.parametrize("limit", ["LONGEST_LANE", pytest.param("LONGEST_OF_OPERATOR", marks=pytest.mark.slow)])
async def test_an_order_for_a_lane_that_is_full_waits_for_room_and_the_stream_with_it(
    databases: Databases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    limit: str,
) -> None:
    monkeypatch.setattr(room, limit, 2)
    async with running(tmp_path, databases, ["guangdong", "sichuan"]) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer(balance=0)
        await federation.stop_node("sichuan")
        await guangdong.submit(guangdong.request("PAY", number), wait=0)
        await until_a_lane_stops(caplog)
        requests = named(guangdong, [guangdong.request("PAY", number)] * 80)
        streaming = asyncio.ensure_future(submitted(guangdong, requests))

        def taken_in() -> int:
            ((count,),) = federation.database("guangdong").rows("SELECT COUNT(*) FROM orders")
            assert isinstance(count, int)
            return count

        async def is_full() -> bool:
            return taken_in() > 2

        await until(is_full, "the lane is full")
        assert not streaming.done()
        assert taken_in() < len(requests)
        if limit == "LONGEST_OF_OPERATOR":
            told = await refusal(guangdong.submit(guangdong.request("PAY", number), wait=0))
            assert (told.code, told.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "ORDERS_WAITING_TOO_MANY")
            joint = JointStaff(federation, "guangdong", "operator/counter")
            asked = joint.submits(joint.request("BB_MOVE", ["sichuan", "guangdong"], number))
            assert (await refusal(asked)).reason == "ORDERS_WAITING_TOO_MANY", "other work is bounded as orders are"
            other = Counter(federation, "guangdong", "kiosk")
            assert (await other.submit(other.request("PAY", number), wait=0)).id
        await federation.start_node("sichuan")
        answers = await streaming
        for answer in answers.values():
            await guangdong.reaches(answer.order.id, COMPLETED)
        assert await sichuan.balance(number) >= 81 * 5000


async def test_callers_who_wait_for_a_region_are_no_more_than_it_answers_in_time(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in ("LEAST_WAITING", "FIRST_WAITING", "MOST_WAITING"):
        monkeypatch.setattr(application, each, 2)
    async with running(tmp_path, databases, ["guangdong", "sichuan"]) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        other = Counter(federation, "guangdong", "kiosk")
        numbers = [await sichuan.new_customer() for _ in range(24)]
        several = [guangdong.submit(guangdong.request("PAY", each)) for each in numbers[1:]]
        *flood, small = await asyncio.gather(
            *several, other.submit(other.request("PAY", numbers[0])), return_exceptions=True
        )
        refused = [read(each).reason for each in flood if isinstance(each, grpc.aio.AioRpcError)]
        assert set(refused) == {"TOO_BUSY"}
        assert [each.state for each in (*flood, small) if isinstance(each, Order)] == [COMPLETED] * (24 - len(refused))
        assert not isinstance(small, BaseException), "another operator has its share"
        requests = named(guangdong, [guangdong.request("PAY", each) for each in numbers])
        for request in requests:
            request.wait.CopyFrom(seconds(WAIT))
        answers = await submitted(guangdong, requests)
        assert {answer.order.state for answer in answers.values()} == {COMPLETED}


async def test_each_bill_of_a_stream_is_answered_by_its_id_from_whichever_region(
    guangdong: Counter, sichuan: Counter
) -> None:
    foreign = [await sichuan.new_customer(balance=index * 100) for index in range(1, 20)]
    own = [await guangdong.new_customer(balance=index * 10) for index in range(1, 20)]
    numbers = {f"q{index}": number for index, number in enumerate([*foreign, *own])}
    nobody = guangdong.federation.next_number("")
    questions = {**numbers, "nobody": nobody}
    month = f"{guangdong.federation.clock.now():%Y-%m}"

    async def asked() -> AsyncIterator[QueryBillsRequest]:
        for name, number in questions.items():
            query = QueryBillRequest(
                number=number,
                month=month,
                applicant=Applicant.APPLICANT_HOLDER,
                documents=[guangdong.document("ID_ORIG")],
                requester=REQUESTER,
            )
            yield QueryBillsRequest(query_id=name, query=query)

    answers: dict[str, QueryBillsResponse] = {}
    async for answer in guangdong.billing.QueryBills(asked()):
        assert answer.query_id not in answers
        answers[answer.query_id] = answer
    assert answers.keys() == questions.keys()
    assert answers["nobody"].refused.reason == Reason.REASON_NUMBER_UNRESOLVED
    for name, number in numbers.items():
        bill = answers[name].bill
        home = sichuan if number in foreign else guangdong
        assert bill.region == home.region
        assert bill == await guangdong.bill(number, month)
        assert bill.closing_balance.minor_units == await home.balance(number)
