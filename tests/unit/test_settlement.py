"""Two regions settle a month: one proposes, the other signs or disputes; a late correction lands in a later month."""

from datetime import UTC, datetime

import pytest

from gateway.api.region.v1.issue_envelopes_pb2 import IssueCommand
from gateway.api.region.v1.issue_pb2 import IssueState
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from gateway.api.region.v1.settlement_pb2 import (
    SettlementSignature,
    SettlementStatement,
)
from gateway.api.region.v1.settlement_service_pb2 import DisputeSettlementRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.errors import Refused, text
from region_node.app.registered import settlement
from region_node.business.settlement import signing
from region_node.business.settlement.proofs import proofs_of
from region_node.business.settlement.rows import list_statements
from region_node.care.issues import handling as issues
from region_node.care.issues.rows import ISSUE_ROWS
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import CASH, RECONCILIATION, EntryKind, payable, receivable, transfer
from tests.unit.reconciling import COMPLETED, FAILED, FEE, HOME, ORIGIN, TAKEN_IN, Region, Two
from tests.unit.settling import (
    AFTER_JULY,
    AFTER_JUNE,
    JULY,
    JUNE,
    SETTLEMENTS,
    caller,
    handler,
    kept,
    reason_of,
    settle,
    sign,
    signed_by_both,
    told,
)
from tests.unit.settling import (
    regions_with_payments_and_money_for_a_complaint as regions_with_payments_and_money_for_a_complaint,
)


def test_both_sign_the_same_statement_and_each_stores_the_other_signature(two: Two) -> None:
    two.home.execute(f"DELETE FROM orders WHERE order_id = '{ORIGIN}/counter/slow'")
    two.origin.execute(f"DELETE FROM orders WHERE order_id = '{ORIGIN}/counter/slow'")
    proposed = sign(two, two.origin, JUNE, AFTER_JUNE)
    lines = {"payment 2030-06": (2, 350), "remedy 2030-06": (1, 40), "handling 2030-06": (-2, -2 * FEE)}
    assert told(proposed) == lines
    assert [each.minor_units for each in proposed.terms.net] == [390 - 2 * FEE]
    assert kept(two.home).state == signing.PROPOSED
    sign(two, two.home, JUNE, AFTER_JUNE)
    assert kept(two.home) == kept(two.origin)
    assert (kept(two.origin).state, kept(two.origin).proposer, kept(two.origin).decider) == (
        signing.SIGNED,
        f"{ORIGIN}/li",
        f"{HOME}/li",
    )


def test_a_record_on_the_way_is_left_to_a_later_month_and_changes_no_signed_one(two: Two) -> None:
    two.compare()
    signed_by_both(two, JUNE, AFTER_JUNE)
    before = kept(two.origin)
    assert told(before)["payment 2030-06"] == (2, 350), "the comparison has found the slow one in flight"
    serial = f"{ORIGIN}/counter/slow"
    two.origin.execute(f"UPDATE orders SET state = {COMPLETED}, handling_fee = {FEE} WHERE order_id = '{serial}'")
    owed = transfer(f"{serial}#owed", EntryKind.PAYMENT, 70, debit=CASH, credit=payable(HOME))
    ledger.post(two.origin.tx, owed, "CNY", AFTER_JUNE)
    two.compare(now=AFTER_JUNE)
    late = signed_by_both(two, JULY, AFTER_JULY)
    assert told(late) == {"payment 2030-06": (1, 70), "handling 2030-06": (-1, -FEE)}
    assert kept(two.origin) == before


def test_the_second_region_signs_nothing_that_differs_by_a_cent_and_disputes_it_in_an_issue(two: Two) -> None:
    two.compare()
    two.home.execute(
        f"UPDATE ledger_entries SET amount = amount - 1 WHERE posting_id = '{ORIGIN}/counter/pay-2#credit'"
        " AND account LIKE 'receivable%'"
    )
    sign(two, two.origin, JUNE, AFTER_JUNE)
    assert reason_of(lambda: sign(two, two.home, JUNE, AFTER_JUNE)) == "SETTLEMENT_DIFFERS"
    asked = DisputeSettlementRequest(
        region=ORIGIN, month=JUNE, charge_kind="payment", of_month=JUNE, note="one payment is another"
    )
    own = settlement(two.home.context.node)
    disputed = signing.dispute(two.home.tx, own, caller(two.home), asked, AFTER_JUNE)
    issue = settle(two, AFTER_JUNE)[0]
    opened = IssueCommand.FromString(issue.payload).open
    assert (opened.id, opened.owner_region) == (disputed.issue_id, ORIGIN)
    assert "payment 2030-06" in opened.request.subject
    assert kept(two.origin).state == kept(two.home).state == signing.DISPUTED
    two.home.execute(
        f"UPDATE ledger_entries SET amount = amount + 1 WHERE posting_id = '{ORIGIN}/counter/pay-2#credit'"
        " AND account LIKE 'receivable%'"
    )
    assert signed_by_both(two, JUNE, AFTER_JUNE).terms.version == 2
    assert kept(two.origin).state == signing.SIGNED


