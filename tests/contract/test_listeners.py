"""Listeners are told of each change in order, signed, again until they take it, and nowhere else."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Member
from gateway.api.region.v1 import listener_service_pb2 as api
from gateway.api.region.v1.listener_service_pb2 import (
    EventFormat,
    EventKind,
    Listener,
    ListenerResource,
    ListenerState,
)
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.errors import Refused
from gateway.federation.capabilities import FEATURES
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.process import failpoints
from gateway.relay.border import Border
from gateway.rpc.calls import Call, enter
from gateway.security.identity import Identity
from gateway.security.peers import Certificates
from gateway.security.signing import TrustedKeys
from gateway.store.port import Store, Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from region_node.business.orders.application import Decisions
from region_node.business.orders.rows import EVENTS, find_order, update_order
from region_node.listeners import forms, rows
from region_node.listeners.callbacks import Callbacks
from region_node.listeners.delivery import DeliveryPorts, ListenerDelivery, Written
from region_node.listeners.events import ResourceEvent
from region_node.listeners.resources import RESOURCES, last_change
from region_node.listeners.service import ListenerService
from region_node.node import outgoing
from region_node.node.context import RegionContext
from region_node.node.deliveries import Deliveries
from region_node.node.operator_scopes import OperatorScopes, Scope
from region_node.node.settings import ListenerSettings
from region_node.open_api.served import event_writer
from region_node.requests.changes import Changes
from region_node.schema import PACKAGES
from tests.contract.relay_pair import NOW, FixedClock
from tests.contract.test_open_work import ends, taken_in
from tests.keys import region_keys
from tests.simulation.world import keys
from tests.unit.test_message_signatures import verify
from tests.webhook import Hook, serving

if TYPE_CHECKING:
    import grpc

ORDERS = ListenerResource.LISTENER_RESOURCE_PRODUCT_ORDER
STOPPED = ListenerState.LISTENER_STATE_STOPPED
HERE = ListenerSettings(("127.0.0.0/8",))
CLERK = Requester(staff_id="wang", channel=Channel.CHANNEL_COUNTER)
UPGRADED = (Member(region="sichuan", endpoints=["127.0.0.1:1"], features=FEATURES),)
URI = "spiffe://china/region/sichuan"
PATIENCE = 300.0  # seconds; reached only where a test fails


@pytest.fixture(autouse=True)
def _rests_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that a test moves is noticed at once."""
    monkeypatch.setattr(outgoing, "REST", 0.001)
    monkeypatch.setattr(outgoing, "LONGEST_SLEEP", 0.001)


