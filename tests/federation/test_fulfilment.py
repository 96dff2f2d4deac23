"""A region's own system carries orders out: done, refused, undone, away, and never anybody else's to call."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from deploy.local.ports import HeldPort
from deploy.provider.server import Provider, ProviderOptions
from deploy.provider.service import Behaviour
from gateway.api.provider.v1.fulfilment_service_pb2 import ProvisionRequest, Work
from gateway.api.provider.v1.fulfilment_service_pb2_grpc import FulfilmentServiceStub
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import ListOrdersRequest, ReviewDecision
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.rpc.channels import Dialer
from gateway.security.identity import server_name
from region_node.node.settings import FulfilmentSettings, ProviderSettings
from tests.federation.certificates import FEDERATION
from tests.federation.counter import Counter, Reviewer
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until

PATH = "region/sichuan/provider/network"
COMPLETED = OrderState.ORDER_STATE_COMPLETED
FAILED = OrderState.ORDER_STATE_FAILED
CANCELLED = OrderState.ORDER_STATE_CANCELLED
APPROVE = ReviewDecision.REVIEW_DECISION_APPROVE
REJECT = ReviewDecision.REVIEW_DECISION_REJECT
SUSPENDED = ProductStatus.PRODUCT_STATUS_SUSPENDED
HANDLING = ["guangdong", "sichuan"]
handled_anywhere = pytest.mark.parametrize("handling", HANDLING)


@dataclass
class Network:
    """Sichuan's own system, which suspends lines, and the federation around it."""

    federation: Federation
    directory: Path
    port: HeldPort
    behaviour: Behaviour
    provider: Provider | None = None

    @property
    def sichuan(self) -> Counter:
        """The counter at home."""
        return Counter(self.federation, "sichuan")

    @property
    def reviewer(self) -> Reviewer:
        """A member of Sichuan's staff."""
        return Reviewer(self.federation, "sichuan")

    async def start(self) -> None:
        """Starts the system, on the same port and with what it has done before."""
        self.federation.certificates.credentials(PATH)
        options = ProviderOptions(self.directory, f"127.0.0.1:{self.port.number}", behaviour=self.behaviour)
        self.provider = await Provider.start(options, self.federation.clock)

    async def stop(self) -> None:
        """Stops it."""
        provider, self.provider = self.provider, None
        if provider is not None:
            await provider.stop()

    def effects(self, order: Order) -> list[str]:
        """The system's work for an order."""
        assert self.provider is not None
        return self.provider.works.effects(order.id)

    async def suspension(self, handling: str, number: str = "", **characteristics: str) -> Order:
        """An order to suspend a line of Sichuan, at a counter of `handling`."""
        number = number or await self.sichuan.new_customer()
        return await Counter(self.federation, handling).order("SUSPEND", number, **characteristics)

    async def is_for_staff(self, counter: Counter, order: Order, action: str) -> Order:
        """The order once it waits for the home region's staff."""
        found = Order()

        async def holds() -> bool:
            found.CopyFrom(await counter.get(order.id))
            return (found.awaiting.party, found.awaiting.action) == (Party.PARTY_HOME_STAFF, action)

        await until(holds, f"{order.id} waits for staff to {action}")
        return found

    async def is_at(self, phase: int, order: Order) -> None:
        """Returns once the system is asked for a phase."""

        async def holds() -> bool:
            rows = self.federation.database("sichuan").rows(
                "SELECT phase FROM fulfilment_tasks WHERE order_id = ? AND due_time IS NOT NULL", order.id
            )
            return rows == [(phase,)]

        await until(holds, f"the system is asked for phase {phase}")

    def tasks(self, order: Order) -> list[tuple[object, ...]]:
        """The node's row of its task."""
        rows = self.federation.database("sichuan").rows("SELECT 1 FROM fulfilment_tasks WHERE order_id = ?", order.id)
        return [tuple(row) for row in rows]

    async def is_suspended(self, order: Order) -> bool:
        """Whether the node's own records say that the line is."""
        return (await self.sichuan.read(order.request.number)).product.status == SUSPENDED