def test_nothing_is_signed_too_early_twice_or_out_of_order(two: Two) -> None:
    two.compare()
    found = {
        "before its end": reason_of(lambda: sign(two, two.origin, JUNE, TAKEN_IN)),
        "without a proposal": reason_of(lambda: sign(two, two.home, JUNE, AFTER_JUNE)),
    }
    sign(two, two.origin, JUNE, AFTER_JUNE)
    found["beside another"] = reason_of(lambda: sign(two, two.origin, JULY, AFTER_JULY))
    sign(two, two.home, JUNE, AFTER_JUNE)
    found["signed twice"] = reason_of(lambda: sign(two, two.home, JUNE, AFTER_JUNE))
    signed_by_both(two, JULY, AFTER_JULY)
    found["before a later one"] = reason_of(lambda: sign(two, two.origin, "2030-05", AFTER_JULY))
    forbids, unknown = "SETTLEMENT_STATE_FORBIDS", "SETTLEMENT_NOT_FOUND"
    assert found == {
        "before its end": forbids,
        "without a proposal": unknown,
        "beside another": forbids,
        "signed twice": unknown,
        "before a later one": forbids,
    }
    with pytest.raises(Refused) as early:
        sign(two, two.origin, "2030-08", AFTER_JULY)
    assert text(early.value.reason, early.value.parameters).zh_cn.endswith("：该月尚未结束。")
    page = list_statements(two.home.tx, "", "", 1)
    rest = list_statements(two.home.tx, "", page[-1][0], 5)
    assert [each.terms.month for _, each in page + rest] == [JULY, JUNE]


def test_a_forged_signature_is_not_believed(two: Two) -> None:
    two.compare()
    sign(two, two.origin, JUNE, AFTER_JUNE)
    proposal = kept(two.home)
    signed = SettlementStatement()
    signed.CopyFrom(proposal)
    signed.state, signed.decider = signing.SIGNED, f"{HOME}/li"
    dearer = SettlementStatement()
    dearer.CopyFrom(signed)
    dearer.terms.lines[0].amount.minor_units += 1
    changed = SettlementStatement()
    changed.CopyFrom(proposal)
    changed.terms.lines[0].quantity += 1
    to_come = SettlementStatement()
    to_come.CopyFrom(proposal)
    to_come.terms.month = "2030-07"
    to_come.id = signing.statement_id(to_come.terms)
    unsound = SettlementStatement()
    unsound.CopyFrom(proposal)
    unsound.terms.net[0].minor_units += 1
    propose, decide = SETTLEMENTS
    forged: dict[str, tuple[Region, str, EnvelopeKind.ValueType, SettlementStatement]] = {
        "other terms of the same version": (two.home, ORIGIN, propose, changed),
        "a month to come": (two.home, ORIGIN, propose, to_come),
        "sums that do not add up": (two.home, ORIGIN, propose, unsound),
        "a third region proposes": (two.home, "henan", propose, proposal),
        "a third region signs": (two.origin, "henan", decide, signed),
        "the proposer signs for the other": (two.home, ORIGIN, decide, signed),
        "other terms are signed": (two.origin, HOME, decide, dearer),
        "nothing is decided": (two.origin, HOME, decide, proposal),
    }
    wrong = []
    for case, (region, origin, kind, statement) in forged.items():
        payload = SettlementSignature(statement=statement).SerializeToString()
        subject = f"settlement/{statement.id}"
        content = EnvelopeContent(kind=kind, subject=subject, origin=origin, payload=payload)
        try:
            handler(region, content).act(region.tx, content, AFTER_JUNE)
        except Refused:
            continue
        wrong.append(case)
    assert wrong == []
    assert kept(two.origin).state == kept(two.home).state == signing.PROPOSED


def test_a_signature_that_is_sent_once_more_changes_nothing(two: Two) -> None:
    two.compare()
    sign(two, two.origin, JUNE, AFTER_JUNE)
    sign(two, two.origin, JUNE, AFTER_JULY)
    assert kept(two.origin).state == kept(two.home).state == signing.PROPOSED
    sign(two, two.home, JUNE, AFTER_JULY)
    before = kept(two.origin)
    sign(two, two.origin, JUNE, datetime(2030, 8, 3, 4, tzinfo=UTC))
    assert (kept(two.origin), kept(two.home)) == (before, before)


def test_money_of_an_erased_customer_stays_owed(two: Two) -> None:
    two.compare()
    signed = told(signed_by_both(two, JUNE, AFTER_JUNE))
    for name in ("pay-1", "money-1"):
        for each in two.by_name.values():
            each.execute(f"UPDATE orders SET erased = 1, body = x'00' WHERE order_id = '{ORIGIN}/counter/{name}'")
    assert (signed["payment 2030-06"], signed["handling 2030-06"]) == ((2, 350), (-2, -2 * FEE))
    assert told(signed_by_both(two, JULY, AFTER_JULY)) == {}, "an erasure in a settled month corrects nothing"


