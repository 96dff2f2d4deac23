"""Assignments of numbers in the embedded registry: one transaction each."""

from collections.abc import Iterable
from dataclasses import dataclass

from coordinator.registry.assignment_port import DecideAssignment, noted_detail
from gateway.api.federation.v1.federation_pb2 import NumberAssignment, NumberAssignmentMark, NumberAssignments
from gateway.auditing import audit
from gateway.federation.assignments import PAGE, mark_after
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock

_LAST = "SELECT revision, hash FROM number_assignments ORDER BY revision DESC LIMIT 1"
_OF_NUMBER = "SELECT content FROM number_assignments WHERE number = :number ORDER BY revision"


@dataclass(frozen=True)
class NumberAssigned:
    """Published when an assignment was kept: the end of the list since then."""

    mark: NumberAssignmentMark


class EmbeddedAssignments:
    """See the port."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def keep(
        self, assignment: NumberAssignment, certificate: bytes, decide: DecideAssignment, *, actor: str
    ) -> NumberAssignmentMark:
        """See the port."""
        return await self._store.write(lambda tx: self._keep(tx, assignment, certificate, decide, actor))

    async def after(self, mark: NumberAssignmentMark) -> NumberAssignments:
        """See the port."""
        return await self._store.read(lambda tx: _after(tx, mark))

    async def of(self, number: str) -> NumberAssignments:
        """See the port."""
        return await self._store.read(lambda tx: _with_certificates(tx, _of_number(tx, number)))

    def _keep(
        self, tx: Transaction, assignment: NumberAssignment, certificate: bytes, decide: DecideAssignment, actor: str
    ) -> NumberAssignmentMark:
        before = last_mark(tx)
        if not decide(_of_number(tx, assignment.number)):
            return before
        mark = mark_after(before, assignment)
        tx.execute(
            "INSERT INTO number_assignments (revision, number, content, hash)"
            " VALUES (:revision, :number, :content, :hash)",
            revision=mark.revision,
            number=assignment.number,
            content=assignment.SerializeToString(),
            hash=mark.hash,
        )
        tx.execute(
            "INSERT INTO number_assignment_certificates (hash, certificate) VALUES (:hash, :certificate)"
            " ON CONFLICT (hash) DO NOTHING",
            hash=assignment.certificate_hash,
            certificate=certificate,
        )
        subject = f"number-assignment/{mark.revision}"
        now, detail = self._clock.now(), noted_detail(assignment)
        audit.append(tx, now=now, actor=actor, action="NUMBER_ASSIGNED", subject=subject, detail=detail)
        tx.publish(NumberAssigned(mark))
        return mark


def last_mark(tx: Transaction) -> NumberAssignmentMark:
    """The end of the list; empty for an empty list."""
    return tx.first(_mark, _LAST) or NumberAssignmentMark()


def _after(tx: Transaction, mark: NumberAssignmentMark) -> NumberAssignments:
    hash_there = tx.first(bytes, "SELECT hash FROM number_assignments WHERE revision = :at", at=mark.revision)
    begin = mark if hash_there == mark.hash else NumberAssignmentMark()
    rows = tx.all(
        _Row,
        "SELECT revision, content, hash FROM number_assignments WHERE revision > :after ORDER BY revision LIMIT :n",
        after=begin.revision,
        n=PAGE + 1,
    )
    page = _with_certificates(tx, [each.assignment for each in rows[:PAGE]])
    page.mark.CopyFrom(rows[:PAGE][-1].mark if rows else begin)
    page.has_more = len(rows) > PAGE
    return page


class _Row:
    def __init__(self, revision: int, content: bytes, hash_so_far: bytes) -> None:
        self.assignment = NumberAssignment.FromString(content)
        self.mark = _mark(revision, hash_so_far)


def _mark(revision: int, hash_so_far: bytes) -> NumberAssignmentMark:
    return NumberAssignmentMark(revision=revision, hash=hash_so_far)


def _of_number(tx: Transaction, number: str) -> list[NumberAssignment]:
    return tx.all(NumberAssignment.FromString, _OF_NUMBER, number=number)


def _with_certificates(tx: Transaction, assignments: Iterable[NumberAssignment]) -> NumberAssignments:
    found = NumberAssignments(assignments=assignments)
    for each in dict.fromkeys(each.certificate_hash for each in found.assignments):
        sql = "SELECT certificate FROM number_assignment_certificates WHERE hash = :hash"
        found.signing_certificates.extend(tx.all(bytes, sql, hash=each))
    return found
