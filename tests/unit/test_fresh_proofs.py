"""A code and a password open a bill for a quarter of an hour, whoever asks; a paper opens it for months."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from gateway.errors import Refused
from gateway.time.clock import to_timestamp
from region_node.business.billing.operations import read_bill
from region_node.customers.verification.rows import key_or
from region_node.customers.verification.rules import KEY_BYTES, OTP, PWD, attest
from region_node.requests.checks import Questioner
from tests.unit.billing_scene import Books, books
from tests.unit.situations import LINE

NOW = datetime(2030, 6, 15, 4, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
LATER = QUARTER + timedelta(minutes=2)  # clocks of two regions may differ by less
COUNTER = Questioner("henan", "counter")


def read(node: Books, documents: Sequence[Document], after: timedelta) -> None:
    asked = QueryBillRequest(
        request_id="R-1",
        number=LINE.number,
        month="2030-06",
        applicant=Applicant.APPLICANT_HOLDER,
        documents=documents,
        requester=Requester(staff_id="4711", channel=Channel.CHANNEL_COUNTER),
    )
    read_bill(node.tx, node.context, asked, COUNTER, NOW + after)


def test_a_code_with_a_password_opens_a_bill_to_an_operator_system_no_longer_than_a_quarter_of_an_hour() -> None:
    with books(NOW) as node:
        node.open(LINE)
        key, subject = key_or(node.tx, bytes(KEY_BYTES)), COUNTER.subject("R-1")
        proofs = [attest(key, subject, LINE.number, code, NOW) for code in (OTP, PWD)]
        paper = Document(code="ID_ORIG", verifier="wang", verify_time=to_timestamp(NOW), keyed_hash=b"1" * 32)
        read(node, proofs, QUARTER)
        read(node, [paper], LATER)
        for shown in (proofs, [paper, proofs[0]]):
            with pytest.raises(Refused, match="DOCUMENT_STALE"):
                read(node, shown, LATER)
