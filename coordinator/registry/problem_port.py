"""Problems of the network in the registry: events, the problems found from them, and the regions that have each.

All of it is durable on return, and shared by the coordinators of a federation. Any of them may decide about problems at
any time. A write compares the basis of the decision, so that of two simultaneous ones the second is decided anew.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from coordinator.registry import shares
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.api.federation.v1 import problem_pb2

# A problem without the ids of its events, with the version that each of 31 regions has accepted.
_PROBLEM = 4 * 1024


@dataclass(frozen=True)
class Book:
    """The coordinators' data: events and problems by id. The messages are shared and must not be changed."""

    events: Mapping[str, NetworkEvent] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)

    @cached_property
    def charges(self) -> Mapping[str, int]:
        """The charges of all records, by the regions that reported them.

        A cancelled problem counts in parts for the regions that reported its events, any other one with its events.
        """
        found = Counter[str]()
        for event in self.events.values():
            found[shares.region_of(event.id)] += event_charge(event)
        for problem in self.problems.values():
            if problem.header.state == problem_pb2.PROBLEM_STATE_CANCELLED:
                found.update(cancelled_charges(problem))
        return found

    def after(self, decision: "Decision") -> "Book":
        """The book after a decision."""
        if decision.is_empty:
            return self
        no_events, no_problems = set(decision.forgotten_events), set(decision.forgotten_problems)
        problems = {**self.problems, **{each.header.id: each for each in decision.problems}}
        return Book(
            {name: each for name, each in self.events.items() if name not in no_events},
            {name: each for name, each in problems.items() if name not in no_problems},
        )


def event_charge(event: NetworkEvent) -> int:
    """The charge of an event: for itself, a problem of its own, and what it names.

    So its end and each change of times, severity or kind need no further room.
    """
    return _PROBLEM + shares.whole(sum(map(len, (event.problem_id, *event.sites, *event.links, *event.services))))


def growth_of(event: NetworkEvent, before: NetworkEvent | None) -> int:
    """How much more a version of an event takes than the stored one; None where none is stored."""
    return event_charge(event) - (event_charge(before) if before is not None else 0)


def cancelled_charges(problem: Problem) -> Mapping[str, int]:
    """The charge of a cancelled problem, by the regions that reported its events."""
    reported = Counter(map(shares.region_of, problem.header.child_ids))
    size = _PROBLEM + shares.whole(problem.ByteSize())
    return {region: -(-size * count // reported.total()) for region, count in reported.items()}


@dataclass(frozen=True)
class Decision:
    """The changes to write."""

    problems: Sequence[Problem] = ()
    """New and changed problems."""
    forgotten_events: Sequence[str] = ()
    forgotten_problems: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.problems or self.forgotten_events or self.forgotten_problems)

    @property
    def written(self) -> int:
        """The bytes of its problems, with the version of each that every region accepts then."""
        return sum(_PROBLEM + each.ByteSize() for each in self.problems)


@dataclass(frozen=True)
class Administered:
    """The audit row of an administrator's change."""

    actor: str
    action: str
    subject: str
    detail: str = ""


Decide = Callable[[Book], Decision]
"""Decides from the current book. It may be called again, and runs beside the event loop."""


class ProblemRegistry(Protocol):
    """See the module. Reports of regions leave no audit row; an administrator's action leaves one.

    Each method raises Refused with REGISTRY_UNAVAILABLE where the registry does not respond.
    """

    async def keep_event(self, event: NetworkEvent) -> bool:
        """Stores an alarm or a fault, unless a version as high is stored.

        Returns False, and stores nothing, where the share of its region has no room for it. Raises Refused with
        TOO_BUSY where the region has no room for changes.
        """
        ...

    async def book(self) -> Book:
        """The whole book."""
        ...

    async def change(self, decide: Decide, by: Administered | None = None) -> Book:
        """Writes the decision about the book, unchanged until the write. Returns the book after it."""
        ...

    async def followed(self) -> Mapping[tuple[str, str], int]:
        """The last accepted version, by problem and region."""
        ...

    async def note_followed(self, problem: str, region: str, version: int) -> None:
        """Notes that a region has accepted a version of a problem."""
        ...
