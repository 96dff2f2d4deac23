"""A complaint from the desk to the money at the console of a real node, and the decisions of its customer."""

from collections.abc import Mapping
from http import HTTPStatus

import pytest

from gateway.api.region.v1.complaint_pb2 import ComplaintState, RemedyState
from tests.federation.browser import Browser
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter, Reviewer
from tests.federation.running import Federation
from tests.federation.test_console import STAFF

PROPOSAL = {"text": "refunded", "cause": "billing-error", "remedy": "refund", "amount": "12"}
FORMS = ("respond", "propose", "classify", "return", "accept", "refuse", "withdraw", "expedite")


@pytest.fixture
def browser(federation: Federation) -> Browser:
    """The browser of a member of Guangdong's staff, who has not signed in."""
    return Browser.of(federation, STAFF)


async def offered(browser: Browser, path: str) -> set[str]:
    """The forms on the page of a complaint, besides that of private notes."""
    page = (await browser.open(path)).text
    return {each for each in FORMS if f'name="act" value="{each}"' in page}


async def send(browser: Browser, path: str, act: str, fields: Mapping[str, str]) -> None:
    """Sends a form that is done."""
    answer = await browser.fill_in(path, act, fields)
    assert answer.status == HTTPStatus.SEE_OTHER, answer.text


async def test_an_unclear_complaint_is_classified_answered_resolved_and_paid_from_its_page(
    federation: Federation, browser: Browser, guangdong: Counter
) -> None:
    desk = Complainant(federation, "guangdong")
    filed = await desk.file("", await guangdong.new_customer(), description="请帮我看看")
    await browser.sign_in()
    path = f"complaints/{filed.ticket_id}"
    assert await offered(browser, path) == {"respond", "classify", "withdraw", "expedite"}
    await send(browser, path, "classify", {"category": "BILL_WRONG", "reason": ""})
    assert await offered(browser, path) == {"respond", "propose", "classify", "return", "withdraw", "expedite"}
    unsaid = await browser.fill_in(path, "classify", {"category": "SVC_ATTITUDE", "reason": ""})
    assert unsaid.status == HTTPStatus.BAD_REQUEST
    await send(browser, path, "respond", {"text": "which month?", "ask": "yes"})
    assert (await desk.get(filed.ticket_id)).state == ComplaintState.COMPLAINT_STATE_PENDING
    assert "已暂停" in (await browser.open(path, **{"Accept-Language": "zh"})).text
    await send(browser, path, "propose", PROPOSAL)
    assert await offered(browser, path) == {"accept", "refuse"}
    await send(browser, path, "accept", {"rating": "5", "channel": "counter"})
    awaiting = await desk.follows(
        filed.ticket_id, lambda found: found.remedy.awaiting_action == "review", "the money is reviewed"
    )
    assert "12.00" in (await browser.open(path)).text
    await Reviewer(federation, "guangdong").approve(awaiting.remedy.order_id)
    paid = await desk.follows(
        filed.ticket_id, lambda found: found.remedy.state == RemedyState.REMEDY_STATE_BOOKED, "the money is booked"
    )
    assert (paid.state, paid.rating) == (ComplaintState.COMPLAINT_STATE_CLOSED, 5)
    assert await offered(browser, path) == set()


async def test_a_customer_who_stands_here_asks_for_haste_refuses_and_withdraws_what_another_region_handles(
    federation: Federation, browser: Browser, sichuan: Counter
) -> None:
    desk, staff = Complainant(federation, "guangdong"), Complainant(federation, "sichuan", "staff/chen")
    filed = await desk.file("BILL_WRONG", await sichuan.new_customer(), wait=10.0)
    await staff.reaches(filed.ticket_id, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)
    await browser.sign_in()
    path = f"complaints/{filed.ticket_id}"
    assert await offered(browser, path) == {"respond", "withdraw", "expedite"}
    await send(browser, path, "expedite", {"channel": "hotline"})
    again = await browser.fill_in(path, "expedite", {"channel": "counter"})
    assert "COMPLAINT_EXPEDITED_RECENTLY" in again.text
    await staff.propose(filed.ticket_id)
    await desk.reaches(filed.ticket_id, ComplaintState.COMPLAINT_STATE_RESOLVED)
    await send(browser, path, "refuse", {"reason": "still wrong", "to_regulator": "", "channel": "hotline"})
    await desk.reaches(filed.ticket_id, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)
    await send(browser, path, "withdraw", {"reason": "settled by a call", "channel": "hotline"})
    assert (await desk.get(filed.ticket_id)).state == ComplaintState.COMPLAINT_STATE_CANCELLED
