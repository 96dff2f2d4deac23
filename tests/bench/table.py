"""The report for people."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.bench.report import FIGURES, Comparison, Level, Spread
from tests.bench.suspension import Suspension

_PIPED_WIDTH = 120  # columns of an output without a terminal


def console() -> Console:
    """The output for tables; as wide as they need to be where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def table(levels: Sequence[Level], title: str, base: str, measured: str) -> Table:
    """A row per level and figure; medians over the rounds, with the least and the greatest ratio."""
    others = [level.others for level in levels]
    disturbed = f"other processes kept {min(each.low for each in others):.2f} to "
    disturbed += f"{max(each.high for each in others):.2f} processors busy meanwhile"
    shown = Table(
        title=title,
        title_justify="left",
        caption="\n".join([disturbed, *refusals_told(levels, base, measured)]),
        caption_justify="left",
    )
    for heading in ("callers", "figure", f"(a) {base}", f"(b) {measured}", "b/a", "min", "max"):
        shown.add_column(heading, justify="left" if heading == "figure" else "right", no_wrap=True)
    for level in levels:
        for index, figure in enumerate(FIGURES):
            ratio = figure.ratio(level.rounds)
            shown.add_row(
                str(level.callers) if index == 0 else "",
                f"{figure.label}, {figure.unit}",
                _number(figure.of([each.base for each in level.rounds])),
                _number(figure.of([each.measured for each in level.rounds])),
                f"{ratio.median:.2f}",
                f"{ratio.low:.2f}",
                f"{ratio.high:.2f}",
                end_section=index == len(FIGURES) - 1,
            )
    return shown


def refusals_told(levels: Sequence[Level], base: str, measured: str) -> list[str]:
    """A line for each level, and each of both loads by its name, at which calls of the load had no room.

    Their callers pause: fewer calls share a commit, and a window ends later.
    """
    return [
        f"{name}, {each.callers} callers: {refused:.2f} refusals for each call done"
        for each in levels
        for name, refused in zip((base, measured), each.refused, strict=True)
        if refused
    ]


def suspension_table(suspensions: Sequence[Suspension]) -> Table:
    """A row per suspension under load, in milliseconds from its request."""
    shown = Table(
        title="`regions suspend` under load, two coordinators",
        title_justify="left",
        caption="0: none was acted on after the question",
        caption_justify="left",
    )
    for heading in ("", "last envelope acted on, ms", "confirmed by all, ms", "envelopes after that"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for number, each in enumerate(suspensions, 1):
        shown.add_row(str(number), f"{each.last_envelope * 1e3:.0f}", f"{each.confirmed * 1e3:.0f}", str(each.later))
    return shown


def business_table(comparisons: Sequence[Comparison]) -> Table:
    """A row per comparison; medians over the rounds, with the least and the greatest ratio."""
    shown = Table(
        title="the rest of the business",
        title_justify="left",
        caption="1/s: more is better; ms and us: less is",
        caption_justify="left",
    )
    for heading in ("figure", "(a)", "(b)"):
        shown.add_column(heading)
    for heading in ("a", "b", "b/a", "min", "max"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for each in comparisons:
        shown.add_row(
            each.figure,
            each.base,
            each.measured,
            _number(each.of_base),
            _number(each.of_measured),
            f"{each.ratio.median:.2f}",
            f"{each.ratio.low:.2f}",
            f"{each.ratio.high:.2f}",
        )
    return shown


def _number(spread: Spread) -> str:
    return f"{spread.median:,.0f}" if spread.median >= 100 else f"{spread.median:.2f}"
