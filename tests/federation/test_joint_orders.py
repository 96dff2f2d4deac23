"""Orders that several regions do together: all is reserved and committed, or nothing is left."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.region.v1 import joint_order_service_pb2 as api
from gateway.api.region.v1.customer_move_service_pb2 import StartMoveRequest
from gateway.api.region.v1.customer_move_service_pb2_grpc import CustomerMoveServiceStub
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.joint_order_pb2 import JointDecision, JointItemState, JointOrderState
from gateway.api.region.v1.joint_order_service_pb2 import WorkOnJointOrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.time.clock import from_timestamp
from tests.federation.counter import REQUESTER, Counter
from tests.federation.joint_staff import ROOM, JointStaff, item_of, with_broadband
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation

SURVEYING = JointOrderState.JOINT_ORDER_STATE_SURVEYING
IN_PROGRESS = JointOrderState.JOINT_ORDER_STATE_IN_PROGRESS
COMPLETED = JointOrderState.JOINT_ORDER_STATE_COMPLETED
FAILED = JointOrderState.JOINT_ORDER_STATE_FAILED
CANCELLED = JointOrderState.JOINT_ORDER_STATE_CANCELLED
RELEASED = JointItemState.JOINT_ITEM_STATE_RELEASED
Staff = Mapping[str, JointStaff]


@pytest.fixture(name="staff")
def staff_of_all_regions(federation: Federation) -> Staff:
    return {region: JointStaff(federation, region) for region in ("guangdong", "sichuan", "henan")}


@pytest.mark.clause("10.1(2)")
async def test_a_line_through_three_regions_is_refused_by_one_and_built_by_all_at_the_second_try(
    federation: Federation, staff: Staff
) -> None:
    regions = {"access-1": "sichuan", "access-2": "henan", "backbone": "guangdong", "service": "guangdong"}
    number = federation.next_number("sichuan")
    first = await staff["guangdong"].submits(staff["guangdong"].request("LEASED_LINE", ["sichuan", "henan"], number))
    assert (first.id.startswith("guangdong/J"), first.state) == (True, SURVEYING)
    assert {each.id: each.region for each in first.items} == regions
    for item_id in ("access-1", "backbone", "service"):
        await staff[regions[item_id]].reserves(first.id, item_id)
    await staff["henan"].follows(first.id, lambda each: each.version > 0, "taken in")
    await staff["henan"].works(first.id, "access-2", WorkOnJointOrderRequest(refuse="无空闲管道"))
    for each in staff.values():
        failed = await each.reaches(first.id, FAILED)
        assert [item.decision for item in failed.items] == [JointDecision.JOINT_DECISION_RELEASE] * 4
        assert not failed.awaiting
        assert "无空闲管道" in item_of(failed, "access-2").error.message.zh_cn
        assert [item.state for item in failed.items if item.id != "access-2"] == [RELEASED] * 3
    second = await staff["guangdong"].submits(staff["guangdong"].request("LEASED_LINE", ["sichuan", "henan"], number))
    for item_id, region in regions.items():
        await staff[region].reserves(second.id, item_id)
    await staff["henan"].reaches(second.id, IN_PROGRESS)
    for item_id, region in regions.items():
        await staff[region].finishes(second.id, item_id)
    ends = [await each.reaches(second.id, COMPLETED) for each in staff.values()]
    assert ends[0] == ends[1] == ends[2]
    assert await staff["sichuan"].list(number) == [second.id, first.id]


async def test_at_its_own_node_an_operator_system_is_counted_that_names_a_number_which_nobody_has(
    federation: Federation, staff: Staff
) -> None:
    request = staff["guangdong"].request("BB_MOVE", ["guangdong", "henan"], federation.next_number("guangdong"))
    assert (await refusal(staff["guangdong"].submits(request))).reason == "PROOF_NOT_OF_NUMBER"
    counted = "SELECT failures, unknown_numbers FROM dealings WHERE region = 'guangdong'"
    assert federation.database("guangdong").rows(counted) == [(1, 1)]


async def test_a_leading_region_that_was_stopped_goes_on_where_it_was_and_nothing_is_done_twice(
    federation: Federation, staff: Staff
) -> None:
    number = await with_broadband(federation, "sichuan")
    request = staff["guangdong"].request("BB_MOVE", ["sichuan", "henan"], number)
    order = await staff["guangdong"].submits(request)
    assert (await staff["guangdong"].submits(request)).id == order.id, "the same request"
    for region in ("sichuan", "henan"):
        await staff[region].follows(order.id, lambda each: each.version > 0, "taken in")
    await federation.stop_node("guangdong")
    await staff["sichuan"].reserves(order.id, "remove")
    step_id = federation.next_id()
    reserved = await staff["henan"].works(order.id, "install", ROOM, step_id)
    assert reserved == await staff["henan"].works(order.id, "install", ROOM, step_id)
    await federation.start_node("guangdong")
    again = JointStaff(federation, "guangdong")
    await again.reaches(order.id, IN_PROGRESS)
    remove = item_of(await staff["sichuan"].reaches(order.id, IN_PROGRESS), "remove")
    assert not remove.HasField("begin_time"), "the old line stays until the new one is tested"
    assert (await refusal(again.cancels(order.id))).reason == "JOINT_ORDER_DECIDED"
    await staff["henan"].finishes(order.id, "install")
    await staff["sichuan"].finishes(order.id, "remove")
    await again.reaches(order.id, COMPLETED)


async def test_a_reservation_ends_by_itself_where_the_leading_region_is_silent_and_a_silent_region_holds_nobody_up(
    federation: Federation, staff: Staff
) -> None:
    number = await with_broadband(federation, "sichuan")
    order = await staff["guangdong"].submits(staff["guangdong"].request("BB_MOVE", ["sichuan", "henan"], number))
    await staff["henan"].reserves(order.id, "install")
    await staff["sichuan"].follows(order.id, lambda each: each.version > 0, "taken in")
    await federation.stop_node("henan")
    await federation.advance(from_timestamp(order.survey_due_time) - federation.clock.now() + timedelta(seconds=1))
    await staff["guangdong"].reaches(order.id, JointOrderState.JOINT_ORDER_STATE_RELEASING)
    (awaited,) = (await staff["guangdong"].get(order.id)).awaiting
    assert (awaited.region, awaited.due_time) == ("henan", order.hold_until_time)
    await federation.advance(from_timestamp(order.hold_until_time) - federation.clock.now() + timedelta(minutes=2))
    await staff["guangdong"].reaches(order.id, FAILED)
    await federation.start_node("henan")
    await JointStaff(federation, "henan").reaches(order.id, FAILED)
    ended = item_of(await JointStaff(federation, "henan").get(order.id), "install")
    assert ended.state in (JointItemState.JOINT_ITEM_STATE_EXPIRED, RELEASED)


async def test_everybody_does_their_own_part_and_an_order_is_cancelled_where_it_was_taken_in(
    federation: Federation, staff: Staff
) -> None:
    south, number = staff["guangdong"], await with_broadband(federation, "sichuan")
    counter = JointStaff(federation, "guangdong", "operator/counter")
    order = await counter.submits(counter.request("BB_MOVE", ["sichuan", "guangdong"], number))
    await staff["sichuan"].follows(order.id, lambda each: each.version > 0, "taken in")
    reach = WorkOnJointOrderRequest(reach=JointMilestoneKind.JOINT_MILESTONE_KIND_TEST)
    few, plain = counter.request("BB_MOVE", ["sichuan"], number), counter.request("BB_MOVE", ["sichuan"] * 2, number)
    plain.order.business = "SUSPEND"
    for step, reason in (
        (south.works(order.id, "remove", ROOM), "JOINT_ITEM_NOT_FOUND"),
        (south.works(order.id, "none", ROOM), "JOINT_ITEM_NOT_FOUND"),
        (south.works(order.id, "install", reach), "JOINT_ITEM_STATE_FORBIDS"),
        (south.works(order.id, "install", WorkOnJointOrderRequest()), "REQUEST_INVALID"),
        (staff["sichuan"].cancels(order.id), "JOINT_ORDER_LED_ELSEWHERE"),
        (staff["henan"].get(order.id), "JOINT_ORDER_NOT_FOUND"),
        (JointStaff(federation, "guangdong", "operator/other").get(order.id), "JOINT_ORDER_NOT_FOUND"),
        (counter.submits(few), "JOINT_PLACES_INVALID"),
        (counter.submits(plain), "BUSINESS_NOT_JOINT"),
        (Counter(federation, "guangdong").order("BB_MOVE", number), "BUSINESS_IS_JOINT"),
        (counter.submits(counter.request("BB_MOVE", ["hunan", "sichuan"], number)), "REGION_NOT_JOINED"),
    ):
        assert (await refusal(step)).reason == reason
    assert (await counter.cancels(order.id)).cancellation_reason == "不再需要"
    for region in ("guangdong", "sichuan"):
        cancelled = await staff[region].reaches(order.id, CANCELLED)
        assert [each.state for each in cancelled.items] == [RELEASED, RELEASED]


async def test_a_watch_tells_each_change_until_the_order_is_final(federation: Federation, staff: Staff) -> None:
    order = await staff["guangdong"].submits(staff["guangdong"].request("LEASED_CHANGE", ["sichuan", "henan"]))
    await staff["sichuan"].follows(order.id, lambda each: each.version > 0, "taken in")
    request = api.WatchJointOrderRequest(joint_order_id=order.id, requester=REQUESTER)
    states: list[JointOrderState.ValueType] = []
    async for each in staff["sichuan"].service.WatchJointOrder(request, timeout=CALL_SECONDS):
        if not states:
            await staff["guangdong"].cancels(order.id)
        states.append(each.order.state)
    assert (states[0], states[-1]) == (SURVEYING, CANCELLED)


@pytest.mark.clause("10.1(2)")
@pytest.mark.long("steps of three regions, one after another")
async def test_a_line_goes_to_a_customer_of_another_region_once_its_home_lets_it_go(
    federation: Federation, staff: Staff
) -> None:
    south, home, active = staff["guangdong"], Counter(federation, "sichuan"), ProductStatus.PRODUCT_STATUS_ACTIVE
    owing, number = await home.new_customer(balance=-1), await home.new_customer()
    refused = await south.submits(south.request("TRANSFER", ["sichuan", "henan"], owing))
    failed = await south.reaches(refused.id, FAILED)
    assert item_of(failed, "give").error.reason == Reason.REASON_IN_ARREARS
    elsewhere = south.submits(south.request("TRANSFER", ["henan", "sichuan"], number))
    assert (await refusal(elsewhere)).reason == "JOINT_LINE_ELSEWHERE"
    request = south.request("TRANSFER", ["sichuan", "henan"], number)
    request.order.characteristics["plan"] = "henan-29"
    order = await south.submits(request)
    await staff["sichuan"].reserves(order.id, "give")
    terminated = await home.order("TERMINATE", number)
    assert terminated.error.reason == Reason.REASON_LINE_PROMISED
    move = StartMoveRequest(request_id=federation.next_id(), number=number, to_region="henan", requester=REQUESTER)
    move.lines.add(number=number, plan_id="henan-29")
    node = CustomerMoveServiceStub(federation.dial_node("sichuan", "region/sichuan/operator/counter"))
    assert (await refusal(node.StartMove(move, timeout=CALL_SECONDS))).reason == "LINE_PROMISED"
    await staff["henan"].reserves(order.id, "take")
    await staff["henan"].finishes(order.id, "take")
    assert (await home.read(number)).product.status == active
    opened = item_of(await staff["henan"].get(order.id), "take").opened_number
    assert (await Counter(federation, "henan").read(opened)).product.plan_id == "henan-29"
    assert item_of(await staff["sichuan"].get(order.id), "take").opened_number == ""
    await staff["sichuan"].finishes(order.id, "give")
    await south.reaches(order.id, COMPLETED)
    ended = await home.read(number)
    assert ended.product.status == ProductStatus.PRODUCT_STATUS_TERMINATED
    assert ended.billing_account.balance.minor_units == 0, "charged up to today, and the rest is due to the customer"
    again = await south.submits(south.request("TRANSFER", ["sichuan", "henan"], number))
    closed = await south.reaches(again.id, FAILED)
    assert item_of(closed, "give").error.reason == Reason.REASON_LINE_CLOSED


@pytest.mark.clause("10.1(2)")
async def test_the_systems_of_the_customers_home_see_an_order_that_others_lead_and_carry_out(
    federation: Federation, staff: Staff
) -> None:
    at_home, third, other = (
        JointStaff(federation, region, "operator/hall") for region in ("sichuan", "henan", "guangdong")
    )
    number = await Counter(federation, "sichuan").new_customer()
    elsewhere = await Counter(federation, "guangdong").new_customer()
    desk = JointStaff(federation, "guangdong", "operator/desk")
    order = await desk.submits(desk.request("LEASED_CHANGE", ["guangdong", "henan"], number))
    foreign = await desk.submits(desk.request("LEASED_CHANGE", ["sichuan", "henan"], elsewhere))
    await staff["sichuan"].follows(foreign.id, lambda each: each.version > 0, "taken in")
    await staff["henan"].follows(order.id, lambda each: each.version > 0, "taken in")
    seen = await at_home.follows(order.id, lambda each: each.version > 0, "the home follows it")
    assert [each.region for each in seen.items] == ["guangdong", "henan", "guangdong"]
    assert (await at_home.list(number), await at_home.list("")) == ([order.id], [])
    assert (await desk.list(""), await other.list(elsewhere)) == ([foreign.id, order.id], [foreign.id])
    for step in (
        third.get(order.id),
        other.get(order.id),
        at_home.get(foreign.id),
        at_home.cancels(order.id),
        other.cancels(foreign.id),
        third.service.WatchJointOrder(
            api.WatchJointOrderRequest(joint_order_id=order.id, requester=REQUESTER), timeout=CALL_SECONDS
        ).read(),
    ):
        assert (await refusal(step)).reason == "JOINT_ORDER_NOT_FOUND"
    assert [await each.list(who) for each in (third, other) for who in (number, "")] == [[]] * 4
    assert await at_home.list(elsewhere) == []
    states = list[JointOrderState.ValueType]()
    watched = api.WatchJointOrderRequest(joint_order_id=order.id, requester=REQUESTER)
    async for each in at_home.service.WatchJointOrder(watched, timeout=CALL_SECONDS):
        if not states:
            await desk.cancels(order.id)
        states.append(each.order.state)
    assert (states[0], states[-1]) == (SURVEYING, CANCELLED)
    sql = "SELECT DISTINCT action FROM audit WHERE actor = ? AND subject = ?"
    read = federation.database("sichuan").rows(sql, "region/sichuan/operator/hall", order.id)
    assert set(read) == {("GetJointOrder",), ("WatchJointOrder",)}
