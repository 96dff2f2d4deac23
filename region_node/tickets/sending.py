"""The sending of messages about tickets to other regions."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic

from google.protobuf.message import Message

from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send, was_sent
from gateway.store.port import Transaction
from region_node.node.context import RegionContext
from region_node.tickets.followed import Facts, Followed, M
from region_node.tickets.rows import TicketRow

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


@dataclass(frozen=True)
class TicketMessages(Generic[M]):
    """The two kinds of envelope of a ticket with commands: a command to its owner, an update to its followers."""

    kind: Followed[M, TicketRow[M]]
    command: EnvelopeKind.ValueType
    update: EnvelopeKind.ValueType
    updated: Callable[[M], Message]
    """The payload of an update."""

    def send_command(
        self,
        tx: Transaction,
        context: RegionContext,
        row: TicketRow[M],
        envelope_id: str,
        asked: Message,
        now: datetime,
        *,
        region: str = "",
    ) -> None:
        """Sends a new ticket, or a command on one, to its owner, or to another `region`."""
        facts = self.kind.facts(row.ticket)
        send_about(
            tx,
            context,
            facts,
            self.command,
            asked,
            now,
            envelope_id=envelope_id,
            region=region or facts.owner,
            traceparent=row.traceparent,
        )

    def send_updates(
        self,
        tx: Transaction,
        context: RegionContext,
        row: TicketRow[M],
        now: datetime,
        *,
        informed: Collection[str] = (),
    ) -> None:
        """Sends the current version of a ticket to its followers, but `informed`."""
        facts = self.kind.facts(row.ticket)
        told = [each for each in followers(facts) if each not in informed]
        self.send_versions(tx, context, row, f"{facts.name}@{facts.version}", told, now)

    def send_missing(
        self,
        tx: Transaction,
        context: RegionContext,
        row: TicketRow[M],
        now: datetime,
        *,
        informed: Collection[str],
    ) -> None:
        """Sends a version that is here again to the followers but `informed`, unless that was done, or is known.

        A follower that has it gives its answer of before.
        """
        facts = self.kind.facts(row.ticket)
        envelope_id = f"{facts.name}@{facts.version}"
        told = [each for each in followers(facts) if each not in informed]
        lacking = [each for each in told if not was_sent(tx, f"{envelope_id}>{each}")]
        self.send_versions(tx, context, row, envelope_id, lacking, now)

    def send_versions(
        self,
        tx: Transaction,
        context: RegionContext,
        row: TicketRow[M],
        envelope_id: str,
        regions: Sequence[str],
        now: datetime,
    ) -> None:
        """Sends the current version of a ticket to some regions."""
        for region in regions:
            send_about(
                tx,
                context,
                self.kind.facts(row.ticket),
                self.update,
                self.updated(row.ticket),
                now,
                envelope_id=envelope_id,
                region=region,
                traceparent=row.traceparent,
            )
