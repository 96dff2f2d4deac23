"""The sending of messages about tickets to other regions."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from google.protobuf.message import Message

from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from region_node.node.context import RegionContext
from region_node.tickets.followed import Facts

_LIFETIME = timedelta(days=3650)  # the message waits however long the other region was away


def send_about(
    tx: Transaction,
    context: RegionContext,
    facts: Facts,
    kind: EnvelopeKind.ValueType,
    message: Message,
    now: datetime,
    *,
    envelope_id: str,
    region: str,
    traceparent: str,
) -> None:
    """Sends a message about a ticket to a region; the envelope has the id `<envelope_id>><region>`."""
    outgoing = OutgoingEnvelope(
        envelope_id=f"{envelope_id}>{region}",
        destination=region,
        kind=kind,
        payload=message.SerializeToString(),
        subject=facts.name,
        operator=facts.operator,
        lifetime=_LIFETIME,
    )
    send(tx, context.border, outgoing, now=now, traceparent=traceparent)


def followers(facts: Facts) -> Sequence[str]:
    """The regions that receive each version from the owner, each once: origin, home region of the number, helpers."""
    regions = dict.fromkeys((facts.origin, facts.home, *facts.helpers))
    return [each for each in regions if each not in ("", facts.owner)]
