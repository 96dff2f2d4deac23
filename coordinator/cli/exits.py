"""How commands end: 0 done, 1 refused or not possible, 2 wrong usage or settings, 3 no coordinator answers."""

from collections.abc import Iterable

import click

REFUSED = 1
USAGE = 2
UNREACHABLE = 3

EPILOG = (
    "Exit codes: 0 done, 1 refused or not possible, 2 wrong usage or settings, 3 the coordinator, or every region"
    " asked, cannot be reached."
)


class NotDone(click.ClickException):
    """The command was refused, or something here is not as it must be. One problem a line."""

    exit_code = REFUSED

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("\n".join(problems))


class SettingsUnusable(NotDone):
    """The settings cannot be read, or something in them is wrong. One problem a line."""

    exit_code = USAGE


class CannotReach(click.ClickException):
    """Nobody answered: whether anything was done is not known. Ask again."""

    exit_code = UNREACHABLE
