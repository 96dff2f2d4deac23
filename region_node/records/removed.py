"""What was removed of each class of data in a night, as the report of the purge counts it."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.store.port import Transaction


def note_removed(tx: Transaction, night: str, data_class: DataClass.ValueType, *, removed: int, held: int = 0) -> None:
    """Adds to what was removed of a class in a night, and to what a hold has kept."""
    tx.execute(
        "INSERT INTO purges (night, data_class, removed, held, oldest, complete)"
        " VALUES (:night, :data_class, :removed, :held, NULL, 0)"
        " ON CONFLICT (night, data_class) DO UPDATE SET"
        " removed = purges.removed + excluded.removed, held = purges.held + excluded.held",
        night=night,
        data_class=data_class,
        removed=removed,
        held=held,
    )


def night_of(now: datetime, zone: ZoneInfo) -> date:
    """The day on which the night ends in which the purge works."""
    return now.astimezone(zone).date()
