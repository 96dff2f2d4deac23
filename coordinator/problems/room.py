"""Room in the registry for the events of a region: its oldest ended events go, with the problems that they leave.

Pure: the same book gives the same result at every coordinator.
"""

from collections.abc import Iterable, Mapping, Set
from datetime import datetime, timedelta

from coordinator.problems import rules
from coordinator.registry import shares
from coordinator.registry.problem_port import Book, Decision, cancelled_charges, event_charge
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.time.clock import from_timestamp

_REST = timedelta(minutes=10)  # in which regions are told of the end of a problem


def crowded_out(book: Book, now: datetime) -> Decision:
    """The data to remove of regions that have nearly filled their share.

    The oldest ended events of such a region go first, those of problems in progress after all others. Problems lose
    these events, and go with the last one. Where the share is still exceeded, cancelled problems go.
    """
    left = {region: charge for region, charge in book.charges.items() if charge > shares.crowded(shares.EVENTS)}
    if not left:
        return Decision()
    gone = set[str]()
    for event in _ended(book, left.keys(), now):
        region = shares.region_of(event.id)
        if left[region] > shares.relieved(shares.EVENTS):
            gone.add(event.id)
            left[region] -= event_charge(event)
    touched = [each for each in book.problems.values() if not gone.isdisjoint(each.header.child_ids)]
    over = {each.header.id for each in touched if not _has_event(each, book, gone)}
    over |= _cancelled_beyond([each for name, each in book.problems.items() if name not in over], left)
    trimmed = [_without(each, gone) for each in touched if each.header.id not in over and not _is_cancelled(each)]
    return Decision(trimmed, sorted(gone), sorted(over))


def _ended(book: Book, regions: Set[str], now: datetime) -> list[NetworkEvent]:
    """The ended events of regions in the order in which they go."""
    problems = [each for each in book.problems.values() if not _is_cancelled(each)]
    in_progress = {child: _goes_on(each) for each in problems for child in each.header.child_ids}

    def may_go(event: NetworkEvent) -> bool:
        is_settled = in_progress.get(event.id, True) or from_timestamp(event.tell_time) < now - _REST
        return event.HasField("clear_time") and is_settled and shares.region_of(event.id) in regions

    def place(event: NetworkEvent) -> tuple[bool, datetime, str]:
        return in_progress.get(event.id, False), from_timestamp(event.clear_time), event.id

    return sorted(filter(may_go, book.events.values()), key=place)


def _is_cancelled(problem: Problem) -> bool:
    return problem.header.state == rules.CANCELLED


def _goes_on(problem: Problem) -> bool:
    return problem.header.state == rules.IN_PROGRESS


def _has_event(problem: Problem, book: Book, gone: Set[str]) -> bool:
    return any(child in book.events and child not in gone for child in problem.header.child_ids)


def _without(problem: Problem, gone: Set[str]) -> Problem:
    after = Problem()
    after.CopyFrom(problem)
    after.header.child_ids[:] = [each for each in problem.header.child_ids if each not in gone]
    return after


def _cancelled_beyond(problems: Iterable[Problem], left: Mapping[str, int]) -> set[str]:
    """The oldest cancelled problems that have to go; `left` are the charges of the regions without ended events."""
    excess = {region: charge - shares.EVENTS for region, charge in left.items() if charge > shares.EVENTS}
    found = set[str]()
    for each in sorted(filter(_is_cancelled, problems), key=rules.place, reverse=True):
        charges = cancelled_charges(each)
        if any(excess.get(region, 0) > 0 for region in charges):
            found.add(each.header.id)
            excess = {region: beyond - charges.get(region, 0) for region, beyond in excess.items()}
    return found
