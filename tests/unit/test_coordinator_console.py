"""The pages of a coordinator's console without a server: flows, and pages of hostile texts."""

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf.message import Message

from coordinator.console.console import console
from coordinator.console.flows import pairs_of
from coordinator.console.served import consoles
from coordinator.oversight import figures
from coordinator.settings import CoordinatorSettings
from gateway.api.coordinator.v1.administration_pb2 import (
    GetBodyResponse,
    GetConfigurationResponse,
    GetOrderTraceResponse,
    ListOrderSummariesResponse,
    ListRegionsResponse,
)
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import (
    GetComplaintHistoryResponse,
    ListComplaintHeadersResponse,
)
from gateway.api.coordinator.v1.issue_service_pb2 import CountIssuesResponse, ListIssueHeadersResponse
from gateway.api.coordinator.v1.problem_service_pb2 import (
    ListOutagesResponse,
)
from gateway.api.coordinator.v1.risk_service_pb2 import ListRisksResponse
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader
from gateway.api.region.v1.complaint_pb2 import DeadlineKind
from gateway.api.region.v1.order_pb2 import OrderState, Party
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.identity import Identity
from gateway.security.tls import Credentials
from gateway.time.clock import SystemClock, to_timestamp
from gateway.web.console.exports import exported
from gateway.web.console.pages import Rpc, Shown, View
from gateway.web.settings import WebSettings
from gateway.web.tables import Cell, Table
from tests.unit.console_pages import NOW, Answering, M, shown_by, visit, written_by
from tests.unit.joint_answers import (
    joint_orders,
    joint_trace,
    proposal,
    quality,
    reconciliation,
    revisions,
    settlement,
)
from tests.unit.network_answers import CHANGED, matrix, network, problem, problems, ways
from tests.unit.test_complaint_report import read, report
from tests.unit.test_console import require_harmless, require_known_rpcs, require_well_formed
from tests.unit.test_hostile_pages import EVIL, hostile

CONSOLE = console(SystemClock())
ADMIN = Identity("crossregion.example", Role.ROLE_ADMIN, "", "root")


def written(path: str, *answers: Message, query: str = "", **names: str) -> str:
    """The HTML of a page in Chinese."""
    return written_by(CONSOLE, view_of(path), visit(query, ADMIN, **names), Answering(*answers))


def view_of(path: str) -> View:
    return next(each for each in CONSOLE.views if each.path == path)


