"""An order that another region attests by papers alone waits for the customer's own proof at the home region."""

from datetime import timedelta
from functools import partial

import pytest

from gateway.api.region.v1.joint_order_pb2 import JointItemState
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from tests.federation.commands import as_caller, run_command
from tests.federation.counter import Counter, Reviewer
from tests.federation.joint_staff import ROOM, JointStaff, item_of, with_broadband
from tests.federation.refusals import refusal
from tests.federation.running import Federation, until

PASSWORD = "271828"
PAPERS = ("ID_ORIG", "FACE")
COOLING_OFF = timedelta(hours=12)  # of the shipped policy
PENDING, COMPLETED = OrderState.ORDER_STATE_PENDING, OrderState.ORDER_STATE_COMPLETED
FAILED, CANCELLED = OrderState.ORDER_STATE_FAILED, OrderState.ORDER_STATE_CANCELLED


async def papers_alone(counter: Counter, number: str) -> Order:
    """An order to reset the password, for which a clerk has seen papers."""
    return await counter.submit(counter.request("PWD_RESET", number, papers=PAPERS))


async def with_password(federation: Federation, home: Counter) -> str:
    """A customer who has a password."""
    number = await home.new_customer()
    await home.change_password(number, PASSWORD)
    await federation.advance(timedelta(minutes=1))
    return number


async def has_password(federation: Federation, home: Counter, number: str) -> bool:
    """Whether the password is still in force."""
    rows = federation.database(home.region).rows(
        "SELECT 1 FROM passwords WHERE product_id = ?", (await home.read(number)).product.id
    )
    return bool(rows)


