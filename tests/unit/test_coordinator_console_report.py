"""The report of complaints at a coordinator's console, and the files of a complaint and of an order."""

import json

from google.protobuf.message import Message

from coordinator.oversight import figures
from coordinator.wording.complaint_charts import GROUPINGS
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import ReportComplaintsRequest, ReportComplaintsResponse
from gateway.api.region.v1.complaint_oversight_service_pb2 import CountComplaintsResponse
from gateway.web.console.exports import exported
from gateway.web.console.lists import ListPage
from gateway.web.console.pages import Rpc, Shown
from tests.unit.console_pages import Answering, M, shown_by, visit
from tests.unit.test_complaint_report import counted, read, report
from tests.unit.test_coordinator_console import ADMIN, CONSOLE, history, trace, view_of, written

PATH = "/complaints/report"


class Noting(Answering):
    """RPCs that note what was asked."""

    def __init__(self, *answers: Message) -> None:
        super().__init__(*answers)
        self.asked: list[Message] = []

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        self.asked.append(request)
        return await super().ask(rpc, request)


def asked(query: str) -> ReportComplaintsRequest:
    """The request of the page with a query."""
    calling = Noting(report(figures.REGION))
    shown_by(CONSOLE, view_of(PATH), visit(query, ADMIN), calling)
    [request] = calling.asked
    assert isinstance(request, ReportComplaintsRequest)
    return request


def shown(query: str, answer: ReportComplaintsResponse) -> tuple[Shown, ListPage]:
    """The page with a query."""
    found = shown_by(CONSOLE, view_of(PATH), visit(query, ADMIN), Answering(answer))
    assert isinstance(found.page, ListPage)
    return found, found.page


def test_the_report_asks_for_a_year_by_region_unless_the_address_names_months_and_dimensions() -> None:
    first = asked("")
    assert (first.from_month, first.to_month) == ("2025-12", "2026-11")
    assert [list(each.by) for each in first.groupings] == [[figures.REGION], *(list(each.by) for each in GROUPINGS)]
    other = asked("from=2026-01&to=2026-03&by=category,month")
    assert (other.from_month, other.to_month) == ("2026-01", "2026-03")
    assert list(other.groupings[0].by) == [figures.CATEGORY, figures.MONTH]


def test_the_report_shows_each_chart_the_figures_and_what_they_mean_and_names_a_silent_region() -> None:
    page = written(PATH, report(figures.CATEGORY), query="from=2026-09&by=category")
    found = read(page)
    charts = [each for tag, each in found.seen if tag == "svg" and each.get("role") == "img"]
    assert (len(charts), "各月投诉量" in found.texts, "数字说明" in found.texts) == (6, True, True)
    assert "hunan" in page
    tables = shown("by=category", report(figures.CATEGORY))[0].tables
    assert [each.label for each in tables] == ["合计", "按类别"]
    assert [row[0].text for row in tables[1].rows] == ["未归类", "计费错误", report().categories[1].name.zh_cn]


def test_a_report_without_complaints_has_tables_and_no_empty_charts() -> None:
    empty = report(figures.CATEGORY)
    for table in empty.tables:
        for row in table.rows:
            row.complaints = 0
    page = read(written(PATH, empty, query="from=2026-09&by=category"))
    assert [tag for tag, each in page.seen if tag == "svg" and each.get("role") == "img"] == []
    assert "数字说明" in page.texts


def test_a_report_of_no_region_has_no_figures_and_months_in_the_wrong_order_are_turned() -> None:
    nobody = report(figures.CATEGORY)
    del nobody.regions[:]
    for each in nobody.tables:
        each.CopyFrom(figures.table({}, each.by))
    found, page = shown("", nobody)
    assert (list(page.figures), list(page.above), list(page.table.rows)) == ([], [], [])
    assert any("hunan" in each for each in found.notes)
    turned = asked("from=2026-11&to=2026-03")
    assert (turned.from_month, turned.to_month) == ("2026-03", "2026-11")


def test_a_long_report_has_pages_whose_address_keeps_its_months_and_its_table() -> None:
    found = report()
    counts = {
        "guangdong": {"2026-09": CountComplaintsResponse(counts=[counted(f"C{each:03}", []) for each in range(150)])}
    }
    found.tables[0].CopyFrom(figures.table(counts, [figures.REGION, figures.CATEGORY]))
    query = "by=region,category&from=2026-01&to=2026-11"
    told, first = shown(query, found)
    assert (len(first.table.rows), told.notes[-1]) == (100, "列表有多页，此处仅为其中一页。")
    [following] = first.pages
    assert following.href == "/console/complaints/report?from=2026-01&to=2026-11&by=region%2Ccategory&page=100"
    assert len(shown(f"{query}&page=100", found)[1].table.rows) == 50


def test_a_file_of_a_complaint_or_of_an_order_across_regions_has_its_facts_and_its_course() -> None:
    complaint = shown_by(CONSOLE, view_of("/complaints/{id:.+}"), visit("", ADMIN, id="T1"), Answering(history()))
    tables = json.loads(exported(complaint, "json").text or "")["tables"]
    assert [tables[0]["rows"][0]["名称"], tables[-1]["label"]] == ["状态", "办理过程"]
    assert {"名称": "重复投诉", "值": "T0"} in tables[0]["rows"]
    assert any("3" in row["事件"] for row in tables[-1]["rows"])
    order = shown_by(CONSOLE, view_of("/orders/{id:.+}"), visit("", ADMIN, id="R1"), Answering(trace()))
    tables = json.loads(exported(order, "json").text or "")["tables"]
    assert ("R1" in tables[0]["rows"][0]["值"], len(tables[-1]["rows"])) == (True, 2)
