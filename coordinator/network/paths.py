"""Paths through the network, their quality, and the rest of a quality class's budget. Pure.

ITU-T Y.1542 adds the parts of a path against one budget. Here delays and variations are added. The sum of variations is
never too low: quantiles of independent links add up to less. The closer rule of Y.1541 (appendix) needs more data per
link than a bound. Delivery ratios are multiplied.
"""

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from gateway.api.federation.v1.network_pb2 import Link, Network, QualityClass

_ALL = 1_000_000_000  # the denominator of a share of packets
_ROOM = 1 << 64  # the room of each figure in a cost: more than the sum of any path
_ONCE, _AGAIN = "12"  # suffixes of a link's id: for its first unit of flow, and for a shared one
_SITE, _LINK = _ROOM**3, _ROOM**4  # the costs of sharing: more than all figures, more than all sites


@dataclass(frozen=True)
class Quality:
    """One-way figures: delays in microseconds, lost packets of 1,000,000,000."""

    delay_us: int
    delay_variation_us: int
    loss_ppb: int


@dataclass(frozen=True)
class Measured:
    """The measurements of a link; None for an unmeasured figure."""

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
    def sites(self) -> Sequence[str]:
        """The sites on the way, without its ends, in order."""
        return [hop.start for hop in self.hops[1:]]

    @property
    def quality(self) -> Quality:
        """The quality of the whole path."""
        return added_up([hop.quality for hop in self.hops])


@dataclass(frozen=True)
class Ways:
    """The best path between two sites, and the one that shares the fewest links with it, then the fewest sites."""

    best: Path | None
    alternative: Path | None
    apart: Sequence[Path] = ()
    """Two other paths that share less with each other than the best does with any; empty without such a pair."""

    @property
    def shared_links(self) -> Sequence[str]:
        """The links that both use, in the order of the best."""
        return _shared(self.best, self.alternative)[0]

    @property
    def shared_sites(self) -> Sequence[str]:
        """The sites on the way that both pass, in the order of the best."""
        return _shared(self.best, self.alternative)[1]


@dataclass(frozen=True)
class Budget:
    """The rest of each bound of a class, negative above the bound; None for a class without that bound."""

    delay_us: int | None
    delay_variation_us: int | None
    loss_ppb: int | None

    @property
    def is_kept(self) -> bool:
        """Whether no bound is passed."""
        left = (self.delay_us, self.delay_variation_us, self.loss_ppb)
        return all(each is None or each >= 0 for each in left)


def _shared(one: Path | None, other: Path | None) -> tuple[Sequence[str], Sequence[str]]:
    """The links that both use, and the sites on the way that both pass."""
    if one is None or other is None:
        return [], []
    links, sites = frozenset(other.links), frozenset(other.sites)
    return [each for each in one.links if each in links], [each for each in one.sites if each in sites]


def _amounts(one: Path | None, other: Path | None) -> tuple[int, int]:
    links, sites = _shared(one, other)
    return len(links), len(sites)


