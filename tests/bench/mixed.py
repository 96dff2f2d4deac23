"""`python -m tests.bench.mixed`: the calls of many counters together, most for one region, beside a bare chain.

Of all calls 60 % are reads (bills and shared records), 25 % orders, 10 % complaints and 5 % documents put on file. One
region has 70 % of the customers who come; the other three, and among them the one that is called, have 10 % each.
Profiles are left out: each needs a code or a password, of which a policy allows an operator only so many a minute.
"""

import asyncio
import itertools
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import uvloop
from grpc.aio import Channel
from rich.console import Console
from rich.table import Table

from deploy.local.federation import OPERATOR, LocalFederation
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.region.v1.document_service_pb2_grpc import DocumentServiceStub
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from tests.bench.bare import BARE, bare_calls
from tests.bench.comparing import turns
from tests.bench.filing import file_complaint
from tests.bench.load import Call
from tests.bench.orders import HANDLING, HOME, Clerk, all_lines, create_customers, order_service
from tests.bench.papers import put_on_file
from tests.bench.questions import bill_call, bill_queries
from tests.bench.report import Report, Spread, percentile
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.results import circumstances, write_report
from tests.bench.running import with_room_for_bills
from tests.bench.sharing import record_call

REGIONS = (HANDLING, HOME, "henan", "hunan")
KINDS = {"bill": 30, "shared record": 30, "order": 25, "complaint": 10, "document": 5}
"""The shares of the calls, in percent."""
_SHARES = {HOME: 7, **dict.fromkeys((each for each in REGIONS if each != HOME), 1)}
_TITLE = "a mixed load, 70 % of it for one of four regions"

Next = Callable[[], tuple[str, Call]]
"""Gives the kind of a caller's next call, and the call."""
Latencies = Mapping[str, Sequence[float]]
"""Seconds of each call, by its kind."""


@dataclass(frozen=True)
class Stretch:
    """A load in one stretch of time."""

    seconds: float
    latencies: Latencies

    def rate(self, kind: str = "") -> float:
        """Calls a second: of one kind, or of all."""
        kinds = [kind] if kind else list(self.latencies)
        return sum(len(self.latencies.get(each, ())) for each in kinds) / self.seconds

    def p99(self, kind: str) -> float:
        """Milliseconds; of a kind without any call none."""
        found = self.latencies.get(kind)
        return percentile(found, 0.99) * 1e3 if found else 0.0


class Counter:
    """A caller who does one thing after the other, for customers of its own."""

    def __init__(self, channel: Channel, number: int, callers: int, ids: Iterator[str]) -> None:
        source = random.Random(number)
        self._kinds = shuffled(KINDS, source)
        self._homes = shuffled(_SHARES, source)
        self._calls = {home: _calls(channel, home, slice(number, None, callers), ids) for home in REGIONS}

    def next(self) -> tuple[str, Call]:
        """The kind of the next call, and the call."""
        kind = next(self._kinds)
        return kind, self._calls[next(self._homes)][kind]


def shuffled(shares: Mapping[str, int], source: random.Random) -> Iterator[str]:
    """Names by their shares, in an order of chance that keeps them in every pass."""
    deck = [name for name, share in shares.items() for _ in range(share)]
    while True:
        source.shuffle(deck)
        yield from deck


def _calls(channel: Channel, home: str, own: slice, ids: Iterator[str]) -> dict[str, Call]:
    """The call of each kind for customers of one region."""
    lines = all_lines(home)[own]
    numbers = itertools.cycle([line.number for line in lines])
    complaints, documents = ComplaintServiceStub(channel), DocumentServiceStub(channel)

    async def complaint() -> None:
        await file_complaint(complaints, next(numbers))

    async def document() -> None:
        await put_on_file(documents, next(numbers), "ID_ORIG", uuid.uuid4().hex)

    return {
        "bill": bill_call(channel, bill_queries(home)),
        "shared record": record_call(SharingServiceStub(channel), numbers, is_masked=home != HANDLING),
        "order": Clerk(order_service(channel), lines, ids).call,
        "complaint": complaint,
        "document": document,
    }


