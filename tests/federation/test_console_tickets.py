"""Faults, support requests and issues at the console of a real node: worked on from their pages, once each."""

from datetime import timedelta
from http import HTTPStatus
from zoneinfo import ZoneInfo

import pytest

from gateway.api.region.v1.fault_pb2 import FaultSeverity
from gateway.time.clock import from_timestamp
from tests.federation.browser import ROOT, Browser, hidden_fields
from tests.federation.counter import Counter
from tests.federation.fault_reporter import CLOSED, IN_PROGRESS, RESOLVED, FaultReporter
from tests.federation.issue_staff import CLOSED as ISSUE_CLOSED
from tests.federation.issue_staff import DECIDED, IssueStaff
from tests.federation.running import Federation
from tests.federation.support_staff import LINK, SupportStaff
from tests.federation.support_staff import RESOLVED as SUPPORT_RESOLVED

STAFF = "region/guangdong/staff/wang"


@pytest.fixture
def browser(federation: Federation) -> Browser:
    """The browser of a member of Guangdong's staff, who has not signed in."""
    return Browser.of(federation, STAFF)


async def test_a_fault_is_found_in_the_work_list_repaired_and_closed_from_its_page(
    federation: Federation, browser: Browser, guangdong: Counter
) -> None:
    desk = FaultReporter(federation, "guangdong")
    fault = await desk.report(
        await guangdong.new_customer(), site="guangzhou", severity=FaultSeverity.FAULT_SEVERITY_MAJOR
    )
    await browser.sign_in()
    path = f"faults/{fault.id}"
    for listed in ("work?kind=faults", "faults?state=acknowledged"):
        assert f'href="{ROOT}/{path}"' in (await browser.open(listed)).text
    end = federation.clock.now().astimezone(ZoneInfo("Asia/Shanghai")).replace(second=0, microsecond=0)
    end += timedelta(hours=5)
    for act, fields in (
        ("take_up", {}),
        ("estimate", {"end_time": end.strftime("%Y-%m-%dT%H:%M")}),
        ("note", {"text": "on the way"}),
        ("resolve", {"cause": "cable", "text": "spliced"}),
    ):
        assert (await browser.fill_in(path, act, fields)).status == HTTPStatus.SEE_OTHER, act
    found = await desk.get(fault.id)
    assert (found.state, found.resolution, [note.author for note in found.notes]) == (
        RESOLVED,
        "spliced",
        ["guangdong/wang"],
    )
    assert from_timestamp(found.expected_resolution_time) == end
    unreviewed = await browser.fill_in(path, "close", {"summary": "the cable lay bare"})
    assert (unreviewed.status, "FAULT_REVIEW_MISSING" in unreviewed.text) == (HTTPStatus.UNPROCESSABLE_ENTITY, True)
    assert "the cable lay bare</textarea>" in unreviewed.text
    review = {"summary": "the cable lay bare", "what": "bury it", "owner": "li", "due_date": "2030-01-31"}
    assert (await browser.fill_in(path, "close", review)).status == HTTPStatus.SEE_OTHER
    assert (await desk.get(fault.id)).state == CLOSED
    assert (await browser.fill_in(path, "not_repaired", {"not_repaired": "dead again"})).status == HTTPStatus.SEE_OTHER
    assert (await desk.get(fault.id)).state == IN_PROGRESS


async def test_a_step_that_a_colleague_was_quicker_with_is_refused_and_keeps_what_was_entered(
    federation: Federation, browser: Browser, guangdong: Counter
) -> None:
    fault = await FaultReporter(federation, "guangdong").report(await guangdong.new_customer(), site="guangzhou")
    await browser.sign_in()
    path = f"faults/{fault.id}"
    await browser.fill_in(path, "take_up", {})
    page = (await browser.open(path)).text
    repaired = {**hidden_fields(page, "resolve"), "cause": "cable", "text": "spliced twice"}
    answered = {**hidden_fields(page, "cancel"), "reason": "it works again"}
    assert (
        await browser.fill_in(path, "resolve", {"cause": "cable", "text": "spliced"})
    ).status == HTTPStatus.SEE_OTHER
    for late, entered in ((repaired, "spliced twice"), (answered, "it works again")):
        told = await browser.send(path, late)
        assert ("FAULT_STATE_FORBIDS" in told.text, f"{entered}</textarea>" in told.text) == (True, True)
        assert hidden_fields(told.text, late["act"])
    assert "spliced twice" not in (await browser.open(path)).text


