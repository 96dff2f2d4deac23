"""The repair of a difference: proposed in one region, confirmed in the other, done as a normal act."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from gateway.api.region.v1.order_envelopes_pb2 import OrderUpdate
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.reconciliation_envelopes_pb2 import (
    ReconciliationQuestion,
    RepairDecided,
    RepairProposed,
)
from gateway.api.region.v1.reconciliation_pb2 import Repair, RepairAct
from gateway.api.region.v1.reconciliation_service_pb2 import ProposeRepairRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.peers import Certificates
from gateway.store.timers import due_timers
from gateway.time.clock import from_timestamp
from region_node.approvals.rules import TO_DECIDE
from region_node.business.reconciliation import comparing, nightly, repairs
from region_node.business.reconciliation.kind import RECONCILIATIONS
from region_node.business.reconciliation.repair_rows import list_repairs, require_repair
from tests.unit.reconciling import COMPLETED, DAY, HOME, IN_PROGRESS, NIGHT, ORIGIN, TAKEN_IN, Region, Two, two_regions
from tests.unit.staff_of_origin import CERTIFICATES

SERIAL = f"{ORIGIN}/counter/pay-7"
REPAIR = f"{ORIGIN}/staff/li/r1"
LATER = NIGHT + timedelta(days=1)
CORRECT, SEND_AGAIN = RepairAct.REPAIR_ACT_CORRECT, RepairAct.REPAIR_ACT_SEND_AGAIN
PROPOSED = EnvelopeKind.ENVELOPE_KIND_REPAIR_PROPOSED
DECIDED = EnvelopeKind.ENVELOPE_KIND_REPAIR_DECIDED


@pytest.fixture(name="two")
def regions_of_which_the_home_has_booked_less() -> Iterator[Two]:
    """Its copy of one payment is five units short."""
    with two_regions() as two:
        for number in range(20):
            two.order(f"pay-{number}")
        two.home.execute(
            f"UPDATE ledger_entries SET amount = amount + 5 WHERE posting_id = '{SERIAL}#credit'"
            " AND account LIKE 'receivable%'"
        )
        two.compare()
        yield two


def proposed(
    two: Two,
    acting: str,
    act: RepairAct.ValueType = CORRECT,
    *,
    repair_id: str = REPAIR,
    certificates: Certificates = CERTIFICATES,
    at: datetime = NIGHT,
) -> Repair:
    """The origin's staff proposes a repair, and the home region has the proposal."""
    asked = ProposeRepairRequest(
        region=HOME, record_kind="order", serial=SERIAL, act=act, acting_region=acting, note="booked short"
    )
    repair = repairs.propose(two.origin.tx, two.origin.context, repair_id, "li", certificates, asked, at)
    two.settle()
    return repair


def decided(two: Two, *, confirmed: bool = True, repair_id: str = REPAIR, at: datetime = NIGHT) -> None:
    """The home region's staff decides, and the origin hears of it."""
    repairs.decide(two.home.tx, two.home.context, repair_id, "wang", at, confirmed=confirmed)
    two.settle(at)


def states(two: Two, repair_id: str = REPAIR) -> list[str]:
    """How a repair stands in both regions."""
    found = [require_repair(each.tx, each.context.kinds, repair_id) for each in (two.origin, two.home)]
    return [repairs.state_name(each.state) for each in found]


def reason_of(
    region: Region, *, confirmed: bool = True, repair_id: str = REPAIR, at: datetime = NIGHT
) -> Reason.ValueType:
    with pytest.raises(Refused) as caught:
        repairs.decide(region.tx, region.context, repair_id, "li", at, confirmed=confirmed)
    return caught.value.reason


@pytest.mark.parametrize(("acting", "amount"), [(HOME, 5), (ORIGIN, -5)])
def test_a_confirmed_correction_is_posted_where_it_was_proposed_and_the_difference_closes(
    two: Two, acting: str, amount: int
) -> None:
    assert proposed(two, acting).amount.minor_units == amount
    assert [each.repair_id for each in two.origin.differences] == [REPAIR]
    decided(two)
    assert states(two) == ["done", "done"]
    posted = {
        each.name: each.tx.all(
            lambda account, amount: (account, amount),
            "SELECT account, amount FROM ledger_entries WHERE kind = 'reconciled' ORDER BY account",
        )
        for each in (two.origin, two.home)
    }
    account = f"payable/{HOME}" if acting == ORIGIN else f"receivable/{ORIGIN}"
    assert posted.pop(acting) == [(account, -5), ("reconciliation", 5)]
    assert list(posted.values()) == [[]], "the other region posts nothing"
    two.compare(now=LATER)
    assert (two.origin.named, two.home.named) == ({}, {})


