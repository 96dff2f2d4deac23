"""When nothing of erased data was left in the files of the database, its archive and its backups, as stored.

A destruction counts for the scrub that has not begun. Once begun, later destructions count for the next one. A scrub
of the tables ends once archive and backups have nothing of before it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, instant_or_none, to_microseconds

RETRY = timedelta(minutes=10)  # between two attempts, of whichever process
_TABLES_DONE = 2**62
"""The begin time of a scrub whose tables are done, at which no version attempts it; `since` has the time of that."""
_DIGITS = 20  # of that time in microseconds: such texts have the order of the times


def due_scrub(tx: Transaction) -> int:
    """The number of the scrub that counts for a destruction in this transaction."""
    waiting = _without_attempt(tx)
    if waiting is not None:
        return waiting.number
    number = (tx.first(int, "SELECT number FROM scrubs ORDER BY number DESC LIMIT 1") or 0) + 1
    tx.execute("INSERT INTO scrubs (number, since) VALUES (:number, '')", number=number)
    return number


@dataclass(frozen=True)
class Scrub:
    """A scrub that is due, and the text of the engine for this attempt."""

    number: int
    since: str


def is_scrub_due(tx: Transaction, now: datetime) -> bool:
    """Whether a scrub is due, and no process has tried it just now."""
    return _due(tx, now) is not None


def begin_scrub(tx: Transaction, now: datetime) -> Scrub | None:
    """Takes for an attempt the due scrub whose last one is the oldest; None where `is_scrub_due` says no."""
    scrub = _due(tx, now)
    if scrub is not None:
        tx.execute(
            "UPDATE scrubs SET begin_time = :now WHERE number = :number", now=to_microseconds(now), number=scrub.number
        )
    return scrub


def keep_attempt(tx: Transaction, scrub: Scrub, since: str, now: datetime) -> None:
    """Stores the result of an attempt: the end of its tables, or the text for the next attempt."""
    tx.execute(
        "UPDATE scrubs SET since = :since, begin_time = COALESCE(:begin, begin_time)"
        " WHERE number = :number AND end_time IS NULL AND begin_time < :never",
        since=since or _text(now),
        begin=None if since else _TABLES_DONE,
        never=_TABLES_DONE,
        number=scrub.number,
    )


def first_waiting(tx: Transaction) -> datetime | None:
    """When the tables of the oldest scrub were done that waits for archive and backups; None where none waits."""
    since = tx.first(
        str,
        "SELECT since FROM scrubs WHERE end_time IS NULL AND begin_time = :never ORDER BY since LIMIT 1",
        never=_TABLES_DONE,
    )
    return None if since is None else from_microseconds(int(since))


def end_scrubs(tx: Transaction, oldest: datetime, now: datetime) -> None:
    """Ends the scrubs whose tables were done by the time of the oldest content of archive and backups."""
    tx.execute(
        "UPDATE scrubs SET end_time = :now WHERE end_time IS NULL AND begin_time = :never AND since <= :oldest",
        now=to_microseconds(now),
        never=_TABLES_DONE,
        oldest=_text(oldest),
    )


def scrubbed_at(tx: Transaction, number: int) -> datetime | None:
    """When a scrub, or a later one, has ended; None before."""
    end = tx.first(
        int,
        "SELECT end_time FROM scrubs WHERE number >= :number AND end_time IS NOT NULL ORDER BY end_time LIMIT 1",
        number=number,
    )
    return instant_or_none(end)


def _text(time: datetime) -> str:
    return f"{to_microseconds(time):0{_DIGITS}}"


def _due(tx: Transaction, now: datetime) -> Scrub | None:
    # Two queries: for one with OR an engine goes through all scrubs that wait for archive and backups.
    again = tx.first(
        Scrub,
        "SELECT number, since FROM scrubs WHERE end_time IS NULL AND begin_time <= :before ORDER BY begin_time LIMIT 1",
        before=to_microseconds(now - RETRY),
    )
    return again or _without_attempt(tx)


def _without_attempt(tx: Transaction) -> Scrub | None:
    return tx.first(Scrub, "SELECT number, since FROM scrubs WHERE end_time IS NULL AND begin_time IS NULL LIMIT 1")
