"""How well correlation finds the causes of storms that are known, and how fast, against comparing all events in pairs.

`python -m tests.bench.correlation [--seed N] [--alarms N]` prints precision and recall: of pairs of events (whether two
are rightly in one problem) and of root causes (whether what failed is what is named), and how often a claim was
right by how sure it was.

Of root causes those count that an operator is told: of groups that coordinators open a problem for, and claim a cause
of. Each such claim must be what failed, and most of the group must be of that: of a group of noise none is right. Each
failure of which two events were heard must be found so. What is claimed of no problem lowers the recall alone.
"""

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from coordinator.problems.correlation import Observed, correlate, is_problem
from coordinator.problems.topology import Element, Topology
from gateway.federation.catalogue import Federation
from gateway.federation.files import load
from gateway.federation.network import NetworkRegistry
from tests.bench.storms import MINUTE, Storm, Weather, random_network, storm

WINDOW = 15 * MINUTE
_BANDS = (1, 75, 85, 95)  # percent, from which on
_WIDTH = 120  # also where nothing says how wide the terminal is
_FEDERATION = Path(__file__).parents[2] / "deploy" / "federation"


@dataclass(frozen=True)
class Group:
    """Events by id, and the root cause that is claimed, if any."""

    events: Sequence[str]
    root: Element | None
    confidence: int = 100
    """In percent."""


Grouping = Sequence[Group]


@dataclass(frozen=True)
class Quality:
    """How right a grouping is, each figure from 0 to 1."""

    pair_precision: float
    pair_recall: float
    root_precision: float
    root_recall: float
    problems: int
    """Groups that a problem is opened for."""
    unclaimed: int
    """Problems of which no cause is claimed."""
    claims: Sequence[tuple[int, bool]]
    """How sure each claimed cause was, in percent, and whether it was right."""


def shipped_network() -> NetworkRegistry:
    """The network that ships."""
    return Federation(1, load(_FEDERATION)).network


def quality(found: Grouping, told: Storm) -> Quality:
    """Of a grouping, against what is known of the storm."""
    by_cause, by_id = Counter(told.cause_of.values()), {each.id: each for each in told.events}
    rightly = together = problems = 0
    named: set[str] = set()
    claims: list[tuple[int, bool]] = []
    for group in found:
        causes = Counter(told.cause_of[each] for each in group.events)
        rightly += sum(_pairs(count) for count in causes.values())
        together += _pairs(len(group.events))
        cause, count = causes.most_common(1)[0]
        if not is_problem([by_id[each] for each in group.events], WINDOW):
            continue
        problems += 1
        if group.root is not None:
            is_right = told.roots.get(cause) == group.root and count * 2 > len(group.events)
            claims.append((group.confidence, is_right))
            named.update([cause] if is_right else [])
    to_be_found = sum(_pairs(count) for count in by_cause.values())
    causes_seen = [cause for cause in told.roots if by_cause[cause] > 1]
    return Quality(
        rightly / together if together else 1.0,
        rightly / to_be_found if to_be_found else 1.0,
        sum(is_right for _, is_right in claims) / len(claims) if claims else 1.0,
        len(named.intersection(causes_seen)) / len(causes_seen) if causes_seen else 1.0,
        problems,
        problems - len(claims),
        claims,
    )


def correlated(events: Sequence[Observed], topology: Topology) -> Grouping:
    """As coordinators do it."""
    return [
        Group(each.events, each.cause if each.confidence else None, each.confidence)
        for each in correlate(events, topology, WINDOW)
    ]


