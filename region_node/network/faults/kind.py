"""What faults register for erasure, legal holds and retention."""

from collections.abc import Sequence

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from region_node.network.faults import rules
from region_node.network.faults.purging import Faults
from region_node.network.faults.rows import KIND, fault_subject, faults_about, find_fault, forget_waivers
from region_node.node.context import RegionContext
from region_node.records.kinds import (
    AboutNumber,
    Customer,
    Ended,
    ErasurePort,
    HoldPort,
    Kept,
    RecordKind,
    RetentionPort,
    Table,
)


def _kept_of(tx: Transaction, customer: Customer) -> Sequence[Kept]:
    """Other regions destroy theirs by the standing of the customer."""
    return [
        Kept(
            each.fault_id,
            (fault_subject(each.fault_id), envelope_subject(each.fault_id)) if each.is_ended else (),
            (each.handling_region, each.owner_region),
            is_told=False,
        )
        for number in customer.numbers
        for each in faults_about(tx, number)
    ]


def _forget(tx: Transaction, fault_id: str) -> None:
    forget_waivers(tx, fault_id)
    tx.execute("UPDATE faults SET number_index = '' WHERE fault_id = :id", id=fault_id)


def _about(tx: Transaction, number: str) -> Sequence[AboutNumber]:
    return [AboutNumber(each.fault_id, each.home_region) for each in faults_about(tx, number)]


def _ended(tx: Transaction, fault_id: str) -> Ended | None:
    row = find_fault(tx, fault_id)
    if row is None or not rules.is_ended(row.fault):
        return None
    number, home = row.fault.report.number, row.fault.home_region
    return Ended([fault_id], [fault_subject(fault_id)], number, fault_id, home)


def _may_hold(tx: Transaction, context: RegionContext, origin: str, fault_id: str) -> bool | None:
    row = find_fault(tx, fault_id)
    return None if row is None else row.fault.home_region == origin


def _is_open(tx: Transaction, fault_id: str) -> bool:
    state = tx.first(int, "SELECT state FROM faults WHERE fault_id = :id", id=fault_id)
    return state is not None and state not in rules.ENDED


FAULTS = RecordKind(
    KIND,
    ErasurePort(kept_of=_kept_of, forget={KIND: _forget}, about=_about, ended=_ended),
    HoldPort(
        held="SELECT held.subject, number_index FROM held"
        " JOIN faults ON fault_id = held.subject AND home_region = held.origin",
        may_hold=_may_hold,
    ),
    RetentionPort(
        purgers={DataClass.DATA_CLASS_FAULTS: Faults()},
        table=Table("faults", "fault_id", "number_index"),
        is_open=_is_open,
    ),
)
