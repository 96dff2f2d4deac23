"""`python -m tests.bench.openloop`: orders that come at a given rate, whether or not those before them are done.

Callers who wait for their answers slow down with a slow system, and hide it. Here each order has an intended start, by
a Poisson process, and its latency counts from that start: an order that could not even be sent in time is late.
"""

import asyncio
import itertools
import random
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import grpc
import uvloop
from rich.table import Table

from deploy.local.federation import FEDERATION, LocalFederation
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import from_rpc_error
from gateway.security.identity import server_name
from gateway.security.tls import client_credentials, client_options
from region_node.cli.measurements import sparkline
from tests.bench.chain import credentials_in
from tests.bench.load import OrderWork, run_window
from tests.bench.orders import CUSTOMERS, HANDLING, REFUSED_FOR_LOAD, WAIT, Line, all_lines, order_service, submission
from tests.bench.report import Report, Spread, percentile
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.results import circumstances, write_report
from tests.bench.running import running
from tests.bench.table import console

SHARES = (0.25, 0.5, 0.75, 0.9, 1.0, 1.25, 2.0)
"""The offered rates, as shares of what callers who wait for their answers get done."""
LATE = 1.0  # seconds from the intended start, after which an order counts for nothing
_LINES = 20_480  # of which each waiting order has one of its own
_CONNECTIONS = 4  # of one client: each carries as many calls as a server serves a caller
_CALLERS = 128  # who wait for their answers

Submit = Callable[[], Awaitable[bool]]
"""Sends an order; whether it was completed, and not refused for want of room."""


@dataclass(frozen=True)
class Offer:
    """The orders of one stretch of time: `latencies` in seconds from their intended starts, of those completed."""

    seconds: float
    capacity: float
    """Orders a second of callers who wait, right before."""
    latencies: Sequence[float]
    refused: int

    @property
    def offered(self) -> float:
        """Orders a second."""
        return (len(self.latencies) + self.refused) / self.seconds

    @property
    def late(self) -> int:
        """How many were completed too late."""
        return sum(each > LATE for each in self.latencies)

    @property
    def goodput(self) -> float:
        """Orders a second that were completed in time."""
        return (len(self.latencies) - self.late) / self.seconds

    def milliseconds(self, share: float) -> float:
        """A percentile of the latencies; none without a completed order."""
        return percentile(self.latencies, share) * 1e3 if self.latencies else 0.0


FIGURES: dict[str, Callable[[Offer], float]] = {
    "offered, 1/s": lambda each: each.offered,
    "in time, 1/s": lambda each: each.goodput,
    "of the capacity": lambda each: each.goodput / each.capacity,
    "p50, ms": lambda each: each.milliseconds(0.5),
    "p99, ms": lambda each: each.milliseconds(0.99),
    "late, 1/s": lambda each: each.late / each.seconds,
    "refused, 1/s": lambda each: each.refused / each.seconds,
}
"""The figures of an offer, by their headings."""

Offers = dict[float, list[Offer]]
"""The offers of all rounds, by their shares of the capacity."""


class LinesExhausted(Exception):
    """Every line has an order that waits: the run measures nothing."""


class Arrivals:
    """Customers who come whenever they like: each takes a line that has no order, and gives it back."""

    def __init__(self, channels: Sequence[grpc.aio.Channel], lines: Sequence[Line]) -> None:
        self._services = itertools.cycle([order_service(each) for each in channels])
        self._free = deque(lines)
        run = secrets.token_hex(4)
        self._ids = (f"{run}-{number}" for number in itertools.count())

    async def submit(self) -> bool:
        """See Submit. Raises LinesExhausted, and AioRpcError for other refusals than those for want of room."""
        if not self._free:
            raise LinesExhausted(f"{_LINES} orders wait: the rate is too high for so many seconds")
        line = self._free.popleft()
        try:
            answer = await next(self._services).SubmitOrder(submission(next(self._ids), line), timeout=WAIT + 5)
        except grpc.aio.AioRpcError as error:
            refused = from_rpc_error(error)
            if refused is None and error.code() is grpc.StatusCode.UNAVAILABLE:
                return False  # by gRPC itself: too many streams; whether the order was taken is not known
            if refused is None or refused.reason not in REFUSED_FOR_LOAD:
                raise
            self._free.append(line)
            return False
        if answer.order.state == OrderState.ORDER_STATE_COMPLETED:
            line.suspended = not line.suspended
            self._free.append(line)
        return True  # the line of an order that still waits is not used again


def starts(rate: float, seconds: float, source: random.Random) -> Iterator[float]:
    """The intended starts of a Poisson process with so many a second, in seconds from its beginning."""
    at = source.expovariate(rate)
    while at < seconds:
        yield at
        at += source.expovariate(rate)


