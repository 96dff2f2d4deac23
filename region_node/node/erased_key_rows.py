"""The ids of destroyed keys, as stored in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_microseconds


@dataclass(frozen=True)
class ErasedKey:
    """A key that was destroyed, and when."""

    key_id: str
    time: datetime


def note_erased_keys(tx: Transaction, key_ids: Sequence[str], now: datetime) -> None:
    """Stores the new ones among ids of destroyed keys."""
    tx.execute_many(
        "INSERT INTO erased_keys (key_id, sequence, time)"
        " SELECT :key_id, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM erased_keys), CAST(:time AS BIGINT)"
        " WHERE NOT EXISTS (SELECT 1 FROM erased_keys WHERE key_id = :key_id)",
        [{"key_id": key_id, "time": to_microseconds(now)} for key_id in key_ids],
    )


def erased_after(tx: Transaction, after: tuple[datetime, str], limit: int) -> list[ErasedKey]:
    """At most `limit` destroyed keys after a time and id, by time and id."""
    return tx.all(
        _erased_key,
        "SELECT key_id, time FROM erased_keys WHERE time > :time OR (time = :time AND key_id > :id)"
        " ORDER BY time, key_id LIMIT :limit",
        time=to_microseconds(after[0]),
        id=after[1],
        limit=limit,
    )


@dataclass(frozen=True)
class NumberedKey:
    """A destroyed key, and its number among those of the region, from 1."""

    sequence: int
    key_id: str


def erased_after_number(tx: Transaction, after: int, limit: int) -> list[NumberedKey]:
    """At most `limit` destroyed keys after a number, in order."""
    return tx.all(
        NumberedKey,
        "SELECT sequence, key_id FROM erased_keys WHERE sequence > :after ORDER BY sequence LIMIT :limit",
        after=after,
        limit=limit,
    )


def subjects_of_keys(tx: Transaction, key_ids: Sequence[str]) -> list[str]:
    """The subjects whose keys have one of the ids."""
    found = (tx.first(str, "SELECT subject FROM data_keys WHERE key_id = :id", id=key_id) for key_id in key_ids)
    return [subject for subject in found if subject is not None]


def _erased_key(key_id: str, time: int) -> ErasedKey:
    return ErasedKey(key_id, from_microseconds(time))
