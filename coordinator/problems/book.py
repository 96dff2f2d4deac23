"""Updates problems from correlated events: problems that continue, new ones, and merged ones.

Pure: the same events and problems give the same result at every coordinator.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.problems import rules
from coordinator.problems.correlation import Cluster, correlate, is_problem, speaking
from coordinator.problems.elements import element_message, element_of, observed, region_of
from coordinator.problems.topology import Element, Kind, Topology, services_down
from coordinator.registry.problem_port import Book, Decision
from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity, ProblemHeader
from gateway.federation.network import NetworkRegistry
from gateway.federation.problems import is_cause_known
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds, to_timestamp

_MOST_CHILDREN = 10_000  # children whose ids one problem keeps, the most that it keeps


@dataclass(frozen=True)
class View:
    """The basis of correlation."""

    network: NetworkRegistry
    topology: Topology
    window: timedelta
    """The longest time from a cause to the start of a symptom."""
    now: datetime


def correlated(book: Book, view: View) -> list[Problem]:
    """The problems that are new or have changed by the current events, with higher versions."""
    going_on = _going_on(book, view)
    settled = [each.header for name, each in book.problems.items() if name not in going_on]
    taken = {child for each in settled if each.state != rules.CANCELLED for child in each.child_ids}
    # The parts of a continuing problem stay its parts, however long ago they ended.
    kept = {child for each in going_on.values() for child in each.header.child_ids}
    events = [
        each for each in _present(book) if each.id not in taken and (each.id in kept or not _is_settled(each, view.now))
    ]
    window = _microseconds(view.window)
    clusters = correlate((observed(each) for each in events), view.topology, window)
    homes = _homes(clusters, going_on)
    drafts: dict[str, ProblemHeader] = {}
    for number, cluster in enumerate(clusters):
        known = homes.get(number)
        members = [book.events[each] for each in cluster.events[:_MOST_CHILDREN]]
        if known is not None and (_is_problem(members, window) or not _has_lost(going_on[known].header, book)):
            drafts[known] = _header(known, cluster, members, view)
        elif known is None and _is_problem(members, window):
            name = _new_id(cluster, book.problems.keys() | drafts.keys(), view.now)
            drafts[name] = _header(name, cluster, members, view)
    cancelled = {name: _cancelled(going_on[name].header, drafts, book) for name in going_on.keys() - drafts.keys()}
    _name_services(drafts, cancelled.values(), book, view)
    return list(_changed({**drafts, **cancelled}, book, view))


def _going_on(book: Book, view: View) -> dict[str, Problem]:
    """The problems that may still change: recently ended ones, and those with reopened, retracted or late events."""
    possible = {name: each for name, each in book.problems.items() if each.header.state != rules.CANCELLED}
    found = {
        name: each
        for name, each in possible.items()
        if not _ended_long_ago(each.header, view.now)
        or any(_is_open(book.events.get(child)) for child in each.header.child_ids)
        or _has_lost(each.header, book)
    }
    taken = {child for each in possible.values() for child in each.header.child_ids}
    late = [
        _Late(from_timestamp(each.raise_time), from_timestamp(each.clear_time), _causes_of(each, view))
        for each in _present(book)
        if each.id not in taken and _was_over_long_ago(each, view.now) and not _is_settled(each, view.now)
    ]
    for name, each in possible.items() if late else ():
        if name not in found and _may_have_one(each.header, late, view.window):
            found[name] = each
    return found


@dataclass(frozen=True)
class _Late:
    """An event that ended long ago and was reported late; `causes` are its possible causes."""

    start: datetime
    end: datetime
    causes: frozenset[Element]


def _causes_of(event: NetworkEvent, view: View) -> frozenset[Element]:
    return frozenset(cause for each in observed(event).elements for cause in view.topology.causes_of(each))


def _may_have_one(header: ProblemHeader, late: Iterable[_Late], window: timedelta) -> bool:
    """Whether an event may belong to an ended problem: within its time, and explained by its cause."""
    first, last = from_timestamp(header.start_time) - window, from_timestamp(header.end_time) + window
    cause = element_of(header.root_cause)
    return any(each.start <= last and each.end >= first and cause in each.causes for each in late)


def _ended_long_ago(header: ProblemHeader, now: datetime) -> bool:
    return header.HasField("end_time") and _is_over(from_timestamp(header.end_time), now)


def _was_over_long_ago(event: NetworkEvent, now: datetime) -> bool:
    return event.HasField("clear_time") and _is_over(from_timestamp(event.clear_time), now)


def _is_open(event: NetworkEvent | None) -> bool:
    return event is not None and not event.HasField("clear_time")


def _present(book: Book) -> Iterable[NetworkEvent]:
    """The events that are of the network."""
    return (each for each in book.events.values() if not each.retracted)


def _has_lost(header: ProblemHeader, book: Book) -> bool:
    """Whether something that belonged to a problem was retracted."""
    return any(child in book.events and book.events[child].retracted for child in header.child_ids)


def _is_settled(event: NetworkEvent, now: datetime) -> bool:
    """Whether the event ended long ago and was reported long ago: a region may have been cut off meanwhile."""
    return _was_over_long_ago(event, now) and _is_over(from_timestamp(event.tell_time), now)


def _is_over(ended: datetime, now: datetime) -> bool:
    return ended < now - rules.SETTLED_AFTER


def _homes(clusters: Sequence[Cluster], going_on: Mapping[str, Problem]) -> dict[int, str]:
    """The problem that continues as each cluster: the one with most of its events, of two equal ones the older."""
    owner = {child: name for name, each in going_on.items() for child in each.header.child_ids}
    shared: list[tuple[int, int, str, int]] = []
    for number, cluster in enumerate(clusters):
        for name, count in Counter(owner[each] for each in cluster.events if each in owner).items():
            began = to_microseconds(from_timestamp(going_on[name].header.start_time))
            shared.append((-count, began, name, number))
    found: dict[int, str] = {}
    for _, _, name, number in sorted(shared):
        if number not in found and name not in found.values():
            found[number] = name
    return found


def _is_problem(members: Sequence[NetworkEvent], window: int) -> bool:
    return is_problem([observed(each) for each in members], window)


def _new_id(cluster: Cluster, known: Iterable[str], now: datetime) -> str:
    """`problem-<day>-<eight digits>`, determined by the first event and the time of the decision.

    A problem may come back once it was removed. Under its former id, regions would ignore its first versions.
    """
    day = from_microseconds(cluster.start)
    taken, attempt = frozenset(known), 0
    while True:
        told = f"{cluster.events[0]} {cluster.cause.kind.name} {cluster.cause.id} {to_microseconds(now)} {attempt}"
        name = f"problem-{day:%Y%m%d}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
        if name not in taken:
            return name
        attempt += 1


def _header(name: str, cluster: Cluster, members: Sequence[NetworkEvent], view: View) -> ProblemHeader:
    """The header of a problem, without its version and services."""
    is_open = [each for each in members if _is_open(each)]
    spoken = _speaking(cluster.cause, members, view)
    header = ProblemHeader(
        id=name,
        state=rules.IN_PROGRESS if is_open else rules.RESOLVED,
        root_cause=element_message(cluster.cause),
        confidence=cluster.confidence,
        parent_id=_parent(cluster.cause, members).id,
        child_ids=sorted(each.id for each in members),
        severity=_severity(spoken, is_open),
        start_time=min((each.raise_time for each in members), key=_instant),
    )
    if not is_open:
        header.end_time.CopyFrom(max((each.clear_time for each in members), key=_instant))
    _set_condition(header, spoken)
    owner = region_of(view.network, cluster.cause)
    regions = {rules.reporting_region(each.id) for each in members} | ({owner} if owner else set())
    header.regions.extend(sorted(regions))
    return header


def _speaking(cause: Element, members: Sequence[NetworkEvent], view: View) -> list[NetworkEvent]:
    """The members that determine the condition of the cause."""
    found = speaking(cause, [observed(each) for each in members], view.topology, _microseconds(view.window))
    names = {each.id for each in found}
    return [each for each in members if each.id in names]


def _severity(spoken: Sequence[NetworkEvent], is_open: Sequence[NetworkEvent]) -> PerceivedSeverity.ValueType:
    """The worst severity of the determining events. After their end, a customer's own line alone is minor."""
    going_on = [each.severity for each in spoken if _is_open(each)]
    rest = (max(each.severity, rules.MINOR) if each.of_one_line else each.severity for each in is_open)
    return min(going_on, default=None) or min(rest, default=None) or min(each.severity for each in spoken)


