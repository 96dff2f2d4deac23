"""Finds the alarms and faults with a common cause, and the cause. Pure: the order of events does not matter.

Covers all events by the fewest causes that explain them. Each link, site and service is a candidate. The events that it
explains form episodes in time. An episode is worth its explained events, weighted by the share of the expected events
that was seen. The best episode takes its events, then the best of the rest, until none is left. The candidate is
claimed as the cause only with enough evidence.
"""

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from coordinator.problems.evidence import Witness, confidence, evidence, points_of
from coordinator.problems.topology import Element, Kind, Topology

# The weight of a cause by its evidence.
_SEEN = 1.0  # a link with events of its own
_BOTH_ENDS = 0.5  # a link with events only at its two ends
_USERS_ALONE = 0.35  # a link that only services speak for
_SITE_ITSELF = 0.5  # a site with events of its own and healthy links
_SITE_LEAST = 0.1
_SERVICE = 0.3  # a service: where two services share a failed element, that element is the likelier cause
_FOR_EVER = 2**62
_CRITICAL, _MAJOR, _MINOR = 1, 2, 3  # severities
_GRAVE = _MAJOR  # or worse, or unspecified
_MOST = 0.75  # of the links at a site: so many do not fail independently at the same time
_SEVERAL = 3  # links, or customers
_HALF = 0.5  # of them, where the site has events of its own
# How much a symptom counts by its severity, from critical to indeterminate: small ones are everywhere.
_BY_SEVERITY = (1.0, 1.0, 1.0, 0.5, 0.3, 0.3)


@dataclass(frozen=True)
class Observed:
    """The part of an alarm or a fault that correlation uses; times in microseconds."""

    id: str
    elements: frozenset[Element]
    raised: int
    cleared: int | None = None
    severity: int = 0
    """As PerceivedSeverity: 1 is the worst, 0 is unspecified."""
    is_fault: bool = False
    is_of_one_line: bool = False
    """Whether a single customer reports the own line. A claim needs several such reports, or an alarm."""


@dataclass(frozen=True)
class Cluster:
    """Events with one probable cause, and when the first of them began."""

    cause: Element
    start: int
    events: tuple[str, ...]
    confidence: int
    """The confidence in the cause, in percent. 0: the cause is unknown, and the events only share this element."""


def is_problem(events: Sequence[Observed], window: int) -> bool:
    """Whether events with one cause are a problem: a single minor alarm is none, nor are many minor ones.

    Customers' reports of their own lines are none either, unless several fall within `window`, in microseconds.
    """
    is_alone = len(events) == 1 and not events[0].is_fault
    grave = [each for each in events if each.severity in (_CRITICAL, _MAJOR)]
    if _several_at(grave, window) is None:
        grave = [each for each in grave if not each.is_of_one_line]
    return (bool(grave) and not is_alone) or any(each.severity == _CRITICAL for each in grave)


def _several_at(events: Iterable[Observed], window: int) -> int | None:
    """When as many customers as make a problem had reported of their own lines within a window."""
    lines = sorted(each.raised for each in events if each.is_of_one_line and each.severity in (_CRITICAL, _MAJOR))
    several = zip(lines, lines[_SEVERAL - 1 :], strict=False)
    return next((last for first, last in several if last - first <= window), None)


def speaking(cause: Element, events: Sequence[Observed], topology: Topology, window: int) -> list[Observed]:
    """The events that determine the condition of a cause: those that name it, where they suffice for a claim.

    Otherwise all events that count as evidence. Customers' reports of their own lines count only without any other
    event. `events` are those of the cause in the order of time; `window` is in microseconds.
    """
    told = [_specific(each, topology) for each in events]
    grave = [each for each in told if _points(each) and not each.is_of_one_line]
    own = [each for each in grave if cause in each.elements]
    return own if _confidence(cause, own, window) else grave or told


