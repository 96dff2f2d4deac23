"""The scorecard of one region on the terminal."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Scorecard
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import in_language
from gateway.wording.scorecards import figure_of, meaning, told_interval, told_target, told_value


@dataclass(frozen=True)
class Row:
    """A figure of one region."""

    definition: ScorecardDefinition
    figure: MeasuredFigure


FIGURES = Table(
    TableColumn[Row]("figure", lambda each: in_language(each.definition.name)),
    TableColumn[Row]("value", lambda each: told_value(each.definition, each.figure)),
    TableColumn[Row]("interval of 95 %", lambda each: told_interval(each.definition, each.figure)),
    TableColumn[Row]("cases", lambda each: f"{each.figure.denominator:,}"),
    TableColumn[Row]("target", lambda each: told_target(each.definition)),
    TableColumn[Row]("meaning", lambda each: meaning(each.definition), only_wide=True),
)
"""The scorecard of one region."""


def rows(definitions: Iterable[ScorecardDefinition], card: Scorecard) -> list[Row]:
    """Each figure that the region counts, in the order of the definitions."""
    found = ((definition, figure_of(card, definition.figure)) for definition in definitions)
    return [Row(definition, figure) for definition, figure in found if figure is not None]
