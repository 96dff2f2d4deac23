"""What is down now: by problems that go on, and by planned outages. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from coordinator.planned_outages.rules import active, parts_of
from coordinator.problems import rules
from coordinator.problems.book import down_now
from coordinator.problems.elements import element_message, element_of, region_of
from coordinator.problems.topology import Element, Kind, services_down
from gateway.api.coordinator.v1.planned_outage_service_pb2 import PlannedWindow
from gateway.api.coordinator.v1.problem_service_pb2 import Outage, Problem
from gateway.clock import from_timestamp
from gateway.federation import network_ways
from gateway.federation.network import NetworkRegistry
from gateway.federation.network_ways import Parts


def outages_now(
    network: NetworkRegistry, problems: Iterable[Problem], windows: Sequence[PlannedWindow], now: datetime
) -> list[Outage]:
    """What is down, the longest first, each once; of two reasons the problem is told, and else the older one."""
    found: dict[Element, Outage] = {}
    for element, outage in (*_of_problems(network, problems), *_of_windows(network, active(windows, now))):
        found.setdefault(element, outage)
    return sorted(found.values(), key=lambda each: from_timestamp(each.start_time))


def _of_problems(network: NetworkRegistry, problems: Iterable[Problem]) -> Iterator[tuple[Element, Outage]]:
    going_on = sorted((each for each in problems if not rules.has_ended(each.header)), key=rules.place, reverse=True)
    down = down_now(each.header for each in going_on)
    without_way = services_down(network, down)
    for problem in going_on:
        cause = element_of(problem.header.root_cause)
        named = [cause] if cause in down else []
        named += [Element(Kind.SERVICE, each) for each in problem.header.services if each in without_way]
        for element in named:
            yield (
                element,
                Outage(
                    element=element_message(element),
                    region=region_of(network, element),
                    start_time=problem.header.start_time,
                    problem=problem.header.id,
                    is_root_cause=element == cause,
                    customers=rules.customers(problem),
                ),
            )


def _of_windows(network: NetworkRegistry, windows: Sequence[PlannedWindow]) -> Iterator[tuple[Element, Outage]]:
    """What is out, and the services that are down for all that is out together, each by a window that has a part in
    that."""
    out = Parts()
    for each in windows:
        out |= parts_of(each)
    down = network_ways.services_down(network, out)
    for window in windows:
        named = [Element(Kind.SITE, each) for each in window.sites]
        named += [Element(Kind.LINK, each) for each in window.links]
        touched = network.services_on(sites=window.sites, links=window.links)
        services = [Element(Kind.SERVICE, each.id) for each in touched if each.id in down]
        for element in (*named, *services):
            yield (
                element,
                Outage(
                    element=element_message(element),
                    region=region_of(network, element),
                    start_time=window.start_time,
                    is_root_cause=element in named,
                    planned_outage=window.id,
                    planned_end_time=window.end_time,
                ),
            )
