"""Orders that staff take in at the console of a real node: the form of the guide, refusals, and further commands."""

import hashlib
import hmac
import json
import re
from http import HTTPStatus
from urllib.parse import quote

import pytest

from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import Applicant, Channel
from tests.federation.browser import ROOT, Browser, hidden_fields
from tests.federation.certificates import DOCUMENT_KEY
from tests.federation.counter import Counter, Reviewer
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.test_console import STAFF, audited, shown

COLLEAGUE = "region/guangdong/staff/li"
FILLED = {"channel": "counter", "value.reason": "abroad", "paper.ID_ORIG": "110105 19491231-002x"}


@pytest.fixture
def browser(federation: Federation) -> Browser:
    """The browser of a member of Guangdong's staff, who has not signed in."""
    return Browser.of(federation, STAFF)


def form_of(business: str, number: str) -> str:
    """The address of the form of a business for a customer in person."""
    return f"orders/new?business={business}&applicant=holder&number={quote(number)}"


async def test_a_clerk_finds_a_business_fills_in_its_form_and_one_order_comes_of_it_however_often_it_is_sent(
    federation: Federation, browser: Browser, sichuan: Counter
) -> None:
    await browser.sign_in()
    number = await sichuan.new_customer()
    assert f'href="{ROOT}/orders/new"' in (await browser.open("orders")).text
    found = await browser.open(f"orders/new?search={quote('停机')}&number={quote(number)}")
    assert f'href="{ROOT}/orders/new?business=SUSPEND&amp;number={quote(number)}"' in found.text
    guide = await browser.open(f"orders/new?business=SUSPEND&number={quote(number)}")
    assert ('name="act" value="submit"' in guide.text, 'value="holder"' in guide.text) == (False, True)
    path = form_of("SUSPEND", number)
    sent = {**hidden_fields((await browser.open(path)).text, "submit"), **FILLED, "time.start": "2027-01-02T09:30"}
    answers = [await browser.send(path, sent) for _ in range(2)]
    assert {each.status for each in answers} == {HTTPStatus.SEE_OTHER}, answers[0].text
    (led_to,) = {each.headers["location"] for each in answers}
    order = await order_at(federation, led_to)
    assert (order.operator, order.request.requester.staff_id) == ("staff/wang", "wang")
    assert order.request.requester.channel == Channel.CHANNEL_COUNTER
    assert order.request.applicant == Applicant.APPLICANT_HOLDER
    assert dict(order.request.characteristics) == {"reason": "abroad", "start": "2027-01-02T01:30:00Z"}
    (paper,) = order.request.documents
    hashed = hmac.digest(DOCUMENT_KEY, b"ID_ORIG\n11010519491231002X", hashlib.sha256)
    assert (paper.code, paper.verifier, paper.keyed_hash) == ("ID_ORIG", "wang", hashed)
    assert "110105" not in str(order)
    rows = [row for row in audited(federation, STAFF) if row[0] == "SubmitOrder" and row[1] == order.id]
    assert len(rows) == 1
    assert (await browser.open(led_to)).status == HTTPStatus.OK


async def test_a_refused_order_says_at_which_field_it_is_wrong_and_keeps_what_was_entered(
    browser: Browser, sichuan: Counter
) -> None:
    await browser.sign_in()
    number = await sichuan.new_customer()
    path = form_of("SUSPEND", number)
    tried = (
        ({"value.reason": ""}, "submit-value.reason", "CHARACTERISTIC_MISSING"),
        ({"paper.ID_ORIG": ""}, "submit-paper.ID_ORIG", "DOCUMENT_MISSING"),
        ({"time.end": "tomorrow"}, "submit-time.end", "REQUEST_INVALID"),
    )
    for wrong, field, reason in tried:
        answer = await browser.fill_in(path, "submit", {**FILLED, **wrong})
        assert (answer.status >= HTTPStatus.BAD_REQUEST, reason in answer.text) == (True, True), reason
        assert f'id="{field}-problem"' in answer.text
        assert answer.text.count('-problem">') == 1
        kept = next(text for name, text in FILLED.items() if name not in wrong and name != "channel")
        assert kept in shown(answer.text)
    unknown = await browser.fill_in(path, "submit", {**FILLED, "value.colour": "red"})
    assert (unknown.status, "CHARACTERISTIC_INVALID" in unknown.text) == (HTTPStatus.BAD_REQUEST, True)
    other = await browser.fill_in(path, "submit", {**FILLED, "colour": "red"})
    assert (other.status, "ATTRIBUTE_UNSUPPORTED" in other.text) == (HTTPStatus.BAD_REQUEST, True)


