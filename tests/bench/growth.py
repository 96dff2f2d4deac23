"""`python -m tests.bench.growth`: rate and memory with more customers and stored orders, and with more regions.

Federations of every size run at the same time and take turns, so that a ratio to the smallest is taken within a round.
Data comes in by the doors of the product: customers in batches, orders in packs. The most regions run after the
greatest data has ended, beside the smallest federation.
"""

import asyncio
import itertools
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
from rich.table import Table

from deploy.local.federation import COORDINATOR, LocalFederation
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.process.resident import resident_bytes
from tests.bench.bulk import in_packs, payments, received, until_done
from tests.bench.comparing import order_client, windows_of
from tests.bench.load import LoadClient
from tests.bench.orders import CUSTOMERS, HANDLING, HOME, all_lines
from tests.bench.report import Report, Spread, Window
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.rest import at_rest
from tests.bench.results import circumstances, write_report
from tests.bench.running import fill
from tests.bench.table import console

FACTORS = (1, 10, 100)
ORDERS = 2_000  # stored in the smallest federation
FULL = 1_000_000
"""The orders stored in the greatest federation of a full run."""
_AT_ONCE = 2_048  # orders submitted before the home region has to have done them
_BYTES = 16 * 1024  # of an order in both databases with their logs, with room to spare
_MIB = 2**20
_WATCHED = {"handling": HANDLING, "home": HOME, "coordinator": COORDINATOR}


@dataclass(frozen=True)
class Size:
    """The size of a federation."""

    regions: int
    customers: int
    orders: int
    """Stored before the load."""

    @property
    def name(self) -> str:
        """For people and programs."""
        return f"{self.regions} regions, {self.customers:,} customers, {self.orders:,} orders"


@dataclass(frozen=True)
class Measured:
    """A federation under the same load as the smallest: its windows, and the bytes of memory of its processes."""

    size: Size
    windows: Sequence[Window]
    resident: dict[str, int]

    def beside(self, smallest: "Measured") -> Spread:
        """The rate over that of the smallest, within each round."""
        pairs = zip(self.windows, smallest.windows, strict=True)
        return Spread.of([own.throughput / least.throughput for own, least in pairs])

    @property
    def rate(self) -> Spread:
        """Orders a second."""
        return Spread.of([each.throughput for each in self.windows])

    def plain(self, smallest: "Measured") -> Report:
        """For JSON."""
        return {
            "rate": self.rate.plain(),
            "rate_beside_smallest": self.beside(smallest).plain(),
            "p50_ms": Spread.of([each.p50 * 1e3 for each in self.windows]).plain(),
            "p99_ms": Spread.of([each.p99 * 1e3 for each in self.windows]).plain(),
            "resident_bytes": self.resident,
        }


class Grown:
    """A federation of some size, loaded by a client of its own. Made within a stack, with which it ends."""

    def __init__(self, stack: ExitStack, directory: Path, size: Size) -> None:
        self.size = size
        self._federation = at_rest(directory, size.regions)
        stack.callback(self._federation.kill)
        self._federation.start()
        asyncio.run(fill(self._federation, size.customers))
        asyncio.run(store_orders(self._federation, size))
        self.client: LoadClient = order_client(self._federation, directory / "client.log", size.customers)
        stack.callback(self.client.close)

    def measured(self, windows: Sequence[Window]) -> Measured:
        """The windows, with the memory that its processes have now."""
        processes = self._federation.processes
        resident = {name: resident_bytes(processes[process].pid) for name, process in _WATCHED.items()}
        return Measured(self.size, windows, resident)


async def store_orders(federation: LocalFederation, size: Size) -> None:
    """Has so many payments done between both regions, for all customers in turn. Raises OrderRefused."""
    lines = all_lines(customers=size.customers)
    random.Random(size.customers).shuffle(lines)
    taken = itertools.cycle(lines)
    async with federation.dial_region(HANDLING, f"{HANDLING}-counter") as channel:
        service = OrderServiceStub(channel)
        for stored in range(0, size.orders, _AT_ONCE):
            count = min(_AT_ONCE, size.orders - stored)
            before = received(federation)
            await in_packs(service, payments(count, list(itertools.islice(taken, count))))
            await until_done(federation, before + count)


