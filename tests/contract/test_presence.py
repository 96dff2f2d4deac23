"""A coordinator among the others: its confirmations, and its behaviour while it may be outdated."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import grpc
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader

from coordinator.membership.members import CurrentMembers
from coordinator.membership.presence import LEAST_SECONDS, Presence
from coordinator.membership.service import FederationPorts, FederationService
from coordinator.registry.age import observe_age
from coordinator.registry.embedded import EmbeddedRegistry
from coordinator.registry.operations import SuspensionChanged
from coordinator.registry.own_chains import OwnChains
from coordinator.registry.rules import Suspension
from coordinator.routing.deliveries import Deliveries
from gateway.api.federation.v1.federation_pb2 import MemberState, WatchRequest, WatchResponse
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing.chain_heads import HeadSigner
from gateway.auditing.denial_log import DenialLog
from gateway.errors import Refused
from gateway.rpc.calls import Call, enter
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.member_proofs import MemberProof
from gateway.security.signing import TrustedKeys
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import SystemClock, from_timestamp
from tests.contract.registries import ADMIN, LONG, NOW, configuration, heartbeat
from tests.contract.small_federation import FEDERATION

NAME, ENDPOINT = "coordinator/0", "127.0.0.1:7000"
# Reached only where a test fails.
PATIENCE_S = 60.0
_Watch = grpc.aio.ServicerContext[WatchRequest, WatchResponse]


class RegistryUnderTest(EmbeddedRegistry):
    """Keeps what was confirmed, and is out of date when a test says so."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]  # as `open` gives them
        self.confirmed: list[int] = []
        self.up_to_date = True
        self.cut_off = False
        self.lease: float | None = None
        self.last_answer: datetime | None = None

    async def confirm(self, change: int) -> None:
        self.confirmed.append(change)
        await super().confirm(change)

    def is_current(self) -> bool:
        return self.up_to_date

    def lease_seconds(self) -> float:
        return super().lease_seconds() if self.lease is None else self.lease

    def is_cut_off(self) -> bool:
        return self.cut_off

    def lose(self) -> None:
        """The store answers others only."""
        self.cut_off = True
        self._tell()

    def catch_up(self) -> None:
        """The snapshot is current again."""
        self.up_to_date = True
        self._tell()

    def answered(self) -> datetime:
        return self.last_answer or super().answered()


class NotifyingLater(RegistryUnderTest):
    """Tells of a change on the loop's next turn, when its snapshot contains it already."""

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        def tell() -> None:
            self._loop.call_soon(listener)

        return super().on_change(tell)

    def take_suspension(self, region: str) -> None:
        """A suspension, as it is taken in once it is committed."""
        self._take_suspension(SuspensionChanged(region, Suspension(NOW, "why", ADMIN)))


@asynccontextmanager
async def registry_in(
    directory: Path, kind: type[RegistryUnderTest] = RegistryUnderTest
) -> AsyncIterator[tuple[RegistryUnderTest, SqliteStore]]:
    store = SqliteStore(directory / "registry.db", migrations_of("gateway", "coordinator"))
    registry = await kind.open(store, AgreedClock(SystemClock()), LONG)
    assert isinstance(registry, RegistryUnderTest)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield registry, store
    finally:
        await registry.close()
        await store.close()


def kept_from_routing(presence: Presence) -> Reason.ValueType:
    """Why envelopes may not be forwarded."""
    with pytest.raises(Refused) as refusal:
        presence.routing_seconds()
    return refusal.value.reason


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - what it waits for is in another task
        await asyncio.sleep(0)


