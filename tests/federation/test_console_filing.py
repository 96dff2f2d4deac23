"""Complaints and faults that staff take in at the console of a real node: once each, in their own names."""

from http import HTTPStatus
from urllib.parse import quote

import pytest

from gateway.api.region.v1.complaint_pb2 import ComplaintChannel, Remedy
from gateway.api.region.v1.fault_pb2 import FaultSeverity
from gateway.api.types.v1.types_pb2 import Channel
from tests.federation.browser import ROOT, Browser, hidden_fields
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.fault_reporter import FaultReporter
from tests.federation.running import Federation
from tests.federation.test_console import STAFF, audited, shown

WRONG_NUMBER = "12"


@pytest.fixture
def browser(federation: Federation) -> Browser:
    """The browser of a member of Guangdong's staff, who has not signed in."""
    return Browser.of(federation, STAFF)


def complaint(number: str) -> dict[str, str]:
    """The fields of a complaint that only its text assigns."""
    return {
        "complaint.number": number,
        "complaint.channel": "hotline",
        "complaint.description": "I was charged twice, the bill is wrong",
        "complaint.remedy_sought": "refund",
    }


def fault(number: str) -> dict[str, str]:
    """The fields of a fault at a site."""
    return {
        "report.number": number,
        "channel": "hotline",
        "report.description": "no dial tone",
        "report.place.site": "guangzhou",
    }


async def led_to(browser: Browser, path: str, act: str, fields: dict[str, str]) -> str:
    """The id of the one ticket to whose page a form leads, although it is sent twice."""
    sent = {**hidden_fields((await browser.open(path)).text, act), **fields}
    answers = [await browser.send(path, sent) for _ in range(2)]
    assert {each.status for each in answers} == {HTTPStatus.SEE_OTHER}, answers[0].text
    (address,) = {each.headers["location"] for each in answers}
    page = await browser.open(address)
    assert (page.status, 'role="status"' in page.text) == (HTTPStatus.OK, True)
    return address.removeprefix(f"{ROOT}/{path.rpartition('/')[0]}/")


async def test_staff_file_a_complaint_which_its_text_assigns_once_in_the_name_of_their_certificate(
    federation: Federation, browser: Browser, guangdong: Counter
) -> None:
    await browser.sign_in()
    number = await guangdong.new_customer()
    for page in (f"complaints?number={quote(number)}", f"customers?number={quote(number)}"):
        assert f'href="{ROOT}/complaints/new?number={quote(number)}"' in (await browser.open(page)).text
    assert f'value="{number}"' in (await browser.open(f"complaints/new?number={quote(number)}")).text
    contact = await guangdong.new_customer()
    fields = {**complaint(number), "complaint.contact_number": contact}
    ticket_id = await led_to(browser, "complaints/new", "file", fields)
    assert ticket_id in (await browser.open(f"complaints?contact={quote(contact)}")).text
    assert ticket_id not in (await browser.open(f"complaints?contact={quote(number)}")).text
    filed = await Complainant(federation, "guangdong", "staff/li").get(ticket_id)
    assert (filed.operator, filed.request.requester.staff_id) == ("staff/wang", "wang")
    assert filed.request.requester.channel == Channel.CHANNEL_HOTLINE
    assert filed.request.channel == ComplaintChannel.COMPLAINT_CHANNEL_HOTLINE
    assert (filed.request.category, filed.request.remedy_sought) == ("BILL_WRONG", Remedy.REMEDY_REFUND)
    rows = [row for row in audited(federation, STAFF) if row[:2] == ("FileComplaint", ticket_id)]
    assert len(rows) == 1


async def test_a_complaint_of_a_customer_elsewhere_is_accepted_there_before_its_page_opens(
    federation: Federation, browser: Browser, sichuan: Counter
) -> None:
    await browser.sign_in()
    number = await sichuan.new_customer()
    fields = {**complaint(number), "complaint.channel": "letter", "complaint.category": "BILL_WRONG"}
    answer = await browser.fill_in("complaints/new", "file", fields)
    address = answer.headers["location"]
    assert "The complaint is now: in progress." in (await browser.open(address)).text
    filed = await Complainant(federation, "sichuan", "staff/chen").get(address.removeprefix(f"{ROOT}/complaints/"))
    assert filed.request.requester.channel == Channel.CHANNEL_UNSPECIFIED, "no business comes by letter"


