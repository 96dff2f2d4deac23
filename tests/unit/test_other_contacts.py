"""Other contacts: how a customer names them, how they change, and which ways of proof a code to one is."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Policy, ProofWay, ProofWays, SourcedProofWay
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused
from gateway.federation.policies import proof_ways
from gateway.wording.masking import masked_number
from region_node.customers.other_contacts.rules import OtherContact, Wanted, change_contacts, mask_of, reached
from region_node.customers.verification.rules import (
    OTP,
    OTP_CONTACT,
    PWD,
    hash_code,
    is_customers_word,
    is_proven,
    proves,
)

NOW = datetime(2030, 6, 15, 4, tzinfo=UTC)
LATER = NOW + timedelta(days=7)
ZONE = ZoneInfo("Asia/Shanghai")
NUMBERS = st.integers(10**8, 10**9 - 1).map(lambda digits: f"+8613{digits}")
LINE, CONTACT = ProofWay.PROOF_WAY_CODE_TO_LINE, ProofWay.PROOF_WAY_CODE_TO_CONTACT
PASSWORD, COOLING_OFF = ProofWay.PROOF_WAY_PASSWORD, ProofWay.PROOF_WAY_COOLING_OFF
HOME_STAFF = ProofWay.PROOF_WAY_HOME_STAFF


@given(NUMBERS)
def test_a_number_and_both_forms_of_its_mask_name_the_same_contact(number: str) -> None:
    mask = masked_number(number)
    assert {mask_of(said) for said in (number, number.removeprefix("+86"), mask, mask.removeprefix("+86"))} == {mask}


@pytest.mark.parametrize("said", ["****", "138***1234", "138*****1234", "+****1234", "1*", "+86138****1234 "])
def test_half_a_mask_names_nobody(said: str) -> None:
    with pytest.raises(Refused):
        mask_of(said)


@given(st.lists(NUMBERS, unique=True, max_size=5), st.lists(NUMBERS, unique=True, max_size=5))
def test_a_contact_that_stays_keeps_its_time_and_a_new_one_waits(before: list[str], after: list[str]) -> None:
    held = [OtherContact(each, NOW) for each in before]
    kept = after[: len(after) // 2] + before[: len(before) // 2]
    change = change_contacts(held, Wanted(kept, LATER, ZONE))
    assert [each.number for each in change.contacts] == kept
    assert all(each.effective == (NOW if each.number in before else LATER) for each in change.contacts)
    assert {each.number for each in change.added} == set(kept) - set(before)
    assert {each.number for each in change.removed} == set(before) - set(kept)


def test_a_contact_gets_codes_from_its_time_on_and_not_a_moment_before() -> None:
    contact = OtherContact("+8613812341234", LATER)
    mask = masked_number(contact.number)
    assert reached([contact], mask, LATER - timedelta(microseconds=1)) is None
    assert reached([contact], mask, LATER) == contact.number
    assert reached([contact], "+86139****1234", LATER) is None


def test_a_code_to_a_contact_proves_by_the_policy_alone_and_never_that_the_customer_acts() -> None:
    shown = [Document(code=OTP_CONTACT)]
    assert proves(shown, {CONTACT, COOLING_OFF})
    assert not proves(shown, {LINE, PASSWORD, COOLING_OFF, HOME_STAFF})
    assert not is_proven(shown)
    assert proves([Document(code=OTP), *shown], {LINE})
    assert not proves([Document(code=PWD), Document(code="ID_ORIG")], {LINE, CONTACT})


def test_papers_are_the_word_of_a_customer_who_acts_alone_only_with_a_code_to_the_line_or_a_password() -> None:
    on_file = Document(code="ID_ORIG", document_id="sichuan/counter/R1")
    contact = Document(code=OTP_CONTACT)
    for said in (OTP, PWD):
        assert is_customers_word([Document(code=said), on_file, contact])
        assert not is_customers_word([Document(code=said), Document(code="ID_ORIG")])
    for documents in ([], [contact], [contact, on_file], [on_file]):
        assert not is_customers_word(documents)


def test_a_federation_without_a_policy_of_ways_takes_those_of_before_and_no_code_to_a_contact() -> None:
    days = Policy(name="days")
    assert proof_ways([days]) == proof_ways([]) == {LINE, PASSWORD, COOLING_OFF, HOME_STAFF}
    named = Policy(name="proof", ways=ProofWays(ways=[SourcedProofWay(way=CONTACT), SourcedProofWay(way=COOLING_OFF)]))
    assert proof_ways([days, named]) == {CONTACT, COOLING_OFF}


def test_a_process_that_knows_no_contacts_finds_a_code_to_one_wrong() -> None:
    key = bytes(32)
    assert hash_code(key, "subject", "number", "123456", "ab") != hash_code(key, "subject", "number", "123456")
