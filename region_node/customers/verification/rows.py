"""Passwords, codes and failures as stored: hashes only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_microseconds
from region_node.customers.verification.rules import HashedPassword

_KEY = "verification"


@dataclass(frozen=True)
class Asker:
    """A caller about a number: an operator of a region. Its failures count against nobody else."""

    number: str = field(repr=False)
    """The index of the number."""
    region: str
    operator: str


@dataclass(frozen=True)
class StoredCode:
    """The code of a number for a region: its request, its time of sending, and the hash of its contact.

    `contact` is empty for the line.
    """

    subject: str
    keyed_hash: bytes
    expire_time: datetime
    sent: datetime
    contact: str = ""


def find_key(tx: Transaction) -> bytes | None:
    """The region's key of codes and attestations; None before its first use."""
    return tx.once("secrets", _KEY, lambda: tx.first(bytes, "SELECT value FROM secrets WHERE name = :name", name=_KEY))


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
    """Removes the service password of a line, until its customer sets one with a code."""
    tx.execute("DELETE FROM passwords WHERE product_id = :id", id=product_id)


def find_code(tx: Transaction, asker: Asker, now: datetime) -> StoredCode | None:
    """The valid code of the caller's region."""
    return tx.first(
        _code,
        "SELECT subject, keyed_hash, expire_time, sent, contact FROM asked_codes"
        " WHERE number = :number AND region = :region AND expire_time > :now",
        number=asker.number,
        region=asker.region,
        now=to_microseconds(now),
    )


def keep_code(tx: Transaction, asker: Asker, code: StoredCode) -> None:
    """The number has this code for the asker's region from now on, and no other; codes that expired are removed."""
    forget_code(tx, asker)
    tx.execute("DELETE FROM asked_codes WHERE expire_time <= :now", now=to_microseconds(code.sent))
    tx.execute(
        "INSERT INTO asked_codes (number, region, subject, keyed_hash, expire_time, sent, contact)"
        " VALUES (:number, :region, :subject, :hash, :expires, :sent, :contact)",
        number=asker.number,
        region=asker.region,
        subject=code.subject,
        hash=code.keyed_hash,
        expires=to_microseconds(code.expire_time),
        sent=to_microseconds(code.sent),
        contact=code.contact,
    )


def forget_code(tx: Transaction, asker: Asker) -> None:
    """Removes the code of the number for the caller's region."""
    tx.execute(
        "DELETE FROM asked_codes WHERE number = :number AND region = :region", number=asker.number, region=asker.region
    )


def locked_until(tx: Transaction, asker: Asker) -> datetime:
    """The end of the caller's lock for the number, by itself or with all of its region."""
    found = tx.first(
        int,
        "SELECT COALESCE(MAX(locked_until), 0) FROM verification_locks"
        " WHERE number = :number AND region = :region AND operator IN (:operator, '')",
        number=asker.number,
        region=asker.region,
        operator=asker.operator,
    )
    return from_microseconds(found or 0)


def lock(tx: Transaction, asker: Asker, until: datetime, now: datetime) -> None:
    """Locks the caller for the number; with an empty operator, all of its region."""
    tx.execute(
        "DELETE FROM verification_locks WHERE locked_until <= :now"
        " OR (number = :number AND region = :region AND operator = :operator)",
        now=to_microseconds(now),
        number=asker.number,
        region=asker.region,
        operator=asker.operator,
    )
    tx.execute(
        "INSERT INTO verification_locks (number, region, operator, locked_until)"
        " VALUES (:number, :region, :operator, :until)",
        number=asker.number,
        region=asker.region,
        operator=asker.operator,
        until=to_microseconds(until),
    )


@dataclass(frozen=True)
class WrongAnswer:
    """A wrong code or password, and its operator."""

    operator: str
    time: datetime


def wrong_answers(tx: Transaction, asker: Asker) -> list[WrongAnswer]:
    """The wrong claims of the caller's region about the number, oldest first."""
    return tx.all(
        _wrong_answer,
        "SELECT operator, time FROM wrong_answers WHERE number = :number AND region = :region ORDER BY time",
        number=asker.number,
        region=asker.region,
    )


def note_wrong_answer(tx: Transaction, asker: Asker, known: Sequence[WrongAnswer], now: datetime) -> None:
    """The asker has got it wrong once more. Two at one instant are a microsecond apart."""
    taken = {each.time for each in known if each.operator == asker.operator}
    time = now
    while time in taken:
        time += timedelta(microseconds=1)
    tx.execute(
        "INSERT INTO wrong_answers (number, region, operator, time) VALUES (:number, :region, :operator, :time)",
        number=asker.number,
        region=asker.region,
        operator=asker.operator,
        time=to_microseconds(time),
    )


def codes_asked(tx: Transaction, asker: str, minute: int) -> int:
    """The number of codes that a caller has requested in a minute (whole minutes since 1970)."""
    sql = "SELECT codes FROM code_rates WHERE asker = :asker AND minute = :minute"
    return tx.first(int, sql, asker=asker, minute=minute) or 0


def count_code(tx: Transaction, asker: str, minute: int) -> None:
    """Counts a requested code. Removes past minutes but the last: claims of it may still be under way."""
    tx.execute("DELETE FROM code_rates WHERE minute < :last", last=minute - 1)
    tx.execute(
        "INSERT INTO code_rates (asker, minute, codes) VALUES (:asker, :minute, 1)"
        " ON CONFLICT (asker, minute) DO UPDATE SET codes = code_rates.codes + 1",
        asker=asker,
        minute=minute,
    )


def forget_askers(tx: Transaction, number: str) -> None:
    """Removes all callers of the number with an index."""
    for table in ("asked_codes", "wrong_answers", "verification_locks"):
        tx.execute(f"DELETE FROM {table} WHERE number = :number", number=number)  # noqa: S608 - names from above


def _code(subject: str, keyed_hash: bytes, expire_time: int, sent: int, contact: str) -> StoredCode:
    return StoredCode(subject, keyed_hash, from_microseconds(expire_time), from_microseconds(sent), contact)


def _wrong_answer(operator: str, time: int) -> WrongAnswer:
    return WrongAnswer(operator, from_microseconds(time))
