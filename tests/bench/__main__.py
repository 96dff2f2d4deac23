"""`python -m tests.bench`: measures both loads in turns and writes the table and build/bench.json."""

import asyncio
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import click
from rich.console import Console

from deploy.local.federation import FEDERATION, LocalFederation
from gateway.api.types.v1.access_pb2 import Role
from gateway.identity import server_name
from tests.bench.chain import Chain
from tests.bench.load import LoadClient
from tests.bench.orders import CUSTOMERS, HANDLING, HOME, create_customers
from tests.bench.report import Level, Report, Round, report
from tests.bench.table import table

BUILD = Path(__file__).parents[2] / "build"
LEVELS = (1, 32, 128)
WARM_UP = 1.5  # seconds of each load before the first round of a level


class Bench:
    """Both systems side by side, each with its load client; at any time one is loaded and the other idle."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        federation = LocalFederation(directory / "federation", (HANDLING, HOME))
        federation.prepare()
        stack.callback(federation.kill)
        federation.start()
        asyncio.run(create_customers(federation))
        self.orders = LoadClient(
            [
                "orders",
                f"--endpoint={federation.endpoint(HANDLING)}",
                f"--server-name={server_name(Role.ROLE_REGION, HANDLING, FEDERATION)}",
                f"--certificate={federation.directory / 'certificates' / f'{HANDLING}-counter'}",
            ],
            [process.pid for process in federation.processes.values()],
            directory / "orders.log",
        )
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

    def level(self, callers: int, rounds: int, seconds: float) -> Level:
        """Rounds of both loads; the order alternates, so that a steady drift of the machine cancels out."""
        warm_up = min(WARM_UP, seconds)
        self.chain.run(callers, warm_up)
        self.orders.run(callers, warm_up)
        done: list[Round] = []
        for index in range(rounds):
            if index % 2:
                orders = self.orders.run(callers, seconds)
                done.append(Round(self.chain.run(callers, seconds), orders))
            else:
                chain = self.chain.run(callers, seconds)
                done.append(Round(chain, self.orders.run(callers, seconds)))
        return Level(callers, done)


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
        **sizes,
    }


@click.command()
@click.option("--seconds", default=2.5, show_default=True, help="for one load in one round")
@click.option("--rounds", default=5, show_default=True, help="per number of callers")
@click.option("--callers", "levels", type=int, multiple=True, default=LEVELS, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "bench.json", show_default=True)
def main(seconds: float, rounds: int, levels: Sequence[int], output: Path) -> None:
    """Measures cross-region orders against a bare chain of gRPC servers, in turns, on the same processors."""
    output.parent.mkdir(parents=True, exist_ok=True)
    # Beside the output and not among temporary files, which may lie in memory where a commit costs nothing.
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=output.parent))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        bench = Bench(directory, stack)
        circumstances = conditions(rounds, seconds, bench.sizes)
        measured = [bench.level(callers, rounds, seconds) for callers in levels]
    output.write_text(json.dumps(report(measured, circumstances), indent=2) + "\n", "utf-8")
    Console().print(table(measured))
    print(f"written to {output}")


if __name__ == "__main__":
    main()
