"""`python -m tests.bench.neighbours`: an operator with few orders, beside another one at full speed at the same node.

All orders are of the node's own customers, so that nothing but this node decides how long they take. The small operator
sends at a given rate, whether or not its orders are done; its latency counts from the intended start of each.

The servers have one half of the processors and the clients the other, in the quiet parts, too: else the latency is that
of the wait for a processor beside the flooding client.
"""

import asyncio
import os
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click
import uvloop
from rich.table import Table

from deploy.local.federation import FEDERATION, OPERATOR, LocalFederation
from deploy.local.postgresql_access import PostgresqlAccess
from deploy.local.process import children_of, marked
from deploy.local.profiles import Engine, Placement, Profile
from gateway.api.types.v1.access_pb2 import Role
from gateway.process.resident import resident_bytes
from gateway.security.identity import server_name
from tests.bench.arrivals import Arrivals, Outcome, offer, starts
from tests.bench.load import LoadClient
from tests.bench.openloop import NEIGHBOUR
from tests.bench.orders import CUSTOMERS, HOME, all_lines
from tests.bench.report import Report, Spread, Window, percentile
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.results import circumstances, write_report
from tests.bench.running import running
from tests.bench.table import console

CALLERS = 512  # of the operator at full speed
LINES = 512  # of the small operator
_WARM_UP = 1.0  # seconds


@dataclass(frozen=True)
class Beside:
    """One round: latencies of the small operator in seconds, and what the other one got done meanwhile."""

    quiet: Sequence[float]
    """With nobody beside it, before."""
    flooded: Sequence[float]
    """Beside the operator at full speed."""
    after: Sequence[float]
    """With nobody beside it, afterwards."""
    refused: int
    """Orders of the small operator, which have no latency."""
    flood: Window
    """The calls of the operator at full speed."""
    at_rest: int
    """Bytes of the node before the flood."""
    memory: int
    """Bytes by which the node has grown from the first second of the flood to its end."""
    kept: int
    """Bytes by which it has grown from before the flood to the end of the quiet part afterwards."""
    seconds: float
    """Of each part."""

    @property
    def times(self) -> float:
        """How many times as many calls as the small operator the other one made, in the same time."""
        return self.flood.throughput * self.seconds / len(self.flooded)

    def ratio(self, share: float) -> float:
        """A percentile beside the flood, as a multiple of the quiet one."""
        return percentile(self.flooded, share) / percentile(self.quiet, share)

    def recovered(self, share: float) -> float:
        """The same percentile afterwards, as a multiple of the one before."""
        return percentile(self.after, share) / percentile(self.quiet, share)


def on(engine: Engine) -> Profile:
    """One process on an engine."""
    return Profile(f"neighbours-{engine.value}", rest=Placement(engine))


@contextmanager
def beside(directory: Path, engine: Engine, postgresql: PostgresqlAccess | None = None) -> Iterator[LocalFederation]:
    """A node on an engine with lines for both operators. It ends with the context."""
    lines, operators = CUSTOMERS + LINES, (OPERATOR, NEIGHBOUR)
    with running(
        directory, on(engine), customers=lines, regions=(HOME,), operators=operators, postgresql=postgresql
    ) as federation:
        yield federation


@contextmanager
def processors_apart(federation: LocalFederation) -> Iterator[None]:
    """Servers and clients have processors of their own until the context ends, where there are several.

    Clients are this process, and those that it starts in the context.
    """
    all_processors = sorted(os.sched_getaffinity(0))
    half = len(all_processors) // 2
    if not half:
        yield
        return
    servers = set(marked(str(federation.directory)))
    while further := set(children_of(servers)) - servers:
        servers |= further
    for each in servers:
        _bind(each, all_processors[:half])
    _bind(os.getpid(), all_processors[half:])
    try:
        yield
    finally:
        _bind(os.getpid(), all_processors)


def _bind(process: int, processors: Sequence[int]) -> None:
    """Keeps all threads of a process, and those that they start, on processors."""
    with suppress(FileNotFoundError):  # a worker of PostgreSQL, or a thread, that has ended
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), processors)


def flood_client(federation: LocalFederation) -> LoadClient:
    """The operator at full speed, a process of its own."""
    return LoadClient(
        [
            "orders",
            f"--endpoint={federation.endpoint(HOME)}",
            f"--server-name={server_name(Role.ROLE_REGION, HOME, FEDERATION)}",
            f"--certificate={federation.directory / 'certificates' / f'{HOME}-{OPERATOR}'}",
        ],
        [federation.nodes[HOME][0].process.pid],
        federation.directory / "flood.log",
    )