async def test_a_customer_who_does_not_object_is_served_after_the_cooling_off_time(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await with_password(federation, sichuan)
    order = await papers_alone(guangdong, number)
    assert (order.state, order.awaiting.party, order.awaiting.action) == (PENDING, Party.PARTY_CUSTOMER, "verify")
    await federation.advance(COOLING_OFF - timedelta(minutes=1))
    assert (await guangdong.get(order.id)).state == PENDING
    assert await has_password(federation, sichuan, number)
    await federation.advance(timedelta(minutes=1))
    await guangdong.reaches(order.id, COMPLETED)
    assert not await has_password(federation, sichuan, number)


async def test_the_customer_is_told_which_order_waits_and_where(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    await papers_alone(guangdong, number)

    async def is_told() -> bool:
        return bool(federation.texts(number))

    await until(is_told, "the customer is told")
    (text,) = federation.texts(number)
    assert text.kind == "order-verify"
    assert "Guangdong" in text.en
    assert "Reset of the service password" in text.en
    assert "密码重置" in text.zh_cn


async def test_with_a_code_the_order_goes_on_at_once_and_only_once(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await with_password(federation, sichuan)
    order = await papers_alone(guangdong, number)
    assert (await refusal(guangdong.supplement(order.id, "ID_ORIG"))).reason == "ORDER_STATE_FORBIDS"
    assert (await refusal(guangdong.supplement(order.id, "OTP"))).reason == "NOT_VERIFIED"
    request_id = order.id.rpartition("/")[2]
    documents = await guangdong.verify(number, request_id, code=await guangdong.receive_code(number, request_id))
    assert (await guangdong.supplement(order.id, documents=documents)).state == COMPLETED
    await federation.advance(COOLING_OFF)
    assert (await guangdong.get(order.id)).steps_done == 2


@pytest.mark.parametrize(
    ("decision", "state"),
    [(ReviewDecision.REVIEW_DECISION_APPROVE, COMPLETED), (ReviewDecision.REVIEW_DECISION_REJECT, FAILED)],
)
async def test_staff_of_the_home_region_speak_for_a_customer_who_calls(
    federation: Federation,
    guangdong: Counter,
    sichuan: Counter,
    decision: ReviewDecision.ValueType,
    state: OrderState.ValueType,
) -> None:
    number = await with_password(federation, sichuan)
    order = await papers_alone(guangdong, number)
    reviewer = Reviewer(federation, "sichuan")
    returned = reviewer.decide(order.id, ReviewDecision.REVIEW_DECISION_RETURN, documents=["ID_ORIG"], note="again")
    assert (await refusal(returned)).reason == "ORDER_STATE_FORBIDS"
    await reviewer.decide(order.id, decision, note="the customer has called")
    await guangdong.reaches(order.id, state)
    await federation.advance(COOLING_OFF)
    assert (await guangdong.get(order.id)).state == state
    assert await has_password(federation, sichuan, number) == (state == FAILED)


async def test_staff_find_by_the_number_alone_what_waits_for_a_customer_who_calls(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await with_password(federation, sichuan)
    order = await papers_alone(guangdong, number)
    staff = as_caller(federation, "sichuan", "staff/zhao")
    waiting = partial(run_command, "region_node.cli.main", "orders", "waiting", environment=staff)
    found, others = await waiting("--customer", "--number", number), await waiting("--number", number)
    assert (found.code, order.id in found.out, order.id in others.out) == (0, True, False), found
    rejected = await run_command(
        "region_node.cli.main", "orders", "reject", order.id, "--note", "not the customer", environment=staff
    )
    assert rejected.code == 0, rejected
    await guangdong.reaches(order.id, FAILED)
    assert await has_password(federation, sichuan, number)


async def test_an_order_that_is_cancelled_while_it_waits_has_no_effect(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await with_password(federation, sichuan)
    order = await papers_alone(guangdong, number)
    assert (await guangdong.cancel(order.id)).state == CANCELLED
    await federation.advance(COOLING_OFF)
    assert await has_password(federation, sichuan, number)


async def test_at_home_papers_are_enough(sichuan: Counter) -> None:
    assert (await papers_alone(sichuan, await sichuan.new_customer())).state == COMPLETED


@pytest.mark.parametrize(
    ("business", "papers", "told"),
    [
        ("TERMINATE", ("ID_ORIG", "FACE", "SIM", "REFUND_ACC"), {"refund_account": "6222-0001"}),
        ("PROFILE_UPD", PAPERS, {"name": "王方"}),
    ],
)
async def test_what_the_home_region_has_reviewed_still_waits_for_the_customer(
    federation: Federation,
    guangdong: Counter,
    sichuan: Counter,
    business: str,
    papers: tuple[str, ...],
    told: dict[str, str],
) -> None:
    number = await sichuan.new_customer()
    order = await guangdong.submit(guangdong.request(business, number, papers=papers, **told))
    reviewer = Reviewer(federation, "sichuan")
    await reviewer.decide(order.id, ReviewDecision.REVIEW_DECISION_APPROVE)
    waits = await guangdong.reaches(order.id, PENDING)
    assert (waits.awaiting.party, waits.awaiting.action) == (Party.PARTY_CUSTOMER, "verify")
    request_id = order.id.rpartition("/")[2]
    documents = await guangdong.verify(number, request_id, code=await guangdong.receive_code(number, request_id))
    went_on = await guangdong.supplement(order.id, documents=documents)
    assert (went_on.state, went_on.awaiting.action) in ((PENDING, "confirm"), (COMPLETED, ""))


async def test_the_line_of_a_joint_order_is_asked_for_by_a_code_that_counts_for_that_order_alone(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    desk = JointStaff(federation, "guangdong", "operator/counter")
    order = await desk.submits(desk.request("TRANSFER", ["sichuan", "henan"], number))
    waits = await desk.follows(order.id, lambda each: item_of(each, "give").HasField("verify_until_time"), "it waits")
    assert waits.items[1].error.reason == 0
    at_home = JointStaff(federation, "sichuan")
    unproven = await refusal(at_home.works(order.id, "give", ROOM))
    assert unproven.reason == "JOINT_ITEM_UNPROVEN"
    for wrong in ([], [guangdong.document("ID_ORIG")]):
        assert (await refusal(desk.supplements(order.id, wrong))).reason == "REQUEST_INVALID"
    other = JointStaff(federation, "guangdong", "operator/other")
    assert (await refusal(other.supplements(order.id, [guangdong.document("OTP")]))).reason == "JOINT_ORDER_NOT_FOUND"
    await desk.supplements(order.id, [guangdong.document("OTP")])
    await desk.follows(order.id, lambda each: item_of(each, "give").HasField("error"), "the code is not the home's")
    name = order.id.rpartition("/")[2]
    await desk.supplements(
        order.id, await guangdong.verify(number, name, code=await guangdong.receive_code(number, name))
    )
    await desk.follows(order.id, lambda each: not item_of(each, "give").HasField("verify_until_time"), "it goes on")
    await at_home.works(order.id, "give", ROOM)
    assert [each.kind for each in federation.texts(number)].count("order-verify") == 1


async def test_a_joint_order_with_a_code_of_the_customer_waits_for_nobody(
    federation: Federation, guangdong: Counter
) -> None:
    number = await with_broadband(federation, "sichuan")
    desk, at_home = JointStaff(federation, "guangdong", "operator/counter"), JointStaff(federation, "sichuan")
    request = desk.request("BB_MOVE", ["sichuan", "henan"], number)
    code = await guangdong.receive_code(number, request.request_id)
    request.order.documents.extend(await guangdong.verify(number, request.request_id, code=code))
    order = await desk.submits(request)
    assert (await desk.submits(request)).id == order.id, "the same request"
    await at_home.follows(order.id, lambda each: item_of(each, "remove").version > 0, "taken in")
    reserved = await at_home.works(order.id, "remove", ROOM)
    assert item_of(reserved, "remove").state == JointItemState.JOINT_ITEM_STATE_RESERVED
    assert "order-verify" not in [each.kind for each in federation.texts(number)]
