"""Calls a region's node with nothing but the contract: no module of this project is imported, only generated code.

    python -m pip install -r requirements.txt
    mkdir generated
    python -m grpc_tools.protoc --proto_path=PROTOS --python_out=generated --grpc_python_out=generated \
        $(find PROTOS -name '*.proto')
    PYTHONPATH=generated python client.py NUMBER

PROTOS is the folder `protos` of this project. The environment names the caller and the node, as for `region-node`. The
program prints one line of JSON for each step. docs/integrating.md explains the steps.
"""

import asyncio
import hashlib
import hmac
import json
import os
import random
import re
import secrets
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from gateway.api.region.v1 import complaint_pb2 as complaints_api
from gateway.api.region.v1 import order_pb2 as orders_api
from gateway.api.region.v1.complaint_service_pb2 import FileComplaintRequest
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.region.v1.order_service_pb2 import CancelOrderRequest, SubmitOrderRequest, WatchOrdersRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester

SECONDS = 15.0  # for one call: more than it may wait for the home region
TRIES = 5
WAIT = Duration(seconds=5)  # for the home region's decision
NOBODY_ANSWERED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL)
KEY = secrets.token_bytes(32)  # a real client reads it from its region's store of secrets: it never changes
REQUESTER = Requester(staff_id="me", channel=Channel.CHANNEL_COUNTER)  # the caller, on every request about a person

Request = TypeVar("Request")
Response = TypeVar("Response")


def dial() -> grpc.aio.Channel:
    """A channel to the region's node, which proves the region's name and not that of its address."""
    files = Path(os.environ["CROSSREGION_CREDENTIALS"])
    authority, key, certificate = ((files / name).read_bytes() for name in ("authority.crt", "tls.key", "tls.crt"))
    name = f"{os.environ['CROSSREGION_REGION']}.region.{os.environ['CROSSREGION_FEDERATION']}"
    return grpc.aio.secure_channel(
        os.environ["CROSSREGION_NODE"],
        grpc.ssl_channel_credentials(authority, key, certificate),
        options=(("grpc.ssl_target_name_override", name),),
    )


async def ask(rpc: Callable[..., Awaitable[Response]], request: Request) -> Response:
    """The response. A call without one is sent again unchanged, which its request id makes safe."""
    for left in reversed(range(TRIES)):
        try:
            return await rpc(request, timeout=SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() not in NOBODY_ANSWERED or not left:
                raise
        await asyncio.sleep(random.uniform(0.1, 0.2) * 2 ** (TRIES - left))
    raise AssertionError


def reason(error: grpc.aio.AioRpcError) -> str:
    """Why a call was refused, for programs: the reason of the contract without its prefix; empty for other errors."""
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    for detail in Status.FromString(details if isinstance(details, bytes) else b"").details:
        info = ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return ""


def seen(code: str, number_of_paper: str, key: bytes) -> Document:
    """A paper that a member of staff has just verified. `key`: 32 random bytes that all systems of a region share."""
    verified = Timestamp()
    verified.FromDatetime(datetime.now(UTC))
    in_one_form = re.sub(r"[\s-]", "", number_of_paper).upper()
    digest = hmac.digest(key, f"{code}\n{in_one_form}".encode(), hashlib.sha256)
    return Document(code=code, verifier=REQUESTER.staff_id, verify_time=verified, keyed_hash=digest)


def suspension(number: str, run: str) -> SubmitOrderRequest:
    """Suspends a line in sixty days."""
    return SubmitOrderRequest(
        request_id=f"{run}-suspend",  # stored before it is sent, so that it can be sent again after a crash
        wait=WAIT,
        order=orders_api.OrderRequest(
            business="SUSPEND",
            number=number,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=[seen("ID_ORIG", "110105 19491231 002x", KEY)],
            characteristics={"reason": "abroad", "start": (datetime.now(UTC) + timedelta(days=60)).isoformat()},
            requester=REQUESTER,
        ),
    )


async def order_and_cancel(orders: OrderServiceStub, number: str, run: str) -> None:
    """Orders, twice with one request id, follows the order, and cancels it."""
    changes = orders.WatchOrders(WatchOrdersRequest(requester=REQUESTER))
    told = aiter(changes)
    await anext(told)  # a token alone: every change from now on follows
    request = suspension(number, run)
    order = (await ask(orders.SubmitOrder, request)).order
    tell("submitted", order=order.id, state=orders_api.OrderState.Name(order.state))
    again = (await ask(orders.SubmitOrder, request)).order
    tell("submitted again", order=again.id, state=orders_api.OrderState.Name(again.state))
    request.order.characteristics["reason"] = "ill"
    try:
        await ask(orders.SubmitOrder, request)
    except grpc.aio.AioRpcError as error:
        tell("submitted with another content", status=error.code().name, reason=reason(error))
    async for change in told:
        if change.order.id == order.id:
            tell("watched", order=change.order.id)
            break
    changes.cancel()
    cancellation = CancelOrderRequest(
        request_id=f"{run}-cancel", order_id=order.id, reason="changed my mind", requester=REQUESTER, wait=WAIT
    )
    cancelled = (await ask(orders.CancelOrder, cancellation)).order
    tell("cancelled", order=cancelled.id, state=orders_api.OrderState.Name(cancelled.state))


async def complain(complaints: ComplaintServiceStub, number: str, run: str) -> None:
    """Files a complaint."""
    request = FileComplaintRequest(
        request_id=f"{run}-complaint",
        complaint=complaints_api.ComplaintRequest(
            category="BILL_WRONG",
            number=number,
            description="I was charged twice for the same call.",
            remedy_sought=complaints_api.Remedy.REMEDY_REFUND,
            channel=complaints_api.ComplaintChannel.COMPLAINT_CHANNEL_COUNTER,
            requester=REQUESTER,
        ),
    )
    filed = (await ask(complaints.FileComplaint, request)).complaint
    tell("complained", ticket_id=filed.ticket_id, state=complaints_api.ComplaintState.Name(filed.state))


def tell(did: str, **what: str) -> None:
    """Prints one step."""
    print(json.dumps({"did": did, **what}), flush=True)


async def main(number: str) -> None:
    """Orders, cancels and complains for the customer with a number."""
    run = secrets.token_hex(4)
    async with dial() as channel:
        await order_and_cancel(OrderServiceStub(channel), number, run)
        await complain(ComplaintServiceStub(channel), number, run)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
