"""Rules for the figures of quality and the criteria of supervision. Pure."""

import math
from collections.abc import Iterator

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.quality_pb2 import (
    SampledKind,
    ScorecardDefinition,
    ScorecardDirection,
    ScorecardFigure,
    ScorecardUnit,
)
from gateway.federation.checks import code_problems, enum_name, enum_problems, text_problems, twice

_Figures = ScorecardFigure
_UNITS = {
    _Figures.SCORECARD_FIGURE_COMPLAINTS_PER_MILLION: ScorecardUnit.SCORECARD_UNIT_PER_MILLION,
    _Figures.SCORECARD_FIGURE_APPEALS_PER_MILLION: ScorecardUnit.SCORECARD_UNIT_PER_MILLION,
    _Figures.SCORECARD_FIGURE_REPAIR_TIME_MEDIAN: ScorecardUnit.SCORECARD_UNIT_HOURS,
    _Figures.SCORECARD_FIGURE_REPAIR_TIME_80: ScorecardUnit.SCORECARD_UNIT_HOURS,
    _Figures.SCORECARD_FIGURE_REPAIR_TIME_95: ScorecardUnit.SCORECARD_UNIT_HOURS,
    _Figures.SCORECARD_FIGURE_SATISFACTION: ScorecardUnit.SCORECARD_UNIT_MARK,
}
"""The units in which nodes count; all other figures are shares."""
_RANGES = {
    ScorecardUnit.SCORECARD_UNIT_SHARE: (0.0, 1.0),
    ScorecardUnit.SCORECARD_UNIT_MARK: (1.0, 5.0),
}
"""The least and the highest target of a unit; other targets are not negative."""


def quality_problems(configuration: Configuration) -> Iterator[str]:
    """Problems in the figures of quality and in the criteria of supervision, each with its path."""
    figures = configuration.quality.figures
    numbers = [each.figure for each in figures]
    yield from enum_problems("quality.figures", ScorecardFigure.DESCRIPTOR, sorted(set(numbers)))
    yield from twice("quality.figures", (enum_name(ScorecardFigure.DESCRIPTOR, number) for number in numbers))
    for each in figures:
        yield from _figure_problems(f"quality.figures[{enum_name(ScorecardFigure.DESCRIPTOR, each.figure)}]", each)
    yield from twice("quality.criteria", (each.code for each in configuration.quality.criteria))
    for criterion in configuration.quality.criteria:
        path = f"quality.criteria[{criterion.code}]"
        yield from code_problems(f"{path}.code", criterion.code)
        yield from text_problems(f"{path}.name", criterion.name)
        if not criterion.kinds:
            yield f"{path}.kinds: there is none"
        yield from enum_problems(f"{path}.kinds", SampledKind.DESCRIPTOR, criterion.kinds)


def _figure_problems(path: str, each: ScorecardDefinition) -> Iterator[str]:
    for field, text in (("name", each.name), ("numerator", each.numerator), ("denominator", each.denominator)):
        yield from text_problems(f"{path}.{field}", text)
    unit = _UNITS.get(each.figure, ScorecardUnit.SCORECARD_UNIT_SHARE)
    if each.unit != unit:
        yield f"{path}.unit: nodes count it as {enum_name(ScorecardUnit.DESCRIPTOR, unit)}"
    yield from enum_problems(f"{path}.direction", ScorecardDirection.DESCRIPTOR, [each.direction])
    if not each.source.strip():
        yield f"{path}.source: is missing"
    least, most = _RANGES.get(unit, (0.0, math.inf))
    if not each.HasField("target"):
        return
    if not (least <= each.target.value <= most and math.isfinite(each.target.value)):
        yield f"{path}.target.value: must be {least:g} to {most:g}"
    if not each.target.source.strip():
        yield f"{path}.target.source: is missing"
