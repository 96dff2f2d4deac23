"""The scorecard for people: the value of a figure with its interval, its target and its meaning."""

from enum import Enum, auto

from gateway.api.federation.v1.quality_pb2 import (
    ScorecardDefinition,
    ScorecardDirection,
    ScorecardFigure,
    ScorecardUnit,
)
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Scorecard
from gateway.wording.languages import in_language, translated

_MANY = 100  # for each million: from here on decimals say nothing
_PERCENT = ScorecardUnit.SCORECARD_UNIT_SHARE


class Standing(Enum):
    """How a value stands to its target."""

    UNSET = auto()
    """Without a value or a target."""
    MET = auto()
    DOUBTFUL = auto()
    """The value misses the target, perhaps by chance: its interval has values that meet it, or its cases are few."""
    MISSED = auto()


_MARKS = {Standing.UNSET: "", Standing.MET: "✓", Standing.DOUBTFUL: "!", Standing.MISSED: "!"}


def told_number(definition: ScorecardDefinition, value: float) -> str:
    """A value in the unit of a figure."""
    if definition.unit == _PERCENT:
        return f"{100 * value:.2f} %"
    if definition.unit == ScorecardUnit.SCORECARD_UNIT_HOURS:
        return translated("{number} h", number=f"{value:,.1f}")
    if definition.unit == ScorecardUnit.SCORECARD_UNIT_PER_MILLION:
        return f"{value:,.0f}" if value >= _MANY else f"{value:.1f}"
    return f"{value:.2f}"


def told_value(definition: ScorecardDefinition, figure: MeasuredFigure) -> str:
    """The value with a mark where it meets or misses the target; a note where there is none."""
    if not figure.HasField("value"):
        return translated("too few") if figure.denominator else translated("none")
    return f"{told_number(definition, figure.value)} {_MARKS[standing(definition, figure)]}".rstrip()


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


def standing(definition: ScorecardDefinition, figure: MeasuredFigure) -> Standing:
    """How a value stands to the target of its figure."""
    if not definition.HasField("target") or not figure.HasField("value"):
        return Standing.UNSET
    is_higher_better = definition.direction == ScorecardDirection.SCORECARD_DIRECTION_HIGHER
    sign, target = (1 if is_higher_better else -1), definition.target.value
    if sign * figure.value >= sign * target:
        return Standing.MET
    if not figure.HasField("low"):
        # A percentile of few cases has no interval, and the availability needs none.
        return Standing.DOUBTFUL if definition.unit == ScorecardUnit.SCORECARD_UNIT_HOURS else Standing.MISSED
    best = figure.high if is_higher_better else figure.low
    return Standing.DOUBTFUL if sign * best >= sign * target else Standing.MISSED


def meaning(definition: ScorecardDefinition) -> str:
    """Numerator, denominator and source in words."""
    return translated(
        "{numerator}; of: {denominator}. Source: {source}",
        numerator=in_language(definition.numerator),
        denominator=in_language(definition.denominator),
        source=definition.source,
    )


def figure_of(card: Scorecard, number: ScorecardFigure.ValueType) -> MeasuredFigure | None:
    """A figure of a scorecard; None where the region does not count it."""
    return next((each for each in card.figures if each.figure == number), None)