class Region:
    """Sichuan with its store, its clock, and the service of its listeners."""

    def __init__(
        self, store: Store, settings: ListenerSettings, scopes: OperatorScopes | None, trusted: TrustedKeys | None
    ) -> None:
        shared, current = keys(), CurrentFederation()
        current.update(Federation(0, Configuration()), UPGRADED)
        border = Border("sichuan", shared.signers["sichuan"], trusted or shared.trusted, current)
        self.context = RegionContext(border, scopes=scopes or OperatorScopes())
        self.store = store
        self.clock = FixedClock()
        self.callbacks = Callbacks(settings)
        self.changes = Changes(store)
        self.key = Ed25519PublicKey.from_public_bytes(border.signer.public_key)
        self._decisions = Decisions(store, self.changes)
        self._service = ListenerService(self.context, store, self.clock, self.callbacks, "certificate")

    async def register(
        self,
        callback: str,
        operator: str = "counter",
        kinds: Sequence[EventKind.ValueType] = (),
        certificates: Certificates = (),
        resource: ListenerResource.ValueType = ORDERS,
    ) -> Listener:
        """Registers a listener for a resource as an operator system."""
        calls(operator, certificates)
        request = api.RegisterListenerRequest(resource=resource, callback=callback, kinds=kinds, requester=CLERK)
        call = cast("grpc.aio.ServicerContext[api.RegisterListenerRequest, api.RegisterListenerResponse]", None)
        answer = await self._service.RegisterListener(request, call)
        return answer.listener

    async def remove(self, name: str, operator: str = "counter") -> None:
        """Removes a listener as an operator system."""
        calls(operator)
        request = api.RemoveListenerRequest(listener_id=name, requester=CLERK)
        call = cast("grpc.aio.ServicerContext[api.RemoveListenerRequest, api.RemoveListenerResponse]", None)
        await self._service.RemoveListener(request, call)

    async def listeners(self, operator: str = "counter", size: int = 0) -> list[Listener]:
        """All listeners of an operator system, page by page."""
        calls(operator)
        call = cast("grpc.aio.ServicerContext[api.ListListenersRequest, api.ListListenersResponse]", None)
        request, found = api.ListListenersRequest(page_size=size), list[Listener]()
        while True:
            answer = await self._service.ListListeners(request, call)
            found += answer.listeners
            request.page_token = answer.next_page_token
            if not request.page_token:
                return found

    async def order(self, number: int, operator: str = "counter", origin: str = "sichuan") -> str:
        """An order is taken in."""
        return await self.store.write(lambda tx: taken_in(tx, operator, number, origin))

    async def note(self, order_id: str) -> None:
        """Something of an order changes, and not its state."""

        def change(tx: Transaction) -> None:
            row = find_order(tx, order_id)
            assert row is not None
            row.order.steps_done += 1
            update_order(tx, row.order, NOW)

        await self.store.write(change)

    @asynccontextmanager
    async def telling(self, written: Written = event_writer(URI)) -> AsyncIterator[Deliveries]:  # noqa: B008 - it is constant
        """A process that tells the listeners meanwhile."""
        outside = (self.store, self.clock, self.changes, self.callbacks, random.Random(1), written)
        delivery = ListenerDelivery(DeliveryPorts(self.context, "china", *outside))
        task = asyncio.get_running_loop().create_task(delivery.run())
        try:
            yield delivery.deliveries
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def listener(
        self, holds: Callable[[Listener], bool], passing: timedelta = timedelta(), operator: str = "counter"
    ) -> Listener:
        """The one listener of an operator system, once a condition holds; time passes meanwhile."""
        (found,) = await self.listeners(operator)
        while not holds(found):
            self.clock.instant += passing
            await asyncio.sleep(0.005)
            (found,) = await self.listeners(operator)
        return found

    async def until(self, condition: Callable[[], bool], passing: timedelta = timedelta(seconds=1)) -> None:
        """Returns once a condition holds; time passes meanwhile."""
        while not condition():
            self.clock.instant += passing
            await asyncio.sleep(0.005)


def has_failed(listener: Listener) -> bool:
    """Whether its callback takes nothing."""
    return bool(listener.problem)


def calls(operator: str, certificates: Certificates = ()) -> None:
    """The following requests are of an operator system of Sichuan."""
    identity = Identity("china", Role.ROLE_OPERATOR, "sichuan", operator)
    enter(Call(identity, "Listen", None, certificates=certificates))


@asynccontextmanager
async def region(
    directory: Path,
    settings: ListenerSettings = HERE,
    scopes: OperatorScopes | None = None,
    trusted: TrustedKeys | None = None,
) -> AsyncIterator[Region]:
    store = SqliteStore(directory / "node.db", migrations_of(*PACKAGES), region_keys())
    try:
        async with asyncio.timeout(PATIENCE):
            yield Region(store, settings, scopes, trusted)
    finally:
        await store.close()


@asynccontextmanager
async def listening(
    directory: Path, *answers: int, trusted: TrustedKeys | None = None
) -> AsyncIterator[tuple[Region, Hook]]:
    """A region, and a receiver on this machine that it may call and whose certificate it trusts."""
    with serving(directory) as hook:
        hook.answers.extend(answers)
        settings = ListenerSettings(("127.0.0.0/8",), hook.authority)
        async with region(directory, settings, trusted=trusted) as found:
            yield found, hook


def types(hook: Hook) -> list[tuple[str, str]]:
    """What was posted: the type of each event, and the end of the id of its order."""
    return [(each["eventType"], each["event"]["productOrder"]["id"].rpartition("/")[2]) for each in hook.bodies]


