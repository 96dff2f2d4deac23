"""The scorecards of regions on a page: charts of figures, and the table of all of them."""

from collections.abc import Callable, Sequence

from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition, ScorecardFigure, ScorecardUnit
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Scorecard
from gateway.web.charts import Bar, Caption, Figure, bars
from gateway.web.tables import Cell, Table
from gateway.wording.languages import clauses, in_language, translated
from gateway.wording.scorecards import Standing, figure_of, meaning, standing, told_interval, told_target, told_value
from gateway.wording.terms import region_name

_HIGHEST = {ScorecardUnit.SCORECARD_UNIT_SHARE: 1.0, ScorecardUnit.SCORECARD_UNIT_MARK: 5.0}
"""The full width of a chart by its unit; others are drawn up to their highest value."""
_SERIES = {Standing.MET: 2, Standing.DOUBTFUL: 1, Standing.MISSED: 5}
"""The colours of bars; others have the first one."""
_CLASSES = {Standing.MET: "met", Standing.DOUBTFUL: "doubtful", Standing.MISSED: "missed"}


def figure_chart(definition: ScorecardDefinition, figures: Sequence[tuple[str, MeasuredFigure]]) -> Figure:
    """A bar for each value of a figure, each with the name of its region or month, with the target and its meaning."""
    rows = [(name, [_bar(definition, each)]) for name, each in figures]
    said = clauses(f"{name}: {bar.told}" for name, (bar,) in rows)
    target = definition.target.value if definition.HasField("target") else None
    most = max([target or 0.0, *(max(each.value, each.high) for _, each in figures)])
    name, key = in_language(definition.name), ScorecardFigure.Name(definition.figure).lower()
    chart = bars(Caption(key, name, said), rows, _HIGHEST.get(definition.unit, most), target)
    told = [meaning(definition)]
    if target is not None:
        told.insert(0, translated("Target: {target}", target=told_target(definition)))
    return Figure(chart, " · ".join(told))


def _bar(definition: ScorecardDefinition, figure: MeasuredFigure) -> Bar:
    return Bar(
        figure.value if figure.HasField("value") else None,
        told_value(definition, figure),
        series=_SERIES.get(standing(definition, figure), 0),
        interval=(figure.low, figure.high) if figure.HasField("low") else None,
    )


def name_of(card: Scorecard) -> str:
    """The name of the region of a scorecard, and whether it has left."""
    return translated("{region}, which has left", region=card.region) if card.has_left else region_name(card.region)


def scorecards_table(
    definitions: Sequence[ScorecardDefinition],
    scorecards: Sequence[Scorecard],
    page_of: Callable[[ScorecardDefinition], str] = lambda _: "",
) -> Table:
    """A row for each region, a column for each figure. `page_of` has the address of the page of a figure."""
    columns = [Cell(in_language(each.name), "col", href=page_of(each)) for each in definitions]
    targets = [Cell(translated("target"), "row"), *(Cell(told_target(each)) for each in definitions)]
    return Table(
        label=translated("Figures"),
        head=[Cell(translated("region"), "col", "name"), *columns],
        rows=[*(_row(each, definitions) for each in scorecards), targets],
        style="dense",
        caption=legend(),
        is_compared=True,
    )


def legend() -> str:
    """The meaning of marks and lines."""
    return translated(
        "“✓” meets its target, “!” misses it. The line in a bar is the interval of 95 %, the red one the target."
    )


def _row(card: Scorecard, definitions: Sequence[ScorecardDefinition]) -> list[Cell]:
    cells = [figure_cell(each, figure_of(card, each.figure)) for each in definitions]
    return [Cell(name_of(card), "row"), *cells]


def figure_cell(definition: ScorecardDefinition, figure: MeasuredFigure | None) -> Cell:
    """A value, coloured as it stands to its target; empty where the region does not count the figure."""
    if figure is None:
        return Cell("")
    style = _CLASSES.get(standing(definition, figure), "")
    return Cell(told_value(definition, figure), style=style, hint=told_interval(definition, figure))
