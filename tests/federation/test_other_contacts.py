"""Another contact of a customer gets the code of a lost telephone, and nobody slips in a contact of their own."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.federation.v1.configuration_pb2 import ProofWay
from gateway.api.region.v1 import verification_service_pb2 as api
from gateway.api.region.v1.customer_service_pb2 import Customer, OtherContact, Product, UpdateCustomerRequest
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.types_pb2 import Document
from gateway.time.clock import from_timestamp
from gateway.wording.masking import masked_number
from tests.federation.counter import REQUESTER, Counter, Reviewer, code_in
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.sharing_counter import SharingCounter
from tests.federation.test_documents import apply_everywhere
from tests.shipped import shipped_configuration

MINUTE = timedelta(minutes=1)
SETTLES = timedelta(days=7)  # of the shipped policy
PENDING, COMPLETED = OrderState.ORDER_STATE_PENDING, OrderState.ORDER_STATE_COMPLETED
STORED = "SELECT 1 FROM other_contacts WHERE customer_id = ?"
CARD = {"id_kind": "resident-id-card", "iccid": "89860123456789012345"}


async def with_contacts(home: Counter, *contacts: str) -> str:
    """A customer whose other contacts were imported."""
    number = home.federation.next_number(home.region)
    customer = home.customer(number)
    customer.other_contacts.extend(OtherContact(number=each) for each in contacts)
    await home.create(customer)
    return number


async def change_contacts(home: Counter, number: str, *contacts: str) -> Customer:
    """A clerk of the home region, who has seen papers, changes the other contacts."""
    customer = Customer(product=Product(number=number), other_contacts=[OtherContact(number=each) for each in contacts])
    request = UpdateCustomerRequest(
        customer=customer, update_mask=FieldMask(paths=["other_contacts"]), requester=REQUESTER
    )
    return (await home.customers.UpdateCustomer(request, timeout=CALL_SECONDS)).customer


async def ask_for_code(counter: Counter, number: str, request_id: str, contact: str) -> api.SendCodeResponse:
    """A code to another contact, or to nobody."""
    request = api.SendCodeRequest(request_id=request_id, number=number, contact=contact, requester=REQUESTER)
    return await counter.verification.SendCode(request, timeout=CALL_SECONDS)


def codes(federation: Federation, number: str, home: str) -> list[str]:
    """The codes that a telephone has got from a home region."""
    return [code_in(each) for each in federation.texts(number, home) if each.kind == "one-time-code"]


async def proof(counter: Counter, home: Counter, number: str, request_id: str, contact: str) -> Sequence[Document]:
    """The documents by a code that another contact has read out."""
    await ask_for_code(counter, number, request_id, masked_number(contact))
    code = codes(counter.federation, contact, home.region)[-1]
    return await counter.verify(number, request_id, code=code)


async def replace_card(counter: Counter, number: str) -> Order:
    """An order for a new card, by papers that a clerk has seen."""
    return await counter.submit(counter.request("SIM_REPLACE", number, papers=("ID_ORIG", "FACE", "CALLREC3"), **CARD))


async def test_a_customer_whose_telephone_is_lost_has_the_card_replaced_elsewhere_by_a_code_to_another_contact(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    sister = federation.next_number("henan")
    number = await with_contacts(sichuan, federation.next_number("sichuan"), sister)
    order = await replace_card(guangdong, number)
    assert (order.state, order.awaiting.action) == (PENDING, "verify")
    request_id = order.id.rpartition("/")[2]
    documents = await proof(guangdong, sichuan, number, request_id, sister)
    assert [each.code for each in documents] == ["OTP_CONTACT"]
    assert (await guangdong.supplement(order.id, documents=documents)).state == COMPLETED
    assert codes(federation, number, "sichuan") == []
    told = [each for each in federation.texts(number) if each.kind == "other-contact-code"]
    assert [masked_number(sister) in each.en for each in told] == [True]


async def test_who_changes_a_contact_by_papers_has_no_card_replaced_by_it_before_the_customer_could_object(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    sister, thief = federation.next_number("henan"), federation.next_number("henan")
    number = await with_contacts(sichuan, sister)
    changed = await change_contacts(sichuan, number, thief)
    (contact,) = changed.other_contacts
    assert from_timestamp(contact.effective_time) - federation.clock.now() > SETTLES - MINUTE
    order = await replace_card(guangdong, number)
    request_id = order.id.rpartition("/")[2]
    await ask_for_code(guangdong, number, request_id, masked_number(thief))
    assert (await refusal(guangdong.verify(number, request_id, code="000000"))).reason == "VERIFICATION_FAILED"
    assert codes(federation, thief, "sichuan") == []
    for told in (number, sister):
        kinds = [each.kind for each in federation.texts(told, "sichuan")]
        assert "other-contact-changed" in kinds, told
    assert (await guangdong.get(order.id)).state == PENDING
    await federation.advance(SETTLES + MINUTE)
    assert await proof(guangdong, sichuan, number, federation.next_id(), thief)


@pytest.mark.parametrize("handling", ["sichuan", "guangdong"])
async def test_a_contact_that_is_not_on_file_is_answered_as_one_that_is_and_as_for_nobodys_number(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    counter, contact = Counter(federation, handling), federation.next_number("henan")
    mask, told = masked_number(contact), []
    numbers = (
        await with_contacts(sichuan, contact),
        await sichuan.new_customer(),
        federation.next_number("sichuan"),
    )
    for number in numbers:
        request_id = federation.next_id()
        sent = await ask_for_code(counter, number, request_id, mask)
        again = await ask_for_code(counter, number, request_id, mask)
        to_line = await refusal(counter.receive_code(number, request_id))
        wrong = await refusal(counter.verify(number, request_id, code="x"))
        told.append((sent.masked_number, again == sent, to_line.reason, wrong.reason, wrong.parameters.get("left")))
    assert told == [(mask, True, "CODE_SENT_RECENTLY", "VERIFICATION_FAILED", "4")] * 3
    assert len(codes(federation, contact, "sichuan")) == 1


async def test_a_contact_is_named_by_its_mask_or_its_number_of_which_the_mask_alone_leaves_the_region(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    contact = federation.next_number("henan")
    number = await with_contacts(sichuan, contact)
    for said in (contact, contact.removeprefix("+86"), masked_number(contact).removeprefix("+86")):
        sent = await ask_for_code(guangdong, number, federation.next_id(), said)
        assert sent.masked_number == masked_number(contact)
        await federation.advance(2 * MINUTE)
    assert len(codes(federation, contact, "sichuan")) == 3
    for wrong in ("138***1234", "****", "x*"):
        told = await refusal(ask_for_code(guangdong, number, federation.next_id(), wrong))
        assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "contact")


async def test_a_code_to_another_contact_proves_what_the_policy_of_the_business_allows_and_nothing_else(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    contact = federation.next_number("henan")
    number = await with_contacts(sichuan, contact)
    await sichuan.change_password(number, "271828")
    await federation.advance(2 * MINUTE)
    order = await guangdong.submit(guangdong.request("PWD_RESET", number, papers=("ID_ORIG", "FACE")))
    documents = await proof(guangdong, sichuan, number, order.id.rpartition("/")[2], contact)
    assert (await guangdong.supplement(order.id, documents=documents)).state == COMPLETED

    await federation.advance(2 * MINUTE)
    request_id = federation.next_id()
    documents = await proof(guangdong, sichuan, number, request_id, contact)
    cancelled = guangdong.request("VAS_CANCEL", number, papers=(), offering="sichuan-ring-tones")
    cancelled.documents.extend(documents)
    assert (await refusal(guangdong.submit(cancelled, request_id=request_id))).reason == "DOCUMENT_MISSING"

    await federation.advance(2 * MINUTE)
    request_id = federation.next_id()
    await ask_for_code(guangdong, number, request_id, contact)
    code = codes(federation, contact, "sichuan")[-1]
    password = guangdong.change_password(number, "314159", request_id=request_id, code=code)
    assert (await refusal(password)).reason == "CODE_EXPIRED"


async def test_a_business_whose_policy_does_not_name_contacts_refuses_a_code_to_one_and_still_waits(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    contact = federation.next_number("henan")
    number = await with_contacts(sichuan, contact)
    order = await guangdong.submit(guangdong.request("PROFILE_UPD", number, papers=("ID_ORIG", "FACE"), name="王方"))
    await reviewer.decide(order.id, ReviewDecision.REVIEW_DECISION_APPROVE)
    await guangdong.awaits(order.id, "verify")
    documents = await proof(guangdong, sichuan, number, order.id.rpartition("/")[2], contact)
    told = await refusal(guangdong.supplement(order.id, documents=documents))
    assert (told.reason, told.parameters["proof"]) == ("PROOF_WAY_NOT_TAKEN", "OTP_CONTACT")
    assert told.parameters["ways"] == "CODE_TO_LINE, PASSWORD, COOLING_OFF, HOME_STAFF"
    assert (await guangdong.get(order.id)).awaiting.action == "verify"


async def test_a_consent_by_a_code_to_another_contact_takes_effect_at_once(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    contact = federation.next_number("henan")
    number = await with_contacts(sichuan, contact)
    south, request_id = SharingCounter(guangdong), federation.next_id()
    documents = await proof(guangdong, sichuan, number, request_id, contact)
    given = await south.give(south.decision(number, "guangdong", documents=documents, request_id=request_id))
    assert from_timestamp(given.start_time) <= federation.clock.now()
    assert (await south.read(number)).HasField("record")


async def test_contacts_are_read_at_home_changed_there_and_go_with_an_erased_customer(
    federation: Federation, sichuan: Counter
) -> None:
    first, second = federation.next_number("henan"), federation.next_number("henan")
    number = await with_contacts(sichuan, first)
    before = (await sichuan.read(number)).other_contacts[0]
    after = await change_contacts(sichuan, number, first, second)
    assert after.other_contacts[0] == before, "one that stays keeps its time"
    assert [each.number for each in (await sichuan.read(number)).other_contacts] == [first, second]
    customer_id = after.id
    assert len(federation.database("sichuan").rows(STORED, customer_id)) == 1
    twins = await refusal(change_contacts(sichuan, number, "+8613800001234", "+8613899991234"))
    assert (twins.reason, twins.parameters["field"]) == ("REQUEST_INVALID", "customer.other_contacts")
    many = await refusal(change_contacts(sichuan, number, *(f"+861380000{each}" for each in range(1000, 1006))))
    assert (many.reason, many.parameters["field"]) == ("REQUEST_INVALID", "customer.other_contacts")
    assert not (await change_contacts(sichuan, number)).other_contacts
    assert federation.database("sichuan").rows(STORED, customer_id) == []


async def test_staff_of_the_home_region_speak_for_a_customer_only_where_the_policy_of_the_business_names_them(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    strict = shipped_configuration()
    (policy,) = (each for each in strict.policies if each.name == "proof-of-password-reset")
    policy.ways.ways.remove(next(each for each in policy.ways.ways if each.way == ProofWay.PROOF_WAY_HOME_STAFF))
    await apply_everywhere(federation, strict)
    number = await sichuan.new_customer()
    order = await guangdong.submit(guangdong.request("PWD_RESET", number, papers=("ID_ORIG", "FACE")))
    told = await refusal(reviewer.decide(order.id, ReviewDecision.REVIEW_DECISION_APPROVE))
    assert (told.reason, told.parameters["proof"]) == ("PROOF_WAY_NOT_TAKEN", "HOME_STAFF")
    assert (await guangdong.get(order.id)).awaiting.action == "verify"
    await reviewer.decide(order.id, ReviewDecision.REVIEW_DECISION_REJECT, note="the customer objects")
    await guangdong.reaches(order.id, OrderState.ORDER_STATE_FAILED)
    await apply_everywhere(federation, shipped_configuration())
