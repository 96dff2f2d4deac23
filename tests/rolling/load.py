"""The load: orders for customers of three regions, reads, and a watch that is resumed after its last token."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import grpc

from deploy.local.federation import OPERATOR, LocalFederation
from gateway.api.region.v1.customer_service_pb2 import (
    BatchCreateCustomersRequest,
    BillingAccount,
    Customer,
    Product,
    ProductStatus,
)
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.region.v1.order_service_pb2 import GetOrderRequest, SubmitOrderRequest, WatchOrdersRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Money, Requester
from gateway.errors import Refused, Unreachable, from_rpc_error
from gateway.time.clock import to_timestamp
from region_node.business.orders.rules import is_final
from tests.rolling.callers import DEADLINE, Call, Caller, Journal, hindrance

AMOUNT = 1_000  # fen of every payment
WAIT = 2.0  # seconds that an order waits for its home region before it is answered as it stands
_LINES = 8  # for each way
_PAUSE = 0.1  # seconds at most between two calls of a caller
_LOOK_AGAIN = 0.1  # seconds before a watch that ended is begun again
CLERK = Requester(staff_id="c-17", channel=Channel.CHANNEL_COUNTER)
_PREFIXES = {"guangdong": "+8619844", "sichuan": "+8619851", "henan": "+8619841"}
_PLANS = {"guangdong": "guangdong-39", "sichuan": "sichuan-29", "henan": "henan-29"}
_TURNS = ("PAY", "SUSPEND", "PAY", "RESUME")  # what happens to each line, again and again
# Two regions are the home of what guangdong takes in, and each region serves its own customers as well.
_PAIRS = (
    ("guangdong", "sichuan"),
    ("guangdong", "henan"),
    ("guangdong", "guangdong"),
    ("sichuan", "sichuan"),
    ("henan", "henan"),
)


@dataclass
class Line:
    """A customer's line, as its caller knows it."""

    home: str
    number: str
    turn: int = 0
    suspended: bool = False
    unsettled: str = ""
    """The last SUSPEND or RESUME, while its completion is not known: the next one has to wait for it."""

    @property
    def account(self) -> str:
        """The account that pays for it."""
        return f"account-{self.number}"


@dataclass(frozen=True)
class Taken:
    """An order that was accepted."""

    order_id: str
    request_id: str
    handling: str
    business: str
    line: Line

    @property
    def is_foreign(self) -> bool:
        """Whether it crossed a border."""
        return self.handling != self.line.home


@dataclass
class Way:
    """Orders that are taken in by one region for customers of another, or its own."""

    handling: str
    home: str
    lines: list[Line] = field(default_factory=list)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.handling} for {self.home}"


def ways(pairs: Iterable[tuple[str, str]] = _PAIRS) -> list[Way]:
    """The way of each pair of a region that takes orders in and their home region, with lines of its own."""
    found = [Way(handling, home) for handling, home in pairs]
    for index, way in enumerate(found):
        first = index * _LINES
        numbers = (f"{_PREFIXES[way.home]}{number:06d}" for number in range(first, first + _LINES))
        way.lines = [Line(way.home, number) for number in numbers]
    return found


