"""Two regions of a federation of real processes: the operator system at a counter, and what both have in store."""

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import grpc

from deploy.clients.python.packing import Packing
from deploy.local.federation import FEDERATION, FEDERATION_FILES, OPERATOR, LocalFederation
from gateway.api.federation.v1.configuration_pb2 import LineKind
from gateway.api.region.v1.customer_service_pb2 import (
    BatchCreateCustomersRequest,
    BillingAccount,
    Customer,
    Product,
    ProductStatus,
)
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import (
    CancelOrderRequest,
    ExpediteOrderRequest,
    GetOrderRequest,
    SubmitOrderRequest,
)
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Money, Requester
from gateway.errors import from_rpc_error
from gateway.security.identity import server_name
from gateway.security.tls import Credentials, client_credentials, client_options
from gateway.time.clock import SystemClock, to_timestamp
from tests.bench.running import until_configured
from tests.crash.records import Records
from tests.faults.background import Background

T = TypeVar("T")

HANDLING, HOME = "guangdong", "sichuan"
AMOUNT = 1_000  # fen of every payment
CUSTOMERS = 1_000
BROADBAND = CUSTOMERS - 1  # the customer with a broadband line, about whom there is no other order
CLERK = Requester(staff_id="c-17", channel=Channel.CHANNEL_COUNTER)
SETTLED_SECONDS = 60.0  # guarantee G4
CALL_SECONDS = 25.0  # seconds that a caller at the counter gives a call
# Documents that pad an order until its envelope is larger than anything else between a node and a coordinator, so
# that lost bytes can be told to be the envelope's.
_PADDING = 40
_SOON = timedelta(seconds=4)
_AT_ONCE = 500  # customers in one batch: the contract's limit


