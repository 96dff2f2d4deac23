"""The report of complaints, as a table, JSON, CSV and a page that needs nothing besides itself."""

import csv
import hashlib
import io
import itertools
import json
import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import coordinator
from coordinator.cli.complaints.report_page import page
from coordinator.cli.main import main
from coordinator.oversight import figures
from coordinator.wording.complaint_charts import GROUPINGS
from coordinator.wording.complaint_figures import as_csv, as_json, as_rows, duration
from gateway.api.coordinator.v1.administration_pb2 import UnansweredRegion
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import (
    ComplaintDimension,
    ComplaintGrouping,
    ReportComplaintsResponse,
    ReportedCategory,
    ReportedRegion,
)
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintCount, CountComplaintsResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.web.charts import Bar, Caption, Line, bars, lines, width_of
from gateway.wording.languages import speak

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MONTHS = ["2026-09", "2026-10", "2026-11"]
EVIL = "<script>alert('a & b')</script>"
TEXTS = Path(coordinator.__file__).parent / "texts"
VOID = frozenset({"meta", "br", "hr", "link", "input", "img"})


def counted(category: str, minutes: Sequence[int], *, complaints: int = 4) -> ComplaintCount:
    return ComplaintCount(
        category=category,
        department=LocalizedText(zh_cn="计费账务部", en="Billing"),
        complaints=complaints,
        timed=4,
        in_time=3,
        first_contact=1,
        repeats=1,
        reopened=1,
        reached=[complaints, complaints, 2, 1, 0, 0],
        ratings=2,
        rating_sum=9,
        minutes=minutes,
    )


def report(*by: ComplaintDimension.ValueType) -> ReportComplaintsResponse:
    counts = {
        "guangdong": {
            "2026-09": CountComplaintsResponse(customers=20000, counts=[counted("BILL_WRONG", [10, 200, 9000])]),
            "2026-11": CountComplaintsResponse(customers=20000, counts=[counted("", [], complaints=2)]),
        },
        "sichuan": {"2026-10": CountComplaintsResponse(customers=10000, counts=[counted("EVIL", [5])])},
    }
    groupings = [ComplaintGrouping(by=by), *GROUPINGS]
    return ReportComplaintsResponse(
        tables=[figures.table(counts, grouping.by) for grouping in groupings],
        regions=[
            ReportedRegion(region="guangdong", name=LocalizedText(zh_cn="广东", en="Guangdong"), customers=20000),
            ReportedRegion(region="sichuan", name=LocalizedText(zh_cn="四川", en="Sichuan"), customers=10000),
        ],
        categories=[
            ReportedCategory(code="BILL_WRONG", name=LocalizedText(zh_cn="计费错误", en="A wrong bill")),
            ReportedCategory(code="EVIL", name=LocalizedText(zh_cn=EVIL, en=EVIL)),
            ReportedCategory(code=""),
        ],
        unanswered=[UnansweredRegion(region="hunan", reason=Reason.REASON_REGION_UNREACHABLE)],
    )


