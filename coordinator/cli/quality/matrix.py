"""The scorecards of regions on the terminal: a row for each figure, a column for each region."""

from collections.abc import Sequence

import click
from rich.text import Text

from coordinator.wording.scorecards import name_of
from gateway.api.coordinator.v1.quality_oversight_service_pb2 import ReportQualityResponse
from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Scorecard
from gateway.cli.terminal import print_table
from gateway.wording.languages import in_language, translated
from gateway.wording.scorecards import Standing, figure_of, standing, told_target, told_value

_STYLES = {Standing.MET: "green", Standing.DOUBTFUL: "yellow", Standing.MISSED: "bold red"}
_NOT_COUNTED = "–"


def show_matrix(response: ReportQualityResponse) -> None:
    """Prints the figures by region, and what the marks and colours mean."""
    cards = response.scorecards
    titles = [translated("figure"), translated("target"), *map(name_of, cards)]
    print_table(titles, [_row(each, cards) for each in response.definitions])
    if any(each.HasField("target") for each in response.definitions):
        click.echo(translated("“✓” meets its target, “!” misses it; yellow: perhaps by chance."))


def _row(definition: ScorecardDefinition, cards: Sequence[Scorecard]) -> list[str | Text]:
    cells = [_cell(definition, figure_of(card, definition.figure)) for card in cards]
    return [in_language(definition.name), told_target(definition), *cells]


def _cell(definition: ScorecardDefinition, figure: MeasuredFigure | None) -> Text:
    if figure is None:
        return Text(_NOT_COUNTED, style="dim")
    style = _STYLES.get(standing(definition, figure), "" if figure.HasField("value") else "dim")
    return Text(told_value(definition, figure), style=style)
