"""`python -m tests.bench.against [COMMIT]`: an older tree and the present one in turns, each beside one bare chain.

Without a commit the older one is that of the last release; before the first release it is the last recorded run of the
same machine. The load client is always the present one, which speaks the contract of the older tree.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
import uvloop
from rich.console import Console
from rich.table import Table

from deploy.local.federation import OPERATOR, LocalFederation
from deploy.releases import ReleaseError, extract, releases
from tests.bench.bare import BARE, bare_calls
from tests.bench.bulk import FIGURE, PACK, PACKED, PACKED_ORDERS, PacksUnknown, in_packs, intake
from tests.bench.comparing import LEVELS, Way, figures_of, order_client, windows_of
from tests.bench.filing import COMPLAINTS, FAULTS, filing
from tests.bench.history import (
    LEAST_ROUNDS,
    WORSE_BY,
    Ratios,
    Worse,
    business_ratios,
    level_ratios,
    newest,
    quotients,
    read,
    worse,
)
from tests.bench.load import LoadClient
from tests.bench.machine import machine_of
from tests.bench.orders import HANDLING
from tests.bench.questions import CALLERS, bill_call, bill_queries, rate_of
from tests.bench.report import Comparison, Level, Round
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.results import CHAIN, ORDERS
from tests.bench.running import chain_client, running
from tests.bench.sharing import granted_reading
from tests.bench.table import refusals_told

_WIDTH = 120  # columns
_PRESENT = "the present tree"
_PACKED_PER_SECOND = 500  # orders, for each second that another load has in a round


@dataclass(frozen=True)
class Load:
    """A load beside the bare chain, as the bench names it."""

    name: str
    figure: str
    measured: str


@dataclass(frozen=True)
class Older:
    """The other half of a comparison: an older tree, or a recorded run."""

    name: str
    tree: Path | None = None
    """A tree that runs beside the present one."""
    ratios: Ratios | None = None
    """The ratios of a recorded run."""


def older(commit: str, directory: Path) -> Older:
    """The tree of a commit, else of the last release, else the last run. Raises ClickException without any."""
    try:
        listed = releases()
        if commit or listed:
            tree = directory / "older"
            extract(commit or listed[-1].commit, tree)
            return Older(commit or f"release {listed[-1].version}", tree)
    except ReleaseError as error:
        raise click.ClickException(str(error)) from None
    run = newest(read(), machine_of(directory))
    if run is None:
        raise click.ClickException("there is no release, and no recorded run of this machine: name a commit")
    return Older(f"run of {run.commit[:8]}", ratios=run.ratios)


def measure(federations: Mapping[str, LocalFederation], directory: Path, rounds: int, seconds: float) -> list[Ratios]:
    """The ratios of each federation against the one chain, in the order of the federations, which have names."""
    with ExitStack() as stack:
        clients: list[LoadClient] = []
        for number, federation in enumerate(federations.values()):
            clients.append(order_client(federation, directory / f"orders-{number}.log"))
            stack.callback(clients[-1].close)
        chain = stack.enter_context(chain_client(directory / "chain", clients[-1].ready))
        windows = {callers: windows_of((chain, *clients), callers, rounds, seconds) for callers in LEVELS}
    business = uvloop.run(beside_bare(list(federations.values()), directory / "bare", rounds, seconds))
    levels = [
        [Level(callers, [Round(each[0], each[number]) for each in measured]) for callers, measured in windows.items()]
        for number in range(1, len(federations) + 1)
    ]
    for name, of_one in zip(federations, levels, strict=True):
        for line in refusals_told(of_one, CHAIN, name):
            click.echo(line)
    return [
        {**level_ratios(of_one, ORDERS, ORDERS, CHAIN), **business_ratios(each)}
        for of_one, each in zip(levels, business, strict=True)
    ]


async def beside_bare(
    federations: Sequence[LocalFederation], directory: Path, rounds: int, seconds: float
) -> list[list[Comparison]]:
    """The rest that is compared, named as the bench names it; a list for each federation.

    Packed orders are left out beside a release without packs, and so are loads that an older release does not take.
    """
    async with AsyncExitStack() as stack:
        bare = rate_of(await stack.enter_async_context(bare_calls(directory)), seconds)
        *older_ones, present = [await ways_of(stack, federation, seconds) for federation in federations]
        all_ways = [*[await _taken(ways) for ways in older_ones], present]
        found: list[list[Comparison]] = [[] for _ in federations]
        for load in all_ways[-1]:
            if not all(load in ways for ways in all_ways):
                continue
            figures = await figures_of([bare, *(ways[load] for ways in all_ways)], rounds)
            for number, of_one in enumerate(found, 1):
                pairs = [(each[0], each[number]) for each in figures]
                of_one.append(Comparison(load.name, load.figure, BARE, load.measured, pairs))
        return found


async def _taken(ways: Mapping[Load, Way]) -> Mapping[Load, Way]:
    """Those of the loads that a release takes in the present contract."""
    taken: dict[Load, Way] = {}
    for load, way in ways.items():
        with suppress(ExceptionGroup):
            await way()
            taken[load] = way
    return taken


async def ways_of(stack: AsyncExitStack, federation: LocalFederation, seconds: float) -> Mapping[Load, Way]:
    """How each load is measured at a federation; they end with the stack."""
    channel = await stack.enter_async_context(federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}"))
    complaint, fault = await stack.enter_async_context(filing(channel))
    calls = (
        ("bills_beside_bare", "bills of another region", "QueryBill", bill_call(channel, bill_queries())),
        (
            "granted_reads_beside_bare",
            "records of another region by a grant",
            "clear",
            await granted_reading(federation, channel),
        ),
        ("complaints_beside_bare", COMPLAINTS, "complaints", complaint),
        ("faults_beside_bare", FAULTS, "faults", fault),
    )
    ways: dict[Load, Way] = {
        Load(name, f"{figure}, {CALLERS} callers, 1/s", measured): rate_of(call, seconds)
        for name, figure, measured, call in calls
    }
    packed = intake(federation, channel, max(PACK, int(_PACKED_PER_SECOND * seconds)), in_packs)
    with suppress(PacksUnknown):
        await packed()  # to warm up as well
        ways[Load(PACKED_ORDERS, FIGURE, PACKED)] = packed
    return ways


def compared(name: str, before: Ratios, now: Ratios, found: Sequence[Worse]) -> Table:
    """A row for each ratio of both."""
    shown = Table(title=f"{_PRESENT} beside {name}: ratios to a bare chain", title_justify="left")
    for heading in ("figure", "unit", "old", "new", "new/old", ""):
        shown.add_column(heading, justify="left" if heading in ("figure", "unit", "") else "right", no_wrap=True)
    named = {each.name for each in found}
    for key, ratio in now.items():
        if key in before:
            old, new = before[key].spread.median, ratio.spread.median
            told = "worse" if key in named else ""
            quotient = median(quotients(before[key], ratio))
            shown.add_row(ratio.figure, ratio.unit, f"{old:.3f}", f"{new:.3f}", f"{quotient:.2f}", told)
    return shown


@click.command()
@click.argument("commit", default="")
@click.option("--seconds", default=2.0, show_default=True, help="for one load in one round")
@click.option("--rounds", default=5, show_default=True, help="for each load")
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
def main(commit: str, seconds: float, rounds: int, *, unsynced: bool) -> None:
    """Names what is worse than at COMMIT, or else at the last release, by more than 5 %, and ends with 1 then."""
    ready(Needs(BUILD, synced=not unsynced))
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(BUILD, "against"))
        base = older(commit, directory)
        older_ones = {} if base.tree is None else {base.name: base.tree}
        federations = {
            name: stack.enter_context(running(directory / f"federation-{number}", tree=tree))
            for number, (name, tree) in enumerate([*older_ones.items(), (_PRESENT, None)])
        }
        ratios = measure(federations, directory, rounds, seconds)
    before, now = base.ratios or ratios[0], ratios[-1]
    found = worse(before, now)
    Console(width=_WIDTH).print(compared(base.name, before, now, found))
    if rounds < LEAST_ROUNDS:
        click.echo(f"fewer than {LEAST_ROUNDS} rounds say little: nothing is told to be worse")
    if found:
        told = "\n".join(str(each) for each in found)
        raise click.ClickException(f"worse than {base.name} by more than {WORSE_BY:.0%}:\n{told}")


if __name__ == "__main__":
    main()