@dataclass
class _Episode:
    """The events that one candidate explains in one span of time. `groups` are equivalent events."""

    cause: Element
    start: int
    fit: float = 0.0
    is_told: bool = False
    """Whether the events admit hardly any other cause, so that the candidate is a cause in any case."""
    groups: dict[frozenset[Element], list[int]] = field(default_factory=dict)
    weights: dict[frozenset[Element], float] = field(default_factory=dict)

    def own(self) -> list[int]:
        """The events that name the cause, in the order of time."""
        return sorted(each for signature, members in self.groups.items() if self.cause in signature for each in members)

    def worth(self, is_taken: Sequence[bool]) -> float:
        """The worth of the events that are not taken. Several equivalent events count more than one."""
        worth = 0.0
        for signature, members in self.groups.items():
            if any(not is_taken[each] for each in members):
                worth += self.weights[signature] * len(members) / (len(members) + 1)
        return worth * self.fit

    def take(self, is_taken: list[bool]) -> list[int]:
        """Takes all that is left."""
        mine = [each for members in self.groups.values() for each in members if not is_taken[each]]
        for each in mine:
            is_taken[each] = True
        return mine


def correlate(events: Iterable[Observed], topology: Topology, window: int) -> list[Cluster]:
    """All events, each in one cluster, in the order in which the clusters begin.

    `window`, in microseconds, is the longest time from a cause to the start of a symptom. It is also the longest time
    by which a symptom may precede the report of its cause.
    """
    ordered = [_specific(each, topology) for each in sorted(events, key=lambda each: (each.raised, each.id))]
    seen = _Seen(ordered)
    episodes: list[_Episode] = []
    for cause, explained in _explained(ordered, topology).items():
        episodes += _episodes(cause, explained, ordered, window)
    for each in episodes:
        each.fit = _fit(each, topology, seen, window)
        each.is_told = _has_to_be(each, topology, seen, ordered, window)
    chosen = _settled(_covered(episodes, len(ordered)), ordered, window)
    found = [
        Cluster(
            cause,
            ordered[mine[0]].raised,
            tuple(ordered[each].id for each in mine),
            _confidence(cause, (ordered[each] for each in mine), window),
        )
        for cause, all_of_it in chosen
        for mine in _apart(all_of_it, ordered, window)
    ]
    return sorted(found, key=lambda each: (each.start, each.cause))


def _apart(mine: list[int], ordered: Sequence[Observed], window: int) -> list[list[int]]:
    """Separates customers' reports of their own lines after all other events: they do not prolong a cluster."""
    parts: list[list[int]] = []
    left = mine
    while left:
        end = _end([ordered[each] for each in left], window)
        late = [each for each in left if ordered[each].is_of_one_line and ordered[each].raised > end]
        apart = frozenset(late)
        parts.append([each for each in left if each not in apart])
        left = late
    return parts


def _end(events: Sequence[Observed], window: int) -> int:
    """The end of events in the order of time, without customers' reports of their own lines.

    With only such reports: the end of the reports that made the problem.
    """
    rest = [each for each in events if not each.is_of_one_line]
    if rest:
        return max(map(_cleared, rest))
    end = _several_at(events, window)
    if end is None:
        return _FOR_EVER
    for each in events:
        if each.raised > end:
            break
        end = max(end, _cleared(each))
    return end


def _cleared(event: Observed) -> int:
    return _FOR_EVER if event.cleared is None else event.cleared


def _specific(event: Observed, topology: Topology) -> Observed:
    """An event without the sites from which a link is monitored: their reports show that they are healthy."""
    ends = {end for each in event.elements if each.kind == Kind.LINK for end in topology.expected(each)}
    return replace(event, elements=event.elements - ends) if not ends.isdisjoint(event.elements) else event


def _confidence(cause: Element, events: Iterable[Observed], window: int) -> int:
    """The confidence that a cause is behind some events; see `evidence`."""
    witnesses = (Witness(each.raised, each.elements, _points(each), cause in each.elements) for each in events)
    return confidence(evidence(witnesses, window))


def _points(event: Observed) -> int:
    return points_of(event.severity, is_fault=event.is_fault, is_of_one_line=event.is_of_one_line)