async def offer(intended: Sequence[float], submit: Submit) -> tuple[list[float], int]:
    """Sends an order at each intended start, or as soon after it as it can.

    Returns the latencies from the intended starts, of those that were not refused, and how many were.
    """
    latencies: list[float] = []
    refused = 0
    begun = time.perf_counter()

    async def send(start: float) -> None:
        nonlocal refused
        if await submit():
            latencies.append(time.perf_counter() - begun - start)
        else:
            refused += 1

    async with asyncio.TaskGroup() as group:
        for start in intended:
            # Where it is behind, it still lets others go on.
            await asyncio.sleep(max(0.0, begun + start - time.perf_counter()))
            group.create_task(send(start))
    return latencies, refused


@asynccontextmanager
async def connections(federation: LocalFederation) -> AsyncIterator[list[grpc.aio.Channel]]:
    """Several connections of one client to the handling region: gRPC would share one among them otherwise."""
    credentials = client_credentials(
        credentials_in(federation.directory / "certificates" / f"{HANDLING}-counter"), datetime.now(UTC)
    )
    options = [
        *client_options(server_name(Role.ROLE_REGION, HANDLING, FEDERATION)),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                grpc.aio.secure_channel(federation.endpoint(HANDLING), credentials, options)
            )
            for _ in range(_CONNECTIONS)
        ]


async def measure(
    federation: LocalFederation, shares: Sequence[float], rounds: int, seconds: float, seed: int
) -> Offers:
    """Each share of the capacity once a round; the capacity is measured at the beginning of the round."""
    pids = [process.pid for process in federation.processes.values()]
    source = random.Random(seed)
    found: Offers = {share: [] for share in shares}
    async with connections(federation) as channels:
        waiting = OrderWork(channels[0])
        arrivals = Arrivals(channels, all_lines(customers=_LINES)[CUSTOMERS:])
        await run_window(waiting, _CALLERS, min(1.0, seconds), pids)  # to warm up
        for _ in range(rounds):
            capacity = (await run_window(waiting, _CALLERS, seconds, pids)).throughput
            for share in shares:
                intended = list(starts(share * capacity, seconds, source))
                latencies, refused = await offer(intended, arrivals.submit)
                found[share].append(Offer(seconds, capacity, latencies, refused))
    return found


def spreads(offers: Sequence[Offer]) -> dict[str, Spread]:
    """Each figure over the rounds."""
    return {heading: Spread.of([read(each) for each in offers]) for heading, read in FIGURES.items()}


def shown(offers: Offers) -> Table:
    """A row for each offered rate, medians over the rounds; and the curves, from the least rate to the greatest."""
    medians = {share: {name: each.median for name, each in spreads(rounds).items()} for share, rounds in offers.items()}
    curves = [
        f"{heading.partition(',')[0]}: {sparkline([each[heading] for each in medians.values()])}"
        for heading in ("in time, 1/s", "p50, ms", "p99, ms", "refused, 1/s")
    ]
    capacity = Spread.of([each.capacity for rounds in offers.values() for each in rounds]).median
    found = Table(
        title=f"orders at a given rate; {_CALLERS} callers who wait get {capacity:,.0f} a second done",
        caption=f"late: more than {LATE:g} s after the intended start\n" + "\n".join(curves),
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("share", *FIGURES):
        found.add_column(heading, justify="right", no_wrap=True)
    for share, row in medians.items():
        cells = [f"{each:,.0f}" if each >= 100 else f"{each:.2f}" for each in row.values()]
        found.add_row(f"{share:g}", *cells)
    return found


def plain(offers: Offers) -> Report:
    """For JSON."""
    return {
        f"{share:g}": {heading: each.plain() for heading, each in spreads(rounds).items()}
        for share, rounds in offers.items()
    }


@click.command()
@click.option("--share", "shares", type=float, multiple=True, default=SHARES, show_default=True, help="of the capacity")
@click.option("--rounds", default=3, show_default=True, help="for each share")
@click.option("--seconds", default=5.0, show_default=True, help="for one share in one round")
@click.option("--seed", default=15, show_default=True, help="of the intended starts")
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "openloop.json", show_default=True)
def main(shares: Sequence[float], rounds: int, seconds: float, seed: int, output: Path, *, unsynced: bool) -> None:
    """Measures latency, and what is done in time, refused and late, where orders come at a given rate."""
    others = ready(Needs(output.parent, synced=not unsynced))
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(output.parent, "openloop"))
        conditions = circumstances(
            directory, others, rounds=rounds, seconds_per_round_and_share=seconds, late_seconds=LATE, seed=seed
        )
        federation = stack.enter_context(running(directory / "federation", customers=_LINES))
        found = uvloop.run(measure(federation, shares, rounds, seconds, seed))
    console().print(shown(found))
    write_report(output, {"shares": plain(found), "conditions": conditions})
    click.echo(f"written to {output}")


if __name__ == "__main__":
    main()
