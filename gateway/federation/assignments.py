"""Assignments of numbers: the statements by which regions give numbers away, and the home that follows. Pure.

A node never forgets an assignment. The home follows from all known assignments and the number plan, in whatever order
they came: two nodes with the same knowledge know the same home.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from gateway.api.federation.v1.federation_pb2 import NumberAssignment, NumberAssignmentMark
from gateway.security.signing import NUMBER_ASSIGNMENT, Signer, TrustedKeys, certificate_hash
from gateway.time.clock import from_microseconds, to_microseconds

_INTEGER_BYTES = 8
_LARGEST = 2**62  # of a sequence and of a time, which is far beyond any calendar
PAGE = 1000
"""Assignments in one message: with their certificates far less than the largest message."""


class Standing(NamedTuple):
    """The home of a number after the assignments that count."""

    region: str | None
    """None where the number plan does not cover the number."""
    sequence: int
    """Of the last assignment that counts, or of the last one that an exception outranks; 0 for none."""
    time: int = 0
    """When the last assignment that counts was signed, in microseconds since 1970."""
    counted: tuple[NumberAssignment, ...] = ()
    """The assignments that count, in their order."""


def standing_of(base: str | None, outranked: int, assignments: Iterable[NumberAssignment]) -> Standing:
    """The standing of a number that the number plan gives to `base`; `outranked` is the exception's sequence.

    One of `assignments`, in any order, counts if it is the next of its number, later than the one
    before, and by the region that is the home until then. So a region gives away only what it has.
    """
    standing = Standing(base, outranked)
    for each in sorted(assignments, key=lambda each: each.sequence):
        is_next = each.sequence == standing.sequence + 1 and each.sign_time_us > standing.time
        if is_next and each.giver == standing.region:
            standing = Standing(each.region, each.sequence, each.sign_time_us, (*standing.counted, each))
    return standing


def signed_assignment(
    number: str, region: str, giver: str, before: Standing, signer: Signer, certificate: bytes, now: datetime
) -> NumberAssignment:
    """The next assignment of a number (E.164), signed by its giver, whose signing certificate is PEM."""
    assignment = NumberAssignment(
        number=number,
        region=region,
        giver=giver,
        sequence=before.sequence + 1,
        # Clocks of regions differ: an assignment is later than the one before, whatever this clock says.
        sign_time_us=max(to_microseconds(now), before.time + 1),
        certificate_hash=certificate_hash(certificate),
    )
    assignment.signature = signer.sign(NUMBER_ASSIGNMENT, _signed(assignment))
    return assignment


def is_proven(assignment: NumberAssignment, certificate: bytes, keys: TrustedKeys) -> bool:
    """Whether the giver has signed an assignment, by its certificate (PEM) of then, which may have run out since."""
    if max(assignment.sequence, assignment.sign_time_us) > _LARGEST or not assignment.sequence:
        return False
    try:
        names_it = certificate_hash(certificate) == assignment.certificate_hash
        then = from_microseconds(assignment.sign_time_us)
    except (ValueError, OverflowError):
        return False
    content, signature = _signed(assignment), assignment.signature
    return names_it and keys.verify_evidence(
        assignment.giver, certificate, content, signature, then, domain=NUMBER_ASSIGNMENT
    )


def mark_after(before: NumberAssignmentMark, assignment: NumberAssignment) -> NumberAssignmentMark:
    """The mark of the list of all assignments with one more."""
    content = before.hash + _signed(assignment) + assignment.signature
    return NumberAssignmentMark(revision=before.revision + 1, hash=sha256(content).digest())


class AssignmentBook:
    """All known assignments of numbers, and the certificates of their signatures. Immutable."""

    def __init__(
        self,
        assignments: Mapping[str, tuple[NumberAssignment, ...]] | None = None,
        certificates: Mapping[bytes, bytes] | None = None,
        arrivals: Sequence[str] = (),
    ) -> None:
        """`certificates` are PEM by `certificate_hash`; `arrivals` are the numbers in the order in which they came."""
        self._assignments = assignments or {}
        self._certificates = certificates or {}
        self._arrivals = arrivals

    def __len__(self) -> int:
        return len(self._arrivals)

    def of(self, number: str) -> tuple[NumberAssignment, ...]:
        """The assignments of a number, in the order in which they came."""
        return self._assignments.get(number, ())

    def all(self) -> Iterator[NumberAssignment]:
        """Every assignment; those of one number are in the order in which they came."""
        for each in self._assignments.values():
            yield from each

    @property
    def certificates(self) -> Mapping[bytes, bytes]:
        """Certificates (PEM) by their hashes."""
        return self._certificates

    def numbers(self) -> Iterable[str]:
        """The numbers with assignments, each once."""
        return self._assignments.keys()

    def arrived_after(self, count: int) -> set[str]:
        """The numbers of the assignments that came after the first `count`."""
        return set(self._arrivals[count:])

    def known(self, assignment: NumberAssignment) -> NumberAssignment | None:
        """The known assignment of the same giver and sequence, which excludes any other."""
        same = (assignment.giver, assignment.sequence)
        return next((each for each in self.of(assignment.number) if (each.giver, each.sequence) == same), None)

    def with_added(self, added: Sequence[NumberAssignment], certificates: Mapping[bytes, bytes]) -> "AssignmentBook":
        """A book with more assignments, none of which is `known` in this one or stands twice in `added`."""
        assignments = dict(self._assignments)
        for each in added:
            assignments[each.number] = (*assignments.get(each.number, ()), each)
        arrivals = [*self._arrivals, *(each.number for each in added)]
        return AssignmentBook(assignments, {**self._certificates, **certificates}, arrivals)


NO_ASSIGNMENTS = AssignmentBook()


def _signed(assignment: NumberAssignment) -> bytes:
    integers = (assignment.sequence, assignment.sign_time_us)
    texts = (assignment.number, assignment.region, assignment.giver)
    begin = b"".join(each.to_bytes(_INTEGER_BYTES, "big") for each in integers)
    return begin + assignment.certificate_hash + b"\0".join(each.encode() for each in texts)