async def measure(
    federation: LocalFederation, flood: LoadClient, rounds: int, seconds: float, rate: float, callers: int = CALLERS
) -> list[Beside]:
    """Rounds of the small operator at `rate` orders a second: quiet, beside the flood, and quiet again."""
    source, pid = random.Random(17), federation.nodes[HOME][0].process.pid
    found = []
    async with federation.dial_region(HOME, f"{HOME}-{NEIGHBOUR}") as channel:
        small = Arrivals([channel], deque(all_lines(customers=CUSTOMERS + LINES)[CUSTOMERS:]))

        async def sent() -> Outcome:
            return await offer(list(starts(rate, seconds, source)), small.submit)

        await offer([each / rate for each in range(round(_WARM_UP * rate))], small.submit)
        await asyncio.to_thread(flood.run, callers, _WARM_UP)
        for _ in range(rounds):
            quiet, at_rest = await sent(), resident_bytes(pid)
            flooding = asyncio.create_task(asyncio.to_thread(flood.run, callers, seconds + 2 * _WARM_UP))
            await asyncio.sleep(_WARM_UP)
            before = resident_bytes(pid)
            flooded = await sent()
            grown = resident_bytes(pid) - before
            window = await flooding
            after = await sent()
            refused = quiet.refused + flooded.refused + after.refused
            kept = resident_bytes(pid) - at_rest
            found.append(
                Beside(
                    quiet.latencies, flooded.latencies, after.latencies, refused, window, at_rest, grown, kept, seconds
                )
            )
    return found


FIGURES: dict[str, Callable[[Beside], float]] = {
    "quiet p50, ms": lambda each: percentile(each.quiet, 0.5) * 1e3,
    "quiet p99, ms": lambda each: percentile(each.quiet, 0.99) * 1e3,
    "flooded p50, ms": lambda each: percentile(each.flooded, 0.5) * 1e3,
    "flooded p99, ms": lambda each: percentile(each.flooded, 0.99) * 1e3,
    "p99 ratio": lambda each: each.ratio(0.99),
    "p99 after": lambda each: each.recovered(0.99),
    "refused": lambda each: each.refused,
    "flood, 1/s": lambda each: each.flood.throughput,
    "times as many": lambda each: each.times,
    "flood p50, ms": lambda each: each.flood.p50 * 1e3,
    "grown, MiB": lambda each: each.memory / 2**20,
    "kept, MiB": lambda each: each.kept / 2**20,
}
"""The figures of a round, by their headings."""


def spreads(rounds: Sequence[Beside]) -> dict[str, Spread]:
    """Each figure over the rounds."""
    return {heading: Spread.of([read(each) for each in rounds]) for heading, read in FIGURES.items()}


def shown(found: dict[str, list[Beside]]) -> Table:
    """A row for each engine, medians over the rounds."""
    table = Table(title="orders of a small operator beside one at full speed", title_justify="left")
    for heading in ("engine", *FIGURES):
        table.add_column(heading, justify="right")
    for engine, rounds in found.items():
        table.add_row(engine, *(f"{each.median:,.1f}" for each in spreads(rounds).values()))
    return table


def plain(found: dict[str, list[Beside]]) -> Report:
    """For JSON."""
    return {
        engine: {heading: each.plain() for heading, each in spreads(rounds).items()} for engine, rounds in found.items()
    }


@click.command()
@click.option("--engine", "engines", type=click.Choice([each.value for each in Engine]), multiple=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="for each part of a round")
@click.option("--rate", default=20.0, show_default=True, help="orders a second of the small operator")
@click.option("--callers", default=CALLERS, show_default=True, help="of the operator at full speed")
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "neighbours.json", show_default=True)
def main(
    engines: Sequence[str], rounds: int, seconds: float, rate: float, callers: int, output: Path, *, unsynced: bool
) -> None:
    """Measures the latency of a small operator beside one at full speed, on each engine."""
    chosen = [Engine(each) for each in engines] or list(Engine)
    others = ready(Needs(output.parent, engines=Engine.POSTGRESQL in chosen, synced=not unsynced))
    found: dict[str, list[Beside]] = {}
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(output.parent, "neighbours"))
        conditions = circumstances(directory, others, rounds=rounds, seconds=seconds, rate=rate, callers=callers)
        for engine in chosen:
            with beside(directory / engine.value, engine) as federation, processors_apart(federation):
                flood = flood_client(federation)
                try:
                    found[engine.value] = uvloop.run(measure(federation, flood, rounds, seconds, rate, callers))
                finally:
                    flood.close()
    console().print(shown(found))
    write_report(output, {"engines": plain(found), "conditions": conditions})
    click.echo(f"written to {output}")


if __name__ == "__main__":
    main()
