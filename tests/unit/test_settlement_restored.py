"""What a restored region, or one that lies, does to a statement; and what is charged long after its month."""

from datetime import UTC, datetime

from gateway.api.region.v1.issue_envelopes_pb2 import IssueCommand
from gateway.api.region.v1.settlement_pb2 import (
    SettlementEvidence,
    SettlementProposed,
    SettlementStatement,
)
from gateway.api.region.v1.settlement_service_pb2 import DisputeSettlementRequest, SignSettlementRequest
from gateway.api.relay.v1.relay_pb2 import Outcome, ReceiptContent
from region_node.app.registered import settlement
from region_node.business.settlement import signing
from region_node.business.settlement.proofs import evidence_of
from region_node.business.settlement.rows import keep_statement, list_statements
from tests.unit.reconciling import FEE, HOME, ORIGIN, Two
from tests.unit.settling import (
    AFTER_JULY,
    AFTER_JUNE,
    JULY,
    JUNE,
    SETTLEMENTS,
    caller,
    handler,
    kept,
    lose_statements,
    reason_of,
    settle,
    sign,
    signed_by_both,
    told,
)
from tests.unit.settling import (
    regions_with_payments_and_money_for_a_complaint as regions_with_payments_and_money_for_a_complaint,
)


def test_a_first_region_restored_from_a_backup_signs_again_what_its_own_records_agree_with(two: Two) -> None:
    two.compare()
    signed_by_both(two, JUNE, AFTER_JUNE)
    two.order("late", 30, taken_in=datetime(2030, 7, 3, 4, tzinfo=UTC))
    signed_by_both(two, JULY, AFTER_JULY)
    before = kept(two.origin), kept(two.origin, JULY)
    lose_statements(two.origin)
    sign(two, two.origin, JULY, AFTER_JULY)
    assert (kept(two.origin), kept(two.origin, JULY)) == before, "one signature brings back both, in their order"
    assert (kept(two.home), kept(two.home, JULY)) == before
    august = signed_by_both(two, "2030-08", datetime(2030, 9, 2, 4, tzinfo=UTC))
    assert told(august) == {}, "nothing is charged twice"


def test_a_first_region_restored_without_a_record_accepts_the_signed_statement_or_disputes_it(two: Two) -> None:
    two.compare()
    signed_by_both(two, JUNE, AFTER_JUNE)
    lose_statements(two.origin)
    two.origin.execute(f"DELETE FROM orders WHERE order_id = '{ORIGIN}/counter/pay-1'")
    sign(two, two.origin, JUNE, AFTER_JULY)
    contested = kept(two.origin)
    assert (contested.state, contested.terms) == (signing.CONTESTED, kept(two.home).terms)
    assert reason_of(lambda: sign(two, two.origin, JUNE, AFTER_JULY)) == "SETTLEMENT_DIFFERS"
    assert reason_of(lambda: sign(two, two.origin, JULY, AFTER_JULY)) == "SETTLEMENT_STATE_FORBIDS"
    asked = DisputeSettlementRequest(region=HOME, month=JUNE, charge_kind="payment", of_month=JUNE, note="not here")
    disputed = signing.dispute(
        two.origin.tx, settlement(two.origin.context.node), caller(two.origin), asked, AFTER_JULY
    )
    issue = settle(two, AFTER_JULY)[0]
    assert IssueCommand.FromString(issue.payload).open.owner_region == HOME
    assert kept(two.origin).issue_id == disputed.issue_id
    sign(two, two.origin, JUNE, AFTER_JULY, accepts=True)
    assert (kept(two.origin).state, kept(two.origin).terms) == (signing.SIGNED, kept(two.home).terms)


def dispute_june(two: Two) -> SettlementStatement:
    """A dispute of the second region's staff, on its way to the first."""
    asked = DisputeSettlementRequest(region=ORIGIN, month=JUNE, charge_kind="payment", of_month=JUNE, note="a cent")
    return signing.dispute(two.home.tx, settlement(two.home.context.node), caller(two.home), asked, AFTER_JUNE)


def test_a_first_region_that_lost_a_dispute_learns_of_it_when_it_signs_once_more(two: Two) -> None:
    two.compare()
    sign(two, two.origin, JUNE, AFTER_JUNE)
    before = kept(two.origin)
    disputed = dispute_june(two)
    settle(two, AFTER_JUNE)
    keep_statement(two.origin.tx, HOME, before, AFTER_JUNE)
    sign(two, two.origin, JUNE, AFTER_JULY)
    assert kept(two.origin) == kept(two.home) == disputed
    assert signed_by_both(two, JUNE, AFTER_JULY).terms.version == 2
    assert kept(two.origin).state == signing.SIGNED