def certificate() -> bytes:
    """A certificate (PEM) that ends in the year of the tests."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    return built.not_valid_after(datetime(2026, 12, 31, tzinfo=UTC)).sign(key, None).public_bytes(Encoding.PEM)


def member(region: str, evil: str = "") -> Member:
    """A region that has joined, with all that its page can show; `evil` stands behind each text."""
    found = Member(region=f"{region}{evil}", state=MemberState.MEMBER_STATE_JOINED, state_note=f"a note{evil}")
    found.endpoints.append(f"127.0.0.1:7000{evil}")
    found.heartbeat_time.CopyFrom(to_timestamp(NOW))
    found.signing_certificate, found.federation_revision = certificate(), 3
    found.report.certificate_end_time.CopyFrom(to_timestamp(NOW))
    found.report.unreadable = f"policies{evil}"
    waiting = found.report.waiting.add(destination=f"henan{evil}", count=2, reason=Reason.REASON_REGION_SUSPENDED)
    waiting.create_time.CopyFrom(to_timestamp(NOW - timedelta(minutes=5)))
    found.report.in_flight.add(destination=f"henan{evil}", count=7)
    breaker = found.report.open_breakers.add(destination=f"henan{evil}", failure=f"UNAVAILABLE{evil}")
    breaker.open_time.CopyFrom(to_timestamp(NOW))
    found.report.anomalies.add(region=f"henan{evil}", count=1)
    found.processes.add(endpoint=f"127.0.0.1:7000{evil}").version.version = f"0.4.0{evil}"
    return found


def regions(evil: str = "") -> ListRegionsResponse:
    """Three regions."""
    found = ListRegionsResponse(members=[member(each, evil) for each in ("guangdong", "henan", "sichuan")])
    found.registry_time.CopyFrom(to_timestamp(NOW))
    return found


def orders(evil: str = "") -> ListOrderSummariesResponse:
    """An order between two regions."""
    found = ListOrderSummariesResponse()
    order = found.orders.add(id=f"R1{evil}", origin_region=f"guangdong{evil}", home_region=f"sichuan{evil}")
    order.create_time.CopyFrom(to_timestamp(NOW))
    found.unanswered.add(region=f"henan{evil}", reason=Reason.REASON_TOO_BUSY)
    return found


def trace(evil: str = "") -> GetOrderTraceResponse:
    """The way of an order of one hop, and an envelope without its receipt."""
    found = GetOrderTraceResponse()
    told = found.traces.add(region=f"guangdong{evil}").trace
    told.order.CopyFrom(orders(evil).orders[0])
    told.order.version, told.order.awaiting.party = 1, Party.PARTY_HOME_STAFF
    for seconds in (0, 2):
        change = told.state_changes.add(state=OrderState.ORDER_STATE_IN_PROGRESS, region=f"guangdong{evil}")
        change.time.CopyFrom(to_timestamp(NOW + timedelta(seconds=seconds)))
    told.envelopes.add(envelope_id="E1", origin=f"guangdong{evil}", destination=f"sichuan{evil}")
    found.unanswered.add(region=f"henan{evil}", reason=Reason.REASON_TOO_BUSY)
    return found


def outages(evil: str = "") -> ListOutagesResponse:
    """An outage."""
    found = ListOutagesResponse()
    outage = found.outages.add(region=f"sichuan{evil}", problem_id=f"problem-1{evil}")
    outage.element.id = f"chengdu-1{evil}"
    return found


def configuration(evil: str = "") -> GetConfigurationResponse:
    """A configuration with a region, which an administrator has signed."""
    found = GetConfigurationResponse(federation_revision=3)
    found.configuration.federation = f"crossregion.example{evil}"
    found.configuration.regions.add(id=f"sichuan{evil}")
    found.place.administration.administrators.add(name=f"li{evil}")
    return found


def header(evil: str = "") -> ComplaintHeader:
    """A complaint without texts."""
    found = ComplaintHeader(ticket_id=f"T1{evil}", category=f"BILL_WRONG{evil}", level=3)
    found.origin_region, found.owner_region, found.group_id = f"guangdong{evil}", f"sichuan{evil}", f"T3{evil}"
    found.department.en = found.department.zh_cn = f"billing{evil}"
    found.due_time.CopyFrom(to_timestamp(NOW))
    return found


def history(evil: str = "") -> GetComplaintHistoryResponse:
    """The course of a complaint that is late."""
    found = GetComplaintHistoryResponse(region=f"sichuan{evil}")
    told = found.complaint
    told.header.CopyFrom(header(evil))
    told.repeated_ticket_id = f"T0{evil}"
    told.deadlines.add(kind=DeadlineKind.DEADLINE_KIND_RESOLVE).due_time.CopyFrom(to_timestamp(NOW))
    told.lateness.FromTimedelta(timedelta(hours=1))
    told.why_late.add(region=f"sichuan{evil}")
    told.escalations.add(region=f"sichuan{evil}", level=3)
    found.unanswered.add(region=f"henan{evil}", reason=Reason.REASON_TOO_BUSY)
    return found


def body(evil: str = "") -> GetBodyResponse:
    """A body with a member who is on duty."""
    found = GetBodyResponse().body
    member, duty = found.members.add(region=f"sichuan{evil}"), found.on_duty.add(region=f"sichuan{evil}")
    for contact in (member.contact, duty.contact):
        contact.name, contact.telephone = f"Li Na{evil}", f"+86280000000{evil}"
    matter = found.responsibilities.add()
    matter.name.en = matter.name.zh_cn = f"a dispute{evil}"
    matter.lead.region = f"sichuan{evil}"
    return GetBodyResponse(body=found)


def issues(evil: str = "") -> tuple[ListIssueHeadersResponse, CountIssuesResponse]:
    """An issue with the person to call."""
    listed, counts = ListIssueHeadersResponse(next_page_token="T"), CountIssuesResponse()
    listed.issues.add(id=f"I1{evil}", owner_region=f"sichuan{evil}", owner_has_left=True, escalations=1)
    listed.duties.add(issue_id=f"I1{evil}").on_duty.contact.name = f"Li Na{evil}"
    counts.regions.add(region=f"sichuan{evil}")
    return listed, counts


def risks(evil: str = "") -> ListRisksResponse:
    """A risk whose signal lasts."""
    found = ListRisksResponse()
    risk = found.risks.add(id=f"region-lost/sichuan{evil}", title=f"one supplier{evil}", likelihood=1, impact=1)
    risk.owner_region, risk.signal_lasts, risk.signal_detail = f"sichuan{evil}", True, f"since noon{evil}"
    for grades in (found.rules.likelihoods, found.rules.impacts):
        name = grades.add().name
        name.en = name.zh_cn = f"rare{evil}"
    band = found.rules.bands.add(least_score=1)
    band.name.en = band.name.zh_cn = f"low{evil}"
    return found


def full_pages(evil: str = "") -> Iterator[tuple[str, str]]:
    """Each page of the console with all that it can show; `evil` stands behind each text."""
    answers = (regions(evil), orders(evil), problems(evil), outages(evil))
    yield "board", written("/board", *answers)
    at = f"sichuan{evil}"
    yield "region", written("/regions/{region}", *answers, query="connection=test", region=at)
    yield "membership", written("/regions/{region}/membership", *answers, region=at)
    signed = GetConfigurationResponse(requires_signatures=True)
    yield "signed membership", written("/regions/{region}/membership", *answers, signed, region=at)
    yield "orders", written("/orders", orders(evil))
    yield "order", written("/orders/{id:.+}", trace(evil), id=f"R1{evil}")
    yield "order by id", written("/orders", trace(evil), query=f"id={quote(f'R1{evil}')}")
    yield "joint orders", written("/joint-orders", joint_orders(evil))
    yield "joint order", written("/orders/{id:.+}", joint_trace(evil), id=f"guangdong/J20261124-1{evil}")
    yield "settlement", written("/settlement", settlement(evil))
    yield "configuration", written("/configuration", configuration(evil), *answers, query="part=regions")
    yield "revisions", written("/configuration/revisions", *revisions(evil))
    file, *answers_about_it = proposal(evil)
    asked = replace(visit("file=F1", ADMIN), file=file)
    yield "proposal", written_by(CONSOLE, view_of("/configuration/proposal"), asked, Answering(*answers_about_it))
    yield "complaints", written("/complaints", ListComplaintHeadersResponse(complaints=[header(evil)]))
    yield "complaint", written("/complaints/{id:.+}", history(evil), id=f"T1{evil}")
    reported = report(figures.REGION, figures.CATEGORY)
    reported = hostile(reported) if evil else reported
    yield "complaint report", written("/complaints/report", reported, query="by=region,category&from=2026-09")
    yield "body", written("/body", body(evil))
    yield "network", written("/network", network(evil), matrix(evil), query=CHANGED)
    yield "paths", written("/network/paths", network(evil), ways(evil), query=f"from=guangdong&to=sichuan&{CHANGED}")
    yield "problems", written("/problems", problems(evil))
    yield "problem", written("/problems/{id}", problem(evil), id=f"problem-1{evil}")
    yield "issues", written("/issues", *issues(evil))
    yield "risks", written("/risks", risks(evil))
    yield "quality", written("/quality", quality(evil))
    yield "quality of a figure", written("/quality", quality(evil), query="figure=repairTime95")
    yield "reconciliation", written("/reconciliation", reconciliation(evil))


def test_hostile_texts_change_no_element_and_no_attribute_of_a_page() -> None:
    require_harmless(full_pages(), full_pages(EVIL))


def test_every_field_has_a_label_every_table_a_head_and_no_page_has_a_style_or_a_handler_of_its_own() -> None:
    require_well_formed(full_pages())


def test_the_pages_of_a_console_name_rpcs_of_the_contract_and_their_answers() -> None:
    require_known_rpcs(CONSOLE)


def test_a_flow_joins_both_directions_and_trouble_comes_first() -> None:
    busy = [("guangdong", "sichuan")] * 3 + [("sichuan", "guangdong"), ("henan", "henan"), ("henan", "")]
    stuck = Member(region="henan")
    for minutes in (5, 50):
        waiting = stuck.report.waiting.add(destination="sichuan", count=2)
        waiting.create_time.CopyFrom(to_timestamp(NOW - timedelta(minutes=minutes)))
    stuck.report.open_breakers.add(destination="guangdong", waiting=7).open_time.CopyFrom(to_timestamp(NOW))
    found = pairs_of(busy, [stuck])
    told = [(each.regions, each.orders, each.waiting, each.style) for each in found]
    assert told == [
        (("guangdong", "henan"), 0, 7, "late"),
        (("henan", "sichuan"), 0, 4, "near"),
        (("guangdong", "sichuan"), 4, 0, "calm"),
    ]
    assert found[1].oldest == to_timestamp(NOW - timedelta(minutes=50))


def test_a_count_of_which_there_may_be_more_says_so() -> None:
    first, no_held = ListOrderSummariesResponse(next_page_token="T"), ListOrderSummariesResponse()
    order = first.orders.add(origin_region="guangdong", home_region="sichuan")
    order.create_time.CopyFrom(to_timestamp(NOW))
    answers = (regions(), first, no_held, problems(), outages())
    assert "1+" in read(written("/board", *answers)).texts
    older = first.orders.add(origin_region="guangdong", home_region="sichuan")
    older.create_time.CopyFrom(to_timestamp(NOW - timedelta(hours=2)))
    texts = read(written("/board", *answers)).texts
    assert ("1" in texts, "1+" in texts) == (True, False)


def test_a_region_that_tells_no_orders_per_minute_has_a_dash() -> None:
    told, none = regions(), ListOrderSummariesResponse()
    told.members[0].report.orders_per_minute = 1234
    texts = read(written("/board", told, none, none, problems(), outages())).texts
    assert (texts.count("1,234"), texts.count("–")) == (1, 2)


def test_counts_of_problems_and_outages_say_so_too() -> None:
    more, none = problems(), ListOrderSummariesResponse()
    more.next_page_token = "T"
    texts = read(written("/board", regions(), none, none, more, outages())).texts
    assert "1+" in texts


@pytest.mark.parametrize("state", [MemberState.MEMBER_STATE_ABSENT, MemberState.MEMBER_STATE_SUSPENDED])
def test_a_test_of_the_connection_of_a_region_that_never_joined_finds_no_answer(state: MemberState.ValueType) -> None:
    absent = ListRegionsResponse(members=[Member(region="henan", state=state)])
    page = written("/regions/{region}", absent, ListOrderSummariesResponse(), query="connection=test", region="henan")
    assert ("REGION_NOT_JOINED" in page, 'class="badge done"' in page) == (True, False)
    assert "上次心跳：从未" in page


@pytest.mark.parametrize(
    ("state", "endpoints", "offered"),
    [
        (MemberState.MEMBER_STATE_ABSENT, [], ["暂停"]),
        (MemberState.MEMBER_STATE_JOINED, ["127.0.0.1:7000"], ["测试连接", "暂停"]),
        (MemberState.MEMBER_STATE_LOST, ["127.0.0.1:7000"], ["测试连接", "暂停"]),
        (MemberState.MEMBER_STATE_SUSPENDED, ["127.0.0.1:7000"], ["测试连接", "恢复"]),
        (MemberState.MEMBER_STATE_SUSPENDED, [], ["恢复"]),
    ],
)
def test_the_page_of_a_region_leads_to_the_acts_that_change_something(
    state: MemberState.ValueType, endpoints: list[str], offered: list[str]
) -> None:
    member = Member(region="henan", state=state, endpoints=endpoints)
    page = written("/regions/{region}", ListRegionsResponse(members=[member]), region="henan")
    assert [each for each in ("测试连接", "暂停", "恢复") if f">{each}</a>" in page] == offered


def test_a_region_that_failed_is_told_by_the_name_of_its_reason() -> None:
    failed = ListOrderSummariesResponse()
    failed.unanswered.add(region="henan", reason=Reason.REASON_INTERNAL)
    page = written("/orders", failed)
    assert ("INTERNAL" in page, "{incident}" in page) == (True, False)


def test_the_severity_of_a_problem_is_a_badge_as_on_the_page_of_a_network() -> None:
    told, none = problems(), ListOrderSummariesResponse()
    told.problems[0].header.severity = PerceivedSeverity.PERCEIVED_SEVERITY_MAJOR
    page = written("/board", regions(), none, none, told, outages())
    assert 'class="badge soon">重大<' in page


def test_a_complaint_of_which_no_region_could_be_asked_shows_why_and_nothing_else() -> None:
    silent = GetComplaintHistoryResponse()
    silent.unanswered.add(region="henan", reason=Reason.REASON_TOO_BUSY)
    page = written("/complaints/{id:.+}", silent, id="henan/T1")
    assert ("TOO_BUSY" in page, "1970" in page) == (True, False)


def test_a_file_of_a_page_computes_nothing_in_a_spreadsheet_and_names_its_tables() -> None:
    head = [Cell("Number", "col"), Cell("Due", "col")]
    first = Table(
        "first", head, [[Cell("=cmd()"), Cell("in 2 h", note="2026-11-24")], [Cell("+8619844000001"), Cell("")]]
    )
    page = Shown("list.html.j2", "Title", object(), "/orders", [first, Table("second", head, [])])
    told = exported(page, "csv").text or ""
    rows = list(csv.reader(io.StringIO(told.removeprefix("\ufeff"))))
    assert rows[:3] == [["first"], ["Number", "Due"], ["'=cmd()", "in 2 h; 2026-11-24"]]
    assert rows[4:] == [[], ["second"], ["Number", "Due"]]
    found = json.loads(exported(page, "json").text or "")
    assert found["tables"][0]["rows"][0] == {"Number": "=cmd()", "Due": {"text": "in 2 h", "note": "2026-11-24"}}


def test_a_file_of_a_page_tells_what_its_tables_lack() -> None:
    part = orders()
    part.next_page_token = "T"
    shown = shown_by(CONSOLE, view_of("/orders"), visit("", ADMIN), Answering(part))
    notes = json.loads(exported(shown, "json").text or "")["notes"]
    assert [("henan" in each, "TOO_BUSY" in each) for each in notes] == [(True, True), (False, False)]
    rows = list(csv.reader(io.StringIO(exported(shown, "csv").text)))
    assert rows[-3:] == [[], *([each] for each in notes)]


def facts_of(order: GetOrderTraceResponse) -> dict[str, str]:
    """The facts of the page of an order."""
    shown = shown_by(CONSOLE, view_of("/orders/{id:.+}"), visit("", ADMIN, id="guangdong/R1"), Answering(order))
    return {name.text: told.text for name, told in shown.tables[0].rows}


def test_the_page_of_an_order_names_its_business_and_its_regions_as_the_newest_version_has_them() -> None:
    found = trace()
    newer = found.traces.add(region="sichuan").trace.order
    newer.CopyFrom(found.traces[0].trace.order)
    newer.business, newer.version = "SUSPEND", 2
    regions = {"受理地": "guangdong", "归属地": "sichuan"}
    assert facts_of(found).items() >= {"业务": "SUSPEND", **regions}.items()
    newer.home_region, newer.number_prefix = "", "+861381234"
    assert facts_of(found)["归属地"] == "+861381234", "of a held order no region is known"
    assert facts_of(joint_trace())["牵头地区"] == "guangdong"
    assert not {"业务", *regions} & {*facts_of(GetOrderTraceResponse())}, "no region has answered"


def test_a_joint_order_shows_who_has_it_its_milestones_and_why_an_item_was_refused_as_the_newest_version_says() -> None:
    shown = shown_by(CONSOLE, view_of("/orders/{id:.+}"), visit("", ADMIN, id="guangdong/J1"), Answering(joint_trace()))
    assert shown.tab == "/joint-orders"
    _, items, waiting, milestones, _ = shown.tables
    assert [row[0].text for row in items.rows] == ["install", "remove"]
    assert "JOINT_SURVEY_REFUSED" in items.rows[1][3].text
    assert [[cell.text for cell in row[:3]] for row in waiting.rows] == [["henan", "install", "签约"]]
    assert [(row[1].text, bool(row[2].text), bool(row[3].text)) for row in milestones.rows] == [
        ("勘查", False, True),
        ("签约", True, False),
    ]


def test_a_figure_is_a_chart_by_region_and_by_month_for_one_region() -> None:
    query = "figure=repairTime95&month=2026-02"
    by_region = read(written("/quality", quality(), query=query)).texts
    by_month = read(written("/quality", quality(), query=f"{query}&region=sichuan")).texts
    regions, months = {"guangdong: 40.0小时 ✓", "sichuan: 60.0小时 !"}, {"2025-09: 60.0小时 !", "2026-02: 60.0小时 !"}
    assert (regions <= {*by_region}, months & {*by_region}) == (True, set())
    assert (months <= {*by_month}, regions & {*by_month}) == (True, set())


def test_a_region_computes_one_month_of_a_figure_at_a_time() -> None:
    class Busy(Answering):
        asked = open_calls = 0

        async def ask(self, rpc: Rpc[M], request: Message) -> M:
            assert not self.open_calls
            self.asked, self.open_calls = self.asked + 1, 1
            await asyncio.sleep(0)
            self.open_calls = 0
            return await super().ask(rpc, request)

    calling = Busy(quality())
    shown_by(CONSOLE, view_of("/quality"), visit("figure=repairTime95&month=2026-02", ADMIN), calling)
    assert calling.asked == 6


def test_a_month_that_is_none_and_a_figure_that_is_none_are_refused() -> None:
    for query in ("month=2026-13", "month=last", "figure=happiness"):
        with pytest.raises(Refused, match=query.partition("=")[0]):
            written("/quality", quality(), query=query)


def test_the_name_of_a_file_has_no_slash() -> None:
    shown = shown_by(CONSOLE, view_of("/configuration/revisions"), visit("", ADMIN), Answering(*revisions()))
    told = exported(shown, "csv").headers["Content-Disposition"]
    assert told == 'attachment; filename="configuration-revisions.csv"'


def test_a_coordinator_has_a_console_only_where_its_settings_say_so(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path, tmp_path, tmp_path)
    settings = CoordinatorSettings("crossregion.example", "127.0.0.1:0", tmp_path, credentials)
    clock, listen = SystemClock(), "127.0.0.1:0"
    assert not consoles(settings, clock)
    assert not consoles(replace(settings, web=WebSettings(listen)), clock)
    assert len(consoles(replace(settings, web=WebSettings(listen, console=True)), clock)) == 1
