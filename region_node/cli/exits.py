"""How commands end that were not done: 1 refused, broken or not possible, 2 wrong usage, 3 not known."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from gateway.settings import SettingsError, load
from region_node.settings import RegionSettings

REFUSED, USAGE, NOT_KNOWN = 1, 2, 3

settings_option = click.option(
    "--settings",
    "settings_file",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The settings of the node (TOML).",
)


def leave(text: str, exit_code: int) -> NoReturn:
    """Ends the process with a text on standard error."""
    click.echo(text, err=True)
    sys.exit(exit_code)


def load_settings(settings_file: Path) -> RegionSettings:
    """The settings in a file; ends the process with everything that is wrong with them."""
    try:
        return load(RegionSettings, settings_file)
    except SettingsError as error:
        leave("\n".join(error.problems), USAGE)
