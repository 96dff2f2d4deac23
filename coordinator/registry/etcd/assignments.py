"""Assignments of numbers in etcd: a key for each by its revision, and one for all of a number.

Coordinators copy the mark alone, which every change writes and compares.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from coordinator.registry.assignment_port import DecideAssignment, noted_detail
from coordinator.registry.etcd import values
from coordinator.registry.etcd.changes import Change, Found, Noted, Put
from coordinator.registry.etcd.client import Read
from coordinator.registry.etcd.copy import Entry
from coordinator.registry.etcd.keys import KeyRange, Keys
from coordinator.registry.etcd.problems import readable
from gateway.api.federation.v1.federation_pb2 import NumberAssignment, NumberAssignmentMark, NumberAssignments
from gateway.federation.assignments import PAGE, mark_after
from gateway.time.clock import Clock

_KEYS_AT_ONCE = 100  # etcd takes 128 operations


@dataclass(frozen=True)
class AssignmentPorts:
    """The registry's functions for this part. Each raises Refused with REGISTRY_UNAVAILABLE."""

    keys: Keys
    clock: Clock
    read: Callable[[Sequence[KeyRange]], Awaitable[Read]]
    change: Callable[[Sequence[bytes], Callable[[Found], Change | None], datetime], Awaitable[int]]
    """Makes a change with an audit row, which the copy contains on return."""


class EtcdAssignments:
    """See the port."""

    def __init__(self, ports: AssignmentPorts) -> None:
        self._ports = ports
        self._keys = ports.keys

    async def keep(
        self, assignment: NumberAssignment, certificate: bytes, decide: DecideAssignment, *, actor: str
    ) -> NumberAssignmentMark:
        """See the port."""
        end, of_number = self._keys.assignment_mark, self._keys.assignments_of(assignment.number)
        mark = NumberAssignmentMark()

        def change(found: Found) -> Change | None:
            nonlocal mark
            kept = _assignments(found[of_number]).assignments if of_number in found else ()
            mark = values.decode_mark(found[end].value) if end in found else NumberAssignmentMark()
            if not decide(kept):
                return None
            mark = mark_after(mark, assignment)
            row = NumberAssignments(assignments=[assignment], mark=mark)
            puts = {
                end: values.encode_mark(mark),
                of_number: values.encode_assignments(NumberAssignments(assignments=[*kept, assignment])),
                self._keys.assignment(mark.revision): values.encode_assignments(row),
                self._keys.assignment_certificate(assignment.certificate_hash): values.encode_certificate(certificate),
            }
            subject = f"number-assignment/{mark.revision}"
            noted = Noted(actor, "NUMBER_ASSIGNED", subject, noted_detail(assignment))
            return Change({key: Put(value) for key, value in puts.items()}, noted=noted)

        await self._ports.change([end, of_number], change, self._ports.clock.now())
        return mark

    async def after(self, mark: NumberAssignmentMark) -> NumberAssignments:
        """See the port."""
        rows = await self._rows(mark.revision, mark.revision + PAGE + 1)
        if mark.revision and (not rows or rows[0].mark != mark):
            mark, rows = NumberAssignmentMark(), await self._rows(1, PAGE + 1)
        later = [each for each in rows if each.mark.revision > mark.revision]
        page = await self._with_certificates(each.assignments[0] for each in later[:PAGE])
        page.mark.CopyFrom(later[:PAGE][-1].mark if later else mark)
        page.has_more = len(later) > PAGE
        return page

    async def of(self, number: str) -> NumberAssignments:
        """See the port."""
        key = self._keys.assignments_of(number)
        found = await self._entries([key])
        return await self._with_certificates(_assignments(found[key]).assignments if found else ())

    async def _rows(self, first: int, last: int) -> list[NumberAssignments]:
        wanted = KeyRange(self._keys.assignment(first), self._keys.assignment(last + 1))
        entries = (await self._ports.read([wanted])).entries
        return [_assignments(entries[key]) for key in sorted(entries)]

    async def _with_certificates(self, assignments: Iterable[NumberAssignment]) -> NumberAssignments:
        found = NumberAssignments(assignments=assignments)
        hashes = dict.fromkeys(each.certificate_hash for each in found.assignments)
        entries = await self._entries([self._keys.assignment_certificate(each) for each in hashes])
        with readable():
            found.signing_certificates.extend(values.decode_certificate(each.value) for each in entries.values())
        return found

    async def _entries(self, keys: Sequence[bytes]) -> dict[bytes, Entry]:
        found: dict[bytes, Entry] = {}
        for begin in range(0, len(keys), _KEYS_AT_ONCE):
            ranges = [KeyRange(key, key + b"\0") for key in keys[begin : begin + _KEYS_AT_ONCE]]
            found |= (await self._ports.read(ranges)).entries
        return found


def _assignments(entry: Entry) -> NumberAssignments:
    with readable():
        return values.decode_assignments(entry.value)
