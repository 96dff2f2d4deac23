"""How commands end: 0 done, 1 refused or not possible, 2 wrong usage or settings, 3 no server answers."""

import sys
from collections.abc import Iterable
from typing import NoReturn

import click

REFUSED, USAGE, NOT_KNOWN = 1, 2, 3


class NotDone(click.ClickException):
    """The command was refused, or a local precondition failed. One problem a line."""

    exit_code = REFUSED

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("\n".join(problems))


class CannotReach(click.ClickException):
    """No server responded: the outcome is unknown. The user may repeat the command."""

    exit_code = NOT_KNOWN


def leave(text: str, exit_code: int) -> NoReturn:
    """Ends the process with a text on standard error."""
    click.echo(text, err=True)
    sys.exit(exit_code)


def fail(text: str, exit_code: int) -> NoReturn:
    """Ends the process with a text on standard error, in the form of an error of click."""
    click.ClickException(text).show()
    sys.exit(exit_code)
