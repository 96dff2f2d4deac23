"""Problems of the network in the registry: events, the problems found from them, and the regions that have each.

All of it is durable on return, and shared by the coordinators of a federation. Any of them may decide about problems at
any time. A write compares the basis of the decision, so that of two simultaneous ones the second is decided anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem


@dataclass(frozen=True)
class Book:
    """The coordinators' data: events and problems by id. The messages are shared and must not be changed."""

    events: Mapping[str, NetworkEvent] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)

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

    async def keep_event(self, event: NetworkEvent) -> None:
        """Stores an alarm or a fault, unless a version as high is stored."""
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