def test_a_payment_given_back_in_the_next_month_is_corrected_there_by_its_amount_alone(two: Two) -> None:
    two.compare()
    signed_by_both(two, JUNE, AFTER_JUNE)
    serial = f"{ORIGIN}/counter/pay-1"
    for region, account in ((two.origin, payable(HOME)), (two.home, receivable(ORIGIN))):
        debit, credit = (account, RECONCILIATION) if region is two.origin else (RECONCILIATION, account)
        back = transfer(f"{serial}#r1", EntryKind.RECONCILED, 100, debit=debit, credit=credit)
        ledger.post(region.tx, back, "CNY", AFTER_JUNE)
    assert told(signed_by_both(two, JULY, AFTER_JULY)) == {"payment 2030-06": (0, -100)}


def test_ten_thousand_orders_of_a_month_make_a_statement_of_a_few_lines(two: Two) -> None:
    two.compare()
    columns = "origin_region, home_region, operator, business, number, create_time, state, version, awaiting"
    for each in two.by_name.values():
        each.tx.execute(
            f"INSERT INTO orders ({columns}, traceparent, body, is_sealed, handling_fee, order_id)"
            " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)"
            f" SELECT {columns}, traceparent, body, is_sealed, 3, order_id || '-' || i FROM orders, n"
            f" WHERE order_id = '{ORIGIN}/counter/pay-1'"
        )
    signed = signed_by_both(two, JUNE, AFTER_JUNE)
    assert told(signed)["handling 2030-06"] == (-10_002, -30_000 - 2 * FEE)
    assert signed.ByteSize() < 1000


def test_both_signatures_are_shown_only_of_a_signed_statement_and_where_they_are(two: Two) -> None:
    two.compare()
    node = two.origin.context.node
    found = [reason_of(lambda: proofs_of(two.origin.tx, node, HOME, JUNE))]
    sign(two, two.origin, JUNE, AFTER_JUNE)
    found.append(reason_of(lambda: proofs_of(two.origin.tx, node, HOME, JUNE)))
    sign(two, two.home, JUNE, AFTER_JUNE)
    two.origin.tx.execute("DELETE FROM settlement_signatures")  # a database from before them
    found.append(reason_of(lambda: proofs_of(two.origin.tx, node, HOME, JUNE)))
    assert found == ["SETTLEMENT_NOT_FOUND", "SETTLEMENT_NOT_FOUND", "SETTLEMENT_NOT_PROVEN"]


def test_a_reversal_after_another_tariff_gives_back_exactly_the_fee_that_was_charged(two: Two) -> None:
    two.order("dear", 0, business="SUSPEND", fee=700)
    two.compare()
    assert told(signed_by_both(two, JUNE, AFTER_JUNE))["handling 2030-06"] == (-3, -2 * FEE - 700)
    for each in two.by_name.values():
        each.execute(f"UPDATE orders SET state = {FAILED} WHERE order_id = '{ORIGIN}/counter/dear'")
    two.order("later", 0, business="SUSPEND", taken_in=datetime(2030, 7, 3, 4, tzinfo=UTC), fee=250)
    late = told(signed_by_both(two, JULY, AFTER_JULY))
    assert late == {"handling 2030-06": (1, 700), "handling 2030-07": (-1, -250)}


def test_a_dispute_ends_with_its_issue_and_the_correction_comes_in_the_next_month(two: Two) -> None:
    """The night's comparison leaves the disputed record out of the month, which is signed without it."""
    wrong = (
        "UPDATE ledger_entries SET amount = amount {} 1 WHERE account LIKE 'receivable%'"
        f" AND posting_id = '{ORIGIN}/counter/pay-2#credit'"
    )
    two.home.execute(wrong.format("-"))
    sign(two, two.origin, JUNE, AFTER_JUNE)
    asked = DisputeSettlementRequest(region=ORIGIN, month=JUNE, charge_kind="payment", of_month=JUNE, note="a cent")
    own = settlement(two.home.context.node)
    issue_id = signing.dispute(two.home.tx, own, caller(two.home), asked, AFTER_JUNE).issue_id
    settle(two, AFTER_JUNE)
    two.compare(now=AFTER_JUNE)
    assert two.home.named["pay-2"] == "different_amount"
    for step in (
        WorkOnIssueRequest(take_up=WorkOnIssueRequest.TakeUp()),
        WorkOnIssueRequest(decide=WorkOnIssueRequest.Decide(text="corrected, and left to July")),
        WorkOnIssueRequest(close=WorkOnIssueRequest.Close()),
    ):
        step.issue_id = issue_id
        issues.work(two.origin.tx, two.origin.context.node, caller(two.origin), step, AFTER_JUNE)
        settle(two, AFTER_JUNE)
    ended = [ISSUE_ROWS.require(each.tx, issue_id).ticket.state for each in two.by_name.values()]
    assert ended == [IssueState.ISSUE_STATE_CLOSED] * 2
    assert told(signed_by_both(two, JUNE, AFTER_JUNE))["payment 2030-06"] == (1, 100)
    two.home.execute(wrong.format("+"))
    two.compare(now=AFTER_JULY)
    assert told(signed_by_both(two, JULY, AFTER_JULY))["payment 2030-06"] == (1, 250)
