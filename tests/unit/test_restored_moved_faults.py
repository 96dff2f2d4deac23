"""Rent and parts of a fault that were lost come back on the line of the fault's own time, also after a move."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.api.region.v1.fault_envelopes_pb2 import FaultMoved, FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairEvidence
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.store.port import Value
from gateway.time.clock import to_timestamp
from region_node.business.reconciliation.port import Act
from region_node.customers.accounts import ledger
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import CustomerRow, give_up_number, line_of
from region_node.network.faults import charging, waiver
from region_node.network.faults.restoring_debts import RENT_RESTORING
from region_node.network.faults.rows import FaultRow
from tests.unit.reconciling import HOME, NIGHT
from tests.unit.situations import LINE
from tests.unit.test_moved_faults import HOUR, NEW, RENTS, REPORTED, Both, homes, share, told_late

TABLES = {
    "fault_waivers": "fault_id",
    "waived_times": "source",
    "ledger_entries": "posting_id",
    "outbox": "envelope_id",
}
ACT = Act("henan/repair", "henan/F1#waived0", "henan", 0)
REPAIRED = REPORTED + 60 * HOUR
TOLD = EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED


@pytest.fixture(name="both")
def both_homes() -> Iterator[Both]:
    with homes() as found:
        yield found


def signed(fault: Fault, amount: int | None) -> FaultWaived:
    """What the old home has signed of its rent; None for no amount."""
    waived = FaultWaived()
    told = waived.waived.add(outage=0)
    told.waiver.time.CopyFrom(fault.outages[0].waiver.time)
    if amount is not None:
        told.owed.CopyFrom(Money(minor_units=amount, currency="CNY"))
    return waived


def given_back(both: Both) -> list[tuple[Value, ...]]:
    """Everything that the old home has booked of the fault, and for which times; not when it booked it."""
    return both.old.tx.all(
        lambda *row: row,
        "SELECT posting_id, account, amount FROM ledger_entries WHERE posting_id LIKE 'henan/F1%' UNION ALL"
        " SELECT source, product_id, end_time - start_time FROM waived_times UNION ALL"
        " SELECT fault_id, '', end_time - start_time FROM fault_waivers ORDER BY 1, 2, 3",
    )


def loses(both: Both) -> None:
    both.old.unlock_ledger()
    for table, column in TABLES.items():
        both.old.tx.execute(f"DELETE FROM {table} WHERE {column} LIKE '%henan/F1%'")


def restores(both: Both, fault: Fault, waived: FaultWaived, now: datetime = NIGHT) -> list[EnvelopeContent]:
    """What the old home tells the new one when it books its rent again."""
    context = both.old.context.node
    lost = waiver.given(both.old.tx, context, ACT, fault, waived)
    waiver.give_again(both.old.tx, context, FaultRow(fault, ""), lost, now)
    return [each for each in both.old.waiting() if each.kind == TOLD]


@pytest.mark.parametrize("is_taken", [True, False])
def test_rent_of_a_moved_line_that_was_lost_comes_back_and_the_new_home_gives_the_rest_once(
    both: Both, *, is_taken: bool
) -> None:
    both.moves(REPORTED + 54 * HOUR)
    fault = told_late(both.old, HOME, REPORTED, REPAIRED)
    before, parts = given_back(both), (share(RENTS[HOME], 54), share(RENTS[NEW], 6))
    (first,) = both.delivers(REPAIRED) if is_taken else [each for each in both.old.waiting() if each.kind == TOLD]
    loses(both)
    (again,) = restores(both, fault, signed(fault, parts[0]))
    assert given_back(both) == before
    assert (again.id, FaultMoved.FromString(again.payload)) == (first.id, FaultMoved.FromString(first.payload))
    answer = both.handler(both.new, TOLD).act(both.new.tx, again, NIGHT)
    assert len(FaultWaived.FromString(answer.result).waived) == (0 if is_taken else 1)
    assert both.given() == parts
    assert restores(both, fault, signed(fault, parts[0])) == [], "what is there is neither booked nor told again"
    assert given_back(both) == before


def test_rent_of_before_a_move_or_on_the_way_comes_back_without_a_word_to_the_new_home(both: Both) -> None:
    both.confirms(REPORTED + 54 * HOUR)
    fault = told_late(both.old, HOME, REPORTED, REPAIRED)
    both.delivers(REPAIRED)
    loses(both)
    assert restores(both, fault, signed(fault, share(RENTS[HOME], 60))) == []
    (row,) = both.old.tx.all(lambda *row: row, "SELECT amount, end_time - start_time FROM fault_waivers")
    assert row == (share(RENTS[HOME], 60), 60 * HOUR // timedelta(microseconds=1))


def test_rent_of_a_moved_line_without_a_signed_amount_stays_with_people(both: Both) -> None:
    both.moves(REPORTED + 54 * HOUR)
    fault = told_late(both.old, HOME, REPORTED, REPAIRED)
    loses(both)
    with pytest.raises(Refused) as refused:
        restores(both, fault, signed(fault, None))
    assert refused.value.reason == Reason.REASON_RECORD_AMOUNT_NOT_PROVEN


def test_neither_rent_nor_a_part_is_booked_on_the_line_of_a_later_customer_of_the_number(both: Both) -> None:
    fault = told_late(both.old, HOME, REPORTED, REPAIRED)
    part = fault.repair.parts.add(number=1, charged=True, price=Money(minor_units=900, currency="CNY"))
    part.install_time.CopyFrom(to_timestamp(REPAIRED))
    loses(both)
    line = line_of(both.old.tx, LINE.product_id)
    assert line is not None
    keep_line(both.old.tx, line.terminated(), REPAIRED + HOUR)
    give_up_number(both.old.tx, line.terminated())
    later = replace(line, product_id="later", customer_id="later", account_id="later")
    keep_customer(both.old.tx, CustomerRow("later", "李", ""))
    keep_line(both.old.tx, replace(later, start_time=REPAIRED + timedelta(days=90)), REPAIRED + timedelta(days=90))
    for books in (
        lambda: restores(both, fault, signed(fault, share(RENTS[HOME], 60))),
        lambda: charging.lost(both.old.tx, both.old.context.node, ACT, fault),
    ):
        with pytest.raises(Refused) as refused:
            books()
        assert refused.value.reason == Reason.REASON_RECORD_LINE_UNKNOWN
    assert ledger.balance(both.old.tx, "later") == 0


def test_a_part_that_was_charged_before_a_move_comes_back_on_the_account_of_then(both: Both) -> None:
    fault = told_late(both.old, HOME, REPORTED, REPAIRED)
    part = fault.repair.parts.add(number=1, charged=True, price=Money(minor_units=900, currency="CNY"))
    part.install_time.CopyFrom(to_timestamp(REPAIRED))
    both.moves(REPAIRED + HOUR)
    (posting,) = charging.lost(both.old.tx, both.old.context.node, ACT, fault)
    assert LINE.account_id in str(posting)


@pytest.mark.parametrize("is_lost_here", [True, False])
def test_the_debt_of_rent_after_a_move_is_not_restored_by_evidence(both: Both, *, is_lost_here: bool) -> None:
    act, context = Act("henan/repair", f"henan/F1#waived0>{HOME}/crm/m", NEW, 0), both.old.context.node

    def acts() -> None:
        if is_lost_here:
            RENT_RESTORING.restore(both.old.tx, context, act, RepairEvidence(), NIGHT)
        else:
            RENT_RESTORING.evidence(both.old.tx, context, act)

    with pytest.raises(Refused) as refused:
        acts()
    assert refused.value.reason == Reason.REASON_RECORD_NOT_RESTORABLE
    assert refused.value.parameters["region"] == (HOME if is_lost_here else NEW)
