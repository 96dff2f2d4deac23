"""The report for people."""

from collections.abc import Sequence

from rich.table import Table

from tests.bench.report import FIGURES, Level, Spread


def table(levels: Sequence[Level]) -> Table:
    """One row per level and figure; medians over the rounds, with the least and the greatest ratio."""
    others = [level.others for level in levels]
    disturbed = f"other processes kept {min(each.low for each in others):.2f} to "
    disturbed += f"{max(each.high for each in others):.2f} processors busy meanwhile"
    shown = Table(
        title="orders between regions (b) against a bare chain (a)",
        title_justify="left",
        caption=disturbed,
        caption_justify="left",
    )
    for heading in ("callers", "figure", "(a) chain", "(b) orders", "b/a", "min", "max"):
        shown.add_column(heading, justify="left" if heading == "figure" else "right", no_wrap=True)
    for level in levels:
        for index, figure in enumerate(FIGURES):
            ratio = figure.ratio(level.rounds)
            shown.add_row(
                str(level.callers) if index == 0 else "",
                f"{figure.label}, {figure.unit}",
                _number(figure.of([each.chain for each in level.rounds])),
                _number(figure.of([each.orders for each in level.rounds])),
                f"{ratio.median:.2f}",
                f"{ratio.low:.2f}",
                f"{ratio.high:.2f}",
                end_section=index == len(FIGURES) - 1,
            )
    return shown


def _number(spread: Spread) -> str:
    return f"{spread.median:,.0f}" if spread.median >= 100 else f"{spread.median:.2f}"
