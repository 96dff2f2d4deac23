"""Administrators' reads: all orders across regions and the path of one, and never the customer."""

import pytest

from gateway.api.coordinator.v1.administration_pb2 import (
    GetOrderTraceRequest,
    ListJointOrderSummariesRequest,
    ListOrderSummariesRequest,
)
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideRequest, GetBusinessGuideResponse
from gateway.api.region.v1.joint_order_pb2 import JointItemState, JointOrderState
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from tests.federation.commands import as_administrator, run_command
from tests.federation.counter import Counter
from tests.federation.joint_staff import JointStaff, with_broadband
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation


async def test_an_order_is_listed_once_as_its_home_region_has_it(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    request = ListOrderSummariesRequest(region="sichuan", page_size=500)
    listed = await federation.oversight.ListOrderSummaries(request, timeout=CALL_SECONDS)
    (found,) = [each for each in listed.orders if each.id == order.id]
    assert (found.state, found.version, found.home_region) == (order.state, 1, "sichuan")
    assert found.number_prefix == ""
    assert order.request.number[-6:] not in str(found)


async def test_a_held_order_shows_the_reason_and_the_prefix_alone(federation: Federation, guangdong: Counter) -> None:
    number = federation.next_number(NOT_JOINED)
    order = await guangdong.order("SUSPEND", number)
    request = ListOrderSummariesRequest(states=[OrderState.ORDER_STATE_HELD], page_size=500)
    listed = await federation.oversight.ListOrderSummaries(request, timeout=CALL_SECONDS)
    (found,) = [each for each in listed.orders if each.id == order.id]
    assert (found.reason, found.number_prefix) == (Reason.REASON_REGION_NOT_JOINED, number[:10])


async def test_a_basic_summary_leaves_out_the_course_of_an_order_alone(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    told = {}
    for basic in (False, True):
        request = ListOrderSummariesRequest(region="sichuan", page_size=500, basic=basic)
        listed = await federation.oversight.ListOrderSummaries(request, timeout=CALL_SECONDS)
        (told[basic],) = [each for each in listed.orders if each.id == order.id]
    assert told[False].HasField("awaiting")
    told[False].ClearField("awaiting")
    assert told[True] == told[False]


async def test_a_trace_shows_every_hop_of_one_order(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("SUSPEND", await sichuan.new_customer())
    traced = await federation.oversight.GetOrderTrace(GetOrderTraceRequest(order_id=order.id), timeout=CALL_SECONDS)
    assert [trace.region for trace in traced.traces] == ["guangdong", "sichuan"]
    (envelope,) = traced.traces[0].trace.envelopes
    assert envelope.attempts == 1
    assert [(stamp.party, stamp.event) for stamp in envelope.journey.stamps] == [
        ("guangdong", "sent"),
        ("coordinator/0", "received"),
        ("coordinator/0", "forwarded"),
        ("sichuan", "received"),
        ("sichuan", "committed"),
        ("coordinator/0", "returned"),
        ("guangdong", "receipt received"),
    ]
    times = [(stamp.time.seconds, stamp.time.nanos) for stamp in envelope.journey.stamps]
    assert times == sorted(times)
    assert order.request.number[-6:] not in str(traced)


async def test_a_joint_order_is_traced_in_every_region_without_its_customer(federation: Federation) -> None:
    south, number = JointStaff(federation, "guangdong"), await with_broadband(federation, "sichuan")
    order = await south.submits(south.request("BB_MOVE", ["sichuan", "henan"], number))
    for region in ("sichuan", "henan"):
        await JointStaff(federation, region).follows(order.id, lambda each: each.version > 0, "taken in")
    traced = await federation.oversight.GetOrderTrace(GetOrderTraceRequest(order_id=order.id), timeout=CALL_SECONDS)
    assert {trace.region for trace in traced.traces} == {"guangdong", "sichuan", "henan"}
    joint = traced.traces[0].trace.joint
    assert {(each.region, each.item_id) for each in joint.awaiting} == {("sichuan", "remove"), ("henan", "install")}
    assert (number[-6:] in str(traced), "人民路" in str(traced)) == (False, False)
    environment = as_administrator(federation)
    ended = await run_command("coordinator.cli.main", "orders", "why", order.id, environment=environment)
    assert "waits for henan (install: survey, since" in ended.out, ended.err


@pytest.mark.clause("10.3(1)")
async def test_joint_orders_of_all_regions_are_listed_once_with_who_has_them_and_never_the_customer(
    federation: Federation,
) -> None:
    south, number = JointStaff(federation, "guangdong"), await with_broadband(federation, "sichuan")
    order = await south.submits(south.request("BB_MOVE", ["sichuan", "henan"], number))
    await JointStaff(federation, "henan").reserves(order.id, "install")
    reserved = JointItemState.JOINT_ITEM_STATE_RESERVED
    await south.follows(order.id, lambda each: reserved in [item.state for item in each.items], "one has reserved")
    surveying = [JointOrderState.JOINT_ORDER_STATE_SURVEYING]
    for region in ("", "guangdong", "sichuan", "henan", "beijing"):
        request = ListJointOrderSummariesRequest(states=surveying, region=region, page_size=500)
        listed = await federation.oversight.ListJointOrderSummaries(request, timeout=CALL_SECONDS)
        found = [each for each in listed.orders if each.id == order.id]
        assert len(found) == (region != "beijing"), region
        for each in found:
            assert (each.business, each.leader_region) == ("BB_MOVE", "guangdong")
            assert {item.region: item.state == reserved for item in each.items} == {"sichuan": False, "henan": True}
            assert [(waits.region, waits.item_id) for waits in each.awaiting] == [("sichuan", "remove")]
            assert each.expected_completion_time == order.expected_completion_time
            assert (number[-6:] in str(each), "人民路" in str(each)) == (False, False)
    command = ("coordinator.cli.main", "orders", "joint", "--region", "sichuan", "--limit", "500")
    told = await run_command(*command, environment=as_administrator(federation))
    assert (told.code, order.id in told.out, "henan install: reserved" in told.out) == (0, True, True), told


async def test_an_order_that_nobody_knows_has_no_trace(federation: Federation) -> None:
    expected = {
        "guangdong/counter/none": "ORDER_NOT_FOUND",
        "atlantis/counter/R1": "ORDER_NOT_FOUND",
        "R1": "REQUEST_INVALID",
        "": "REQUEST_INVALID",
    }
    for order_id, reason in expected.items():
        request = GetOrderTraceRequest(order_id=order_id)
        told = await refusal(federation.oversight.GetOrderTrace(request, timeout=CALL_SECONDS))
        assert told.reason == reason


async def guide(counter: Counter, business: str, number: str) -> GetBusinessGuideResponse:
    """The guide of a business for a number."""
    request = GetBusinessGuideRequest(business=business, number=number)
    return await counter.catalogue.GetBusinessGuide(request, timeout=CALL_SECONDS)


async def test_the_guide_tells_steps_documents_limit_and_tariff(federation: Federation, guangdong: Counter) -> None:
    found = await guide(guangdong, "TERMINATE", federation.next_number("sichuan"))
    assert (found.home_region, found.offered_here) == ("sichuan", True)
    assert found.business.guide
    assert found.business.tariff.zh_cn
    assert found.business.limit.source
    codes = {material.code for material in found.materials}
    assert {"ID_ORIG", "FACE", "SIM", "REFUND_ACC"} <= codes


@pytest.mark.parametrize(("home", "offered"), [("guangdong", True), ("sichuan", False), ("", False)])
async def test_the_guide_says_whether_a_business_is_offered_here_for_a_number(
    federation: Federation, guangdong: Counter, home: str, offered: bool
) -> None:
    found = await guide(guangdong, "MNP_IN", federation.next_number(home))
    assert (found.home_region, found.offered_here) == (home, offered)
