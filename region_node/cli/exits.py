"""How commands end that were not done: 1 refused, broken or not possible, 2 wrong usage, 3 not known."""

import sys
from typing import NoReturn

import click

REFUSED, USAGE, NOT_KNOWN = 1, 2, 3


def leave(text: str, exit_code: int) -> NoReturn:
    """Ends the process with a text on standard error."""
    click.echo(text, err=True)
    sys.exit(exit_code)
