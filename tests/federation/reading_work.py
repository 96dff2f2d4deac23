"""The reads of operators and staff about complaints, faults and joint orders, as bytes."""

from collections.abc import Awaitable, Callable, Mapping

import grpc

from gateway.api.region.v1 import complaint_service_pb2 as complaint_api
from gateway.api.region.v1 import fault_service_pb2 as fault_api
from gateway.api.region.v1 import joint_order_service_pb2 as joint_api
from gateway.api.region.v1 import support_service_pb2 as support_api
from gateway.api.region.v1 import survey_service_pb2 as survey_api
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.region.v1.fault_service_pb2_grpc import FaultServiceStub
from gateway.api.region.v1.joint_order_service_pb2_grpc import JointOrderServiceStub
from gateway.api.region.v1.support_service_pb2_grpc import SupportServiceStub
from gateway.api.region.v1.survey_service_pb2_grpc import SurveyServiceStub
from gateway.rpc.pages import encode_token
from tests.federation.counter import REQUESTER
from tests.federation.running import CALL_SECONDS


def calls_about_tickets(
    channel: grpc.aio.Channel, fault_id: str, support_id: str, joint_order_id: str, number: str
) -> Mapping[str, Callable[[], Awaitable[bytes]]]:
    """Faults, support requests and joint orders."""
    return {
        **calls_about_faults(channel, fault_id, number),
        **calls_about_support(channel, support_id, number),
        **calls_about_joint_orders(channel, joint_order_id, number),
    }


def calls_about_faults(
    channel: grpc.aio.Channel, fault_id: str, number: str
) -> Mapping[str, Callable[[], Awaitable[bytes]]]:
    """Faults."""
    faults = FaultServiceStub(channel)
    asked = fault_api.GetFaultRequest(fault_id=fault_id, requester=REQUESTER)
    listed = fault_api.ListFaultsRequest(number=number, requester=REQUESTER)

    async def read() -> bytes:
        return (await faults.GetFault(asked, timeout=CALL_SECONDS)).SerializeToString()

    async def read_list() -> bytes:
        return (await faults.ListFaults(listed, timeout=CALL_SECONDS)).SerializeToString()

    return {
        "GetFault": read,
        "ListFaults": read_list,
        "WatchFaults": lambda: first_change_of_a_fault(faults, fault_id),
    }


def calls_about_support(
    channel: grpc.aio.Channel, support_id: str, number: str
) -> Mapping[str, Callable[[], Awaitable[bytes]]]:
    """Support requests, and the follow-ups of surveys."""
    support = SupportServiceStub(channel)
    asked = support_api.GetSupportRequestRequest(support_request_id=support_id, requester=REQUESTER)
    listed = support_api.ListSupportRequestsRequest(number=number, requester=REQUESTER)

    async def read() -> bytes:
        return (await support.GetSupportRequest(asked, timeout=CALL_SECONDS)).SerializeToString()

    async def read_list() -> bytes:
        return (await support.ListSupportRequests(listed, timeout=CALL_SECONDS)).SerializeToString()

    async def read_follow_ups() -> bytes:
        stub = SurveyServiceStub(channel)
        return (
            await stub.ListSurveyFollowUps(survey_api.ListSurveyFollowUpsRequest(), timeout=CALL_SECONDS)
        ).SerializeToString()

    return {"GetSupportRequest": read, "ListSupportRequests": read_list, "ListSurveyFollowUps": read_follow_ups}


def calls_about_joint_orders(
    channel: grpc.aio.Channel, joint_order_id: str, number: str
) -> Mapping[str, Callable[[], Awaitable[bytes]]]:
    """Joint orders."""
    joint = JointOrderServiceStub(channel)
    asked = joint_api.GetJointOrderRequest(joint_order_id=joint_order_id, requester=REQUESTER)
    listed = joint_api.ListJointOrdersRequest(number=number, requester=REQUESTER)
    watched = joint_api.WatchJointOrderRequest(joint_order_id=joint_order_id, requester=REQUESTER)

    async def read() -> bytes:
        return (await joint.GetJointOrder(asked, timeout=CALL_SECONDS)).SerializeToString()

    async def read_list() -> bytes:
        return (await joint.ListJointOrders(listed, timeout=CALL_SECONDS)).SerializeToString()

    async def first() -> bytes:
        changes = joint.WatchJointOrder(watched, timeout=CALL_SECONDS)
        async for change in changes:
            changes.cancel()
            return change.SerializeToString()
        return b""

    return {"GetJointOrder": read, "ListJointOrders": read_list, "WatchJointOrder": first}


async def first_change_of_a_fault(stub: FaultServiceStub, fault_id: str) -> bytes:
    """The first change of a fault since the oldest that is kept."""
    request = fault_api.WatchFaultsRequest(
        fault_id=fault_id, token=encode_token("fault-events", "0"), requester=REQUESTER
    )
    changes = stub.WatchFaults(request, timeout=CALL_SECONDS)
    async for change in changes:
        if change.HasField("fault"):
            changes.cancel()
            return change.SerializeToString()
    return b""


async def first_change(stub: ComplaintServiceStub, ticket_id: str) -> bytes:
    """The first change of a complaint since the oldest that is kept."""
    request = complaint_api.WatchComplaintRequest(
        ticket_id=ticket_id, token=encode_token("complaint-events", "0"), requester=REQUESTER
    )
    changes = stub.WatchComplaint(request, timeout=CALL_SECONDS)
    async for change in changes:
        if change.HasField("complaint"):
            changes.cancel()
            return change.SerializeToString()
    return b""
