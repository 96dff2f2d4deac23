"""Evidence of a lost record: what the region that has lost it has signed about it, and the other region still has."""

import hashlib
from collections.abc import Iterator
from typing import TypeAlias

from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairEvidence
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, lasting
from gateway.relay import inbox, outbox
from gateway.relay.border import Moved
from gateway.security.signing import ENVELOPE, RECEIPT
from gateway.store.port import Transaction
from region_node.business.reconciliation.port import Act
from region_node.customers.operations import own_line
from region_node.customers.rows import Line
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received

Word: TypeAlias = EnvelopeContent | ReceiptContent
"""What a region has signed: an envelope that it has sent, or the receipt of one that it has taken."""


def words_of(
    tx: Transaction, region: str, about: str, *, with_answered: bool = False
) -> Iterator[tuple[RepairEvidence, Word]]:
    """Everything that another region has signed about a subject and that is kept here: the latest commands first.

    A receipt comes with the envelope that it answers where that is wanted, and kept.
    """
    for envelope in inbox.commands_about(tx, about, region):
        yield RepairEvidence(envelope=envelope), parse(EnvelopeContent, envelope.content)
    for receipt in outbox.receipts_about(tx, about, region):
        word = parse(ReceiptContent, receipt.content)
        answered = outbox.sent(tx, word.envelope_id) if with_answered else None
        yield RepairEvidence(receipt=receipt, answered=b"" if answered is None else answered.content), word


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


def content_of(word: Word, told: RepairEvidence) -> EnvelopeContent | None:
    """The envelope that a region has sent, or has taken with effect; None where the receipt is of something else.

    Raises Refused for what is no envelope.
    """
    if isinstance(word, EnvelopeContent):
        return word
    is_answered = hashlib.sha256(told.answered).digest() == word.content_digest
    is_taken = word.outcome == Outcome.OUTCOME_ACCEPTED
    return received(EnvelopeContent, told.answered) if is_answered and is_taken else None


def kept_line(tx: Transaction, context: RegionContext, number: str) -> Line | None:
    """The line with a number; None where it is unknown here, of an erased customer, or has moved."""
    try:
        return own_line(tx, context.federation, context.region, number, asking=context.region)
    except Moved:
        return None
    except Refused as refused:
        lasting(refused)
        return None


def line_unknown(context: RegionContext, act: Act) -> Refused:
    """The refusal where the line of a record is gone, with RECORD_LINE_UNKNOWN."""
    return Refused(Reason.REASON_RECORD_LINE_UNKNOWN, region=context.region, serial=act.serial)


def impossible(context: RegionContext, act: Act) -> Refused:
    """The refusal of an act, with REPAIR_IMPOSSIBLE."""
    return Refused(Reason.REASON_REPAIR_IMPOSSIBLE, region=context.region, serial=act.serial)


def not_proven(region: str, act: Act) -> Refused:
    """The refusal where nothing that a region has signed proves the record, with RECORD_NOT_PROVEN."""
    return Refused(Reason.REASON_RECORD_NOT_PROVEN, region=region, serial=act.serial)
