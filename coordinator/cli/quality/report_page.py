"""The scorecards of all regions as one HTML file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from coordinator.wording.answers import unanswered_line
from gateway.api.coordinator.v1.quality_oversight_service_pb2 import ReportQualityResponse
from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition, ScorecardFigure, ScorecardUnit
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Scorecard
from gateway.cli.scorecard import Standing, figure_of, meaning, standing, told_interval, told_target, told_value
from gateway.web.charts import Bar, Caption, Figure, bars
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Cell, Table
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_time

_HIGHEST = {ScorecardUnit.SCORECARD_UNIT_SHARE: 1.0, ScorecardUnit.SCORECARD_UNIT_MARK: 5.0}
"""The full width of a chart by its unit; others are drawn up to their highest value."""
_SERIES = {Standing.MET: 2, Standing.DOUBTFUL: 1, Standing.MISSED: 5}
"""The colours of bars; others have the first one."""
_CLASSES = {Standing.MET: "met", Standing.DOUBTFUL: "doubtful", Standing.MISSED: "missed"}
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
    tiles: Sequence[tuple[str, str]]
    """How many regions answered, and how many values stand to their targets in each way."""
    table_heading: str
    table: Table
    sections: Sequence[_Section]
    without: str
    """The figures that no region can tell; empty where there is none."""


def page(response: ReportQualityResponse, month: str, now: datetime, language: str) -> str:
    """The page of one month."""
    regions = ", ".join(region_name(each.region) for each in response.scorecards)
    of_regions = [(each, _of(response, each.figure)) for each in response.definitions]
    shown = [(each, found) for each, found in of_regions if any(one.HasField("value") for one in found.values())]
    empty = [in_language(each.name) for each, found in of_regions if (each, found) not in shown]
    told = _Report(
        when=translated("As of {time}. Regions that answered: {regions}.", time=told_time(now), regions=regions),
        missing=translated("These regions could not be asked, and are in no figure:"),
        unanswered=[unanswered_line(each) for each in response.unanswered],
        tiles=_tiles(response),
        table_heading=translated("Figures"),
        table=_table(response),
        sections=[_section(each, found) for each, found in shown],
        without=translated("Without a value in any region: {figures}.", figures=", ".join(empty)) if empty else "",
    )
    title = translated("Quality in {month}", month=month)
    return HtmlPages(Path(__file__).parent).written("report_page.html.j2", title, language, told)


def _of(response: ReportQualityResponse, figure: ScorecardFigure.ValueType) -> _Figures:
    """A figure of each region that counts it."""
    found = ((card.region, figure_of(card, figure)) for card in response.scorecards)
    return {region: each for region, each in found if each is not None}


def _tiles(response: ReportQualityResponse) -> list[tuple[str, str]]:
    asked = len(response.scorecards) + len(response.unanswered)
    stands = Counter(
        standing(definition, each)
        for definition in response.definitions
        for each in _of(response, definition.figure).values()
    )
    return [
        (f"{len(response.scorecards)} / {asked}", translated("regions that answered")),
        (f"{stands[Standing.MET]:,}", translated("values that meet their target")),
        (f"{stands[Standing.MISSED]:,}", translated("values that miss it")),
        (f"{stands[Standing.DOUBTFUL]:,}", translated("values that miss it, perhaps by chance")),
    ]


def _section(definition: ScorecardDefinition, figures: _Figures) -> _Section:
    rows = [(region_name(region), [_bar(definition, each)]) for region, each in figures.items()]
    said = "; ".join(f"{region}: {bar.told}" for region, (bar,) in rows)
    target = definition.target.value if definition.HasField("target") else None
    most = max([target or 0.0, *(max(each.value, each.high) for each in figures.values())])
    name, key = in_language(definition.name), ScorecardFigure.Name(definition.figure).lower()
    chart = bars(Caption(key, name, said), rows, _HIGHEST.get(definition.unit, most), target)
    told = [meaning(definition)]
    if target is not None:
        told.insert(0, translated("Target: {target}", target=told_target(definition)))
    return _Section(name, Figure(chart, " · ".join(told)))


def _bar(definition: ScorecardDefinition, figure: MeasuredFigure) -> Bar:
    return Bar(
        figure.value if figure.HasField("value") else None,
        told_value(definition, figure),
        series=_SERIES.get(standing(definition, figure), 0),
        interval=(figure.low, figure.high) if figure.HasField("low") else None,
    )


def _table(response: ReportQualityResponse) -> Table:
    """A row for each region, a column for each figure."""
    titles = [translated("region"), *(in_language(each.name) for each in response.definitions)]
    targets = [Cell(translated("target"), "row"), *(Cell(told_target(each)) for each in response.definitions)]
    return Table(
        label=translated("Figures"),
        head=[Cell(title, "col", "" if number else "name") for number, title in enumerate(titles)],
        rows=[*(_row(each, response.definitions) for each in response.scorecards), targets],
        style="dense",
        caption=translated(
            "“✓” meets its target, “!” misses it. The line in a bar is the interval of 95 %, the red one the target."
        ),
    )


def _row(card: Scorecard, definitions: Sequence[ScorecardDefinition]) -> list[Cell]:
    return [Cell(region_name(card.region), "row"), *(_cell(each, figure_of(card, each.figure)) for each in definitions)]


def _cell(definition: ScorecardDefinition, figure: MeasuredFigure | None) -> Cell:
    if figure is None:
        return Cell("")
    style = _CLASSES.get(standing(definition, figure), "")
    return Cell(told_value(definition, figure), style=style, hint=told_interval(definition, figure))
