"""The options for the sources of a command's settings, and the commands that show and check settings."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import click
from rich.table import Table
from rich.text import Text

from gateway.cli.terminal import output
from gateway.settings.page import Page
from gateway.settings.showing import Shown, as_json, example_page, shown
from gateway.settings.sources import FLAG, Sources
from gateway.wording.languages import translated

P = ParamSpec("P")
T = TypeVar("T")

_CONFIG = """Show and check the settings of `{program} serve`.

They come from a file, the environment and flags; later ones win, and what no setting is named after is refused. One
setting, three ways:

\b
  [postgresql]                          in the file
  readers = 8
  {variable}=8
  --set postgresql.readers=8

In the environment and in flags the texts of a list are separated by commas, and paths are relative to the working
directory; in the file, to the file.

In Kubernetes, set enableServiceLinks to false: else a Service named like the program leaves variables that no setting
is named after.
"""
_SHOW = """Show every setting, and where it comes from.

These are what `{program} serve` would run with. Passwords are shown as ***.

\b
Example:
  {program} config show --settings {program}.toml --set postgresql.readers=8
"""
_VALIDATE = """Say everything that is wrong with the settings.

`{program} serve` refuses the same with the same words. Whether the files that they name are there, and others answer,
is not looked at.

\b
Example:
  {program} config validate --settings {program}.toml

\b
Exit codes: 0 they can be used, 2 they cannot.
"""
_EXAMPLE = """Print a settings file with every setting and what it is.

\b
Example:
  {program} config example > {program}.toml
"""


def sources_options(prefix: str) -> Callable[[Callable[Concatenate[Sources, P], None]], Callable[..., None]]:
    """Gives a command its sources as the first argument: a file, variables with the prefix, and flags."""
    file_variable = Sources(prefix=prefix).file_variable

    def give(command: Callable[Concatenate[Sources, P], None]) -> Callable[..., None]:
        @click.option(
            "--settings",
            "settings_file",
            metavar="FILE",
            envvar=file_variable,
            show_envvar=True,
            type=click.Path(path_type=Path, dir_okay=False),
            help="The settings (TOML).",
        )
        @click.option(
            FLAG,
            "flags",
            metavar="KEY=VALUE",
            multiple=True,
            help=f"One setting; wins over the environment ({prefix}KEY=VALUE) and the file. Others can see flags:"
            " passwords belong in one of the other two.",
        )
        @functools.wraps(command)
        def take(settings_file: Path | None, flags: tuple[str, ...], *args: P.args, **kwargs: P.kwargs) -> None:
            command(Sources(settings_file, prefix, os.environ, flags), *args, **kwargs)

        return take

    return give


def config_commands(
    program: str, kind: type[T], prefix: str, load: Callable[[Sources], Page[T]], epilog: str | None = None
) -> click.Group:
    """The group `config` of a program whose settings are the dataclass `kind`.

    `load` is the program's own loader: it ends the command where the settings cannot be used.
    """
    sources_of = sources_options(prefix)

    @click.group("config", epilog=epilog)
    def config() -> None:
        pass

    @config.command(epilog=epilog)
    @sources_of
    @click.option("--json", "as_json_list", is_flag=True, help="Print JSON, for programs.")
    def show(sources: Sources, as_json_list: bool) -> None:
        settings = shown(load(sources))
        if as_json_list:
            click.echo(as_json(settings))
        else:
            _print(settings)

    @config.command(epilog=epilog)
    @sources_of
    def validate(sources: Sources) -> None:
        load(sources)
        click.echo(translated("{sources}: fine", sources=sources))

    @config.command(epilog=epilog)
    def example() -> None:
        click.echo(example_page(kind), nl=False)

    config.help = _CONFIG.format(program=program, variable=Sources(prefix=prefix).variable("postgresql.readers"))
    show.help = _SHOW.format(program=program)
    validate.help = _VALIDATE.format(program=program)
    example.help = _EXAMPLE.format(program=program)
    return config


def _print(settings: list[Shown]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (translated("key"), translated("value"), translated("source"), translated("description")):
        table.add_column(column, overflow="fold")
    for each in settings:
        table.add_row(*(Text(cell) for cell in (each.key, each.text, each.source, each.description)))
    output().print(table)
