"""The page of a customer at the console of a real node: what staff may see, and that each look is recorded."""

import html
import re
from http import HTTPStatus
from urllib.parse import quote

import pytest

from gateway.api.region.v1 import billing_service_pb2 as billing_api
from gateway.api.region.v1 import sharing_service_pb2 as sharing_api
from gateway.api.region.v1 import verification_service_pb2 as verification_api
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from gateway.api.region.v1.verification_service_pb2_grpc import VerificationServiceStub
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Requester
from gateway.wording.masking import masked_number
from tests.federation.archive import Archive, scan
from tests.federation.browser import ROOT, Browser
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter, code_in
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.sharing_counter import SharingCounter
from tests.federation.test_console import STAFF, audited


def documents_read(federation: Federation, region: str) -> int:
    """The number of readings of documents on file that a region has recorded."""
    return len(federation.database(region).rows("SELECT 1 FROM audit WHERE action = 'ListDocuments'"))


@pytest.fixture
def browser(federation: Federation) -> Browser:
    """The browser of a member of Guangdong's staff, who has not signed in."""
    return Browser.of(federation, STAFF)


async def test_a_customer_of_the_region_is_shown_with_line_orders_and_complaints_and_each_look_is_recorded(
    federation: Federation, browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    number = await guangdong.new_customer(name="陈晓明")
    order = await sichuan.order("PAY", number)
    complaint = await Complainant(federation, "guangdong").file("BILL_WRONG", number)
    await browser.sign_in()
    before = len(audited(federation, STAFF))
    page = await browser.open(f"customers?number=%2B{number.removeprefix('+')}")
    assert (page.status, "陈晓明" in page.text) == (HTTPStatus.OK, True)
    for path in (f"orders/{order.id}", f"complaints/{complaint.ticket_id}"):
        assert f'href="{ROOT}/{path}"' in page.text
    looks = [action for action, _, _ in audited(federation, STAFF)[before:]]
    assert {"GetCustomer", "GetContactPreferences", "ListDocuments", "ListOrders"} <= set(looks)
    assert (
        f'href="{ROOT}/customers?number=%2B{number.removeprefix("+")}"'
        in (await browser.open(f"orders/{order.id}")).text
    )


async def test_of_a_customer_of_another_region_the_page_asks_that_region_nothing_and_has_the_own_work(
    federation: Federation, browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(name="李秀英")
    order = await guangdong.order("PAY", number)
    await browser.sign_in()
    before = documents_read(federation, "sichuan")
    page = await browser.open(f"customers?number=%2B{number.removeprefix('+')}")
    assert (page.status, "李秀英" in page.text) == (HTTPStatus.OK, False)
    assert documents_read(federation, "sichuan") == before
    assert f'href="{ROOT}/orders/{order.id}"' in page.text
    assert "CUSTOMER_NOT_FOUND" in page.text
    assert (await browser.open("customers")).status == HTTPStatus.OK
    assert (await browser.open("customers?format=csv")).status == HTTPStatus.BAD_REQUEST, "it has no table"
    wrong = await browser.open("customers?number=12")
    assert (wrong.status, wrong.text.count("NUMBER_INVALID")) == (HTTPStatus.BAD_REQUEST, 1)


def code_of(federation: Federation, number: str) -> str:
    """The last code that a customer has received."""
    return [code_in(text) for text in federation.texts(number) if text.kind == "one-time-code"][-1]


async def test_with_the_code_of_the_customer_staff_see_bills_consents_and_who_has_looked(
    federation: Federation, guangdong: Counter
) -> None:
    number = await guangdong.new_customer()
    await Archive(guangdong).put(number, scan(100))
    staff = f"region/guangdong/staff/{federation.next_id()}"
    browser = Browser.of(federation, staff)
    await browser.sign_in()
    path = f"customers/identity-check?number={quote(number)}"
    assert f'href="{ROOT}/{path}"' in (await browser.open(f"customers?number={quote(number)}")).text
    sent = await browser.fill_in(path, "send-code", {})
    assert sent.status == HTTPStatus.SEE_OTHER, sent.text
    check = sent.headers["location"]
    wrong = await browser.fill_in(check, "verify", {"code": "x"})
    assert (wrong.status >= HTTPStatus.BAD_REQUEST, "<table" in wrong.text) == (True, False)
    known = await browser.fill_in(check, "verify", {"code": code_of(federation, number)})
    assert known.status == HTTPStatus.SEE_OTHER, known.text
    address = known.headers["location"]
    page = await browser.open(address)
    assert (page.status, "NOT_VERIFIED" in page.text) == (HTTPStatus.OK, False)
    month = max(re.findall(r"&month=(\d{4}-\d\d)", html.unescape(page.text)))
    of_month = await browser.open(f"{address}&month={month}&format=csv")
    assert (of_month.status, f"{month},not billed" in of_month.text) == (HTTPStatus.OK, True), of_month.text
    looks = {action for action, _, _ in audited(federation, staff)}
    assert {"SendCode", "Verify", "QueryBill", "ListGrants", "ListDisclosures"} <= looks
    other = Browser.of(federation, f"region/guangdong/staff/{federation.next_id()}")
    await other.sign_in()
    stolen = await other.open(address)
    assert (stolen.status, stolen.text.count("NOT_VERIFIED"), "<table" in stolen.text) == (HTTPStatus.OK, 3, False)
    assert (await browser.open(f"{path}&proof=x")).status == HTTPStatus.BAD_REQUEST


async def test_staff_send_a_code_to_another_contact_by_its_mask_and_read_no_bill_by_it(
    federation: Federation, guangdong: Counter
) -> None:
    contact, customer = federation.next_number("henan"), guangdong.customer(federation.next_number("guangdong"))
    customer.other_contacts.add(number=contact)
    await guangdong.create(customer)
    number, mask = customer.product.number, masked_number(contact)
    browser = Browser.of(federation, f"region/guangdong/staff/{federation.next_id()}")
    await browser.sign_in()
    shown = (await browser.open(f"customers?number={quote(number)}")).text
    assert (mask in shown, contact in shown) == (True, False)
    sent = await browser.fill_in(f"customers/identity-check?number={quote(number)}", "send-code", {"contact": mask})
    assert sent.status == HTTPStatus.SEE_OTHER, sent.text
    code = [code_in(text) for text in federation.texts(contact, "guangdong") if text.kind == "one-time-code"][-1]
    known = await browser.fill_in(sent.headers["location"], "verify", {"code": code})
    assert known.status == HTTPStatus.SEE_OTHER, known.text
    page = (await browser.open(known.headers["location"])).text
    assert page.count("DOCUMENT_MISSING") == 3, "bills, consents and disclosures"
    guide = (await browser.open("orders/new?business=SIM_REPLACE")).text
    assert "code to contact (Promise of the federation: the line is often what is lost)" in guide


async def test_with_the_code_of_a_customer_of_another_region_staff_see_what_that_region_tells_and_it_names_them(
    federation: Federation, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    await Archive(sichuan).put(number, scan(100))
    name = federation.next_id()
    staff = f"region/guangdong/staff/{name}"
    browser = Browser.of(federation, staff)
    await browser.sign_in()
    sent = await browser.fill_in(f"customers/identity-check?number={quote(number)}", "send-code", {})
    assert sent.status == HTTPStatus.SEE_OTHER, sent.text
    known = await browser.fill_in(sent.headers["location"], "verify", {"code": code_of(federation, number)})
    assert known.status == HTTPStatus.SEE_OTHER, known.text
    address = known.headers["location"]
    page = await browser.open(address)
    assert (page.status, "NOT_VERIFIED" in page.text, "NOT_HOME" in page.text) == (HTTPStatus.OK, False, False)
    month = max(re.findall(r"&month=(\d{4}-\d\d)", html.unescape(page.text)))
    told = await browser.open(f"{address}&format=csv")
    assert (f"{month},not billed" in told.text, f"staff/{name}" in told.text) == (True, True), told.text
    looks = {action for action, _, _ in audited(federation, staff, "sichuan")}
    assert {"SendCode", "Verify", "QueryBill", "ListGrants", "ListDisclosures"} <= looks
    colleague = Browser.of(federation, f"region/guangdong/staff/{federation.next_id()}")
    await colleague.sign_in()
    stolen = await colleague.open(address)
    assert (stolen.status, stolen.text.count("NOT_VERIFIED"), "<table" in stolen.text) == (HTTPStatus.OK, 3, False)


async def test_by_a_grant_staff_see_the_record_of_a_customer_of_another_region_and_its_masks_without_one(
    federation: Federation, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(name="张三丰")
    name = federation.next_id()
    browser = Browser.of(federation, f"region/guangdong/staff/{name}")
    await browser.sign_in()
    path = f"customers/shared-record?number={quote(number)}"
    assert f'href="{ROOT}/{path}"' in (await browser.open(f"customers?number={quote(number)}")).text
    assert "<tbody" not in (await browser.open(path)).text
    masked = await browser.open(f"{path}&purpose=counter-service")
    assert (masked.status, "张三丰" in masked.text, "***" in masked.text) == (HTTPStatus.OK, False, True), masked.text
    sharing = SharingCounter.of(federation, "guangdong")
    grant = await sharing.consent(number, "guangdong", "counter-service")
    granted = await browser.open(f"{path}&purpose=counter-service")
    assert (granted.status, "张三丰" in granted.text, grant.grant_id in granted.text) == (HTTPStatus.OK, True, True)
    assert "张三丰" in (await browser.open(f"{path}&purpose=counter-service&format=csv")).text
    refused = await browser.open(f"{path}&purpose=installation")
    assert (refused.status, "SHARING_NOT_GRANTED" in refused.text) == (HTTPStatus.OK, True)
    assert (await browser.open(f"{path}&purpose=fraud-investigation")).status == HTTPStatus.BAD_REQUEST
    readers = [each.operator for each in await SharingCounter.of(federation, "sichuan").disclosures(number)]
    assert readers.count(f"staff/{name}") == 4


async def test_staff_read_of_no_region_a_bill_without_the_customers_code_and_guess_no_password(
    federation: Federation, guangdong: Counter, sichuan: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = federation.dial_node("guangdong", STAFF)
    in_person = Requester(channel=Channel.CHANNEL_COUNTER)
    at_home = await guangdong.new_customer()
    away = await sichuan.new_customer()
    request = billing_api.QueryBillRequest(
        month=f"{federation.clock.now():%Y-%m}",
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[guangdong.document("ID_ORIG")],
        requester=in_person,
    )
    grants = sharing_api.ListGrantsRequest(
        request_id=federation.next_id(),
        applicant=Applicant.APPLICANT_HOLDER,
        documents=request.documents,
        requester=in_person,
    )
    bills, sharing = BillingServiceStub(channel), SharingServiceStub(channel)
    verification = VerificationServiceStub(channel)
    for number in (at_home, away):
        request.number = grants.number = number
        assert (await refusal(bills.QueryBill(request, timeout=CALL_SECONDS))).reason == "DOCUMENT_MISSING"
        assert (await refusal(sharing.ListGrants(grants, timeout=CALL_SECONDS))).reason == "DOCUMENT_MISSING"
        guess = verification_api.VerifyRequest(
            request_id=federation.next_id(), number=number, password="000000", requester=in_person
        )
        told = await refusal(verification.Verify(guess, timeout=CALL_SECONDS))
        assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "password")
    monkeypatch.setattr("region_node.customers.verified.require_code_of_staff", lambda *_: None)
    told = await refusal(bills.QueryBill(request, timeout=CALL_SECONDS))
    assert told.reason == "DOCUMENT_MISSING", "a home region of an earlier version asks staff for no code"
