"""The audit chain: one row per accepted command, read of personal data and denial, in the same transaction.

Each row's hash covers its content and the hash before it, so that alteration, removal, reordering and insertion are
found; a cut tail is found against the last head that a peer keeps.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gateway.clock import to_microseconds
from gateway.store.port import Transaction

GENESIS = bytes(32)


@dataclass(frozen=True)
class Head:
    """The end of a chain: the number of its last row (0 for an empty chain) and that row's hash."""

    sequence: int
    hash: bytes

    def signed_bytes(self) -> bytes:
        """What the region signs: the sequence in 8 bytes big-endian, then the hash."""
        return self.sequence.to_bytes(8, "big") + self.hash


@dataclass(frozen=True)
class AuditRow:
    """One row as stored."""

    sequence: int
    time: int
    actor: str
    action: str
    subject: str
    detail: str
    hash: bytes

    def expected_hash(self, previous: bytes) -> bytes:
        """The hash that the row must have after a row with the hash `previous`."""
        digest = hashlib.sha256(previous)
        fields = (str(self.sequence), str(self.time), self.actor, self.action, self.subject, self.detail)
        for field in fields:
            encoded = field.encode()
            digest.update(len(encoded).to_bytes(4, "big"))
            digest.update(encoded)
        return digest.digest()


class ChainBroken(Exception):
    """The chain does not verify; the message says where and how."""


def append(tx: Transaction, *, now: datetime, actor: str, action: str, subject: str, detail: str = "") -> None:
    """Adds a row. The detail carries no personal data."""
    last = head(tx)
    row = AuditRow(last.sequence + 1, to_microseconds(now), actor, action, subject, detail, b"")
    tx.execute(
        "INSERT INTO audit (sequence, time, actor, action, subject, detail, hash)"
        " VALUES (:sequence, :time, :actor, :action, :subject, :detail, :hash)",
        sequence=row.sequence,
        time=row.time,
        actor=actor,
        action=action,
        subject=subject,
        detail=detail,
        hash=row.expected_hash(last.hash),
    )


def head(tx: Transaction) -> Head:
    """The end of the chain."""
    last = tx.first(Head, "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")
    return last or Head(0, GENESIS)


def rows(tx: Transaction) -> list[AuditRow]:
    """The whole chain, oldest first."""
    return tx.all(
        AuditRow,
        "SELECT sequence, time, actor, action, subject, detail, hash FROM audit ORDER BY sequence",
    )


def verify(chain: Iterable[AuditRow], witnessed: Head | None) -> Head:
    """Walks the chain and returns its end.

    `witnessed` is the last head that a peer keeps, or None where no peer could be asked. Raises ChainBroken.
    """
    previous, last, witnessed_hash = GENESIS, 0, None
    for row in chain:
        if row.sequence != last + 1:
            raise ChainBroken(f"row {last + 1} is missing: the next row found is {row.sequence}")
        if row.hash != row.expected_hash(previous):
            raise ChainBroken(f"row {row.sequence} was altered, or the row before it was replaced")
        previous, last = row.hash, row.sequence
        if witnessed is not None and row.sequence == witnessed.sequence:
            witnessed_hash = row.hash
    if witnessed is not None and witnessed.sequence > 0:
        if witnessed.sequence > last:
            raise ChainBroken(
                f"the tail was cut: the chain ends at row {last}, a peer has seen row {witnessed.sequence}"
            )
        if witnessed_hash != witnessed.hash:
            raise ChainBroken(f"the chain was rewritten: row {witnessed.sequence} differs from what a peer keeps")
    return Head(last, previous)