class _Seen:
    """The times of grave events of each element, without customers' reports of their own lines."""

    def __init__(self, ordered: Sequence[Observed]) -> None:
        self._times: dict[Element, list[int]] = {}
        for event in ordered:
            is_told = event.severity <= _GRAVE and not event.is_of_one_line
            for element in event.elements if is_told else ():
                self._times.setdefault(element, []).append(event.raised)

    def between(self, element: Element, first: int, last: int) -> bool:
        """Whether an element has an event from `first` to `last`."""
        times = self._times.get(element, [])
        place = bisect_left(times, first)
        return place < len(times) and times[place] <= last


def _explained(ordered: Sequence[Observed], topology: Topology) -> Mapping[Element, list[tuple[int, float]]]:
    """For each candidate, the events that it would explain in the order of time, by their place, and how well."""
    found: dict[Element, list[tuple[int, float]]] = {}
    by_signature: dict[frozenset[Element], dict[Element, float]] = {}
    for place, event in enumerate(ordered):
        causes = by_signature.get(event.elements)
        if causes is None:
            causes = by_signature[event.elements] = _causes(event.elements, topology)
        for cause, weight in causes.items():
            found.setdefault(cause, []).append((place, weight))
    return found


def _causes(elements: frozenset[Element], topology: Topology) -> dict[Element, float]:
    causes: dict[Element, float] = {}
    for element in sorted(elements):
        for cause, weight in topology.causes_of(element).items():
            causes[cause] = max(weight, causes.get(cause, 0.0))
    return causes


@dataclass
class _Stretch:
    """A span with events of the candidate itself. Other events may follow until `last`, services until `reach`."""

    first: int
    last: int
    reach: int
    episode: _Episode


def _episodes(
    cause: Element, explained: Sequence[tuple[int, float]], ordered: Sequence[Observed], window: int
) -> list[_Episode]:
    """The events that a candidate explains, by spans of time: the spans with its own events, then the rest."""
    stretches = _stretches(cause, explained, ordered, window)
    left: list[tuple[int, float]] = []
    at = 0
    for place, weight in explained:
        event = ordered[place]
        if cause in event.elements:
            continue
        while at < len(stretches) and stretches[at].reach < event.raised:
            at += 1
        home = next((each for each in stretches[at : at + 2] if _holds(each, event)), None)
        if home is None:
            left.append((place, weight))
        else:
            _add(home.episode, place, event, weight)
    found = [each.episode for each in stretches]
    alone: _Episode | None = None
    for place, weight in left:
        event = ordered[place]
        if alone is None or event.raised > alone.start + window:
            alone = _Episode(cause, event.raised)
            found.append(alone)
        _add(alone, place, event, weight)
    return found


def _stretches(
    cause: Element, explained: Sequence[tuple[int, float]], ordered: Sequence[Observed], window: int
) -> list[_Stretch]:
    found: list[_Stretch] = []
    for place, weight in explained:
        event = ordered[place]
        if cause not in event.elements:
            continue
        cleared = event.raised if event.is_of_one_line else event.cleared
        reach = _FOR_EVER if cleared is None else max(cleared, event.raised) + window
        if not found or event.raised > found[-1].reach:
            episode = _Episode(cause, event.raised)
            found.append(_Stretch(event.raised - window, event.raised + window, reach, episode))
        else:
            found[-1].last = event.raised + window
            found[-1].reach = max(found[-1].reach, reach)
        _add(found[-1].episode, place, event, weight)
    return found


def _holds(stretch: _Stretch, event: Observed) -> bool:
    """Whether a symptom falls into a stretch: customers' reports may come as long as the cause lasts."""
    is_service = all(each.kind == Kind.SERVICE for each in event.elements)
    return stretch.first <= event.raised <= (stretch.reach if is_service else min(stretch.last, stretch.reach))


def _add(episode: _Episode, place: int, event: Observed, weight: float) -> None:
    weight *= _BY_SEVERITY[max(event.severity, _MINOR) if event.is_of_one_line else event.severity]
    episode.start = min(episode.start, event.raised)
    episode.groups.setdefault(event.elements, []).append(place)
    episode.weights[event.elements] = max(weight, episode.weights.get(event.elements, 0.0))


