"""`region-node serve`."""

import click

from gateway.cli.exits import REFUSED, leave
from gateway.process import logs
from gateway.rpc.server import PortInUse, run_process
from gateway.security.region_keys import RegionKeysUnusable
from gateway.security.tls import CredentialsUnusable
from gateway.settings import Sources
from gateway.store.port import StoreUnusable
from gateway.store.schema import SchemaOutdated
from region_node.cli.node.config import load_settings, settings_options


@click.command()
@settings_options
def serve(sources: Sources) -> None:
    """Run a region node until it is told to stop (SIGTERM or Ctrl-C).

    On SIGTERM it takes no new calls, finishes those being served, and ends.

    \b
    Example:
      region-node serve --settings sichuan.toml

    The settings come from a file, the environment (REGION_NODE_LISTEN=127.0.0.1:7443) and flags; later ones win.
    `region-node config example` prints a file with every setting and what it is, `region-node config show` those that
    a node would run with.

    \b
    Exit codes: 0 stopped as told, 1 cannot serve, 2 wrong usage or settings.
    """
    from region_node.app.process import serve as serve_until_stopped  # noqa: PLC0415 - a whole node

    settings = load_settings(sources)
    logs.configure()
    try:
        run_process(lambda: serve_until_stopped(settings))
    except SchemaOutdated as error:
        leave(f"{settings.database}: {error.advice('region-node migrate')}", REFUSED)
    except (CredentialsUnusable, RegionKeysUnusable, StoreUnusable, PortInUse) as error:
        leave(str(error), REFUSED)
    except OSError as error:
        leave(f"{error.filename or settings.data}: {error.strerror or error}", REFUSED)
