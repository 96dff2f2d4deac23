"""`region-node serve`."""

from pathlib import Path

import click

from gateway import logs
from gateway.server import PortInUse, run_process
from gateway.store.schema import SchemaMismatch
from gateway.store.sqlite import DatabaseInUse
from gateway.tls import CredentialsUnusable
from region_node.cli.exits import REFUSED, leave, load_settings, settings_option


@click.command()
@settings_option
def serve(settings_file: Path) -> None:
    """Run a region node until it is told to stop (SIGTERM or Ctrl-C).

    On SIGTERM it takes no new calls, finishes those being served, and ends.

    \b
    Example:
      region-node serve --settings sichuan.toml

    \b
    The settings; paths are relative to the file:
      federation = "crossregion.example"
      region = "sichuan"
      listen = "127.0.0.1:7443"            # port 0 takes any free one
      data = "data"                        # a directory
      coordinators = ["127.0.0.1:7000"]
      [credentials]
      authority = "authority.crt"
      certificate = "tls.crt"
      key = "tls.key"
      [signing]
      certificate = "signing.crt"
      key = "signing.key"

    \b
    Settings that may be left out:
      advertise = "node.example:7443"      # where coordinators reach the node
      reflection = true                    # for demos and development
      port_file = "port"                   # holds the port while the node serves

    \b
    Exit codes: 0 stopped as told, 1 cannot serve, 2 wrong usage or settings.
    """
    from region_node.app import serve as serve_until_stopped  # noqa: PLC0415 - a whole node, for this command alone

    settings = load_settings(settings_file)
    logs.configure()
    try:
        run_process(lambda: serve_until_stopped(settings))
    except (CredentialsUnusable, DatabaseInUse, SchemaMismatch, PortInUse) as error:
        leave(str(error), REFUSED)
    except OSError as error:
        leave(f"{error.filename or settings.data}: {error.strerror or error}", REFUSED)
