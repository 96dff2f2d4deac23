"""The scorecards of all regions as one HTML file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from coordinator.wording.answers import unanswered_line
from coordinator.wording.scorecards import figure_chart, name_of, scorecards_table
from gateway.api.coordinator.v1.quality_oversight_service_pb2 import ReportQualityResponse
from gateway.api.federation.v1.quality_pb2 import ScorecardFigure
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure
from gateway.web.charts import Figure
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Table
from gateway.wording.languages import enumerated, in_language, translated
from gateway.wording.scorecards import Standing, figure_of, standing
from gateway.wording.times import told_time

_Figures = Sequence[tuple[str, MeasuredFigure]]
"""The values of a figure by the names of regions."""


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
    regions = enumerated(name_of(each) for each in response.scorecards if not each.has_left)
    of_regions = [(each, _of(response, each.figure)) for each in response.definitions]
    shown = [(each, found) for each, found in of_regions if any(one.HasField("value") for _, one in found)]
    empty = [in_language(each.name) for each, found in of_regions if (each, found) not in shown]
    told = _Report(
        when=translated("As of {time}. Regions that answered: {regions}.", time=told_time(now), regions=regions),
        missing=translated("These regions could not be asked, and are in no figure:"),
        unanswered=[unanswered_line(each) for each in response.unanswered],
        tiles=_tiles(response),
        table_heading=translated("Figures"),
        table=scorecards_table(response.definitions, response.scorecards),
        sections=[_Section(in_language(each.name), figure_chart(each, found)) for each, found in shown],
        without=translated("Without a value in any region: {figures}.", figures=enumerated(empty)) if empty else "",
    )
    title = translated("Quality in {month}", month=month)
    return HtmlPages(Path(__file__).parent).written("report_page.html.j2", title, language, told)


def _of(response: ReportQualityResponse, figure: ScorecardFigure.ValueType) -> _Figures:
    """A figure of each region that counts it."""
    found = ((name_of(card), figure_of(card, figure)) for card in response.scorecards)
    return [(name, each) for name, each in found if each is not None]


def _tiles(response: ReportQualityResponse) -> list[tuple[str, str]]:
    answered = {each.region for each in response.scorecards if not each.has_left}
    asked = answered | {each.region for each in response.unanswered}
    stands = Counter(
        standing(definition, each)
        for definition in response.definitions
        for _, each in _of(response, definition.figure)
    )
    return [
        (f"{len(answered)} / {len(asked)}", translated("regions that answered")),
        (f"{stands[Standing.MET]:,}", translated("values that meet their target")),
        (f"{stands[Standing.MISSED]:,}", translated("values that miss it")),
        (f"{stands[Standing.DOUBTFUL]:,}", translated("values that miss it, perhaps by chance")),
    ]
