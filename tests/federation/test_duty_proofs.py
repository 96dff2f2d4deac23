"""The statements of both people of a reading by legal duty, as the home region of the customer verifies them."""

from datetime import timedelta

import pytest

from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.sharing_envelopes_pb2 import SharingQuery
from gateway.api.relay.v1.relay_pb2 import DeliverResult, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.access_pb2 import Role
from tests.federation.counter import Counter
from tests.federation.forger import Forger, refused
from tests.federation.refusals import refusal
from tests.federation.running import Federation, until
from tests.federation.sharing_counter import DUTY, FILE_NUMBER, SharingCounter, masks

FRAUD, LATE = "fraud-investigation", timedelta(days=1, minutes=2)
INVENTOR = "counter"
"""The first person in what the region's key signs past its node."""


@pytest.fixture(name="staff")
def wang_of_guangdong(federation: Federation) -> SharingCounter:
    return SharingCounter.of(federation, "guangdong").by_staff()


def duty(staff: SharingCounter, number: str, reference: str = FILE_NUMBER) -> api.ReadSharedCustomerRequest:
    return staff.question(number, FRAUD, DUTY, reference=reference)


async def invented(federation: Federation, question: api.ReadSharedCustomerRequest) -> DeliverResult:
    """The answer to a question that Guangdong signs past all that its node checks, with a second person in it."""
    question.requester.staff_id, question.approver_staff_id = INVENTOR, "zhao"
    subject = f"guangdong/staff/{INVENTOR}/{question.request_id}"
    query = SharingQuery(subject=subject, role=Role.ROLE_STAFF, read=question)
    region = Forger(federation, "guangdong")
    sealed = region.seal("sichuan", EnvelopeKind.ENVELOPE_KIND_SHARING, query, "ReadSharedCustomer")
    return await region.deliver(sealed, "sichuan")


async def until_promised(federation: Federation, staff: SharingCounter) -> None:
    """Returns when Sichuan knows that the version of Guangdong sends statements."""

    async def is_refused() -> bool:
        result = await invented(federation, duty(staff, federation.next_number("sichuan")))
        return ReceiptContent.FromString(result.receipt.content).outcome == Outcome.OUTCOME_REFUSED

    await until(is_refused, "Sichuan asks Guangdong for statements")


async def test_each_reading_by_legal_duty_needs_true_statements_of_both_people_about_it(
    federation: Federation, staff: SharingCounter, sichuan: Counter
) -> None:
    await until_promised(federation, staff)
    number = await sichuan.new_customer()
    question, other = duty(staff, number), duty(staff, await sichuan.new_customer())
    another_file = duty(staff, number, "GD-FRAUD(2026)18")
    await staff.confirm_reading(question)
    first, second = (staff.statement(question, each) for each in ("wang", "zhao"))
    for expected, statements in {
        "LEGAL_DUTY_UNPROVEN": [("", ""), (first, ""), ("", second)],
        "APPROVER_IS_PROPOSER": [(first, first), (first, staff.statement(question, "Wang"))],
        "STAFF_PROOF_EXPIRED": [
            (first, staff.statement(question, "zhao", age=LATE)),
            (staff.statement(question, "wang", age=LATE), second),
        ],
        "STAFF_PROOF_INVALID": [
            (first, staff.statement(other, "zhao")),
            (first, staff.statement(another_file, "zhao")),
            (first, staff.by_staff("li").statement(question, "zhao")),
            (first, staff.statement(question, "zhao", region="sichuan")),
            (first, staff.statement(question, "li")),
            (second, first),
            (first, federation.certificates.statement(staff.counter.path, "zhao")),
            (first, "no statement"),
        ],
    }.items():
        for question.statement, question.approver_statement in statements:
            assert (await refusal(staff.ask(question))).reason == expected, statements
    question.statement, question.approver_statement = first, second
    assert masks(await staff.ask(question)) == {"UNSPECIFIED"}


async def test_a_region_that_invents_a_second_person_reads_nothing(
    federation: Federation, staff: SharingCounter, sichuan: Counter
) -> None:
    inventor, number = staff.by_staff(INVENTOR), await sichuan.new_customer()
    await until_promised(federation, staff)
    question = duty(inventor, number)
    question.statement = inventor.statement(question, INVENTOR)
    assert refused(await invented(federation, question)) == "LEGAL_DUTY_UNPROVEN"
    question.approver_statement = inventor.statement(question, "li")
    assert refused(await invented(federation, question)) == "STAFF_PROOF_INVALID", "it is of another one than told"
    question.approver_statement = inventor.statement(question, "zhao")
    answer = (await invented(federation, question)).receipt.content
    assert ReceiptContent.FromString(answer).outcome == Outcome.OUTCOME_ACCEPTED
