"""Paths through the network, their quality, and the rest of a quality class's budget. Pure.

ITU-T Y.1542 adds the parts of a path against one budget. Here delays and variations are added. The sum of variations is
never too low: quantiles of independent links add up to less. The closer rule of Y.1541 (appendix) needs more data per
link than a bound. Delivery ratios are multiplied.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from coordinator.network.searches import Arc, Avoided, Hop, Priced, Quality, Rows, is_reached, least_paths, two_units
from gateway.api.federation.v1.network_pb2 import Link, Network, QualityClass

_ALL = 1_000_000_000  # the denominator of a share of packets
_ROOM = 1 << 64  # the room of each figure in a cost: more than the sum of any path
_SITE, _LINK = _ROOM**3, _ROOM**4  # the costs of sharing: more than all figures, more than all sites


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
        rows: dict[str, dict[str, list[Priced]]] = {site.id: {} for site in network.sites}
        for link in sorted(network.links, key=lambda each: each.id):
            if link.id in down:
                continue
            told = measured.get(link.id, Measured())
            quality = Quality(
                link.delay_us if told.delay_us is None else told.delay_us,
                link.delay_variation_us if told.delay_variation_us is None else told.delay_variation_us,
                link.loss_ppb if told.loss_ppb is None else told.loss_ppb,
            )
            for one, other in ((link.site_a, link.site_b), (link.site_b, link.site_a)):
                hop = Hop(link.id, one, other, quality, told.is_anything)
                rows.setdefault(one, {}).setdefault(other, []).append((_cost(quality), hop))
        self._rows: Rows = rows
        self._trees: dict[str, Mapping[str, Hop]] = {}
        """The best paths from a site to all others, by that site."""

    @property
    def hops(self) -> tuple[Hop, ...]:
        """All that its ways depend on, between sites of the network."""
        return tuple(hop for row in self._rows.values() for between in row.values() for _, hop in between)

    def ways(self, start: str, end: str) -> Ways:
        """The ways between two sites of the network."""
        if start not in self._trees:
            self._trees[start] = least_paths(self._rows, start)
        best = _path_to(self._trees[start], start, end)
        if best is None:
            return Ways(None, None)
        avoided = Avoided(frozenset(best.links), _LINK, frozenset(best.sites), _SITE)
        other = _path_to(least_paths(self._rows, start, end, avoided), start, end)
        if other is None or avoided.links == frozenset(other.links):
            return Ways(best, None)
        links, sites = _shared(best, other)
        if all(not is_reached(self._rows, start, end, link=each) for each in links) and all(
            not is_reached(self._rows, start, end, site=each) for each in sites
        ):
            return Ways(best, other)
        # The best path may block two others that share less; then every alternative is too close to it.
        apart = self._apart(start, end)
        return Ways(best, other, apart if _amounts(*apart) < (len(links), len(sites)) else ())

    def _apart(self, start: str, end: str) -> tuple[Path, Path]:
        """The two paths that share the fewest links, then the fewest sites, and of those have the least sum.

        Two units of flow at the least cost; the second unit costs extra over a shared link or site. A path has to
        exist.
        """
        arcs: list[Arc[tuple[str, bool], Priced | None]] = []
        for site, row in self._rows.items():  # comes in at False, goes out at True
            extra = 0 if site in (start, end) else _SITE
            arcs += [Arc((site, False), (site, True), each * _ROOM, None) for each in (0, extra)]
            for other, between in row.items():
                for cost, hop in between:
                    # The extra cost of one prevents flow in circles.
                    costs = (cost * _ROOM + 1, (cost + _LINK) * _ROOM + 1)
                    arcs += [Arc((site, True), (other, False), each, (cost, hop)) for each in costs]
        used = [arc.carries for arc in two_units(arcs, (start, False), (end, True)) if arc.carries is not None]
        first, second = _taken(used, start, end), _taken(used, start, end)
        return first, second


def _cost(quality: Quality) -> int:
    return quality.delay_us * _ROOM**2 + quality.delay_variation_us * _ROOM + quality.loss_ppb


def _path_to(tree: Mapping[str, Hop], start: str, end: str) -> Path | None:
    """The path to `end` in a tree of paths from `start`; None where it does not reach it."""
    hops: list[Hop] = []
    while end != start:
        if end not in tree:
            return None
        hops.append(tree[end])
        end = hops[-1].start
    return Path(hops[::-1]) if hops else None


def _taken(used: list[Priced], start: str, end: str) -> Path:
    """Removes the best path from the used links, and returns it."""
    rows: dict[str, dict[str, list[Priced]]] = {}
    for priced in sorted(used, key=lambda each: each[1].link):
        rows.setdefault(priced[1].start, {}).setdefault(priced[1].end, []).append(priced)
    path = _path_to(least_paths(rows, start, end), start, end)
    assert path is not None
    for hop in path.hops:
        used.remove((_cost(hop.quality), hop))
    return path