async def quiet() -> None:
    """Lets the loop run until everything that can be done now is done."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_a_suspension_is_confirmed_once_what_is_on_its_way_to_or_from_the_region_is_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with registry_in(tmp_path) as (registry, _):
            deliveries = Deliveries()
            presence = Presence(registry, CurrentMembers(registry), deliveries.over)
            await presence.enter(NAME, ENDPOINT)
            with deliveries.between("hunan", "guangdong"):
                with deliveries.between("sichuan", "henan"):
                    with deliveries.between("henan", "sichuan"):
                        change = await registry.suspend("sichuan", note="why", actor=ADMIN)
                        await quiet()
                        assert registry.snapshot().replicas[NAME].confirmed < change
                    await quiet()
                    assert registry.snapshot().replicas[NAME].confirmed < change
                # The delivery between two others is on its way still, and concerns nobody who is suspended.
                await until(lambda: registry.snapshot().replicas[NAME].confirmed >= change)
            await presence.close()

    asyncio.run(scenario())


def test_what_is_confirmed_is_what_the_router_acts_by_and_not_what_it_is_about_to_hear_of(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with registry_in(tmp_path, NotifyingLater) as (registry, _):
            assert isinstance(registry, NotifyingLater)
            members = CurrentMembers(registry)
            presence = Presence(registry, members, Deliveries().over)
            await registry.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN)
            await registry.beat("sichuan", heartbeat("127.0.0.1:1"))
            await presence.enter(NAME, ENDPOINT)
            await quiet()
            routed_by: list[MemberState.ValueType] = []
            confirm = registry.confirm

            async def confirming(change: int) -> None:
                routed_by.append(members.all()["sichuan"].state)
                await confirm(change)

            registry.confirm = confirming  # type: ignore[method-assign]
            await registry.beat("sichuan", heartbeat("127.0.0.1:2"))
            await asyncio.sleep(0)
            # That change has been told, and the confirming task goes on next: before anybody is told of this one.
            registry.take_suspension("sichuan")
            await until(lambda: bool(routed_by))
            assert routed_by == [MemberState.MEMBER_STATE_SUSPENDED]
            await presence.close()

    asyncio.run(scenario())


def test_a_region_that_was_reinstated_and_is_delivered_to_again_keeps_nothing_waiting(tmp_path: Path) -> None:
    async def scenario() -> None:
        deliveries = Deliveries()
        with deliveries.between("henan", "sichuan"):
            waiting = asyncio.create_task(deliveries.over({"sichuan"}))
            await quiet()
            later = deliveries.between("henan", "sichuan")
            later.__enter__()
            assert not waiting.done()
        await waiting
        later.__exit__(None, None, None)

    asyncio.run(scenario())


def test_a_coordinator_that_starts_confirms_the_suspensions_that_it_finds(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with registry_in(tmp_path) as (registry, _):
            await registry.suspend("sichuan", note="why", actor=ADMIN)
        async with registry_in(tmp_path) as (registry, _):
            presence = Presence(registry, CurrentMembers(registry), Deliveries().over)
            await presence.enter(NAME, ENDPOINT)
            await until(lambda: len(registry.confirmed) == 1)
            await presence.close()

    asyncio.run(scenario())


def test_only_suspensions_are_confirmed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with registry_in(tmp_path) as (registry, _):
            presence = Presence(registry, CurrentMembers(registry), Deliveries().over)
            await presence.enter(NAME, ENDPOINT)
            await registry.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN)
            for port in range(1, 5):
                await registry.beat("sichuan", heartbeat(f"127.0.0.1:{port}"))
            await quiet()
            assert registry.confirmed == []
            await registry.suspend("sichuan", note="why", actor=ADMIN)
            await until(lambda: len(registry.confirmed) == 1)
            await registry.leave("sichuan", "127.0.0.1:1")
            await quiet()
            assert len(registry.confirmed) == 1
            await presence.close()

    asyncio.run(scenario())


def test_a_coordinator_routes_once_it_has_entered_by_its_lease_and_not_while_it_is_out_of_date(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with registry_in(tmp_path) as (registry, _):
            presence = Presence(registry, CurrentMembers(registry), Deliveries().over)
            assert kept_from_routing(presence) == Reason.REASON_REGISTRY_UNAVAILABLE
            await presence.enter(NAME, ENDPOINT)
            assert presence.routing_seconds() == math.inf
            registry.lease = 3.5
            assert presence.routing_seconds() == 3.5
            registry.lease = LEAST_SECONDS / 2
            assert kept_from_routing(presence) == Reason.REASON_LEASE_UNPROVEN
            registry.lease, registry.up_to_date = 3.5, False
            assert kept_from_routing(presence) == Reason.REASON_REGISTRY_UNAVAILABLE
            await presence.close()

    asyncio.run(scenario())


async def watched(registry: RegistryUnderTest, store: SqliteStore) -> AsyncIterator[WatchResponse]:
    """The federation state as a coordinator sends it, with one region."""
    clock = AgreedClock(SystemClock())
    authority = Authority.create(FEDERATION, clock.now() - LONG, clock.now() + LONG)
    keys = TrustedKeys(authority.certificate_pem, FEDERATION)
    members, denial_log = CurrentMembers(registry), DenialLog(store, clock)
    signer = HeadSigner(lambda _: MemberProof(b"", b""), clock)
    chains, interval = OwnChains("coordinator/0", store, None, signer), timedelta(seconds=2)
    service = FederationService(FederationPorts(registry, members, keys, denial_log, clock, interval, chains))
    await registry.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN)
    enter(Call(Identity(FEDERATION, Role.ROLE_REGION, "henan", ""), "Watch", None))
    return service.Watch(WatchRequest(), cast("_Watch", None))


def test_watchers_are_sent_nothing_of_a_registry_that_may_have_gone_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with registry_in(tmp_path) as (registry, store):
            before = SystemClock().now()
            watching = await watched(registry, store)
            first = await anext(watching)
            assert before <= from_timestamp(first.coordinator_time) <= SystemClock().now()
            registry.up_to_date = False
            await registry.suspend("sichuan", note="why", actor=ADMIN)
            second = asyncio.ensure_future(anext(watching))
            await quiet()
            for port in (1, 2):
                await registry.beat("sichuan", heartbeat(f"127.0.0.1:{port}"))
                await quiet()
            assert not second.done()
            registry.catch_up()
            (member,) = (await second).members
            assert member.state == MemberState.MEMBER_STATE_SUSPENDED
            await watching.aclose()  # type: ignore[attr-defined]  # it is a generator

    asyncio.run(scenario())


def test_a_watch_waits_without_looking_and_ends_when_it_hears_that_the_registry_answers_others_only(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with registry_in(tmp_path) as (registry, store):
            watching = await watched(registry, store)
            await anext(watching)
            set_timers: list[float] = []
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(asyncio.get_running_loop(), "call_at", lambda when, *_, **__: set_timers.append(when))
                waiting = asyncio.ensure_future(anext(watching))
                await quiet()
            assert (set_timers, waiting.done()) == ([], False)
            registry.lose()
            with pytest.raises(Refused) as ended:
                await waiting
            assert ended.value.reason == Reason.REASON_REGISTRY_UNAVAILABLE

    asyncio.run(scenario())


def test_the_age_of_the_registrys_last_answer_is_a_metric(tmp_path: Path) -> None:
    class StoppedClock:
        def now(self) -> datetime:
            return NOW

    async def scenario() -> None:
        async with registry_in(tmp_path) as (registry, _):
            reader = InMemoryMetricReader()
            observe_age(MeterProvider([reader]).get_meter("test"), registry, StoppedClock())
            for seconds in (0.0, 42.5):
                registry.last_answer = NOW - timedelta(seconds=seconds)
                read = reader.get_metrics_data()
                assert read is not None
                (metric,) = read.resource_metrics[0].scope_metrics[0].metrics
                assert (metric.name, metric.unit) == ("crossregion.registry.age", "s")
                assert isinstance(metric.data, Gauge)
                assert [point.value for point in metric.data.data_points] == [seconds]

    asyncio.run(scenario())
