"""Texts of others never become markup of an HTML page: its elements and attributes stay those of a harmless page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from jinja2 import UndefinedError

from coordinator.cli.complaints import report_page
from coordinator.cli.network import matrix_page
from coordinator.cli.quality import report_page as quality_page
from coordinator.cli.risks import report_page as risks_page
from coordinator.oversight import figures
from gateway.api.coordinator.v1.administration_pb2 import UnansweredRegion
from gateway.api.coordinator.v1.path_service_pb2 import GetPathMatrixResponse
from gateway.api.coordinator.v1.quality_oversight_service_pb2 import ReportQualityResponse
from gateway.api.coordinator.v1.risk_service_pb2 import ListRisksResponse, Risk, RiskState
from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition, ScorecardFigure
from gateway.api.federation.v1.risk_pb2 import RiskSource
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Scorecard
from gateway.api.region.v1.survey_service_pb2 import GetSurveyResultsResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.web.charts import Bar, Caption, Figure, Line, bars, lines
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Cell, Table
from region_node.care.surveys.results import results
from region_node.care.surveys.rows import ANSWERS, INVITATIONS, RECOMMENDATION, Count
from region_node.cli.surveys import results_page
from tests.shipped import shipped_configuration
from tests.unit.test_complaint_report import MONTHS, NOW, Reader, read, report
from tests.unit.test_report_pages import busy_matrix

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = shipped_configuration()
EVIL = "\"'></td></title></style></svg><script>alert(1)</script><img src=x onerror='a' {{ 7 * 7 }} &lt;"
PARTS = """{% extends "frame.html.j2" %}
{% import "parts.html.j2" as parts %}
{% import "charts.html.j2" as charts %}
{% block content %}
{{ parts.warning(page.text, [page.text]) }}
{{ parts.tiles([(page.text, page.text)]) }}
{{ parts.table(page.table) }}
{{ charts.figure(page.bars) }}
{{ charts.figure(page.lines) }}
{{ parts.meanings([(page.text, page.text)]) }}
{% endblock %}
"""
M = TypeVar("M", bound=Message)


def hostile(message: M) -> M:
    """A copy with EVIL behind each text, so that texts that differ still do."""
    copy = type(message)()
    copy.CopyFrom(message)
    _spoil(copy)
    return copy


def _spoil(message: Message) -> None:
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for each in value if field.is_repeated else [value]:
                _spoil(each)
        elif field.type == FieldDescriptor.TYPE_STRING:
            spoilt = [f"{each}{EVIL}" for each in value] if field.is_repeated else f"{value}{EVIL}"
            message.ClearField(field.name)
            if field.is_repeated:
                getattr(message, field.name).extend(spoilt)
            else:
                setattr(message, field.name, spoilt)


def matrix() -> GetPathMatrixResponse:
    """A matrix with all that its page can show."""
    told = busy_matrix("en")
    told.down.append("harbin-changchun-1")
    told.unanswered.append(UnansweredRegion(region="hunan", reason=Reason.REASON_REGION_UNREACHABLE))
    told.pairs[0].changed.CopyFrom(told.pairs[0].paths)
    told.pairs[1].paths.ClearField("best")
    return told


@dataclass(frozen=True)
class Parts:
    """A page with each part that pages share."""

    text: str
    table: Table
    bars: Figure
    lines: Figure


def parts(folder: Path, text: str) -> str:
    caption = Caption("key", text, text)
    page = Parts(
        text=text,
        table=Table(text, [Cell(text, "col", hint=text)], [[Cell(text, hint=text)]], caption=text),
        bars=Figure(bars(caption, [(text, [Bar(1.0, text)])], 1.0), text, [text]),
        lines=Figure(lines(replace(caption, key="other"), [text], [Line(text, [1])]), text),
    )
    return HtmlPages(folder).written("parts_page.html.j2", text, "en", page)


def pages(folder: Path) -> Iterator[tuple[str, str, str, set[str]]]:
    """The name of each page, the page of harmless texts, that of hostile ones, and the attributes with such texts."""
    (folder / "parts_page.html.j2").write_text(PARTS)
    yield "parts", parts(folder, "text"), parts(folder, EVIL), {"aria-label", "title"}
    harmless = report(figures.REGION, figures.DEPARTMENT, figures.CATEGORY)
    yield (
        "report",
        report_page.page(harmless, MONTHS, NOW, "en"),
        report_page.page(hostile(harmless), MONTHS, NOW, "en"),
        set(),
    )
    yield (
        "matrix",
        matrix_page.page(matrix(), SHIPPED.network, "voice", NOW, "en"),
        matrix_page.page(hostile(matrix()), hostile(SHIPPED.network), f"voice{EVIL}", NOW, "en"),
        {"data-title", "title"},
    )
    asked = survey_results()
    yield (
        "surveys",
        results_page.page(asked, (MONTHS[0], MONTHS[-1]), NOW, "en"),
        results_page.page(hostile(asked), (MONTHS[0], MONTHS[-1]), NOW, "en"),
        set(),
    )
    yield (
        "quality",
        quality_page.page(scorecards(), MONTHS[0], NOW, "en"),
        quality_page.page(hostile(scorecards()), MONTHS[0], NOW, "en"),
        set(),
    )
    yield (
        "risks",
        risks_page.page(risks(), NOW, "en"),
        risks_page.page(hostile(risks()), NOW, "en"),
        {"title"},
    )


def risks() -> ListRisksResponse:
    """Risks of the shipped scales: planned, with a signal, and overdue."""
    planned = Risk(id="administrator/1", title="one supplier", likelihood=2, impact=5, plan="a second one")
    planned.state, planned.owner_region, planned.owner_department = RiskState.RISK_STATE_TREATED, "henan", "SUPPLY"
    lost = Risk(
        id="region-lost/sichuan", subject="sichuan", source=RiskSource.RISK_SOURCE_REGION_LOST, likelihood=5, impact=4
    )
    lost.state, lost.signal_lasts, lost.signal_detail = RiskState.RISK_STATE_OPEN, True, "since noon"
    return ListRisksResponse(risks=[lost, planned], rules=shipped_configuration().risks)


def scorecards() -> ReportQualityResponse:
    """Scorecards of two regions, and a region that is silent."""
    name = LocalizedText(en="Repair time", zh_cn="修复时长")
    figure = ScorecardFigure.SCORECARD_FIGURE_REPAIR_TIME_95
    definition = ScorecardDefinition(figure=figure, name=name, numerator=name, denominator=name, source="ETSI")
    definition.target.value = 48
    cards = [
        Scorecard(region=region, figures=[MeasuredFigure(figure=figure, denominator=3, value=50, low=1, high=60)])
        for region in ("guangdong", "sichuan")
    ]
    silent = UnansweredRegion(region="henan", reason=Reason.REASON_REGION_UNREACHABLE)
    return ReportQualityResponse(definitions=[definition], scorecards=cards, unanswered=[silent])


def survey_results() -> GetSurveyResultsResponse:
    """Results with groups of every kind."""
    counts = [
        Count("2030-06", region, business, "counter", question, 4 if question else 9, 20)
        for region, business in (("guangdong", "SUSPEND"), ("sichuan", "RENEW"))
        for question in (INVITATIONS, ANSWERS, RECOMMENDATION, 1, 2)
    ]
    return results("sichuan", counts, 5)


def structure(page: Reader) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(attributes)) for tag, attributes in page.seen]


def test_hostile_texts_change_no_element_and_no_attribute_of_a_page(tmp_path: Path) -> None:
    for name, harmless, spoilt, expected in pages(tmp_path):
        found = read(spoilt)
        assert structure(found) == structure(read(harmless)), name
        assert {key for _, attributes in found.seen for key, value in attributes.items() if EVIL in value} == expected
        assert sum(EVIL in text for text in found.texts) > 10, name
        assert EVIL not in spoilt, name


def test_a_template_that_names_what_its_page_does_not_have_fails(tmp_path: Path) -> None:
    (tmp_path / "page.html.j2").write_text("{{ page.no }}")
    with pytest.raises(UndefinedError):
        HtmlPages(tmp_path).written("page.html.j2", "title", "en", object())


def test_no_template_turns_escaping_off() -> None:
    found = [path for program in ("gateway", "region_node", "coordinator") for path in (ROOT / program).rglob("*.j2")]
    assert len(found) >= 6
    unescaped = re.compile(r"\|\s*(safe|xmlattr|tojson|forceescape)\b|\bautoescape\b|\bMarkup\b")
    wrong = [f"{path.relative_to(ROOT)}: {hit[0]}" for path in found for hit in unescaped.finditer(path.read_text())]
    assert not wrong, "\n".join(wrong)
