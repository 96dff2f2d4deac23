"""The stored result of each night's purge."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1.retention_service_pb2 import Purge
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, to_timestamp


def note_removed(tx: Transaction, night: str, data_class: DataClass.ValueType, *, removed: int, held: int = 0) -> None:
    """Adds to the number of removed rows of a class in a night, and to the number of held ones."""
    tx.execute(
        "INSERT INTO purges (night_date, data_class, removed, held, oldest, complete)"
        " VALUES (:night, :data_class, :removed, :held, NULL, 0)"
        " ON CONFLICT (night_date, data_class) DO UPDATE SET"
        " removed = purges.removed + excluded.removed, held = purges.held + excluded.held",
        night=night,
        data_class=data_class,
        removed=removed,
        held=held,
    )


def note_complete(tx: Transaction, night: str, data_class: DataClass.ValueType, oldest: int | None) -> Purge:
    """Notes the end of a class; `oldest` is the oldest remaining row, in microseconds.

    Returns the row of the report.
    """
    note_removed(tx, night, data_class, removed=0)
    tx.execute(
        "UPDATE purges SET oldest = :oldest, complete = 1 WHERE night_date = :night AND data_class = :data_class",
        oldest=oldest,
        night=night,
        data_class=data_class,
    )
    found = tx.first(
        _purge,
        "SELECT night_date, data_class, removed, held, oldest, complete FROM purges"
        " WHERE night_date = :night AND data_class = :data_class",
        night=night,
        data_class=data_class,
    )
    assert found is not None, "it was written above"
    return found


def purges_before(tx: Transaction, night: str, data_class: int, limit: int) -> list[Purge]:
    """At most `limit` rows behind one, the last night first; from the first one for an empty night."""
    where = "(night_date < :night OR (night_date = :night AND data_class > :data_class))" if night else "1 = 1"
    parameters: dict[str, Value] = {"night": night, "data_class": data_class} if night else {}
    return tx.all(
        _purge,
        f"SELECT night_date, data_class, removed, held, oldest, complete FROM purges WHERE {where}"  # noqa: S608
        " ORDER BY night_date DESC, data_class LIMIT :limit",
        limit=limit,
        **parameters,
    )


def _purge(night: str, data_class: int, removed: int, held: int, oldest: int | None, complete: int) -> Purge:
    return Purge(
        night_date=night,
        data_class=DataClass.ValueType(data_class),
        removed=removed,
        held=held,
        oldest_time=to_timestamp(from_microseconds(oldest)) if oldest is not None else None,
        complete=bool(complete),
    )
