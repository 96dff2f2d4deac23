"""The audit chain: one row per accepted command, read of personal data and denial, in the same transaction.

Each row's hash covers the previous hash and a digest of the row's content. This reveals alteration, removal, reordering
and insertion. Heads kept by other members reveal a truncated or rewritten chain. The hash covers only the digest of the
content, so a reader can verify rows without seeing the others.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.audit_service_pb2 import ChainProblemKind
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import from_microseconds, instant_or_none, to_microseconds
from gateway.wording.languages import translated
from gateway.wording.times import told_time

GENESIS = bytes(32)
SALT_BYTES = 16
PAGE = 500  # rows of a chain in memory at the same time
COLUMNS = "sequence, time, actor, action, subject, detail, hash, salt"


@dataclass(frozen=True)
class Head:
    """The end of a chain: the number of its last row (0 for an empty chain) and that row's hash."""

    sequence: int
    hash: bytes

    def signed_bytes(self) -> bytes:
        """The bytes that the region signs: the sequence in 8 bytes big-endian, then the hash."""
        return self.sequence.to_bytes(8, "big") + self.hash


class AuditRow(NamedTuple):
    """An audit row as stored."""

    sequence: int
    time: int
    actor: str
    action: str
    subject: str
    detail: str
    hash: bytes
    salt: bytes = b""
    """Random bytes, so that nobody can guess a row from its digest. Empty in a chain whose rows are never shown singly.
    """

    def digest(self) -> bytes:
        """SHA-256 over the salt and each field, in UTF-8, numbers in decimal, each behind its length in 4 bytes."""
        return _digest(self.salt, self.sequence, self.time, self.actor, self.action, self.subject, self.detail)

    def expected_hash(self, previous: bytes) -> bytes:
        """The hash that the row must have after a row with the hash `previous`: SHA-256 over that and the digest."""
        return _hash(previous, self.digest())

    @property
    def head(self) -> Head:
        """The end of the chain up to here."""
        return Head(self.sequence, self.hash)


LOSS = "DATABASE_BEHIND"
"""The action of the row that names rows which do not exist: the chain goes on behind all that others may have seen."""
AUDIT = Table("audit", AuditRow, key=("sequence",))
_HEAD = "head"


@dataclass(frozen=True)
class Seen:
    """A chain head kept by another member: `coordinator`, `region/<id>`, or the person who noted it."""

    witness: str
    head: Head


class ChainBroken(Exception):
    """The chain does not verify; the text has the place and the kind of the break, in the command's language."""

    def __init__(self, kind: ChainProblemKind.ValueType, sequence: int, time: int | None, seen: Seen | None) -> None:
        self.kind = kind
        self.sequence = sequence
        """The number of the row; for a truncated tail, the first missing one."""
        self.time = time
        """The time of that row or of the last row before it, in microseconds. None for the first row."""
        self.seen = seen
        """The witness whose head shows the break. None where the chain itself shows it."""
        super().__init__(problem_text(kind, sequence, time, seen.witness if seen is not None else ""))


def problem_text(kind: ChainProblemKind.ValueType, sequence: int, time: int | None, witness: str) -> str:
    """A readable description of the break in a chain."""
    when = translated("none, this is the first")
    if time is not None:
        when = told_time(from_microseconds(time), timespec="seconds")
    if kind == ChainProblemKind.CHAIN_PROBLEM_KIND_MISSING:
        return translated("row {row} is missing (time of the row before it: {time})", row=sequence, time=when)
    if kind == ChainProblemKind.CHAIN_PROBLEM_KIND_CUT:
        return translated(
            "the tail was cut: row {row} and all after it are gone, which were seen by {witness}"
            " (time of the row before: {time})",
            row=sequence,
            witness=witness,
            time=when,
        )
    if kind == ChainProblemKind.CHAIN_PROBLEM_KIND_REWRITTEN:
        return translated(
            "the chain was rewritten: row {row} of {time} differs from what was seen by {witness}",
            row=sequence,
            time=when,
            witness=witness,
        )
    return translated(
        "row {row} of {time} was altered, inserted or moved, or the row before it was replaced", row=sequence, time=when
    )


def append(tx: Transaction, *, now: datetime, actor: str, action: str, subject: str, detail: str = "") -> None:
    """Adds a row. The detail carries no personal data."""
    last = head(tx)
    _append(tx, last, last.sequence + 1, now, actor, action, subject, detail)


def append_after_loss(tx: Transaction, *, beyond: int, now: datetime, actor: str, subject: str, detail: str) -> int:
    """Adds a row that leaves out `beyond` numbers of rows, at least one, and names them; returns its number."""
    last = head(tx)
    first = last.sequence + 1
    sequence = first + beyond
    _append(tx, last, sequence, now, actor, LOSS, subject, f"{_left_out(first, sequence - 1)}: {detail}")
    return sequence


def _append(
    tx: Transaction, last: Head, sequence: int, now: datetime, actor: str, action: str, subject: str, detail: str
) -> None:
    time = to_microseconds(now)
    salt = tx.keys.draw(SALT_BYTES) if tx.keys is not None else b""
    hashed = _hash(last.hash, _digest(salt, sequence, time, actor, action, subject, detail))
    tx.insert(AUDIT, AuditRow(sequence, time, actor, action, subject, detail, hashed, salt))
    tx.know(AUDIT.name, _HEAD, Head(sequence, hashed))


def losses_told(tx: Transaction) -> list[AuditRow]:
    """The rows that name rows which do not exist, oldest first."""
    return tx.all(AuditRow, f"SELECT {COLUMNS} FROM audit WHERE action = :loss ORDER BY sequence", loss=LOSS)  # noqa: S608


