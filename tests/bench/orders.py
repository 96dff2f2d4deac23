"""The measured load: SUSPEND and RESUME orders for customers of another region, each followed to its completion."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from deploy.local.federation import LocalFederation
from gateway.api.region.v1.customer_service_pb2 import (
    BatchCreateCustomersRequest,
    BillingAccount,
    Customer,
    Product,
    ProductStatus,
)
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.order_pb2 import OrderRequest, OrderState
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest, SubmitOrderResponse
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Money, Requester
from gateway.client.failures import failure_of
from gateway.client.repeating import pause
from gateway.errors import from_rpc_error

T = TypeVar("T")

HANDLING, HOME = "guangdong", "sichuan"
CUSTOMERS = 2048  # lines at the home region: 16 for each of 128 callers
MOST_CUSTOMERS = 1_000_000  # whose lines all have 11 digits
BALANCE = 5000  # fen that a customer has at the beginning
WAIT = 20.0  # seconds that an order may take; one that is not completed by then fails the run
REFUSED_FOR_LOAD = (
    Reason.REASON_TOO_BUSY,
    Reason.REASON_CALLS_TOO_MANY,
    Reason.REASON_CONNECTIONS_TOO_MANY,
    Reason.REASON_SERVER_CALLS_TOO_MANY,
)
_BATCH = 500
_PREFIXES = {HOME: "+8619851", HANDLING: "+8619844", "henan": "+8619841", "hunan": "+8619843"}
_PLANS = {HOME: "sichuan-29", HANDLING: "guangdong-79", "henan": "henan-29", "hunan": "hunan-29"}


class OrderNotCompleted(Exception):
    """An order came back in another state: the run measures nothing."""


@dataclass
class Line:
    """A customer's line, in its last state at the load client."""

    number: str
    suspended: bool = False


def all_lines(region: str = HOME, customers: int = CUSTOMERS, first: int = 0) -> list[Line]:
    """Every line of the bench at one home region from the first on, in use; at most MOST_CUSTOMERS."""
    return [Line(f"{_PREFIXES[region]}{index:06d}") for index in range(first, customers)]


class Clerk:
    """Submits one order after the other, for lines of its own: first all are suspended, then all resumed."""

    def __init__(
        self,
        orders: "OrderServiceStub",
        lines: Sequence[Line],
        ids: Iterator[str],
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        """`refused` is called each time that an order has no room."""
        self._orders = orders
        self._lines = itertools.cycle(lines)
        self._ids = ids
        self._refused = refused

    async def call(self) -> None:
        """Sends one order. Raises OrderNotCompleted."""
        await self.submit()

    async def submit(self) -> tuple[SubmitOrderRequest, SubmitOrderResponse]:
        """Sends one order; returns the request and the completed order. Raises OrderNotCompleted."""
        line = next(self._lines)
        request = submission(next(self._ids), line)
        response = await with_room(lambda: self._orders.SubmitOrder(request, timeout=WAIT + 5), self._refused)
        if response.order.state != OrderState.ORDER_STATE_COMPLETED:
            state = OrderState.Name(response.order.state)
            raise OrderNotCompleted(f"{response.order.id} is {state}: {response.order.error}")
        line.suspended = not line.suspended
        return request, response


async def with_room(call: Callable[[], Awaitable[T]], told: Callable[[], None] = lambda: None) -> T:
    """The answer to a call, which is made until there is room for it; `told` is called each time that there is none.

    Raises AioRpcError for any other refusal.
    """
    failures = 0
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            refused = from_rpc_error(error)
            if refused is None or refused.reason not in REFUSED_FOR_LOAD:
                raise
            told()
            failures += 1
            seconds = pause(failures, failure_of(error).retry_after)
        await asyncio.sleep(seconds)


def submission(request_id: str, line: Line) -> SubmitOrderRequest:
    """The order that a line can take now: SUSPEND, or RESUME when it is suspended."""
    return SubmitOrderRequest(
        request_id=request_id,
        order=OrderRequest(
            business="RESUME" if line.suspended else "SUSPEND",
            number=line.number,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=[identity_document()],
            characteristics={"reason": "back home" if line.suspended else "travelling"},
            requester=requester(),
        ),
        wait=Duration(seconds=int(WAIT)),
    )


async def create_customers(
    federation: LocalFederation, region: str = HOME, customers: int = CUSTOMERS, first: int = 0
) -> None:
    """Gives a home region its customers of the bench, from the first on."""
    opened = Timestamp()
    opened.FromDatetime(datetime(2020, 1, 1, tzinfo=UTC))
    plan, lines = _PLANS[region], all_lines(region, customers)
    async with federation.dial_region(region, f"{region}-counter") as channel:
        service = CustomerServiceStub(channel)
        for start in range(first, customers, _BATCH):
            several = enumerate(lines[start : start + _BATCH], start)
            batch = [_customer(index, line.number, plan, opened) for index, line in several]
            request = BatchCreateCustomersRequest(customers=batch, requester=requester())
            await service.BatchCreateCustomers(request, timeout=30, wait_for_ready=True)


def order_service(channel: grpc.aio.Channel) -> "OrderServiceStub":
    """The order service of a channel."""
    return OrderServiceStub(channel)


def _customer(index: int, number: str, plan: str, opened: Timestamp) -> Customer:
    return Customer(
        id=f"customer-{index}",
        name=f"Customer {index}",
        product=Product(
            id=f"line-{index}",
            number=number,
            status=ProductStatus.PRODUCT_STATUS_ACTIVE,
            plan_id=plan,
            start_time=opened,
        ),
        billing_account=BillingAccount(id=f"account-{index}", balance=Money(minor_units=BALANCE, currency="CNY")),
    )


def identity_document() -> Document:
    """The document that proves the customer's presence."""
    verified = Timestamp()
    verified.FromDatetime(datetime.now(UTC))
    return Document(code="ID_ORIG", verifier="4711", verify_time=verified, keyed_hash=b"\x11" * 32)


def requester() -> Requester:
    """The requester of every call in the bench."""
    return Requester(staff_id="4711", channel=Channel.CHANNEL_COUNTER)
