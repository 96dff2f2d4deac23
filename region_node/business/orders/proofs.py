"""The evidence of an order: the envelopes about it and their receipts as signed, for a third party.

They stay as long as the order. Signing certificates run out: those that are still at hand, and those that are kept with
the signatures of settlements, are shown beside them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gateway.api.region.v1.proof_pb2 import ProofKind, SignedProof
from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeContent, Receipt, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay import inbox, outbox
from gateway.rpc.pages import page_of_bytes
from gateway.security.signing import ENVELOPE, RECEIPT
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.business.settlement.proofs import kept_certificates
from region_node.node.context import RegionContext

PAGE = "order proofs"
_ENVELOPE, _RECEIPT = ProofKind.PROOF_KIND_ENVELOPE, ProofKind.PROOF_KIND_RECEIPT


class _Signed(NamedTuple):
    """A signed content: its envelope by origin and id, and which of both it is."""

    origin: str
    envelope_id: str
    kind: ProofKind.ValueType

    @property
    def place(self) -> str:
        """The place in the list: a receipt comes behind its envelope."""
        return f"{self.origin} {self.envelope_id} {self.kind}"


def proofs_of(
    tx: Transaction, context: RegionContext, order_id: str, after: str, size: int
) -> tuple[Sequence[SignedProof], str]:
    """A page of what was signed about an order behind a place, and the token of the next page.

    Raises Refused with ORDER_NOT_PROVEN for an order without any envelope, and with ENVELOPE_CONTENT_DESTROYED.
    """
    rows = [(context.region, row.envelope_id) for row in outbox.rows_about(tx, order_id)]
    rows += inbox.ids_about(tx, order_id)
    if not rows:
        raise Refused(Reason.REASON_ORDER_NOT_PROVEN, order=order_id)
    signed = sorted(
        (_Signed(*row, kind) for row in rows for kind in (_ENVELOPE, _RECEIPT)), key=lambda each: each.place
    )
    found = _proofs(tx, context, (each for each in signed if each.place > after))
    return page_of_bytes(PAGE, found, size, _place)


def _place(proof: SignedProof) -> str:
    is_receipt = proof.kind == _RECEIPT
    origin = ReceiptContent.FromString(proof.content).origin if is_receipt else proof.region
    return _Signed(origin, proof.envelope_id, proof.kind).place


def _proofs(tx: Transaction, context: RegionContext, signed: Iterable[_Signed]) -> Iterator[SignedProof]:
    """The contents as proofs; an open envelope has no receipt, nor has one that was withdrawn."""
    kept: dict[str, list[bytes]] = {}
    for each in signed:
        found = _found(tx, context, each)
        if found is None:
            continue
        proof = _unproven(each, found)
        if proof.region not in kept:
            kept[proof.region] = kept_certificates(tx, proof.region)
        proof.certificate = _certificate(context, proof, kept[proof.region])
        yield proof


def _found(tx: Transaction, context: RegionContext, signed: _Signed) -> Envelope | Receipt | None:
    if signed.origin == context.region:
        sent, receipt = outbox.sent, outbox.receipt
        return sent(tx, signed.envelope_id) if signed.kind == _ENVELOPE else receipt(tx, signed.envelope_id)
    row = inbox.find(tx, signed.origin, signed.envelope_id)
    if row is None:
        return None
    if signed.kind == _ENVELOPE:
        return Envelope(content=row.content, signature=row.signature)
    return Receipt(content=row.receipt_content, signature=row.receipt_signature)


def _unproven(signed: _Signed, found: Envelope | Receipt) -> SignedProof:
    """A proof without its certificate."""
    if signed.kind == _ENVELOPE:
        region, time = signed.origin, EnvelopeContent.FromString(found.content).create_time
    else:
        receipt = ReceiptContent.FromString(found.content)
        region, time = receipt.destination, receipt.decide_time
    return SignedProof(
        region=region,
        content=found.content,
        signature=found.signature,
        kind=signed.kind,
        envelope_id=signed.envelope_id,
        sign_time=time,
    )


def _certificate(context: RegionContext, proof: SignedProof, kept: Iterable[bytes]) -> bytes:
    """The certificate that proves a signature at its time; empty where this region does not have it."""
    keys, domain = context.border.keys, ENVELOPE if proof.kind == _ENVELOPE else RECEIPT
    try:
        then = from_timestamp(proof.sign_time)
    except OverflowError:
        return b""  # no certificate is valid at a time without a date
    for pem in (*keys.certificates(proof.region), *kept):
        if keys.verify_evidence(proof.region, pem, proof.content, proof.signature, then, domain):
            return pem
    return b""
