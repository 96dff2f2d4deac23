"""Records in the registry: one entry each, shared by the coordinators of a federation and durable on return.

Risks and enrolments are such records. A write compares the record of the decision, so that of two simultaneous ones the
second is decided anew.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from coordinator.registry.problem_port import Administered

M = TypeVar("M", bound=Message)
DecideRecord = Callable[[M | None], M | None]
"""The record after a change, from the stored one; None changes nothing. It may be called again."""


class RecordRegistry(Protocol[M]):
    """The records of one kind. A change leaves an audit row where `by` names who made it, as an administrator.

    Each method raises Refused with REGISTRY_UNAVAILABLE where the registry does not respond.
    """

    async def all(self) -> Sequence[M]:
        """All records, by id."""
        ...

    async def find(self, record_id: str) -> M | None:
        """The record with an id."""
        ...

    async def change(self, record_id: str, decide: DecideRecord[M], by: Administered | None = None) -> M | None:
        """Stores the result of `decide` and returns the stored record, if any. Raises the exceptions of `decide`."""
        ...

    async def remove(self, record_id: str) -> None:
        """Removes a record for good; nothing happens without one."""
        ...