class Load:
    """Callers at the counters of all regions. Made and used on one event loop."""

    def __init__(self, federation: LocalFederation, served: Sequence[Way], deadline: float = DEADLINE) -> None:
        """`deadline`: seconds that a caller repeats a call for."""
        self.journal = Journal()
        self.ways = served
        self.taken: list[Taken] = []
        self.told: dict[str, OrderState.ValueType] = {}
        """The last state of each order in the watch at guangdong."""
        self.watches = 0
        self._callers = {
            region: Caller(region, federation.region_replicas(region, f"{region}-{OPERATOR}"), self.journal, deadline)
            for region in federation.regions
        }
        self._ids: Iterator[int] = itertools.count(1)
        self._source = random.Random()
        self._running: list[asyncio.Task[None]] = []
        self._watching: asyncio.Task[None] | None = None
        self._watches = asyncio.Event()
        self._ending = False

    async def create_customers(self) -> None:
        """Gives every region its customers."""
        for region, caller in self._callers.items():
            lines = [line for way in self.ways if way.home == region for line in way.lines]
            request = BatchCreateCustomersRequest(customers=map(_customer, lines), requester=CLERK)
            await caller.ask("customers", lambda channel: CustomerServiceStub(channel).BatchCreateCustomers, request)

    async def start(self) -> None:
        """Begins to call."""
        loop, self._ending = asyncio.get_running_loop(), False
        if self._watching is None:
            self._watching = loop.create_task(self._watch(self._callers["guangdong"]))
            await self._watches.wait()  # an order that is completed before the watch begins is never told
        self._running = [loop.create_task(self._order(way)) for way in self.ways]

    async def stop(self) -> None:
        """Lets every caller finish what it has begun; the watch goes on. Raises what a caller died of."""
        self._ending = True
        await asyncio.gather(*self._running)

    async def close(self) -> None:
        """Ends everything."""
        tasks = [*self._running, *([self._watching] if self._watching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for caller in self._callers.values():
            await caller.close()

    async def _order(self, way: Way) -> None:
        """Orders for one line after the other, and reads. A caller whose call failed goes on with the next line."""
        caller = self._callers[way.handling]
        for line in itertools.cycle(way.lines):
            if self._ending:
                return
            try:
                await self._serve(caller, way, line)
            except (Refused, Unreachable):
                continue  # it stands in the journal
            await asyncio.sleep(self._source.uniform(0, _PAUSE))

    async def _serve(self, caller: Caller, way: Way, line: Line) -> None:
        if line.unsettled and is_final(await self._get(caller, line.unsettled)):
            line.unsettled = ""
        business = _TURNS[line.turn % len(_TURNS)]
        changes = business != "PAY"
        if changes and line.unsettled:
            return
        request = submission(f"r-{next(self._ids)}", business, line.number)
        response, call = await caller.ask(way.name, lambda channel: OrderServiceStub(channel).SubmitOrder, request)
        order = response.order
        self.taken.append(Taken(order.id, request.request_id, way.handling, business, line))
        call.completed = order.state == OrderState.ORDER_STATE_COMPLETED
        line.turn += 1
        if changes:
            line.suspended = business == "SUSPEND"
            line.unsettled = "" if call.completed else order.id
        read = self._source.choice(self.taken)
        if read.handling == way.handling:
            await self._get(caller, read.order_id)

    async def _get(self, caller: Caller, order_id: str) -> Order:
        request = GetOrderRequest(order_id=order_id, requester=CLERK)
        way = f"{caller.region} reads"
        response, _ = await caller.ask(way, lambda channel: OrderServiceStub(channel).GetOrder, request)
        assert response.order.id == order_id
        return response.order

    async def _watch(self, caller: Caller) -> None:
        """Watches, and resumes after the last token wherever the stream ends. Dies where it may not be resumed."""
        token, call = "", Call("guangdong watches", time.monotonic())
        while True:
            replica = caller.pick()
            call.tries += 1
            stream = OrderServiceStub(replica.channel).WatchOrders(WatchOrdersRequest(token=token, requester=CLERK))
            try:
                async for change in stream:
                    if not call.ended:
                        call.ended = time.monotonic()
                        caller.note(call)
                        self.watches += 1
                        self._watches.set()
                    token = change.token
                    if change.HasField("order"):
                        self.told[change.order.id] = change.order.state
                name, resumes = "ended", True
            except grpc.aio.AioRpcError as error:
                name, resumes = hindrance(error, from_rpc_error(error))
            finally:
                stream.cancel()
            if call.ended:  # this stream was a good one: its end begins another call
                call = Call(call.way, time.monotonic())
            call.hindrances[name] += 1
            caller.leave_out(replica)
            if not resumes or time.monotonic() - call.begun > DEADLINE:
                call.ended, call.failure = time.monotonic(), name
                caller.note(call)
                self._watches.set()
                return
            await asyncio.sleep(_LOOK_AGAIN)


def submission(request_id: str, business: str, number: str) -> SubmitOrderRequest:
    """A payment, or a suspension or resumption of a line, which waits for its home region for a moment."""
    verified = to_timestamp(datetime.now(UTC))
    document = Document(code="ID_ORIG", verifier="c-17", verify_time=verified, keyed_hash=bytes(32))
    pays = business == "PAY"
    request = SubmitOrderRequest(
        request_id=request_id,
        order=OrderRequest(
            business=business,
            number=number,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=[] if pays else [document],
            characteristics={"amount": str(AMOUNT)} if pays else {"reason": "travels"},
            requester=CLERK,
        ),
    )
    request.wait.FromMilliseconds(int(WAIT * 1000))
    return request


def _customer(line: Line) -> Customer:
    return Customer(
        id=f"customer-{line.number}",
        name=f"Customer {line.number}",
        product=Product(
            id=f"line-{line.number}",
            number=line.number,
            status=ProductStatus.PRODUCT_STATUS_ACTIVE,
            plan_id=_PLANS[line.home],
        ),
        billing_account=BillingAccount(id=line.account, balance=Money(minor_units=10_000, currency="CNY")),
    )


def by_region(taken: Sequence[Taken]) -> Mapping[str, list[Taken]]:
    """The orders that each region has: those that it took in, and those of its own customers."""
    found: dict[str, list[Taken]] = {}
    for order in taken:
        for region in {order.handling, order.line.home}:
            found.setdefault(region, []).append(order)
    return found
