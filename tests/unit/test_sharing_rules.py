"""The part of a customer's data that a region may see, for a purpose and by a right."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import (
    ConsentMethod,
    LegalBasis,
    Purpose,
    Region,
    SharedField,
    WithoutGrant,
)
from gateway.api.region.v1.sharing_service_pb2 import GrantState, MaskReason, SharedValue
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText, Money
from gateway.errors import Refused, reason_name
from gateway.time.clock import to_timestamp
from region_node.customers.sharing.rules import (
    CLEAR,
    Decided,
    Denied,
    Field,
    Known,
    Reading,
    Shown,
    asked_fields,
    grant_period,
    judge,
    require_basis,
    require_method,
    text_version,
    told_values,
)
from tests.shipped import shipped_configuration

PURPOSES = tuple(shipped_configuration().purposes)
NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
DAY = timedelta(days=1)
NUMBER = "+8619851000001"
CONSENT, ORDER, DUTY = (
    LegalBasis.LEGAL_BASIS_CONSENT,
    LegalBasis.LEGAL_BASIS_CONTRACT_NECESSITY,
    LegalBasis.LEGAL_BASIS_LEGAL_DUTY,
)
BALANCE = SharedField.SHARED_FIELD_BALANCE
# Every field of a customer, with values that stand nowhere else.
VALUES = {each: SharedValue(texts=[f"secret-{SharedField.Name(each)}"]) for each in SharedField.values() if each} | {
    SharedField.SHARED_FIELD_START_DATE: SharedValue(time=to_timestamp(NOW - 400 * DAY)),
    BALANCE: SharedValue(amount=Money(minor_units=4711, currency="CNY")),
}

instants = st.integers(-90, 90).map(lambda days: NOW + timedelta(days=days))
fields = st.sets(st.sampled_from([each for each in SharedField.values() if each]), min_size=1)
purposes = st.sampled_from(PURPOSES)
decisions = st.lists(
    st.builds(
        Decided,
        grant_id=st.integers(1, 9**9).map(str),
        reader=st.just("guangdong"),
        purpose=st.sampled_from([each.name for each in PURPOSES]),
        fields=fields.map(frozenset),
        granted=st.booleans(),
        start=instants,
        end=st.none() | instants,
        withdrawn=st.none() | instants,
        text_version=st.sampled_from(["", "today's", "another"]),
        attested=st.none() | instants,
    ),
    max_size=6,
)
known = st.builds(Known, decisions=decisions, has_order=st.booleans(), restricted=st.booleans())


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    purpose = draw(purposes)
    basis = draw(st.sampled_from(list(purpose.legal_bases)))
    asked = draw(st.lists(st.sampled_from(list(purpose.fields)), max_size=4, unique=True))
    facts = draw(st.none() | known)
    fields = asked_fields(purpose, asked)
    return Reading("sichuan", "guangdong", purpose, basis, fields, NOW, facts, text_version="today's")


def reading(name: str, *held: Decided, basis: LegalBasis.ValueType = CONSENT, **facts: bool) -> Reading:
    """A question of Guangdong's for a shipped purpose, about a customer who has decided so, newest first."""
    purpose = next(each for each in PURPOSES if each.name == name)
    return Reading("sichuan", "guangdong", purpose, basis, list(purpose.fields), NOW, Known(held, **facts))


def decided(
    purpose: str = "counter-service",
    *,
    granted: bool = True,
    start: timedelta = -DAY,
    end: timedelta | None = DAY,
    withdrawn: bool = False,
) -> Decided:
    """A decision about Guangdong, of all fields."""
    everything = frozenset(each for each in SharedField.values() if each)
    ends = None if end is None else NOW + end
    return Decided(
        "G1", "guangdong", purpose, everything, granted, NOW + start, ends, NOW - DAY / 2 if withdrawn else None
    )


def waiting(purpose: str = "counter-service", *, start: timedelta = DAY / 2, withdrawn: bool = False) -> Decided:
    """A consent on a paper of another region, which the customer has not confirmed."""
    return replace(decided(purpose, start=start, withdrawn=withdrawn), attested=NOW - DAY)


def outcome(asked: Reading) -> str:
    """How a question ends: a reason, or the reasons of the masks; `CLEAR` for none."""
    found = judge(asked)
    if isinstance(found, Denied):
        return reason_name(found.reason)
    return "+".join(sorted({MaskReason.Name(mask).removeprefix("MASK_REASON_") for mask in found.fields.values()}))


@given(readings())
@pytest.mark.clause("7.1(2)")
def test_nothing_is_clear_that_the_purpose_may_not_see_or_that_no_right_covers(asked: Reading) -> None:
    found = judge(asked)
    if isinstance(found, Denied):
        return
    assert list(found.fields) == list(asked.fields)
    assert set(found.fields) <= set(asked.purpose.fields)
    clear = {each for each, mask in found.fields.items() if mask == CLEAR}
    if not clear:
        return
    assert asked.known is not None
    assert not asked.known.restricted
    if asked.legal_basis == ORDER:
        assert asked.known.has_order
    elif asked.legal_basis == CONSENT:
        newest = next(each for each in asked.known.decisions if each.purpose == asked.purpose.name)
        assert newest.state(NOW, text_version=asked.text_version) == GrantState.GRANT_STATE_IN_FORCE
        assert newest.text_version in ("", "today's")
        assert clear <= newest.fields
        assert found.grant_id == newest.grant_id


