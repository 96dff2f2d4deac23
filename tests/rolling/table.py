"""The report for people."""

from rich.table import Table

from tests.rolling.replacing import Ending
from tests.rolling.run import Line, Report

_TITLES = {
    Ending.STOP: "every process stopped in order and started again, under load",
    Ending.KILL: "every process killed (kill -9) and started again, under load",
}
_COLUMNS = (
    "process",
    "from pid",
    "to pid",
    "to end, s",
    "away, s",
    "whole again, s",
    "served meanwhile",
    "slowest call, s",
    "tried again",
)


def table(report: Report) -> Table:
    """A row per replacement, in order."""
    attempts = ", ".join(f"{count} by {number}" for number, count in sorted(report.attempts.items()))
    caption = f"{report.calls} calls, none failed; {report.orders} orders, each done once; "
    caption += f"the watch resumed {report.resumed} times, every order told; envelopes by attempts: {attempts}"
    shown = Table(title=_TITLES[report.ending], title_justify="left", caption=caption, caption_justify="left")
    for heading in _COLUMNS:
        shown.add_column(heading, justify="left" if heading in ("process", "tried again") else "right")
    for line in report.lines:
        shown.add_row(*_cells(line))
    return shown


def _cells(line: Line) -> tuple[str, ...]:
    replacement = line.replacement
    return (
        replacement.name,
        str(replacement.former),
        str(replacement.present),
        f"{replacement.gone - replacement.ended:.2f}",
        f"{replacement.back - replacement.ended:.2f}",
        f"{line.whole - replacement.ended:.2f}",
        str(line.answered),
        f"{line.slowest:.2f}",
        ", ".join(f"{count} {name}" for name, count in sorted(line.hindrances.items())),
    )