async def test_staff_report_a_fault_for_a_customer_and_one_of_their_own_once_each(
    federation: Federation, browser: Browser, guangdong: Counter
) -> None:
    await browser.sign_in()
    number = await guangdong.new_customer()
    for page in (f"faults?number={quote(number)}", f"customers?number={quote(number)}"):
        assert f'href="{ROOT}/faults/new?number={quote(number)}"' in (await browser.open(page)).text
    contact = await guangdong.new_customer()
    fault_id = await led_to(browser, "faults/new", "report", {**fault(number), "report.contact_number": contact})
    assert fault_id in (await browser.open(f"faults?contact={quote(contact)}")).text
    assert fault_id not in (await browser.open(f"faults?contact={quote(number)}")).text
    desk = FaultReporter(federation, "guangdong", "staff/li")
    found = await desk.get(fault_id)
    assert (found.operator, found.report.requester.staff_id) == ("staff/wang", "wang")
    assert (found.report.number, found.report.place.site) == (number, "guangzhou")
    assert found.report.requester.channel == Channel.CHANNEL_HOTLINE
    rows = [row for row in audited(federation, STAFF) if row[:2] == ("ReportFault", fault_id)]
    assert len(rows) == 1
    own = {**fault(""), "report.place.site": "", "report.place.address": "1 Road", "report.place.region": "guangdong"}
    found = await desk.get(await led_to(browser, "faults/new", "report", {**own, "report.severity": "major"}))
    assert (found.report.number, found.report.place.address) == ("", "1 Road")
    assert found.severity == FaultSeverity.FAULT_SEVERITY_MAJOR


async def test_a_search_finds_the_sites_and_links_of_another_region_and_keeps_the_number(browser: Browser) -> None:
    await browser.sign_in()
    own, other = 'value="guangzhou"', 'value="chengdu"'
    page = (await browser.open("faults/new?number=123")).text
    assert (own in page, other in page) == (True, False)
    page = (await browser.open("faults/new?number=123&search=sichuan")).text
    assert (own in page, other in page) == (False, True)
    assert '<input type="hidden" name="number" value="123">' in page


async def test_a_fault_without_a_place_is_refused_in_the_language_of_the_page(browser: Browser) -> None:
    await browser.sign_in()
    sent = {**hidden_fields((await browser.open("faults/new")).text, "report"), **fault(""), "report.place.site": ""}
    answer = await browser.send("faults/new", sent, **{"Accept-Language": "zh"})
    assert "须有站点、链路或地址" in answer.text


@pytest.mark.parametrize(
    ("path", "wrong", "field"),
    [
        ("complaints/new", {"complaint.number": WRONG_NUMBER}, "complaint.number"),
        ("complaints/new", {"complaint.contact_number": WRONG_NUMBER}, "complaint.contact_number"),
        ("complaints/new", {"complaint.description": ""}, "complaint.description"),
        ("complaints/new", {"complaint.channel": "pigeon"}, "complaint.channel"),
        ("complaints/new", {"complaint.remedy_sought": ""}, "complaint.remedy_sought"),
        ("faults/new", {"report.number": WRONG_NUMBER}, "report.number"),
        ("faults/new", {"report.contact_number": WRONG_NUMBER}, "report.contact_number"),
        ("faults/new", {"report.description": ""}, "report.description"),
        ("faults/new", {"report.place.site": ""}, "report.place.site"),
        ("faults/new", {"report.place.site": "", "report.place.address": "1 Road"}, "report.place.region"),
        ("faults/new", {"report.place.region": "sichuan"}, "report.place.region"),
        ("faults/new", {"report.severity": "none"}, "report.severity"),
        ("faults/new", {"channel": ""}, "channel"),
    ],
)
async def test_a_refused_ticket_says_at_which_field_it_is_wrong_and_keeps_what_was_entered(
    federation: Federation, browser: Browser, path: str, wrong: dict[str, str], field: str
) -> None:
    await browser.sign_in()
    number = federation.next_number("guangdong")
    act, fields = ("file", complaint(number)) if path.startswith("complaints") else ("report", fault(number))
    answer = await browser.fill_in(path, act, {**fields, **wrong})
    assert answer.status == HTTPStatus.BAD_REQUEST
    assert f'id="{act}-{field}-problem"' in answer.text
    assert answer.text.count('<p class="problem"') == 1
    kept = [text for name, text in fields.items() if name.endswith(("number", "description")) and name not in wrong]
    assert all(each in shown(answer.text) for each in kept)
