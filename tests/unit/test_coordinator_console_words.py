"""The words of a coordinator's console: names of the configuration, and a sentence where a table is empty."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from google.protobuf.message import Message

from coordinator.console.console import console
from coordinator.wording.ages import told_age
from coordinator.wording.problems import told_affected, told_evidence
from gateway.api.coordinator.v1.administration_pb2 import ListOrderSummariesResponse, ListRegionsResponse
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import GetComplaintHistoryResponse
from gateway.api.coordinator.v1.risk_service_pb2 import ListRisksResponse
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.federation.v1.problem_pb2 import (
    NetworkCondition,
    NetworkElement,
    NetworkElementKind,
    ProblemHeader,
    ProblemState,
)
from gateway.api.federation.v1.risk_pb2 import RiskSource
from gateway.api.federation.v1.terms_pb2 import CodeTerm, RegionTerm, Terms
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.cli.problems import UNNAMED, told_state
from gateway.time.clock import SystemClock, to_timestamp
from gateway.web.console.pages import Shown
from gateway.web.console.ticket import TicketPage
from gateway.wording.languages import for_reader, headed, remarked
from gateway.wording.terms import learn
from tests.unit.console_pages import NOW, Answering, visit
from tests.unit.joint_answers import joint_orders, joint_trace
from tests.unit.test_coordinator_console import ADMIN, view_of

CONSOLE = console(SystemClock())
TERMS = Terms(
    regions=[RegionTerm(region="guangdong", name=LocalizedText(en="Guangdong", zh_cn="广东"))],
    departments=[CodeTerm(code="NETWORK_OPERATIONS", name=LocalizedText(en="Network operations", zh_cn="网络运维部"))],
    joint_items=[CodeTerm(code="BB_MOVE/install", name=LocalizedText(en="New installation", zh_cn="新址装机"))],
)


def told(language: str, path: str, *answers: Message, terms: Terms = TERMS, **names: str) -> Shown:
    """A page of answers for a reader who has the names of the federation."""
    view, asked = view_of(path), visit("", ADMIN, **names)

    async def read() -> object:
        return await view.read(asked, Answering(*answers))

    found = asyncio.run(read())
    with for_reader(language, CONSOLE.texts):
        learn(terms)
        return view.show(asked, found)


def cells(shown: Shown) -> Iterator[tuple[str, str]]:
    """The text and the address of each cell of the tables of a page."""
    for table in shown.tables:
        for row in table.rows:
            yield from ((each.text, each.href) for each in row)


@pytest.mark.parametrize(("language", "item"), [("en", "New installation (install)"), ("zh", "新址装机（install）")])
def test_an_item_of_a_joint_order_has_its_printed_name_in_the_list_and_in_each_table_of_its_page(
    language: str, item: str
) -> None:
    listed = [text for text, _ in cells(told(language, "/joint-orders", joint_orders()))]
    assert any(item in each for each in listed), listed
    page = told(language, "/orders/{id:.+}", joint_trace(), id="guangdong/J20261124-1")
    names = {table.label: {each.text for row in table.rows for each in row} for table in page.tables}
    assert sum(item in texts for texts in names.values()) >= len(("items", "milestones")), names
    assert not any("install" in texts for texts in names.values()), names


@pytest.mark.parametrize(("language", "owner"), [("en", "Guangdong Network operations"), ("zh", "广东 网络运维部")])
@pytest.mark.parametrize("detail", ["problem-1", "problem-1 ordinary"])
def test_the_risk_of_an_accident_names_its_owner_and_leads_to_the_problem_also_where_a_former_version_has_raised_it(
    language: str, owner: str, detail: str
) -> None:
    found = ListRisksResponse()
    risk = found.risks.add(id="accident/guangdong", source=RiskSource.RISK_SOURCE_ACCIDENT, likelihood=5, impact=2)
    risk.owner_region, risk.owner_department = "guangdong", "NETWORK_OPERATIONS"
    risk.signal_lasts, risk.signal_detail = True, detail
    shown = [*cells(told(language, "/risks", found))]
    assert owner in [text for text, _ in shown], shown
    assert [href.partition("?")[0] for _, href in shown if "problems" in href] == ["/console/problems/problem-1"], shown


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("2026-12-31 20:26 +00:00", "2027-01-01 04:26 +08:00"),
        ("9999-12-31 23:59 +00:00", "9999-12-31 23:59 +00:00"),
        ("2026-13-31 20:26 +00:00", "2026-13-31 20:26 +00:00"),
    ],
)
def test_the_signal_of_a_risk_has_its_time_in_the_zone_of_the_page(stored: str, shown: str) -> None:
    found, terms = ListRisksResponse(), Terms(regions=[RegionTerm(region="sichuan", time_zone="Asia/Shanghai")])
    found.risks.add(
        source=RiskSource.RISK_SOURCE_CERTIFICATE, signal_lasts=True, signal_detail=f"10.0.0.1:7600 {stored}"
    )
    page = told("zh", "/risks", found, terms=terms)
    notes = [each.note for table in page.tables for row in table.rows for each in row if each.note]
    assert notes == [f"10.0.0.1:7600 {shown}"]


def test_a_complaint_that_repeats_another_leads_to_it() -> None:
    found = GetComplaintHistoryResponse(region="guangdong")
    found.complaint.header.ticket_id, found.complaint.repeated_ticket_id = "guangdong/2", "guangdong/1"
    page = told("en", "/complaints/{id:.+}", found, id="guangdong/2").page
    assert isinstance(page, TicketPage)
    assert [(each.text, each.href) for each in page.facts if each.href] == [
        ("guangdong/1", "/console/complaints/guangdong/1")
    ]


@pytest.mark.parametrize(
    ("state", "waits", "says_so"),
    [
        (MemberState.MEMBER_STATE_JOINED, False, True),
        (MemberState.MEMBER_STATE_JOINED, True, False),
        (MemberState.MEMBER_STATE_LOST, False, False),
        (MemberState.MEMBER_STATE_ABSENT, False, False),
    ],
)
def test_the_page_of_a_region_without_lanes_says_that_nothing_waits_only_while_the_region_can_tell(
    state: MemberState.ValueType, waits: bool, says_so: bool
) -> None:
    member = Member(region="guangdong", state=state)
    if waits:
        member.report.waiting.add(destination="henan", count=2)
    page = told("en", "/regions/{region}", ListRegionsResponse(members=[member]), region="guangdong")
    assert ("Nothing waits, and each region is reached." in {text for text, _ in cells(page)}) == says_so


def test_the_board_says_where_a_region_without_an_answer_may_have_more_orders_and_nowhere_else() -> None:
    joined = MemberState.MEMBER_STATE_JOINED
    members = ListRegionsResponse(
        members=[Member(region=each, state=joined) for each in ("guangdong", "henan", "hebei")]
    )
    orders = ListOrderSummariesResponse()
    orders.unanswered.add(region="henan", reason=Reason.REASON_REGION_SUSPENDED)
    for home in ("guangdong", "henan"):
        order = orders.orders.add(origin_region="hebei", home_region=home)
        order.create_time.CopyFrom(to_timestamp(NOW))
    board = told("en", "/board", members, orders, orders)
    named = {table.label: table for table in board.tables}
    found = {row[0].text: [each.text for each in row[4:6]] for row in named["Regions"].rows}
    assert found == {"Guangdong": ["1", "0"], "henan": ["1+", "0+"], "hebei": ["2", "2"]}
    flows = {row[0].text: row[1].text for row in named["Flows"].rows}
    assert flows == {"Guangdong · hebei": "1", "hebei · henan": "1+"}, (
        "henan may hold orders that hebei has not received"
    )
    assert ["orders held", "2+"] in [[each.text for each in row] for row in named["Board"].rows]


def test_the_board_counts_what_waits_for_a_region_that_is_not_reached_with_what_was_refused() -> None:
    origin = Member(region="hebei", state=MemberState.MEMBER_STATE_JOINED)
    origin.report.waiting.add(destination="henan", count=2)
    origin.report.open_breakers.add(destination="henan", waiting=3, failure="REGION_UNREACHABLE")
    origin.report.open_breakers.add(destination="hunan")
    none = ListOrderSummariesResponse()
    board = told("en", "/board", ListRegionsResponse(members=[origin]), none, none)
    named = {table.label: [[each.text for each in row] for row in table.rows] for table in board.tables}
    assert ["envelopes that wait", "5"] in named["Board"]
    assert [row[6] for row in named["Regions"]] == ["5"]
    assert [(row[0], row[2]) for row in named["Flows"]] == [("hebei · henan", "5"), ("hebei · hunan", "0")]


def test_a_region_without_an_answer_about_held_orders_alone_has_no_unknown_orders() -> None:
    orders, held = ListOrderSummariesResponse(), ListOrderSummariesResponse()
    orders.orders.add(origin_region="hebei", home_region="henan").create_time.CopyFrom(to_timestamp(NOW))
    held.unanswered.add(region="henan", reason=Reason.REASON_REGION_SUSPENDED)
    members = ListRegionsResponse(members=[Member(region="henan", state=MemberState.MEMBER_STATE_JOINED)])
    named = {table.label: table for table in told("en", "/board", members, orders, held).tables}
    assert [each.text for each in named["Regions"].rows[0][4:6]] == ["1", "0+"]
    assert [row[1].text for row in named["Flows"].rows] == ["1"]


@pytest.mark.parametrize(("language", "age"), [("en", "37 s ago"), ("zh", "37秒前")])
def test_an_age_below_a_minute_is_told_in_whole_seconds(language: str, age: str) -> None:
    with for_reader(language, CONSOLE.texts):
        assert told_age(to_timestamp(NOW - timedelta(seconds=37.7)), NOW) == age


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["in progress, down", "link chengdu-1 (80 %)", "Customers affected: 2,000,000; complaints: 7"]),
        ("zh", ["办理中、中断", "链路 chengdu-1（80 %）", "受影响客户：2,000,000；投诉：7"]),
    ],
)
def test_a_problem_of_the_network_is_told_with_the_marks_of_each_language(language: str, texts: list[str]) -> None:
    header = ProblemHeader(
        state=ProblemState.PROBLEM_STATE_IN_PROGRESS,
        condition=NetworkCondition.NETWORK_CONDITION_DOWN,
        root_cause=NetworkElement(kind=NetworkElementKind.NETWORK_ELEMENT_KIND_LINK, id="chengdu-1"),
        confidence=80,
    )
    with for_reader(language, CONSOLE.texts):
        assert [told_state(header), told_evidence(header, UNNAMED), told_affected(2_000_000, 7)] == texts


@pytest.mark.parametrize(
    ("language", "texts"), [("en", ["L1: filed", "L1 (filed)"]), ("zh", ["L1：filed", "L1（filed）"])]
)
def test_a_colon_and_brackets_are_those_of_the_readers_language(language: str, texts: list[str]) -> None:
    with for_reader(language, CONSOLE.texts):
        assert [headed("L1", "filed"), remarked("L1", "filed")] == texts
