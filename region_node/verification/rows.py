"""Passwords, codes and failures as stored: hashes only."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.clock import from_microseconds, to_microseconds
from gateway.store.port import Transaction
from region_node.verification.rules import HashedPassword

NEVER = from_microseconds(0)
_KEY = "verification"


@dataclass(frozen=True)
class StoredCode:
    """The code of a line that is in force, and the request that it is for."""

    subject: str
    keyed_hash: bytes
    expire_time: datetime


@dataclass(frozen=True)
class Standing:
    """Until when nothing is checked for a line, and when a code was last sent to it."""

    locked_until: datetime
    code_sent: datetime


def find_key(tx: Transaction) -> bytes | None:
    """The region's key of codes and attestations; None before its first use."""
    return tx.first(bytes, "SELECT value FROM secrets WHERE name = :name", name=_KEY)


def key_or(tx: Transaction, fresh: bytes) -> bytes:
    """The region's key of codes and attestations: `fresh` from its first use on."""
    key = find_key(tx)
    if key is None:
        tx.execute("INSERT INTO secrets (name, value) VALUES (:name, :value)", name=_KEY, value=fresh)
    return fresh if key is None else key


def find_password(tx: Transaction, product_id: str) -> HashedPassword | None:
    """The password of a line, if it has one."""
    return tx.first(HashedPassword, "SELECT salt, cost, hash FROM passwords WHERE product_id = :id", id=product_id)


def keep_password(tx: Transaction, product_id: str, password: HashedPassword) -> None:
    """The line has this password from now on."""
    forget_password(tx, product_id)
    tx.execute(
        "INSERT INTO passwords (product_id, salt, cost, hash) VALUES (:id, :salt, :cost, :hash)",
        id=product_id,
        salt=password.salt,
        cost=password.cost,
        hash=password.hash,
    )


def forget_password(tx: Transaction, product_id: str) -> None:
    """The line has no service password any more, until its customer sets one with a code."""
    tx.execute("DELETE FROM passwords WHERE product_id = :id", id=product_id)


def find_code(tx: Transaction, product_id: str, now: datetime) -> StoredCode | None:
    """The code of a line that is in force."""
    return tx.first(
        _code,
        "SELECT subject, keyed_hash, expire_time FROM codes WHERE product_id = :id AND expire_time > :now",
        id=product_id,
        now=to_microseconds(now),
    )


def keep_code(tx: Transaction, product_id: str, code: StoredCode, now: datetime) -> None:
    """The line has this code from now on, and no other; codes that have expired are removed."""
    tx.execute(
        "DELETE FROM codes WHERE product_id = :id OR expire_time <= :now", id=product_id, now=to_microseconds(now)
    )
    tx.execute(
        "INSERT INTO codes (product_id, subject, keyed_hash, expire_time) VALUES (:id, :subject, :hash, :expires)",
        id=product_id,
        subject=code.subject,
        hash=code.keyed_hash,
        expires=to_microseconds(code.expire_time),
    )


def forget_code(tx: Transaction, product_id: str) -> None:
    """The line has no code any more."""
    tx.execute("DELETE FROM codes WHERE product_id = :id", id=product_id)


def standing_of(tx: Transaction, product_id: str) -> Standing:
    """How a line stands."""
    found = tx.first(
        _standing, "SELECT locked_until, code_sent FROM verification_standing WHERE product_id = :id", id=product_id
    )
    return found or Standing(NEVER, NEVER)


def keep_standing(tx: Transaction, product_id: str, standing: Standing) -> None:
    """The line stands so from now on."""
    tx.execute("DELETE FROM verification_standing WHERE product_id = :id", id=product_id)
    tx.execute(
        "INSERT INTO verification_standing (product_id, locked_until, code_sent) VALUES (:id, :locked, :sent)",
        id=product_id,
        locked=to_microseconds(standing.locked_until),
        sent=to_microseconds(standing.code_sent),
    )


def failures_of(tx: Transaction, product_id: str) -> list[datetime]:
    """When wrong codes and passwords were said, oldest first."""
    sql = "SELECT time FROM verification_failures WHERE product_id = :id ORDER BY time"
    return tx.all(from_microseconds, sql, id=product_id)


def keep_failures(tx: Transaction, product_id: str, failures: list[datetime]) -> None:
    """Only these failures of a line count from now on. Two at one instant are a microsecond apart."""
    tx.execute("DELETE FROM verification_failures WHERE product_id = :id", id=product_id)
    taken: set[datetime] = set()
    for failure in failures:
        time = failure
        while time in taken:
            time += timedelta(microseconds=1)
        taken.add(time)
        tx.execute(
            "INSERT INTO verification_failures (product_id, time) VALUES (:id, :time)",
            id=product_id,
            time=to_microseconds(time),
        )


def _code(subject: str, keyed_hash: bytes, expire_time: int) -> StoredCode:
    return StoredCode(subject, keyed_hash, from_microseconds(expire_time))


def _standing(locked_until: int, code_sent: int) -> Standing:
    return Standing(from_microseconds(locked_until), from_microseconds(code_sent))
