"""The heads and revisions that other regions send to this one as their witness."""

from datetime import datetime

from gateway.api.region.v1.witnessing_pb2 import WitnessStatement
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.relay.border import Border, Kinds, Query
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.node.payloads import received
from region_node.node.witnessing.revisions import Known, hear
from region_node.node.witnessing.witness import keep


class WitnessEnvelopes:
    """The kind of envelope with a head."""

    def __init__(self, border: Border) -> None:
        self._border = border

    def kinds(self) -> Kinds:
        """The handler here. It runs every 30 s forever and the head itself is stored: no audit row."""
        return {EnvelopeKind.ENVELOPE_KIND_WITNESS: Query(self._told, is_noted=False)}

    def _told(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        statement = received(WitnessStatement, content.payload)
        answer, known = keep(tx, self._border, content.origin, statement, now), Known.of(self._border.current)
        if statement.HasField("held_revision"):
            hear(tx, known, content.origin, statement.held_revision, now)
        answer.held_revision.CopyFrom(known.held())
        return Answer(Outcome.OUTCOME_ACCEPTED, result=answer.SerializeToString())
