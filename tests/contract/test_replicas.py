"""Several processes of one peer: which is called, which is left out, and when it is taken back."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from opentelemetry import trace

from gateway.api.coordinator.v1.administration_pb2 import GetConfigurationRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.federation_pb2 import WatchRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.relay.v1 import relay_pb2
from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse, HopStamp, Journey
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceServicer, add_RelayServiceServicer_to_server
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable
from gateway.process.metrics import UnrecordedCalls
from gateway.process.tracing import Tracing
from gateway.relay.grpc_carrier import GrpcCarrier
from gateway.rpc import channels
from gateway.rpc.channels import SILENCE, Dialer, Replica, Replicas, invoke
from gateway.rpc.server import Service
from gateway.security import tls
from gateway.security.identity import server_name
from tests.contract.coordinator_process import CoordinatorProcess, coordinator_process
from tests.contract.small_federation import CLOCK, FEDERATION, NOTHING_LISTENS, Certificates, serving

ADMIN = "admin/root"
# Reached only where a test fails.
PATIENCE_S = 60.0
FAILURE = grpc.ChannelConnectivity.TRANSIENT_FAILURE
SERVICE = relay_pb2.DESCRIPTOR.services_by_name["RelayService"]


@pytest.fixture(name="two")
def two_coordinators(certificates: Certificates, tmp_path: Path) -> Iterator[tuple[CoordinatorProcess, ...]]:
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(coordinator_process(certificates, tmp_path / str(number), number=number))
            for number in range(2)
        )


@asynccontextmanager
async def replicas_of(certificates: Certificates, *endpoints: str, caller: str = ADMIN) -> AsyncIterator[Replicas]:
    """Channels of one member to coordinators."""
    name = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
    replicas = Replicas(Dialer(certificates.credentials(caller), CLOCK), name, random.Random(1))
    replicas.update(endpoints)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield replicas
    finally:
        await replicas.close()


async def answering(replicas: Replicas, timeout: float = PATIENCE_S, tried: list[str] | None = None) -> str:
    """The endpoint that answers a call; `tried` gets all to which it was sent."""

    async def attempt(replica: Replica, seconds: float) -> str:
        if tried is not None:
            tried.append(replica.endpoint)
        await invoke(ConfigurationServiceStub(replica.channel).GetConfiguration, GetConfigurationRequest(), seconds)
        return replica.endpoint

    return await replicas.call(attempt, timeout)


async def answers_again(replicas: Replicas, endpoint: str) -> None:
    """Calls until that replica answers one; on a busy machine a connection may take longer than a call waits for it."""
    answered = ""
    while answered != endpoint:
        with suppress(Unreachable):
            answered = await answering(replicas)
        await asyncio.sleep(0.01)


async def all_stand(replicas: Replicas) -> None:
    """Calls until each replica has answered, and waits until all are connected and none is left out."""
    for endpoint in replicas.endpoints:
        await answers_again(replicas, endpoint)
    while not all(each.recovery is None and each.is_connected() for each in replicas.in_turn()):  # noqa: ASYNC110 - polls gRPC
        await asyncio.sleep(0.01)


@pytest.fixture(name="unhurried")
def no_silence_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is left out for being slow, as a process may be on a busy machine."""
    monkeypatch.setattr(channels, "SILENCE", PATIENCE_S)
    monkeypatch.setattr(tls, "_MEMBER_KEEPALIVE_MS", int(PATIENCE_S * 1000))


@contextmanager
def frozen(process: CoordinatorProcess) -> Iterator[None]:
    process.freeze()
    try:
        yield
    finally:
        process.thaw()


@pytest.mark.clause("2.1.3", "5.3.1")
@pytest.mark.usefixtures("unhurried")
def test_replicas_take_turns(certificates: Certificates, two: tuple[CoordinatorProcess, ...]) -> None:
    async def scenario() -> None:
        async with replicas_of(certificates, *(each.endpoint for each in two)) as replicas:
            await all_stand(replicas)
            assert [await answering(replicas) for _ in range(4)].count(two[0].endpoint) == 2

    asyncio.run(scenario())