class TwoRegions:
    """Guangdong handles orders of customers whose home is Sichuan; somebody stands at Guangdong's counter."""

    def __init__(self, federation: LocalFederation) -> None:
        self.background = Background()
        self.federation = federation
        self._records: list[Records] = []
        self._counters: list[OrderServiceStub] = []
        self._channels: list[grpc.aio.Channel] = []
        self._number = 0

    @property
    def handling(self) -> Records:
        """The database of the origin region."""
        return self._records[0]

    @property
    def home(self) -> Records:
        """The database of the home region."""
        return self._records[1]

    def start(self, configuration: Path = FEDERATION_FILES) -> None:
        """Starts the prepared federation and takes over the home region's customers."""
        nodes = self.federation.nodes
        self._records = [Records.of(self.federation, nodes[region][0].name) for region in (HANDLING, HOME)]
        self.federation.start(configuration=configuration)
        self.run(self._create_customers())

    def open_counters(self, *endpoints: str) -> None:
        """The counter reaches the processes of the origin region there."""
        name = server_name(Role.ROLE_REGION, HANDLING, FEDERATION)
        self._counters = [
            OrderServiceStub(self._dial(f"{HANDLING}-{OPERATOR}", endpoint, name)) for endpoint in endpoints
        ]

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine beside the test and returns its result."""
        return self.background.run(coroutine)

    def close(self) -> None:
        """Ends everything."""
        for channel in self._channels:
            self.run(channel.close())
        for records in self._records:
            records.database.close()
        self.federation.kill()
        self.background.close()

    def pay(self, *, padded: bool = False) -> SubmitOrderRequest:
        """A payment for one of the home region's customers, with an id of its own."""
        return self._request("PAY", {"amount": str(AMOUNT)}, _PADDING if padded else 0)

    def suspend(self, *, start: datetime | None = None, padded: bool = False) -> SubmitOrderRequest:
        """A suspension of one of the home region's lines, at once or from an agreed time."""
        characteristics = {"reason": "travels"} | ({"start": start.isoformat()} if start else {})
        return self._request("SUSPEND", characteristics, _PADDING if padded else 1)

    def request(self, business: str, *, padded: bool = False) -> SubmitOrderRequest:
        """A new order for a business, PAY or SUSPEND."""
        return self.pay(padded=padded) if business == "PAY" else self.suspend(padded=padded)

    def submit(self, request: SubmitOrderRequest, wait: float = 0.0, at: int = 0) -> Order:
        """Submits and waits for the answer. Raises AioRpcError."""
        return self.start_submit(request, wait, at).result()

    def submit_again(self, request: SubmitOrderRequest) -> Order:
        """Submits until there is an answer: the connection may learn only by the first try that it was cut."""
        return self.background.start(self._submit_again(request)).result()

    def start_submit(self, request: SubmitOrderRequest, wait: float = 0.0, at: int = 0) -> "Future[Order]":
        """Submits to the process of that number; the answer is waited for by whoever wants it."""
        return self.background.start(self._submit(request, wait, at))

    def start_pack(self, requests: Sequence[SubmitOrderRequest], wait: float) -> "Future[list[Order]]":
        """Submits orders together, again until all are answered."""
        return self.background.start(self._pack(requests, wait))

    def get(self, order_id: str, at: int = 0) -> Order:
        """Reads an order at a process of the origin region. Raises AioRpcError."""
        return self.background.run(self._get(order_id, at))

    def start_get(self, order_id: str) -> "Future[Order]":
        """Reads an order; the answer is waited for by whoever wants it."""
        return self.background.start(self._get(order_id, 0))

    def start_cancel(self, request: CancelOrderRequest) -> "Future[Order]":
        """Asks to cancel an order."""
        return self.background.start(self._cancel(request))

    def expedite(self, order_id: str) -> Order:
        """Reminds the home region of an order, and does not wait for what it says. Raises AioRpcError."""
        return self.run(self._expedite(ExpediteOrderRequest(request_id=self._next_id("expedite"), order_id=order_id)))

    def cancel_request(self, order_id: str) -> CancelOrderRequest:
        """A request to cancel an order, with an id of its own."""
        return CancelOrderRequest(
            request_id=self._next_id("cancel"), order_id=order_id, reason="changed plans", requester=CLERK
        )

    def now(self) -> datetime:
        """The time of day."""
        return datetime.now(UTC)

    def soon(self) -> datetime:
        """A time that an order can be agreed for, late enough to break something before it comes."""
        return self.now() + _SOON

    def in_a_week(self) -> datetime:
        """A time that does not come in a test."""
        return self.now() + timedelta(days=7)

    def _dial(self, certificate: str, endpoint: str, name: str) -> grpc.aio.Channel:
        directory = self.federation.directory / "certificates" / certificate
        files = Credentials(directory / "authority.crt", directory / "tls.crt", directory / "tls.key")

        async def dial() -> grpc.aio.Channel:
            credentials = client_credentials(files, SystemClock().now())
            return grpc.aio.secure_channel(endpoint, credentials, options=client_options(name))

        channel = self.run(dial())
        self._channels.append(channel)
        return channel

    def _next_id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}-{self._number}"

    def _request(self, business: str, characteristics: dict[str, str], documents: int) -> SubmitOrderRequest:
        request_id = self._next_id(business)
        assert self._number < CUSTOMERS, "every order is about a customer of its own, and they are used up"
        verified = to_timestamp(datetime.now(UTC))
        document = Document(code="ID_ORIG", verifier="c-17", verify_time=verified, keyed_hash=bytes(32))
        order = OrderRequest(
            business=business,
            number=number_of(self._number),
            applicant=Applicant.APPLICANT_HOLDER,
            documents=[document] * documents,
            characteristics=characteristics,
            requester=CLERK,
        )
        return SubmitOrderRequest(request_id=request_id, order=order)

    def _waits(self) -> bool:
        """Whether callers wait: a caller with another process to call does not."""
        return len(self._counters) == 1

    async def _pack(self, requests: Sequence[SubmitOrderRequest], wait: float) -> list[Order]:
        async with Packing(self._counters[0]) as packing:
            return await asyncio.gather(*(packing.submit(each.request_id, each.order, wait) for each in requests))

    async def _submit_again(self, request: SubmitOrderRequest) -> Order:
        while True:
            try:
                return await self._submit(request, 0.0, 0)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or from_rpc_error(error) is not None:
                    raise

    async def _submit(self, request: SubmitOrderRequest, wait: float, at: int) -> Order:
        sent = SubmitOrderRequest()
        sent.CopyFrom(request)
        sent.wait.FromMilliseconds(int(wait * 1000))
        return (await self._counters[at].SubmitOrder(sent, timeout=CALL_SECONDS, wait_for_ready=self._waits())).order

    async def _get(self, order_id: str, at: int) -> Order:
        request = GetOrderRequest(order_id=order_id, requester=CLERK)
        return (await self._counters[at].GetOrder(request, timeout=CALL_SECONDS, wait_for_ready=self._waits())).order

    async def _cancel(self, request: CancelOrderRequest) -> Order:
        return (await self._counters[0].CancelOrder(request, timeout=CALL_SECONDS, wait_for_ready=self._waits())).order

    async def _expedite(self, request: ExpediteOrderRequest) -> Order:
        request.requester.CopyFrom(CLERK)
        return (await self._counters[0].ExpediteOrder(request, timeout=CALL_SECONDS, wait_for_ready=True)).order

    async def _create_customers(self) -> None:
        customers = [
            Customer(
                id=f"customer-{each}",
                name=f"Customer {each}",
                product=Product(
                    id=f"line-{each}",
                    number=number_of(each),
                    status=ProductStatus.PRODUCT_STATUS_ACTIVE,
                    plan_id="sichuan-29",
                    kind=LineKind.LINE_KIND_BROADBAND if each == BROADBAND else LineKind.LINE_KIND_MOBILE,
                ),
                billing_account=BillingAccount(
                    id=account_of(number_of(each)), balance=Money(minor_units=10_000, currency="CNY")
                ),
            )
            for each in range(CUSTOMERS)
        ]
        async with self.federation.dial_region(HOME, f"{HOME}-{OPERATOR}") as channel:
            await until_configured(channel)
            for start in range(0, CUSTOMERS, _AT_ONCE):
                request = BatchCreateCustomersRequest(customers=customers[start : start + _AT_ONCE], requester=CLERK)
                await CustomerServiceStub(channel).BatchCreateCustomers(request, timeout=SETTLED_SECONDS)


def number_of(index: int) -> str:
    """The number of a customer of the home region."""
    return f"+8619851{index:06d}"


def account_of(number: str) -> str:
    """The account of the customer with a number."""
    return f"account-{number}"


def order_id_of(request: SubmitOrderRequest) -> str:
    """The id of the order that a request makes."""
    return f"{HANDLING}/{OPERATOR}/{request.request_id}"