@pytest.mark.parametrize("acting", [HOME, ORIGIN])
def test_once_a_repair_is_done_both_regions_compare_its_day_again_and_find_nothing(two: Two, acting: str) -> None:
    proposed(two, acting)
    decided(two)
    assert two.origin.named == two.home.named == {"pay-7": "different_amount"}
    now = NIGHT + timedelta(minutes=1)
    for region in (two.origin, two.home):
        [timer] = due_timers(region.tx, now, 10)
        nightly.day_is_due(region.tx, region.context, timer, now)
    two.settle(now)
    assert (two.origin.named, two.home.named) == ({}, {})


def test_a_difference_that_is_found_after_its_repair_was_proposed_names_the_repair(two: Two) -> None:
    two.home.execute(f"DELETE FROM reconciliation_differences WHERE serial = '{SERIAL}'")
    proposed(two, HOME)
    assert two.home.differences == []
    two.compare(now=LATER)
    assert [each.repair_id for each in two.home.differences] == [REPAIR]


def test_the_acting_region_has_an_audit_row_that_names_the_proposer(two: Two) -> None:
    proposed(two, HOME)
    decided(two)
    details = two.home.tx.all(str, "SELECT detail FROM audit WHERE action = 'Repair'")
    assert details == [f"REPAIR_ACT_CORRECT, {REPAIR}, proposed by {ORIGIN}/li"]


def test_nobody_of_the_proposing_region_confirms_and_nothing_is_decided_twice(two: Two) -> None:
    proposed(two, HOME)
    assert reason_of(two.origin) == Reason.REASON_REPAIR_NOT_RESPONSIBLE
    decided(two)
    assert reason_of(two.home, confirmed=False) == Reason.REASON_REPAIR_STATE_FORBIDS


def test_a_rejected_repair_changes_nothing(two: Two) -> None:
    proposed(two, HOME)
    decided(two, confirmed=False)
    assert states(two) == ["rejected", "rejected"]
    two.compare(now=LATER)
    assert two.home.named == {"pay-7": "different_amount"}


def test_a_lost_receipt_is_repaired_by_the_home_region_that_sends_its_version_again() -> None:
    with two_regions() as two:
        two.order("pay-7", at_origin=IN_PROGRESS)
        two.compare()
        proposed(two, HOME, SEND_AGAIN)
        repairs.decide(two.home.tx, two.home.context, REPAIR, "wang", NIGHT, confirmed=True)
        [update] = [each for each in two.home.waiting() if each.kind == EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE]
        order = OrderUpdate.FromString(update.payload).order
        assert (order.id, order.version, update.destination, update.subject) == (SERIAL, 2, ORIGIN, SERIAL)
        assert update.id != f"{SERIAL}@2>{ORIGIN}", "the origin has the receipt of that one"


def test_an_act_that_is_impossible_by_then_fails_in_both_regions(two: Two) -> None:
    proposed(two, ORIGIN)
    two.origin.execute(f"UPDATE orders SET erased = 1, body = x'00' WHERE order_id = '{SERIAL}'")
    two.origin.tx.execute("DELETE FROM orders WHERE order_id = :id", id=SERIAL)
    decided(two)
    assert states(two) == ["failed", "failed"]


def test_two_repairs_of_one_record_are_never_both_done(two: Two) -> None:
    proposed(two, HOME)
    asked = ProposeRepairRequest(
        region=ORIGIN, record_kind="order", serial=SERIAL, act=CORRECT, acting_region=ORIGIN, note="too much"
    )

    def proposed_back() -> Reason.ValueType:
        with pytest.raises(Refused) as caught:
            repairs.propose(two.home.tx, two.home.context, f"{HOME}/staff/wang/r1", "wang", (), asked, LATER)
        return caught.value.reason

    forbidden = Reason.REASON_REPAIR_STATE_FORBIDS
    assert proposed_back() == forbidden, "the other one is proposed"
    decided(two)
    assert proposed_back() == forbidden, "no comparison has looked at the correction"