async def test_any_staff_of_the_region_go_on_with_an_order_that_one_has_taken_in_and_with_no_other(
    federation: Federation, browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    await browser.sign_in()
    number = await sichuan.new_customer()
    answer = await browser.fill_in(form_of("PLAN_CHANGE", number), "submit", {**FILLED, "value.plan": "sichuan-99"})
    assert "CHARACTERISTIC_INVALID" in answer.text, "a plan change has no reason"
    filled = {name: text for name, text in FILLED.items() if name != "value.reason"}
    answer = await browser.fill_in(form_of("PLAN_CHANGE", number), "submit", {**filled, "value.plan": "sichuan-99"})
    assert answer.status == HTTPStatus.SEE_OTHER, answer.text
    page = answer.headers["location"].removeprefix(f"{ROOT}/")
    colleague = Browser.of(federation, COLLEAGUE)
    await colleague.sign_in()
    for channel in ("app", "web", ""):
        alone = await colleague.fill_in(page, "expedite", {"channel": channel})
        assert (alone.status, "REQUEST_INVALID" in alone.text) == (HTTPStatus.BAD_REQUEST, True)
    assert (await colleague.fill_in(page, "expedite", {"channel": "hotline"})).status == HTTPStatus.SEE_OTHER
    said = {"agreed": "yes", "note": "read out to the customer", "channel": "hotline"}
    agreed = await colleague.fill_in(page, "confirm", said)
    assert agreed.status == HTTPStatus.SEE_OTHER, agreed.text
    order = await order_at(federation, answer.headers["location"])
    assert order.awaiting.action == "next-cycle"
    assert [(each.author, each.text) for each in order.notes] == [("guangdong/li", "read out to the customer")]
    gone = await colleague.fill_in(page, "cancel", {"reason": "changed my mind", "channel": "counter"})
    assert gone.status == HTTPStatus.SEE_OTHER, gone.text
    assert (await order_at(federation, answer.headers["location"])).state == OrderState.ORDER_STATE_CANCELLED
    theirs = await guangdong.order("SUSPEND", await sichuan.new_customer())
    assert 'value="cancel"' not in (await browser.open(f"orders/{theirs.id}")).text
    staff = OrderServiceStub(federation.dial_node("guangdong", STAFF))
    request = order_api.CancelOrderRequest(request_id=federation.next_id(), order_id=theirs.id, reason="no")
    request.requester.channel = Channel.CHANNEL_COUNTER
    assert (await refusal(staff.CancelOrder(request, timeout=CALL_SECONDS))).reason == "ORDER_NOT_FOUND"


async def test_staff_order_in_no_name_but_their_own(federation: Federation, sichuan: Counter) -> None:
    staff = OrderServiceStub(federation.dial_node("guangdong", STAFF))
    order = sichuan.request("SUSPEND", await sichuan.new_customer())
    request = order_api.SubmitOrderRequest(request_id=federation.next_id(), order=order)
    told = await refusal(staff.SubmitOrder(request, timeout=CALL_SECONDS))
    assert (told.reason, told.parameters["field"]) == ("STAFF_DIFFERS", "requester.staff_id")
    request.order.requester.staff_id = ""
    papers = order_api.SupplementOrderRequest(request_id=federation.next_id(), documents=order.documents)
    papers.requester.channel = Channel.CHANNEL_COUNTER
    for call in (
        staff.SubmitOrder(request, timeout=CALL_SECONDS),
        staff.SupplementOrder(papers, timeout=CALL_SECONDS),
    ):
        told = await refusal(call)
        assert (told.reason, told.parameters["field"]) == ("STAFF_DIFFERS", "documents[0].verifier")


async def order_at(federation: Federation, address: str) -> Order:
    """The order whose page has an address of the console."""
    reviewer = Reviewer(federation, "guangdong", "wang")
    request = order_api.GetOrderRequest(order_id=address.removeprefix(f"{ROOT}/orders/"))
    return (await reviewer.orders.GetOrder(request, timeout=CALL_SECONDS)).order


async def test_a_list_of_orders_is_sorted_by_a_column_in_its_page_and_its_file_and_an_unknown_column_is_refused(
    browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    await browser.sign_in()
    number = await guangdong.new_customer()
    taken = [(await sichuan.order(each, number)).id for each in ("PAY", "SUSPEND", "RESUME")]
    for sort, expected in (
        ("id", sorted(taken)),
        ("-id", sorted(taken, reverse=True)),
        ("create_time", taken),
        ("state,-id", None),
    ):
        query = f"orders?number={quote(number)}&sort={sort}"
        page = await browser.open(query)
        rows = re.findall(rf'href="{ROOT}/orders/(sichuan[^"]*)"', page.text)
        file = json.loads((await browser.open(f"{query}&format=json")).text)
        assert rows == [next(iter(each.values()))["text"] for each in file["tables"][0]["rows"]]
        assert rows == expected or (expected is None and sorted(rows) == sorted(taken))
        assert f'<input type="hidden" name="sort" value="{sort}">' in page.text, "the filters keep it"
    for unknown in ("price", "awaiting"):
        answer = await browser.open(f"orders?sort={unknown}")
        assert (answer.status, "ATTRIBUTE_UNSUPPORTED" in answer.text) == (HTTPStatus.BAD_REQUEST, True)


async def test_a_clerk_who_ends_a_service_chooses_among_those_that_the_line_has(
    browser: Browser, guangdong: Counter
) -> None:
    await browser.sign_in()
    customer = guangdong.customer(guangdong.federation.next_number("guangdong"))
    line, service = customer.product, "guangdong-ring-tones"
    line.subscriptions.add(id=f"{line.id}/1", offering_id=service, start_time=line.start_time)
    await guangdong.create(customer)
    page = (await browser.open(form_of("VAS_CANCEL", line.number))).text
    assert re.findall(r'<option value="(guangdong-[^"]*)"', page) == [service]
