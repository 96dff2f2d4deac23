"""Envelopes from region to region through a real coordinator, to a region node's own receiver and store."""

import asyncio
import random
from collections.abc import AsyncIterator, MutableSequence, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import grpc
import pytest
from opentelemetry import trace

from coordinator.routing.channels import ChannelPorts, RegionChannels
from gateway.api.coordinator.v1.administration_pb2 import SuspendRegionRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.relay.v1 import relay_pb2
from gateway.api.relay.v1.relay_pb2 import (
    BatchAnswer,
    DeliverRequest,
    DeliverResponse,
    Envelope,
    EnvelopeContent,
    EnvelopeKind,
    HopStamp,
    Journey,
    Outcome,
)
from gateway.api.relay.v1.relay_pb2_grpc import (
    RelayServiceServicer,
    RelayServiceStub,
    add_RelayServiceServicer_to_server,
)
from gateway.errors import Unreachable, reason_name
from gateway.federation.catalogue import Federation as Catalogue
from gateway.federation.current import CurrentFederation
from gateway.process.metrics import UnrecordedCalls
from gateway.process.tracing import Tracing
from gateway.relay.border import Border, Command
from gateway.relay.envelopes import BATCH_LIMIT, Answer, OutgoingEnvelope, Sealed, open_receipt
from gateway.relay.ports import RelayPorts
from gateway.relay.sealed_batches import SealedBatchReceiver
from gateway.relay.service import Receiver, RelayService
from gateway.relay.workers import InlineWorkers
from gateway.rpc import calls
from gateway.rpc.channels import Dialer, Replica, invoke
from gateway.rpc.server import Service
from gateway.security.sealing import Route as SealingRoute
from gateway.security.signing import TrustedKeys
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from tests.contract.coordinators import (
    ADMIN,
    ANSWER_S,
    PATIENCE_S,
    Federation,
    RegionKeys,
    denials,
    federation,
    join_request,
    keys_of,
    refused,
    run,
    unhurried,
)
from tests.contract.small_federation import (
    CLOCK,
    CONFIGURATION,
    FEDERATION,
    NOTHING_LISTENS,
    Certificates,
    serving,
)
from tests.keys import region_keys
from tests.sealed_batches import SealedBatch
from tests.sealed_envelopes import seal

HENAN, SICHUAN = "henan", "sichuan"
M = TypeVar("M")
KIND = EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND
SERVICE = relay_pb2.DESCRIPTOR.services_by_name["RelayService"]


@dataclass
class Destination:
    """A region that acts on commands by noting their payload."""

    endpoint: str
    payloads: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def destination(
    certificates: Certificates, database: Path, keys: RegionKeys, origins: Sequence[RegionKeys]
) -> AsyncIterator[Destination]:
    """A region node's border, with the store and the receiver that ship, behind mTLS."""
    current, trusted = CurrentFederation(), TrustedKeys(certificates.authority.certificate_pem, FEDERATION)
    members = [Member(region=each.region, state=MemberState.MEMBER_STATE_JOINED) for each in (keys, *origins)]
    current.update(Catalogue(1, CONFIGURATION), members)
    for each in (keys, *origins):
        trusted.accept(each.region, each.certificate, CLOCK.now())
    it = Destination("")

    def act(tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        it.payloads.append(content.payload)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=b"done " + content.payload)

    store = SqliteStore(database, migrations_of("gateway"), region_keys())
    border = Border(keys.region, keys.signer, trusted, current)
    kinds = {KIND: Command(act, lambda tx, content, receipt, now: None)}
    receiver = Receiver(RelayPorts(border, kinds, store, CLOCK, Tracing(trace.get_tracer("test")), InlineWorkers()))
    sealed_batches = SealedBatchReceiver(border, region_keys(keys.region), receiver.deliver)
    service = Service(SERVICE, lambda server: add_RelayServiceServicer_to_server(RelayService(sealed_batches), server))
    try:
        async with serving(certificates, f"region/{keys.region}", [service], keys.region) as it.endpoint:
            yield it
    finally:
        await store.close()


