"""Room in the registry for the events of a region: its oldest ended events go, with the problems that they leave.

Pure: the same book gives the same result at every coordinator.
"""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from coordinator.problems import rules
from coordinator.problems.grades import ORDINARY
from coordinator.registry import shares
from coordinator.registry.problem_port import Book, Decision, cancelled_charges, event_charge
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.time.clock import from_timestamp

_REST = timedelta(days=1)  # of an ended problem, in which people and systems still ask for it


@dataclass(frozen=True)
class Told:
    """The versions of problems that regions have accepted, by problem and region, and the regions that count."""

    followed: Mapping[tuple[str, str], int]
    regions: Collection[str]

    def is_known(self, problem: Problem) -> bool:
        """Whether every region has the last version: without it a region would show the problem for ever."""
        header = problem.header
        return all(self.followed.get((header.id, region), 0) >= header.version for region in self.regions)


def is_crowded(book: Book) -> bool:
    """Whether a region has nearly filled its share."""
    return bool(_crowded(book))


def crowded_out(book: Book, told: Told, now: datetime) -> Decision:
    """The data to remove of regions that have nearly filled their share.

    The oldest cancelled problems of such a region go first, then its oldest ended events. Problems lose these events,
    and go with the last one.
    """
    left = _crowded(book)
    if not left:
        return Decision()
    held = {name: each for name, each in book.problems.items() if not _may_go(each, told, now)}
    over = set[str]()
    for problem in sorted(filter(_is_cancelled, book.problems.values()), key=rules.place, reverse=True):
        charges = cancelled_charges(problem)
        if problem.header.id not in held and any(_is_above(left, region) for region in charges):
            over.add(problem.header.id)
            left = {region: charge - charges.get(region, 0) for region, charge in left.items()}
    gone = set[str]()
    for event in _ended(book, left.keys(), {child for each in held.values() for child in each.header.child_ids}):
        region = shares.region_of(event.id)
        if _is_above(left, region):
            gone.add(event.id)
            left[region] -= event_charge(event)
    touched = [each for each in book.problems.values() if not gone.isdisjoint(each.header.child_ids)]
    over |= {each.header.id for each in touched if not _has_event(each, book, gone)}
    trimmed = [_without(each, gone) for each in touched if each.header.id not in over and not _is_cancelled(each)]
    return Decision(trimmed, sorted(gone), sorted(over))


def _crowded(book: Book) -> dict[str, int]:
    """The charges of the regions that have nearly filled their share."""
    return {region: charge for region, charge in book.charges.items() if charge > shares.crowded(shares.EVENTS)}


def _is_above(left: Mapping[str, int], region: str) -> bool:
    return left.get(region, 0) > shares.relieved(shares.EVENTS)


def _may_go(problem: Problem, told: Told, now: datetime) -> bool:
    """Whether a problem and its events may go: long over, known as such, and no accident to account for.

    An ordinary accident has nothing to account for beyond its reports: whatever affects one customer is one.
    """
    if problem.header.state == rules.IN_PROGRESS or rules.has_open_reports(problem):
        return False
    if any(each.grade > ORDINARY for each in problem.grades):
        return False
    last = max(from_timestamp(problem.change_time), from_timestamp(problem.header.end_time))
    return last < now - _REST and told.is_known(problem)


def _ended(book: Book, regions: Set[str], held: Set[str]) -> list[NetworkEvent]:
    """The ended events of regions in the order in which they go, without those that are held."""
    ended = [
        each
        for each in book.events.values()
        if each.HasField("clear_time") and each.id not in held and shares.region_of(each.id) in regions
    ]
    return sorted(ended, key=lambda each: (from_timestamp(each.clear_time), each.id))


def _is_cancelled(problem: Problem) -> bool:
    return problem.header.state == rules.CANCELLED


def _has_event(problem: Problem, book: Book, gone: Set[str]) -> bool:
    return any(child in book.events and child not in gone for child in problem.header.child_ids)


def _without(problem: Problem, gone: Set[str]) -> Problem:
    after = Problem()
    after.CopyFrom(problem)
    after.header.child_ids[:] = [each for each in problem.header.child_ids if each not in gone]
    return after
