"""The content of pages fits: no text of a chart over another one, no column of a table beyond the window."""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import gateway.web
from coordinator.cli.complaints import report_page
from coordinator.cli.network import matrix_page
from coordinator.cli.quality import report_page as quality_page
from coordinator.cli.risks import report_page as risks_page
from coordinator.oversight import figures
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import ComplaintDimension, ReportComplaintsResponse
from gateway.api.coordinator.v1.quality_oversight_service_pb2 import ReportQualityResponse
from gateway.api.coordinator.v1.risk_service_pb2 import ListRisksResponse, Risk, RiskPlans, RiskState
from gateway.api.federation.v1.quality_pb2 import ScorecardUnit
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Scorecard
from gateway.api.region.v1.survey_service_pb2 import GetSurveyResultsResponse
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.time.clock import to_timestamp
from gateway.web.charts import Bar, Caption, Chart, Label, Line, bars, lines
from gateway.wording.languages import current_language, in_each_language
from region_node.care.surveys.results import results
from region_node.care.surveys.rows import ANSWERS, INVITATIONS, RECOMMENDATION, Count
from region_node.cli.surveys import results_page
from tests.shipped import shipped_configuration
from tests.unit.test_complaint_report import MONTHS, TEXTS, report

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CAPTION = Caption("key", "title", "description")
STYLE = (Path(gateway.web.__file__).parent / "templates" / "style.css.j2").read_text("utf-8")
SHIPPED = shipped_configuration()
FONT, BOLD, LINE = 13, 1.12, 1.5  # pixels, times as wide, times as high
WINDOW, MARGIN = 1200, 24  # pixels
DIMENSIONS = (figures.REGION, figures.DEPARTMENT, figures.CATEGORY, figures.MONTH)
# Widths of DejaVu Sans, which is wide, in parts of its height; every other letter of a number is a digit.
WIDTHS = {
    **dict.fromkeys("ijlI", 0.29),
    **dict.fromkeys(" ,.:;\u00a0", 0.33),
    **dict.fromkeys("frt-()", 0.42),
    **dict.fromkeys("acekqsuvxyz", 0.615),
    **dict.fromkeys("bdghnop0123456789", 0.636),
    **dict.fromkeys("w", 0.82),
    **dict.fromkeys("m%W…–", 1.0),
}


def width(text: str, font: float = FONT) -> float:
    return font * sum(WIDTHS.get(each, 1.0 if ord(each) > 0x2E80 else 0.79) for each in text)


def extents(label: Label) -> tuple[float, float, float, str]:
    """Of a text its height on the chart, where it begins and ends, and the text."""
    before = {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor] * width(label.text)
    return label.y, label.x - before, label.x - before + width(label.text), label.text


def overlapping(chart: Chart) -> list[str]:
    """The overlapping texts of a chart."""
    found = sorted(map(extents, chart.labels))
    wrong = [f"{told} is cut off" for _, start, end, told in found if start < 0 or end > chart.width]
    for (height, _, end, told), (other, start, _, following) in itertools.pairwise(found):
        if height == other and start < end:
            wrong.append(f"{told} lies over {following}")
    return wrong


def test_no_text_of_a_chart_lies_over_another_one_or_is_cut_off() -> None:
    names = [each.name for each in SHIPPED.complaint_categories] + [each.name for each in SHIPPED.regions]
    texts = [each.en for each in names] + [each.zh_cn for each in names] + ["WWWW MMMM " * 9]
    groups = [(each, [Bar(value, f"{value:,}")]) for each in texts for value in (7, 1_234_567)]
    wrong = overlapping(bars(CAPTION, groups, 1_234_567))
    for count in range(1, 61):
        months = [f"{2026 + month // 12}-{month % 12 + 1:02}" for month in range(count)]
        for most in (0, 9, 12_345, 98_765_432):
            wrong += overlapping(lines(CAPTION, months, [Line("all", [most] * count)]))
    assert not wrong, "\n".join(wrong)


@dataclass(frozen=True)
class Looks:
    """How a table of a page is set, in pixels."""

    font: float
    padding: float
    is_head_upright: bool
    """Whether the titles of its figures stand, so that they are as wide as a line is high."""


