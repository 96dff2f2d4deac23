"""Searches in a graph of sites and parallel links. Pure.

Each search is one loop over plain rows: the paths between all regions are many, and each has weights of its own.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

N = TypeVar("N")
C = TypeVar("C")


@dataclass(frozen=True)
class Quality:
    """One-way figures: delays in microseconds, lost packets of 1,000,000,000."""

    delay_us: int
    delay_variation_us: int
    loss_ppb: int


@dataclass(frozen=True)
class Hop:
    """A link in the direction of a path, with its figures."""

    link: str
    start: str
    end: str
    quality: Quality
    is_measured: bool


Priced = tuple[int, Hop]
"""A hop and its cost."""
Rows = Mapping[str, Mapping[str, Sequence[Priced]]]
"""The hops by their starts and ends; parallel ones by link."""


@dataclass(frozen=True)
class Avoided:
    """Links and sites that a path may use at an extra cost."""

    links: frozenset[str] = frozenset()
    link_cost: int = 0
    sites: frozenset[str] = frozenset()
    site_cost: int = 0


@dataclass(frozen=True)
class Arc(Generic[N, C]):
    """A way for one unit of flow."""

    tail: N
    head: N
    cost: int
    carries: C = field(repr=False)


def least_paths(rows: Rows, start: str, end: str = "", avoided: Avoided | None = None) -> Mapping[str, Hop]:
    """The last hop of a path of the least cost to each site that is reached (Dijkstra); not beyond `end`."""
    avoided = avoided or Avoided()
    links, sites = avoided.links, avoided.sites
    tree: dict[str, Hop] = {}
    least, done = {start: 0}, set[str]()
    order = itertools.count()  # of equal costs the first found counts
    waiting = [(0, next(order), start)]
    while waiting:
        cost, _, site = heapq.heappop(waiting)
        if site in done:
            continue
        if site == end:
            break
        done.add(site)
        for other, between in rows.get(site, {}).items():
            if other in done:
                continue
            more, hop = between[0]
            if len(between) > 1 or hop.link in links:
                more, hop = min(
                    ((each + avoided.link_cost if one.link in links else each, one) for each, one in between),
                    key=lambda each: each[0],
                )
            found = cost + more + (avoided.site_cost if other in sites else 0)
            if other not in least or found < least[other]:
                least[other], tree[other] = found, hop
                heapq.heappush(waiting, (found, next(order), other))
    return tree


def is_reached(rows: Rows, start: str, end: str, *, link: str = "", site: str = "") -> bool:
    """Whether a path leads from one site to another without a link, and without passing a site."""
    seen, waiting = {start, site}, [start]
    while waiting:
        for other, between in rows.get(waiting.pop(), {}).items():
            if other not in seen and any(hop.link != link for _, hop in between):
                seen.add(other)
                waiting.append(other)
    return end in seen


def two_units(arcs: Sequence[Arc[N, C]], start: N, end: N) -> Sequence[Arc[N, C]]:
    """The arcs of two units of flow at the least cost, by successive shortest paths. These have to exist.

    A second path may send the first one back over an arc, whose cost is saved then (Bellman-Ford).
    """
    at: dict[N, list[int]] = {}
    for number, arc in enumerate(arcs):
        at.setdefault(arc.tail, []).append(number)
        at.setdefault(arc.head, []).append(number)
    used: set[int] = set()
    for _ in range(2):
        least: dict[N, int] = {start: 0}
        by: dict[N, int] = {}
        waiting = deque([start])
        while waiting:
            node = waiting.popleft()
            for number in at[node]:
                arc = arcs[number]
                if (arc.head if number in used else arc.tail) != node:
                    continue
                other, more = (arc.tail, -arc.cost) if number in used else (arc.head, arc.cost)
                if other not in least or least[node] + more < least[other]:
                    least[other], by[other] = least[node] + more, number
                    waiting.append(other)
        node = end
        while node != start:
            number = by[node]
            arc = arcs[number]
            used ^= {number}
            node = arc.tail if arc.head == node else arc.head
    return [arcs[number] for number in sorted(used)]
