"""Assignments of numbers in the registry: one list in the order in which they were kept, which only grows.

Each has a revision, its place in the list, and a hash over all up to it. So a reader continues from its mark, and one
whose mark another list gave it, as after a restored backup, begins again.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.api.federation.v1.federation_pb2 import NumberAssignment, NumberAssignmentMark, NumberAssignments

DecideAssignment = Callable[[Sequence[NumberAssignment]], bool]
"""Whether to keep an assignment, from the kept ones of its number. It may be called again."""


class AssignmentRegistry(Protocol):
    """See the module. Each method raises Refused with REGISTRY_UNAVAILABLE where the registry does not respond."""

    async def keep(
        self, assignment: NumberAssignment, certificate: bytes, decide: DecideAssignment, *, actor: str
    ) -> NumberAssignmentMark:
        """Adds a proven assignment with its giver's certificate (PEM), unless `decide` says no.

        Returns a mark up to which the list has it; durable on return, with an audit row. Raises the exceptions of
        `decide`. Of two simultaneous ones of a number, the second is decided anew.
        """
        ...

    async def after(self, mark: NumberAssignmentMark) -> NumberAssignments:
        """The next page of the list after a mark, from its beginning for a mark that the list does not have.

        The certificates of the page come with it. At the end of the list it is empty, with the mark of the end.
        """
        ...

    async def of(self, number: str) -> NumberAssignments:
        """All kept assignments of an E.164 number in the order of the list, with their certificates."""
        ...


def noted_detail(assignment: NumberAssignment) -> str:
    """The detail of an assignment's audit row: without the number, which is personal data."""
    return f"{assignment.giver} to {assignment.region}, sequence {assignment.sequence}"
