"""The way out of a region, as two ports: what it sends, and who carries that sealed.

A carrier is gRPC in processes, and a faulty network in the simulation.
"""

from collections.abc import Callable
from typing import Protocol

from gateway.api.relay.v1.relay_pb2 import Batch, BatchAnswer, DeliverRequest, DeliverResponse

BeforeAttempt = Callable[[], None]


class Transport(Protocol):
    """Brings a batch to its destination, and the answers back."""

    async def deliver(self, batch: Batch, timeout: float, before_attempt: BeforeAttempt | None = None) -> BatchAnswer:
        """Delivers as a carrier does; nobody on the way can read it."""
        ...


class Carrier(Protocol):
    """Carries what it cannot read to its destination, and brings the answer back."""

    async def deliver(
        self, request: DeliverRequest, timeout: float, before_attempt: BeforeAttempt | None = None
    ) -> DeliverResponse:
        """Delivers within `timeout` seconds.

        `before_attempt` is called directly before each time that the batch leaves, which may be more than once; where
        it raises Refused, the batch does not leave. Raises Unreachable where there is no answer, Refused where a
        coordinator does not forward, or as `before_attempt` does.
        """
        ...
