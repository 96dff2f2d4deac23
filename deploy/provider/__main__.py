"""`python -m deploy.provider`."""

import argparse
import functools
import sys
from pathlib import Path

import deploy.provider
from deploy.provider.server import ProviderOptions, serve
from deploy.provider.service import PHASES, Behaviour
from gateway.process import logs
from gateway.process.running import run_process
from gateway.rpc.ports import PortInUse
from gateway.security.tls import CredentialsUnusable


def main() -> int:
    """Serves until Ctrl-C or SIGTERM; returns the exit code."""
    options = _options()
    logs.configure()
    try:
        run_process(functools.partial(serve, options))
    except (CredentialsUnusable, PortInUse, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _options() -> ProviderOptions:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.provider",
        description=deploy.provider.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--directory", type=Path, required=True, help="its certificate and what it has done")
    parser.add_argument("--listen", required=True, help="host:port; port 0 takes any free one")
    parser.add_argument("--port-file", type=Path, help="a file that holds the port while it serves")
    parser.add_argument(
        "--refuse",
        action="append",
        default=[],
        metavar="BUSINESS[:PHASE]",
        help=f"say no to a business; PHASE is one of {', '.join(PHASES)}, else the check; may be repeated",
    )
    parser.add_argument("--slow", type=float, default=0.0, metavar="SECONDS", help="take so long for each answer")
    given = parser.parse_args()
    behaviour = Behaviour(frozenset(given.refuse), given.slow)
    return ProviderOptions(given.directory, given.listen, given.port_file, behaviour)


if __name__ == "__main__":
    sys.exit(main())
