"""Forwarding: from a region to a region, without state and without a look at what is inside.

Used by the gRPC service and, as it is, by the simulation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from coordinator.membership.rules import require_route
from coordinator.routing.deliveries import Deliveries
from gateway.api.federation.v1.federation_pb2 import Member
from gateway.api.relay.v1.relay_pb2 import (
    DeliverRequest,
    DeliverResponse,
    DeliverResult,
    Envelope,
    HopStamp,
    Journey,
    NotDelivered,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import Clock, to_timestamp
from gateway.errors import Refused
from gateway.relay.envelopes import BATCH_LIMIT, read_content
from gateway.relay.transport import BeforeAttempt, Transport, Unreachable


@dataclass(frozen=True)
class RouterPorts:
    """What a router needs. `name` is what it signs its stamps with, for example `coordinator/0`."""

    name: str
    members: Callable[[], Mapping[str, Member]]
    """The regions of the configuration as they stand, by id; asked directly before each attempt to deliver."""
    transport_to: Callable[[str], Transport]
    """The way to a region. May raise Unreachable."""
    clock: Clock
    deliveries: Deliveries = field(default_factory=Deliveries)
    """Where each delivery stands while it is on its way."""
    may_route: Callable[[], bool] = lambda: True
    """Whether the members are certain enough to forward anything; asked when the members are."""


class Router:
    """Takes a batch from one region and brings it to another."""

    def __init__(self, ports: RouterPorts) -> None:
        self._ports = ports

    async def deliver(self, caller: str, request: DeliverRequest, timeout: float) -> DeliverResponse:
        """Forwards what `caller` may send and answers every envelope in its place, within `timeout` seconds.

        An empty batch is forwarded too. Raises Refused where nothing may be forwarded, or where the destination did
        not answer; then it is not known what was done, and the same envelopes may be sent again.
        """
        received = self._stamp("received")
        if len(request.envelopes) > BATCH_LIMIT:
            raise Refused(Reason.REASON_REQUEST_INVALID, field="envelopes", problem=f"more than {BATCH_LIMIT}")

        def require() -> None:
            self._require(caller, request.destination)

        require()
        refused = _refusals(caller, request)
        if refused and len(refused) == len(request.envelopes):
            journey = Journey(stamps=[*request.journey.stamps, received, self._stamp("returned")])
            return DeliverResponse(results=_in_place((), refused), journey=journey)
        forwarded = DeliverRequest()
        # A copy of the whole takes a tenth of the time that envelopes take one by one.
        forwarded.CopyFrom(request)
        for index in sorted(refused, reverse=True):
            del forwarded.envelopes[index]
        forwarded.journey.stamps.extend((received, self._stamp("forwarded")))
        # Nothing is awaited between the checks and this: who waits for deliveries to be over misses none.
        with self._ports.deliveries.between(caller, request.destination):
            response = await self._forward(forwarded, timeout, require)
        response.journey.stamps.append(self._stamp("returned"))
        if not refused:
            return response
        return DeliverResponse(results=_in_place(response.results, refused), journey=response.journey)

    def _require(self, caller: str, destination: str) -> None:
        """Raises Refused unless envelopes may be forwarded now."""
        if not self._ports.may_route():
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE)
        require_route(self._ports.members(), caller, destination)

    async def _forward(self, request: DeliverRequest, timeout: float, require: BeforeAttempt) -> DeliverResponse:
        # Asked again before each attempt: a connection may have to be waited for, or this process be stopped meanwhile.
        try:
            response = await self._ports.transport_to(request.destination).deliver(request, timeout, require)
        except Unreachable as failure:
            raise Refused(Reason.REASON_REGION_UNREACHABLE, region=request.destination) from failure
        if len(response.results) != len(request.envelopes):
            raise Refused(Reason.REASON_REGION_UNREACHABLE, region=request.destination)
        return response

    def _stamp(self, event: str) -> HopStamp:
        return HopStamp(party=self._ports.name, event=event, time=to_timestamp(self._ports.clock.now()))


def _refusals(caller: str, request: DeliverRequest) -> dict[int, DeliverResult]:
    """Why envelopes may not be forwarded, by their index in the batch."""
    refusals: dict[int, DeliverResult] = {}
    for index, envelope in enumerate(request.envelopes):
        try:
            _require_own(caller, request.destination, envelope)
        except Refused as refused:
            refusals[index] = DeliverResult(
                not_delivered=NotDelivered(reason=refused.reason, reason_parameters=refused.parameters)
            )
    return refusals


def _require_own(caller: str, destination: str, envelope: Envelope) -> None:
    """Raises Refused unless the caller is the envelope's origin and the batch goes where the envelope does."""
    content = read_content(envelope)
    if content.origin != caller:
        raise Refused(Reason.REASON_ENVELOPE_SENDER_WRONG, sender=f"region/{caller}", region=content.origin)
    if content.destination != destination:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem=f"it is for {content.destination}")


def _in_place(answers: Sequence[DeliverResult], refused: Mapping[int, DeliverResult]) -> list[DeliverResult]:
    """Answers and refusals in the order of the envelopes."""
    remaining = iter(answers)
    count = len(answers) + len(refused)
    return [refused[index] if index in refused else next(remaining) for index in range(count)]
