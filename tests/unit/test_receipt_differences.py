"""A receipt is stored as its difference from its envelope, and comes back byte by byte."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind, Outcome
from gateway.relay.envelopes import CONTENT_LIMIT, Answer, OutgoingEnvelope, unsigned_envelope, unsigned_receipt
from gateway.relay.receipt_differences import difference, receipt_of

FIELD = b"\x0a"  # the first byte of a receipt, which is never a null byte
NOW = datetime(2030, 6, 1, 2, tzinfo=UTC)


@given(st.binary(max_size=2000), st.binary(max_size=2000))
@example(b"", b"")
@example(b"receipt", bytes(CONTENT_LIMIT))
def test_the_same_bytes_come_back(receipt: bytes, envelope: bytes) -> None:
    for each in (FIELD + receipt, FIELD + envelope + receipt):
        assert receipt_of(difference(each, envelope), envelope) == each


@given(st.randoms(use_true_random=False), st.integers(0, CONTENT_LIMIT))
def test_no_receipt_is_stored_longer_than_it_is(source: Random, size: int) -> None:
    receipt = FIELD + source.randbytes(size)
    assert len(difference(receipt, receipt)) <= len(receipt)
    assert len(difference(receipt, b"")) <= len(receipt)


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


@pytest.mark.parametrize("bits", range(10, 15))
@pytest.mark.parametrize("beyond", [-262, -131, 0])
def test_a_receipt_repeats_the_beginning_of_an_envelope_of_any_size(bits: int, beyond: int) -> None:
    envelope = Random(bits).randbytes((1 << bits) + beyond)
    receipt = FIELD + envelope[:200]
    packed = difference(receipt, envelope)
    assert len(packed) < 40
    assert receipt_of(packed, envelope) == receipt
