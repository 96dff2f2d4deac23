"""Profiles of own and of foreign customers, by the same call; and when there is none."""

from datetime import timedelta

import pytest

from gateway.api.region.v1.customer_service_pb2 import ProductStatus, Profile, QueryProfileRequest
from gateway.api.types.v1.types_pb2 import Applicant, Document
from tests.federation.counter import REQUESTER, Counter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation

handled_anywhere = pytest.mark.parametrize("handling", ["guangdong", "sichuan"])
HOLDER, ENTERPRISE = Applicant.APPLICANT_HOLDER, Applicant.APPLICANT_ENTERPRISE
PASSWORD = "271828"


async def profile(
    counter: Counter,
    number: str,
    request_id: str,
    documents: list[Document],
    applicant: Applicant.ValueType = HOLDER,
) -> Profile:
    """The profile of a number."""
    request = QueryProfileRequest(
        request_id=request_id, number=number, applicant=applicant, documents=documents, requester=REQUESTER
    )
    return (await counter.customers.QueryProfile(request, timeout=CALL_SECONDS)).profile


@handled_anywhere
@pytest.mark.clause("1.3.4")
async def test_a_profile_shows_what_the_customer_has_and_hides_the_name(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    counter, request_id = Counter(federation, handling), federation.next_id()
    number = await sichuan.new_customer(name="欧阳震华", balance=4200)
    columns = "subscription_id, product_id, offering_id, start_time, end_time"
    values = f"'S{number}', 'product-{number.removeprefix('+')}', 'sichuan-ring-tones', 0, NULL"
    federation.database("sichuan").change(f"INSERT INTO subscriptions ({columns}) VALUES ({values})")
    documents = await counter.verify(number, request_id, code=await counter.receive_code(number, request_id))
    shown = await profile(counter, number, request_id, documents)
    assert (shown.region, shown.masked_name, shown.balance.minor_units) == ("sichuan", "欧阳*", 4200)
    assert (shown.product.number, shown.product.plan_id) == (number, "sichuan-29")
    assert [each.offering_id for each in shown.product.subscriptions] == ["sichuan-ring-tones"]
    assert shown.product.emergency_calls_allowed
    assert "震华" not in str(shown)


@handled_anywhere
async def test_a_password_opens_a_profile_and_the_reading_is_audited_at_home(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    counter, request_id, number = Counter(federation, handling), federation.next_id(), await sichuan.new_customer()
    await counter.change_password(number, PASSWORD)
    documents = await counter.verify(number, request_id, password=PASSWORD)
    assert (await profile(counter, number, request_id, documents)).masked_name == "L*"
    reads = federation.database("sichuan").rows(
        "SELECT actor, detail FROM audit WHERE action = 'QueryProfile' AND subject = ?",
        f"customer-{number.removeprefix('+')}",
    )
    assert reads == [(counter.path, "staff clerk-7")]


@handled_anywhere
async def test_a_profile_is_refused_for_each_document_that_is_missing_stale_or_for_another_request(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    counter, request_id, number = Counter(federation, handling), federation.next_id(), await sichuan.new_customer()
    told = await refusal(profile(counter, number, request_id, []))
    assert (told.reason, told.parameters) == ("DOCUMENT_MISSING", {"documents": "OTP|PWD"})
    told = await refusal(profile(counter, number, request_id, [counter.document("ID_ORIG")]))
    assert told.reason == "DOCUMENT_MISSING"
    told = await refusal(profile(counter, number, request_id, [counter.document("OTP")]))
    assert (told.reason, told.parameters) == ("NOT_VERIFIED", {"documents": "OTP"})
    documents = await counter.verify(number, request_id, code=await counter.receive_code(number, request_id))
    assert (await refusal(profile(counter, number, federation.next_id(), documents))).reason == "NOT_VERIFIED"
    neighbour = await sichuan.new_customer()
    assert (await refusal(profile(counter, neighbour, request_id, documents))).reason == "NOT_VERIFIED"
    other = Counter(federation, handling, "app")
    assert (await refusal(profile(other, number, request_id, documents))).reason == "NOT_VERIFIED"
    assert (await refusal(profile(counter, number, "", documents))).reason == "REQUEST_INVALID"
    await federation.advance(timedelta(minutes=17))
    assert (await refusal(profile(counter, number, request_id, documents))).reason == "DOCUMENT_STALE"


@handled_anywhere
async def test_a_company_brings_its_letter_and_an_agent_is_not_served(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    counter, request_id, number = Counter(federation, handling), federation.next_id(), await sichuan.new_customer()
    verified = await counter.verify(number, request_id, code=await counter.receive_code(number, request_id))
    papers = [counter.document("HANDLER_ID"), counter.document("SEAL_LETTER")]
    for missing in papers:
        brought = [*verified, *(each for each in papers if each is not missing)]
        told = await refusal(profile(counter, number, request_id, brought, ENTERPRISE))
        assert (told.reason, told.parameters) == ("DOCUMENT_MISSING", {"documents": missing.code})
    assert (await profile(counter, number, request_id, [*verified, *papers], ENTERPRISE)).region == "sichuan"
    agent = profile(counter, number, request_id, verified, Applicant.APPLICANT_AGENT)
    assert (await refusal(agent)).reason == "APPLICANT_NOT_ALLOWED"


@handled_anywhere
async def test_a_closed_line_has_no_profile(federation: Federation, sichuan: Counter, handling: str) -> None:
    counter, request_id, number = Counter(federation, handling), federation.next_id(), await sichuan.new_customer()
    documents = await counter.verify(number, request_id, code=await counter.receive_code(number, request_id))
    terminated = int(ProductStatus.PRODUCT_STATUS_TERMINATED)
    database = federation.database("sichuan")
    database.change(f"UPDATE products SET status = {terminated} WHERE number = '{database.index_of(number)}'")
    assert (await refusal(profile(counter, number, request_id, documents))).reason == "LINE_CLOSED"


async def test_no_profile_where_nobody_can_answer(federation: Federation, guangdong: Counter) -> None:
    for home, reason in {"": "NUMBER_UNRESOLVED", NOT_JOINED: "REGION_NOT_JOINED"}.items():
        about = profile(guangdong, federation.next_number(home), "R", [guangdong.document("OTP")])
        assert (await refusal(about)).reason == reason
