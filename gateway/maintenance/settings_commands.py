"""The commands that show and check the settings of a program."""

import click
from rich.table import Table
from rich.text import Text

from gateway.cli.terminal import output
from gateway.maintenance.program import Program, S
from gateway.settings import Sources
from gateway.settings.showing import Shown, as_json, example_page, shown
from gateway.wording.languages import translated

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

\b
Exit codes: 0 shown, 2 wrong usage or settings.
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


def config_commands(program: Program[S]) -> click.Group:
    """The group `config` of a program."""

    @click.group("config")
    def config() -> None:
        pass

    @config.command()
    @program.settings_options
    @click.option("--json", "as_json_list", is_flag=True, help="Print JSON, for programs.")
    def show(sources: Sources, as_json_list: bool) -> None:
        settings = shown(program.page(sources))
        if as_json_list:
            click.echo(as_json(settings))
        else:
            _print(settings)

    @config.command()
    @program.settings_options
    def validate(sources: Sources) -> None:
        program.page(sources)
        click.echo(translated("{sources}: fine", sources=sources))

    @config.command()
    def example() -> None:
        click.echo(example_page(program.kind), nl=False)

    variable = Sources(prefix=program.prefix).variable("postgresql.readers")
    config.help = _CONFIG.format(program=program.name, variable=variable)
    for command, text in ((show, _SHOW), (validate, _VALIDATE), (example, _EXAMPLE)):
        command.help = text.format(program=program.name)
    return config


def _print(settings: list[Shown]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (translated("key"), translated("value"), translated("source"), translated("description")):
        table.add_column(column, overflow="fold")
    for each in settings:
        table.add_row(*(Text(cell) for cell in (each.key, each.text, each.source, each.description)))
    output().print(table)