async def test_a_support_request_is_closed_from_its_page_by_the_region_that_opened_it(
    federation: Federation, browser: Browser
) -> None:
    south, west = SupportStaff(federation, "guangdong"), SupportStaff(federation, "sichuan")
    opened = await south.open(federation.next_number("guangdong"), link=LINK)
    await south.is_taken(opened.id)
    await browser.sign_in()
    path = f"support/{opened.id}"
    assert f'href="{ROOT}/{path}"' in (await browser.open("support")).text
    assert (await browser.fill_in(path, "note", {"note": "try at ten"})).status == HTTPStatus.SEE_OTHER
    await west.resolves(opened.id)
    await south.reaches(opened.id, SUPPORT_RESOLVED)
    assert f'href="{ROOT}/{path}"' in (await browser.open("work?kind=support")).text
    file = (await browser.open(f"{path}?format=csv")).text
    assert all(each in file for each in (opened.inquiry.number, opened.inquiry.description, "try at ten"))
    assert (await browser.fill_in(path, "close", {})).status == HTTPStatus.SEE_OTHER
    closed = await west.get(opened.id)
    assert closed.state_changes[-1].author == "guangdong/wang"
    assert [note.text for note in closed.notes] == ["try at ten"]


async def test_an_issue_of_another_region_is_found_in_the_work_list_decided_followed_and_closed_from_its_page(
    federation: Federation, browser: Browser
) -> None:
    west, south = IssueStaff(federation, "sichuan"), IssueStaff(federation, "guangdong")
    opened = await west.open("guangdong", within=timedelta(hours=1))
    await west.is_taken(opened.id)
    await browser.sign_in()
    path = f"issues/{opened.id}"
    for listed in ("work?kind=issues", "work?within=4", "issues?state=acknowledged"):
        assert f'href="{ROOT}/{path}"' in (await browser.open(listed)).text, listed
    due = federation.clock.now().astimezone(ZoneInfo("Asia/Shanghai")) + timedelta(days=1)
    action = {"region": "guangdong", "staff_id": "", "text": "核对", "due_time": f"{due:%Y-%m-%dT%H:%M}"}
    assert (await browser.fill_in(path, "decide", {"text": "以回执为准"})).status == HTTPStatus.SEE_OTHER
    nobody = await browser.fill_in(path, "add_actions", action)
    assert (nobody.status, "核对</textarea>" in nobody.text) == (HTTPStatus.BAD_REQUEST, True)
    assert (await browser.fill_in(path, "add_actions", {**action, "staff_id": "wang"})).status == HTTPStatus.SEE_OTHER
    await west.reaches(opened.id, DECIDED)
    assert f'href="{ROOT}/{path}"' in (await browser.open("work?kind=issues")).text
    done = {"action": "1", "text": "已核对", "finished": "yes"}
    assert (await browser.fill_in(path, "report", done)).status == HTTPStatus.SEE_OTHER
    assert (await browser.fill_in(path, "close", {})).status == HTTPStatus.SEE_OTHER
    assert f'href="{ROOT}/{path}"' not in (await browser.open("work?kind=issues")).text
    closed = await west.reaches(opened.id, ISSUE_CLOSED)
    assert (closed.actions[0].reporter, closed.actions[0].report) == ("guangdong/wang", "已核对")
    assert (await south.get(opened.id)).decision == "以回执为准"
