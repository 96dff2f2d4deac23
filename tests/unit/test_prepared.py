"""A business of the catalogue as checks look it up: it refuses what a plain reading of the catalogue refuses."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import (
    Business,
    CharacteristicSpecification,
    Configuration,
    DocumentRequirement,
    ValueType,
)
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.federation.numberplan import normalize
from gateway.federation.prepared import PreparedBusiness
from gateway.relay.border import Border
from gateway.time.clock import BETWEEN_TRUSTED, to_timestamp
from region_node.business.orders import intake, rules
from region_node.business.orders.business import load_rules
from region_node.business.orders.context import OrderContext
from region_node.customers.documents.rules import require_documents
from region_node.node.context import RegionContext
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION, LINE, NOW

Refusal = tuple[str, Mapping[str, str]] | None
FRESHNESS = timedelta(hours=24)
CODES = ["ID_ORIG", "PWD", "OTP", "SIM"]
APPLICANTS = [each for each in Applicant.values() if each]
MOST = {"low": 11, "high": 10**6}
TEXTS = [
    *("", "one", "two", "a" * 256, "a" * 257, "2026-02", "2026-13", "+8613812345678", "13812345678"),
    *("0", "1", "11", "12", str(10**6 + 1), str(10**12), str(10**12 + 1), "0000000000001", "00000000000001", "-1"),
    *("2030-06-15T12:00:00+08:00", "2030-06-15T12:00:00", "1969-12-31T12:00:00Z", "2030-02-30T12:00:00Z"),
]


def refusal_of(check: Callable[[], object]) -> Refusal:
    """Why a check refuses, in English; None where it does not."""
    try:
        check()
    except Refused as refused:
        english = {name: text for name, text in refused.parameters.items() if not name.endswith("_zh_cn")}
        return Reason.Name(refused.reason).removeprefix("REASON_"), english
    return None


# The catalogue as a person reads it, entry by entry.


def read_documents(business: Business, request: OrderRequest, now: datetime) -> Refusal:
    named = [each for each in business.documents if each.applicant == request.applicant]
    if not named:
        return "APPLICANT_NOT_ALLOWED", {"business": business.code}
    brought = [each.code for each in request.documents]
    missing = [
        line
        for line in named[0].all_of
        if not any(set(alternative.split("+")) <= set(brought) for alternative in line.split("|"))
    ]
    if missing:
        return "DOCUMENT_MISSING", {"documents": ", ".join(missing)}
    for each in request.documents:
        age = now - each.verify_time.ToDatetime(UTC)
        if age < -BETWEEN_TRUSTED or age > business.document_freshness.ToTimedelta() + BETWEEN_TRUSTED:
            return "DOCUMENT_STALE", {"document": each.code}
    return None


def problem_of_time(text: str) -> str:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return "not an RFC 3339 time"
    if instant.tzinfo is None:
        return "without a time zone"
    return "" if 1970 <= instant.year < 3000 else "not in the years 1970 to 2999"


def problem_of(entry: CharacteristicSpecification, text: str) -> str:
    kind = ValueType.Name(entry.value_type).removeprefix("VALUE_TYPE_")
    if kind == "TIME":
        return problem_of_time(text)
    if kind == "AMOUNT":
        is_amount = text.isdecimal() and len(text) < 14 and 0 < int(text) <= 10**12
        return "" if is_amount else "not a positive whole number of minor units"
    if len(text) > 256:
        return "longer than 256 characters"
    if kind == "CHOICE" and text not in entry.choices:
        return f"it is one of {', '.join(entry.choices)}"
    if kind == "MONTH" and text != "2026-02":
        return "not YYYY-MM"
    return "not in E.164 with the plus sign" if kind == "NUMBER" and normalize(text) != text else ""


def read_characteristics(business: Business, request: OrderRequest) -> Refusal:
    for name in request.characteristics:
        if name not in [each.name for each in business.characteristics]:
            return "CHARACTERISTIC_INVALID", {"name": name, "problem": f"{business.code} has none such"}
    for each in business.characteristics:
        text = request.characteristics.get(each.name, "")
        if each.required and not text:
            return "CHARACTERISTIC_MISSING", {"business": business.code, "name": each.name}
        if text and (problem := problem_of(each, text)):
            return "CHARACTERISTIC_INVALID", {"name": each.name, "problem": problem}
    return None


def read_amounts(business: Business, values: Mapping[str, int]) -> Refusal:
    for each in business.characteristics:
        if each.at_most and each.name in values and values[each.name] > MOST[each.at_most]:
            most = MOST[each.at_most]
            return "AMOUNT_TOO_HIGH", {"amount": f"{most // 100}.{most % 100:02d} CNY"}
    return None


ALTERNATIVES = st.lists(st.sampled_from(CODES), min_size=1, max_size=2, unique=True).map("+".join)
DOCUMENT_LINES = st.lists(ALTERNATIVES, min_size=1, max_size=2, unique=True).map("|".join)


@st.composite
def characteristics(draw: st.DrawFn, name: str) -> CharacteristicSpecification:
    value_type = draw(st.sampled_from([each for each in ValueType.values() if each]))
    return CharacteristicSpecification(
        name=name,
        value_type=value_type,
        required=draw(st.booleans()),
        choices=["one", "two"] if value_type == ValueType.VALUE_TYPE_CHOICE else [],
    )


@st.composite
def businesses(draw: st.DrawFn) -> Business:
    return Business(
        code="TEST",
        document_freshness=Duration(seconds=int(FRESHNESS.total_seconds())),
        documents=[
            DocumentRequirement(applicant=each, all_of=draw(st.lists(DOCUMENT_LINES, max_size=3, unique=True)))
            for each in draw(st.lists(st.sampled_from(APPLICANTS), unique=True))
        ],
        characteristics=[draw(characteristics(name)) for name in draw(st.permutations(["a", "b", "c"]))],
    )


@st.composite
def requests(draw: st.DrawFn) -> OrderRequest:
    edges = [timedelta(0), FRESHNESS + BETWEEN_TRUSTED, -BETWEEN_TRUSTED]
    beyond = [FRESHNESS + BETWEEN_TRUSTED + timedelta(microseconds=1), -BETWEEN_TRUSTED - timedelta(microseconds=1)]
    return OrderRequest(
        applicant=draw(st.sampled_from(APPLICANTS)),
        documents=[
            Document(
                code=code,
                verifier="clerk-7",
                verify_time=to_timestamp(NOW - draw(st.sampled_from([*edges * 3, *beyond]))),
                keyed_hash=bytes(32),
            )
            for code in draw(st.lists(st.sampled_from(CODES), unique=True))
        ],
        characteristics=draw(st.dictionaries(st.sampled_from(["a", "b", "c"] * 5 + ["d"]), st.sampled_from(TEXTS))),
    )


@given(businesses(), requests())
def test_a_prepared_business_asks_for_the_documents_that_the_catalogue_names(
    business: Business, request: OrderRequest
) -> None:
    prepared = PreparedBusiness(business)
    assert refusal_of(lambda: require_documents(prepared, request, NOW)) == read_documents(business, request, NOW)


@given(businesses(), requests())
def test_a_prepared_business_reads_the_characteristics_that_the_catalogue_names(
    business: Business, request: OrderRequest
) -> None:
    prepared = PreparedBusiness(business)
    expected = refusal_of(lambda: read_characteristics(business, request)) or read_characteristics(business, request)
    assert refusal_of(lambda: rules.read_characteristics(prepared, request)) == expected
    if expected is None:
        assert rules.read_characteristics(prepared, request).keys() == {
            name for name, text in request.characteristics.items() if text
        }


@given(
    st.lists(st.sampled_from(["", *MOST]), max_size=3),
    st.dictionaries(st.sampled_from(["0", "1", "2"]), st.sampled_from([1, 11, 12, 10**6, 10**6 + 1])),
)
def test_a_prepared_business_bounds_the_amounts_that_the_catalogue_bounds(
    policies: list[str], values: dict[str, int]
) -> None:
    amounts = [
        CharacteristicSpecification(name=str(index), value_type=ValueType.VALUE_TYPE_AMOUNT, at_most=policy)
        for index, policy in enumerate(policies)
    ]
    business = Business(code="TEST", characteristics=amounts)
    prepared = PreparedBusiness(business)
    found = refusal_of(lambda: rules.require_amounts(prepared, values, MOST.__getitem__, "CNY"))
    assert found == read_amounts(business, values)


def test_every_business_of_the_shipped_catalogue_is_prepared_once() -> None:
    for business in FEDERATION.businesses:
        prepared = FEDERATION.prepared(business.code)
        assert prepared is FEDERATION.prepared(business.code), business.code
        assert prepared.business == business
    with pytest.raises(Refused, match="BUSINESS_UNKNOWN"):
        FEDERATION.prepared("HOROSCOPE")


def without_documents(code: str) -> Federation:
    """The next revision, in which everybody may order a business without documents."""
    configuration = Configuration()
    configuration.CopyFrom(FEDERATION.configuration)
    (business,) = (each for each in configuration.businesses if each.code == code)
    for each in business.documents:
        del each.all_of[:]
    return Federation(FEDERATION.revision + 1, configuration)


def test_a_new_revision_of_the_catalogue_is_in_force_for_the_next_order() -> None:
    current, shared = CurrentFederation(), keys()
    context = OrderContext(
        RegionContext(Border("sichuan", shared.signers["sichuan"], shared.trusted, current)), load_rules()
    )
    request = OrderRequest(
        business="SUSPEND",
        number=LINE.number,
        applicant=Applicant.APPLICANT_HOLDER,
        characteristics={"reason": "a journey"},
    )
    found: list[Refusal] = []
    for revision in (FEDERATION, without_documents("SUSPEND")):
        current.update(revision, [])
        found.append(refusal_of(lambda: intake.check(context, request, NOW)))
    assert [told and told[0] for told in found] == ["DOCUMENT_MISSING", None]