def lacks(tx: Transaction, seen: Head, incarnation: int) -> bool:
    """Whether others have seen a row that this chain does not have, or has otherwise.

    Rows of before the incarnation count no more: what was lost of them is known.
    """
    if seen.sequence == 0 or seen.sequence < incarnation:
        return False
    return head_at(tx, seen.sequence) != seen


def append_each(
    tx: Transaction, *, now: datetime, actor: str, action: str, subjects: Sequence[str], detail: str
) -> None:
    """Adds a row for each subject, which differ in nothing else. The detail carries no personal data."""
    for subject in subjects:
        append(tx, now=now, actor=actor, action=action, subject=subject, detail=detail)


def _left_out(first: int, last: int) -> str:
    return f"rows {first} to {last} do not exist"


def _digest(salt: bytes, sequence: int, time: int, *texts: str) -> bytes:
    fields = [salt, b"%d" % sequence, b"%d" % time, *map(str.encode, texts)]
    return hashlib.sha256(b"".join([len(field).to_bytes(4, "big") + field for field in fields])).digest()


def _hash(previous: bytes, digest: bytes) -> bytes:
    return hashlib.sha256(previous + digest).digest()


def head(tx: Transaction) -> Head:
    """The end of the chain."""
    return tx.once(AUDIT.name, _HEAD, lambda: _stored_head(tx))


def _stored_head(tx: Transaction) -> Head:
    last = tx.first(Head, "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")
    return last or Head(0, GENESIS)


def last_time(tx: Transaction) -> datetime | None:
    """The time of the last row; None for an empty chain."""
    time = tx.first(int, "SELECT time FROM audit ORDER BY sequence DESC LIMIT 1")
    return instant_or_none(time)


def head_at(tx: Transaction, sequence: int) -> Head | None:
    """The chain up to a row; None for a missing row."""
    return tx.first(Head, "SELECT sequence, hash FROM audit WHERE sequence = :sequence", sequence=sequence)


def page(tx: Transaction, after: int, limit: int = PAGE) -> list[AuditRow]:
    """At most `limit` rows after one, in order."""
    return tx.all(
        AuditRow,
        f"SELECT {COLUMNS} FROM audit WHERE sequence > :after ORDER BY sequence LIMIT :limit",  # noqa: S608
        after=after,
        limit=limit,
    )


def last_rows(tx: Transaction, limit: int) -> list[AuditRow]:
    """The last rows of the chain, oldest first."""
    return tx.all(
        AuditRow,
        f"SELECT {COLUMNS} FROM audit ORDER BY sequence DESC LIMIT :limit",  # noqa: S608
        limit=limit,
    )[::-1]


def rows(tx: Transaction, after: int = 0) -> Iterator[AuditRow]:
    """The chain after a row, oldest first, a page in memory at a time."""
    while found := page(tx, after):
        yield from found
        after = found[-1].sequence


class Walk:
    """Verifies a chain row by row, and compares it with the heads seen by others."""

    def __init__(self, seen: Iterable[Seen] = (), after: Head | None = None) -> None:
        """`after` is a verified row; verification begins behind it."""
        start = after or Head(0, GENESIS)
        self._seen = sorted((each for each in seen if each.head.sequence > 0), key=lambda each: each.head.sequence)
        self._seen_at: dict[int, list[Seen]] = {}
        for each in self._seen:
            self._seen_at.setdefault(each.head.sequence, []).append(each)
        self._previous = start
        self._last_time: int | None = None

    @property
    def head(self) -> Head:
        """The last row that follows from all before it."""
        return self._previous

    @property
    def time(self) -> int | None:
        """The time of the last row that was taken; None before the first."""
        return self._last_time

    def take(self, row: AuditRow) -> None:
        """Verifies the next row.

        Raises ChainBroken where the row does not follow, or differs from a head seen by others.
        """
        expected = self._previous.sequence + 1
        if row.sequence != expected and not _names(row, expected):
            raise ChainBroken(ChainProblemKind.CHAIN_PROBLEM_KIND_MISSING, expected, self._last_time, None)
        if row.hash != row.expected_hash(self._previous.hash):
            raise ChainBroken(ChainProblemKind.CHAIN_PROBLEM_KIND_ALTERED, row.sequence, row.time, None)
        for seen in self._seen_at.get(row.sequence, ()):
            if seen.head.hash != row.hash:
                raise ChainBroken(ChainProblemKind.CHAIN_PROBLEM_KIND_REWRITTEN, row.sequence, row.time, seen)
        self._previous, self._last_time = row.head, row.time

    def take_all(self, found: Sequence[AuditRow]) -> Head:
        """Several rows. Raises ChainBroken."""
        for row in found:
            self.take(row)
        return self.head

    def finish(self) -> Head:
        """Ends the chain and returns its head. Raises ChainBroken where another member has seen more rows."""
        for seen in self._seen[-1:]:
            if seen.head.sequence > self._previous.sequence:
                cut = ChainProblemKind.CHAIN_PROBLEM_KIND_CUT
                raise ChainBroken(cut, self._previous.sequence + 1, self._last_time, seen)
        return self.head


def _names(row: AuditRow, expected: int) -> bool:
    """Whether a row names all rows that are missing before it."""
    is_behind = row.action == LOSS and row.sequence > expected
    return is_behind and row.detail.startswith(f"{_left_out(expected, row.sequence - 1)}: ")


def verify(chain: Iterable[AuditRow], seen: Iterable[Seen] = ()) -> Head:
    """Verifies the whole chain and returns its end. Raises ChainBroken."""
    walk = Walk(seen)
    for row in chain:
        walk.take(row)
    return walk.finish()
