"""The command `serve` of a program."""

from collections.abc import Callable, Coroutine
from typing import Any

import click

from gateway.cli.clock import command_clock
from gateway.cli.exits import REFUSED
from gateway.maintenance.program import Program, S
from gateway.process import logs
from gateway.process.files import FileUnusable
from gateway.process.running import run_process
from gateway.rpc.ports import PortInUse
from gateway.security.private_files import require_private
from gateway.security.tls import CredentialsUnusable
from gateway.settings import Sources
from gateway.store.port import StoreUnusable
from gateway.store.schema import SchemaOutdated
from gateway.time.clock import SteadyClock

_HELP = """Run a {title} until it is told to stop (SIGTERM or Ctrl-C).

On SIGTERM it takes no new calls, finishes those being served, and ends.

\b
Example:
  {program} serve --settings {program}.toml

The settings come from a file, the environment ({prefix}LISTEN=127.0.0.1:7443) and flags; later ones win.
`{program} config example` prints a file with every setting and what it is, `{program} config show` those that this
command would run with.

\b
Exit codes: 0 stopped as told, 1 cannot serve or close its database, 2 wrong usage or settings.
"""
_UNUSABLE = (CredentialsUnusable, FileUnusable, StoreUnusable, PortInUse)

Serve = Callable[[S, SteadyClock], Coroutine[Any, Any, None]]


def serve_command(program: Program[S], imported: Callable[[], Serve[S]], *unusable: type[Exception]) -> click.Command:
    """The command `serve` of a program.

    `imported` imports what serves, for this command alone, which raises one of `unusable` for something that only this
    program has.
    """

    named: tuple[type[Exception], ...] = (*_UNUSABLE, *unusable)

    @click.command("serve")
    @program.settings_options
    def serve(sources: Sources) -> None:
        settings = program.settings(sources)
        serve_until_stopped, clock = imported(), command_clock()
        logs.configure(settings.log_format)
        try:
            require_private(settings.secrets)
            run_process(lambda: serve_until_stopped(settings, clock))
        except SchemaOutdated as error:
            program.end(f"{settings.database}: {error.advice(f'{program.name} migrate')}", REFUSED)
        except named as error:
            program.end(str(error), REFUSED)
        except OSError as error:
            program.end(f"{error.filename or settings.data}: {error.strerror or error}", REFUSED)

    serve.help = _HELP.format(program=program.name, title=program.title, prefix=program.prefix)
    return serve
