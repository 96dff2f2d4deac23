"""The paths between two sites, searched by networkx."""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence

import networkx as nx

from coordinator.network.paths import Measured, Path, Ways
from coordinator.network.searches import Hop, Quality
from gateway.api.federation.v1.network_pb2 import Link, Network

_ROOM = 1 << 64  # the room of each figure in a cost: more than the sum of any path
_ONCE, _AGAIN = "12"  # suffixes of a link's id: for its first unit of flow, and for a shared one
_SITE, _LINK = _ROOM**3, _ROOM**4  # the costs of sharing: more than all figures, more than all sites


def shared_by(one: Path, other: Path) -> tuple[Sequence[str], Sequence[str]]:
    """The links that both use, and the sites on the way that both pass."""
    links, sites = frozenset(other.links), frozenset(other.sites)
    return [each for each in one.links if each in links], [each for each in one.sites if each in sites]


def amounts_of(one: Path, other: Path) -> tuple[int, int]:
    """Their numbers."""
    links, sites = shared_by(one, other)
    return len(links), len(sites)


class SearchedPaths:
    """The ways of a network by the searches of networkx, which `LinkGraph` is compared with."""

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
        best = self._shortest(start, end, None)
        if best is None:
            return Ways(None, None)
        other = self._shortest(start, end, best)
        if other is None or frozenset(best.links) == frozenset(other.links):
            return Ways(best, None)
        links, sites = shared_by(best, other)
        if all(self._is_needed(start, end, link=each) for each in links) and all(
            self._is_needed(start, end, site=each) for each in sites
        ):
            return Ways(best, other)
        # The best path may block two others that share less; then every alternative is too close to it.
        apart = self._apart(start, end)
        return Ways(best, other, apart if amounts_of(*apart) < (len(links), len(sites)) else ())

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
        return Path([Hop(link, start, end, self._figures[link], link in self._measured) for link, start, end in hops])
