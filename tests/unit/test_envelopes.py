"""Sealing and opening envelopes and receipts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeContent, EnvelopeKind, Outcome, Receipt, ReceiptContent
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, is_temporary
from gateway.relay.envelopes import (
    CONTENT_LIMIT,
    Answer,
    OutgoingEnvelope,
    Sealed,
    digest,
    open_envelope,
    open_receipt,
    read_content,
    seal_receipt,
)
from gateway.rpc.access import LARGEST_REQUEST
from gateway.rpc.element_counts import most_elements
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.sealing import Route
from gateway.security.signing import RECEIPT, Signer, TrustedKeys
from gateway.time.clock import from_timestamp
from tests.sealed_envelopes import seal

FEDERATION = "demo.example"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SUBMIT = EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT
OUTGOING = OutgoingEnvelope(
    envelope_id="guangdong/counter/R1#submit>sichuan",
    destination="sichuan",
    kind=SUBMIT,
    payload=b"the order",
    subject="guangdong/counter/R1",
    operator="counter",
    lifetime=timedelta(hours=1),
)
ACCEPTED = Answer(Outcome.OUTCOME_ACCEPTED, result=b"the snapshot")
INVALID = Reason.REASON_ENVELOPE_INVALID
SENDER_WRONG = Reason.REASON_ENVELOPE_SENDER_WRONG
SIGNATURE_INVALID = Reason.REASON_ENVELOPE_SIGNATURE_INVALID


class Regions:
    """The signing keys of three regions, and whoever trusts them."""

    def __init__(self) -> None:
        authority = Authority.create(FEDERATION, NOW - DAY, NOW + DAY)
        self.keys = TrustedKeys(authority.certificate_pem, FEDERATION)
        self.signers: dict[str, Signer] = {}
        for region in ("guangdong", "sichuan", "henan"):
            issued = authority.issue_signing(Identity(FEDERATION, Role.ROLE_REGION, region, ""), NOW - DAY, NOW + DAY)
            assert isinstance(issued.key, Ed25519PrivateKey)
            self.signers[region] = Signer(issued.key)
            self.keys.accept(region, issued.certificate_pem, NOW)

    def seal(self, outgoing: OutgoingEnvelope = OUTGOING, origin: str = "guangdong") -> Sealed:
        return seal(outgoing, origin, self.signers[origin], now=NOW, revision=7, traceparent="00-1-2-01")

    def answer(self, sealed: Sealed, answer: Answer = ACCEPTED, region: str = "sichuan") -> Receipt:
        return seal_receipt(sealed, answer, self.signers[region], now=NOW, revision=8)

    def open(self, envelope: Envelope, destination: str = "sichuan") -> Sealed:
        return open_envelope(envelope, self.keys, Route("guangdong", destination))

    def open_receipt(self, receipt: Receipt, sent: Sealed) -> ReceiptContent:
        return open_receipt(receipt, self.keys, sent)


@pytest.fixture(scope="module", name="regions")
def three_regions() -> Regions:
    return Regions()


def altered(data: bytes, position: int) -> bytes:
    """The bytes with one bit turned."""
    index, bit = divmod(position % (len(data) * 8), 8)
    return data[:index] + bytes([data[index] ^ (1 << bit)]) + data[index + 1 :]


def test_what_was_sealed_arrives_as_it_was_written(regions: Regions) -> None:
    sent = regions.seal(replace(OUTGOING, bulk=True))
    arrived = regions.open(Envelope.FromString(sent.envelope.SerializeToString()))
    assert arrived == sent
    content = arrived.content
    assert (content.id, content.origin, content.destination) == (OUTGOING.envelope_id, "guangdong", "sichuan")
    assert (content.kind, content.payload, content.bulk) == (SUBMIT, b"the order", True)
    assert (content.subject, content.operator, content.federation_revision) == (OUTGOING.subject, "counter", 7)
    assert content.traceparent == "00-1-2-01"
    assert from_timestamp(content.create_time) == NOW
    assert from_timestamp(content.expire_time) == NOW + timedelta(hours=1)


@given(st.integers(0, 10**6))
def test_any_altered_bit_of_the_content_is_found(regions: Regions, position: int) -> None:
    sealed = regions.seal()
    envelope = Envelope(content=altered(sealed.envelope.content, position), signature=sealed.envelope.signature)
    with pytest.raises(Refused) as refusal:
        regions.open(envelope)
    assert refusal.value.reason in (INVALID, SENDER_WRONG, SIGNATURE_INVALID)


@given(st.integers(0, 64 * 8 - 1))
def test_any_altered_bit_of_the_signature_is_found(regions: Regions, position: int) -> None:
    sealed = regions.seal()
    envelope = Envelope(content=sealed.envelope.content, signature=altered(sealed.envelope.signature, position))
    with pytest.raises(Refused) as refusal:
        regions.open(envelope)
    assert refusal.value.reason == SIGNATURE_INVALID


def test_nobody_can_seal_in_the_name_of_another_region(regions: Regions) -> None:
    forged = seal(OUTGOING, "guangdong", regions.signers["henan"], now=NOW, revision=7, traceparent="")
    with pytest.raises(Refused) as refusal:
        regions.open(forged.envelope)
    assert refusal.value.reason == SIGNATURE_INVALID
    assert refusal.value.parameters == {"region": "guangdong"}


def test_an_envelope_cannot_be_diverted(regions: Regions) -> None:
    with pytest.raises(Refused) as refusal:
        regions.open(regions.seal().envelope, destination="henan")
    assert refusal.value.reason == INVALID
    assert "sichuan" in refusal.value.parameters["problem"]


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_never_more_than_that(regions: Regions, garbage: bytes) -> None:
    with pytest.raises(Refused) as refusal:
        regions.open(Envelope(content=garbage, signature=garbage[:64]))
    assert refusal.value.reason in (INVALID, SIGNATURE_INVALID)


COMPLETE = EnvelopeContent(id="1", origin="guangdong", destination="sichuan", kind=SUBMIT)


@pytest.mark.parametrize("field", ["id", "origin", "destination", "kind"])
def test_an_envelope_without_what_names_it_is_refused(field: str) -> None:
    content = EnvelopeContent()
    content.CopyFrom(COMPLETE)
    content.ClearField(field)  # type: ignore[arg-type]  # one of the names of its fields
    with pytest.raises(Refused) as refusal:
        read_content(Envelope(content=content.SerializeToString()))
    assert refusal.value.reason == INVALID


def test_a_kind_of_a_later_version_waits_for_an_upgrade(regions: Regions) -> None:
    sealed = regions.seal(replace(OUTGOING, kind=EnvelopeKind.ValueType(9999)))
    with pytest.raises(Refused, match=r"sichuan runs an older version, which cannot read kind = 9999") as refusal:
        regions.open(sealed.envelope)
    assert refusal.value.reason == Reason.REASON_UPGRADE_REQUIRED
    assert is_temporary(refusal.value.reason)


def test_more_than_an_envelope_holds_is_neither_sealed_nor_read(regions: Regions) -> None:
    with pytest.raises(ValueError, match="larger than"):
        regions.seal(replace(OUTGOING, payload=bytes(CONTENT_LIMIT)))
    with pytest.raises(Refused, match="more than"):
        read_content(Envelope(content=bytes(CONTENT_LIMIT + 1)))


def test_the_largest_envelope_travels(regions: Regions) -> None:
    frame = len(regions.seal(replace(OUTGOING, payload=b"")).envelope.content)
    # A tag and a length of three bytes come with the payload.
    largest = regions.seal(replace(OUTGOING, payload=bytes(CONTENT_LIMIT - frame - 4)))
    assert len(largest.envelope.content) == CONTENT_LIMIT
    assert regions.open(largest.envelope) == largest


@pytest.mark.guarantee("G11")
def test_a_receipt_tells_the_answer_and_binds_it_to_the_bytes_that_were_sent(regions: Regions) -> None:
    sent = regions.seal()
    refusal = Answer(Outcome.OUTCOME_REFUSED, reason=Reason.REASON_LINE_CLOSED, parameters={"state": "terminated"})
    receipt = regions.open_receipt(regions.answer(sent, refusal), sent)
    assert (receipt.outcome, receipt.reason) == (Outcome.OUTCOME_REFUSED, Reason.REASON_LINE_CLOSED)
    assert dict(receipt.reason_parameters) == {"state": "terminated"}
    assert (receipt.envelope_id, receipt.origin, receipt.destination) == (sent.content.id, "guangdong", "sichuan")
    assert receipt.content_digest == digest(sent.envelope.content)
    assert (from_timestamp(receipt.decide_time), receipt.federation_revision) == (NOW, 8)


def test_a_moved_receipt_names_the_owner(regions: Regions) -> None:
    sent = regions.seal()
    receipt = regions.open_receipt(regions.answer(sent, Answer(Outcome.OUTCOME_MOVED, moved_to="henan")), sent)
    assert (receipt.outcome, receipt.moved_to) == (Outcome.OUTCOME_MOVED, "henan")


@given(st.integers(0, 10**6))
def test_any_altered_bit_of_a_receipt_is_found(regions: Regions, position: int) -> None:
    sent = regions.seal()
    receipt = regions.answer(sent)
    with pytest.raises(Refused):
        regions.open_receipt(Receipt(content=altered(receipt.content, position), signature=receipt.signature), sent)


def test_only_the_destination_can_answer(regions: Regions) -> None:
    sent = regions.seal()
    with pytest.raises(Refused) as refusal:
        regions.open_receipt(regions.answer(sent, region="henan"), sent)
    assert refusal.value.reason == SIGNATURE_INVALID


def test_the_answer_to_another_envelope_is_no_answer(regions: Regions) -> None:
    sent, other = regions.seal(), regions.seal(replace(OUTGOING, envelope_id="guangdong/counter/R2#submit>sichuan"))
    with pytest.raises(Refused) as refusal:
        regions.open_receipt(regions.answer(other), sent)
    assert refusal.value.reason == INVALID


def test_the_answer_to_the_same_id_with_other_bytes_is_no_answer(regions: Regions) -> None:
    sent, other = regions.seal(), regions.seal(replace(OUTGOING, payload=b"another order"))
    with pytest.raises(Refused) as refusal:
        regions.open_receipt(regions.answer(other), sent)
    assert refusal.value.reason == INVALID


def test_a_signed_envelope_is_no_receipt(regions: Regions) -> None:
    """A signature of one purpose serves no other."""
    sent = regions.seal(replace(OUTGOING, destination="guangdong"), origin="sichuan")
    with pytest.raises(Refused) as refusal:
        regions.open_receipt(Receipt(content=sent.envelope.content, signature=sent.envelope.signature), regions.seal())
    assert refusal.value.reason == SIGNATURE_INVALID


MANY = ReceiptContent(reason_parameters={str(each): "" for each in range(most_elements(LARGEST_REQUEST) + 1)})


@pytest.mark.parametrize("content", [b"\xff\xff", MANY.SerializeToString()], ids=["no receipt", "many elements"])
def test_a_signed_receipt_that_cannot_be_read_is_refused(regions: Regions, content: bytes) -> None:
    unreadable = Receipt(content=content, signature=regions.signers["sichuan"].sign(RECEIPT, content))
    with pytest.raises(Refused, match="unreadable"):
        regions.open_receipt(unreadable, regions.seal())


def test_an_empty_result_is_no_receipt(regions: Regions) -> None:
    with pytest.raises(Refused):
        regions.open_receipt(Receipt(), regions.seal())