def test_a_dispute_that_crosses_the_same_proposal_stays_one_in_both_regions(two: Two) -> None:
    two.compare()
    sign(two, two.origin, JUNE, AFTER_JUNE)
    disputed = dispute_june(two)
    asked = SignSettlementRequest(region=HOME, month=JUNE)
    signing.sign(two.origin.tx, settlement(two.origin.context.node), caller(two.origin), asked, AFTER_JULY)
    settle(two, AFTER_JULY)
    assert kept(two.origin) == kept(two.home) == disputed


def test_another_region_cannot_bring_in_a_statement_that_is_no_signed_one_of_the_pair(two: Two) -> None:
    two.compare()
    sign(two, two.origin, JUNE, AFTER_JUNE)
    good = SettlementStatement()
    good.CopyFrom(kept(two.origin))
    good.state, good.decider = signing.SIGNED, f"{HOME}/li"
    good.terms.month = "2030-05"
    good.id = signing.statement_id(good.terms)
    forged = []
    for change in (
        {"state": signing.PROPOSED},
        {"decider": "henan/li"},
        {"proposer": f"{HOME}/li"},
        {"id": "elsewhere"},
        {"month": "never"},
        {"month": "2199-01"},
        {"second_region": "henan"},
        {"quantity": 7},
    ):
        each = SettlementStatement()
        each.CopyFrom(good)
        for name, value in change.items():
            owner = {"month": each.terms, "second_region": each.terms, "quantity": each.terms.lines[0]}.get(name, each)
            setattr(owner, name, value)
        if "month" in change or "second_region" in change:
            each.id = signing.statement_id(each.terms)
        if "quantity" in change:
            each.terms.net[0].minor_units += 1
        forged.append(each)
    proposal = next(each for each in two.origin.sent if each.kind == SETTLEMENTS[0])
    receipt = ReceiptContent(
        envelope_id=proposal.id,
        outcome=Outcome.OUTCOME_ACCEPTED,
        result=SettlementProposed(signed=forged).SerializeToString(),
    )
    handler(two.origin, proposal).answered(two.origin.tx, proposal, receipt, AFTER_JULY)
    assert [each.terms.month for _, each in list_statements(two.origin.tx, "", "", 50)] == [JUNE]


def test_no_statement_is_signed_by_another_region_s_word_alone(two: Two) -> None:
    two.compare()
    signed_by_both(two, JUNE, AFTER_JUNE)
    evidence = evidence_of(two.home.tx, two.home.context.node, ORIGIN, [kept(two.home)])
    proposed, decided = evidence
    early, later, own = kept(two.home), kept(two.home), kept(two.home)
    early.terms.month, later.terms.version = "2030-05", 2
    early.id = signing.statement_id(early.terms)
    cut, other = SettlementEvidence(content=b"\xff"), SettlementEvidence()
    other.CopyFrom(proposed)
    other.signature = decided.signature
    lies: dict[str, tuple[SettlementStatement, list[SettlementEvidence]]] = {
        "a month that was never signed": (early, evidence),
        "another version": (later, evidence),
        "no evidence": (own, []),
        "only the proposal": (own, [proposed]),
        "only the decision": (own, [decided]),
        "unreadable evidence": (own, [cut, decided]),
        "another signature": (own, [other, decided]),
    }
    lose_statements(two.origin)
    asked = SignSettlementRequest(region=HOME, month=JUNE)
    signing.sign(two.origin.tx, settlement(two.origin.context.node), caller(two.origin), asked, AFTER_JULY)
    waiting = next(each for each in two.origin.waiting() if each.kind == SETTLEMENTS[0])
    believed = []
    for case, (statement, shown) in lies.items():
        result = SettlementProposed(signed=[statement], evidence=shown).SerializeToString()
        receipt = ReceiptContent(envelope_id=waiting.id, outcome=Outcome.OUTCOME_ACCEPTED, result=result)
        handler(two.origin, waiting).answered(two.origin.tx, waiting, receipt, AFTER_JULY)
        states = [each.state for _, each in list_statements(two.origin.tx, "", "", 50)]
        if states != [signing.DISPUTED]:
            believed.append(case)
    assert believed == []
    result = SettlementProposed(signed=[own], evidence=evidence).SerializeToString()
    receipt = ReceiptContent(envelope_id=waiting.id, outcome=Outcome.OUTCOME_ACCEPTED, result=result)
    handler(two.origin, waiting).answered(two.origin.tx, waiting, receipt, AFTER_JULY)
    assert kept(two.origin) == kept(two.home)


