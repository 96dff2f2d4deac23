"""`python -m tests.bench`: measures loads in turns and writes tables and build/bench.json."""

import asyncio
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import click
import uvloop
from rich.console import Console

from deploy.local.federation import LocalFederation
from deploy.local.process import ProcessFailed
from deploy.local.stores import require_installed
from tests.bench.business import measure_business
from tests.bench.chain import Chain
from tests.bench.comparing import compare, order_client
from tests.bench.engines import measure_engines
from tests.bench.load import LoadClient
from tests.bench.orders import CUSTOMERS, HANDLING, HOME, create_customers
from tests.bench.report import Report
from tests.bench.results import CHAIN, ORDERS, SQLITE, Results
from tests.bench.table import business_table, suspension_table, table

BUILD = Path(__file__).parents[2] / "build"
LEVELS = (1, 32, 128)
_BUSINESS_SECONDS = 1.0  # at most, for one way in one round of the rest of the business
_PIPED_WIDTH = 120  # columns of an output without a terminal


class Bench:
    """Orders on SQLite and a bare chain side by side; at any time one is loaded and the other idle."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        federation = LocalFederation(directory / "federation", (HANDLING, HOME))
        federation.prepare()
        stack.callback(federation.kill)
        federation.start()
        asyncio.run(create_customers(federation))
        self.federation = federation
        self.orders = order_client(federation, directory / "orders.log")
        stack.callback(self.orders.close)
        self.sizes = self.orders.ready
        chain = Chain(directory / "chain", self.sizes["answer_bytes"])
        stack.callback(chain.kill)
        endpoint = chain.start()
        self.chain = LoadClient(
            ["chain", f"--endpoint={endpoint}", f"--request-bytes={self.sizes['request_bytes']}"],
            chain.pids,
            directory / "chain.log",
        )
        stack.callback(self.chain.close)


def conditions(rounds: int, seconds: float, sizes: dict[str, int]) -> Report:
    """Under what circumstances the figures hold."""
    return {
        "rounds": rounds,
        "seconds_per_round_and_load": seconds,
        "processors": os.cpu_count(),
        "load_average_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
        "customers": CUSTOMERS,
        "chain": "three plaintext grpc.aio servers, uvloop, nothing stored",
        "orders": "mTLS, signatures, synchronous commits, audit; trace ids travel, spans are not recorded",
        "engines": "PostgreSQL over TLS for every database, etcd with three members, all on the same processors;"
        " their own processor time is not in that of the servers",
        **sizes,
    }


@click.command()
@click.option("--seconds", default=2.0, show_default=True, help="for one load in one round")
@click.option("--rounds", default=5, show_default=True, help="per number of callers")
@click.option("--callers", "levels", type=int, multiple=True, default=LEVELS, show_default=True)
@click.option("--engine-callers", default=32, show_default=True, help="for PostgreSQL and etcd; 0 leaves them out")
@click.option("--business-rounds", default=3, show_default=True, help="for the rest of the business; 0 leaves it out")
@click.option("--business-orders", default=1000, show_default=True, help="in bulk, in one round of it")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "bench.json", show_default=True)
def main(
    seconds: float,
    rounds: int,
    levels: Sequence[int],
    engine_callers: int,
    business_rounds: int,
    business_orders: int,
    output: Path,
) -> None:
    """Measures cross-region orders against a bare chain of gRPC servers, and on PostgreSQL and etcd against SQLite.

    Then imports, measurements, bulk, bills, guides, shared records and the number plan, each against a baseline of its
    own. Loads take turns on the same processors. Each part is written as soon as it is measured.
    """
    if engine_callers:
        try:
            require_installed(etcd=True, postgresql=True)
        except ProcessFailed as failure:
            raise click.ClickException(f"{failure}. --engine-callers 0 measures without these servers.") from None
    output.parent.mkdir(parents=True, exist_ok=True)
    # Beside the output and not among temporary files, which may lie in memory where a commit costs nothing.
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=output.parent))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        bench = Bench(directory, stack)
        results = Results(output, conditions(rounds, seconds, bench.sizes))
        stack.callback(tell, results, output)
        for callers in levels:
            results.add_level(compare(bench.chain, bench.orders, callers, rounds, seconds))
        if business_rounds:
            length = min(seconds, _BUSINESS_SECONDS)
            uvloop.run(
                measure_business(bench.federation, business_rounds, business_orders, length, results.add_business)
            )
        if engine_callers:
            measure_engines(directory, bench.orders, engine_callers, rounds, seconds, results)
        results.finish()


def tell(results: Results, output: Path) -> None:
    """Prints what was measured, and where it is written; nothing where no part was finished."""
    if not results.is_empty:
        show(results)
        print(f"written to {output}")


def show(results: Results) -> None:
    """Prints the tables; as wide as they need to be where the output is no terminal."""
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    if results.levels:
        console.print(table(results.levels, "orders between regions against a bare chain", CHAIN, ORDERS))
    for each in results.engines:
        console.print(table(each.levels, f"the same orders: {each.name} against SQLite", SQLITE, "PostgreSQL"))
    if results.suspensions:
        console.print(suspension_table(results.suspensions))
    if results.business:
        console.print(business_table(results.business))


if __name__ == "__main__":
    main()
