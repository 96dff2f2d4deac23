"""TMF678 at a real node: bills are read by the customer's papers, which a header has, as QueryBill reads them."""

import logging
from http import HTTPStatus
from urllib.parse import quote

import pytest
from google.protobuf.json_format import MessageToDict

from gateway.web.routes import IDENTITY_VERIFICATION
from tests.federation.counter import Counter
from tests.federation.open_api_resources import BILLS, papers
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.test_bills import bill_request
from tests.federation.test_open_api_orders import audited
from tests.federation.web_caller import WebCaller, below, web_caller


@pytest.fixture
def web(federation: Federation, guangdong: Counter) -> WebCaller:
    """The counter in Guangdong, speaking HTTP."""
    return web_caller(federation, guangdong.path)


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_a_bill_is_read_by_a_document_and_the_list_leads_through_all_months(
    federation: Federation, web: WebCaller, guangdong: Counter, home: str
) -> None:
    number = await Counter(federation, home).new_customer(balance=-1000)
    web = web.saying(papers(number, [guangdong.document("ID_ORIG")]))
    bill, path, found = await guangdong.bill(number), BILLS, []
    while path:
        page = await web.ask("GET", path)
        assert page.status == HTTPStatus.OK, page.text
        found += page.bodies
        assert (page.headers["x-total-count"], page.headers["x-result-count"]) == ("6", "1")
        path = page.headers.get("link", "").partition(">; ")[0].removeprefix("<")
    assert len({str(each["id"]) for each in found}) == len(found) == 6
    assert (found[0]["month"], found[0]["billingAccount"]) == (
        bill.month,
        {"id": bill.billing_account_id, "@referredType": "BillingAccount"},
    )
    assert found[0]["line"] == [MessageToDict(each) for each in bill.lines]
    for each in found:
        assert (await web.ask("GET", str(each["href"]))).body == each
    assert number not in str(found[0]["href"]), "a number gets another holder"
    selected = await web.ask("GET", f"{BILLS}?month={found[1]['month']}")
    assert (selected.bodies, selected.headers["x-total-count"]) == ([found[1]], "1")


async def test_a_request_that_selects_by_any_attribute_is_one_reading_of_a_bill_and_links_on(
    federation: Federation, web: WebCaller, guangdong: Counter
) -> None:
    web = web.saying(papers(await guangdong.new_customer(), [guangdong.document("ID_ORIG")]))
    latest = await web.ask("GET", BILLS)
    path = latest.headers["link"].partition(">; ")[0].removeprefix("<")
    second = (await web.ask("GET", path)).bodies[0]
    before = len(audited(federation, guangdong.path))
    none = await web.ask("GET", f"{BILLS}?id={quote(str(second['id']), safe='')}")
    assert (none.status, none.bodies) == (HTTPStatus.OK, [])
    assert len(audited(federation, guangdong.path)) - before == 1
    found = await web.ask("GET", none.headers["link"].partition(">; ")[0].removeprefix("<"))
    assert found.bodies == [second]


async def test_a_code_of_the_customer_counts_for_the_request_whose_key_it_was_sent_for(
    federation: Federation, web: WebCaller, guangdong: Counter, sichuan: Counter
) -> None:
    number, key = await sichuan.new_customer(), federation.next_id()
    code = await guangdong.receive_code(number, key)
    documents = [*await guangdong.verify(number, key, code=code), guangdong.document("ID_ORIG")]
    web = web.saying(papers(number, documents))
    assert (await web.ask("GET", BILLS, Idempotency_Key=key)).status == HTTPStatus.OK
    other = await web.ask("GET", BILLS, Idempotency_Key=federation.next_id())
    assert (other.status, other.body["code"]) == (HTTPStatus.UNPROCESSABLE_ENTITY, "NOT_VERIFIED")


async def test_without_papers_nothing_is_read_and_the_refusal_says_how_to_get_them(
    federation: Federation, web: WebCaller, guangdong: Counter
) -> None:
    before = len(audited(federation, guangdong.path))
    for path in (BILLS, below(BILLS, "account/2026-10")):
        refused = await web.ask("GET", path)
        assert (refused.status, refused.body["code"], refused.body["@type"]) == (400, "REQUEST_INVALID", "Error")
        assert IDENTITY_VERIFICATION in str(refused.body["reason"])
        assert "VerificationService" in str(refused.body["reason"])
    assert len(audited(federation, guangdong.path)) == before


async def test_both_doors_refuse_for_the_same_reasons_and_write_the_same_audit_rows(
    federation: Federation, web: WebCaller, guangdong: Counter
) -> None:
    number, unknown = await guangdong.new_customer(), federation.next_number("sichuan")
    document = guangdong.document("ID_ORIG")
    cases = [
        (bill_request(guangdong, number, documents=None), papers(number, []), ""),
        (bill_request(guangdong, unknown), papers(unknown, [document]), ""),
        (bill_request(guangdong, number, month="2019-01"), papers(number, [document]), "?month=2019-01"),
        (bill_request(guangdong, number, month="last"), papers(number, [document]), "?month=last"),
    ]
    for request, shown, query in cases:
        told = await refusal(guangdong.billing.QueryBill(request, timeout=CALL_SECONDS))
        answered = await web.saying(shown).ask("GET", f"{BILLS}{query}")
        assert (answered.body["code"], answered.body["reason"]) == (told.reason, told.texts["en"])
    rows = []
    for act in (guangdong.bill(number), web.saying(papers(number, [document])).ask("GET", BILLS)):
        before = len(audited(federation, guangdong.path))
        await act
        rows.append(audited(federation, guangdong.path)[before:])
    assert rows[0] == rows[1] != []


async def test_the_bill_of_another_account_is_not_found_by_papers_of_this_customer(
    web: WebCaller, guangdong: Counter
) -> None:
    number, other = await guangdong.new_customer(), await guangdong.new_customer()
    bill, shown = await guangdong.bill(other), papers(number, [guangdong.document("ID_ORIG")])
    refused = await web.saying(shown).ask("GET", below(BILLS, f"{bill.billing_account_id}/{bill.month}"))
    assert (refused.status, refused.body["code"]) == (HTTPStatus.NOT_FOUND, "BILL_NOT_FOUND")


async def test_no_log_has_the_papers_or_the_number(
    web: WebCaller, guangdong: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    number = await guangdong.new_customer()
    shown = papers(number, [guangdong.document("ID_ORIG")])
    web = web.saying(shown)
    with caplog.at_level(logging.DEBUG):
        assert (await web.ask("GET", BILLS)).status == HTTPStatus.OK
        month = (await guangdong.bill(number)).month
        assert (await web.ask("GET", below(BILLS, f"account/{month}"))).status == HTTPStatus.NOT_FOUND
    logged = "\n".join(each.getMessage() for each in caplog.records)
    assert not [each for each in (number, *shown.values()) if each in logged]