def looks(page: str, table: Element) -> Looks:
    style = page[page.index("<style>") : page.index("</style>")]
    kind = table.attrib.get("class", "")
    font, padding = r"^table \{.*?font-size: ([.\d]+)rem", r"^caption .*th, td \{ padding: \d+px (\d+)px"
    if kind == "heat":
        font, padding = r"^\.heat \{ font-size: ([.\d]+)rem", r"\.heat td \{ padding: \d+px (\d+)px"
    spoken = "" if '<html lang="zh' in page else r"(?::lang\(en\))?"
    upright = re.search(rf"\.{kind} thead th(?::not\(\.name\))?{spoken} \{{ writing-mode: vertical", style)
    return Looks(16 * _number(font, style), _number(padding, style), bool(kind) and upright is not None)


def _number(pattern: str, style: str) -> float:
    found = re.search(pattern, style, re.MULTILINE)
    assert found is not None, pattern
    return float(found[1])


def foldable(cell: Element) -> bool:
    """Whether the style of all pages lets the text of a cell go on in a next line."""
    folded = re.search(r"th\[scope=row\], \.words \{ white-space: normal; \}", STYLE)
    is_head = cell.attrib.get("scope") == "col"  # whose titles always may
    named = "scope" in cell.attrib and cell.attrib.get("class") != "whole"
    return is_head or (folded is not None and (named or cell.attrib.get("class") == "words"))


def least_width(table: Element, seen: Looks) -> float:
    """How wide a table is at least, in pixels."""
    rows = [list(row) for row in table.iter("tr")]
    columns = zip(*rows, strict=True)
    return sum(2 * seen.padding + max(_least(each, seen) for each in cells) for cells in columns)


def _least(cell: Element, seen: Looks) -> float:
    told, times = cell.text or "", BOLD if cell.tag == "th" else 1.0
    if seen.is_head_upright and cell.attrib.get("scope") == "col" and cell.attrib.get("class") != "name":
        return LINE * seen.font
    # A line of Chinese may end behind each letter.
    words: Sequence[str] = re.split("[ -]|(?<=[\u4e00-\u9fff])", told) if foldable(cell) else [told]
    return times * max(width(each, seen.font) for each in words)


def tables(page: str) -> Iterator[Element]:
    for each in re.findall(r"<table.*?</table>", page, re.DOTALL):
        yield fromstring(each)


def longest(names: Sequence[LocalizedText]) -> LocalizedText:
    """The name whose English words and whose Chinese letters take the most room, of all names together."""
    return LocalizedText(
        en=max((word for each in names for word in each.en.split()), key=width) + " and more",
        zh_cn=max((each.zh_cn for each in names), key=len),
    )


def busy_report(*by: ComplaintDimension.ValueType) -> ReportComplaintsResponse:
    """A report with the longest names that are shipped, and with the figures of a large country."""
    told = report(*by)
    region = longest([each.name for each in SHIPPED.regions])
    departments = [each.name for category in SHIPPED.complaint_categories for each in category.departments]
    for named in told.regions:
        named.name.CopyFrom(region)
    for category in told.categories:
        category.name.CopyFrom(longest([each.name for each in SHIPPED.complaint_categories]))
    for row in (row for table in told.tables for row in table.rows):
        row.department.CopyFrom(longest(departments))
        row.complaints, row.resolved, row.repeats, row.reopened, row.ratings = 45_678, 34_567, 2_345, 1_234, 2_345
        row.in_time, row.timed, row.rating_sum, row.first_contact = 34_567, 34_567, 9_999, 34_567
        row.customers = 1_234_567
        row.reached[:] = [45_678, 45_678, 1_234, 1_234, 123, 12]
    return told


def busy_matrix(language: str) -> contract.GetPathMatrixResponse:
    """The matrix of all regions that are shipped, each pair with a long way."""
    sites = ["harbin", "changchun", "shenyang", "tianjin", "shijiazhuang", "taiyuan", "xian", "lanzhou", "urumqi"]
    hops = [contract.PathHop(start=one, end=other) for one, other in itertools.pairwise(sites)]
    quality = contract.PathQuality(delay_us=123_456, delay_variation_us=12_345, loss_ppb=12_345_678)
    budget = contract.QualityBudget(kept=True, delay_us=92_797_000, loss_ppb=9_876_543)
    best = contract.NetworkPath(hops=hops, quality=quality, budget=budget)
    shared = ["shijiazhuang-taiyuan-1", "lanzhou-urumqi-1", "changchun-shenyang-1"]
    paths = contract.SitePaths(best=best, alternative=best, shared_links=shared)
    names = [each.name.zh_cn if language == "zh" else each.name.en for each in SHIPPED.regions]
    pairs = itertools.combinations(names, 2)
    return contract.GetPathMatrixResponse(
        pairs=[contract.RegionPaths(start=start, end=end, paths=paths) for start, end in pairs]
    )


