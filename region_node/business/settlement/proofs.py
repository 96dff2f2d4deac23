"""The evidence of a statement: the two envelopes that carry its signatures, for a third party.

The envelopes stay as long as the statement. Their signing certificates run out, and are kept beside them.
"""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.api.region.v1.proof_pb2 import ProofKind, SignedProof
from gateway.api.region.v1.settlement_pb2 import (
    SettlementEvidence,
    SettlementSignature,
    SettlementState,
    SettlementStatement,
)
from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay import inbox, outbox
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import from_timestamp
from gateway.values.choices import UnknownChoice
from region_node.business.settlement.rows import find_statement
from region_node.node.context import RegionContext
from region_node.node.payloads import parse
from region_node.records.kinds import RecordKind, RetentionPort

SUBJECTS = "settlement/"


class _SignatureRow(NamedTuple):
    """The columns of a signature."""

    region: str
    month: str
    signer: str
    envelope_id: str
    certificate: bytes


_SIGNATURES = Table("settlement_signatures", _SignatureRow, key=("region", "month", "signer"))


def note_signature(
    tx: Transaction, context: RegionContext, region: str, month: str, signer: str, envelope_id: str
) -> None:
    """Stores the envelope with a region's signature under the statement of a month with another region."""
    certificate = context.border.keys.newest(signer) or b""
    tx.keep(_SIGNATURES, _SignatureRow(region, month, signer, envelope_id, certificate))


def proofs_of(tx: Transaction, context: RegionContext, region: str, month: str) -> list[SignedProof]:
    """Both signatures under a statement, that of the first region first.

    Raises Refused with SETTLEMENT_NOT_FOUND without a statement that both have signed, and with SETTLEMENT_NOT_PROVEN
    where a signature is not here, as in a region that was restored from a backup.
    """
    statement = find_statement(tx, region, month)
    if statement is None or statement.state != SettlementState.SETTLEMENT_STATE_SIGNED:
        raise Refused(Reason.REASON_SETTLEMENT_NOT_FOUND, region=region, month=month)
    signers = (statement.terms.first_region, statement.terms.second_region)
    found = [_proof(tx, context, statement, region, signer) for signer in signers]
    proofs = [each for each in found if each is not None]
    if len(proofs) < len(signers):
        raise Refused(Reason.REASON_SETTLEMENT_NOT_PROVEN, region=region, month=month)
    return proofs


def evidence_of(
    tx: Transaction, context: RegionContext, region: str, statements: Iterable[SettlementStatement]
) -> list[SettlementEvidence]:
    """Both signatures under each statement with another region, as far as they are here."""
    found = []
    for each in statements:
        for signer in (each.terms.first_region, each.terms.second_region):
            proof = _proof(tx, context, each, region, signer)
            if proof is not None:
                found.append(
                    SettlementEvidence(content=proof.content, signature=proof.signature, certificate=proof.certificate)
                )
    return found


def proven_signers(
    context: RegionContext, statement: SettlementStatement, evidence: Iterable[SettlementEvidence]
) -> set[str]:
    """The regions whose signatures under a statement are among the evidence that another region has sent."""
    first, second = statement.terms.first_region, statement.terms.second_region
    signatures = {
        (first, second, EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_PROPOSED, SettlementState.SETTLEMENT_STATE_PROPOSED),
        (second, first, EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_DECIDED, SettlementState.SETTLEMENT_STATE_SIGNED),
    }
    found = set()
    for each in evidence:
        try:
            content = parse(EnvelopeContent, each.content)
            told, then = parse(SettlementSignature, content.payload).statement, from_timestamp(content.create_time)
        except (OverflowError, Refused, UnknownChoice):
            continue  # it proves nothing
        is_signature = (content.origin, content.destination, content.kind, told.state) in signatures
        if not is_signature or (told.id, told.terms) != (statement.id, statement.terms):
            continue
        if context.border.keys.verify_evidence(content.origin, each.certificate, each.content, each.signature, then):
            found.add(content.origin)
    return found


def _proof(
    tx: Transaction, context: RegionContext, statement: SettlementStatement, region: str, signer: str
) -> SignedProof | None:
    """A region's signature under just these terms; None where it is not here."""
    row = tx.find(_SIGNATURES, region, statement.terms.month, signer)
    if row is None:
        return None
    envelope = _envelope(tx, context, row)
    if envelope is None:
        return None
    content = EnvelopeContent.FromString(envelope.content)
    if parse(SettlementSignature, content.payload).statement.terms != statement.terms:
        return None
    return SignedProof(
        region=signer,
        content=envelope.content,
        signature=envelope.signature,
        certificate=row.certificate,
        kind=ProofKind.PROOF_KIND_ENVELOPE,
        envelope_id=row.envelope_id,
        sign_time=content.create_time,
    )


def kept_certificates(tx: Transaction, signer: str) -> list[bytes]:
    """The signing certificates (PEM) of a region that are kept with its signatures, though they may have run out."""
    query = "SELECT DISTINCT certificate FROM settlement_signatures WHERE signer = :signer ORDER BY certificate"
    return tx.all(bytes, query, signer=signer)


def _envelope(tx: Transaction, context: RegionContext, row: _SignatureRow) -> Envelope | None:
    if row.signer == context.region:
        return outbox.sent(tx, row.envelope_id)
    received = inbox.find(tx, row.signer, row.envelope_id)
    return None if received is None else Envelope(content=received.content, signature=received.signature)


SETTLEMENTS = RecordKind(
    "settlement", retention=RetentionPort(is_open=lambda tx, record_id: record_id.startswith(SUBJECTS))
)
"""No envelope with a signature is purged: statements stay, and with them their evidence."""
