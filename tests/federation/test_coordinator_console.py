"""The console of a coordinator at a real one: who gets in, what its pages show and what their forms do."""

import csv
import html
import io
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from gateway.api.coordinator.v1 import administration_pb2 as admin_api
from gateway.api.federation.v1.federation_pb2 import MemberState
from tests.administrators import Administrators
from tests.federation.browser import ROOT, Browser, hidden_fields
from tests.federation.certificates import FEDERATION
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.joint_staff import JointStaff, with_broadband
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation, running

ADMIN = "admin/root"


@pytest.fixture
def browser(federation: Federation) -> Browser:
    """The browser of an administrator, who has not signed in."""
    return Browser.of(federation, ADMIN, "coordinator")


def shown(page: str) -> str:
    """The texts of a page as a reader sees them."""
    return html.unescape(page)


async def test_an_administrator_signs_in_and_sees_the_regions_and_the_flow_of_an_order_between_two(
    browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    closed = await browser.open("board")
    assert closed.status == HTTPStatus.SEE_OTHER
    assert closed.headers["location"] == f"{ROOT}/sign-in?to=%2Fconsole%2Fboard"
    await guangdong.order("SUSPEND", await sichuan.new_customer())
    page = (await browser.sign_in()).text
    assert all(f'href="{ROOT}/regions/{each}"' in page for each in ("guangdong", "sichuan", "henan"))
    assert "Guangdong · Sichuan" in shown(page)
    assert 'class="flow calm"' in page
    assert "board?show=all" in page
    assert f"regions/{NOT_JOINED}" in (await browser.open("board?show=all")).text


async def test_an_order_is_found_by_its_state_and_its_page_tells_each_hop(
    browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("SUSPEND", await sichuan.new_customer())
    await browser.sign_in()
    href = f'href="{ROOT}/orders/{order.id}"'
    assert href in (await browser.open("orders?region=sichuan&state=completed")).text
    assert href not in (await browser.open("orders?state=held")).text
    page = shown((await browser.open(f"orders/{order.id}")).text)
    assert all(f"Sichuan: {each}" in page for each in ("received", "committed"))
    assert (await browser.open("orders/guangdong/counter/none")).status == HTTPStatus.NOT_FOUND


async def test_an_order_is_found_by_its_id_which_opens_its_page_and_an_unknown_id_is_told_beside_the_search(
    browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("SUSPEND", await sichuan.new_customer())
    await browser.sign_in()
    assert 'name="id"' in (await browser.open("orders")).text
    for entered in (order.id, f"+{order.id}%20"):
        page = shown((await browser.open(f"orders?state=&region=&id={entered}")).text)
        assert all(each in page for each in (f"<h1>{order.id}</h1>", "Sichuan: committed")), entered
    tables = (await browser.open(f"orders?id={order.id}&format=json")).body["tables"]
    assert isinstance(tables, list)
    assert [each["label"] for each in tables] == ["Order", "Hops"]
    for unknown, reason in (("guangdong/counter/none", "no order"), ("none", "order_id")):
        page = shown((await browser.open(f"orders?id={unknown}")).text)
        assert (f'value="{unknown}"' in page, reason in page, order.id in page) == (True, True, False), unknown


async def test_the_orders_of_a_number_are_found_across_regions_and_only_audit_rows_without_the_number_stay(
    federation: Federation, browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    order = await guangdong.order("SUSPEND", number)
    other = await guangdong.order("SUSPEND", await sichuan.new_customer())
    await browser.sign_in()
    address = (await browser.upload("orders", number.encode())).headers["location"]
    page = (await browser.open(address)).text
    assert (f'/orders/{order.id}"' in page, f'/orders/{other.id}"' in page) == (True, False)
    assert number.removeprefix("+86") not in address + page
    _, _, named = shown(page).partition("search/")
    search = f"search/{named[:32]}"
    rows = "SELECT actor, detail FROM audit WHERE subject = ?"
    assert [actor for actor, _ in federation.coordinator_database.rows(rows, search)] == [ADMIN]
    told = [federation.database(each).rows(rows, search) for each in ("guangdong", "sichuan", "henan")]
    assert [[detail for _, detail in each] for each in told] == [[f"for {ADMIN}, {count} read"] for count in (1, 1, 0)]


async def test_a_joint_order_is_found_and_its_page_tells_who_has_each_item_and_which_milestones_follow(
    federation: Federation, browser: Browser
) -> None:
    number = await with_broadband(federation, "sichuan")
    south = JointStaff(federation, "guangdong")
    order = await south.submits(south.request("BB_MOVE", ["sichuan", "henan"], number))
    await browser.sign_in()
    href = f'href="{ROOT}/orders/{order.id}"'
    assert href in (await browser.open("joint-orders?region=henan")).text
    assert href not in (await browser.open("joint-orders?state=completed")).text
    page = shown((await browser.open(f"orders/{order.id}")).text)
    assert f'href="{ROOT}/joint-orders" aria-current="page"' in page
    assert all(each in page for each in ("Who has it now", "install", "remove", "hand over"))
    assert "人民路" not in page


async def test_only_administrators_get_in(federation: Federation) -> None:
    stranger = Browser.of(federation, "region/guangdong/staff/wang", "coordinator")
    assert (await stranger.open("board")).status == HTTPStatus.FORBIDDEN
    assert (await stranger.send("sign-in", {})).status == HTTPStatus.FORBIDDEN


async def test_the_page_of_a_region_tells_its_processes_and_its_certificates_and_tests_its_connection(
    federation: Federation, browser: Browser
) -> None:
    await browser.sign_in()
    page = shown((await browser.open("regions/sichuan")).text)
    assert federation.endpoint("sichuan") in page
    assert "Signing key" in page
    assert "has answered" not in page
    assert "The region has answered." in shown((await browser.open("regions/sichuan?connection=test")).text)
    assert (await browser.open("regions/sichuan?connection=wrong")).status == HTTPStatus.BAD_REQUEST
    unknown = await browser.open("regions/nowhere")
    assert (unknown.status, "REGION_UNKNOWN" in unknown.text) == (HTTPStatus.NOT_FOUND, True)


async def test_a_complaint_is_found_by_its_filters_and_its_page_tells_its_course_without_its_text(
    federation: Federation, browser: Browser, guangdong: Counter
) -> None:
    desk = Complainant(federation, "guangdong")
    filed = await desk.file("BILL_WRONG", await guangdong.new_customer(), description="charged twice in March")
    await browser.sign_in()
    href = f'href="{ROOT}/complaints/{filed.ticket_id}"'
    assert href in (await browser.open("complaints?region=guangdong&category=BILL_WRONG")).text
    assert href not in (await browser.open("complaints?only=overdue")).text
    assert (await browser.open("complaints?level=9")).status == HTTPStatus.BAD_REQUEST
    page = shown((await browser.open(f"complaints/{filed.ticket_id}")).text)
    assert ("filed as Charged wrongly or twice (BILL_WRONG)" in page, "charged twice" in page) == (True, False)


async def test_the_report_of_complaints_counts_those_of_the_months_in_the_address_in_charts_and_files(
    federation: Federation, browser: Browser, guangdong: Counter
) -> None:
    await Complainant(federation, "guangdong").file("BILL_WRONG", await guangdong.new_customer())
    month = f"{federation.clock.now():%Y-%m}"
    await browser.sign_in()
    path = f"complaints/report?from={month}&to={month}&by=region%2Ccategory"
    page = await browser.open(path)
    assert (page.status, page.text.count('role="img"')) == (HTTPStatus.OK, 6)
    assert all(each in shown(page.text) for each in (f"Complaints {month} to {month}", "Complaints by month"))
    assert f'href="{ROOT}/complaints/report" aria-current="page"' in page.text
    tables = (await browser.open(f"{path}&format=json")).body["tables"]
    assert isinstance(tables, list)
    found = [row["complaints"] for row in tables[1]["rows"] if row["region"] == "Guangdong"]
    assert any(int(each.replace(",", "")) >= 1 for each in found)
    as_csv = await browser.open(f"{path}&format=csv")
    assert as_csv.headers["content-disposition"] == 'attachment; filename="complaints-report.csv"'
    for wrong in ("from=January", "by=number", "from=1990-01", "page=-1"):
        assert (await browser.open(f"complaints/report?{wrong}")).status == HTTPStatus.BAD_REQUEST, wrong


async def test_the_tables_of_a_page_are_files_too_by_the_same_filters(
    federation: Federation, browser: Browser, guangdong: Counter
) -> None:
    filed = await Complainant(federation, "guangdong").file("BILL_WRONG", await guangdong.new_customer())
    await browser.sign_in()
    path = "complaints?region=guangdong&category=BILL_WRONG"
    page = (await browser.open(path)).text
    for form in ("csv", "json"):
        assert f'href="{ROOT}/{html.escape(path)}&amp;format={form}"' in page
    as_csv = await browser.open(f"{path}&format=csv")
    assert as_csv.headers["content-disposition"] == 'attachment; filename="complaints.csv"'
    rows = list(csv.reader(io.StringIO(as_csv.text)))
    assert any(row[0].startswith(f"{filed.ticket_id}; ") for row in rows)
    as_json = (await browser.open(f"{path}&format=json")).body
    tables = as_json["tables"]
    assert isinstance(tables, list)
    assert filed.ticket_id in [row["Complaint"]["text"] for row in tables[0]["rows"]]
    none = await browser.open("complaints?category=NONE_SUCH&format=csv")
    assert (none.status, len(list(csv.reader(io.StringIO(none.text))))) == (HTTPStatus.OK, 1)
    assert (await browser.open("complaints?format=xml")).status == HTTPStatus.BAD_REQUEST
    membership = (await browser.open("regions/sichuan/membership?format=json")).body["tables"]
    assert isinstance(membership, list)
    assert membership[0]["rows"][0]["State"]["text"] == "joined"
    assert "No envelope is routed to Sichuan" in str(membership[1]["rows"][0])


async def test_issues_risks_the_body_and_the_configuration_have_pages(federation: Federation, browser: Browser) -> None:
    await browser.sign_in()
    pages = {path: await browser.open(path) for path in ("issues", "risks", "body", "configuration?part=regions")}
    assert {each.status for each in pages.values()} == {HTTPStatus.OK}
    configuration = await federation.configuration()
    assert configuration.body.members[0].contact.telephone in pages["body"].text
    assert f"id: {configuration.regions[0].id}" in shown(pages["configuration?part=regions"].text)
    assert configuration.risks.likelihoods[0].name.en in pages["risks"].text
    assert (await browser.open("configuration?part=secrets")).status == HTTPStatus.BAD_REQUEST
    assert (await browser.open("configuration/revisions")).status == HTTPStatus.OK
    head = await browser.ask("HEAD", "body")
    assert (head.status, head.text, head.headers["content-type"]) == (
        HTTPStatus.OK,
        "",
        pages["body"].headers["content-type"],
    )
    refused = await browser.ask("HEAD", "board/events")
    assert (refused.status, refused.headers["allow"]) == (HTTPStatus.METHOD_NOT_ALLOWED, "GET")
    led = await browser.open("/")
    assert (led.status, led.headers["location"]) == (HTTPStatus.SEE_OTHER, f"{ROOT}/board")
    assert (await browser.open("configuration/revisions?from=99999")).status == HTTPStatus.BAD_REQUEST


async def test_the_scorecards_of_a_month_are_a_table_whose_figures_lead_to_their_months_by_region(
    federation: Federation, browser: Browser
) -> None:
    await browser.sign_in()
    configuration = await federation.configuration()
    month = f"{federation.clock.now():%Y-%m}"
    page = (await browser.open(f"quality?month={month}")).text
    assert {each.name.en in shown(page) for each in configuration.quality.figures} == {True}
    figure = f"quality?month={month}&figure=ordersInTime"
    assert f'href="{ROOT}/{html.escape(figure)}"' in page
    for region in ("guangdong", "sichuan"):
        assert f'href="{ROOT}/{html.escape(figure)}&amp;region={region}"' in (await browser.open(figure)).text
    of_one = (await browser.open(f"{figure}&region=sichuan&format=json")).body["tables"]
    assert isinstance(of_one, list)
    assert [(len(each["columns"]), len(each["rows"])) for each in of_one] == [(7, 1)]
    told = await browser.open("quality?month=2100-01")
    assert (told.status, "month has not begun" in shown(told.text)) == (HTTPStatus.BAD_REQUEST, True)


async def test_the_pairs_of_regions_have_pages_of_their_compared_days_and_of_their_settlements(
    browser: Browser,
) -> None:
    await browser.sign_in()
    settled = await browser.open("settlement?month=2026-01")
    assert (settled.status, "2026-01" in shown(settled.text)) == (HTTPStatus.OK, True)
    assert (await browser.open("settlement?month=January")).status == HTTPStatus.BAD_REQUEST
    page = await browser.open("reconciliation?days=31&show=differing&region=sichuan")
    assert (page.status, f'href="{ROOT}/reconciliation" aria-current="page"' in page.text) == (HTTPStatus.OK, True)
    assert (await browser.open("reconciliation?days=1")).status == HTTPStatus.BAD_REQUEST


async def test_the_board_has_the_orders_of_the_last_minute_as_the_nodes_of_both_regions_count_them(
    federation: Federation, browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    await federation.advance(timedelta(seconds=60 - federation.clock.now().second))  # to the beginning of a minute
    for business in ("SUSPEND", "RESUME"):
        await guangdong.order(business, number)
    await federation.advance(timedelta(minutes=1))
    await browser.sign_in()
    board = (await browser.open("board?format=csv")).text
    table = board[board.index("Region,State") :].splitlines()
    rows = {row["Region"]: row["Orders per minute"] for row in csv.DictReader(table) if row["Orders per minute"]}
    assert (rows["Guangdong"], rows["Sichuan"], rows["Henan"]) == ("2", "2", "0")


async def test_a_region_is_suspended_and_reinstated_by_forms_in_the_name_of_the_administrator(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases, ("henan",), web=["coordinator"]) as federation:
        browser = Browser.of(federation, ADMIN, "coordinator")
        await browser.sign_in()
        path = "regions/henan/membership"
        refused = await browser.fill_in(path, "suspend", {"note": " "})
        request = admin_api.SuspendRegionRequest(region="henan", note=" ")
        told = await refusal(federation.membership.SuspendRegion(request, timeout=CALL_SECONDS))
        text = told.texts["en"].replace("The field note ", "The field Reason ")
        assert (refused.status, text in shown(refused.text)) == (HTTPStatus.BAD_REQUEST, True)
        answer = await browser.fill_in(path, "suspend", {"note": "signing key under suspicion"})
        assert answer.status == HTTPStatus.SEE_OTHER
        page = shown((await browser.open(answer.headers["location"])).text)
        assert "every coordinator has confirmed it" in page
        member = await _member(federation, "henan")
        assert member == (MemberState.MEMBER_STATE_SUSPENDED, f"signing key under suspicion (by {ADMIN})")
        assert "signing key under suspicion" in shown((await browser.open("board")).text)
        await browser.fill_in(path, "reinstate", {})
        assert (await _member(federation, "henan"))[0] != MemberState.MEMBER_STATE_SUSPENDED


async def test_where_administrators_sign_the_page_shows_the_command_and_no_form(
    databases: Databases, tmp_path: Path
) -> None:
    people = Administrators(tmp_path, FEDERATION)
    federation_of_one = running(
        tmp_path / "federation", databases, ("henan",), administrators=people, web=["coordinator"]
    )
    async with federation_of_one as federation:
        browser = Browser.of(federation, ADMIN, "coordinator")
        await browser.sign_in()
        path = "regions/henan/membership"
        page = await browser.open(path)
        assert "coordinator regions suspend henan --note REASON --key KEY" in shown(page.text)
        with pytest.raises(AssertionError, match="no form"):
            hidden_fields(page.text, "suspend")
        token = hidden_fields(page.text, "")["token"]
        sent = await browser.send(path, {"token": token, "act": "suspend", "request_id": "R1", "note": "x"})
        assert "SUSPENSION_UNSIGNED" in sent.text
        assert (await _member(federation, "henan"))[0] == MemberState.MEMBER_STATE_JOINED


async def _member(federation: Federation, region: str) -> tuple[MemberState.ValueType, str]:
    """The state of a region and its note."""
    answer = await federation.membership.ListRegions(admin_api.ListRegionsRequest(), timeout=CALL_SECONDS)
    return next((each.state, each.state_note) for each in answer.members if each.region == region)
