"""The room that a region has in a table of the embedded registry: its ids are `<region>/<key>`."""

from dataclasses import dataclass

from coordinator.registry.rules import require_room
from gateway.store.port import Transaction


@dataclass(frozen=True)
class Column:
    """The column of a table that holds ids."""

    table: str
    name: str


def require_room_for(tx: Transaction, column: Column, record_id: str, region: str, most: int) -> None:
    """Raises Refused with REGION_RECORDS_TOO_MANY for a new record of a region that has `most` of them."""
    ids = f"FROM {column.table} WHERE {column.name}"  # names of the code
    if tx.first(int, f"SELECT 1 {ids} = :id", id=record_id) is not None:
        return
    # In the order of bytes, `0` follows `/`.
    begin, end = f"{region}/", f"{region}0"
    kept = tx.first(int, f"SELECT count(*) {ids} > :begin AND {column.name} < :end", begin=begin, end=end)
    require_room(region, kept or 0, most)
