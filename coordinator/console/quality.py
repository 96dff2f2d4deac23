"""The scorecards of the regions for a month, and one figure as a chart by region, or by month for one region."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from coordinator.console import rpcs
from coordinator.console.filters import MONTH, REGION, any_region_of, chosen_month, month_of
from coordinator.console.tables_page import heads
from coordinator.wording.answers import unanswered_lines
from coordinator.wording.scorecards import figure_cell, figure_chart, legend, name_of, scorecards_table
from gateway.api.coordinator.v1.quality_oversight_service_pb2 import ReportQualityRequest, ReportQualityResponse
from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition, ScorecardFigure
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Scorecard
from gateway.time.months import month_before, months_between
from gateway.web.charts import Figure
from gateway.web.console.lists import chosen_of, chosen_value, list_page
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Choice, Option
from gateway.web.enum_words import told_word
from gateway.web.tables import Cell, Table
from gateway.wording.languages import in_language, translated
from gateway.wording.scorecards import figure_of

PATH = "/quality"
_FIGURE = "figure"
_FIGURES = ScorecardFigure.DESCRIPTOR
_MONTHS = 6  # of a figure


@dataclass(frozen=True)
class _Found:
    """What was asked for, and the answers by month, the oldest first."""

    figure: int
    month: str
    reports: Mapping[str, ReportQualityResponse]

    @property
    def report(self) -> ReportQualityResponse:
        """The answer for the chosen month."""
        return self.reports[self.month]


async def _read(visit: Visit, calling: Calling) -> _Found:
    month, figure = chosen_month(visit), chosen_value(visit, _FIGURE, _FIGURES)
    months = months_between(month_before(month, _MONTHS - 1), month) if figure else [month]
    # One after the other: each reads a month of records in every region, whose database has few readers.
    reports = {each: await calling.ask(rpcs.REPORT_QUALITY, ReportQualityRequest(month=each)) for each in months}
    return _Found(figure, month, reports)


def _show(visit: Visit, found: _Found) -> Shown:
    definition = next((each for each in found.report.definitions if each.figure == found.figure), None)
    page = list_page(
        visit,
        PATH,
        list(_choices(visit, found)),
        _scorecards(visit, found) if definition is None else _months(visit, found, definition),
        "",
        notes=unanswered_lines(each for report in found.reports.values() for each in report.unanswered),
        figures=() if definition is None else list(_charts(visit, found, definition)),
    )
    return page.shown(translated("Quality in {month}", month=found.month), PATH)


def _choices(visit: Visit, found: _Found) -> Iterator[Choice]:
    figures = [Option(told_word(_FIGURES, each.figure), in_language(each.name)) for each in found.report.definitions]
    yield month_of(visit, found.month)
    yield chosen_of(visit, _FIGURE, translated("Figure"), figures)
    yield any_region_of(visit)


def _cards(visit: Visit, report: ReportQualityResponse) -> Sequence[Scorecard]:
    """The scorecards of the chosen region, or of all."""
    region = visit.query.text(REGION)
    return [each for each in report.scorecards if region in ("", each.region)]


def _scorecards(visit: Visit, found: _Found) -> Table:
    def page_of(definition: ScorecardDefinition) -> str:
        return _address(visit, found.month, definition)

    return scorecards_table(found.report.definitions, _cards(visit, found.report), page_of)


def _address(visit: Visit, month: str, definition: ScorecardDefinition, region: str = "") -> str:
    """The page of a figure, for the chosen region unless another one is named."""
    figure = told_word(_FIGURES, definition.figure)
    return visit.address(PATH, month=month, figure=figure, region=region or visit.query.text(REGION))


def _charts(visit: Visit, found: _Found, definition: ScorecardDefinition) -> Iterator[Figure]:
    """The figure by month for a chosen region, else by region; nothing where no value is told."""
    if visit.query.text(REGION):
        told = [(month, card) for month, report in found.reports.items() for card in _cards(visit, report)]
    else:
        told = [(name_of(each), each) for each in found.report.scorecards]
    figures = [(name, each) for name, card in told if (each := _measured(definition, card)) is not None]
    if any(each.HasField("value") for _, each in figures):
        yield figure_chart(definition, figures)


def _measured(definition: ScorecardDefinition, card: Scorecard | None) -> MeasuredFigure | None:
    return None if card is None else figure_of(card, definition.figure)


def _months(visit: Visit, found: _Found, definition: ScorecardDefinition) -> Table:
    """A row for each region, a column for each month."""
    cards = {month: {each.region: each for each in _cards(visit, report)} for month, report in found.reports.items()}
    names = {each.region: name_of(each) for by_region in cards.values() for each in by_region.values()}
    return Table(
        label=in_language(definition.name),
        head=[
            *heads(translated("Region")),
            *(Cell(month, "col", href=_address(visit, month, definition)) for month in found.reports),
        ],
        rows=[
            [
                Cell(name, "row", href=_address(visit, found.month, definition, region)),
                *(figure_cell(definition, _measured(definition, each.get(region))) for each in cards.values()),
            ]
            for region, name in sorted(names.items())
        ],
        caption=legend(),
        is_compared=True,
    )


VIEW = View.of(PATH, (rpcs.REPORT_QUALITY,), _read, _show, (MONTH, _FIGURE, REGION))
