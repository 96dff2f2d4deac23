"""Forwarding from region to region, without state; this process cannot read the batches.

The gRPC service and the simulation both use it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from coordinator.membership.rules import require_route
from coordinator.routing.deliveries import Deliveries
from gateway.api.federation.v1.federation_pb2 import Member
from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse, HopStamp
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable
from gateway.relay.transport import BeforeAttempt, Carrier
from gateway.time.clock import Clock, to_timestamp


@dataclass(frozen=True)
class RouterPorts:
    """The ports of a router. `name` signs its stamps, for example `coordinator/0`."""

    name: str
    members: Callable[[], Mapping[str, Member]]
    """The regions of the configuration as they stand, by id; read directly before each delivery attempt."""
    carrier_to: Callable[[str], Carrier]
    """The way to a region. May raise Unreachable."""
    clock: Clock
    deliveries: Deliveries = field(default_factory=Deliveries)
    """The state of each delivery in transit."""
    routing_seconds: Callable[[], float] = lambda: math.inf
    """Seconds for which the members are certain enough; read together with them. Raises Refused for none."""


class Router:
    """Takes a batch from one region and brings it to another."""

    def __init__(self, ports: RouterPorts) -> None:
        self._ports = ports

    async def deliver(self, caller: str, request: DeliverRequest, timeout: float) -> DeliverResponse:
        """Forwards a batch of `caller`, in its name, within `timeout` seconds.

        The request itself goes on, under the origin `caller` and with further stamps; the response likewise. So both
        carry the fields of later versions too. Raises Refused where nothing may be forwarded, or where the destination
        did not respond. The outcome is unknown then, and the same envelopes may be sent again.
        """
        received, destination = self._stamp("received"), request.destination

        def require() -> None:
            self._require(caller, destination)

        # A delivery that outlasted the lease could come after a suspension that did not wait for it.
        timeout = min(timeout, self._require(caller, destination))
        request.origin = caller
        request.journey.stamps.extend((received, self._stamp("forwarded")))
        # No await comes between the checks and this line, so that a wait for deliveries misses none.
        with self._ports.deliveries.between(caller, destination):
            response = await self._forward(request, timeout, require)
        response.journey.stamps.append(self._stamp("returned"))
        return response

    def _require(self, caller: str, destination: str) -> float:
        """Seconds for which envelopes may be forwarded from now on. Raises Refused for none."""
        seconds = self._ports.routing_seconds()
        require_route(self._ports.members(), caller, destination)
        return seconds

    async def _forward(self, request: DeliverRequest, timeout: float, require: BeforeAttempt) -> DeliverResponse:
        # Checked before each attempt: the call may wait for a connection, or this process be stopped meanwhile.
        try:
            return await self._ports.carrier_to(request.destination).deliver(request, timeout, require)
        except Unreachable as failure:
            raise Refused(Reason.REASON_REGION_UNREACHABLE, region=request.destination) from failure

    def _stamp(self, event: str) -> HopStamp:
        return HopStamp(party=self._ports.name, event=event, time=to_timestamp(self._ports.clock.now()))