@pytest.fixture(scope="module")
def built(runner: asyncio.Runner, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A federation whose Sichuan has a system of its own."""
    federation = Federation(tmp_path_factory.mktemp("provided"), databases)
    port = HeldPort()
    named = FulfilmentSettings(f"127.0.0.1:{port.number}", "network", ("SUSPEND",))
    federation.providers["sichuan"] = ProviderSettings(fulfilment=named)
    directory = federation.certificates.credentials(PATH).certificate.parent
    network = Network(federation, directory, port, Behaviour())
    runner.run(network.start())
    runner.run(federation.start(HANDLING))
    yield network
    runner.run(federation.stop())
    runner.run(network.stop())


@pytest.fixture
def network(runner: asyncio.Runner, built: Network) -> Iterator[Network]:
    """The system, which refuses nothing, takes no time, and runs."""
    if built.provider is None:
        runner.run(built.start())
    built.behaviour.refuses, built.behaviour.slow = (), 0.0
    yield built
    built.behaviour.refuses, built.behaviour.slow = (), 0.0


@handled_anywhere
@pytest.mark.clause("3.1.5", "3.2.5", "9.2(1)")
async def test_the_system_does_it_once_and_the_records_follow(network: Network, handling: str) -> None:
    counter = Counter(network.federation, handling)
    order = await network.suspension(handling)
    done = await counter.reaches(order.id, COMPLETED)
    assert network.effects(order) == ["provisioned"]
    assert done.results["port"].startswith("port-product-")
    assert await network.is_suspended(order)
    assert network.tasks(order) == []


async def test_a_business_that_the_settings_do_not_name_is_carried_out_by_the_node_alone(network: Network) -> None:
    number = await network.sichuan.new_customer()
    paid = await Counter(network.federation, "guangdong").order("PAY", number)
    assert paid.state == COMPLETED
    assert network.effects(paid) == []


@handled_anywhere
async def test_while_the_system_works_the_order_says_so_until_its_promise(network: Network, handling: str) -> None:
    network.behaviour.slow = 0.3
    order = await network.suspension(handling)
    assert (order.state, order.awaiting.party) == (OrderState.ORDER_STATE_IN_PROGRESS, Party.PARTY_HOME_REGION)
    assert order.awaiting.action == "provision"
    assert order.awaiting.due_time == order.expected_completion_time
    await Counter(network.federation, handling).reaches(order.id, COMPLETED)


@handled_anywhere
@pytest.mark.parametrize("phase", ["check", "provision", "test"])
async def test_a_system_that_says_no_leaves_it_to_staff_who_have_it_tried_again(
    network: Network, handling: str, phase: str
) -> None:
    network.behaviour.refuses = (f"SUSPEND:{phase}",)
    counter = Counter(network.federation, handling)
    order = await network.is_for_staff(counter, await network.suspension(handling), "fulfil")
    assert order.error.reason == Reason.REASON_FULFILMENT_FAILED
    assert "no resources" in order.error.message.en
    assert "资源不足" in order.error.message.zh_cn
    network.behaviour.refuses = ()
    await network.reviewer.approve(order.id)
    done = await counter.reaches(order.id, COMPLETED)
    assert not done.HasField("error")
    assert network.effects(order) == ["provisioned"]
    assert await network.is_suspended(order)


@handled_anywhere
@pytest.mark.parametrize(("phase", "effects"), [("check", []), ("provision", []), ("test", ["provisioned", "undone"])])
async def test_what_staff_reject_is_undone_and_fails(
    network: Network, handling: str, phase: str, effects: list[str]
) -> None:
    network.behaviour.refuses = (f"SUSPEND:{phase}",)
    counter = Counter(network.federation, handling)
    order = await network.is_for_staff(counter, await network.suspension(handling), "fulfil")
    await network.reviewer.decide(order.id, REJECT, note="not worth it")
    failed = await counter.reaches(order.id, FAILED)
    assert failed.error.reason == Reason.REASON_REVIEW_REJECTED
    assert network.effects(order) == effects
    assert not await network.is_suspended(order)
    assert network.tasks(order) == []


async def test_staff_find_what_waits_for_them_and_cannot_return_it(network: Network) -> None:
    network.behaviour.refuses = ("SUSPEND",)
    order = await network.is_for_staff(network.sichuan, await network.suspension("sichuan"), "fulfil")
    listed = await network.reviewer.orders.ListOrders(
        ListOrdersRequest(awaiting=Party.PARTY_HOME_STAFF), timeout=CALL_SECONDS
    )
    assert order.id in [each.id for each in listed.orders]
    decision = ReviewDecision.REVIEW_DECISION_RETURN
    told = await refusal(network.reviewer.decide(order.id, decision, documents=["ID_ORIG"], note="which?"))
    assert told.reason == "ORDER_STATE_FORBIDS"


@handled_anywhere
@pytest.mark.parametrize(("phase", "effects"), [("check", []), ("provision", []), ("test", ["provisioned", "undone"])])
async def test_a_cancelled_order_is_undone_first(
    network: Network, handling: str, phase: str, effects: list[str]
) -> None:
    network.behaviour.refuses = (f"SUSPEND:{phase}",)
    counter = Counter(network.federation, handling)
    order = await network.is_for_staff(counter, await network.suspension(handling), "fulfil")
    await counter.cancel(order.id)
    cancelled = await counter.reaches(order.id, CANCELLED)
    assert cancelled.cancellation_reason == "changed my mind"
    assert [change.state for change in cancelled.state_changes][-3:] == [
        OrderState.ORDER_STATE_ASSESSING_CANCELLATION,
        OrderState.ORDER_STATE_PENDING_CANCELLATION,
        CANCELLED,
    ]
    assert await network.sichuan.get(order.id) == cancelled
    assert network.effects(order) == effects
    assert not await network.is_suspended(order)
    assert network.tasks(order) == []


@handled_anywhere
async def test_a_system_that_refuses_to_undo_leaves_it_to_staff_and_a_second_cancellation_changes_nothing(
    network: Network, handling: str
) -> None:
    network.behaviour.refuses = ("SUSPEND:test", "SUSPEND:undo")
    counter = Counter(network.federation, handling)
    order = await network.is_for_staff(counter, await network.suspension(handling), "fulfil")
    await counter.cancel(order.id)
    waiting = await network.is_for_staff(counter, order, "undo")
    assert waiting.state == OrderState.ORDER_STATE_PENDING_CANCELLATION
    assert "no resources" in waiting.notes[-1].text
    assert (await counter.cancel(order.id)).state == OrderState.ORDER_STATE_PENDING_CANCELLATION
    network.behaviour.refuses = ()
    await network.reviewer.approve(order.id)
    await counter.reaches(order.id, CANCELLED)
    assert network.effects(order) == ["provisioned", "undone"]


async def test_what_the_system_never_undoes_staff_undo_by_other_means(network: Network) -> None:
    network.behaviour.refuses = ("SUSPEND:test", "SUSPEND:undo")
    order = await network.is_for_staff(network.sichuan, await network.suspension("sichuan"), "fulfil")
    await network.reviewer.decide(order.id, REJECT, note="not worth it")
    await network.is_for_staff(network.sichuan, order, "undo")
    await network.reviewer.decide(order.id, REJECT, note="unplugged by hand")
    failed = await network.sichuan.reaches(order.id, FAILED)
    assert failed.error.reason == Reason.REASON_REVIEW_REJECTED
    assert network.effects(order) == ["provisioned"]


@handled_anywhere
async def test_a_system_that_is_away_is_asked_until_it_answers_and_the_order_says_so(
    network: Network, handling: str, caplog: pytest.LogCaptureFixture
) -> None:
    await network.stop()
    counter = Counter(network.federation, handling)
    order = await network.suspension(handling)

    async def says_so() -> bool:
        return any("does not answer" in alert.message for alert in (await counter.get(order.id)).jeopardy_alerts)

    await until(says_so, "the order says that the system does not answer")
    assert (await counter.get(order.id)).awaiting.action == "provision"
    await network.start()
    await counter.reaches(order.id, COMPLETED)
    assert network.effects(order) == ["provisioned"]
    assert "a delivery to the system for fulfilment has failed" in caplog.text
    assert "the system for fulfilment accepts deliveries again" in caplog.text


async def test_a_node_that_starts_again_goes_on_with_what_its_system_has_to_do(network: Network) -> None:
    await network.stop()
    order = await network.suspension("sichuan")
    await network.federation.stop_node("sichuan")
    await network.start()
    await network.federation.start_node("sichuan")
    await network.sichuan.reaches(order.id, COMPLETED)
    assert network.effects(order) == ["provisioned"]


async def test_a_node_whose_settings_name_its_system_no_more_says_that_orders_wait_for_it(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    await network.stop()
    order = await network.suspension("sichuan")
    await network.federation.stop_node("sichuan")
    named = network.federation.providers.pop("sichuan")
    await network.federation.start_node("sichuan")
    assert "providers.fulfilment" in caplog.text
    await network.federation.stop_node("sichuan")
    network.federation.providers["sichuan"] = named
    await network.start()
    await network.federation.start_node("sichuan")
    await network.sichuan.reaches(order.id, COMPLETED)


async def test_what_cannot_be_carried_out_any_more_is_undone_and_fails(network: Network) -> None:
    network.behaviour.refuses = ("SUSPEND:test",)
    first = await network.is_for_staff(network.sichuan, await network.suspension("sichuan"), "fulfil")
    network.behaviour.refuses = ()
    second = await network.suspension("guangdong", first.request.number)
    await network.sichuan.reaches(second.id, COMPLETED)
    await network.reviewer.approve(first.id)
    failed = await network.sichuan.reaches(first.id, FAILED)
    assert failed.error.reason == Reason.REASON_LINE_NOT_ACTIVE
    assert network.effects(first) == ["provisioned", "undone"]
    assert network.effects(second) == ["provisioned"]


async def test_a_cancellation_while_the_system_provisions_wins(network: Network) -> None:
    network.behaviour.slow = 0.5
    order = await network.suspension("guangdong")
    await network.is_at(2, order)
    counter = Counter(network.federation, "guangdong")
    await counter.cancel(order.id)
    await counter.reaches(order.id, CANCELLED)
    network.behaviour.slow = 0.0
    assert network.effects(order) in ([], ["provisioned", "undone"])
    assert not await network.is_suspended(order)


@pytest.mark.parametrize("path", ["region/guangdong", "region/sichuan/operator/counter", "admin/root"])
async def test_only_the_node_of_its_region_may_call_the_system(network: Network, path: str) -> None:
    name = server_name(Role.ROLE_PROVIDER, "sichuan", FEDERATION, "network")
    dialer = Dialer(network.federation.certificates.credentials(path), network.federation.clock)
    async with dialer.dial(f"127.0.0.1:{network.port.number}", name) as channel:
        request = ProvisionRequest(work=Work(order_id="forged", business="SUSPEND"))
        told = await refusal(FulfilmentServiceStub(channel).Provision(request, timeout=CALL_SECONDS))
    assert told.code == grpc.StatusCode.PERMISSION_DENIED
    assert network.provider is not None
    assert network.provider.works.effects("forged") == []
