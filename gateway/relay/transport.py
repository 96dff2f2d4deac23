"""The way out of a region, as two ports: the sender of batches, and the carrier of sealed batches.

A carrier is gRPC in processes, and a faulty network in the simulation.
"""

from collections.abc import Callable
from typing import Protocol

from gateway.api.relay.v1.relay_pb2 import Batch, BatchAnswer, DeliverRequest, DeliverResponse

BeforeAttempt = Callable[[], None]


class Transport(Protocol):
    """Brings a batch to its destination, and the answers back."""

    async def deliver(self, batch: Batch, timeout: float, before_attempt: BeforeAttempt | None = None) -> BatchAnswer:
        """Delivers a batch like a carrier; no intermediary can read it."""
        ...


class Carrier(Protocol):
    """Carries sealed batches to their destination, and returns the response."""

    async def deliver(
        self, request: DeliverRequest, timeout: float, before_attempt: BeforeAttempt | None = None
    ) -> DeliverResponse:
        """Delivers within `timeout` seconds.

        `before_attempt` is called directly before each attempt, of which there may be several. The batch does not leave
        where `before_attempt` raises Refused. Raises Unreachable where there is no response, and Refused where a
        coordinator or `before_attempt` refuses.
        """
        ...
