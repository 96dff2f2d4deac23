"""`coordinator serve`."""

import click

from coordinator.cli.connection import EPILOG
from coordinator.cli.node.config import load_settings, settings_options
from coordinator.registry.etcd.registry import RegistryUnreachable
from gateway.cli.exits import NotDone
from gateway.process import logs
from gateway.rpc.server import PortInUse, run_process
from gateway.security.tls import CredentialsUnusable
from gateway.settings import Sources
from gateway.store.port import StoreUnusable
from gateway.store.schema import SchemaOutdated


@click.command(epilog=EPILOG)
@settings_options
def serve(sources: Sources) -> None:
    """Run a coordinator until it is told to stop (SIGTERM or Ctrl-C).

    On SIGTERM it takes no new calls, finishes those being served, and ends.

    \b
    Example:
      coordinator serve --settings coordinator.toml

    The settings come from a file, the environment (COORDINATOR_LISTEN=127.0.0.1:7000) and flags; later ones win.
    `coordinator config example` prints a file with every setting and what it is, `coordinator config show` those that
    a coordinator would run with.
    """
    from coordinator.app import serve as serve_until_stopped  # noqa: PLC0415 - a whole coordinator, for this command alone

    settings = load_settings(sources)
    logs.configure()
    try:
        run_process(lambda: serve_until_stopped(settings))
    except SchemaOutdated as error:
        raise NotDone([f"{settings.database}: {error.advice('coordinator migrate')}"]) from error
    except (CredentialsUnusable, StoreUnusable, RegistryUnreachable, PortInUse) as error:
        raise NotDone([str(error)]) from error
    except OSError as error:
        raise NotDone([f"{error.filename or settings.data}: {error.strerror or error}"]) from error