@given(readings(), st.sampled_from([False, True]))
def test_a_stranger_is_answered_as_if_the_number_were_nobodys(asked: Reading, restricted: bool) -> None:
    if asked.legal_basis == DUTY:
        return
    stranger = Reading(**{**vars(asked), "known": Known(restricted=restricted)})
    nobody = Reading(**{**vars(asked), "known": None})
    assert answer(stranger, VALUES) == answer(nobody, {})


@given(readings())
def test_what_is_masked_tells_nothing_of_its_value(asked: Reading) -> None:
    found = judge(asked)
    if isinstance(found, Shown):
        for told in told_values(found, NUMBER, VALUES):
            if told.masked:
                assert "secret" not in str(told)
                assert not told.HasField("time")
                assert not told.HasField("amount")
                assert not [each for each in told.texts if "*" not in each]


@given(readings())
def test_once_everything_is_withdrawn_nothing_is_clear_by_consent(asked: Reading) -> None:
    if asked.known is None or asked.legal_basis != CONSENT:
        return
    gone = [Decided(**{**vars(each), "withdrawn": NOW}) for each in asked.known.decisions]
    found = judge(Reading(**{**vars(asked), "known": Known(gone)}))
    assert isinstance(found, Denied) or CLEAR not in found.fields.values()


def answer(asked: Reading, values: dict[Field, SharedValue]) -> object:
    """A reader's whole response."""
    found = judge(asked)
    if isinstance(found, Denied):
        return found
    return found.grant_id, told_values(found, NUMBER, values)


@pytest.mark.guarantee("G9")
@pytest.mark.parametrize(
    ("asked", "ends"),
    [
        (reading("counter-service", decided()), "UNSPECIFIED"),
        (reading("counter-service"), "NOT_GRANTED"),
        (reading("installation"), "SHARING_NOT_GRANTED"),
        (reading("counter-service", decided(withdrawn=True)), "WITHDRAWN"),
        (reading("installation", decided("installation", withdrawn=True)), "SHARING_NOT_GRANTED"),
        (reading("counter-service", decided(end=timedelta(0))), "EXPIRED"),
        (reading("counter-service", decided(start=timedelta(0))), "UNSPECIFIED"),
        (reading("counter-service", decided(start=DAY / 2)), "SHARING_NOT_UNTIL"),
        (reading("counter-service", decided("installation")), "OTHER_PURPOSE"),
        (reading("counter-service", decided("installation", withdrawn=True)), "NOT_GRANTED"),
        (reading("counter-service", decided(granted=False, end=None)), "SHARING_DECLINED"),
        (reading("counter-service", decided(granted=False, end=timedelta(0))), "EXPIRED"),
        (reading("counter-service", decided(granted=False, end=None), decided()), "SHARING_DECLINED"),
        (reading("counter-service", decided(), decided(granted=False, end=None)), "UNSPECIFIED"),
        (reading("counter-service", decided(withdrawn=True), decided()), "WITHDRAWN"),
        (reading("counter-service", waiting()), "SHARING_NOT_UNTIL"),
        (reading("counter-service", waiting(start=timedelta(0))), "UNSPECIFIED"),
        (reading("counter-service", waiting(), decided()), "UNSPECIFIED"),
        (reading("counter-service", waiting(withdrawn=True), decided()), "UNSPECIFIED"),
        (reading("counter-service", waiting(start=-DAY, withdrawn=True), decided()), "WITHDRAWN"),
        (reading("counter-service", waiting(), decided(granted=False, end=None)), "SHARING_DECLINED"),
        (reading("counter-service", waiting(), decided(withdrawn=True)), "SHARING_NOT_UNTIL"),
        (reading("counter-service", waiting("installation")), "NOT_GRANTED"),
        (reading("counter-service", decided(), restricted=True), "SHARING_RESTRICTED"),
        (reading("counter-service", restricted=True), "NOT_GRANTED"),
        (reading("counter-service", basis=ORDER, has_order=True), "UNSPECIFIED"),
        (reading("counter-service", decided(), basis=ORDER), "NOT_GRANTED"),
        (reading("fraud-investigation", basis=DUTY), "UNSPECIFIED"),
        (reading("fraud-investigation", basis=DUTY, restricted=True), "SHARING_RESTRICTED"),
    ],
)
def test_each_case_ends_as_the_rules_say(asked: Reading, ends: str) -> None:
    assert outcome(asked) == ends


