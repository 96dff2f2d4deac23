"""The scene of all crashes: Guangdong handles, Sichuan is home, a fault proxy stands on every way between processes."""

import signal
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import grpc

from deploy.local.federation import COORDINATOR, FEDERATION, FEDERATION_FILES, OPERATOR, LocalFederation
from deploy.local.postgresql import LocalPostgresql
from deploy.local.process import wait_until
from deploy.local.profiles import Engine, Placement, Profile
from gateway import failpoints
from gateway.api.region.v1.customer_service_pb2 import (
    BatchCreateCustomersRequest,
    BillingAccount,
    Customer,
    Product,
    ProductStatus,
)
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.region.v1.order_service_pb2 import (
    CancelOrderRequest,
    GetOrderRequest,
    SubmitOrderRequest,
)
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse, Envelope
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Money, Requester
from gateway.clock import SystemClock, to_timestamp
from gateway.identity import server_name
from gateway.tls import Credentials, client_credentials, client_options
from tests.crash.records import Records, database_at
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy

T = TypeVar("T")

HANDLING, HOME = "guangdong", "sichuan"
AMOUNT = 1_000  # fen of every payment
CUSTOMERS = 1_000
CLERK = Requester(staff_id="c-17", channel=Channel.CHANNEL_COUNTER)
SETTLED_SECONDS = 60.0  # guarantee G4
CALL_SECONDS = 25.0  # seconds that a caller at the counter gives a call
# Documents that pad an order until its envelope is larger than anything else between a node and a coordinator, so
# that lost bytes can be told to be the envelope's.
_PADDING = 40
_SOON = timedelta(seconds=4)
_AT_ONCE = 500  # customers in one batch: the contract's limit


