"""Storms of alarms and faults of known causes: cuts, site outages and failed services, with noise and gaps."""

import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from coordinator.problems.correlation import Observed
from coordinator.problems.topology import Element, Kind
from gateway.api.federation.v1.network_pb2 import Link, Network, NetworkService, Site
from gateway.federation.network import NetworkRegistry

SECOND = 1_000_000  # times are microseconds
MINUTE = 60 * SECOND
CRITICAL, MAJOR, MINOR, WARNING = 1, 2, 3, 4
_NOISE_SEVERITIES = (MAJOR, MINOR, MINOR, WARNING, WARNING)


@dataclass(frozen=True)
class Storm:
    """Events in the order in which they are heard of, and the cause of each; noise has itself for a cause."""

    events: Sequence[Observed]
    cause_of: Mapping[str, str]
    """By the id of an event."""
    roots: Mapping[str, Element]
    """The failed elements, by cause, without noise."""


@dataclass(frozen=True)
class Weather:
    """The parameters of a storm."""

    causes: int
    alarms: int
    """About so many in all."""
    noise: float = 0.05
    """The share of alarms that have nothing to do with any cause."""
    missing: float = 0.15
    """The share of alarms that never come."""
    span: int = 30 * MINUTE
    """In which all causes begin."""


def random_network(sites: int, services: int, source: random.Random) -> NetworkRegistry:
    """Sites in a tree with as many ways around as half of them, and services on the shortest ways between two."""
    network = Network(sites=[Site(id=f"s{each}", region=f"r{each % 31}") for each in range(sites)])
    pairs = {(source.randrange(each), each) for each in range(1, sites)}
    while len(pairs) < sites + sites // 2:
        one, other = sorted(source.sample(range(sites), 2))
        pairs.add((one, other))
    for one, other in sorted(pairs):
        network.links.append(Link(id=f"s{one}-s{other}", site_a=f"s{one}", site_b=f"s{other}", region=f"r{one % 31}"))
    registry = NetworkRegistry(network)
    for number in range(services):
        here, there = source.sample(sorted(registry.sites), 2)
        ends = [here] if number % 2 else [here, there]
        way = [] if number % 2 else _way(registry, here, there)
        network.services.append(NetworkService(id=f"v{number}", region="r0", sites=ends, links=way))
    return NetworkRegistry(network)


def storm(network: NetworkRegistry, weather: Weather, source: random.Random) -> Storm:
    """A storm over a network."""
    roots = _roots(network, weather.causes, source)
    noises = int(weather.alarms * weather.noise)
    events: list[Observed] = []
    cause_of: dict[str, str] = {}
    down: set[str] = set()
    starts = sorted(source.randrange(weather.span) for _ in roots)
    for number, ((cause, root), start) in enumerate(zip(roots.items(), starts, strict=True)):
        end = start + source.randrange(60, 360) * MINUTE
        wanted = max(4, (weather.alarms - noises) // weather.causes)
        symptoms = list(_symptoms(network, root, down, source))
        for each in range(wanted):
            if source.random() >= weather.missing or each < 2:
                elements, delay, severity = symptoms[each % len(symptoms)]
                raised = start + source.randrange(max(1, delay))
                cleared = end + source.randrange(MINUTE) if source.random() < 0.8 else None
                events.append(Observed(f"e{number}-{each}", frozenset(elements), raised, cleared, severity))
                cause_of[events[-1].id] = cause
    everything = _everything(network)
    for number in range(noises):
        raised = source.randrange(weather.span * 2)
        lasts = source.randrange(1, 30) * MINUTE
        severity = source.choice(_NOISE_SEVERITIES)
        events.append(Observed(f"n{number}", frozenset({source.choice(everything)}), raised, raised + lasts, severity))
        cause_of[f"n{number}"] = f"noise-{number}"
    source.shuffle(events)
    return Storm(events, cause_of, roots)


def _everything(network: NetworkRegistry) -> list[Element]:
    return [
        *(Element(Kind.SITE, each) for each in network.sites),
        *(Element(Kind.LINK, each) for each in network.links),
        *(Element(Kind.SERVICE, each) for each in network.services),
    ]


def _roots(network: NetworkRegistry, causes: int, source: random.Random) -> dict[str, Element]:
    """Different elements: of ten causes, seven are cuts, two are outages of sites, and one is a service by itself."""
    links, sites = sorted(network.links), sorted(network.sites)
    services = sorted(network.services)
    chosen: dict[str, Element] = {}
    while len(chosen) < causes:
        draw = source.random()
        if draw < 0.7:
            root = Element(Kind.LINK, source.choice(links))
        elif draw < 0.9:
            root = Element(Kind.SITE, source.choice(sites))
        else:
            root = Element(Kind.SERVICE, source.choice(services))
        if not any(_hides(network, each, root) or _hides(network, root, each) for each in chosen.values()):
            chosen[f"cause-{len(chosen)}"] = root
    return chosen


def _hides(network: NetworkRegistry, one: Element, other: Element) -> bool:
    """Whether the one element hides the other: it is the same, or takes it down."""
    if one.kind == Kind.SITE:
        below = [Element(Kind.LINK, each.id) for each in network.links_at(one.id)]
        used = network.services_on(sites=[one.id], links=[each.id for each in below])
        below += [Element(Kind.SERVICE, each.id) for each in used]
        return other == one or other in below
    if one.kind == Kind.LINK:
        return other == one or other in [Element(Kind.SERVICE, each.id) for each in network.services_on(links=[one.id])]
    return other == one


Symptom = tuple[set[Element], int, int]
"""The reporting elements, the longest delay after the cause, the severity."""


def _symptoms(network: NetworkRegistry, root: Element, down: set[str], source: random.Random) -> Iterator[Symptom]:
    """The symptoms of a cause. Services in `down` report nothing more; those of this cause are added."""
    if root.kind == Kind.SERVICE:
        yield {root}, MINUTE, CRITICAL
        yield {root}, 10 * MINUTE, MAJOR
        return
    if root.kind == Kind.LINK:
        link = network.links[root.id]
        yield {root, Element(Kind.SITE, link.site_a)}, MINUTE, CRITICAL
        yield {root, Element(Kind.SITE, link.site_b)}, MINUTE, CRITICAL
        yield {root}, 2 * MINUTE, MAJOR
        used = network.services_on(links=[root.id])
    else:
        yield {root}, 2 * MINUTE, CRITICAL
        for link in network.links_at(root.id):
            other = link.site_b if link.site_a == root.id else link.site_a
            yield {Element(Kind.LINK, link.id), Element(Kind.SITE, other)}, MINUTE, CRITICAL
        used = network.services_on(sites=[root.id], links=[each.id for each in network.links_at(root.id)])
    fresh = [each for each in used if each.id not in down]
    down.update(each.id for each in fresh)
    for service in source.sample(fresh, min(len(fresh), 6)):
        yield {Element(Kind.SERVICE, service.id)}, 10 * MINUTE, MAJOR


def _way(network: NetworkRegistry, one: str, other: str) -> list[str]:
    """The links of a shortest way between two sites."""
    before: dict[str, tuple[str, str]] = {one: ("", "")}
    ahead = deque([one])
    while other not in before:
        site = ahead.popleft()
        for link in network.links_at(site):
            far = link.site_b if link.site_a == site else link.site_a
            if far not in before:
                before[far] = (site, link.id)
                ahead.append(far)
    way = []
    while other != one:
        other, link_id = before[other]
        way.append(link_id)
    return way
