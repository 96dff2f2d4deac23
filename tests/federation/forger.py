"""Envelopes made by hand: sealed with a region's real key, or tampered with, and delivered past the region's node."""

from dataclasses import dataclass
from datetime import timedelta

from google.protobuf.message import Message

from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.relay.v1.relay_pb2 import (
    DeliverResult,
    Envelope,
    EnvelopeContent,
    EnvelopeKind,
    Outcome,
    Receipt,
    ReceiptContent,
)
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import reason_name
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.security.sealing import Route
from gateway.security.signing import Signer
from tests import at_rest
from tests.federation.running import CALL_SECONDS, Federation
from tests.sealed_batches import SealedBatch, sealing_key
from tests.sealed_envelopes import seal

SUBMIT = EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT
COMMAND = EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND
UPDATE = EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE
ERASURE = EnvelopeKind.ENVELOPE_KIND_ERASURE


@dataclass(frozen=True)
class Forger:
    """Somebody who has a region's keys, or only claims to."""

    federation: Federation
    region: str

    def seal(
        self,
        destination: str,
        kind: EnvelopeKind.ValueType,
        payload: Message,
        subject: str,
        *,
        envelope_id: str = "",
        origin: str = "",
    ) -> Envelope:
        """An envelope signed with this region's key, in the name of `origin` where one is given."""
        signer = Signer.load(self.federation.certificates.signing(f"region/{self.region}").key)
        outgoing = OutgoingEnvelope(
            envelope_id=envelope_id or f"{subject}#forged-{self.federation.next_id()}",
            destination=destination,
            kind=kind,
            payload=payload.SerializeToString(),
            subject=subject,
            operator="counter",
            lifetime=timedelta(hours=1),
        )
        now = self.federation.clock.now()
        return seal(outgoing, origin or self.region, signer, now=now, revision=1, traceparent="").envelope

    async def deliver(self, envelope: Envelope, destination: str) -> DeliverResult:
        """Hands an envelope to the coordinator as this region."""
        relay = RelayServiceStub(self.federation.dial_coordinator(f"region/{self.region}"))
        sealed_batch = SealedBatch(Route(self.region, destination), key_of(self.federation, destination), envelope)
        return sealed_batch.opened(await relay.Deliver(sealed_batch.request, timeout=CALL_SECONDS))[0]

    def opened(self, result: DeliverResult) -> bytes:
        """The message in the answer to a question."""
        return ReceiptContent.FromString(result.receipt.content).result


def key_of(federation: Federation, region: str) -> bytes:
    """The sealing key for batches to a region."""
    return sealing_key(federation.certificates.keys(f"region/{region}"))


async def bring(federation: Federation, envelope: Envelope, destination: str) -> DeliverResult:
    """Hands an envelope to a node as the coordinator: what a coordinator that checks nothing would do."""
    relay = RelayServiceStub(federation.dial_node(destination, "coordinator/0"))
    route = Route(EnvelopeContent.FromString(envelope.content).origin, destination)
    sealed_batch = SealedBatch(route, key_of(federation, destination), envelope)
    return sealed_batch.opened(await relay.Deliver(sealed_batch.request, timeout=CALL_SECONDS))[0]


def sent_about(federation: Federation, region: str, order_id: str) -> tuple[Envelope, Receipt]:
    """The submission of an order as it stands in its origin's outbox, with the receipt."""
    with federation.database(region).look() as tx:
        (row,) = (each for each in at_rest.sent(tx) if (each.subject, each.kind) == (order_id, SUBMIT))
    return (
        Envelope(content=row.content, signature=row.signature),
        Receipt(content=row.receipt_content or b"", signature=row.receipt_signature or b""),
    )


def not_delivered(result: DeliverResult) -> str:
    """Why there is no receipt."""
    assert result.HasField("not_delivered"), result
    return reason_name(result.not_delivered.reason)


def refused(result: DeliverResult) -> str:
    """The reason in a receipt that refuses."""
    assert result.HasField("receipt"), result
    receipt = ReceiptContent.FromString(result.receipt.content)
    assert receipt.outcome == Outcome.OUTCOME_REFUSED, receipt
    return Reason.Name(receipt.reason).removeprefix("REASON_")


def cancellation(order: Order) -> OrderCommand:
    """A command to cancel an order."""
    return OrderCommand(order_id=order.id, cancel=OrderCommand.Cancel(reason="forged"))
