"""The scorecard for people: the value of a figure with its interval, its target and its meaning."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition, ScorecardDirection, ScorecardUnit
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Scorecard
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import region_name

_PERCENT = ScorecardUnit.SCORECARD_UNIT_SHARE


@dataclass(frozen=True)
class Row:
    """A figure of one region."""

    definition: ScorecardDefinition
    region: str
    figure: MeasuredFigure


def told_number(definition: ScorecardDefinition, value: float) -> str:
    """A value in the unit of a figure."""
    if definition.unit == _PERCENT:
        return f"{100 * value:.2f} %"
    if definition.unit == ScorecardUnit.SCORECARD_UNIT_HOURS:
        return translated("{number} h", number=f"{value:,.1f}")
    return f"{value:,.0f}" if definition.unit == ScorecardUnit.SCORECARD_UNIT_PER_MILLION else f"{value:.2f}"


def told_value(definition: ScorecardDefinition, figure: MeasuredFigure) -> str:
    """The value with a mark where it misses the target; a note where there is none."""
    if not figure.HasField("value"):
        return translated("too few") if figure.denominator else translated("none")
    told = told_number(definition, figure.value)
    return f"{told} !" if misses(definition, figure) else told


def told_interval(definition: ScorecardDefinition, figure: MeasuredFigure) -> str:
    """The interval of 95 %; empty without one."""
    if not figure.HasField("low"):
        return ""
    return f"{told_number(definition, figure.low)} – {told_number(definition, figure.high)}"


def told_target(definition: ScorecardDefinition) -> str:
    """The target with its direction; empty without one."""
    if not definition.HasField("target"):
        return ""
    sign = "≥" if definition.direction == ScorecardDirection.SCORECARD_DIRECTION_HIGHER else "≤"
    return f"{sign} {told_number(definition, definition.target.value)}"


def misses(definition: ScorecardDefinition, figure: MeasuredFigure) -> bool:
    """Whether a value is worse than the target."""
    if not definition.HasField("target") or not figure.HasField("value"):
        return False
    if definition.direction == ScorecardDirection.SCORECARD_DIRECTION_HIGHER:
        return figure.value < definition.target.value
    return figure.value > definition.target.value


def meaning(definition: ScorecardDefinition) -> str:
    """Numerator, denominator and source in words."""
    return translated(
        "{numerator}; of: {denominator}. Source: {source}",
        numerator=in_language(definition.numerator),
        denominator=in_language(definition.denominator),
        source=definition.source,
    )


_COLUMNS = (
    TableColumn[Row]("figure", lambda each: in_language(each.definition.name)),
    TableColumn[Row]("value", lambda each: told_value(each.definition, each.figure)),
    TableColumn[Row]("interval of 95 %", lambda each: told_interval(each.definition, each.figure)),
    TableColumn[Row]("cases", lambda each: f"{each.figure.denominator:,}"),
    TableColumn[Row]("target", lambda each: told_target(each.definition)),
    TableColumn[Row]("meaning", lambda each: meaning(each.definition), only_wide=True),
)
FIGURES = Table(*_COLUMNS)
"""The scorecard of one region."""
FIGURES_OF_REGIONS = Table(
    _COLUMNS[0], TableColumn[Row]("region", lambda each: region_name(each.region)), *_COLUMNS[1:]
)
"""The scorecards of several regions, by figure."""


def rows(definitions: Iterable[ScorecardDefinition], scorecards: Sequence[Scorecard]) -> list[Row]:
    """Each figure of each region that counts it, by figure."""
    return [
        Row(definition, card.region, figure)
        for definition in definitions
        for card in scorecards
        for figure in card.figures
        if figure.figure == definition.figure
    ]