def test_each_change_is_told_once_in_order_and_signed_by_the_region(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.order(1)
            await here.register(hook.url)
            order_id = await here.order(2)
            async with here.telling():
                await here.until(lambda: len(hook.bodies) == 1)
                await here.note(order_id)
                await here.until(lambda: len(hook.bodies) == 2)
                await here.store.write(lambda tx: ends(tx, order_id))
                await here.until(lambda: len(hook.bodies) == 3)
                await here.order(3)
                await here.until(lambda: len(hook.bodies) == 4)
            assert types(hook) == [
                ("ProductOrderCreateEvent", "2"),
                ("ProductOrderAttributeValueChangeEvent", "2"),
                ("ProductOrderStateChangeEvent", "2"),
                ("ProductOrderCreateEvent", "3"),
            ]
            assert [each["eventId"] for each in hook.bodies] == [
                f"sichuan/productOrder/{each}" for each in (2, 3, 4, 5)
            ]
            for headers, raw in zip(hook.headers, hook.raw, strict=True):
                verify(here.key, hook.url, headers, raw)

    asyncio.run(scenario())


def test_what_a_callback_does_not_take_is_told_again_and_later_changes_wait_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with listening(tmp_path, 500, 302) as (here, hook):
            listener = await here.register(hook.url)
            hook.location = hook.url
            await here.order(1)
            async with here.telling() as deliveries:
                await here.until(lambda: len(hook.bodies) == 1)
                found = await here.listener(has_failed)
                assert (found.problem, found.HasField("failure_time")) == ("HTTP 500", True)
                assert deliveries.failing() > 0
                await here.order(2)
                await here.until(lambda: deliveries.accepted == 2)
                found = await here.listener(lambda each: not each.problem)
                assert (deliveries.accepted, deliveries.failed, deliveries.failing()) == (2, 2, 0.0)
            assert [number for _, number in types(hook)] == ["1", "1", "1", "2"]
            assert len({each["eventId"] for each in hook.bodies}) == 2
            assert found.HasField("failure_time") is False
            assert listener.id in caplog.text
            assert "127.0.0.1" not in caplog.text

    with caplog.at_level(logging.DEBUG):
        asyncio.run(scenario())


def test_after_a_crash_between_delivery_and_its_record_the_event_comes_again_with_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(name: str) -> None:
        reached.append(name)
        raise asyncio.CancelledError

    reached: list[str] = []

    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.register(hook.url)
            await here.order(1)
            with monkeypatch.context() as patch:
                patch.setattr(failpoints, "reach", kill)
                async with here.telling():
                    await here.until(lambda: bool(reached), timedelta())
            async with here.telling():
                await here.until(lambda: len(hook.bodies) == 2)
                await here.order(2)
                await here.until(lambda: len(hook.bodies) == 3)
            first, again, later = [each["eventId"] for each in hook.bodies]
            assert first == again != later

    asyncio.run(scenario())


def test_a_listener_is_told_what_its_operator_system_may_watch_and_the_kinds_that_it_wants(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.register(hook.url, kinds=[EventKind.EVENT_KIND_CREATE])
            await here.order(1, operator="crm")
            await here.order(2, origin="henan")
            order_id = await here.order(3)
            await here.store.write(lambda tx: ends(tx, order_id))
            await here.order(4)
            async with here.telling():
                await here.until(lambda: len(hook.bodies) == 2)
            assert [number for _, number in types(hook)] == ["3", "4"]

    asyncio.run(scenario())


def test_a_listener_of_one_kind_misses_nothing_of_it_though_several_changes_in_a_row_are_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            for kind in RESOURCES[ORDERS].kinds:
                await here.register(hook.url, kinds=[kind])
            order_id = await here.order(1)
            await here.note(order_id)
            await here.store.write(lambda tx: ends(tx, order_id))
            async with here.telling():
                await here.until(lambda: len(hook.bodies) == 3)
            assert {kind for kind, _ in types(hook)} == {
                "ProductOrderCreateEvent",
                "ProductOrderAttributeValueChangeEvent",
                "ProductOrderStateChangeEvent",
            }

    asyncio.run(scenario())


def test_an_operator_system_without_the_scope_of_the_resource_neither_registers_nor_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        file = tmp_path / "operators.toml"
        file.write_text('[counter]\nservices = ["ListenerService", "OrderService"]\n')
        scopes = OperatorScopes(file)
        with serving(tmp_path) as hook:
            async with region(tmp_path, ListenerSettings(("127.0.0.0/8",), hook.authority), scopes) as here:
                await here.register(hook.url)
                scopes.put_in_force({"counter": Scope(services=frozenset({"ListenerService"}))})
                with pytest.raises(Refused, match="OPERATOR_SCOPE_MISSING"):
                    await here.register(f"{hook.url}&again")
                await here.order(1)
                async with here.telling():
                    found = await here.listener(has_failed)
                assert (found.problem, hook.bodies) == ("OPERATOR_SCOPE_MISSING", [])

    asyncio.run(scenario())


def test_a_callback_that_takes_nothing_for_days_is_stopped_and_goes_on_where_it_was_once_registered_again(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with listening(tmp_path, *[503] * 500) as (here, hook):
            first = await here.register(hook.url)
            await here.order(1)
            async with here.telling():
                found = await here.listener(lambda each: each.state == STOPPED, timedelta(hours=6))
                assert found.problem == "HTTP 503"
                hook.answers.clear()
                hook.bodies.clear()
                again = await here.register(hook.url)
                assert (again.id, again.problem) == (first.id, "")
                await here.until(lambda: len(hook.bodies) == 1)
            assert types(hook) == [("ProductOrderCreateEvent", "1")]

    asyncio.run(scenario())


def test_a_listener_rests_once_nothing_waits_for_it_though_numbers_of_changes_were_left_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path, 500) as (here, hook):
            await here.register(hook.url)
            await here.order(1)
            async with here.telling():
                await here.listener(has_failed)
                await here.store.write(lambda tx: tx.execute("DELETE FROM order_events"))
                await here.store.write(lambda tx: EVENTS.skip(tx, 100))
                found = await here.listener(lambda each: not each.problem, timedelta(seconds=1))
                assert found.HasField("failure_time") is False
            assert await here.store.read(lambda tx: rows.next_due(tx, last_change, {})) is None

    asyncio.run(scenario())


def test_an_event_that_cannot_be_written_is_logged_and_left_out_and_the_next_one_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def write(event: ResourceEvent, form: EventFormat.ValueType) -> tuple[str, bytes]:
        if event.subject.endswith("/1"):
            raise ValueError("a defect")
        return event_writer(URI)(event, form)

    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.register(hook.url)
            await here.order(1)
            await here.order(2)
            async with here.telling(write):
                await here.until(lambda: bool(hook.bodies))
            assert types(hook) == [("ProductOrderCreateEvent", "2")]
            assert "sichuan/productOrder/1" in caplog.text

    asyncio.run(scenario())


def test_an_internal_address_is_refused_unless_the_settings_name_its_network(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with region(tmp_path, ListenerSettings()) as here:
            for host in ("127.0.0.1", "localhost", "[::1]", "10.0.0.1", "[::ffff:127.0.0.1]", "127.1", "0"):
                with pytest.raises(Refused, match="CALLBACK_REFUSED"):
                    await here.register(f"https://{host}:8443/x")
            assert await here.listeners() == []

    asyncio.run(scenario())


def test_a_name_that_leads_to_an_internal_address_after_it_was_checked_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        with serving(tmp_path) as hook:
            async with region(tmp_path, ListenerSettings(authority=hook.authority)) as here:
                monkeypatch.setattr(Callbacks, "require_callable", _passes)  # as if the name led elsewhere then
                await here.register(hook.url)
                await here.order(1)
                async with here.telling():
                    found = await here.listener(has_failed)
            assert (found.problem, hook.headers) == ("ClientConnectorError", [])

    asyncio.run(scenario())


async def _passes(*_: object) -> None:
    """Refuses nothing."""


def test_a_callback_without_a_trusted_certificate_is_told_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        with serving(tmp_path) as hook:
            async with region(tmp_path) as here:
                await here.register(hook.url)
                await here.order(1)
                async with here.telling():
                    found = await here.listener(has_failed)
            assert (found.problem, hook.bodies) == ("ClientConnectorCertificateError", [])

    asyncio.run(scenario())


def test_an_operator_system_has_its_own_listeners_alone_each_once_and_not_more_than_the_limit(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with region(tmp_path) as here:
            first = await here.register("https://127.0.0.1/1")
            assert (await here.register("https://127.0.0.1/1")).id == first.id
            foreign = await here.register("https://127.0.0.1/1", operator="crm")
            for number in range(2, forms.LISTENERS + 1):
                await here.register(f"https://127.0.0.1/{number}")
            with pytest.raises(Refused, match="LISTENERS_TOO_MANY"):
                await here.register("https://127.0.0.1/more")
            found = await here.listeners(size=5)
            assert len({each.id for each in found}) == len(found) == forms.LISTENERS
            assert {each.signing_certificate for each in found} == {"certificate"}
            with pytest.raises(Refused, match="LISTENER_NOT_FOUND"):
                await here.remove(foreign.id)
            await here.remove(first.id)
            assert first.id not in {each.id for each in await here.listeners()}
            assert [each.id for each in await here.listeners("crm")] == [foreign.id]

    asyncio.run(scenario())