def _set_condition(header: ProblemHeader, spoken: Sequence[NetworkEvent]) -> None:
    """Sets the condition of the cause, down or degraded, and its downtime.

    The downtime ends with the last event that reports the cause down, even while other parts of the problem continue.
    """
    going_on = [rules.condition_of(each) for each in spoken if _is_open(each)]
    worst = max(map(rules.condition_of, spoken))
    if header.state == rules.IN_PROGRESS and not going_on:
        worst = min(worst, rules.DEGRADED)
    header.condition = max(going_on, default=rules.NO_CONDITION) or worst
    down = [each for each in spoken if rules.condition_of(each) == rules.DOWN]
    if not down:
        return
    header.down_start_time.CopyFrom(min((each.raise_time for each in down), key=_instant))
    if not any(map(_is_open, down)):
        header.down_end_time.CopyFrom(max((each.clear_time for each in down), key=_instant))


def _parent(cause: Element, members: Sequence[NetworkEvent]) -> NetworkEvent:
    """The event that the others follow.

    The order of rank: an event that names the cause; a fault, an alarm, a customer's report. Then the worst, then the
    first.
    """

    def rank(event: NetworkEvent) -> tuple[bool, bool, bool, int, int, str]:
        names_it = cause in observed(event).elements
        is_fault = event.kind == contract.NETWORK_EVENT_KIND_FAULT
        return not names_it, event.of_one_line, not is_fault, event.severity, _instant(event.raise_time), event.id

    return min(members, key=rank)


