"""Non-repudiation (G11): both ends hold the same signed envelope and the same signed receipt of every command."""

from collections import Counter

from cryptography.exceptions import InvalidSignature

from deploy.audit.check_proof import SIGNATURE, Wrong, signed_bytes
from gateway.api.region.v1.fault_envelopes_pb2 import FaultMoved
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeKind, Outcome, Receipt, ReceiptContent
from gateway.errors import Refused
from gateway.relay.envelopes import open_envelope, open_receipt, read_content
from gateway.security.sealing import Route
from tests.at_rest import Kept
from tests.simulation.evidence import Evidence
from tests.simulation.world import keys

SIGNED, LOST = "non-repudiation", "nothing lost"


def check(evidence: Evidence) -> None:
    """Every row of every outbox and inbox, and the envelope behind every order that crossed a border."""
    received: dict[tuple[str, str], list[tuple[str, Kept]]] = {}
    for region, row in evidence.received:
        received.setdefault((row.peer, row.envelope_id), []).append((region, row))
    sent = set()
    for region, row in evidence.sent:
        key = (region, row.envelope_id)
        sent.add(key)
        if row.receipt_content is None:
            _never_left(evidence, row, bool(received.get(key)))
        else:
            _both_ends(evidence, row, received.get(key, []))
    for origin, envelope_id in sorted(received.keys() - sent):
        evidence.broken(SIGNED, envelope_id, f"{origin} knows nothing of it")
    _behind_orders(evidence, received)


def _never_left(evidence: Evidence, row: Kept, arrived: bool) -> None:
    """Only a submission that was taken back unsent ends without a receipt."""
    if row.closed is None:
        evidence.broken(LOST, row.envelope_id, "it was never answered")
        return
    order = evidence.handled.get(row.subject)
    cancelled = order is not None and (order.state, order.version) == (OrderState.ORDER_STATE_CANCELLED, 0)
    if arrived or not cancelled or row.kind != EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT:
        evidence.broken(LOST, row.envelope_id, "it was closed without a receipt")


def _both_ends(evidence: Evidence, row: Kept, arrived: list[tuple[str, Kept]]) -> None:
    if [region for region, _ in arrived] != [row.peer]:
        places = [region for region, _ in arrived]
        evidence.broken(SIGNED, row.envelope_id, f"acted on in {places}, it is for {row.peer}")
        return
    other = arrived[0][1]
    names = ("content", "signature", "receipt_content", "receipt_signature")
    if any(getattr(row, name) != getattr(other, name) for name in names):
        evidence.broken(SIGNED, row.envelope_id, "its ends hold different bytes")
    envelope = Envelope(content=row.content, signature=row.signature)
    receipt = Receipt(content=row.receipt_content or b"", signature=row.receipt_signature or b"")
    try:
        sealed = open_envelope(envelope, keys().trusted, Route(read_content(envelope).origin, row.peer))
        open_receipt(receipt, keys().trusted, sealed)
    except Refused as refused:
        evidence.broken(SIGNED, row.envelope_id, str(refused))
        return
    for kind, signer, signed in (("envelope", sealed.content.origin, envelope), ("receipt", row.peer, receipt)):
        if not _proves_alone(kind, signer, signed.content, signed.signature):
            evidence.broken(SIGNED, row.envelope_id, f"the signature of its {kind} does not prove it alone")
    trace, expected = sealed.content.traceparent, _trace(evidence, row)
    if trace != expected:
        evidence.broken("one trace", row.envelope_id, f"{row.subject}: the trace is {trace!r}, and not {expected!r}")
    on_the_wire = evidence.receipts.get(row.envelope_id, set())
    if receipt.SerializeToString() not in on_the_wire:
        evidence.broken(SIGNED, row.envelope_id, "its receipt was never on the wire")


def _proves_alone(kind: str, signer: str, content: bytes, proof: bytes) -> bool:
    """Whether the script for authorities, which shares no code with the nodes, accepts a signature."""
    try:
        keys().signers[signer].verifying.verify(proof[:SIGNATURE], signed_bytes(kind, content, proof)[0])
    except (InvalidSignature, Wrong):
        return False
    return True


def _trace(evidence: Evidence, row: Kept) -> str:
    """The trace of an order or a fault, also for the survey after it, and for an issue about the fault.

    Reports on the network, comparisons and repairs have none, nor has the search for the documents of a customer who
    was lost. The outage that the new home of a move hears of belongs to the fault.
    """
    subject = row.subject.removeprefix("survey/")
    if row.kind == EnvelopeKind.ENVELOPE_KIND_DOCUMENTS_WANTED:
        return ""
    if row.kind == EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED:
        subject = FaultMoved.FromString(read_content(Envelope(content=row.content)).payload).fault_id
    if subject in evidence.traces:
        return evidence.traces[subject]
    return (
        ""
        if subject.startswith(("outage/", "agreement-credit/", "reconciliation/", "repair/"))
        else f"trace-of-{subject}"
    )


def _behind_orders(evidence: Evidence, received: dict[tuple[str, str], list[tuple[str, Kept]]]) -> None:
    accepted: Counter[tuple[str, str]] = Counter()
    for (_, envelope_id), rows in received.items():
        for region, row in rows:
            outcome = ReceiptContent.FromString(row.receipt_content or b"").outcome
            if "#submit>" in envelope_id and outcome == Outcome.OUTCOME_ACCEPTED:
                accepted[region, row.subject] += 1
    for order_id, owners in evidence.owned.items():
        for owner in owners:
            done = owner.order.state == OrderState.ORDER_STATE_COMPLETED
            if done and not owner.is_handling and not accepted[owner.region, order_id]:
                evidence.broken(SIGNED, order_id, f"{owner.region} completed it without a submission")