def _fit(episode: _Episode, topology: Topology, seen: _Seen, window: int) -> float:
    """The share of a cause's expected events that was seen, up to 1."""
    cause = episode.cause
    if cause.kind == Kind.SERVICE:
        return _SERVICE
    is_seen = bool(episode.own())
    heard, around = _heard(episode, topology, seen, window)
    if cause.kind == Kind.LINK:
        if is_seen:
            return _SEEN
        return _BOTH_ENDS if around and heard == around else _USERS_ALONE
    is_grave = is_seen and seen.between(cause, *_when(episode, window))
    share = ((2 if is_grave else 0) + heard) / (2 + around)
    return max(share * share, _SITE_ITSELF if is_seen else _SITE_LEAST)


def _has_to_be(episode: _Episode, topology: Topology, seen: _Seen, ordered: Sequence[Observed], window: int) -> bool:
    """Whether a cause is certain: a link with enough events of its own, or a site with enough links."""
    if episode.cause.kind == Kind.SERVICE:
        return False
    is_claimed = _confidence(episode.cause, (ordered[each] for each in episode.own()), window) > 0
    if episode.cause.kind == Kind.LINK:
        return is_claimed
    heard, around = _heard(episode, topology, seen, window)
    if is_claimed:
        return heard >= _HALF * around
    return heard >= max(_SEVERAL, _MOST * around)


def _heard(episode: _Episode, topology: Topology, seen: _Seen, window: int) -> tuple[int, int]:
    """The number of elements that would show the cause, with a grave event and in all."""
    around = topology.expected(episode.cause)
    first, last = _when(episode, window)
    return sum(1 for each in around if seen.between(each, first, last)), len(around)


def _when(episode: _Episode, window: int) -> tuple[int, int]:
    """The span in which other elements would have shown the cause."""
    return episode.start - window, episode.start + 2 * window


_Chosen = list[tuple[_Episode, list[int]]]


def _covered(episodes: Sequence[_Episode], events: int) -> _Chosen:
    """Greedy cover, best first.

    The worth of an episode only falls as others take events, so it is computed again at its turn.
    """
    is_taken = [False] * events
    waiting = [
        (not each.is_told, -each.worth(is_taken), each.cause, each.start, place) for place, each in enumerate(episodes)
    ]
    heapq.heapify(waiting)
    found: _Chosen = []
    while waiting:
        is_guess, told, cause, start, place = heapq.heappop(waiting)
        worth = -episodes[place].worth(is_taken)
        if worth == 0.0:
            continue
        if worth > told:
            heapq.heappush(waiting, (is_guess, worth, cause, start, place))
            continue
        found.append((episodes[place], episodes[place].take(is_taken)))
    return found


def _settled(chosen: _Chosen, ordered: Sequence[Observed], window: int) -> list[tuple[Element, list[int]]]:
    """Gives each symptom to the chosen cause with the latest and best events before its start."""
    told = [[ordered[each].raised for each in episode.own()] for episode, _ in chosen]
    causes_of: dict[int, list[int]] = {}
    for number, (episode, _) in enumerate(chosen):
        for signature, members in episode.groups.items():
            for each in members if episode.is_told and episode.cause not in signature else ():
                causes_of.setdefault(each, []).append(number)
    found: list[list[int]] = [[] for _ in chosen]
    for number, (episode, mine) in enumerate(chosen):
        began: dict[frozenset[Element], int] = {}
        for each in sorted(mine):
            event = ordered[each]
            first = began.setdefault(event.elements, event.raised)
            if episode.cause in event.elements:
                found[number].append(each)
            else:
                near = [
                    (_nearness(told[other], first, window), other == number, -other)
                    for other in causes_of.get(each, ())
                ]
                best = max(near, default=(0.0, True, -number))
                found[-best[2] if best[0] > 0.0 else number].append(each)
    return [(episode.cause, sorted(mine)) for (episode, _), mine in zip(chosen, found, strict=True) if mine]


def _nearness(told: Sequence[int], began: int, window: int) -> float:
    """The likelihood, by time, that a symptom has a cause: many events, shortly before. 0 for later ones only."""
    before = bisect_right(told, began)
    if not before:
        return 0.0
    often = len(told) / (len(told) + 1)
    return often + window / (window + began - told[before - 1])
