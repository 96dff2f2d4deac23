"""A receipt is stored as its difference from its envelope, and comes back byte by byte."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind, Outcome
from gateway.relay.envelopes import CONTENT_LIMIT, Answer, OutgoingEnvelope, unsigned_envelope, unsigned_receipt
from gateway.relay.receipt_differences import difference, receipt_of

NOW = datetime(2030, 6, 1, 2, tzinfo=UTC)


@given(st.binary(max_size=2000), st.binary(max_size=2000))
@example(b"", b"")
@example(b"receipt", bytes(CONTENT_LIMIT))
def test_the_same_bytes_come_back(receipt: bytes, envelope: bytes) -> None:
    assert receipt_of(difference(receipt, envelope), envelope) == receipt
    assert receipt_of(difference(envelope + receipt, envelope), envelope) == envelope + receipt


def test_a_receipt_that_is_stored_as_it_is_comes_back_too() -> None:
    outgoing = OutgoingEnvelope(
        envelope_id="guangdong/counter/R1#submit>sichuan",
        destination="sichuan",
        kind=EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT,
        payload=Order(request=OrderRequest(business="SUSPEND", number="+8619851000001")).SerializeToString(),
        subject="guangdong/counter/R1",
        operator="counter",
        lifetime=timedelta(days=1),
    )
    sent = unsigned_envelope(outgoing, "guangdong", now=NOW, revision=1, traceparent="")
    answer = Answer(Outcome.OUTCOME_ACCEPTED, result=outgoing.payload)
    receipt = unsigned_receipt(sent, answer, now=NOW, revision=1).content
    assert receipt_of(receipt, sent.envelope.content) == receipt
    assert len(difference(receipt, sent.envelope.content)) < len(receipt) / 2
