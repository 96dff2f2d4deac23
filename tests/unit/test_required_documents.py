"""The documents required of an applicant, and their required content."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Business, DocumentRequirement
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.errors import Refused, listed
from gateway.federation.prepared import PreparedBusiness
from gateway.time.clock import to_timestamp
from region_node.customers.documents.rules import require_documents, require_fresh, require_materials

NOW = datetime(2030, 6, 15, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)

TWO_KINDS = PreparedBusiness(
    Business(
        code="SUSPEND",
        document_freshness=Duration(seconds=86_400),
        documents=[
            DocumentRequirement(applicant=Applicant.APPLICANT_HOLDER, all_of=["ID_ORIG|PWD+OTP", "SIM"]),
            DocumentRequirement(applicant=Applicant.APPLICANT_AGENT, all_of=["ID_ORIG", "POA", "AGENT_ID"]),
        ],
    )
)
CODES = ["ID_ORIG", "PWD", "OTP", "SIM", "POA", "AGENT_ID"]


def papers(*codes: str, age: timedelta = HOUR) -> list[Document]:
    verified = to_timestamp(NOW - age)
    return [Document(code=code, verifier="clerk-7", verify_time=verified, keyed_hash=bytes(32)) for code in codes]


@given(st.sets(st.sampled_from(CODES)))
def test_one_of_the_alternatives_of_every_line_is_needed(codes: set[str]) -> None:
    request = OrderRequest(applicant=Applicant.APPLICANT_HOLDER, documents=papers(*sorted(codes)))
    has_identity = "ID_ORIG" in codes or {"PWD", "OTP"} <= codes
    missing = [line for line, there in (("ID_ORIG|PWD+OTP", has_identity), ("SIM", "SIM" in codes)) if not there]
    if not missing:
        require_documents(TWO_KINDS, request, NOW)
        return
    with pytest.raises(Refused) as raised:
        require_documents(TWO_KINDS, request, NOW)
    assert raised.value.reason == Reason.REASON_DOCUMENT_MISSING
    assert raised.value.parameters == listed(documents=missing)


def test_an_applicant_that_the_catalogue_does_not_list_is_refused() -> None:
    request = OrderRequest(applicant=Applicant.APPLICANT_ENTERPRISE, documents=papers(*CODES))
    with pytest.raises(Refused) as raised:
        require_documents(TWO_KINDS, request, NOW)
    assert raised.value.reason == Reason.REASON_APPLICANT_NOT_ALLOWED


@pytest.mark.parametrize(
    ("age", "fresh"),
    [
        (timedelta(0), True),
        (timedelta(hours=24), True),
        (timedelta(hours=24) + 61 * SECOND, True),
        (timedelta(hours=24) + 62 * SECOND, False),
        (-61 * SECOND, True),
        (-62 * SECOND, False),
        (timedelta(days=400), False),
    ],
)
def test_a_document_counts_as_long_as_the_business_says_give_or_take_the_clocks(age: timedelta, fresh: bool) -> None:
    documents = papers("ID_ORIG", age=age)
    if fresh:
        require_fresh(TWO_KINDS, documents, NOW)
        return
    with pytest.raises(Refused) as raised:
        require_fresh(TWO_KINDS, documents, NOW)
    assert (raised.value.reason, raised.value.parameters) == (
        Reason.REASON_DOCUMENT_STALE,
        {"document": "ID_ORIG"},
    )


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_any_time_that_a_message_can_hold_is_fresh_or_stale(seconds: int, nanos: int) -> None:
    (document,) = papers("ID_ORIG")
    document.verify_time.seconds, document.verify_time.nanos = seconds, nanos
    instant = seconds + nanos / 1e9
    is_near = NOW.timestamp() - 86_400 <= instant <= NOW.timestamp()
    try:
        require_fresh(TWO_KINDS, [document], NOW)
        refused = ""
    except Refused as error:
        refused = error.parameters["document"]
    assert refused in ("", "ID_ORIG")
    assert not (refused and is_near)


Field = Literal["code", "verifier", "verify_time", "keyed_hash"]
INCOMPLETE: list[tuple[Field, Document]] = [
    ("code", Document(code="")),
    ("verifier", Document(verifier="")),
    ("verifier", Document(verifier="Li Wei")),
    ("verifier", Document(verifier="x" * 65)),
    ("verify_time", Document()),
    ("keyed_hash", Document(keyed_hash=b"")),
    ("keyed_hash", Document(keyed_hash=bytes(31))),
    ("keyed_hash", Document(keyed_hash=bytes(33))),
]


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize(("field", "told"), INCOMPLETE)
def test_a_document_without_one_of_its_facts_is_refused_wherever_documents_are_looked_at(
    field: Field, told: Document, position: int
) -> None:
    documents = papers("ID_ORIG", "SIM")
    documents[position].ClearField(field)
    documents[position].MergeFrom(told)
    request = OrderRequest(applicant=Applicant.APPLICANT_HOLDER, documents=documents)
    checks: list[Callable[[], None]] = [
        lambda: require_documents(TWO_KINDS, request, NOW),
        lambda: require_fresh(TWO_KINDS, documents, NOW),
    ]
    for check in checks:
        with pytest.raises(Refused) as raised:
            check()
        assert raised.value.reason == Reason.REASON_REQUEST_INVALID
        assert raised.value.parameters["field"] == f"documents[{position}].{field}"


def test_a_document_that_is_no_material_of_the_catalogue_is_refused() -> None:
    require_materials(frozenset(CODES), papers(*CODES))
    with pytest.raises(Refused) as raised:
        require_materials(frozenset(CODES), papers("SIM", "HOROSCOPE"))
    assert raised.value.reason == Reason.REASON_REQUEST_INVALID
    assert raised.value.parameters["field"] == "documents[1].code"


def test_a_document_verified_at_a_time_that_no_calendar_has_is_stale_for_every_business() -> None:
    spoiled = Document(code="SIM", verify_time=Timestamp(seconds=10**12))
    with pytest.raises(Refused) as raised:
        require_materials(frozenset(CODES), [*papers("ID_ORIG"), spoiled])
    assert (raised.value.reason, raised.value.parameters) == (Reason.REASON_DOCUMENT_STALE, {"document": "SIM"})
