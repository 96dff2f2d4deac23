"""Evidence of a lost record: what the region that has lost it has signed about it, and the other region still has."""

from collections.abc import Iterator
from typing import TypeAlias

from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairEvidence
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay import inbox, outbox
from gateway.security.signing import ENVELOPE, RECEIPT
from gateway.store.port import Transaction
from region_node.business.reconciliation.port import Act
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received

Word: TypeAlias = EnvelopeContent | ReceiptContent
"""What a region has signed: an envelope that it has sent, or the receipt of one that it has taken."""


def words_of(tx: Transaction, region: str, about: str) -> Iterator[tuple[RepairEvidence, Word]]:
    """Everything that another region has signed about a subject and that is kept here: the latest commands first."""
    for envelope in inbox.commands_about(tx, about, region):
        yield RepairEvidence(envelope=envelope), parse(EnvelopeContent, envelope.content)
    for receipt in outbox.receipts_about(tx, about, region):
        yield RepairEvidence(receipt=receipt), parse(ReceiptContent, receipt.content)


def own_word(context: RegionContext, act: Act, told: RepairEvidence) -> Word:
    """A word of this region to the region `act.there`, verified by its own keys.

    The receipt of a refused command has the record as well. Raises Refused with RECORD_NOT_PROVEN, also for a key that
    this region has replaced since.
    """
    region, keys = context.region, context.border.keys
    if told.HasField("envelope") == told.HasField("receipt"):
        raise not_proven(region, act)
    if told.HasField("envelope"):
        is_signed = keys.verify(region, ENVELOPE, told.envelope.content, told.envelope.signature)
        sent = received(EnvelopeContent, told.envelope.content)
        if not is_signed or (sent.origin, sent.destination) != (region, act.there):
            raise not_proven(region, act)
        return sent
    is_signed = keys.verify(region, RECEIPT, told.receipt.content, told.receipt.signature)
    answer = received(ReceiptContent, told.receipt.content)
    if not is_signed or (answer.origin, answer.destination) != (act.there, region):
        raise not_proven(region, act)
    return answer


def not_proven(region: str, act: Act) -> Refused:
    """The refusal where nothing that a region has signed proves the record, with RECORD_NOT_PROVEN."""
    return Refused(Reason.REASON_RECORD_NOT_PROVEN, region=region, serial=act.serial)
