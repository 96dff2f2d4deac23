"""Batches as they cross a border, made and opened by hand."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.api.relay.v1.relay_pb2 import (
    Batch,
    BatchAnswer,
    DeliverRequest,
    DeliverResponse,
    DeliverResult,
    Envelope,
    Journey,
)
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.security.sealing import KEY_BYTES, Message, Received, Route, sent_alone


class SealedBatch:
    """Envelopes sealed by hand to a region's key."""

    def __init__(self, route: Route, key: bytes, *envelopes: Envelope, journey: Journey | None = None) -> None:
        content = Batch(destination=route.destination, envelopes=envelopes).SerializeToString()
        self._sent = sent_alone(content, key, os.urandom(KEY_BYTES), route)
        self.request = DeliverRequest(
            destination=route.destination, origin=route.origin, sealed=self._sent.message.sealed, journey=journey
        )

    def answer(self, response: DeliverResponse) -> BatchAnswer:
        """The response, with the journey. Raises Unreadable."""
        answer = BatchAnswer.FromString(self._sent.open_answer(Message(response.sealed, response.nonce)))
        answer.journey.CopyFrom(response.journey)
        return answer

    def opened(self, response: DeliverResponse) -> list[DeliverResult]:
        """The results alone, in the order of the envelopes. Raises Unreadable."""
        return list(self.answer(response).results)


@dataclass
class Inlet:
    """The way into a region that a test plays."""

    keys: RegionKeys
    received: list[Batch] = field(default_factory=list)

    def open(self, request: DeliverRequest) -> "Opened":
        """The batch in a request."""
        message, route = Message(request.sealed, request.nonce), Route(request.origin, request.destination)
        opened = Opened(Received(message, self.keys.sealing_key, route, now=0.0))
        self.received.append(opened.batch)
        return opened


class Opened:
    """A batch that was opened, and how it is answered."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self.batch = Batch.FromString(received.content)

    def answer(self, results: Iterable[DeliverResult], journey: Journey | None = None) -> DeliverResponse:
        """A response that the sender can open."""
        content = BatchAnswer(results=results).SerializeToString()
        answer = self._received.answer(content, os.urandom)
        return DeliverResponse(sealed=answer.sealed, nonce=answer.nonce, journey=journey)


def sealing_key(file: Path) -> bytes:
    """The key to which is sealed what is for the region with this file of keys."""
    return KeySet.load(file).in_use.sealing.public