def busy_results() -> GetSurveyResultsResponse:
    """The results of surveys of every business and channel, with the figures of a large country."""
    names = [*(each.id for each in SHIPPED.regions)], [*(each.code for each in SHIPPED.businesses)]
    channels = ("counter", "hotline", "app", "web", "letter", "social", "")
    counts = [
        Count("2030-06", region, business, channel, question, mark, 12_345)
        for region, business, channel in itertools.product(names[0][:6], [*names[1], ""], channels)
        for question, mark in ((INVITATIONS, 0), (ANSWERS, 0), (1, 1), (1, 5), (2, 3), (3, 4), (RECOMMENDATION, 10))
    ]
    return results(names[0][0], counts, 5)


def busy_quality() -> ReportQualityResponse:
    """The scorecards of all regions that are shipped, with large figures."""
    definitions = SHIPPED.quality.figures
    most = {ScorecardUnit.SCORECARD_UNIT_SHARE: 1.0, ScorecardUnit.SCORECARD_UNIT_MARK: 5.0}
    figures = [
        MeasuredFigure(figure=each.figure, numerator=45_678, denominator=45_679, value=most.get(each.unit, 4_567.8))
        for each in definitions
    ]
    cards = [Scorecard(region=each.id, month="2026-01", figures=figures) for each in SHIPPED.regions]
    return ReportQualityResponse(definitions=definitions, scorecards=cards)


def busy_risks() -> ListRisksResponse:
    """Risks of all cells, with long ids, titles and plans."""
    grades = itertools.product(range(1, 6), range(1, 6))
    found = [
        Risk(
            id=f"administrator/{'x' * 40}-{number}",
            title="one supplier " * 12,
            likelihood=likelihood,
            impact=impact,
            state=RiskState.RISK_STATE_TREATED,
            signal_lasts=True,
            owner_region=SHIPPED.regions[0].id,
            owner_department="NETWORK_OPERATIONS",
            plan="a second one " * 20,
            plan_due_time=to_timestamp(NOW),
            review_due_time=to_timestamp(NOW),
        )
        for number, (likelihood, impact) in enumerate(grades)
    ]
    return ListRisksResponse(risks=found, rules=SHIPPED.risks, plans=RiskPlans(in_time=45_678, late=1))


def busy_pages() -> Iterator[tuple[str, str]]:
    """Each page that is written as HTML, at its fullest and in each language, and what it is."""
    pages: dict[str, Callable[[], str]] = {}
    for quality_class in ("", "nr-5qi-1"):
        pages[f"matrix {quality_class}"] = partial(_matrix_page, quality_class)
    pages["surveys"] = lambda: results_page.page(busy_results(), ("2026-01", "2026-12"), NOW, current_language())
    pages["quality"] = lambda: quality_page.page(busy_quality(), "2026-01", NOW, current_language())
    pages["risks"] = lambda: risks_page.page(busy_risks(), NOW, current_language())
    for many in range(len(DIMENSIONS) + 1):
        for by in itertools.combinations(DIMENSIONS, many):
            pages[f"by {[ComplaintDimension.Name(each) for each in by]}"] = partial(_report_page, by)
    for name, page in pages.items():
        for language, told in in_each_language(TEXTS, page).items():
            yield f"{name} in {language}", told


def _matrix_page(quality_class: str) -> str:
    language = current_language()
    return matrix_page.page(busy_matrix(language), SHIPPED.network, quality_class, NOW, language)


def _report_page(by: Sequence[ComplaintDimension.ValueType]) -> str:
    return report_page.page(busy_report(*by), MONTHS, NOW, current_language())


def test_every_column_of_a_page_is_seen_in_a_window_of_1200_pixels() -> None:
    wide = [(name, least_width(each, looks(page, each))) for name, page in busy_pages() for each in tables(page)]
    assert len(wide) >= 2 * (2 * 2 + 2 ** len(DIMENSIONS))
    room = WINDOW - 2 * MARGIN
    wrong = [f"{name}: {least:.0f} of {room} pixels" for name, least in wide if least > room]
    assert not wrong, "\n".join(wrong)
