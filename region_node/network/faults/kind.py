"""The registration of faults for erasure, legal holds and retention."""

from collections.abc import Sequence

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.store.port import Transaction
from region_node.network.faults import rules
from region_node.network.faults.rows import KIND, faults_about, find_fault, forget_waivers
from region_node.records.kinds import Table
from region_node.tickets.kind import Ticket, Tickets


def _find(tx: Transaction, fault_id: str) -> Ticket | None:
    row = find_fault(tx, fault_id)
    if row is None:
        return None
    fault = row.fault
    regions = (fault.origin_region, fault.owner_region)
    return Ticket(fault_id, fault.report.number, regions, rules.is_ended(fault), fault.home_region)


def _about(tx: Transaction, number: str) -> Sequence[Ticket]:
    return [
        Ticket(each.fault_id, number, (each.origin_region, each.owner_region), each.is_ended, each.home_region)
        for each in faults_about(tx, number)
    ]


def _has_changed(tx: Transaction, fault_id: str, before: int) -> bool:
    sql = "SELECT 1 FROM fault_events WHERE fault_id = :id AND time >= :before LIMIT 1"
    return tx.first(int, sql, id=fault_id, before=before) is not None


def _remove_events(tx: Transaction, fault_id: str) -> None:
    # The last of all stays, because the next one is numbered after it.
    tx.execute(
        "DELETE FROM fault_events WHERE fault_id = :id AND sequence < (SELECT MAX(sequence) FROM fault_events)",
        id=fault_id,
    )


FAULTS = Tickets(
    KIND,
    Table("faults", "fault_id", "number_index"),
    counter="fault_number",
    purged="purged_faults",
    ended_states=rules.ENDED,
    find=_find,
    about=_about,
    has_changed=_has_changed,
    forget=forget_waivers,
    remove=_remove_events,
).kind(DataClass.DATA_CLASS_FAULTS, held=" AND home_region = held.origin")
