"""How well correlation finds the causes of storms that are known, and how fast, against comparing all events in pairs.

`python -m tests.bench.correlation [--seed N] [--alarms N]` prints precision and recall: of pairs of events (whether two
are rightly in one problem) and of root causes (whether what failed is what is named).
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from coordinator.problems.correlation import Cluster, Observed, correlate
from coordinator.problems.topology import Element, Topology
from gateway.federation.catalogue import Federation
from gateway.federation.files import load
from gateway.federation.network import NetworkRegistry
from tests.bench.storms import MINUTE, Storm, Weather, random_network, storm

WINDOW = 15 * MINUTE
_FEDERATION = Path(__file__).parents[2] / "deploy" / "federation"

Grouping = Sequence[tuple[Element | None, Sequence[str]]]
"""Groups of events by id, each with the root cause that is named, if any."""


@dataclass(frozen=True)
class Quality:
    """How right a grouping is, each figure from 0 to 1."""

    pair_precision: float
    pair_recall: float
    root_precision: float
    root_recall: float


def shipped_network() -> NetworkRegistry:
    """The network that ships."""
    return Federation(1, load(_FEDERATION)).network


def quality(found: Grouping, told: Storm) -> Quality:
    """Of a grouping, against what is known of the storm. A group of one event, or of small ones alone, names none."""
    by_cause = Counter(told.cause_of.values())
    rightly = together = roots_named = roots_right = 0
    named: set[str] = set()
    for root, events in found:
        causes = Counter(told.cause_of[each] for each in events)
        rightly += sum(_pairs(count) for count in causes.values())
        together += _pairs(len(events))
        cause, count = causes.most_common(1)[0]
        if len(events) > 1 and any(each in told.grave for each in events):
            roots_named += 1
            if root is not None and told.roots.get(cause) == root and count * 2 > len(events):
                roots_right += 1
                named.add(cause)
    to_be_found = sum(_pairs(count) for count in by_cause.values())
    causes_seen = [cause for cause in told.roots if by_cause[cause] > 1]
    return Quality(
        rightly / together if together else 1.0,
        rightly / to_be_found if to_be_found else 1.0,
        roots_right / roots_named if roots_named else 1.0,
        len(named) / len(causes_seen) if causes_seen else 1.0,
    )


def correlated(events: Sequence[Observed], topology: Topology) -> Grouping:
    """As coordinators do it."""
    found: Sequence[Cluster] = correlate(events, topology, WINDOW)
    return [(each.cause, each.events) for each in found]


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
        (_commonest([causes[each] for each in members]), [events[each].id for each in members])
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
        "400 sites, 40 causes": (large, Weather(40, alarms)),
        "400 sites, 40, a third lost": (large, Weather(40, alarms, missing=0.33, noise=0.1)),
    }
    shown = Table(title=f"storms of seed {seed}", title_justify="left")
    for heading in ("storm", "events", "way", "pairs P", "pairs R", "roots P", "roots R", "seconds", "naive/ours"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for name, (network, weather) in scenes.items():
        told, topology = storm(network, weather, random.Random(seed)), Topology(network)
        ours, ours_took = timed(correlated, told, topology)
        naive, naive_took = timed(in_pairs, told, topology)
        ratio = f"{naive_took / ours_took:.1f}"
        shown.add_row(
            name, str(len(told.events)), "correlation", *_figures(quality(ours, told)), f"{ours_took:.2f}", ratio
        )
        shown.add_row("", "", "in pairs", *_figures(quality(naive, told)), f"{naive_took:.2f}", "", end_section=True)
    Console().print(shown)


def _figures(found: Quality) -> list[str]:
    return [
        f"{each:.3f}" for each in (found.pair_precision, found.pair_recall, found.root_precision, found.root_recall)
    ]


if __name__ == "__main__":
    main()
