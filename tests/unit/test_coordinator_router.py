"""The router without a network: what it makes of what a destination does."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from coordinator.routing.deliveries import Deliveries
from coordinator.routing.router import Router, RouterPorts
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse, HopStamp
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable, is_temporary
from gateway.relay.transport import BeforeAttempt, Carrier
from gateway.time.clock import SystemClock

MEMBERS = {
    region: Member(region=region, state=MemberState.MEMBER_STATE_JOINED, endpoints=["127.0.0.1:1"])
    for region in ("henan", "sichuan")
}

LATER = b"\xfa\x3e\x05later"  # a field 1007 of five bytes, which no version has yet


class Destination:
    """A programmable destination, which keeps its requests."""

    def __init__(self, answer: Callable[[DeliverRequest], DeliverResponse]) -> None:
        self._answer = answer
        self.given: list[tuple[DeliverRequest, float]] = []

    async def deliver(
        self, request: DeliverRequest, timeout: float, before_attempt: BeforeAttempt | None = None
    ) -> DeliverResponse:
        if before_attempt is not None:
            before_attempt()
        self.given.append((request, timeout))
        return self._answer(request)


def echo(request: DeliverRequest) -> DeliverResponse:
    """An answer that repeats what came."""
    return DeliverResponse(sealed=request.sealed, nonce=request.nonce, journey=request.journey)


def router(carrier_to: Callable[[str], Carrier]) -> Router:
    return Router(RouterPorts("coordinator/0", lambda: MEMBERS, carrier_to, SystemClock()))


def forward(content: bytes, there: Destination) -> DeliverResponse:
    """The response to a request of Henan with this content."""
    return asyncio.run(router(lambda _: there).deliver("henan", DeliverRequest.FromString(content), 3.0))


def batch() -> DeliverRequest:
    return DeliverRequest(destination="sichuan", sealed=b"\xff sealed", nonce=b"a nonce", traceparents=["00-1", "00-2"])


def test_what_goes_on_is_the_very_bytes_that_came() -> None:
    there = Destination(echo)
    response = asyncio.run(router(lambda _: there).deliver("henan", batch(), 3.0))
    ((forwarded, timeout),) = there.given
    assert timeout == 3.0
    assert (forwarded.sealed, list(forwarded.traceparents)) == (batch().sealed, ["00-1", "00-2"])
    assert (response.sealed, forwarded.nonce, response.nonce) == (batch().sealed, b"a nonce", b"a nonce")


def test_fields_of_later_versions_go_on_and_come_back_as_they_were() -> None:
    there = Destination(lambda request: DeliverResponse.FromString(LATER))
    content = batch().SerializeToString() + LATER
    response = forward(content, there)
    ((forwarded, _),) = there.given
    assert LATER in forwarded.SerializeToString()
    assert LATER in response.SerializeToString()


ORIGINS = (
    (),
    ("",),
    ("hunan",),
    ("henan", "hunan"),
    ("hunan", "sichuan", "hunan"),
)


def test_a_batch_goes_on_in_the_name_of_who_brought_it_whatever_origins_it_says() -> None:
    wrong = []
    for origins in ORIGINS:
        there = Destination(echo)
        # Of a field that comes more than once, a reader takes the last.
        content = batch().SerializeToString() + b"".join(
            DeliverRequest(origin=origin).SerializeToString() for origin in origins
        )
        forward(content, there)
        ((forwarded, _),) = there.given
        if DeliverRequest.FromString(forwarded.SerializeToString()).origin != "henan":
            wrong.append(origins)
    assert not wrong


def test_the_stamps_of_the_coordinator_come_after_all_that_the_caller_wrote() -> None:
    there, request = Destination(echo), batch()
    forged = [HopStamp(party="coordinator/0", event=event) for event in ("received", "forwarded", "returned")]
    request.journey.stamps.extend(forged)
    response = asyncio.run(router(lambda _: there).deliver("henan", request, 3.0))
    assert list(response.journey.stamps[:3]) == forged
    own = response.journey.stamps[3:]
    assert [(stamp.party, stamp.event) for stamp in own] == [
        ("coordinator/0", "received"),
        ("coordinator/0", "forwarded"),
        ("coordinator/0", "returned"),
    ]
    assert all(stamp.HasField("time") for stamp in own)


def unreachable(_: object) -> DeliverResponse:
    raise Unreachable("cut")


def no_way(_: str) -> Carrier:
    raise Unreachable("no endpoint is known")


@pytest.mark.parametrize(
    "carrier_to",
    [
        no_way,
        lambda _: Destination(unreachable),
    ],
    ids=["no way", "cut"],
)
def test_an_outcome_that_is_not_known_is_told_so_that_the_batch_is_sent_again(
    carrier_to: Callable[[str], Carrier],
) -> None:
    with pytest.raises(Refused) as refusal:
        asyncio.run(router(carrier_to).deliver("henan", batch(), 3.0))
    assert refusal.value.reason == Reason.REASON_REGION_UNREACHABLE
    assert refusal.value.parameters == {"region": "sichuan"}
    assert is_temporary(refusal.value.reason)


def test_why_a_destination_refuses_is_passed_on() -> None:
    def busy(_: object) -> DeliverResponse:
        raise Refused(Reason.REASON_TOO_BUSY)

    with pytest.raises(Refused) as refusal:
        asyncio.run(router(lambda _: Destination(busy)).deliver("henan", batch(), 3.0))
    assert refusal.value.reason == Reason.REASON_TOO_BUSY


def test_nothing_is_forwarded_by_what_may_be_out_of_date_and_it_may_be_sent_again() -> None:
    there = Destination(echo)

    def nothing() -> float:
        raise Refused(Reason.REASON_LEASE_UNPROVEN)

    ports = RouterPorts("coordinator/0", lambda: MEMBERS, lambda _: there, SystemClock(), routing_seconds=nothing)
    with pytest.raises(Refused) as refusal:
        asyncio.run(Router(ports).deliver("henan", batch(), 3.0))
    assert refusal.value.reason == Reason.REASON_LEASE_UNPROVEN
    assert is_temporary(refusal.value.reason)
    assert not there.given


@pytest.mark.parametrize(("lease", "timeout"), [(2.5, 2.5), (3.5, 3.0)])
def test_a_delivery_lasts_no_longer_than_the_lease_and_the_time_of_its_caller(lease: float, timeout: float) -> None:
    there = Destination(echo)
    ports = RouterPorts("coordinator/0", lambda: MEMBERS, lambda _: there, SystemClock(), routing_seconds=lambda: lease)
    asyncio.run(Router(ports).deliver("henan", batch(), 3.0))
    assert there.given[-1][1] == timeout


@dataclass
class Membership:
    """The members of a router."""

    members: Mapping[str, Member] = field(default_factory=lambda: MEMBERS)
    is_current: bool = True

    def suspend(self) -> None:
        suspended = Member(region="sichuan", state=MemberState.MEMBER_STATE_SUSPENDED, endpoints=["127.0.0.1:1"])
        self.members = {**MEMBERS, "sichuan": suspended}

    def age(self) -> None:
        self.is_current = False

    def seconds(self) -> float:
        if not self.is_current:
            raise Refused(Reason.REASON_LEASE_UNPROVEN)
        return 5.0


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (Membership.suspend, Reason.REASON_REGION_SUSPENDED),
        (Membership.age, Reason.REASON_LEASE_UNPROVEN),
    ],
)
def test_what_comes_between_the_check_and_an_attempt_to_deliver_counts(
    happens: Callable[[Membership], None], reason: Reason.ValueType
) -> None:
    membership = Membership()

    class Connecting(Destination):
        async def deliver(
            self, request: DeliverRequest, timeout: float, before_attempt: BeforeAttempt | None = None
        ) -> DeliverResponse:
            await asyncio.sleep(0)
            happens(membership)
            return await super().deliver(request, timeout, before_attempt)

    there = Connecting(echo)
    ports = RouterPorts(
        "coordinator/0",
        lambda: membership.members,
        lambda _: there,
        SystemClock(),
        routing_seconds=membership.seconds,
    )
    with pytest.raises(Refused) as refusal:
        asyncio.run(Router(ports).deliver("henan", batch(), 3.0))
    assert refusal.value.reason == reason
    assert not there.given


def test_a_delivery_is_on_its_way_until_its_answer_is_here() -> None:
    async def scenario() -> None:
        deliveries, answered = Deliveries(), asyncio.Event()

        class Slow(Destination):
            async def deliver(
                self, request: DeliverRequest, timeout: float, before_attempt: BeforeAttempt | None = None
            ) -> DeliverResponse:
                await answered.wait()
                return await super().deliver(request, timeout, before_attempt)

        ports = RouterPorts("coordinator/0", lambda: MEMBERS, lambda _: Slow(echo), SystemClock(), deliveries)
        delivering = asyncio.create_task(Router(ports).deliver("henan", batch(), 3.0))
        await asyncio.sleep(0)
        over = [asyncio.create_task(deliveries.over({region})) for region in ("henan", "sichuan")]
        await deliveries.over({"hunan"})
        await asyncio.sleep(0)
        assert not any(each.done() for each in over)
        answered.set()
        await asyncio.gather(delivering, *over)

    asyncio.run(scenario())
