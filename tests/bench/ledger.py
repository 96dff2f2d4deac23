"""`python -m tests.bench.ledger`: how often each region and the coordinator do what costs time, for one order.

The profiler counts calls and slows them: the figures are numbers of calls, never times.
"""

import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO

import click
from rich.console import Console
from rich.table import Table

from deploy.local.federation import COORDINATOR
from deploy.local.process import Launcher, Program, Started, launch_anew, wait_until
from tests.bench.comparing import WARM_UP, order_client
from tests.bench.counted import FILE
from tests.bench.orders import HANDLING, HOME
from tests.bench.requirements import BUILD, ROOT, Needs, ready, working_directory
from tests.bench.running import running

_PATIENCE = 30.0  # seconds until a process has written its counts
_WIDTH = 120  # columns


LINES = {
    "calls of Python functions": r"\.py:",
    "calls of built-in functions": r"^<",
    "gRPC calls served": r":BorderInterceptor\._enter$",
    "gRPC calls made": r":UnaryUnaryCall\.__init__$",
    "commits": r":CommitQueue\._settle$",
    "SQL statements": r"'execute(many)?' of 'sqlite3\.Connection'",
    "hand-overs to a thread": r":ThreadPoolExecutor\.submit$",
    "AES-GCM seal": r"'encrypt' of 'cryptography",
    "AES-GCM open": r"'decrypt' of 'cryptography",
    "Ed25519 sign": r"'sign' of 'cryptography",
    "Ed25519 verify": r"'verify' of 'cryptography",
    "protobuf parse": r"FromString|'MergeFromString'",
    "protobuf serialise": r"'SerializeToString'",
    "protobuf copy": r"'CopyFrom'",
}
"""The lines of the ledger: the functions whose calls each counts, by their names in the counts."""


def lines_of(counts: Mapping[str, int], orders: int) -> dict[str, float]:
    """The calls of each line for one of so many orders."""
    return {
        label: sum(calls for name, calls in counts.items() if re.search(pattern, name)) / orders
        for label, pattern in LINES.items()
    }


def counting(directory: Path) -> Launcher:
    """Starts programs that count their calls, each into a file of its name."""

    def launch(program: Program, environment: Mapping[str, str], log: IO[bytes]) -> Started:
        counted = replace(program, module="tests.bench.counted", arguments=[program.module, *program.arguments])
        variables = {**environment, FILE: str(directory / f"{program.name}.json"), "PYTHONPATH": str(ROOT)}
        return launch_anew(counted, variables, log)

    return launch


def measure(directory: Path, callers: int, seconds: float) -> dict[str, dict[str, float]]:
    """The calls of each line for one order, by process."""
    with running(directory / "federation", launcher=counting(directory)) as federation:
        client = order_client(federation, directory / "orders.log")
        try:
            client.run(callers, WARM_UP)
            signal_all(pids := [each.pid for each in federation.processes.values()], signal.SIGUSR1)
            orders = client.run(callers, seconds).calls
            signal_all(pids, signal.SIGUSR2)
        finally:
            client.close()
        files = {name: directory / f"{name}.json" for name in federation.processes}
        wait_until(lambda: all(file.exists() for file in files.values()), _PATIENCE, "all have written their counts")
    counts = {name: json.loads(file.read_text("utf-8")) for name, file in files.items()}
    return {name: lines_of(found, orders) for name, found in counts.items()}


def signal_all(pids: list[int], number: signal.Signals) -> None:
    """Sends a signal to each of the processes."""
    for pid in pids:
        os.kill(pid, number)


@click.command()
@click.option("--callers", "levels", type=int, multiple=True, default=(1, 128), show_default=True)
@click.option("--seconds", default=5.0, show_default=True, help="of orders, for one number of callers")
def main(levels: tuple[int, ...], seconds: float) -> None:
    """Counts what one order costs at each process, with so many callers."""
    if sys.version_info >= (3, 12):
        raise click.ClickException("run it with Python 3.11: a later profiler counts the calls of one thread alone")
    ready(Needs(BUILD, synced=False))
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(BUILD, "ledger"))
        found = {callers: measure(_made(directory / str(callers)), callers, seconds) for callers in levels}
    shown = Table(title="one order, by the number of callers", title_justify="left")
    shown.add_column("")
    processes = ((HANDLING, "handling region"), (COORDINATOR, "coordinator"), (HOME, "home region"))
    for _, title in processes:
        shown.add_column(f"{title}: {', '.join(map(str, levels))}", justify="right")
    for label in LINES:
        shown.add_row(
            label, *(" → ".join(_shown(found[each][name][label]) for each in levels) for name, _ in processes)
        )
    Console(width=_WIDTH).print(shown)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _shown(calls: float) -> str:
    return f"{calls:,.0f}" if calls >= 100 else f"{calls:.2g}" if calls < 10 else f"{calls:.1f}"


if __name__ == "__main__":
    main()