@dataclass
class Route:
    """Henan sends to Sichuan."""

    federation: Federation
    henan: RegionKeys
    sichuan: RegionKeys
    destination: Destination

    async def deliver(self, *envelopes: Envelope, to: str = SICHUAN, timeout: float = PATIENCE_S) -> BatchAnswer:
        journey = Journey(stamps=[HopStamp(party=HENAN, event="sent")])
        sealed_batch = SealedBatch(
            SealingRoute(HENAN, to), region_keys(to).set.in_use.sealing.public, *envelopes, journey=journey
        )
        stub = RelayServiceStub(self.federation.as_(f"region/{HENAN}"))
        return sealed_batch.answer(await invoke(stub.Deliver, sealed_batch.request, timeout))

    async def move_sichuan(self, endpoint: str) -> None:
        """Sichuan's process leaves, and one at another endpoint joins in its place."""
        leaving = join_request(self.sichuan, self.destination.endpoint)
        leaving.leaving = True
        await self.federation.join(self.sichuan, leaving)
        await self.federation.join(self.sichuan, join_request(self.sichuan, endpoint))


def envelope(keys: RegionKeys, number: int = 1, to: str = SICHUAN, origin: str = "") -> Envelope:
    outgoing = OutgoingEnvelope(
        f"{keys.region}/counter/R{number}#cancel",
        to,
        KIND,
        f"payload {number}".encode(),
        f"{keys.region}/counter/R{number}",
        "counter",
        timedelta(minutes=5),
    )
    origin = origin or keys.region
    return seal(outgoing, origin, keys.signer, now=CLOCK.now(), revision=1, traceparent="").envelope


def outcomes(response: BatchAnswer) -> list[str]:
    """The outcome of each envelope."""
    return [
        "receipt" if each.HasField("receipt") else reason_name(each.not_delivered.reason) for each in response.results
    ]


@asynccontextmanager
async def route(certificates: Certificates, tmp_path: Path) -> AsyncIterator[Route]:
    henan, sichuan = keys_of(certificates, HENAN), keys_of(certificates, SICHUAN)
    async with AsyncExitStack() as stack:
        it = await stack.enter_async_context(federation(certificates, tmp_path / "coordinator"))
        there = await stack.enter_async_context(destination(certificates, tmp_path / "sichuan.db", sichuan, [henan]))
        await it.apply()
        await it.join(henan)
        await it.join(sichuan, join_request(sichuan, there.endpoint))
        yield Route(it, henan, sichuan, there)