def added_up(parts: Sequence[Quality]) -> Quality:
    """The quality of consecutive links; the loss is rounded up to the next of 1,000,000,000."""
    every = _ALL ** len(parts)
    lost = every - math.prod(_ALL - part.loss_ppb for part in parts)
    return Quality(
        sum(part.delay_us for part in parts),
        sum(part.delay_variation_us for part in parts),
        -(-lost * _ALL // every),
    )


def budget(quality: Quality, allowed: QualityClass) -> Budget:
    """The rest of a class's budget. A bound of 0 means no bound."""
    return Budget(
        allowed.delay_us - quality.delay_us if allowed.delay_us else None,
        allowed.delay_variation_us - quality.delay_variation_us if allowed.delay_variation_us else None,
        allowed.loss_ppb - quality.loss_ppb if allowed.loss_ppb else None,
    )


def main_sites(network: Network) -> dict[str, str]:
    """The main site of each region, in the order of regions: its first site in the registry."""
    found: dict[str, str] = {}
    for site in network.sites:
        found.setdefault(site.region, site.id)
    return dict(sorted(found.items()))


def upgraded(network: Network, links: Iterable[Link]) -> Network:
    """The network with links replaced by those of the same id, and with new links added."""
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
    """The links of a network that are up, with their figures: measured, or else by design."""

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

    @property
    def hops(self) -> tuple[Hop, ...]:
        """All that its ways depend on, between sites of the network: each link in one direction."""
        links = self._links.values()
        return tuple(Hop(each.id, each.site_a, each.site_b, *self._told(each.id)) for each in links)

    def ways(self, start: str, end: str) -> Ways:
        """The ways between two sites of the network."""
        best = self._shortest(start, end, None)
        if best is None:
            return Ways(None, None)
        other = self._shortest(start, end, best)
        if other is None or frozenset(best.links) == frozenset(other.links):
            return Ways(best, None)
        links, sites = _shared(best, other)
        if all(self._is_needed(start, end, link=each) for each in links) and all(
            self._is_needed(start, end, site=each) for each in sites
        ):
            return Ways(best, other)
        # The best path may block two others that share less; then every alternative is too close to it.
        apart = self._apart(start, end)
        return Ways(best, other, apart if _amounts(*apart) < (len(links), len(sites)) else ())

    def _is_needed(self, start: str, end: str, *, link: str = "", site: str = "") -> bool:
        """Whether every way between two sites goes over a link, or through a site."""
        found = self._links.get(link)
        without_links = [(found.site_a, found.site_b, link)] if found is not None else []
        rest = nx.restricted_view(self._graph, [site] if site else [], without_links)
        return not nx.has_path(rest, start, end)

    def _cost(self, link: str) -> int:
        figures = self._figures[link]
        return figures.delay_us * _ROOM**2 + figures.delay_variation_us * _ROOM + figures.loss_ppb

    def _shortest(self, start: str, end: str, avoided: Path | None) -> Path | None:
        """The path that shares the fewest links with `avoided`, then the fewest sites.

        Of those the one with the least delay, then variation, then loss.
        """
        links = frozenset(avoided.links if avoided is not None else ())
        sites = frozenset(avoided.sites if avoided is not None else ())

        def cost(link: str) -> int:
            return self._cost(link) + (_LINK if link in links else 0)

        def weight(site: str, other: str, between: Mapping[str, object]) -> int:
            return min(map(cost, between)) + (_SITE if other in sites else 0)

        try:
            way: list[str] = nx.dijkstra_path(self._graph, start, end, weight)
        except nx.NetworkXNoPath:
            return None
        hops = [(min(self._graph[site][other], key=cost), site, other) for site, other in itertools.pairwise(way)]
        return self._path(hops) if hops else None

    def _apart(self, start: str, end: str) -> tuple[Path, Path]:
        """The two paths that share the fewest links, then the fewest sites, and of those have the least sum.

        Two units of flow at the least cost; the second unit costs extra over a shared link or site. A path has to
        exist.
        """
        flow: nx.MultiDiGraph[tuple[str, bool]] = nx.MultiDiGraph()
        for site in self._graph:  # comes in at False, goes out at True
            for again in (False, True):
                extra = _SITE if again and site not in (start, end) else 0
                flow.add_edge((site, False), (site, True), capacity=1, weight=extra * _ROOM)
        for link in self._links.values():
            # The extra cost of one prevents flow in circles.
            weight = self._cost(link.id) * _ROOM + 1
            for one, other in ((link.site_a, link.site_b), (link.site_b, link.site_a)):
                for again in (False, True):
                    extra = _LINK * _ROOM if again else 0
                    unit = f"{link.id}{_AGAIN if again else _ONCE}"
                    flow.add_edge((one, True), (other, False), unit, capacity=1, weight=weight + extra)
        flow.nodes[start, False]["demand"], flow.nodes[end, True]["demand"] = -2, 2
        _, flowing = nx.network_simplex(flow)
        used: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        for (one, goes_out), targets in flowing.items():
            for (other, _), amounts in targets.items() if goes_out else ():
                used.add_edges_from((one, other, key) for key, amount in amounts.items() if amount)
        first, second = self._taken(used, start, end), self._taken(used, start, end)
        return first, second

    def _taken(self, used: "nx.MultiDiGraph[str]", start: str, end: str) -> Path:
        """Removes the best path from the used links, and returns it."""

        def cost(unit: str) -> int:
            return self._cost(unit[:-1])

        def weight(site: str, other: str, between: Mapping[str, object]) -> int:
            return min(map(cost, between))

        hops = []
        for site, other in itertools.pairwise(nx.dijkstra_path(used, start, end, weight)):
            unit = min(used[site][other], key=lambda each: (cost(each), each))
            used.remove_edge(site, other, unit)
            hops.append((unit[:-1], site, other))
        return self._path(hops)

    def _path(self, hops: Iterable[tuple[str, str, str]]) -> Path:
        return Path([Hop(link, start, end, *self._told(link)) for link, start, end in hops])

    def _told(self, link: str) -> tuple[Quality, bool]:
        """The figures of a link, and whether any of them was measured."""
        return self._figures[link], link in self._measured