def test_a_call_to_a_frozen_replica_is_answered_by_another_which_is_called_from_then_on(
    certificates: Certificates, two: tuple[CoordinatorProcess, ...]
) -> None:
    async def scenario() -> None:
        first, second = two
        async with replicas_of(certificates, first.endpoint, second.endpoint) as replicas:
            await all_stand(replicas)
            with frozen(first):
                tried: list[str] = []
                assert {await answering(replicas, tried=tried) for _ in range(20)} == {second.endpoint}
                assert tried.count(first.endpoint) == 1, "the silence of one call, however many calls are made"
            await answers_again(replicas, first.endpoint)

    asyncio.run(scenario())


def test_a_call_that_waits_when_its_replica_freezes_is_answered_by_another(
    certificates: Certificates, two: tuple[CoordinatorProcess, ...]
) -> None:
    """The process freezes with the call in its hands: whether it was acted on is not known."""

    async def scenario() -> None:
        called: list[str] = []
        async with replicas_of(certificates, *(each.endpoint for each in two)) as replicas:
            await all_stand(replicas)

            async def attempt(replica: Replica, seconds: float) -> str:
                called.append(replica.endpoint)
                if len(called) == 1:
                    next(each for each in two if each.endpoint == replica.endpoint).freeze()
                await invoke(
                    ConfigurationServiceStub(replica.channel).GetConfiguration, GetConfigurationRequest(), seconds
                )
                return replica.endpoint

            assert await replicas.call(attempt, PATIENCE_S) == called[1] != called[0]

    asyncio.run(scenario())


@pytest.mark.usefixtures("unhurried")
def test_a_replica_whose_port_refuses_costs_no_call_and_is_taken_back_when_it_serves(
    certificates: Certificates, tmp_path: Path, two: tuple[CoordinatorProcess, ...]
) -> None:
    async def scenario() -> None:
        first, second = two
        async with replicas_of(certificates, first.endpoint, second.endpoint) as replicas:
            await all_stand(replicas)
            first.process.kill()
            assert {await answering(replicas) for _ in range(10)} == {second.endpoint}
            with coordinator_process(certificates, tmp_path / "0", listen=first.endpoint):
                await answers_again(replicas, first.endpoint)

    asyncio.run(scenario())


