"""The parts that are down or degraded now: by continuing problems, and by planned outages. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from coordinator.planned_outages.rules import active, parts_of
from coordinator.problems import rules
from coordinator.problems.book import down_now, impaired_now
from coordinator.problems.elements import element_message, element_of, region_of
from coordinator.problems.topology import Element, Kind, services_down
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.coordinator.v1.problem_service_pb2 import Outage, Problem
from gateway.federation import network_ways
from gateway.federation.network import NetworkRegistry
from gateway.federation.network_ways import Parts
from gateway.rpc.pages import dated_key
from gateway.time.clock import from_timestamp


def outages_now(
    network: NetworkRegistry, problems: Iterable[Problem], windows: Sequence[PlannedOutageHeader], now: datetime
) -> list[Outage]:
    """The parts that are down or degraded, longest first, each once: as down, if it is.

    Of two reasons for the same part the problem counts, else the older one.
    """
    told = [*_of_problems(network, problems), *_of_windows(network, active(windows, now))]
    found: dict[Element, Outage] = {}
    for element, outage in sorted(told, key=lambda each: each[1].condition != rules.DOWN):
        found.setdefault(element, outage)
    return sorted(found.values(), key=outage_key)


def outage_key(outage: Outage) -> str:
    """Where an outage stands in lists: the cause before what else is out since then."""
    element, is_symptom = outage.element, not outage.is_root_cause
    return dated_key(from_timestamp(outage.start_time), f"{is_symptom:d} {element.kind} {element.id}")


def _of_problems(network: NetworkRegistry, problems: Iterable[Problem]) -> Iterator[tuple[Element, Outage]]:
    going_on = sorted((each for each in problems if not rules.has_ended(each.header)), key=rules.place, reverse=True)
    going_on.sort(key=lambda each: each.header.condition == rules.DEGRADED)
    headers = [each.header for each in going_on]
    down, impaired = down_now(headers), impaired_now(headers)
    without_way, without_good_way = services_down(network, down), services_down(network, impaired)
    for problem in going_on:
        cause = element_of(problem.header.root_cause)
        named = [cause] if cause in impaired else []
        named += [Element(Kind.SERVICE, each) for each in problem.header.services if each in without_good_way]
        for element in named:
            is_down = element in down or (element.kind == Kind.SERVICE and element.id in without_way)
            is_since_then = is_down and problem.header.HasField("down_start_time")
            yield (
                element,
                Outage(
                    element=element_message(element),
                    region=region_of(network, element),
                    start_time=problem.header.down_start_time if is_since_then else problem.header.start_time,
                    problem_id=problem.header.id,
                    is_root_cause=element == cause,
                    customers=rules.customers(problem),
                    condition=rules.DOWN if is_down else rules.DEGRADED,
                ),
            )


def _of_windows(network: NetworkRegistry, windows: Sequence[PlannedOutageHeader]) -> Iterator[tuple[Element, Outage]]:
    """The parts in the windows, and the services that all windows together take down.

    Each comes with a window that contributes to it.
    """
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
                    planned_outage_id=window.id,
                    planned_end_time=window.end_time,
                    condition=rules.DOWN,
                ),
            )