def test_of_proposals_that_cross_one_is_rejected_before_the_other_is_confirmed(two: Two) -> None:
    crossing = f"{HOME}/staff/wang/r1"
    for region, other, repair_id in ((two.origin, HOME, REPAIR), (two.home, ORIGIN, crossing)):
        asked = ProposeRepairRequest(
            region=other, record_kind="order", serial=SERIAL, act=CORRECT, acting_region=HOME, note="booked short"
        )
        repairs.propose(region.tx, region.context, repair_id, "li", (), asked, NIGHT)
    two.settle()
    assert reason_of(two.home) == Reason.REASON_REPAIR_STATE_FORBIDS
    repairs.decide(two.origin.tx, two.origin.context, crossing, "li", NIGHT, confirmed=False)
    two.settle()
    decided(two)
    assert states(two) == ["done", "done"]


def test_only_the_kinds_own_acts_on_open_differences_are_proposed(two: Two) -> None:
    good = ProposeRepairRequest(region=HOME, record_kind="order", serial=SERIAL, act=CORRECT, acting_region=HOME)
    changes: dict[str, dict[str, object]] = {
        "another serial": {"serial": f"{ORIGIN}/counter/pay-8"},
        "another region": {"region": "henan"},
        "another kind": {"record_kind": "cake"},
        "no act": {"act": RepairAct.REPAIR_ACT_UNSPECIFIED},
        "a third region acts": {"acting_region": "henan"},
    }
    wrong = []
    for case, change in changes.items():
        asked = ProposeRepairRequest()
        asked.CopyFrom(good)
        for name, value in change.items():
            setattr(asked, name, value)
        try:
            repairs.propose(two.origin.tx, two.origin.context, REPAIR, "li", (), asked, NIGHT)
        except Refused:
            continue
        wrong.append(case)
    assert wrong == []


def test_no_correction_is_proposed_of_money_on_the_way_or_of_a_record_that_a_region_lost() -> None:
    lost = f"DELETE FROM orders WHERE order_id = '{SERIAL}'"
    cases: dict[str, tuple[OrderState.ValueType, str]] = {
        "on the way": (IN_PROGRESS, "in_flight"),
        "lost here": (COMPLETED, "missing_here"),
        "lost there": (COMPLETED, "missing_there"),
    }
    wrong = {}
    for case, (at_origin, kind) in cases.items():
        with two_regions() as two:
            two.order("pay-7", at_origin=at_origin)
            if case != "on the way":
                (two.origin if case == "lost here" else two.home).execute(lost)
            two.compare()
            found = two.origin.named
            with pytest.raises(Refused) as caught:
                proposed(two, HOME)
            if found != {"pay-7": kind} or caught.value.reason != Reason.REASON_REPAIR_IMPOSSIBLE:
                wrong[case] = (found, caught.value)
    assert wrong == {}


def test_a_forged_word_on_a_repair_is_not_believed(two: Two) -> None:
    repair = proposed(two, HOME)
    told = Repair()
    told.CopyFrom(repair)
    told.state = repairs.CONFIRMED
    fresh = Repair()
    fresh.CopyFrom(repair)
    fresh.id = f"{ORIGIN}/staff/li/r2"
    forged: dict[str, tuple[str, EnvelopeKind.ValueType, RepairDecided | RepairProposed]] = {
        "a decision of a third region": ("henan", DECIDED, RepairDecided(repair=told)),
        "a decision of the proposer": (ORIGIN, DECIDED, RepairDecided(repair=told)),
        "a proposal in another region's name": ("henan", PROPOSED, RepairProposed(repair=fresh)),
        "a proposal once more": (ORIGIN, PROPOSED, RepairProposed(repair=repair)),
        "no certificates": (ORIGIN, PROPOSED, RepairProposed(repair=fresh, proposer_certificates=b"-----BEGIN")),
    }
    wrong = []
    for case, (origin, kind, payload) in forged.items():
        subject = f"repair/{payload.repair.id}"
        content = EnvelopeContent(subject=subject, origin=origin, payload=payload.SerializeToString())
        try:
            two.handler(two.home, kind).act(two.home.tx, content, NIGHT)
        except Refused:
            continue
        wrong.append(case)
    assert wrong == []
    assert [each.id for each in list_repairs(two.home.tx, two.home.context.kinds, None, 10, undecided=True)] == [REPAIR]


