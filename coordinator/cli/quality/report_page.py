"""The scorecards of all regions as one HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from coordinator.cli.output import unanswered_line
from gateway.api.coordinator.v1.quality_oversight_service_pb2 import ReportQualityResponse
from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition, ScorecardFigure, ScorecardUnit
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Scorecard
from gateway.cli.scorecard import meaning, misses, told_interval, told_target, told_value
from gateway.web.charts import Bar, Caption, Figure, bars
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Cell, Table
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_time

_HIGHEST = {ScorecardUnit.SCORECARD_UNIT_SHARE: 1.0, ScorecardUnit.SCORECARD_UNIT_MARK: 5.0}
"""The full width of a chart by its unit; others are drawn up to their highest value."""
_Figures = Mapping[str, MeasuredFigure]


@dataclass(frozen=True)
class _Section:
    heading: str
    figure: Figure


@dataclass(frozen=True)
class _Report:
    """The texts and figures of `report_page.html.j2`, in its order."""

    when: str
    missing: str
    unanswered: Sequence[str]
    """The regions missing from all figures, listed before the figures."""
    table_heading: str
    table: Table
    sections: Sequence[_Section]
    meanings_heading: str
    meanings: Sequence[tuple[str, str]]


def page(response: ReportQualityResponse, month: str, now: datetime, language: str) -> str:
    """The page of one month."""
    regions = ", ".join(region_name(each.region) for each in response.scorecards)
    told = _Report(
        when=translated("As of {time}. Regions that answered: {regions}.", time=told_time(now), regions=regions),
        missing=translated("These regions could not be asked, and are in no figure:"),
        unanswered=[unanswered_line(each) for each in response.unanswered],
        table_heading=translated("Figures"),
        table=_table(response),
        sections=[_section(each, _of(response, each.figure)) for each in response.definitions],
        meanings_heading=translated("What the figures mean"),
        meanings=[(in_language(each.name), meaning(each)) for each in response.definitions],
    )
    title = translated("Quality in {month}", month=month)
    return HtmlPages(Path(__file__).parent).written("report_page.html.j2", title, language, told)


def _of(response: ReportQualityResponse, figure: ScorecardFigure.ValueType) -> _Figures:
    """A figure of each region that counts it."""
    return {card.region: each for card in response.scorecards for each in card.figures if each.figure == figure}


def _section(definition: ScorecardDefinition, figures: _Figures) -> _Section:
    rows = [(region_name(region), [_bar(definition, each)]) for region, each in figures.items()]
    said = "; ".join(f"{region}: {bar.told}" for region, (bar,) in rows)
    most = max((each.value for each in figures.values()), default=0.0)
    name, key = in_language(definition.name), ScorecardFigure.Name(definition.figure).lower()
    chart = bars(Caption(key, name, said), rows, _HIGHEST.get(definition.unit, most))
    target = told_target(definition)
    return _Section(name, Figure(chart, translated("Target: {target}", target=target) if target else ""))


def _bar(definition: ScorecardDefinition, figure: MeasuredFigure) -> Bar:
    value = figure.value if figure.HasField("value") else None
    return Bar(value, told_value(definition, figure), series=int(misses(definition, figure)))


def _table(response: ReportQualityResponse) -> Table:
    """A row for each region, a column for each figure."""
    titles = [translated("region"), *(in_language(each.name) for each in response.definitions)]
    targets = [Cell(translated("target"), "row"), *(Cell(told_target(each)) for each in response.definitions)]
    return Table(
        label=translated("Figures"),
        head=[Cell(title, "col", "" if number else "name") for number, title in enumerate(titles)],
        rows=[*(_row(each, response.definitions) for each in response.scorecards), targets],
        caption=translated("A value with “!” misses its target."),
    )


def _row(card: Scorecard, definitions: Sequence[ScorecardDefinition]) -> list[Cell]:
    figures = {each.figure: each for each in card.figures}
    cells = [
        Cell(told_value(each, figures[each.figure]), hint=told_interval(each, figures[each.figure]))
        if each.figure in figures
        else Cell("")
        for each in definitions
    ]
    return [Cell(region_name(card.region), "row"), *cells]
