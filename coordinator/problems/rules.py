"""Rules for the alarms and faults that a region reports, and for the lists of problems. Pure."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, NetworkEventKind, Problem
from gateway.api.federation.v1 import problem_pb2
from gateway.api.federation.v1.problem_pb2 import NetworkCondition, PerceivedSeverity, ProblemHeader
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.network import NetworkRegistry
from gateway.time.clock import from_timestamp, times_are_dated, to_microseconds

IN_PROGRESS = problem_pb2.PROBLEM_STATE_IN_PROGRESS
RESOLVED = problem_pb2.PROBLEM_STATE_RESOLVED
CANCELLED = problem_pb2.PROBLEM_STATE_CANCELLED
GRAVE = (problem_pb2.PERCEIVED_SEVERITY_CRITICAL, problem_pb2.PERCEIVED_SEVERITY_MAJOR)
MINOR = problem_pb2.PERCEIVED_SEVERITY_MINOR
DOWN = problem_pb2.NETWORK_CONDITION_DOWN
DEGRADED = problem_pb2.NETWORK_CONDITION_DEGRADED
NO_CONDITION = problem_pb2.NETWORK_CONDITION_UNSPECIFIED
_BY_SEVERITY = {
    problem_pb2.PERCEIVED_SEVERITY_CRITICAL: DOWN,  # X.733: totally out of service
    problem_pb2.PERCEIVED_SEVERITY_MAJOR: DEGRADED,  # X.733: severe degradation
}
# Accidents are summed up once a month, so the author still sees the problems of the month before last.
KEPT_AFTER_END = timedelta(days=92)
# Correlation skips older events, so that its work does not grow with the history.
SETTLED_AFTER = timedelta(days=1)

_ID = re.compile(r"(?P<region>[a-z][a-z0-9-]*)/(?:alarm|fault)/[A-Za-z0-9._:-]{1,64}", re.ASCII)
_ELEMENTS = 64  # that one event may name
_LONGEST_ID = 128  # characters
_LARGEST = 2**63 - 1


def reporting_region(event_id: str) -> str:
    """The region in `<region>/<fault or alarm>/<key>`. Raises Refused for no such id."""
    found = _ID.fullmatch(event_id)
    if found is None:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="event.id", problem="not region/alarm or fault/key")
    return found["region"]


def require_event(event: NetworkEvent, region: str, network: NetworkRegistry) -> None:
    """Raises Refused for an empty event, and for an event about an element that does not concern the region.

    A link concerns the region that runs it and the regions of both ends. A service also concerns the regions of its
    sites and links. A retracted event names nothing, and is over. Also raises Refused with SITE_UNKNOWN, LINK_UNKNOWN
    or NETWORK_SERVICE_UNKNOWN.
    """
    if reporting_region(event.id) != region:
        raise Refused(Reason.REASON_NETWORK_EVENT_NOT_OWN, element=event.id, region=region)
    named = len(event.sites) + len(event.links) + len(event.services)
    if event.retracted and (named or not event.HasField("clear_time")):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="event.retracted", problem="names something, or goes on")
    if not event.retracted and not 0 < named <= _ELEMENTS:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="event", problem=f"names not 1 to {_ELEMENTS} elements")
    _require_form(event)
    for site in event.sites:
        _require_own(site, region, {network.site(site).region})
    for link in event.links:
        _require_own(link, region, network.regions_reporting(network.link(link)))
    for service in event.services:
        _require_own(service, region, network.regions_concerned(network.service(service)))


def _require_form(event: NetworkEvent) -> None:
    if not 0 < event.version <= _LARGEST or not event.HasField("raise_time"):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="event", problem="has no version or no time")
    for field, least in (("kind", 1), ("severity", 1), ("condition", 0)):  # a later version may know more of them
        if getattr(event, field) < least:
            raise Refused(Reason.REASON_REQUEST_INVALID, field=f"event.{field}", problem="is missing")
    if len(event.problem_id) > _LONGEST_ID:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="event.problem_id", problem="is no id of a problem")
    if not times_are_dated(event):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="event.raise_time", problem="out of range")
    raised = from_timestamp(event.raise_time)
    if event.HasField("clear_time") and from_timestamp(event.clear_time) < raised:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="event.clear_time", problem="before it was raised")


def _require_own(element: str, region: str, regions: Iterable[str]) -> None:
    if region not in regions:
        raise Refused(Reason.REASON_NETWORK_EVENT_NOT_OWN, element=element, region=region)


def condition_of(event: NetworkEvent) -> problem_pb2.NetworkCondition.ValueType:
    """The condition of the event's element; NO_CONDITION for a minor event."""
    if event.condition in (DOWN, DEGRADED):
        return event.condition
    return _BY_SEVERITY.get(event.severity, NO_CONDITION)


def take_known(event: NetworkEvent) -> None:
    """Leaves of an event what this version knows: of a later one nothing was checked, and nothing has a word."""
    event.DiscardUnknownFields()
    if event.kind not in NetworkEventKind.values():
        event.kind = contract.NETWORK_EVENT_KIND_ALARM
    if event.severity not in PerceivedSeverity.values():
        event.severity = problem_pb2.PERCEIVED_SEVERITY_INDETERMINATE
    if event.condition not in NetworkCondition.values():
        event.condition = NO_CONDITION


def has_ended(header: ProblemHeader) -> bool:
    """Whether all of its events have ended."""
    return header.state != IN_PROGRESS


def customers(problem: Problem) -> int:
    """How many customers it affects, in all regions together."""
    return sum(each.customers for each in problem.affected)


def complaints(problem: Problem) -> int:
    """The number of complaints of a problem, in all regions together."""
    return sum(each.complaints for each in problem.affected)


def has_open_reports(problem: Problem) -> bool:
    """Whether a required report is missing."""
    return any(not each.HasField("make_time") for each in problem.reports)


def listed(
    problems: Iterable[Problem],
    asked: contract.ListProblemsRequest,
    after: tuple[int, str] | None,
) -> list[Problem]:
    """The problems of a filter, newest first, after a place in that order."""
    found = [
        each
        for each in problems
        if (asked.include_ended or not has_ended(each.header) or (asked.with_open_reports and has_open_reports(each)))
        and (not asked.region or asked.region in each.header.regions)
        and (not asked.with_open_reports or has_open_reports(each))
        and (after is None or place(each) > after)
    ]
    return sorted(found, key=place)


def place(problem: Problem) -> tuple[int, str]:
    """The place of a problem in lists."""
    return -to_microseconds(from_timestamp(problem.header.start_time)), problem.header.id


def is_past(ended: datetime | None, now: datetime) -> bool:
    """Whether a problem or event ended so long ago that no coordinator keeps it."""
    return ended is not None and ended < now - KEPT_AFTER_END