def down_now(headers: Iterable[ProblemHeader]) -> frozenset[Element]:
    """The root causes that are down: of problems in progress that customers feel, where one is claimed."""
    return impaired_now(each for each in headers if each.condition != rules.DEGRADED)


def impaired_now(headers: Iterable[ProblemHeader]) -> frozenset[Element]:
    """The root causes that are down or degraded."""
    return frozenset(
        element_of(each.root_cause)
        for each in headers
        if each.state == rules.IN_PROGRESS and each.severity in rules.GRAVE and is_cause_known(each)
    )


def _name_services(
    drafts: Mapping[str, ProblemHeader], cancelled: Iterable[ProblemHeader], book: Book, view: View
) -> None:
    """Names the services that each problem affects.

    These are the reported services, the known ones, those of merged problems, and those that the problem affects by
    itself.
    """
    of_parts: dict[str, set[str]] = {}
    for each in cancelled:
        of_parts.setdefault(each.merged_into_id, set()).update(each.services)
    impaired = impaired_now(drafts.values())
    without_good_way = services_down(view.network, impaired)
    for name, header in drafts.items():
        found = {service for child in header.child_ids for service in book.events[child].services}
        if name in book.problems:
            found.update(book.problems[name].header.services)
        found |= of_parts.get(name, set())
        cause = element_of(header.root_cause)
        if cause in impaired:
            found |= without_good_way & _using(view.network, cause)
        header.services.extend(sorted(found))
        regions = {view.network.services[each].region for each in found if each in view.network.services}
        regions.update(header.regions)
        del header.regions[:]
        header.regions.extend(sorted(regions))


def _using(network: NetworkRegistry, cause: Element) -> set[str]:
    if cause.kind == Kind.SERVICE:
        return {cause.id}
    if cause.kind == Kind.LINK:
        return {each.id for each in network.services_on(links=[cause.id])}
    links = [link.id for link in network.links_at(cause.id)]
    return {each.id for each in network.services_on(sites=[cause.id], links=links)}


def _cancelled(header: ProblemHeader, drafts: Mapping[str, ProblemHeader], book: Book) -> ProblemHeader:
    """A problem whose events now belong to others: it becomes a part of the problem with most of them.

    Where all of its events were retracted, it is cancelled and over.
    """
    own = frozenset(header.child_ids)
    counts = {name: len(own.intersection(each.child_ids)) for name, each in drafts.items() if name != header.id}
    cancelled = ProblemHeader()
    cancelled.CopyFrom(header)
    cancelled.state = rules.CANCELLED
    having = [name for name, count in counts.items() if count]
    cancelled.merged_into_id = min(having, key=lambda name: (-counts[name], name), default="")
    if not cancelled.merged_into_id:
        over = [book.events[each].clear_time for each in own if book.events[each].HasField("clear_time")]
        cancelled.end_time.CopyFrom(max([header.start_time, *over], key=_instant))
    return cancelled


def _changed(drafts: Mapping[str, ProblemHeader], book: Book, view: View) -> Iterable[Problem]:
    for name, header in drafts.items():
        before = book.problems.get(name)
        header.version = before.header.version if before is not None else 0
        if before is not None and before.header == header:
            continue
        header.version += 1
        problem = Problem()
        if before is not None:
            problem.CopyFrom(before)
        problem.header.CopyFrom(header)
        problem.change_time.CopyFrom(to_timestamp(view.now))
        yield problem


def _microseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


def _instant(timestamp: Timestamp) -> int:
    return to_microseconds(from_timestamp(timestamp))


def past(book: Book, now: datetime) -> Decision:
    """The data to remove: problems that ended long ago with their events, and old events without a problem."""
    problems = {name: each for name, each in book.problems.items() if rules.is_past(_ended(each.header), now)}
    kept = {child for name, each in book.problems.items() if name not in problems for child in each.header.child_ids}
    events = [
        each.id
        for each in book.events.values()
        if each.id not in kept and each.HasField("clear_time") and rules.is_past(from_timestamp(each.clear_time), now)
    ]
    return Decision((), sorted(events), sorted(problems))


def _ended(header: ProblemHeader) -> datetime | None:
    if header.state == rules.CANCELLED:
        return from_timestamp(header.start_time)
    return from_timestamp(header.end_time) if header.HasField("end_time") else None
