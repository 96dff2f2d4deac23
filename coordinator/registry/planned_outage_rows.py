"""Planned outages in the embedded registry: decided on in the transaction that changes them."""

from collections.abc import Callable, Sequence

from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.store.port import Transaction

Decide = Callable[[Sequence[PlannedOutageHeader]], Sequence[PlannedOutageHeader] | None]


def planned_outages(tx: Transaction) -> Sequence[PlannedOutageHeader]:
    """All held windows, by id."""
    return tx.all(PlannedOutageHeader.FromString, "SELECT content FROM planned_outages ORDER BY planned_outage_id")


def change_planned_outages(tx: Transaction, decide: Decide) -> None:
    """See the port."""
    before = planned_outages(tx)
    after = decide(before)
    if after is None:
        return
    kept = {each.id for each in after}
    gone = [{"id": each.id} for each in before if each.id not in kept]
    tx.execute_many("DELETE FROM planned_outages WHERE planned_outage_id = :id", gone)
    tx.execute_many(
        "INSERT INTO planned_outages (planned_outage_id, content) VALUES (:id, :content)"
        " ON CONFLICT (planned_outage_id) DO UPDATE SET content = excluded.content",
        [{"id": each.id, "content": each.SerializeToString(deterministic=True)} for each in after],
    )
