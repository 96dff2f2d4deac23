"""`python -m tests.bench`: measures loads in turns and writes tables and build/bench.json."""

import os
import platform
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click
import uvloop

from tests.bench.business import measure_business
from tests.bench.comparing import LEVELS, compare, order_client
from tests.bench.engines import measure_engines
from tests.bench.history import Run, append, newest, read, worse
from tests.bench.machine import machine_of
from tests.bench.orders import CUSTOMERS
from tests.bench.page import write_page
from tests.bench.report import Report
from tests.bench.requirements import BUILD, ROOT, Needs, commit_of, ready, working_directory
from tests.bench.results import CHAIN, ORDERS, SQLITE, Results
from tests.bench.running import chain_client, running
from tests.bench.table import business_table, console, suspension_table, table

_BUSINESS_SECONDS = 1.0  # at most, for one way in one round of the rest of the business


class Bench:
    """Orders on SQLite and a bare chain side by side; at any time one is loaded and the other idle."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.federation = stack.enter_context(running(directory / "federation"))
        self.orders = order_client(self.federation, directory / "orders.log")
        stack.callback(self.orders.close)
        self.sizes = self.orders.ready
        self.chain = stack.enter_context(chain_client(directory / "chain", self.sizes))


def conditions(rounds: int, seconds: float, others: float, sizes: dict[str, int]) -> Report:
    """The circumstances under which the figures hold; `others` is how many processors were busy before."""
    return {
        "rounds": rounds,
        "seconds_per_round_and_load": seconds,
        "processors": os.cpu_count(),
        "others_processors_before": round(others, 2),
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
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--record", "recorded", is_flag=True, help="add the ratios to the history; needs a tree without changes")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "bench.json", show_default=True)
def main(
    seconds: float,
    rounds: int,
    levels: Sequence[int],
    engine_callers: int,
    business_rounds: int,
    business_orders: int,
    output: Path,
    *,
    unsynced: bool,
    recorded: bool,
) -> None:
    """Measures cross-region orders against a bare chain of gRPC servers, and on PostgreSQL and etcd against SQLite.

    Then imports, measurements, bulk, bills, guides, shared records and the number plan, each against a baseline of its
    own. Loads take turns on the same processors. Each part is written as soon as it is measured.
    """
    synced = recorded or not unsynced
    others = ready(Needs(output.parent, engines=bool(engine_callers), synced=synced, recorded=recorded))
    commit = commit_of(ROOT) if recorded else ""
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(output.parent, "bench"))
        bench = Bench(directory, stack)
        results = Results(output, conditions(rounds, seconds, others, bench.sizes))
        stack.callback(tell, results, output)
        for callers in levels:
            results.add_level(compare(bench.chain, bench.orders, callers, rounds, seconds))
        if business_rounds:
            length = min(seconds, _BUSINESS_SECONDS)
            uvloop.run(
                measure_business(
                    bench.federation, bench.orders, business_rounds, business_orders, length, results.add_business
                )
            )
        if engine_callers:
            measure_engines(directory, bench.orders, engine_callers, rounds, seconds, results)
        results.finish()
        if recorded:
            record(results, commit, others, directory)


def record(results: Results, commit: str, others: float, directory: Path) -> None:
    """Adds a run of a commit to the history, writes the page anew, and names what is worse than on this machine before.

    Raises OSError.
    """
    run = Run(
        commit=commit,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_of(directory),
        python=platform.python_version(),
        grpcio=version("grpcio"),
        others_before=others,
        ratios=results.ratios,
    )
    before = newest(read(), run.machine)
    append(run)
    write_page()
    if before is not None:
        for each in worse(before.ratios, run.ratios):
            click.echo(f"worse than at {before.commit[:8]}: {each}", err=True)


def tell(results: Results, output: Path) -> None:
    """Prints what was measured, and where it is written; nothing where no part was finished."""
    if not results.is_empty:
        show(results)
        print(f"written to {output}")


def show(results: Results) -> None:
    """Prints the tables."""
    output = console()
    if results.levels:
        output.print(table(results.levels, "orders between regions against a bare chain", CHAIN, ORDERS))
    for each in results.engines:
        output.print(table(each.levels, f"the same orders: {each.name} against SQLite", SQLITE, "PostgreSQL"))
    if results.suspensions:
        output.print(suspension_table(results.suspensions))
    if results.business:
        output.print(business_table(results.business))


if __name__ == "__main__":
    main()
