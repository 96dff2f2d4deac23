"""Planned outages in the embedded registry: decided on in the transaction that changes them."""

from collections.abc import Callable, Sequence

from gateway.api.coordinator.v1.planned_outage_service_pb2 import PlannedWindow
from gateway.store.port import Transaction

Decide = Callable[[Sequence[PlannedWindow]], Sequence[PlannedWindow] | None]


def planned_windows(tx: Transaction) -> Sequence[PlannedWindow]:
    """All held windows, by id."""
    return tx.all(PlannedWindow.FromString, "SELECT content FROM planned_windows ORDER BY window_id")


def change_planned_windows(tx: Transaction, decide: Decide) -> None:
    """See the port."""
    before = planned_windows(tx)
    after = decide(before)
    if after is None:
        return
    kept = {each.id for each in after}
    gone = [{"id": each.id} for each in before if each.id not in kept]
    tx.execute_many("DELETE FROM planned_windows WHERE window_id = :id", gone)
    tx.execute_many(
        "INSERT INTO planned_windows (window_id, content) VALUES (:id, :content)"
        " ON CONFLICT (window_id) DO UPDATE SET content = excluded.content",
        [{"id": each.id, "content": each.SerializeToString(deterministic=True)} for each in after],
    )
