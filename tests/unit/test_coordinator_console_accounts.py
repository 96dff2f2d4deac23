"""The pages of a coordinator's console about reconciliation and settlement, without a server."""

from datetime import timedelta
from typing import cast

import pytest

from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2 import PairStanding
from gateway.api.coordinator.v1.settlement_oversight_service_pb2 import ReportSettlementResponse
from gateway.errors import Refused
from gateway.web.console.lists import ListPage
from tests.unit.console_pages import NOW, Answering, shown_by, visit
from tests.unit.joint_answers import reconciliation, settlement
from tests.unit.test_complaint_report import read
from tests.unit.test_coordinator_console import ADMIN, CONSOLE, view_of, written


def test_pairs_that_differ_are_found_and_the_page_names_the_commands_that_repair_them() -> None:
    every = read(written("/reconciliation", reconciliation())).texts
    differing = read(written("/reconciliation", reconciliation(), query="show=differing")).texts
    of_henan = read(written("/reconciliation", reconciliation(), query="region=henan&days=31")).texts
    command = "region-node reconciliation differences --with REGION"
    told = [("henan" in each[-40:], any(command in text for text in each)) for each in (every, differing, of_henan)]
    assert told == [(True, True), (False, True), (True, False)]
    assert every.index("sichuan") < every.index("henan"), "the pair that differs comes first"
    contradictory = reconciliation()
    contradictory.days[0].standing = PairStanding.PAIR_STANDING_CONTRADICTORY
    assert "henan" in read(written("/reconciliation", contradictory, query="show=differing")).texts[-40:]
    with pytest.raises(Refused, match="days"):
        written("/reconciliation", reconciliation(), query="days=1000")


def test_many_pairs_have_several_pages_and_the_first_has_those_that_differ() -> None:
    answer = reconciliation()
    for number in range(150):
        answer.days.add(first_region="a", second_region=f"{number:03}", day="2026-10-01")
    shown, sizes, query = list[str](), list[int](), "days=31"
    while query:
        page = shown_by(CONSOLE, view_of("/reconciliation"), visit(query, ADMIN), Answering(answer))
        sizes.append(len(page.tables[0].rows))
        shown += [row[1].text for row in page.tables[0].rows]
        links = [each.href.partition("?")[2] for each in cast("ListPage", page.page).pages]
        query = next((each for each in links if "page=" in each), "")
    assert (sizes, len(set(shown)), shown[0]) == ([100, 52], 152, "sichuan")
    for wrong in ("0", "x", "-1", "100000"):
        with pytest.raises(Refused, match="page"):
            written("/reconciliation", answer, query=f"page={wrong}")


def test_a_settlement_shows_the_debt_from_both_sides_and_warns_of_reports_that_differ() -> None:
    shown = shown_by(CONSOLE, view_of("/settlement"), visit("month=2026-10", ADMIN), Answering(settlement()))
    positions, matrix = shown.tables
    assert not positions.caption, "a region has not answered"
    told = {row[0].text: [cell.text for cell in row[1:]] for row in matrix.rows}
    assert (told["guangdong"][0], told["guangdong"][2].startswith("22.00")) == ("", True)
    assert told["sichuan"][0].startswith("-22.00")
    assert matrix.rows[0][3].badge == "done"
    assert [each for each in shown.notes if "henan" in each and "22.00" in each]
    astray = settlement()
    astray.sums.add(minor_units=700, currency="CNY")
    warned = shown_by(CONSOLE, view_of("/settlement"), visit("", ADMIN), Answering(astray)).notes
    assert (len(warned) - len(shown.notes), "7.00" in warned[-1]) == (1, True)
    with pytest.raises(Refused, match="month"):
        written("/settlement", settlement(), query="month=2026-00")


def test_a_pair_without_a_statement_says_why_and_from_when_regions_sign_it() -> None:
    answer = settlement()
    missing = {True: ("尚不清楚：有地区未答复", ""), False: ("尚无结算单", "各地区自2026-11-01起签署")}
    for is_unanswered, told in missing.items():
        if not is_unanswered:
            answer.ClearField("unanswered")
        page = shown_by(CONSOLE, view_of("/settlement"), visit("month=2026-10", ADMIN), Answering(answer))
        rows = {row[0].text: [(cell.text, cell.note) for cell in row[1:]] for row in page.tables[1].rows}
        assert (rows["guangdong"][:2], rows["henan"][0]) == ([("", ""), told], told)


def test_a_settlement_is_by_default_that_of_the_last_month_that_has_ended_and_an_empty_one_says_so() -> None:
    shown = shown_by(CONSOLE, view_of("/settlement"), visit("", ADMIN), Answering(ReportSettlementResponse()))
    month = f"{NOW.replace(day=1) - timedelta(days=1):%Y-%m}"
    assert (month in shown.title, shown.notes) == (True, ["该月尚无已签署或待签署的结算单。"])