def test_days_closed_differences_and_ended_repairs_are_forgotten_after_three_years(two: Two) -> None:
    proposed(two, HOME, repair_id=f"{ORIGIN}/staff/li/r0", at=NIGHT - TO_DECIDE)
    proposed(two, HOME)
    two.order("slow", at_origin=IN_PROGRESS, taken_in=TAKEN_IN - timedelta(days=1))
    two.compare(DAY - timedelta(days=1))
    decided(two)
    two.compare(now=LATER)
    counts = {}
    for years in (2, 4):
        RECONCILIATIONS.retention.forget(two.home.tx, LATER + timedelta(days=years * 365))
        counts[years] = [
            two.home.tx.first(int, f"SELECT COUNT(*) FROM {table}")
            for table in (
                *("reconciled_days", "reconciliation_differences", "reconciliation_repairs"),
                "repair_proposers",
            )
        ]
    assert counts == {2: [2, 2, 2, 2], 4: [1, 1, 0, 0]}, "what is open stays, but for a proposal that has ended"


@pytest.mark.parametrize("acting", [HOME, ORIGIN])
@pytest.mark.parametrize("booked", [-5, 2])
def test_a_correction_is_not_confirmed_once_the_difference_has_closed_or_changed(
    two: Two, acting: str, booked: int
) -> None:
    proposed(two, acting)
    two.home.execute(
        f"UPDATE ledger_entries SET amount = amount + {booked} WHERE posting_id = '{SERIAL}#credit'"
        " AND account LIKE 'receivable%'"
    )
    two.compare(now=LATER)
    assert reason_of(two.home) == Reason.REASON_REPAIR_IMPOSSIBLE
    decided(two, confirmed=False)
    assert states(two) == ["rejected", "rejected"]


def test_a_confirmation_fails_of_a_repair_that_the_proposing_region_has_lost(two: Two) -> None:
    proposed(two, ORIGIN)
    two.origin.execute(f"DELETE FROM reconciliation_repairs WHERE repair_id = '{REPAIR}'")
    repairs.decide(two.home.tx, two.home.context, REPAIR, "wang", NIGHT, confirmed=True)
    [told] = two.home.waiting()
    with pytest.raises(Refused):
        two.handler(two.origin, DECIDED).act(two.origin.tx, told, NIGHT)
    refused = ReceiptContent(envelope_id=told.id, outcome=Outcome.OUTCOME_REFUSED)
    two.handler(two.home, DECIDED).answered(two.home.tx, told, refused, NIGHT)
    assert require_repair(two.home.tx, two.home.context.kinds, REPAIR).state == repairs.FAILED
    asked = ProposeRepairRequest(
        region=ORIGIN, record_kind="order", serial=SERIAL, act=CORRECT, acting_region=HOME, note="once more"
    )
    again = repairs.propose(two.home.tx, two.home.context, f"{HOME}/staff/wang/r1", "wang", (), asked, LATER)
    assert again.state == repairs.PROPOSED


def test_the_proposing_region_makes_no_correction_of_a_difference_that_has_closed(two: Two) -> None:
    proposed(two, ORIGIN)
    two.origin.execute(f"UPDATE reconciliation_differences SET closed_time = 1 WHERE serial = '{SERIAL}'")
    decided(two)
    assert states(two) == ["failed", "failed"]