def test_a_call_waits_for_a_connection_that_is_being_made_again_where_none_stands(
    certificates: Certificates,
    tmp_path: Path,
    two: tuple[CoordinatorProcess, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channels, "RECONNECT_PATIENCE", PATIENCE_S)

    async def scenario() -> None:
        only = two[0]
        async with replicas_of(certificates, only.endpoint) as replicas:
            await answers_again(replicas, only.endpoint)
            only.process.kill()
            with pytest.raises(Unreachable):  # while it still seems that a connection can be made
                await answering(replicas)
            (replica,) = replicas.in_turn()
            while (state := replica.channel.get_state(try_to_connect=True)) != FAILURE:
                await replica.channel.wait_for_state_change(state)
            calling = asyncio.create_task(answering(replicas))
            await asyncio.sleep(0)
            with coordinator_process(certificates, tmp_path / "0", listen=only.endpoint):
                assert await calling == only.endpoint

    asyncio.run(scenario())


def test_a_frozen_replica_that_is_the_only_one_is_given_up_long_before_the_deadline(
    certificates: Certificates, two: tuple[CoordinatorProcess, ...]
) -> None:
    async def scenario() -> None:
        async with replicas_of(certificates, two[0].endpoint) as replicas:
            await answers_again(replicas, two[0].endpoint)
            watch: grpc.aio.UnaryStreamMultiCallable[HealthCheckRequest, HealthCheckResponse] = (
                replicas.pick().channel.unary_stream(
                    "/grpc.health.v1.Health/Watch", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
                )
            )
            stream = watch(HealthCheckRequest())
            await stream.read()
            with frozen(two[0]):
                with pytest.raises(Unreachable) as failure:
                    await answering(replicas, timeout=1000.0)
                assert failure.value.status == "UNAVAILABLE"
                with pytest.raises(grpc.aio.AioRpcError) as ended:
                    await stream.read()
                assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
            await answers_again(replicas, two[0].endpoint)

    asyncio.run(scenario())


class Coordinator(RelayServiceServicer):
    """Answers deliveries after a while, or refuses them."""

    def __init__(self, seconds: float = 0.0, refusal: Refused | None = None) -> None:
        self.seconds = seconds
        self.refusal = refusal
        self.journeys: list[list[str]] = []

    async def Deliver(  # noqa: N802 - named by gRPC
        self, request: DeliverRequest, context: grpc.aio.ServicerContext[DeliverRequest, DeliverResponse]
    ) -> DeliverResponse:
        self.journeys.append([stamp.event for stamp in request.journey.stamps])
        if self.refusal is not None:
            raise self.refusal
        await asyncio.sleep(self.seconds)
        return DeliverResponse(journey=request.journey)


@asynccontextmanager
async def transport_to(certificates: Certificates, *endpoints: str) -> AsyncIterator[tuple[GrpcCarrier, Replicas]]:
    async with replicas_of(certificates, *endpoints, caller="region/henan") as replicas:
        yield (
            GrpcCarrier(replicas, Tracing(trace.get_tracer("test")), UnrecordedCalls()),
            replicas,
        )


@asynccontextmanager
async def serving_relay(certificates: Certificates, servicer: Coordinator, number: int = 0) -> AsyncIterator[str]:
    service = Service.of(SERVICE, add_RelayServiceServicer_to_server, servicer)
    async with serving(certificates, f"coordinator/{number}", [service]) as endpoint:
        yield endpoint


def a_batch() -> DeliverRequest:
    return DeliverRequest(destination="sichuan", journey=Journey(stamps=[HopStamp(party="henan", event="sent")]))


def test_a_batch_that_is_offered_again_says_so_in_its_journey(certificates: Certificates) -> None:
    async def scenario() -> None:
        well = Coordinator()
        async with (
            serving_relay(certificates, well) as endpoint,
            transport_to(certificates, NOTHING_LISTENS, endpoint) as (transport, _),
        ):
            # The first of the two is the one that is not there: later it is left out.
            for _ in range(2):
                await transport.deliver(a_batch(), PATIENCE_S)
            assert sorted(well.journeys) in ([["sent"], ["sent", "sent again"]], [["sent"], ["sent"]])
            assert max(len(journey) for journey in well.journeys) <= 2

    asyncio.run(scenario())


@pytest.mark.parametrize("reason", [Reason.REASON_REGISTRY_UNAVAILABLE, Reason.REASON_CLOCK_UNTRUSTED], ids=Reason.Name)
def test_a_replica_that_has_to_catch_up_first_costs_the_batch_no_wait(
    certificates: Certificates, reason: Reason.ValueType
) -> None:
    async def scenario() -> None:
        behind = Coordinator(refusal=Refused(reason))
        well = Coordinator()
        async with (
            serving_relay(certificates, behind) as first,
            serving_relay(certificates, well, 1) as second,
            transport_to(certificates, first, second) as (transport, _),
        ):
            for _ in range(6):
                await transport.deliver(a_batch(), PATIENCE_S)
            assert len(well.journeys) == 6
            assert [["sent", "sent again"]] * len(behind.journeys) == [
                journey for journey in well.journeys if len(journey) == 2
            ]

    asyncio.run(scenario())


def test_each_time_that_a_batch_leaves_is_told_before(certificates: Certificates) -> None:
    async def scenario() -> None:
        told: list[int] = []
        well = Coordinator()
        async with (
            serving_relay(certificates, well) as endpoint,
            transport_to(certificates, NOTHING_LISTENS, endpoint) as (transport, _),
        ):
            for number in range(2):
                await transport.deliver(a_batch(), PATIENCE_S, partial(told.append, number))
            assert [told.count(number) for number in range(2)] == [len(journey) for journey in well.journeys]

    asyncio.run(scenario())


def test_a_batch_that_may_not_leave_any_more_is_no_replicas_fault(certificates: Certificates) -> None:
    async def scenario() -> None:
        asked = 0

        def forbid() -> None:
            nonlocal asked
            asked += 1
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE)

        one, other = Coordinator(), Coordinator()
        async with (
            serving_relay(certificates, one) as first,
            serving_relay(certificates, other, 1) as second,
            transport_to(certificates, first, second) as (transport, replicas),
        ):
            with pytest.raises(Refused):
                await transport.deliver(a_batch(), PATIENCE_S, forbid)
            assert (asked, one.journeys, other.journeys) == (1, [], [])
            assert [replica.recovery for replica in replicas.in_turn()] == [None, None]

    asyncio.run(scenario())


