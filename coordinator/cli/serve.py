"""`coordinator serve`."""

from pathlib import Path

import click

from coordinator.app import serve as serve_until_stopped
from coordinator.cli.exits import EPILOG, NotDone, SettingsUnusable
from coordinator.settings import CoordinatorSettings
from gateway import logs
from gateway.server import PortInUse, run_process
from gateway.settings import SettingsError, load
from gateway.store.schema import SchemaMismatch
from gateway.store.sqlite import DatabaseInUse
from gateway.tls import CredentialsUnusable

settings_option = click.option(
    "--settings",
    "settings_file",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The settings (TOML).",
)


def load_settings(settings_file: Path) -> CoordinatorSettings:
    """The settings in a file. Raises SettingsUnusable with everything that is wrong with them."""
    try:
        return load(CoordinatorSettings, settings_file)
    except SettingsError as error:
        raise SettingsUnusable(error.problems) from error


@click.command(epilog=EPILOG)
@settings_option
def serve(settings_file: Path) -> None:
    """Run a coordinator until it is told to stop (SIGTERM or Ctrl-C).

    On SIGTERM it takes no new calls, finishes those being served, and ends.

    \b
    Example:
      coordinator serve --settings coordinator.toml

    \b
    The settings:
      federation = "crossregion.example"
      listen = "127.0.0.1:7000"        # port 0 takes any free one
      data = "data"                    # a directory; paths are relative to the file
      [credentials]
      authority = "authority.crt"
      certificate = "tls.crt"
      key = "tls.key"
    """
    settings = load_settings(settings_file)
    logs.configure()
    try:
        run_process(lambda: serve_until_stopped(settings))
    except (CredentialsUnusable, DatabaseInUse, SchemaMismatch, PortInUse) as error:
        raise NotDone([str(error)]) from error
    except OSError as error:
        raise NotDone([f"{error.filename or settings.data}: {error.strerror or error}"]) from error