class Scene:
    """A federation of real processes that a test breaks, and the operator system at the counter of Guangdong."""

    def __init__(self, directory: Path, engine: Engine, postgresql: LocalPostgresql | None) -> None:
        """All databases are on one engine; PostgreSQL's server is shared with other scenes."""
        self.engine = engine
        self.background = Background()
        profile = Profile(engine.value, coordinators=Placement(engine), rest=Placement(engine))
        self.federation = LocalFederation(directory, (HANDLING, HOME), profile, postgresql)
        self.counter_to_handling = self._proxy(lambda: self.federation.endpoint(HANDLING))
        self.handling_to_coordinator = self._proxy(lambda: self.federation.coordinator_endpoint)
        self.home_to_coordinator = self._proxy(lambda: self.federation.coordinator_endpoint)
        self.coordinator_to_handling = self._proxy(lambda: self.federation.endpoint(HANDLING))
        self.coordinator_to_home = self._proxy(lambda: self.federation.endpoint(HOME))
        self._records: list[Records] = []
        self._armed: set[str] = set()
        self._channels: list[grpc.aio.Channel] = []
        self._number = 0

    @property
    def proxies(self) -> Sequence[FaultProxy]:
        """All fault proxies."""
        return (
            self.counter_to_handling,
            self.handling_to_coordinator,
            self.home_to_coordinator,
            self.coordinator_to_handling,
            self.coordinator_to_home,
        )

    def link(self, name: str) -> FaultProxy:
        """A proxy by the name of its way."""
        return {
            "coordinator_to_home": self.coordinator_to_home,
            "handling_to_coordinator": self.handling_to_coordinator,
        }[name]

    def records(self, region: str) -> Records:
        """What a region has in its database."""
        return {HANDLING: self.handling, HOME: self.home}[region]

    def build(self) -> None:
        """Starts everything and takes over the home region's customers."""
        federation = self.federation
        federation.reached_through = {
            HANDLING: (self.handling_to_coordinator.endpoint,),
            HOME: (self.home_to_coordinator.endpoint,),
        }
        federation.advertised = {
            HANDLING: self.coordinator_to_handling.endpoint,
            HOME: self.coordinator_to_home.endpoint,
        }
        federation.prepare()
        self._records = [Records(database_at(federation.database(name))) for name in (HANDLING, HOME)]
        self.handling, self.home = self._records
        federation.start_stores()
        federation.start_coordinator()
        self.run(federation.apply_configuration(FEDERATION_FILES))
        for region in (HANDLING, HOME):
            federation.launch_region(region)
        for region in (HANDLING, HOME):
            federation.await_region(region)
        self.run(federation.wait_joined((HANDLING, HOME)))
        handling = server_name(Role.ROLE_REGION, HANDLING, FEDERATION)
        home = server_name(Role.ROLE_REGION, HOME, FEDERATION)
        coordinator = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
        self._orders = OrderServiceStub(
            self._dial(f"{HANDLING}-{OPERATOR}", self.counter_to_handling.endpoint, handling)
        )
        self._as_handling = RelayServiceStub(self._dial(HANDLING, federation.coordinator_endpoint, coordinator))
        self._as_coordinator = RelayServiceStub(self._dial(COORDINATOR, federation.endpoint(HOME), home))
        self.run(self._create_customers(home))

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
        for proxy in self.proxies:
            proxy.close()
        self.background.close()

    # Orders

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

    def submit(self, request: SubmitOrderRequest, wait: float = 0.0) -> Order:
        """Submits and waits for the answer. Raises AioRpcError."""
        return self.start_submit(request, wait).result()

    def start_submit(self, request: SubmitOrderRequest, wait: float = 0.0) -> "Future[Order]":
        """Submits; the answer is waited for by whoever wants it."""
        return self.background.start(self._submit(request, wait))

    def get(self, order_id: str) -> Order:
        """Reads an order at the handling region. Raises AioRpcError."""
        return self.start_get(order_id).result()

    def start_get(self, order_id: str) -> "Future[Order]":
        """Reads an order; the answer is waited for by whoever wants it."""
        return self.background.start(self._get(order_id))

    def start_cancel(self, request: CancelOrderRequest) -> "Future[Order]":
        """Asks to cancel an order."""
        return self.background.start(self._cancel(request))

    def cancel_request(self, order_id: str) -> CancelOrderRequest:
        """A request to cancel an order, with an id of its own."""
        return CancelOrderRequest(
            request_id=self._next_id("cancel"), order_id=order_id, reason="changed plans", requester=CLERK
        )

    def start_deliver_as_handling(self, *envelopes: Envelope) -> "Future[DeliverResponse]":
        """Brings envelopes to the coordinator for the home region, as the handling region's node does."""
        return self.background.start(self._deliver(self._as_handling, envelopes))

    def start_deliver_as_coordinator(self, *envelopes: Envelope) -> "Future[DeliverResponse]":
        """Brings envelopes to the home region, as the coordinator does."""
        return self.background.start(self._deliver(self._as_coordinator, envelopes))

    def now(self) -> datetime:
        """The time of day."""
        return datetime.now(UTC)

    def soon(self) -> datetime:
        """A time that an order can be agreed for, late enough to break something before it comes."""
        return self.now() + _SOON

    def in_a_week(self) -> datetime:
        """A time that does not come in a test."""
        return self.now() + timedelta(days=7)

    # Processes

    def arm(self, name: str, *points: str, **environment: str) -> None:
        """Starts a region's node anew so that it dies by SIGKILL when it reaches one of the points."""
        self.kill(name)
        self._armed.add(name)
        self.federation.processes[name].start({failpoints.VARIABLE: ",".join(points), **environment})

    def kill(self, name: str) -> None:
        """Kills a process and proves that it is gone."""
        process = self.federation.processes[name]
        assert process.runs(), f"{name} was not running: there was nothing to kill"
        process.kill()
        assert process.wait_for_end() == -signal.SIGKILL

    def require_killed(self, name: str) -> None:
        """Waits until a fail point has killed an armed process; the test is invalid where none does."""
        process = self.federation.processes[name]
        wait_until(lambda: not process.runs(), CALL_SECONDS, f"a fail point kills {name}")
        assert process.wait_for_end() == -signal.SIGKILL, f"{name} ended, but not at a fail point"

    def restart(self, name: str) -> None:
        """Starts a process that is dead, without fail points."""
        assert not self.federation.processes[name].runs()
        self._armed.discard(name)
        self.federation.processes[name].start()

    def mend(self) -> None:
        """Brings the scene in order after a test, whatever the test left."""
        for proxy in self.proxies:
            proxy.heal()
        for name in sorted(self._armed):
            self.federation.processes[name].kill()
        for name, process in self.federation.processes.items():
            if not process.runs():
                self.restart(name)
        self.run(self.federation.wait_joined((HANDLING, HOME)))

    def require_well(self) -> None:
        """Proves with an order that the whole way works, so that its connections stand before a fault."""
        order = self.submit(self.pay(), wait=CALL_SECONDS / 2)
        assert order.state == OrderState.ORDER_STATE_COMPLETED, order

    def log_of(self, name: str) -> str:
        """All that a process has logged."""
        return self.federation.processes[name].program.log.read_text("utf-8", "replace")

    def _proxy(self, target: Callable[[], str]) -> FaultProxy:
        return FaultProxy(self.background, target)

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

    async def _submit(self, request: SubmitOrderRequest, wait: float) -> Order:
        sent = SubmitOrderRequest()
        sent.CopyFrom(request)
        sent.wait.FromMilliseconds(int(wait * 1000))
        return (await self._orders.SubmitOrder(sent, timeout=CALL_SECONDS, wait_for_ready=True)).order

    async def _get(self, order_id: str) -> Order:
        request = GetOrderRequest(order_id=order_id, requester=CLERK)
        return (await self._orders.GetOrder(request, timeout=CALL_SECONDS, wait_for_ready=True)).order

    async def _cancel(self, request: CancelOrderRequest) -> Order:
        return (await self._orders.CancelOrder(request, timeout=CALL_SECONDS, wait_for_ready=True)).order

    async def _deliver(self, relay: RelayServiceStub, envelopes: Sequence[Envelope]) -> DeliverResponse:
        request = DeliverRequest(destination=HOME, envelopes=envelopes)
        return await relay.Deliver(request, timeout=CALL_SECONDS, wait_for_ready=True)

    async def _create_customers(self, name: str) -> None:
        customers = [
            Customer(
                id=f"customer-{each}",
                name=f"Customer {each}",
                product=Product(
                    id=f"line-{each}",
                    number=number_of(each),
                    status=ProductStatus.PRODUCT_STATUS_ACTIVE,
                    plan_id="sichuan-29",
                ),
                billing_account=BillingAccount(
                    id=account_of(number_of(each)), balance=Money(minor_units=10_000, currency="CNY")
                ),
            )
            for each in range(CUSTOMERS)
        ]
        async with self.federation.dial_region(HOME, f"{HOME}-{OPERATOR}") as channel:
            for start in range(0, CUSTOMERS, _AT_ONCE):
                request = BatchCreateCustomersRequest(customers=customers[start : start + _AT_ONCE], requester=CLERK)
                await CustomerServiceStub(channel).BatchCreateCustomers(request, timeout=CALL_SECONDS)


def number_of(index: int) -> str:
    """The number of a customer of the home region."""
    return f"+8619851{index:06d}"


def account_of(number: str) -> str:
    """The account of the customer with a number."""
    return f"account-{number}"


def order_id_of(request: SubmitOrderRequest) -> str:
    """The id of the order that a request makes."""
    return f"{HANDLING}/{OPERATOR}/{request.request_id}"