async def measure(
    federation: LocalFederation, directory: Path, callers: int, rounds: int, seconds: float
) -> list[list[Stretch]]:
    """The chain and the mixed load, a pair a round, each first in every other."""
    run, numbers = uuid.uuid4().hex[:8], itertools.count()
    ids = (f"{run}-{number}" for number in numbers)
    async with (
        bare_calls(directory) as bare,
        federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel,
    ):
        for region in REGIONS:
            await create_customers(federation, region)
        counters = [Counter(channel, number, callers, ids) for number in range(callers)]
        ways = ([lambda: (BARE, bare)] * callers, [counter.next for counter in counters])
        done: list[list[Stretch]] = []
        for turn in turns(len(ways), rounds):
            found = {place: await _stretch(ways[place], seconds) for place in turn}
            done.append([found[place] for place in range(len(ways))])
        return done


async def _stretch(callers: Sequence[Next], seconds: float) -> Stretch:
    latencies: dict[str, list[float]] = defaultdict(list)
    started = time.perf_counter()

    async def repeat(following: Next) -> None:
        while (sent := time.perf_counter()) < started + seconds:
            kind, call = following()
            await call()
            latencies[kind].append(time.perf_counter() - sent)

    async with asyncio.TaskGroup() as group:
        for following in callers:
            group.create_task(repeat(following))
    return Stretch(time.perf_counter() - started, latencies)


def shown(rounds: Sequence[Sequence[Stretch]]) -> Table:
    """A row for the chain, for all calls and for each kind; medians over the rounds, and ratios within one."""
    found = Table(title=_TITLE, title_justify="left")
    for heading in ("call", "1/s", "beside the chain", "p99, ms"):
        found.add_column(heading, justify="left" if heading == "call" else "right", no_wrap=True)
    chain, mixed = [each[0] for each in rounds], [each[1] for each in rounds]
    found.add_row(BARE, f"{Spread.of([each.rate() for each in chain]).median:,.0f}", "", _p99(chain, BARE))
    for kind in ("", *KINDS):
        rate = Spread.of([each.rate(kind) for each in mixed])
        ratio = Spread.of([each.rate(kind) / base.rate() for base, each in zip(chain, mixed, strict=True)])
        found.add_row(kind or "all", f"{rate.median:,.0f}", f"{ratio.median:.3f}", _p99(mixed, kind) if kind else "")
    return found


def plain(rounds: Sequence[Sequence[Stretch]]) -> Report:
    """For JSON: calls a second of the chain, of all calls and of each kind; of the latter beside the chain, too."""
    chain, mixed = [each[0] for each in rounds], [each[1] for each in rounds]
    found: Report = {BARE: {"rate": Spread.of([each.rate() for each in chain]).plain()}}
    for kind in ("", *KINDS):
        ratios = [each.rate(kind) / base.rate() for base, each in zip(chain, mixed, strict=True)]
        rate = Spread.of([each.rate(kind) for each in mixed])
        found[kind or "all"] = {"rate": rate.plain(), "beside_the_chain": Spread.of(ratios).plain()}
    return found


def _p99(stretches: Sequence[Stretch], kind: str) -> str:
    return f"{Spread.of([each.p99(kind) for each in stretches]).median:,.1f}"


@click.command()
@click.option("--callers", default=32, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=4.0, show_default=True, help="for each of both loads in one round")
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "mixed.json", show_default=True)
def main(callers: int, rounds: int, seconds: float, output: Path, *, unsynced: bool) -> None:
    """Measures reads, orders, complaints and documents together, and a bare chain in turns with them."""
    others = ready(Needs(output.parent, synced=not unsynced))
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(output.parent, "mixed"))
        conditions = circumstances(
            directory, others, rounds=rounds, seconds_per_round_and_load=seconds, callers=callers
        )
        federation = LocalFederation(directory / "federation", REGIONS)
        federation.load = with_room_for_bills(federation.load)
        stack.callback(federation.kill)
        federation.prepare()
        federation.start()
        found = uvloop.run(measure(federation, directory / "chain", callers, rounds, seconds))
    Console().print(shown(found))
    write_report(output, {"loads": plain(found), "conditions": conditions})
    click.echo(f"written to {output}")


if __name__ == "__main__":
    main()
