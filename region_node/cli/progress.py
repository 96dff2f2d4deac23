"""How far a command is with a file of many lines, or of many bytes, on a terminal."""

import sys

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from gateway.languages import translated
from gateway.terminal import error_output


class _Rate(ProgressColumn):
    """Lines a second."""

    def render(self, task: Task) -> Text:
        """See rich."""
        return Text(translated("{rate} a second", rate=f"{task.speed or 0:,.0f}"))


def byte_progress() -> Progress:
    """A bar of bytes with the rate and the time left, on standard error; nothing where that is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=error_output(),
        disable=not sys.stderr.isatty(),
    )


def line_progress() -> Progress:
    """A bar with the rate and the time left, on standard error; nothing where that is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=error_output(),
        disable=not sys.stderr.isatty(),
    )
