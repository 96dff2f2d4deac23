"""How far a command is with a file of many lines, or of many bytes, on a terminal."""

import sys
import time
from typing import Self

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

from gateway.cli.terminal import error_output
from gateway.wording.languages import translated


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


class LineProgress:
    """A progress bar with rate and remaining time on standard error, and the elapsed seconds.

    Nothing is shown where standard error is no terminal.
    """

    def __init__(self, name: str, lines: int) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=error_output(),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(name, total=lines)
        self._started = self._ended = time.monotonic()

    @property
    def seconds(self) -> float:
        """The elapsed seconds, after the end."""
        return self._ended - self._started

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = time.monotonic()
        self._bar.stop()

    def advance(self) -> None:
        """Another line is done."""
        self._bar.advance(self._task)

    def reached(self, lines: int) -> None:
        """Advances the bar to `lines` lines."""
        self._bar.update(self._task, completed=lines)

    def interrupted(self, problem: str) -> None:
        """Prints that the node is away and that the command continues by itself."""
        told = translated("The node is away, it is tried again: {problem}", problem=problem)
        self._bar.console.print(told, markup=False, highlight=False, soft_wrap=True)