def test_what_was_consented_to_has_another_version_once_anything_of_it_changes() -> None:
    purpose, reader = PURPOSE, Region(id="guangdong", name=LocalizedText(zh_cn="广东", en="Guangdong"))
    version = text_version(purpose, reader)
    same, turned = Purpose(), Purpose()
    same.CopyFrom(purpose)
    same.longest_grant.FromTimedelta(DAY)
    turned.CopyFrom(purpose)
    turned.fields[:] = reversed(purpose.fields)
    assert {version} == {text_version(each, reader) for each in (same, turned)}, "neither how long nor in which order"
    fewer, titled, renamed, company = Purpose(), Purpose(), Purpose(), Region()
    fewer.CopyFrom(purpose)
    fewer.fields.pop()
    titled.CopyFrom(purpose)
    titled.title.en = "Another"
    renamed.CopyFrom(purpose)
    renamed.name = "another"
    company.CopyFrom(reader)
    company.name.en = "Another"
    found = {
        version,
        text_version(purpose, company),
        *(text_version(each, reader) for each in (fewer, titled, renamed)),
    }
    assert len(found) == 5


def test_a_region_without_an_agreement_is_told_so_before_anything_is_looked_at() -> None:
    for facts in (Known([decided()]), None):
        asked = Reading(**{**vars(reading("counter-service")), "known": facts, "without_agreement": "guangdong"})
        found = judge(asked)
        assert isinstance(found, Denied)
        assert (found.reason, dict(found.parameters)) == (
            Reason.REASON_DATA_AGREEMENT_MISSING,
            {"region": "guangdong"},
        )


def test_the_home_region_sees_its_own_customers() -> None:
    asked = Reading(**{**vars(reading("counter-service")), "reader": "sichuan"})
    assert outcome(asked) == "UNSPECIFIED"


def refused(call: object, *arguments: object) -> str:
    """The reason for which a rule refuses."""
    with pytest.raises(Refused) as raised:
        call(*arguments)  # type: ignore[operator]  # a function of the rules
    return reason_name(raised.value.reason)


PURPOSE = next(each for each in PURPOSES if each.name == "counter-service")
FRAUD = next(each for each in PURPOSES if each.name == "fraud-investigation")


def test_a_field_that_the_purpose_may_not_see_is_refused() -> None:
    assert asked_fields(PURPOSE, []) == list(PURPOSE.fields)
    assert refused(asked_fields, PURPOSE, [BALANCE]) == "REQUEST_INVALID"
    assert refused(asked_fields, PURPOSE, [999]) == "REQUEST_INVALID"
    assert refused(asked_fields, PURPOSE, [0]) == "REQUEST_INVALID"


def test_a_basis_needs_what_it_rests_on() -> None:
    assert refused(require_basis, PURPOSE, 0, "", "") == "REQUEST_INVALID"
    assert refused(require_basis, PURPOSE, 999, "", "") == "REQUEST_INVALID"
    assert refused(require_basis, PURPOSE, DUTY, "", "file 1") == "SHARING_NOT_ALLOWED"
    assert refused(require_basis, PURPOSE, ORDER, "", "") == "REQUEST_INVALID"
    assert refused(require_basis, FRAUD, DUTY, "", " ") == "REQUEST_INVALID"
    require_basis(PURPOSE, ORDER, "O1", "")
    require_basis(FRAUD, DUTY, "", "file 1")


def test_a_consent_is_given_in_a_way_that_the_purpose_allows() -> None:
    paper = ConsentMethod.CONSENT_METHOD_PAPER
    require_method(PURPOSE, paper)
    assert refused(require_method, FRAUD, paper) == "SHARING_NOT_ALLOWED"
    billing = next(each for each in PURPOSES if each.name == "billing-enquiry")
    assert refused(require_method, billing, paper) == "SHARING_NOT_ALLOWED"


def test_a_grant_runs_no_longer_than_the_purpose_allows_however_early_it_begins() -> None:
    assert grant_period(PURPOSE, None, None, NOW) == (NOW, NOW + 90 * DAY)
    assert grant_period(PURPOSE, NOW + DAY, None, NOW) == (NOW + DAY, NOW + 91 * DAY)
    for start, end in ((None, NOW), (None, NOW - DAY), (NOW + DAY, NOW + DAY), (None, NOW + 91 * DAY)):
        assert refused(grant_period, PURPOSE, start, end, NOW) == "REQUEST_INVALID"
    assert refused(grant_period, PURPOSE, NOW - 100 * DAY, None, NOW) == "REQUEST_INVALID"


@given(st.lists(purposes, min_size=1))
def test_every_shipped_purpose_refuses_or_masks_a_stranger(some: Sequence[Purpose]) -> None:
    for purpose in some:
        asked = Reading("sichuan", "guangdong", purpose, CONSENT, list(purpose.fields), NOW, None)
        masked = purpose.without_grant == WithoutGrant.WITHOUT_GRANT_MASKED
        assert outcome(asked) == ("NOT_GRANTED" if masked else "SHARING_NOT_GRANTED")