class Reader(HTMLParser):
    """Reads a page as a browser does, and fails where an element is not closed in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(told: str) -> Reader:
    reader = Reader()
    reader.feed(told)
    reader.close()
    assert not reader.open
    return reader


def test_the_page_is_whole_escaped_and_loads_and_runs_nothing() -> None:
    told = page(report(figures.CATEGORY, figures.MONTH), MONTHS, NOW, "en")
    found = read(told)
    tags = {tag for tag, _ in found.seen}
    assert not tags & {"script", "link", "img", "iframe", "object", "image", "use"}
    assert EVIL in found.texts
    assert EVIL not in told
    assert not re.search(r"https?:|url\(|@import|src=|href=|\son\w+=", told)
    _, _, rest = told.partition("<style>")
    style = b64encode(hashlib.sha256(rest.partition("</style>")[0].encode()).digest()).decode()
    policy = {"http-equiv": "Content-Security-Policy", "content": f"default-src 'none'; style-src 'sha256-{style}'"}
    assert ("meta", policy) in found.seen


def test_every_chart_says_what_it_shows_and_every_table_has_a_caption_and_headings() -> None:
    found = read(page(report(figures.DEPARTMENT), MONTHS, NOW, "en"))
    ids = [attributes["id"] for _, attributes in found.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    charts = [attributes for tag, attributes in found.seen if tag == "svg" and attributes.get("role") == "img"]
    assert len(charts) == 6
    for chart in charts:
        assert set(chart["aria-labelledby"].split()) <= set(ids)
    tags = [tag for tag, _ in found.seen]
    assert tags.count("table") == tags.count("caption") == 2
    assert all("scope" in attributes for tag, attributes in found.seen if tag == "th")
    assert "Guangdong: 75.0%; Sichuan: 75.0%" in found.texts
    assert "2026-09: 75.0%; 2026-10: 75.0%; 2026-11: 75.0%" in found.texts
    assert "Guangdong: 2026-09 4, 2026-10 0, 2026-11 2; Sichuan: 2026-09 0, 2026-10 4, 2026-11 0" in found.texts


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en", ["Complaints by month", "By month", "Guangdong"]), ("zh", ["各月投诉量", "按月份", "广东"])],
)
def test_the_page_speaks_the_language_of_the_command(language: str, expected: list[str]) -> None:
    speak(language, TEXTS)
    told = page(report(figures.MONTH), MONTHS, NOW, language)
    found = read(told)
    assert set(expected) <= set(found.texts)
    assert dict(found.seen[0][1])["lang"] == {"en": "en", "zh": "zh-CN"}[language]


def test_a_region_that_did_not_answer_is_named_before_all_figures() -> None:
    told = page(report(figures.REGION), MONTHS, NOW, "en")
    assert told.index("hunan could not be asked: REGION_UNREACHABLE") < told.index("<table")
    whole = report(figures.REGION)
    del whole.unanswered[:]
    assert "could not be asked" not in page(whole, MONTHS, NOW, "en")


def test_a_federation_without_a_complaint_has_a_page_too() -> None:
    empty = ReportComplaintsResponse(tables=[figures.table({}, grouping.by) for grouping in (GROUPINGS[1], *GROUPINGS)])
    found = read(page(empty, MONTHS, NOW, "en"))
    assert "no complaints" in found.texts


def test_programs_are_told_codes_counts_and_null_for_what_cannot_be_computed() -> None:
    told = json.loads(as_json(report(figures.REGION, figures.CATEGORY), MONTHS))
    assert (told["from"], told["to"], told["by"]) == ("2026-09", "2026-11", ["region", "category"])
    assert told["unanswered"] == [{"region": "hunan", "reason": "REGION_UNREACHABLE"}]
    unclassified, wrong, _ = told["rows"]
    assert (wrong["region"], wrong["category"], wrong["complaints"]) == ("guangdong", "BILL_WRONG", 4)
    assert (wrong["per_10000_customers"], wrong["share_in_time"], wrong["satisfaction"]) == (2.0, 0.75, 4.5)
    assert (wrong["resolution_80_minutes"], wrong["resolution_95_minutes"]) == (9000, 9000)
    assert (wrong["share_first_contact"], wrong["reached_level_2"], wrong["reached_level_5"]) == (0.3333, 2, 0)
    assert (unclassified["category"], unclassified["resolution_95_minutes"]) == ("", None)


def test_csv_has_the_same_figures_in_the_same_order() -> None:
    found = report(figures.DEPARTMENT, figures.MONTH)
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    told = json.loads(as_json(found, MONTHS))["rows"]
    assert rows == [{key: "" if value is None else str(value) for key, value in row.items()} for row in told]
    assert (rows[0]["department"], rows[0]["department_zh"], rows[0]["month"]) == ("Billing", "计费账务部", "2026-09")


def test_people_read_names_percentages_and_spans() -> None:
    titles, rows = as_rows(report(figures.REGION, figures.CATEGORY).tables[0], report())
    first = dict(zip(titles, rows[1], strict=True))
    assert (first["region"], first["category"], first["in time"], first["95 % within"]) == (
        "Guangdong",
        "A wrong bill",
        "75.0%",
        "6.2 d",
    )
    assert dict(zip(titles, rows[0], strict=True))["category"] == "not classified"
    assert dict(zip(titles, rows[0], strict=True))["95 % within"] == "–"


@pytest.mark.parametrize(
    ("minutes", "told"),
    [(0, "0 min"), (119, "119 min"), (120, "2.0 h"), (4319, "72.0 h"), (4320, "3.0 d"), (None, "–")],
)
def test_a_span_is_told_in_the_unit_in_which_it_is_short(minutes: int | None, told: str) -> None:
    assert duration(minutes) == told


@given(st.lists(st.floats(0, 1000) | st.none(), min_size=1, max_size=40), st.floats(0, 1000))
def test_no_bar_leaves_its_chart(values: list[float | None], most: float) -> None:
    caption = Caption("x", "x", "x")
    chart = bars(caption, [(f"{number}", [Bar(value, "x")]) for number, value in enumerate(values)], most)
    drawn = [each for each in chart.rectangles if each.style == "series-0"]
    tracks = [each for each in chart.rectangles if each.style == "track"]
    assert len(drawn) == len(values)
    assert all(0 <= each.width <= track.width for each, track in zip(drawn, tracks, strict=True))
    assert all(each.y + each.height < chart.height for each in drawn)


@pytest.mark.parametrize("told", ["123456.78 CNY", f"123456.78 {'W' * 90}"])
def test_no_figure_beside_a_bar_leaves_its_chart_or_takes_the_room_of_the_bars(told: str) -> None:
    chart = bars(Caption("x", "x", "x"), [("2026-11", [Bar(1, "0.00 CNY"), Bar(2, told)])], 2)
    ends = [each.x + width_of(each.text) for each in chart.labels if each.anchor == "start"]
    assert max(ends) <= chart.width
    assert max(each.width for each in chart.rectangles) >= chart.width / 3
    assert told in {each.hint for each in chart.labels}


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=40))
def test_no_line_leaves_its_chart_and_more_is_higher(values: list[int]) -> None:
    places = [f"{number}" for number in range(len(values))]
    chart = lines(Caption("x", "x", "x"), places, [Line("all", values)])
    points = [(each.x, each.y) for curve in chart.curves for each in curve]
    assert all(0 < x < chart.width and 0 < y < chart.height for x, y in points)
    assert points == sorted(points, key=lambda point: point[0])
    ranked = sorted(zip(values, points, strict=True), key=lambda each: each[0])
    assert all(lower[1][1] >= higher[1][1] for lower, higher in itertools.pairwise(ranked))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("report --from 2026-13", "write it as YYYY-MM"),
        ("report --by region,region", "region, department, category, month"),
        ("report --by town", "region, department, category, month"),
        ("report --from 2026-02 --to 2026-01", "ask for 1 to 36 months"),
        ("report --from 2020-01 --to 2026-01", "ask for 1 to 36 months"),
        ("report --out x.txt", "say --format json, csv or html"),
        ("list --overdue --due-soon", "give one of them"),
        ("raise guangdong/1 --level 6 --reason x", "--level"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(words: str, problem: str) -> None:
    connection = ["--coordinator", "127.0.0.1:1", "--credentials", "nowhere", "--federation", "x"]
    ended = CliRunner().invoke(main, ["complaints", *words.split(), *connection])
    assert ended.exit_code == 2
    assert problem in ended.stderr