def test_a_second_region_restored_from_a_backup_gets_the_statement_once_more_and_signs_it_again(two: Two) -> None:
    two.compare()
    signed_by_both(two, JUNE, AFTER_JUNE)
    before = kept(two.origin)
    lose_statements(two.home)
    assert reason_of(lambda: sign(two, two.home, JUNE, AFTER_JULY)) == "SETTLEMENT_NOT_FOUND"
    sign(two, two.origin, JUNE, AFTER_JULY)
    assert kept(two.home).state == signing.PROPOSED
    two.home.execute(f"DELETE FROM orders WHERE order_id = '{ORIGIN}/counter/pay-1'")
    asked = DisputeSettlementRequest(region=ORIGIN, month=JUNE, charge_kind="payment", of_month=JUNE, note="one less")
    signing.dispute(two.home.tx, settlement(two.home.context.node), caller(two.home), asked, AFTER_JULY)
    settle(two, AFTER_JULY)
    assert (kept(two.home).state, kept(two.origin)) == (signing.PROPOSED, before), "what both have signed stays signed"
    sign(two, two.home, JUNE, AFTER_JULY, accepts=True)
    assert (kept(two.home).state, kept(two.home).terms, kept(two.origin)) == (signing.SIGNED, before.terms, before)


def test_a_region_restored_from_a_backup_proposes_a_month_again_that_nobody_has_decided(two: Two) -> None:
    two.compare()
    sign(two, two.origin, JUNE, AFTER_JUNE)
    two.origin.execute("DELETE FROM settlement_statements")
    sign(two, two.origin, JUNE, AFTER_JULY)
    signed_by_both(two, JUNE, AFTER_JULY)
    assert kept(two.origin) == kept(two.home)
    assert (kept(two.origin).state, kept(two.origin).terms.version) == (signing.SIGNED, 2)


def month_end(month: int) -> datetime:
    """When a month of 2030 is signed."""
    return datetime(2030, month + 1, 3, 4, tzinfo=UTC)


def test_a_payment_whose_difference_stayed_open_for_months_is_charged_once_it_is_closed(two: Two) -> None:
    wrong = (
        "UPDATE ledger_entries SET amount = amount {} 1 WHERE account LIKE 'receivable%'"
        f" AND posting_id = '{ORIGIN}/counter/pay-2#credit'"
    )
    two.home.execute(wrong.format("-"))
    two.compare(now=AFTER_JUNE)
    first = told(signed_by_both(two, JUNE, AFTER_JUNE))
    assert first["payment 2030-06"] == (1, 100)
    assert [told(signed_by_both(two, f"2030-0{each}", month_end(each))) for each in (7, 8, 9)] == [{}] * 3
    two.home.execute(wrong.format("+"))
    two.compare(now=datetime(2030, 10, 20, 4, tzinfo=UTC))
    late = {"payment 2030-06": (1, 250), "handling 2030-06": (-1, -FEE)}
    assert told(signed_by_both(two, "2030-10", month_end(10))) == late
    assert kept(two.origin, "2030-10") == kept(two.home, "2030-10")
    assert told(signed_by_both(two, "2030-11", month_end(11))) == {}, "nothing is charged twice"


def test_months_that_were_never_signed_are_charged_by_the_next_statement(two: Two) -> None:
    two.compare()
    two.order("earlier", 30, taken_in=datetime(2030, 2, 3, 4, tzinfo=UTC))
    october = told(signed_by_both(two, "2030-10", month_end(10)))
    assert (october["payment 2030-02"], october["payment 2030-06"]) == ((1, 30), (2, 350))
    two.order("skipped", 60, taken_in=datetime(2030, 11, 3, 4, tzinfo=UTC))
    after = datetime(2031, 6, 2, 4, tzinfo=UTC)
    assert told(signed_by_both(two, "2031-05", after))["payment 2030-11"] == (1, 60)
    lose_statements(two.origin)
    sign(two, two.origin, "2031-06", datetime(2031, 7, 2, 4, tzinfo=UTC))
    assert kept(two.origin, "2030-10") == kept(two.home, "2030-10")
    assert kept(two.origin, "2031-05") == kept(two.home, "2031-05"), "a restored region gets back all that count"
    assert told(signed_by_both(two, "2031-06", datetime(2031, 7, 2, 4, tzinfo=UTC))) == {}
