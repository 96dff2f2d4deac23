"""`python -m tests.bench.rest`: the share of a processor that each process takes while nobody asks it for anything."""

import statistics
import time
from contextlib import ExitStack
from pathlib import Path

import click

from coordinator.settings import CoordinatorSettings
from deploy.local.federation import COORDINATOR, FEDERATION_FILES, LocalFederation
from gateway.federation.files import load
from tests.bench.orders import HANDLING, HOME
from tests.bench.processor_time import processor_seconds
from tests.bench.requirements import BUILD, Needs, ready, working_directory


def shares(federation: LocalFederation, seconds: float) -> dict[str, float]:
    """Processor seconds a second of each process of a federation, by its name, watched for so long."""
    pids = {name: process.pid for name, process in federation.processes.items()}
    before, started = {name: processor_seconds([pid]) for name, pid in pids.items()}, time.perf_counter()
    time.sleep(seconds)
    elapsed = time.perf_counter() - started
    return {name: (processor_seconds([pid]) - before[name]) / elapsed for name, pid in pids.items()}


def at_rest(directory: Path, regions: int) -> LocalFederation:
    """A prepared federation of so many regions, with the intervals that a coordinator has by default.

    The regions between which the bench has orders are the first.
    """
    known = dict.fromkeys((HANDLING, HOME, *(each.id for each in load(FEDERATION_FILES).regions)))
    federation = LocalFederation(directory, list(known)[:regions])
    federation.heartbeat_seconds = CoordinatorSettings.heartbeat_interval
    federation.lease_seconds = CoordinatorSettings.lease
    federation.prepare()
    return federation


@click.command()
@click.option("--regions", default=2, show_default=True, help="in the federation")
@click.option("--rest", default=10.0, show_default=True, help="seconds of rest before")
@click.option("--seconds", default=30.0, show_default=True, help="seconds in which it is measured")
def main(regions: int, rest: float, seconds: float) -> None:
    """Measures a coordinator and its nodes at rest, with the heartbeat and the lease of the product."""
    ready(Needs(BUILD, synced=False))
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(BUILD, "rest"))
        federation = at_rest(directory, regions)
        stack.callback(federation.kill)
        federation.start()
        time.sleep(rest)
        found = shares(federation, seconds)
    nodes = [share for name, share in found.items() if name != COORDINATOR]
    click.echo(f"{regions} regions, heartbeat {CoordinatorSettings.heartbeat_interval:g} s, {seconds:g} s at rest")
    click.echo(f"coordinator: {found[COORDINATOR]:.2%} of a processor")
    click.echo(f"node: {statistics.median(nodes):.2%} of a processor, {min(nodes):.2%} to {max(nodes):.2%}")


if __name__ == "__main__":
    main()
