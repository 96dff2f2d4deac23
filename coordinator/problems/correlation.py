"""Which alarms and faults have one cause, and which. Pure: the same events give the same, in whatever order they come.

A cover of all events by as few causes as explain them: each link, site and service is a candidate. What it would
explain is split in time into episodes, and each episode is worth what it explains, weighed by how much of what it
would let one expect was seen. The best one takes its events, then the best of what is left, until none is left.
What groups events in this way is claimed to be their cause only where enough speaks for it.
"""

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from coordinator.problems.evidence import Witness, confidence, evidence, points_of
from coordinator.problems.topology import Element, Kind, Topology

# How much a cause is worth of what it explains.
_SEEN = 1.0  # a link that is told of itself
_BOTH_ENDS = 0.5  # a link of which only the two ends are heard
_USERS_ALONE = 0.35  # a link that only services speak for
_SITE_ITSELF = 0.5  # a site that is told of and whose links are well
_SITE_LEAST = 0.1
_SERVICE = 0.3  # a service: what it stands on is the likelier cause where two services agree on it
_FOR_EVER = 2**62
_CRITICAL, _MAJOR, _MINOR = 1, 2, 3  # severities
_GRAVE = _MAJOR  # or worse, or not said
_MOST = 0.75  # of the links at a site: so many do not fail by themselves at the same time
_SEVERAL = 3  # links, or customers
_HALF = 0.5  # of them, where the site itself is told of
# How much a symptom counts by its severity, from critical to indeterminate: small ones are everywhere.
_BY_SEVERITY = (1.0, 1.0, 1.0, 0.5, 0.3, 0.3)


@dataclass(frozen=True)
class Observed:
    """An alarm or a fault, as far as correlation looks at it; times in microseconds."""

    id: str
    elements: frozenset[Element]
    raised: int
    cleared: int | None = None
    severity: int = 0
    """As PerceivedSeverity: 1 is the worst, 0 is not said."""
    is_fault: bool = False
    is_of_one_line: bool = False
    """Whether one customer reports it of the own line: it takes several of them, or an alarm, to speak for a cause."""


@dataclass(frozen=True)
class Cluster:
    """Events with one probable cause, and when the first of them began."""

    cause: Element
    start: int
    events: tuple[str, ...]
    confidence: int
    """How sure the cause is, in percent. 0: the cause is not known, they only have this element in common."""


def is_problem(events: Sequence[Observed], window: int) -> bool:
    """Whether events with one cause are a problem: one small alarm by itself is none, nor are many small ones.

    What customers report of their own lines is none either, unless several do within a window, in microseconds.
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
    """The events that say how bad a cause is: those that name it, where they are enough to claim it.

    Else these are all that count as evidence. What customers report of their own lines says so only where nothing else
    does. `events` are those of the cause in the order of time, `window` is in microseconds.
    """
    told = [_specific(each, topology) for each in events]
    grave = [each for each in told if _points(each) and not each.is_of_one_line]
    own = [each for each in grave if cause in each.elements]
    return own if _confidence(cause, own, window) else grave or told


@dataclass
class _Episode:
    """What one candidate would explain in one stretch of time. `groups` are events that say the same."""

    cause: Element
    start: int
    fit: float = 0.0
    is_told: bool = False
    """Whether what is told leaves little else to think of: it has to be somebody's cause in any case."""
    groups: dict[frozenset[Element], list[int]] = field(default_factory=dict)
    weights: dict[frozenset[Element], float] = field(default_factory=dict)

    def own(self) -> list[int]:
        """What names the cause, in the order of time."""
        return sorted(each for signature, members in self.groups.items() if self.cause in signature for each in members)

    def worth(self, is_taken: Sequence[bool]) -> float:
        """What it explains of what is not taken. Many that say the same are believed more than one."""
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
    """All events, each in one cluster, by when the clusters begin.

    `window`, in microseconds: so long after its cause a symptom may begin, and so long before it be told.
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
    """What customers report of their own lines once all the rest is over is apart from that: it does not go on."""
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
    """When some events in the order of time are over, but for what customers report of their own lines.

    Where there is nothing else: when the lines of the several customers that made it a problem are mended.
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
    """An event without the sites from which a link is watched: those that report are well."""
    ends = {end for each in event.elements if each.kind == Kind.LINK for end in topology.expected(each)}
    return replace(event, elements=event.elements - ends) if not ends.isdisjoint(event.elements) else event


def _confidence(cause: Element, events: Iterable[Observed], window: int) -> int:
    """How sure it is that a cause is behind some events; see `evidence`."""
    witnesses = (Witness(each.raised, each.elements, _points(each), cause in each.elements) for each in events)
    return confidence(evidence(witnesses, window))


def _points(event: Observed) -> int:
    return points_of(event.severity, is_fault=event.is_fault, is_of_one_line=event.is_of_one_line)


class _Seen:
    """When something grave was told of each element, but by customers of their own lines."""

    def __init__(self, ordered: Sequence[Observed]) -> None:
        self._times: dict[Element, list[int]] = {}
        for event in ordered:
            is_told = event.severity <= _GRAVE and not event.is_of_one_line
            for element in event.elements if is_told else ():
                self._times.setdefault(element, []).append(event.raised)

    def between(self, element: Element, first: int, last: int) -> bool:
        """Whether something was told of an element from `first` to `last`."""
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
    """A stretch in which a candidate is told of itself; others may follow until `last`, services until `reach`."""

    first: int
    last: int
    reach: int
    episode: _Episode


def _episodes(
    cause: Element, explained: Sequence[tuple[int, float]], ordered: Sequence[Observed], window: int
) -> list[_Episode]:
    """What a candidate explains, apart by stretches of time: those in which it is told of, then what is left over."""
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
    """Whether a symptom falls into a stretch: what customers report may come as long as the cause is there."""
    is_service = all(each.kind == Kind.SERVICE for each in event.elements)
    return stretch.first <= event.raised <= (stretch.reach if is_service else min(stretch.last, stretch.reach))


def _add(episode: _Episode, place: int, event: Observed, weight: float) -> None:
    weight *= _BY_SEVERITY[max(event.severity, _MINOR) if event.is_of_one_line else event.severity]
    episode.start = min(episode.start, event.raised)
    episode.groups.setdefault(event.elements, []).append(place)
    episode.weights[event.elements] = max(weight, episode.weights.get(event.elements, 0.0))


def _fit(episode: _Episode, topology: Topology, seen: _Seen, window: int) -> float:
    """How much of what a cause would let one expect was seen, up to 1."""
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
    """Whether a cause has to be one in any case: of a link enough is told of itself, of a site of the links there."""
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
    """Of how many of those that would tell of a cause something grave was told, and how many there are."""
    around = topology.expected(episode.cause)
    first, last = _when(episode, window)
    return sum(1 for each in around if seen.between(each, first, last)), len(around)


def _when(episode: _Episode, window: int) -> tuple[int, int]:
    """In what time others would have told of a cause."""
    return episode.start - window, episode.start + 2 * window


_Chosen = list[tuple[_Episode, list[int]]]


def _covered(episodes: Sequence[_Episode], events: int) -> _Chosen:
    """The best first. What one is worth only falls as others take, so that it is looked at again when it is up."""
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
    """Gives each symptom to that of the chosen causes which was told of last before it began, and best."""
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
    """How likely a symptom is that of a cause by time: told of often, and not long before. 0 where only afterwards."""
    before = bisect_right(told, began)
    if not before:
        return 0.0
    often = len(told) / (len(told) + 1)
    return often + window / (window + began - told[before - 1])
