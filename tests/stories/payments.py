"""Operator systems that order payments all the while, each for a customer of another region and to its end."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import grpc
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1.customer_service_pb2 import (
    BatchCreateCustomersRequest,
    BillingAccount,
    Customer,
    Product,
    ProductStatus,
)
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.order_pb2 import OrderRequest, OrderState
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Money, Requester
from gateway.errors import from_rpc_error, reason_name
from region_node.business.orders.rules import is_final

CLERK = Requester(staff_id="probe", channel=Channel.CHANNEL_COUNTER)
PATIENCE = 60.0
COMPLETED = "ORDER_STATE_COMPLETED"
_NOT_KNOWN = ("", "UNAVAILABLE", "DEADLINE_EXCEEDED")  # the order may have been taken, or not
_PACE = 0.1  # seconds between two orders of one caller, who is a person at a counter
_LOOK = 0.02
_PLANS = {"guangdong": "guangdong-39", "sichuan": "sichuan-29", "henan": "henan-29", "hunan": "hunan-29"}
_PREFIXES = {"guangdong": "+8619844", "sichuan": "+8619851", "henan": "+8619841", "hunan": "+8619843"}
Dial = Callable[[], grpc.aio.Channel]


def number_of(region: str, index: int = 0) -> str:
    """The number of a customer of a region."""
    return f"{_PREFIXES[region]}{index:06}"


async def take_over(channel: grpc.aio.Channel, region: str, count: int) -> None:
    """Gives a region its customers."""
    customers = []
    for index in range(count):
        line = Product(
            id=f"product-{index}",
            number=number_of(region, index),
            plan_id=_PLANS[region],
            status=ProductStatus.PRODUCT_STATUS_ACTIVE,
        )
        line.start_time.FromDatetime(datetime.now(UTC) - timedelta(days=400))
        account = BillingAccount(id=f"account-{index}", balance=Money(currency="CNY"))
        customers.append(Customer(id=f"customer-{index}", name="Li Wei", product=line, billing_account=account))
    request = BatchCreateCustomersRequest(customers=customers, requester=CLERK)
    await CustomerServiceStub(channel).BatchCreateCustomers(request, timeout=PATIENCE)


def payment(number: str) -> SubmitOrderRequest:
    """A new order for a customer."""
    order = OrderRequest(
        business="PAY",
        number=number,
        applicant=Applicant.APPLICANT_HOLDER,
        characteristics={"amount": "1"},
        requester=CLERK,
    )
    return SubmitOrderRequest(request_id=uuid4().hex, order=order, wait=Duration(seconds=5))


async def paid(channel: grpc.aio.Channel, number: str) -> str:
    """How a payment at a counter ends. As any client, this one repeats its request until the order is final."""
    request, told = payment(number), ""
    async with asyncio.timeout(PATIENCE):
        while told in _NOT_KNOWN:
            try:
                answer = await OrderServiceStub(channel).SubmitOrder(request, timeout=10.0)
            except grpc.aio.AioRpcError as error:
                told = name_of(error)
            else:
                told = OrderState.Name(answer.order.state) if is_final(answer.order) else ""
            await asyncio.sleep(_LOOK)
    return told


def name_of(error: grpc.aio.AioRpcError) -> str:
    """The reason of a refusal; the status of a call without an answer."""
    refused = from_rpc_error(error)
    return error.code().name if refused is None else reason_name(refused.reason)


@dataclass(frozen=True)
class Caller:
    """An operator system of a region, and its customer of another one."""

    origin: str
    home: str
    index: int
    dial: Dial
    connects_anew: bool
    """Whether it makes a connection for each order."""

    async def pay(self, lasting: grpc.aio.Channel) -> str:
        """How one payment ends."""
        number = number_of(self.home, self.index)
        try:
            if not self.connects_anew:
                return await paid(lasting, number)
            async with self.dial() as fresh:
                return await paid(fresh, number)
        except TimeoutError:
            return "NOT_FINAL"


class Load:
    """Callers who order at the same time, until they are stopped."""

    def __init__(self, phase: str) -> None:
        self.phase = phase
        """The part of the story in which orders end now."""
        self.ends: defaultdict[tuple[Caller, str], Counter[str]] = defaultdict(Counter)
        """How orders ended, by caller and phase."""
        self._calling: dict[Caller, asyncio.Task[None]] = {}
        self._is_stopping = False

    def begin(self, callers: Iterable[Caller]) -> None:
        """Has callers order."""
        self._calling |= {caller: asyncio.create_task(self._call(caller)) for caller in callers}

    async def stop(self) -> None:
        """Returns once the last orders have ended."""
        self._is_stopping = True
        await asyncio.gather(*self._calling.values())
        self._calling.clear()

    async def cut(self, callers: Sequence[Caller]) -> None:
        """Ends callers whose orders may wait for ever."""
        cut = [self._calling.pop(caller) for caller in callers]
        for each in cut:
            each.cancel()
        await asyncio.gather(*cut, return_exceptions=True)

    def require_completed(self, callers: Sequence[Caller], phases: Sequence[str]) -> None:
        """Checks that each caller has ordered in each phase, and that no order of theirs has failed in these."""
        found = {
            (each.origin, each.home, each.index, phase): self.ends[each, phase] for each in callers for phase in phases
        }
        for phase in phases:
            print(
                f"{phase}: {sum(self.ends[each, phase].total() for each in callers)} orders of {len(callers)} callers"
            )
        failed = {which: dict(ends) for which, ends in found.items() if set(ends) != {COMPLETED}}
        assert failed == {}

    async def _call(self, caller: Caller) -> None:
        async with caller.dial() as lasting:
            while not self._is_stopping:
                end = await caller.pay(lasting)
                self.ends[caller, self.phase][end] += 1
                await asyncio.sleep(_PACE)