def measure(
    directory: Path, sizes: Sequence[Size], regions: int, callers: int, rounds: int, seconds: float
) -> Iterator[tuple[str, list[Measured]]]:
    """The federations of all sizes, the smallest first; then the smallest anew with one of the most regions."""
    smallest = sizes[0]
    groups = {"data": list(sizes)}
    if regions:
        groups["regions"] = [smallest, Size(regions, smallest.customers, smallest.orders)]
    for name, group in groups.items():
        with ExitStack() as stack:
            grown: list[Grown] = []
            for place, size in enumerate(group):
                click.echo(f"making {size.name}", err=True)
                grown.append(Grown(stack, directory / f"{name}-{place}", size))
            done = windows_of([each.client for each in grown], callers, rounds, seconds)
            yield name, [each.measured([windows[place] for windows in done]) for place, each in enumerate(grown)]


def shown(group: Sequence[Measured], callers: int) -> Table:
    """A row for each federation, with its ratios to the first."""
    found = Table(title=f"orders by {callers} callers, beside the smallest federation", title_justify="left")
    headings = ["orders, 1/s", "ratio", "min", "max", "p99, ms"]
    for heading in ("regions", "customers", "stored", *headings, *(f"{name}, MiB" for name in _WATCHED), "ratio"):
        found.add_column(heading, justify="right")
    smallest = group[0]
    for each in group:
        ratio = each.beside(smallest)
        p99 = Spread.of([window.p99 * 1e3 for window in each.windows]).median
        memory = sum(each.resident.values()) / sum(smallest.resident.values())
        found.add_row(
            str(each.size.regions),
            f"{each.size.customers:,}",
            f"{each.size.orders:,}",
            f"{each.rate.median:,.0f}",
            *(f"{part:.2f}" for part in (ratio.median, ratio.low, ratio.high)),
            f"{p99:,.0f}",
            *(f"{each.resident[name] / _MIB:,.0f}" for name in _WATCHED),
            f"{memory:.2f}",
        )
    return found


def sizes_of(factors: Sequence[int], customers: int, orders: int, *, is_full: bool) -> list[Size]:
    """The sizes of federations with two regions, the smallest first; in a full run the last stores more orders."""
    found = [Size(2, factor * customers, factor * orders) for factor in sorted(factors)]
    return [*found[:-1], Size(2, found[-1].customers, FULL)] if is_full else found


@click.command()
@click.option("--factor", "factors", type=int, multiple=True, default=FACTORS, show_default=True)
@click.option("--customers", default=CUSTOMERS, show_default=True, help="of a factor of 1")
@click.option("--orders", default=ORDERS, show_default=True, help="stored, of a factor of 1")
@click.option("--regions", default=31, show_default=True, help="of the last federation; 0 leaves it out")
@click.option("--full", "is_full", is_flag=True, help="store a million orders in the greatest federation")
@click.option("--callers", default=32, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=2.0, show_default=True, help="for one federation in one round")
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "growth.json", show_default=True)
def main(
    factors: Sequence[int],
    customers: int,
    orders: int,
    regions: int,
    callers: int,
    rounds: int,
    seconds: float,
    output: Path,
    *,
    is_full: bool,
    unsynced: bool,
) -> None:
    """Measures the rate of orders and the memory of processes with more data and more regions."""
    sizes = sizes_of(factors, customers, orders, is_full=is_full)
    room = _BYTES * sum(each.orders + each.customers for each in sizes)
    others = ready(Needs(output.parent, synced=not unsynced, room=room))
    parts: dict[str, object] = {}
    with working_directory(output.parent, "growth") as directory:
        conditions = circumstances(
            directory, others, rounds=rounds, seconds_per_round_and_load=seconds, callers=callers
        )
        for name, group in measure(directory, sizes, regions, callers, rounds, seconds):
            console().print(shown(group, callers))
            parts[name] = {each.size.name: each.plain(group[0]) for each in group}
            write_report(output, {**parts, "conditions": conditions})
    click.echo(f"written to {output}")


if __name__ == "__main__":
    main()