def test_a_look_at_a_replica_whose_channel_is_being_closed_ends_no_call(certificates: Certificates) -> None:
    """Certificates were replaced: the calls on the former channel go on for a while."""

    async def scenario() -> None:
        slow = Coordinator(seconds=SILENCE)
        async with (
            serving_relay(certificates, slow) as endpoint,
            transport_to(certificates, endpoint) as (transport, replicas),
        ):
            replica = replicas.pick()
            delivering = asyncio.create_task(transport.deliver(a_batch(), PATIENCE_S))
            while not slow.journeys:  # noqa: ASYNC110 - what it waits for is in another task
                await asyncio.sleep(0.005)
            replicas.update(())
            await asyncio.sleep(0)
            assert await replica.lives()
            await delivering

    asyncio.run(scenario())


def test_what_a_coordinator_refuses_is_not_offered_to_another(certificates: Certificates) -> None:
    async def scenario() -> None:
        one, other = (Coordinator(refusal=Refused(Reason.REASON_REGION_SUSPENDED, region="sichuan")) for _ in range(2))
        async with (
            serving_relay(certificates, one) as first,
            serving_relay(certificates, other, 1) as second,
            transport_to(certificates, first, second) as (transport, _),
        ):
            with pytest.raises(Refused):
                await transport.deliver(a_batch(), PATIENCE_S)
            assert len(one.journeys) + len(other.journeys) == 1

    asyncio.run(scenario())


def test_a_replica_that_is_slow_and_lives_is_waited_for(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "CHECK_TIMEOUT", PATIENCE_S)

    async def scenario() -> None:
        slow = [Coordinator(seconds=4 * SILENCE) for _ in range(2)]
        async with (
            serving_relay(certificates, slow[0]) as first,
            serving_relay(certificates, slow[1], 1) as second,
            transport_to(certificates, first, second) as (transport, _),
        ):
            await transport.deliver(a_batch(), PATIENCE_S)
            assert sorted(len(each.journeys) for each in slow) == [0, 1]

    asyncio.run(scenario())


def test_a_call_is_offered_to_two_replicas_at_most(certificates: Certificates) -> None:
    async def scenario() -> None:
        tried: list[str] = []

        async def attempt(replica: Replica, seconds: float) -> None:
            tried.append(replica.endpoint)
            raise Unreachable("cut")

        endpoints = [f"127.0.0.1:{port}" for port in (1, 2, 3)]
        async with replicas_of(certificates, *endpoints) as replicas:
            with pytest.raises(Unreachable):
                await replicas.call(attempt, PATIENCE_S)
        assert len(tried) == len(set(tried)) <= 2

    asyncio.run(scenario())


def test_a_call_that_two_of_three_replicas_leave_unanswered_is_answered_by_the_third(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines vanish while their connections look sound."""
    monkeypatch.setattr(channels, "SILENCE", 0.01)
    called: list[str] = []

    async def lives(replica: Replica) -> bool:
        return replica.endpoint not in called[:2]

    async def attempt(replica: Replica, seconds: float) -> str:
        called.append(replica.endpoint)
        if len(called) < 3:
            await asyncio.Event().wait()
        return replica.endpoint

    monkeypatch.setattr(Replica, "lives", lives)

    async def scenario() -> None:
        async with (
            serving_relay(certificates, Coordinator()) as first,
            serving_relay(certificates, Coordinator(), 1) as second,
            serving_relay(certificates, Coordinator(), 2) as third,
            replicas_of(certificates, first, second, third) as replicas,
        ):
            assert await replicas.call(attempt, PATIENCE_S) == called[2]
            assert sorted(called) == sorted((first, second, third))

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_member_pings_more_often_than_a_client_and_no_server_minds(
    certificates: Certificates, two: tuple[CoordinatorProcess, ...]
) -> None:
    """Processes that burn every core keep pings waiting; the stream that carries nothing else stays."""

    async def scenario() -> None:
        async with replicas_of(certificates, two[0].endpoint, caller="region/henan") as replicas:
            watching = FederationServiceStub(replicas.pick().channel).Watch(WatchRequest())
            burning = [await asyncio.create_subprocess_exec("sh", "-c", "while :; do :; done") for _ in range(4)]
            try:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(6.0):
                        await watching.read()
            finally:
                for each in burning:
                    each.kill()
                    await each.wait()

    asyncio.run(scenario())
