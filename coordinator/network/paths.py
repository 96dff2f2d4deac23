"""Ways through the network, what they add up to, and what a class of quality leaves of it. Pure.

ITU-T Y.1542 lets the parts of a path add up against one budget. Here delays are added, and so are variations: that is
never too low, while quantiles of independent links add up to less (Y.1541, appendix, has a closer rule that needs more
than a bound to be known of each). Of losses the product of the delivery ratios is taken.
"""

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from gateway.api.federation.v1.network_pb2 import Link, Network, QualityClass

_ALL = 1_000_000_000  # a share of packets is told of so many
_ROOM = 1 << 64  # more than any path adds up to: each figure of a cost has so much room to itself


@dataclass(frozen=True)
class Quality:
    """One-way figures: delays in microseconds, lost packets of 1,000,000,000."""

    delay_us: int
    delay_variation_us: int
    loss_ppb: int


@dataclass(frozen=True)
class Measured:
    """What was measured on a link; None for a figure that was not."""

    delay_us: int | None = None
    delay_variation_us: int | None = None
    loss_ppb: int | None = None

    @property
    def is_anything(self) -> bool:
        """Whether any figure was measured."""
        return (self.delay_us, self.delay_variation_us, self.loss_ppb) != (None, None, None)


@dataclass(frozen=True)
class Hop:
    """A link in the direction of a path, with its figures."""

    link: str
    start: str
    end: str
    quality: Quality
    is_measured: bool


@dataclass(frozen=True)
class Path:
    """A way over at least one link."""

    hops: Sequence[Hop]

    @property
    def links(self) -> Sequence[str]:
        """Its links, in order."""
        return [hop.link for hop in self.hops]

    @property
    def quality(self) -> Quality:
        """What it adds up to."""
        return added_up([hop.quality for hop in self.hops])


@dataclass(frozen=True)
class Ways:
    """The best way between two sites, and the one that shares the fewest links with it."""

    best: Path | None
    alternative: Path | None

    @property
    def shared_links(self) -> Sequence[str]:
        """The links that both use, in the order of the best."""
        if self.best is None or self.alternative is None:
            return []
        other = frozenset(self.alternative.links)
        return [link for link in self.best.links if link in other]


@dataclass(frozen=True)
class Budget:
    """What a class leaves of its bounds, negative for what is too much; None where it has none."""

    delay_us: int | None
    delay_variation_us: int | None
    loss_ppb: int | None

    @property
    def is_kept(self) -> bool:
        """Whether no bound is passed."""
        left = (self.delay_us, self.delay_variation_us, self.loss_ppb)
        return all(each is None or each >= 0 for each in left)


def added_up(parts: Sequence[Quality]) -> Quality:
    """What links that follow each other come to; the loss is rounded up to the next of 1,000,000,000."""
    every = _ALL ** len(parts)
    lost = every - math.prod(_ALL - part.loss_ppb for part in parts)
    return Quality(
        sum(part.delay_us for part in parts),
        sum(part.delay_variation_us for part in parts),
        -(-lost * _ALL // every),
    )


def budget(quality: Quality, allowed: QualityClass) -> Budget:
    """What a class leaves. A bound of 0 is none."""
    return Budget(
        allowed.delay_us - quality.delay_us if allowed.delay_us else None,
        allowed.delay_variation_us - quality.delay_variation_us if allowed.delay_variation_us else None,
        allowed.loss_ppb - quality.loss_ppb if allowed.loss_ppb else None,
    )


def main_sites(network: Network) -> dict[str, str]:
    """The site that stands for a region, by region and in their order: the first of its sites in the registry."""
    found: dict[str, str] = {}
    for site in network.sites:
        found.setdefault(site.region, site.id)
    return dict(sorted(found.items()))


def upgraded(network: Network, links: Iterable[Link]) -> Network:
    """The network with links replaced by those of the same id, and with others added."""
    after = Network()
    after.CopyFrom(network)
    known = {link.id: link for link in after.links}
    for link in links:
        if link.id in known:
            known[link.id].CopyFrom(link)
        else:
            after.links.append(link)
    return after


class LinkGraph:
    """The links of a network that are up, with their figures: what was measured, and by design what was not."""

    def __init__(self, network: Network, measured: Mapping[str, Measured], down: Collection[str]) -> None:
        self._graph: nx.MultiGraph[str] = nx.MultiGraph()
        self._graph.add_nodes_from(site.id for site in network.sites)
        self._links: dict[str, Link] = {}
        self._figures: dict[str, Quality] = {}
        self._measured: set[str] = set()
        for link in sorted(network.links, key=lambda each: each.id):
            if link.id in down:
                continue
            told = measured.get(link.id, Measured())
            self._links[link.id] = link
            self._figures[link.id] = Quality(
                link.delay_us if told.delay_us is None else told.delay_us,
                link.delay_variation_us if told.delay_variation_us is None else told.delay_variation_us,
                link.loss_ppb if told.loss_ppb is None else told.loss_ppb,
            )
            if told.is_anything:
                self._measured.add(link.id)
            self._graph.add_edge(link.site_a, link.site_b, link.id)

    def ways(self, start: str, end: str) -> Ways:
        """The ways between two sites of the network."""
        best = self._shortest(start, end, frozenset())
        if best is None:
            return Ways(None, None)
        used = frozenset(best.links)
        other = self._shortest(start, end, used)
        return Ways(best, None if other is None or used == frozenset(other.links) else other)

    def _shortest(self, start: str, end: str, avoided: Collection[str]) -> Path | None:
        """The way with the fewest links that are avoided, of those the one with the least delay, variation and loss."""

        def cost(link: str) -> int:
            figures = self._figures[link]
            whole = figures.delay_us * _ROOM**2 + figures.delay_variation_us * _ROOM + figures.loss_ppb
            return whole + _ROOM**3 if link in avoided else whole

        def weight(site: str, other: str, links: Mapping[str, object]) -> int:
            return min(map(cost, links))

        try:
            sites: list[str] = nx.dijkstra_path(self._graph, start, end, weight)
        except nx.NetworkXNoPath:
            return None
        hops = []
        for site, other in itertools.pairwise(sites):
            link = min(self._graph[site][other], key=cost)
            hops.append(Hop(link, site, other, self._figures[link], link in self._measured))
        return Path(hops) if hops else None