def test_an_envelope_is_brought_to_its_destination_and_the_signed_receipt_back(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with route(certificates, tmp_path) as it:
            sent = envelope(it.henan)
            response = await it.deliver(sent)
            trusted = TrustedKeys(certificates.authority.certificate_pem, FEDERATION)
            trusted.accept(SICHUAN, it.sichuan.certificate, CLOCK.now())
            sealed = relay_sealed(sent)
            receipt = open_receipt(response.results[0].receipt, trusted, sealed)
            assert (receipt.outcome, receipt.result) == (Outcome.OUTCOME_ACCEPTED, b"done payload 1")
            again = await it.deliver(sent)
            assert again.results == response.results
            assert it.destination.payloads == [b"payload 1"]

    run(scenario())


def relay_sealed(sent: Envelope) -> Sealed:
    return Sealed(sent, EnvelopeContent.FromString(sent.content))


def test_every_hop_leaves_its_stamp(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with route(certificates, tmp_path) as it:
            stamps = (await it.deliver(envelope(it.henan))).journey.stamps
            assert [(stamp.party, stamp.event) for stamp in stamps] == [
                (HENAN, "sent"),
                ("coordinator/0", "received"),
                ("coordinator/0", "forwarded"),
                (SICHUAN, "received"),
                (SICHUAN, "committed"),
                ("coordinator/0", "returned"),
            ]
            times = [stamp.time.ToNanoseconds() for stamp in stamps[1:]]
            assert times == sorted(times)

    run(scenario())


def test_an_empty_batch_asks_whether_the_destination_answers(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with route(certificates, tmp_path) as it:
            response = await it.deliver()
            assert not response.results
            assert (SICHUAN, "committed") in [(stamp.party, stamp.event) for stamp in response.journey.stamps]

    run(scenario())


def test_what_is_not_the_callers_own_is_refused_by_the_destination_and_each_answer_keeps_its_place(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with route(certificates, tmp_path) as it:
            response = await it.deliver(
                envelope(it.henan, 1),
                envelope(it.henan, 2, origin="hunan"),
                envelope(it.henan, 3, to="hunan"),
                Envelope(content=b"\xff\xff"),
                envelope(it.henan, 4),
            )
            assert outcomes(response) == [
                "receipt",
                "ENVELOPE_SENDER_WRONG",
                "ENVELOPE_INVALID",
                "ENVELOPE_INVALID",
                "receipt",
            ]
            assert sorted(it.destination.payloads) == [b"payload 1", b"payload 4"]

    run(scenario())


def test_a_batch_that_is_sealed_to_a_key_of_nobody_or_in_no_way_is_refused_and_may_be_sent_again(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with route(certificates, tmp_path) as it:
            stub = RelayServiceStub(it.federation.as_(f"region/{HENAN}"))
            key, sent = region_keys("hunan").set.in_use.sealing.public, envelope(it.henan)
            strange = SealedBatch(SealingRoute(HENAN, SICHUAN), key, sent).request
            assert await refused(invoke(stub.Deliver, strange, PATIENCE_S)) == "SEALING_KEY_UNKNOWN"
            in_another_name = SealedBatch(
                SealingRoute("hunan", SICHUAN), region_keys(SICHUAN).set.in_use.sealing.public, sent
            )
            assert await refused(invoke(stub.Deliver, in_another_name.request, PATIENCE_S)) == "BATCH_UNREADABLE"
            clear = DeliverRequest(destination=SICHUAN, sealed=sent.content)
            assert await refused(invoke(stub.Deliver, clear, PATIENCE_S)) == "SEALING_KEY_UNKNOWN"
            nothing = DeliverRequest(destination=SICHUAN)
            assert await refused(invoke(stub.Deliver, nothing, PATIENCE_S)) == "BATCH_UNREADABLE"
            assert not it.destination.payloads

    run(scenario())


@pytest.mark.clause("10.2(3)")
def test_a_forged_signature_passes_the_coordinator_and_not_the_destination(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with route(certificates, tmp_path) as it:
            forged = envelope(it.henan)
            forged.signature = bytes(64)
            assert outcomes(await it.deliver(forged)) == ["ENVELOPE_SIGNATURE_INVALID"]
            assert not it.destination.payloads

    run(scenario())


def test_a_batch_that_is_too_long_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with route(certificates, tmp_path) as it:
            batch = [envelope(it.henan)] * (BATCH_LIMIT + 1)
            assert await refused(it.deliver(*batch)) == "REQUEST_INVALID"
            assert outcomes(await it.deliver(*batch[:BATCH_LIMIT])) == ["receipt"] * BATCH_LIMIT

    run(scenario())


@pytest.mark.parametrize("region", [HENAN, SICHUAN])
def test_nothing_is_taken_from_a_suspended_region_or_routed_to_it(
    certificates: Certificates, tmp_path: Path, region: str
) -> None:
    async def scenario() -> None:
        async with route(certificates, tmp_path) as it:
            stub = MembershipServiceStub(it.federation.as_(ADMIN))
            await invoke(stub.SuspendRegion, SuspendRegionRequest(region=region, note="note"), PATIENCE_S)
            assert await refused(it.deliver(envelope(it.henan))) == "REGION_SUSPENDED"
            assert not it.destination.payloads

    run(scenario())


def test_why_a_destination_gets_nothing_is_told(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with route(certificates, tmp_path) as it:
            assert await refused(it.deliver(to="atlantis")) == "REGION_UNKNOWN"
            assert await refused(it.deliver(to="hunan")) == "REGION_NOT_JOINED"
            leaving = join_request(it.sichuan, it.destination.endpoint)
            leaving.leaving = True
            await it.federation.join(it.sichuan, leaving)
            assert await refused(it.deliver()) == "REGION_UNREACHABLE"

    run(scenario())


def leave_out(listed: MutableSequence[M]) -> None:
    """Nothing of Henan stays in a list of the configuration."""
    for each in [each for each in listed if HENAN in (getattr(each, "region", ""), getattr(each, "id", ""))]:
        listed.remove(each)


def test_a_region_that_left_the_configuration_sends_nothing(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with route(certificates, tmp_path) as it:
            smaller = Configuration()
            smaller.CopyFrom(CONFIGURATION)
            leave_out(smaller.regions)
            leave_out(smaller.number_plan.prefixes)
            leave_out(smaller.plans)
            leave_out(smaller.offerings)
            leave_out(smaller.service_points)
            for business in smaller.businesses:
                leave_out(business.regional_limits)
            for policy in smaller.policies:
                leave_out(policy.regional)
            smaller.ClearField("network")
            smaller.ClearField("agreement_templates")
            smaller.ClearField("body")
            await it.federation.apply(smaller)
            assert await refused(it.deliver(envelope(it.henan))) == "REGION_UNKNOWN"

    run(scenario())


def test_before_the_first_configuration_nothing_is_routed(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, tmp_path / "coordinator") as it:
            stub = RelayServiceStub(it.as_(f"region/{HENAN}"))
            call = invoke(stub.Deliver, DeliverRequest(destination=SICHUAN), PATIENCE_S)
            assert await refused(call) == "CONFIGURATION_MISSING"

    run(scenario())


def test_a_process_that_died_costs_no_delivery_where_another_one_lives(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with route(certificates, tmp_path) as it:
            await it.federation.join(it.sichuan, join_request(it.sichuan, NOTHING_LISTENS))
            events = []
            for number in range(6):
                response = await it.deliver(envelope(it.henan, number))
                assert outcomes(response) == ["receipt"]
                events += [stamp.event for stamp in response.journey.stamps]
            # It is tried once at most, and then left out.
            assert events.count("forwarded again") <= 1

    run(scenario())


def test_a_server_that_proves_another_region_gets_nothing(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        hunan = keys_of(certificates, "hunan")
        async with (
            route(certificates, tmp_path) as it,
            destination(certificates, tmp_path / "hunan.db", hunan, []) as impostor,
        ):
            await it.move_sichuan(impostor.endpoint)
            assert await refused(it.deliver(envelope(it.henan))) == "REGION_UNREACHABLE"
            assert not impostor.payloads

    run(scenario())


def test_only_regions_bring_envelopes_to_a_coordinator(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with route(certificates, tmp_path) as it:
            stub = RelayServiceStub(it.federation.as_("coordinator/1"))
            call = invoke(stub.Deliver, DeliverRequest(destination=SICHUAN), PATIENCE_S)
            assert await refused(call) == "PERMISSION_DENIED"
            assert denials(it.federation.audit_rows()) == [("coordinator/1", "Deliver", "PERMISSION_DENIED")]

    run(scenario())


class Silent(RelayServiceServicer):
    """Takes a batch and never answers; notes how much time it was given."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def Deliver(  # noqa: N802 - named by gRPC
        self, request: DeliverRequest, context: grpc.aio.ServicerContext[DeliverRequest, DeliverResponse]
    ) -> DeliverResponse:
        self.seconds.append(context.time_remaining())
        await asyncio.Event().wait()
        raise AssertionError


def test_the_deadline_shrinks_on_the_way_so_that_the_caller_still_hears_why(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        silent = Silent()
        service = Service(SERVICE, lambda server: add_RelayServiceServicer_to_server(silent, server))
        async with (
            route(certificates, tmp_path) as it,
            serving(certificates, f"region/{SICHUAN}", [service], SICHUAN) as endpoint,
        ):
            await it.move_sichuan(endpoint)
            with unhurried():
                assert await refused(it.deliver(envelope(it.henan), timeout=ANSWER_S)) == "REGION_UNREACHABLE"
                assert 0 < silent.seconds[0] < ANSWER_S - calls.HOP_MARGIN / 2, "gRPC rounds it up"
                too_short = it.deliver(envelope(it.henan), timeout=calls.HOP_MARGIN / 2)
                assert await refused(too_short) == "DEADLINE_TOO_SHORT"

    run(scenario())


def test_connections_are_made_anew_with_replaced_certificates(certificates: Certificates) -> None:
    async def scenario() -> None:
        credentials = certificates.credentials("coordinator/0")
        channels = RegionChannels(
            ChannelPorts(
                FEDERATION,
                Dialer(credentials, CLOCK),
                Tracing(trace.get_tracer("test")),
                UnrecordedCalls(),
                random.Random(1),
            )
        )
        member = Member(region=SICHUAN, state=MemberState.MEMBER_STATE_JOINED, endpoints=[NOTHING_LISTENS])
        channels.update({SICHUAN: member})

        async def channel(replica: Replica, seconds: float) -> grpc.aio.Channel:
            return replica.channel

        first = await channels.call(SICHUAN, channel, PATIENCE_S)
        assert await channels.call(SICHUAN, channel, PATIENCE_S) is first
        certificates.credentials("coordinator/0")
        async with asyncio.timeout(PATIENCE_S):
            while await channels.call(SICHUAN, channel, PATIENCE_S) is first:  # noqa: ASYNC110 - it looks at the files now and then
                await asyncio.sleep(0.05)
        with pytest.raises(Unreachable):
            await channels.call(HENAN, channel, PATIENCE_S)
        await channels.close()

    run(scenario())