@pytest.mark.parametrize("acting", [HOME, ORIGIN])
def test_a_comparison_that_began_before_an_act_raises_the_repaired_difference_no_more(two: Two, acting: str) -> None:
    proposed(two, acting)
    comparing.compare(two.origin.tx, two.origin.context, HOME, DAY, LATER)
    comparing.compare(two.home.tx, two.home.context, ORIGIN, DAY, LATER)
    begun = [(each, content) for each in (two.origin, two.home) for content in each.waiting()]
    copies = {
        id(content): comparing.answer(
            two.by_name[content.destination].tx,
            two.by_name[content.destination].context,
            content.origin or sender.name,
            ReconciliationQuestion.FromString(content.payload),
        )
        for sender, content in begun
    }
    acted = LATER + timedelta(minutes=5)
    repairs.decide(two.home.tx, two.home.context, REPAIR, "wang", acted, confirmed=True)
    two.settle(acted)
    for sender, content in begun:
        receipt = ReceiptContent(outcome=Outcome.OUTCOME_ACCEPTED, result=copies[id(content)].SerializeToString())
        handler = two.handler(sender, EnvelopeKind.ENVELOPE_KIND_RECONCILIATION)
        handler.answered(sender.tx, content, receipt, acted + timedelta(minutes=1))
    two.settle(acted + timedelta(minutes=2))
    assert all(each.repair_id == REPAIR for region in (two.origin, two.home) for each in region.differences)
    with pytest.raises(Refused) as caught:
        repairs.propose(two.home.tx, two.home.context, f"{HOME}/staff/wang/r1", "wang", (), asked_back(), acted)
    assert caught.value.reason in (Reason.REASON_REPAIR_STATE_FORBIDS, Reason.REASON_DIFFERENCE_NOT_FOUND)
    two.compare(now=acted + timedelta(days=1))
    assert (two.origin.named, two.home.named) == ({}, {})


def test_a_difference_found_between_a_confirmation_and_its_act_is_not_corrected_twice(two: Two) -> None:
    proposed(two, ORIGIN)
    repairs.decide(two.home.tx, two.home.context, REPAIR, "wang", NIGHT, confirmed=True)
    [decision] = two.home.waiting()
    comparing.compare(two.home.tx, two.home.context, ORIGIN, DAY, LATER)
    two.settle(LATER)
    [found] = two.home.differences
    assert from_timestamp(found.seen_time) == LATER, "the origin has not acted"
    acted = LATER + timedelta(minutes=5)
    two.handler(two.origin, DECIDED).act(two.origin.tx, decision, acted)
    two.settle(acted + timedelta(minutes=1))
    times = [
        from_timestamp(require_repair(each.tx, each.context.kinds, REPAIR).act_time) for each in two.by_name.values()
    ]
    assert times == [acted, acted + timedelta(minutes=1)], "each region has the time by its own clock"
    with pytest.raises(Refused) as caught:
        repairs.propose(two.home.tx, two.home.context, f"{HOME}/staff/wang/r1", "wang", (), asked_back(), acted)
    assert caught.value.reason == Reason.REASON_REPAIR_STATE_FORBIDS
    two.compare(now=LATER + timedelta(days=1))
    assert (two.origin.named, two.home.named) == ({}, {})


def asked_back() -> ProposeRepairRequest:
    """The home region's staff proposes a correction of the same record."""
    return ProposeRepairRequest(
        region=ORIGIN, record_kind="order", serial=SERIAL, act=CORRECT, acting_region=HOME, note="once more"
    )


def test_a_region_corrects_nothing_on_the_word_of_the_other_one(two: Two) -> None:
    proposed(two, HOME)
    two.home.execute(f"DELETE FROM reconciliation_differences WHERE serial = '{SERIAL}'")
    assert reason_of(two.home) == Reason.REASON_DIFFERENCE_NOT_FOUND
    two.compare(now=LATER)
    decided(two)
    assert states(two) == ["done", "done"]


def test_a_decision_by_nobody_of_the_deciding_region_is_refused(two: Two) -> None:
    repair = proposed(two, HOME)
    for decider in ("", "henan/li", f"{HOME}/{'x' * 300}"):
        told = Repair()
        told.CopyFrom(repair)
        told.state, told.decider = repairs.REJECTED, decider
        payload = RepairDecided(repair=told).SerializeToString()
        content = EnvelopeContent(subject=f"repair/{REPAIR}", origin=HOME, payload=payload)
        with pytest.raises(Refused) as caught:
            two.handler(two.origin, DECIDED).act(two.origin.tx, content, NIGHT)
        assert caught.value.reason == Reason.REASON_ENVELOPE_INVALID
