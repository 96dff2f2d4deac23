"""`python -m deploy.local`: runs a federation on this machine until a stop signal."""

import argparse
import shlex
import sys
import time
from io import TextIOWrapper
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.local import directory
from deploy.local.federation import FEDERATION, OPERATOR, PROVIDED, LocalFederation
from deploy.local.process import ProcessFailed, interrupted_once
from deploy.local.profiles import EMBEDDED, PROFILES

REGIONS = ("guangdong", "sichuan", "henan")
DIRECTORY = Path(__file__).parents[2] / "build" / "local"
RUNS = "It runs until Ctrl-C."
STOPPED = "Everything is stopped."
_LOOK_SECONDS = 1.0
_PIPED_WIDTH = 200  # columns of an output without a terminal


def main() -> int:
    """Runs a federation on this machine until Ctrl-C or SIGTERM; returns the exit code."""
    options = _options()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)
    with interrupted_once():
        try:
            directory.require_none_runs(options.directory)
            directory.prepare(options.directory)
        except (directory.NotAFederation, directory.RunsAlready) as error:
            sys.stderr.write(f"{error}\n")
            return 1
        except KeyboardInterrupt:
            return 0
        return _run(LocalFederation(options.directory, REGIONS, PROFILES[options.profile], provided=PROVIDED))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=main.__doc__)
    parser.add_argument("--profile", choices=PROFILES, default=EMBEDDED.name, help="its shape; default %(default)s")
    parser.add_argument(
        "--directory",
        type=lambda text: Path(text).resolve(),
        default=DIRECTORY,
        help="recreated unless one runs in it; default %(default)s",
    )
    return parser.parse_args()


def _run(federation: LocalFederation) -> int:
    code = 0
    try:
        print(f"Starting a federation by the profile {federation.profile.name} in {federation.directory}")
        federation.prepare()
        federation.start()
        directory.note_processes(federation)
        _tell(federation)
        while federation.running():
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        print("Stopping the nodes, then the coordinators, then what they keep their data in")
    except (ProcessFailed, TimeoutError) as failure:
        sys.stderr.write(f"It did not start: {failure}\nIts logs are in {federation.directory / 'logs'}.\n")
        code = 1
    try:
        federation.stop()
    except ProcessFailed as failure:
        federation.kill()
        sys.stderr.write(f"Not all ended by itself: {failure}\n")
        code = 1
    directory.forget_processes(federation)
    print(f"{STOPPED} Logs, settings, certificates and files are in {federation.directory}.")
    return code


def _tell(federation: LocalFederation) -> None:
    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else _PIPED_WIDTH, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("what", "pid", "address", "log"):
        table.add_column(column, overflow="fold")
    for each in federation.running():
        log = each.log.relative_to(federation.directory)
        table.add_row(*(Text(cell) for cell in (each.name, str(each.pid), each.endpoint, str(log))))
    console.print(table)
    for line in (
        *(_line(region, federation) for region in federation.regions),
        *(_list_line(replica.endpoint, federation) for replica in federation.coordinators),
    ):
        console.print(line, markup=False, soft_wrap=True, style="green")
    console.print(f"{RUNS} From elsewhere: sh {shlex.quote(str(federation.directory / directory.STOP))}", markup=False)


def _line(region: str, federation: LocalFederation) -> str:
    return _command(
        "region-node",
        "call",
        "CatalogueService.ListPlans",
        "--node",
        federation.endpoint(region),
        "--region",
        region,
        "--credentials",
        str(federation.directory / "certificates" / f"{region}-{OPERATOR}"),
        "--federation",
        FEDERATION,
    )


def _list_line(coordinator: str, federation: LocalFederation) -> str:
    return _command(
        "coordinator",
        "regions",
        "list",
        "--coordinator",
        coordinator,
        "--credentials",
        str(federation.directory / "certificates" / "admin"),
        "--federation",
        FEDERATION,
    )


def _command(program: str, *arguments: str) -> str:
    """A line to copy: with the program of this environment, wherever one is."""
    return shlex.join([str(Path(sys.executable).parent / program), *arguments])


if __name__ == "__main__":
    sys.exit(main())
