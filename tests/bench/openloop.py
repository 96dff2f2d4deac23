"""`python -m tests.bench.openloop`: orders that come at a given rate, whether or not those before them are done.

Callers who wait for their answers slow down with a slow system, and hide it. Here each order has an intended start, by
a Poisson process, and its latency counts from that start: an order that could not even be sent in time is late. A small
operator sends a few orders beside. Each rate comes twice: by callers who send every order, and by callers who throttle
themselves as `gateway.client` does. Neither repeats a refused order.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import uvloop
from rich.table import Table

from deploy.local.federation import FEDERATION, OPERATOR, LocalFederation
from deploy.local.profiles import EMBEDDED, Engine, Profile
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import NO_ROOM, reason_name
from gateway.process.files import replace_file
from gateway.security.identity import server_name
from region_node.cli.measurements import sparkline
from tests.bench.arrivals import Arrivals, ArrivalsClient, LinesExhausted, Outcome, offer, starts
from tests.bench.engines import on_postgresql
from tests.bench.orders import CUSTOMERS, HANDLING, MOST_CUSTOMERS, all_lines, create_customers
from tests.bench.pictures import Curve, curves
from tests.bench.report import Report, Spread, percentile
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.results import circumstances, write_report
from tests.bench.running import running
from tests.bench.table import console

SHARES = (0.25, 0.5, 0.75, 0.9, 1.0, 1.25, 2.0, 5.0, 20.0)
"""The offered rates, as shares of what callers who wait for their answers get done."""
LATE = 1.0  # seconds from the intended start, after which an order counts for nothing
NEIGHBOUR = "kiosk"
"""The name of the small operator."""
_NEIGHBOURS = 512  # its lines
_FILLED = CUSTOMERS + _NEIGHBOURS  # lines of callers who wait and of the small operator, before all others
_RATE = 5.0  # orders a second of the small operator
_CALLERS = 128  # who wait for their answers
_AFTERWARDS = 2.0  # seconds after the end of an offer, when all is to be well again
_EASY = 0.5  # of the capacity, then
_MOST_ORDERS = MOST_CUSTOMERS // 2  # of one stretch: at 20 times the capacity it ends earlier
_DEVIATIONS = 6  # of the number of orders by chance, for which there are lines
_READABLE = 0o644
_DOOR = tuple(reason_name(each) for each in NO_ROOM)


@dataclass(frozen=True)
class Offer:
    """What came of the orders of one stretch of time."""

    seconds: float
    capacity: float
    """Orders a second of callers who wait, right before."""
    orders: Outcome
    small: Outcome
    """The orders of the small operator."""
    after: Outcome
    """At half of the capacity, two seconds later."""

    @property
    def offered(self) -> float:
        """Orders a second."""
        return (len(self.orders.latencies) + self.orders.refused) / self.seconds

    @property
    def late(self) -> int:
        """How many were completed too late."""
        return sum(each > LATE for each in self.orders.latencies)

    @property
    def goodput(self) -> float:
        """Orders a second that were completed in time."""
        return (len(self.orders.latencies) - self.late) / self.seconds


def milliseconds(seconds: Sequence[float], share: float) -> float:
    """A percentile; none without an order."""
    return percentile(seconds, share) * 1e3 if seconds else 0.0


GOODPUT, P99, SMALL_P99 = "of the capacity", "p99, ms", "small p99, ms"
FIGURES: dict[str, Callable[[Offer], float]] = {
    "offered, 1/s": lambda each: each.offered,
    "in time, 1/s": lambda each: each.goodput,
    GOODPUT: lambda each: each.goodput / each.capacity,
    "p50, ms": lambda each: milliseconds(each.orders.latencies, 0.5),
    P99: lambda each: milliseconds(each.orders.latencies, 0.99),
    "late, 1/s": lambda each: each.late / each.seconds,
    "refused, 1/s": lambda each: each.orders.refused / each.seconds,
    "at the door, 1/s": lambda each: sum(each.orders.reasons.get(reason, 0) for reason in _DOOR) / each.seconds,
    "refusal p50, ms": lambda each: milliseconds(each.orders.refusals, 0.5),
    "refusal p99, ms": lambda each: milliseconds(each.orders.refusals, 0.99),
    SMALL_P99: lambda each: milliseconds(each.small.latencies, 0.99),
    "small refused": lambda each: each.small.refused,
    "p99 after, ms": lambda each: milliseconds(each.after.latencies, 0.99),
}
"""The figures of an offer, by their headings."""

CLIENTS = {"every order sent": False, "gateway.client": True}
"""Whether callers throttle themselves, by their name."""
Offers = dict[float, list[Offer]]
"""The offers of all rounds, by their shares of the capacity."""


def on(engine: Engine) -> Profile:
    """One process each; with PostgreSQL, etcd is the registry."""
    return EMBEDDED if engine is Engine.SQLITE else on_postgresql(1)


class _Lines:
    """The lines of the customers who come: as many as their orders may need, each with a customer at its home."""

    def __init__(self, federation: LocalFederation, client: ArrivalsClient) -> None:
        self._federation = federation
        self._client = client
        self._made = _FILLED

    async def provide(self, orders: float) -> None:
        """Makes what is missing for so many orders, on the average, of which each may wait.

        Raises LinesExhausted where no number is left.
        """
        free = await asyncio.to_thread(self._client.add_lines, self._made, self._made)
        missing = lines_for(orders) - free
        if missing <= 0:
            return
        first, self._made = self._made, self._made + missing
        if self._made > MOST_CUSTOMERS:
            raise LinesExhausted("too many orders of earlier stretches wait")
        await create_customers(self._federation, customers=self._made, first=first)
        await asyncio.to_thread(self._client.add_lines, first, self._made)


def lines_for(orders: float) -> int:
    """How many lines are enough for a number of orders by chance, with so many on the average."""
    return math.ceil(orders + _DEVIATIONS * (math.sqrt(orders) + 1))


async def measure(
    federation: LocalFederation, client: ArrivalsClient, shares: Sequence[float], rounds: int, seconds: float, seed: int
) -> dict[str, Offers]:
    """Each share of the capacity once a round by each client; a round begins with a measurement of the capacity."""
    source, lines = random.Random(seed), _Lines(federation, client)
    found: dict[str, Offers] = {name: {share: [] for share in shares} for name in CLIENTS}
    async with federation.dial_region(HANDLING, f"{HANDLING}-{NEIGHBOUR}") as channel:
        small = Arrivals([channel], deque(all_lines(customers=_FILLED, first=CUSTOMERS)))

        async def offered(capacity: float, share: float, seconds: float, *, throttles: bool) -> Offer:
            come = partial(client.offer, seed=source.randrange(2**32), throttles=throttles)
            await lines.provide(share * capacity * seconds)
            beside = asyncio.create_task(offer(list(starts(_RATE, seconds, source)), small.submit))
            orders = await asyncio.to_thread(come, share * capacity, seconds)
            few = await beside
            await asyncio.sleep(_AFTERWARDS)
            easy, shortly = _EASY * capacity, min(seconds, _AFTERWARDS)
            await lines.provide(easy * shortly)
            after = await asyncio.to_thread(come, easy, shortly)
            return Offer(seconds, capacity, orders, few, after)

        await asyncio.to_thread(client.wait, _CALLERS, min(1.0, seconds))  # to warm up
        for _ in range(rounds):
            capacity = (await asyncio.to_thread(client.wait, _CALLERS, seconds)).throughput
            for share in shares:
                lasts = min(seconds, _MOST_ORDERS / (share * capacity))
                for name, throttles in CLIENTS.items():
                    found[name][share].append(await offered(capacity, share, lasts, throttles=throttles))
    return found


def spreads(offers: Sequence[Offer]) -> dict[str, Spread]:
    """Each figure over the rounds."""
    return {heading: Spread.of([read(each) for each in offers]) for heading, read in FIGURES.items()}


def medians(offers: Offers, heading: str) -> list[float]:
    """A figure of each share, from the least rate to the greatest."""
    return [Spread.of([FIGURES[heading](each) for each in rounds]).median for rounds in offers.values()]


def shown(name: str, offers: Offers) -> Table:
    """A row for each offered rate, medians over the rounds; and the curves, from the least rate to the greatest."""
    headings = ("in time, 1/s", "p50, ms", P99, "refused, 1/s")
    sparks = [f"{heading.partition(',')[0]}: {sparkline(medians(offers, heading))}" for heading in headings]
    capacity = Spread.of([each.capacity for rounds in offers.values() for each in rounds]).median
    found = Table(
        title=f"{name}: orders at a given rate; {_CALLERS} callers who wait get {capacity:,.0f} a second done",
        caption=f"late: more than {LATE:g} s after the intended start\n" + "\n".join(sparks),
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("share", *FIGURES):
        found.add_column(heading, justify="right")
    for share, rounds in offers.items():
        row = [each.median for each in spreads(rounds).values()]
        found.add_row(f"{share:g}", *(f"{each:,.0f}" if each >= 100 else f"{each:.2f}" for each in row))
    return found


def drawn(found: dict[str, Offers]) -> bytes:
    """A picture of all engines and clients, in SVG: how much is done in time, and how long it takes."""
    places = [f"{share:g}" for share in next(iter(found.values()))]
    charts = {
        "Orders done in time, % of the capacity, by the offered rate as a multiple of it": (GOODPUT, 100),
        "p99 of accepted orders in ms, by the same": (P99, 1),
        "p99 of the orders of the small operator in ms, by the same": (SMALL_P99, 1),
    }
    return curves(
        places,
        {
            title: [Curve(name, [by * each for each in medians(offers, heading)]) for name, offers in found.items()]
            for title, (heading, by) in charts.items()
        },
    )


def plain(offers: Offers) -> Report:
    """For JSON."""
    return {
        f"{share:g}": {heading: each.plain() for heading, each in spreads(rounds).items()}
        for share, rounds in offers.items()
    }


@click.command()
@click.option("--engine", "engines", type=click.Choice([each.value for each in Engine]), multiple=True)
@click.option("--share", "shares", type=float, multiple=True, default=SHARES, show_default=True, help="of the capacity")
@click.option("--rounds", default=3, show_default=True, help="for each share")
@click.option("--seconds", default=5.0, show_default=True, help="for one share in one round")
@click.option("--seed", default=15, show_default=True, help="of the intended starts")
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--picture", type=click.Path(path_type=Path), help="also draw the curves into an SVG file")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "openloop.json", show_default=True)
def main(
    engines: Sequence[str],
    shares: Sequence[float],
    rounds: int,
    seconds: float,
    seed: int,
    picture: Path | None,
    output: Path,
    *,
    unsynced: bool,
) -> None:
    """Measures latency, and what is done in time, refused and late, where orders come at a given rate."""
    chosen = [Engine(each) for each in engines] or list(Engine)
    others = ready(Needs(output.parent, engines=Engine.POSTGRESQL in chosen, synced=not unsynced))
    found: dict[str, Offers] = {}
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(output.parent, "openloop"))
        conditions = circumstances(
            directory, others, rounds=rounds, seconds_per_round_and_share=seconds, late_seconds=LATE, seed=seed
        )
        for engine in chosen:
            measured = _measured(directory / engine.value, engine, shares, rounds, seconds, seed)
            found |= {f"{engine.value}, {name}": offers for name, offers in measured.items()}
    for name, offers in found.items():
        console().print(shown(name, offers))
    write_report(output, {"engines": {name: plain(offers) for name, offers in found.items()}, "conditions": conditions})
    if picture is not None:
        replace_file(picture, drawn(found), _READABLE)
    click.echo(f"written to {output}")


def _measured(
    directory: Path, engine: Engine, shares: Sequence[float], rounds: int, seconds: float, seed: int
) -> dict[str, Offers]:
    operators = (OPERATOR, NEIGHBOUR)
    with running(directory, on(engine), customers=_FILLED, operators=operators) as federation:
        client = ArrivalsClient(
            federation.endpoint(HANDLING),
            server_name(Role.ROLE_REGION, HANDLING, FEDERATION),
            federation.directory / "certificates" / f"{HANDLING}-{OPERATOR}",
            directory / "client.log",
        )
        try:
            return uvloop.run(measure(federation, client, shares, rounds, seconds, seed))
        finally:
            client.close()


if __name__ == "__main__":
    main()
