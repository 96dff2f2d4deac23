"""Documents on file, and the counting ones: by random times, and on the edges to the microsecond."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Business, Configuration, DocumentRequirement, Material
from gateway.api.region.v1.document_service_pb2 import DocumentUpload, RegisteredDocument
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, PaperUse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, LocalizedText, Requester
from gateway.errors import Refused
from gateway.federation import rules as federation_rules
from gateway.federation.catalogue import Federation
from gateway.federation.documents import RequiredLine, required_lines
from gateway.federation.prepared import PreparedBusiness
from gateway.time.clock import BETWEEN_TRUSTED, to_timestamp
from region_node.customers.documents import rules

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LOW_RISK, HIGH_RISK = timedelta(days=90), timedelta(hours=24)
PNG = ("image/png",)
MAGIC = b"\x89PNG\r\n\x1a\n"
MATERIALS = {"ID_ORIG": True, "POA": True, "BIZ_LIC": True, "FACE": False, "SIM": False, "PWD": False, "OTP": False}
FEDERATION = Federation(
    1,
    Configuration(
        materials=[
            Material(code=code, reusable=reusable, media_types=PNG if reusable else ())
            for code, reusable in MATERIALS.items()
        ]
    ),
)


def business(freshness: timedelta) -> PreparedBusiness:
    """A business for which documents count so long."""
    wanted = Business(code="SUSPEND")
    wanted.document_freshness.FromTimedelta(freshness)
    return PreparedBusiness(wanted)


def on_file(
    code: str = "ID_ORIG",
    age: timedelta = timedelta(hours=1),
    *,
    expires: datetime | None = None,
    withdrawn: bool = False,
    document_id: str = "henan/crm/R1",
) -> RegisteredDocument:
    """A document on file, verified so long ago."""
    return RegisteredDocument(
        document_id=document_id,
        code=code,
        region="henan",
        verifier="h-1",
        verify_time=to_timestamp(NOW - age),
        expire_time=None if expires is None else to_timestamp(expires),
        withdraw_time=to_timestamp(NOW) if withdrawn else None,
        keyed_hash=bytes(32),
    )


def needs(*lines: str) -> Sequence[RequiredLine]:
    """The lines of documents that the holder needs."""
    return required_lines(DocumentRequirement(applicant=Applicant.APPLICANT_HOLDER, all_of=lines))


def completed(
    lines: Sequence[str], brought: Sequence[str], registered: Sequence[RegisteredDocument]
) -> tuple[list[str], list[str]]:
    """The codes that are added from the file, and the lines that are missing."""
    found = rules.completed(FEDERATION, business(LOW_RISK), needs(*lines), set(brought), registered, NOW)
    return [each.code for each in found.added], list(found.missing)


@pytest.mark.parametrize("freshness", [LOW_RISK, HIGH_RISK])
def test_a_document_is_fresh_to_the_last_microsecond_and_no_longer(freshness: timedelta) -> None:
    wanted = business(freshness)
    assert rules.counts(FEDERATION, wanted, on_file(age=freshness), NOW)
    assert not rules.counts(FEDERATION, wanted, on_file(age=freshness + MICROSECOND), NOW)
    assert rules.counts(FEDERATION, wanted, on_file(age=-BETWEEN_TRUSTED), NOW)
    assert not rules.counts(FEDERATION, wanted, on_file(age=-BETWEEN_TRUSTED - MICROSECOND), NOW)


def test_a_document_counts_until_just_before_it_expires() -> None:
    wanted = business(LOW_RISK)
    assert rules.counts(FEDERATION, wanted, on_file(expires=NOW + MICROSECOND), NOW)
    assert not rules.counts(FEDERATION, wanted, on_file(expires=NOW), NOW)
    assert not rules.counts(FEDERATION, wanted, on_file(withdrawn=True), NOW)


@given(
    age=st.timedeltas(timedelta(days=-1), timedelta(days=200)),
    left=st.none() | st.timedeltas(timedelta(days=-10), timedelta(days=200)),
    withdrawn=st.booleans(),
    code=st.sampled_from(sorted(MATERIALS)),
    freshness=st.sampled_from([LOW_RISK, HIGH_RISK]),
)
def test_what_counts_is_reusable_fresh_valid_and_good_and_counts_until_it_says(
    age: timedelta, left: timedelta | None, withdrawn: bool, code: str, freshness: timedelta
) -> None:
    expires = None if left is None else NOW + left
    document = on_file(code, age, expires=expires, withdrawn=withdrawn)
    counts = rules.counts(FEDERATION, business(freshness), document, NOW)
    is_good = MATERIALS[code] and not withdrawn and (expires is None or expires > NOW)
    assert counts == (is_good and -BETWEEN_TRUSTED <= age <= freshness)
    if counts:
        assert rules.expire_time(business(freshness), NOW - age, expires) >= NOW


def test_the_file_fills_what_is_missing_with_no_more_than_is_needed_and_the_newest() -> None:
    older, newer = on_file(age=timedelta(days=2), document_id="henan/crm/R1"), on_file(document_id="henan/crm/R2")
    found = rules.completed(
        FEDERATION, business(LOW_RISK), needs("ID_ORIG"), set(), [older, newer, on_file("POA")], NOW
    )
    assert [each.document_id for each in found.added] == ["henan/crm/R2"]
    assert completed(["ID_ORIG"], ["ID_ORIG"], [newer]) == ([], [])
    assert completed(["ID_ORIG", "FACE"], [], [newer]) == (["ID_ORIG"], ["FACE"])
    assert completed(["POA|ID_ORIG"], [], [newer]) == (["ID_ORIG"], [])
    assert completed(["ID_ORIG+FACE|POA"], [], [newer]) == ([], ["ID_ORIG+FACE|POA"])
    assert completed(["ID_ORIG+FACE"], ["FACE"], [newer]) == (["ID_ORIG"], [])


@pytest.mark.parametrize("code", ["FACE", "OTP", "PWD"])
def test_what_proves_somebody_is_there_never_comes_from_the_file_whatever_the_catalogue_says(code: str) -> None:
    lax = Federation(1, Configuration(materials=[Material(code=code, reusable=True, media_types=PNG)]))
    assert not rules.counts(lax, business(LOW_RISK), on_file(code), NOW)
    with pytest.raises(Refused, match="DOCUMENT_NOT_REUSABLE"):
        rules.require_reusable(lax, [Document(code=code, document_id="henan/crm/R1")])
    text = LocalizedText(zh_cn="x", en="x")
    configuration = Configuration(materials=[Material(code=code, name=text, reusable=True, media_types=PNG)])
    assert any(f"materials[{code}].reusable" in problem for problem in federation_rules.problems(configuration))


def test_a_material_that_is_used_again_has_content_of_a_known_type() -> None:
    text = LocalizedText(zh_cn="x", en="x")
    wrong = Configuration(
        materials=[
            Material(code="A", name=text, reusable=True),
            Material(code="B", name=text, media_types=["text/html"]),
        ]
    )
    told = "\n".join(federation_rules.problems(wrong))
    assert "materials[A].reusable: what is used again has to have content" in told
    assert "materials[B].media_types: 'text/html' is none of" in told


def upload(**changes: object) -> DocumentUpload:
    """A good first message, with changes."""
    named = DocumentUpload(
        request_id="R1",
        number="+8613800138000",
        code="ID_ORIG",
        media_type="image/png",
        size=100,
        sha256=bytes(32),
        verify_time=to_timestamp(NOW),
        requester=Requester(staff_id="h-1", channel=Channel.CHANNEL_COUNTER),
    )
    for field, value in changes.items():
        setattr(named, field, value)
    return named


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"size": 1000}, None),
        ({"size": 1001}, Reason.REASON_DOCUMENT_TOO_LARGE),
        ({"size": 0}, Reason.REASON_REQUEST_INVALID),
        ({"size": -1}, Reason.REASON_REQUEST_INVALID),
        ({"media_type": "image/gif"}, Reason.REASON_DOCUMENT_TYPE_NOT_ALLOWED),
        ({"media_type": ""}, Reason.REASON_DOCUMENT_TYPE_NOT_ALLOWED),
        ({"sha256": bytes(31)}, Reason.REASON_REQUEST_INVALID),
        ({"code": "HOROSCOPE"}, Reason.REASON_REQUEST_INVALID),
        ({"code": "FACE"}, Reason.REASON_DOCUMENT_NOT_REUSABLE),
        ({"code": "POA", "identity_number": "1"}, Reason.REASON_REQUEST_INVALID),
        ({"identity_number": "1" * 65}, Reason.REASON_REQUEST_INVALID),
        ({"request_id": "a/b"}, Reason.REASON_REQUEST_INVALID),
    ],
)
def test_an_upload_is_taken_as_it_is_named_or_refused_with_the_reason(
    changes: dict[str, object], reason: Reason.ValueType | None
) -> None:
    named = upload(**changes)
    if reason is None:
        rules.require_upload(named, FEDERATION.material(named.code), 1000, NOW)
        return
    with pytest.raises(Refused) as raised:
        rules.require_upload(named, FEDERATION.material(named.code), 1000, NOW)
    assert raised.value.reason == reason


@given(content=st.binary(max_size=64) | st.binary(max_size=64).map(lambda rest: MAGIC + rest))
def test_no_content_passes_for_a_type_that_it_does_not_begin_as(content: bytes) -> None:
    named = upload()
    if content.startswith(MAGIC):
        rules.require_content("ID_ORIG", named, content, named.sha256)
    else:
        with pytest.raises(Refused, match="DOCUMENT_TYPE_NOT_ALLOWED"):
            rules.require_content("ID_ORIG", named, content, named.sha256)
    with pytest.raises(Refused, match="DOCUMENT_HASH_DIFFERS"):
        rules.require_content("ID_ORIG", named, MAGIC + content, bytes(31))


def test_equal_identity_documents_compare_equal_however_they_were_typed() -> None:
    assert rules.in_one_form(" 51010019900307 123x") == rules.in_one_form("51010019900307-123X") == "51010019900307123X"


def test_papers_are_what_could_be_on_file_and_one_that_is_handed_in_counts_as_handed_in() -> None:
    filed, handed = Document(code="ID_ORIG", document_id="henan/crm/R1"), Document(code="POA")
    face = Document(code="FACE")
    assert rules.paper_use(FEDERATION, []) == rules.paper_use(FEDERATION, [face]) == PaperUse.PAPER_USE_UNSPECIFIED
    assert rules.paper_use(FEDERATION, [filed, face]) == PaperUse.PAPER_USE_ON_FILE
    assert rules.paper_use(FEDERATION, [filed, handed]) == PaperUse.PAPER_USE_HANDED_IN


def proxied(**changes: object) -> Order:
    """An order of an agent, under way."""
    return Order(request=OrderRequest(business="SUSPEND", applicant=Applicant.APPLICANT_AGENT), **changes)  # type: ignore[arg-type]


def with_agents() -> Federation:
    """A federation in which an agent brings an authorisation, and the holder a contract."""
    agent = DocumentRequirement(applicant=Applicant.APPLICANT_AGENT, all_of=["ID_ORIG|PWD+OTP", "POA"])
    holder = DocumentRequirement(applicant=Applicant.APPLICANT_HOLDER, all_of=["BIZ_LIC"])
    return Federation(1, Configuration(businesses=[Business(code="SUSPEND", documents=[agent, holder])]))


def test_an_order_asks_for_what_the_catalogue_says_of_its_applicant_in_whichever_alternative() -> None:
    asked_for = [code for code in MATERIALS if rules.asks_for(with_agents(), proxied(), code)]
    assert asked_for == ["ID_ORIG", "POA", "PWD", "OTP"]


def test_an_order_asks_for_what_a_review_requested_also_once_its_business_has_left_the_catalogue() -> None:
    reviewed = proxied(documents_requested=["BIZ_LIC"])
    assert rules.asks_for(with_agents(), reviewed, "BIZ_LIC")
    assert rules.asks_for(FEDERATION, reviewed, "BIZ_LIC")
    assert not rules.asks_for(FEDERATION, reviewed, "ID_ORIG")


def test_an_order_names_a_document_by_its_document_id_alone() -> None:
    order = proxied()
    order.request.documents.add(code="POA")
    order.request.documents.add(code="POA", document_id="henan/crm/R1")
    assert rules.is_named_by(order, "henan/crm/R1")
    assert not rules.is_named_by(order, "henan/crm/R2")
    assert not rules.is_named_by(order, "")