def in_pairs(events: Sequence[Observed], topology: Topology) -> Grouping:
    """The naive way: two events belong together if something could cause both and they begin within the window."""
    parent = list(range(len(events)))

    def root(each: int) -> int:
        while parent[each] != each:
            parent[each] = parent[parent[each]]
            each = parent[each]
        return each

    causes = [_causes(each, topology) for each in events]
    for one, first in enumerate(events):
        for other in range(one):
            if abs(first.raised - events[other].raised) <= WINDOW and not causes[one].isdisjoint(causes[other]):
                parent[root(one)] = root(other)
    groups: dict[int, list[int]] = {}
    for each in range(len(events)):
        groups.setdefault(root(each), []).append(each)
    return [
        Group([events[each].id for each in members], _commonest([causes[each] for each in members]))
        for members in groups.values()
    ]


def _causes(event: Observed, topology: Topology) -> frozenset[Element]:
    return frozenset(cause for element in event.elements for cause in topology.causes_of(element))


def _commonest(causes: Sequence[frozenset[Element]]) -> Element:
    counted = Counter(each for some in causes for each in some)
    return min(counted, key=lambda each: (-counted[each], each))


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


Way = Callable[[Sequence[Observed], Topology], Grouping]


def timed(way: Way, told: Storm, topology: Topology) -> tuple[Grouping, float]:
    """A grouping, and the seconds that it took."""
    started = time.perf_counter()
    found = way(told.events, topology)
    return found, time.perf_counter() - started


@click.command()
@click.option("--seed", default=7, show_default=True)
@click.option("--alarms", default=10_000, show_default=True, help="Of the largest storm.")
def main(seed: int, alarms: int) -> None:
    """Correlate generated storms and print how right that was."""
    large = random_network(400, 600, random.Random(seed))
    scenes: Mapping[str, tuple[NetworkRegistry, Weather]] = {
        "shipped, one cut": (shipped_network(), Weather(1, 60)),
        "shipped, five at once": (shipped_network(), Weather(5, 500, span=5 * MINUTE)),
        "400 sites, 10 at once": (large, Weather(10, 1_000, span=5 * MINUTE)),
        "400 sites, 40 small ones": (large, Weather(40, 400, noise=0.3)),
        "40 small ones, half noise": (large, Weather(40, 600, noise=0.5)),
        "400 sites, 40 causes": (large, Weather(40, alarms)),
        "40 causes, a third lost": (large, Weather(40, alarms, missing=0.33, noise=0.1)),
    }
    shown = Table(title=f"storms of seed {seed}", title_justify="left")
    headings = ("storm", "events", "way", "pairs P", "pairs R", "roots P", "roots R", "problems", "unclaimed")
    for heading in (*headings, "seconds"):
        shown.add_column(heading, justify="right", no_wrap=True)
    claims: list[tuple[int, bool]] = []
    for name, (network, weather) in scenes.items():
        told, topology = storm(network, weather, random.Random(seed)), Topology(network)
        ours, ours_took = timed(correlated, told, topology)
        naive, naive_took = timed(in_pairs, told, topology)
        of_ours = quality(ours, told)
        claims += of_ours.claims
        shown.add_row(name, str(len(told.events)), "ours", *_figures(of_ours), f"{ours_took:.2f}")
        shown.add_row("", "", "naive", *_figures(quality(naive, told)), f"{naive_took:.2f}", end_section=True)
    console = Console(width=_WIDTH)
    console.print(shown)
    console.print(_bands(claims))


def _figures(found: Quality) -> list[str]:
    shares = (found.pair_precision, found.pair_recall, found.root_precision, found.root_recall)
    return [*(f"{each:.3f}" for each in shares), str(found.problems), str(found.unclaimed)]


def _bands(claims: Sequence[tuple[int, bool]]) -> Table:
    """How many claims of each confidence were right, in all storms together."""
    shown = Table(title="claimed root causes", title_justify="left")
    for heading in ("confidence", "claimed", "right"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for least, most in itertools.pairwise((*_BANDS, 101)):
        right = [is_right for sure, is_right in claims if least <= sure < most]
        share = f"{sum(right) / len(right):.3f}" if right else "-"
        shown.add_row(f"{least} to {most - 1} %", str(len(right)), share)
    return shown


if __name__ == "__main__":
    main()
