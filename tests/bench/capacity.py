"""`python -m tests.bench.capacity`: what 1, 10 and 100 million customers need, from costs measured here."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import click
import uvloop
from rich.console import Console
from rich.table import Table

from deploy.local.federation import COORDINATOR, OPERATOR, LocalFederation
from gateway.process.resident import resident_bytes
from tests.bench.disk import sizes_of
from tests.bench.load import OrderWork, run_calls
from tests.bench.orders import CUSTOMERS, HANDLING, HOME
from tests.bench.processor_time import processor_seconds
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.rest import at_rest
from tests.bench.running import fill

MILLIONS = (1, 10, 100)
YEARS = 3  # for which orders are kept: `deploy/federation/retention.yaml`
_CALLERS = 128
_WARM_UP = 512  # orders
_BUSY_HOUR = 0.15  # of the orders of a day
_USED = 0.5  # of a processor: the rest is for bursts, bills and the night
_GIB = 2**30


@dataclass(frozen=True)
class Costs:
    """What a customer and an order between two regions cost, in bytes, seconds of processors, and bytes of memory."""

    customer_bytes: float
    order_bytes: float
    """In both regions together."""
    node_seconds: float
    """Of both nodes together, for an order."""
    coordinator_seconds: float
    node_memory: int
    coordinator_memory: int


@dataclass(frozen=True)
class Capacity:
    """What a federation needs."""

    customers: int
    peak: float
    """Orders a second in the busy hour."""
    disk: float
    """Bytes of all regions after the years for which orders are kept, without copies and logs."""
    node_processors: float
    coordinator_processors: float


def needed(costs: Costs, customers: int, orders: float) -> Capacity:
    """What so many customers need, with so many orders between regions for each of them in a year."""
    peak = customers * orders / 365 * _BUSY_HOUR / 3600
    disk = customers * (costs.customer_bytes + orders * YEARS * costs.order_bytes)
    return Capacity(customers, peak, disk, peak * costs.node_seconds / _USED, peak * costs.coordinator_seconds / _USED)


async def measure(federation: LocalFederation, customers: int, orders: int) -> Costs:
    """The costs in a federation without customers, which is given so many, and so many orders."""
    files = [federation.database(region).file for region in (HANDLING, HOME)]
    empty = sizes_of(files[1]).file
    await fill(federation, customers)
    customer_bytes = (sizes_of(files[1]).file - empty) / customers
    pids = {name: process.pid for name, process in federation.processes.items()}
    nodes = [pid for name, pid in pids.items() if name != COORDINATOR]
    async with federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        callers = OrderWork(channel).callers(_CALLERS)
        await run_calls(callers, _WARM_UP)
        before = sum(sizes_of(file).file for file in files)
        of_nodes, of_coordinator = processor_seconds(nodes), processor_seconds([pids[COORDINATOR]])
        await run_calls(callers, orders)
        return Costs(
            customer_bytes,
            (sum(sizes_of(file).file for file in files) - before) / orders,
            (processor_seconds(nodes) - of_nodes) / orders,
            (processor_seconds([pids[COORDINATOR]]) - of_coordinator) / orders,
            max(map(resident_bytes, nodes)),
            resident_bytes(pids[COORDINATOR]),
        )


def shown(costs: Costs, orders: float) -> Iterator[Table]:
    """The costs, and what follows from them."""
    columns = ("cost", "of a customer", "of an order between two regions")
    found = Table(*columns, title="measured here", title_justify="left")
    found.add_row("disk, bytes", f"{costs.customer_bytes:,.0f}", f"{costs.order_bytes:,.0f}")
    found.add_row("processor of both nodes, ms", "", f"{costs.node_seconds * 1e3:.2f}")
    found.add_row("processor of the coordinator, ms", "", f"{costs.coordinator_seconds * 1e3:.2f}")
    yield found
    title = f"{orders:g} orders between regions for each customer in a year, kept for {YEARS} years"
    found = Table(
        "customers", "orders/s, busy hour", "disk, GiB", "processors of nodes", "of coordinators", title=title
    )
    for each in (needed(costs, millions * 10**6, orders) for millions in MILLIONS):
        processors = [f"{of:,.2f}" for of in (each.node_processors, each.coordinator_processors)]
        found.add_row(f"{each.customers:,}", f"{each.peak:,.1f}", f"{each.disk / _GIB:,.0f}", *processors)
    yield found


@click.command()
@click.option(
    "--customers", type=click.IntRange(CUSTOMERS), default=20_000, show_default=True, help="whose bytes are measured"
)
@click.option("--orders", default=5_000, show_default=True, help="that are measured")
@click.option("--each", default=1.0, show_default=True, help="orders between regions for each customer in a year")
def main(customers: int, orders: int, each: float) -> None:
    """Measures what a customer and an order cost, and tells what 1, 10 and 100 million customers need."""
    ready(Needs(BUILD, synced=False))
    with ExitStack() as stack:
        federation = at_rest(stack.enter_context(working_directory(BUILD, "capacity")), 2)
        stack.callback(federation.kill)
        federation.start()
        costs = uvloop.run(measure(federation, customers, orders))
    for table in shown(costs, each):
        Console().print(table)
    memory = costs.node_memory / 2**20, costs.coordinator_memory / 2**20
    click.echo(f"memory after the load: {memory[0]:.0f} MiB a node, {memory[1]:.0f} MiB a coordinator")


if __name__ == "__main__":
    main()
