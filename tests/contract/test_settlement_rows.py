"""Statements of settlement on SQLite and on PostgreSQL."""

from importlib import resources

from gateway.api.region.v1.settlement_pb2 import SettlementState, SettlementStatement, SettlementTerms
from gateway.store.port import Transaction
from gateway.store.timers import due_timers
from region_node.business.settlement.rows import (
    PAYMENT_TIMER,
    Waiting,
    find_statement,
    first_waiting_month,
    is_any_pending,
    keep_statement,
    list_statements,
    statements_with,
)
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import CASH, EntryKind, settled, transfer
from tests.contract.test_purging import a_transaction as a_transaction
from tests.unit.purging import NOW

PROPOSED, SIGNED = SettlementState.SETTLEMENT_STATE_PROPOSED, SettlementState.SETTLEMENT_STATE_SIGNED


def test_statements_are_found_by_pair_and_listed_page_by_page_the_newest_month_first(tx: Transaction) -> None:
    wanted = [(month, region) for month in ("2030-06", "2030-05") for region in ("henan", "sichuan")]
    for month, region in reversed(wanted):
        terms = SettlementTerms(first_region="guangdong", second_region=region, month=month)
        state = PROPOSED if (month, region) == wanted[0] else SIGNED
        keep_statement(tx, region, SettlementStatement(terms=terms, state=state), NOW)
    listed, place = [], ""
    while page := list_statements(tx, "", place, 1):
        listed += [(each.terms.month, each.terms.second_region) for _, each in page]
        place = page[-1][0]
    assert listed == wanted
    assert [key for key, _ in list_statements(tx, "2030-05", "", 10)] == ["2030-05 henan", "2030-05 sichuan"]
    assert [each.terms.month for each in statements_with(tx, "henan", "2030-06")] == ["2030-06"]
    assert (is_any_pending(tx, "henan"), is_any_pending(tx, "sichuan")) == (True, False)
    assert (first_waiting_month(tx, "henan"), first_waiting_month(tx, "sichuan")) == ("2030-06", None)
    found = find_statement(tx, "sichuan", "2030-05")
    assert found is not None
    assert found.state == SIGNED
    assert find_statement(tx, "sichuan", "2030-04") is None


def test_what_an_earlier_version_has_signed_and_not_paid_waits_for_its_payment_after_the_upgrade(
    tx: Transaction,
) -> None:
    for month, state in (("2030-04", SIGNED), ("2030-05", SIGNED), ("2030-06", SIGNED), ("2030-07", PROPOSED)):
        terms = SettlementTerms(first_region="guangdong", second_region="henan", month=month)
        keep_statement(tx, "henan", SettlementStatement(terms=terms, state=state), NOW)
    for month, record_time in (("2030-04", "7"), ("2030-05", "NULL")):
        tx.execute(
            "INSERT INTO settlement_payments (region, month, reference, proposer, propose_time, recorder, record_time)"
            f" VALUES ('henan', '{month}', 'T-1', 'li', 1, '', {record_time})"
        )
    tx.execute("DELETE FROM timers")
    tx.execute((resources.files("region_node.schema") / "0170_settlement_payment_timers.sql").read_text())
    waiting = [Waiting.parse(each.subject) for each in due_timers(tx, NOW, of=[PAYMENT_TIMER])]
    assert sorted(waiting) == [("henan", "2030-05", 0, None), ("henan", "2030-06", 0, None)]


def test_postings_are_found_by_the_beginning_of_their_ids_up_to_a_hash(tx: Transaction) -> None:
    name = "guangdong/settlement/sichuan/2030-06"
    for each in (f"{name}/paid#CNY", f"{name}5#x"):
        ledger.post(tx, transfer(each, EntryKind.SETTLED, 1, debit=CASH, credit=settled("sichuan")), "CNY", NOW)
    assert not ledger.is_any_booked(tx, f"{name}#")
    posting = transfer(f"{name}#payment/2030-06/CNY", EntryKind.SETTLED, 1, debit=CASH, credit=settled("sichuan"))
    ledger.post(tx, posting, "CNY", NOW)
    assert ledger.is_any_booked(tx, f"{name}#")
