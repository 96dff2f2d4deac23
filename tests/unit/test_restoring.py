"""A record that one region has lost is restored once, by what that region itself has signed, as two people agreed."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta

import pytest

from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairDecided, RepairEvidence
from gateway.api.region.v1.reconciliation_pb2 import RepairAct
from gateway.api.region.v1.reconciliation_service_pb2 import ProposeRepairRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.relay import inbox, outbox
from gateway.relay.border import Command
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import Enqueued
from gateway.store.port import Value
from gateway.time.clock import from_timestamp
from region_node.business.orders.rows import ORDER_RECORDS, find_order
from region_node.business.reconciliation import repairs
from region_node.business.reconciliation.repair_rows import require_repair
from region_node.business.settlement.debts import Debt, note_booked_debt
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import EntryKind, transfer
from region_node.customers.rows import CustomerRow, insert_customer, insert_line
from region_node.requests.rows import find_request
from region_node.tickets.border import accepted
from tests.unit.reconciling import DAY, HOME, NIGHT, ORIGIN, TAKEN_IN, Region, Two, two_regions
from tests.unit.situations import LINE

NAME = "pay-7"
SERIAL = f"{ORIGIN}/counter/{NAME}"
AMOUNT = 700
LATER = NIGHT + timedelta(days=1)
RESTORE = RepairAct.REPAIR_ACT_RESTORE
EVIDENCE = EnvelopeKind.ENVELOPE_KIND_REPAIR_EVIDENCE
SUBMIT = EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT


@pytest.fixture(name="two")
def regions_that_have_done_one_payment() -> Iterator[Two]:
    """With the envelope of its submission, the receipt, and the customer at home."""
    with two_regions() as two:
        insert_customer(two.home.tx, CustomerRow(LINE.customer_id, "王芳", ""))
        insert_line(two.home.tx, LINE)
        done(two, NAME)
        yield two


def done(two: Two, name: str, business: str = "PAY") -> None:
    """An order that the origin has submitted and the home region has completed, as its receipt says."""
    two.order(name, AMOUNT, business=business)
    completed = order_at(two.home, f"{ORIGIN}/counter/{name}")
    completed.product_id = LINE.product_id
    completed.request.characteristics["amount"] = str(AMOUNT)
    for each in (two.origin, two.home):
        keep_body(each, completed)
    submitted = Order()
    submitted.CopyFrom(completed)
    submitted.state, submitted.version = OrderState.ORDER_STATE_ACKNOWLEDGED, 0
    for told in ("product_id", "completion_time", "handling_fee"):
        submitted.ClearField(told)
    exchanged(two, submitted, completed)


def order_at(region: Region, serial: str) -> Order:
    row = find_order(region.tx, serial)
    assert row is not None
    return row.order


def keep_body(region: Region, order: Order) -> None:
    """Writes an order anew, past every rule."""
    ORDER_RECORDS.update(region.tx, order.id, order, {})


def exchanged(two: Two, submitted: Order, completed: Order) -> None:
    """The submission as the origin has sent it, and the home region's receipt of it."""
    border = two.origin.context.node.border
    outgoing = OutgoingEnvelope(
        envelope_id=f"{submitted.id}#submit>{HOME}",
        destination=HOME,
        kind=SUBMIT,
        payload=OrderSubmission(order=submitted).SerializeToString(),
        subject=submitted.id,
        operator="counter",
        lifetime=timedelta(days=7),
    )
    outbox.send(two.origin.tx, border, outgoing, now=TAKEN_IN, traceparent="")
    [sealed] = [each.sealed for each in two.origin.tx.events if isinstance(each, Enqueued)]
    two.origin.tx.events.clear()
    act = Command(lambda *_: accepted(completed), lambda *_: None)
    receipt = inbox.receive(two.home.tx, two.home.context.node.border, {SUBMIT: act}, sealed, TAKEN_IN)
    assert outbox.close_answered(two.origin.tx, outgoing.envelope_id, receipt, journey=b"", attempts=1, now=TAKEN_IN)


def lose(region: Region, serial: str = SERIAL, *, with_postings: bool = True) -> None:
    """The region loses a record with what it has booked for it."""
    region.execute(f"DELETE FROM orders WHERE order_id = '{serial}'")
    if with_postings:
        region.tx.execute("DELETE FROM ledger_entries WHERE posting_id LIKE :id", id=f"{serial}#%")


def agreed(
    two: Two, lost: Region, *, proposer: Region, kind: str = "order", serial: str = SERIAL, day: date = DAY
) -> str:
    """Both regions find the loss, one proposes to restore the record and the other confirms. The id of the repair."""
    two.compare(day)
    holder = other_of(two, lost)
    asked = ProposeRepairRequest(
        region=other_of(two, proposer).name,
        record_kind=kind,
        serial=serial,
        act=RESTORE,
        acting_region=holder.name,
        note="lost with the disk",
    )
    repair_id = f"{proposer.name}/staff/li/{kind}-{serial.rpartition('/')[2]}"
    repairs.propose(proposer.tx, proposer.context, repair_id, "li", (), asked, NIGHT)
    two.settle()
    decider = other_of(two, proposer)
    repairs.decide(decider.tx, decider.context, repair_id, "wang", NIGHT, confirmed=True)
    return repair_id


def evidence_on_its_way(two: Two) -> EnvelopeContent:
    """Everything else is taken and answered."""
    two.settle(but=EVIDENCE)
    return [content for each in two.by_name.values() for content in each.sent if content.kind == EVIDENCE][-1]


def other_of(two: Two, region: Region) -> Region:
    return two.home if region is two.origin else two.origin


def standing(two: Two, repair_id: str) -> list[str]:
    """How a repair stands in both regions, with the reason of a failed one."""
    found = [require_repair(each.tx, each.context.kinds, repair_id) for each in (two.origin, two.home)]
    return [
        f"{repairs.state_name(each.state)} {reason_name(each.failure) if each.failure else ''}".rstrip()
        for each in found
    ]


def booked(region: Region) -> list[tuple[Value, ...]]:
    """The entries of the payment."""
    return region.tx.all(
        lambda *row: row,
        "SELECT posting_id, account, amount FROM ledger_entries WHERE posting_id LIKE :id ORDER BY posting_id, account",
        id=f"{SERIAL}#%",
    )


@pytest.mark.parametrize("with_postings", [True, False])
@pytest.mark.parametrize("proposing", [ORIGIN, HOME])
@pytest.mark.parametrize("losing", [ORIGIN, HOME])
def test_a_lost_payment_is_stored_and_booked_once_more_whoever_proposes(
    two: Two, losing: str, proposing: str, with_postings: bool
) -> None:
    lost = two.by_name[losing]
    before, entries = order_at(lost, SERIAL), booked(lost)
    lose(lost, with_postings=with_postings)
    repair_id = agreed(two, lost, proposer=two.by_name[proposing])
    two.settle()
    assert standing(two, repair_id) == ["done", "done"]
    restored = order_at(lost, SERIAL)
    assert (restored.state, restored.create_time, restored.request) == (
        before.state,
        before.create_time,
        before.request,
    )
    taken = [(f"{SERIAL}#taken", "cash", AMOUNT), (f"{SERIAL}#taken", "in-transit", -AMOUNT)]
    lost_entries = {(row[0], row[2]) for row in booked(lost)}
    assert {(row[0], row[2]) for row in entries} <= lost_entries
    assert len(booked(lost)) == len(entries) + (len(taken) if losing == ORIGIN else 0)
    two.compare(now=LATER)
    assert (two.origin.named, two.home.named) == ({}, {})


def test_the_acts_of_both_people_are_in_the_audit_chain_of_the_region_that_books(two: Two) -> None:
    lose(two.home)
    repair_id = agreed(two, two.home, proposer=two.home)
    two.settle()
    details = two.home.tx.all(str, "SELECT detail FROM audit WHERE action = 'Repair'")
    assert details == [f"REPAIR_ACT_RESTORE, {repair_id}, proposed by {HOME}/li"]


def test_the_same_request_at_the_counter_makes_no_second_order_after_the_repair(two: Two) -> None:
    lose(two.origin)
    agreed(two, two.origin, proposer=two.home)
    two.settle()
    known = find_request(two.origin.tx, "counter", NAME)
    assert known is not None
    assert (known.subject, known.settled) == (SERIAL, True)


def test_evidence_that_comes_twice_books_once(two: Two) -> None:
    lose(two.home)
    agreed(two, two.home, proposer=two.home)
    evidence = evidence_on_its_way(two)
    handler = two.handler(two.home, EVIDENCE)
    handler.act(two.home.tx, evidence, NIGHT)
    entries = booked(two.home)
    with pytest.raises(Refused):
        handler.act(two.home.tx, evidence, NIGHT)
    assert booked(two.home) == entries


def test_an_answer_that_comes_late_or_never_leaves_the_repair_confirmed_until_it_is_told_again(two: Two) -> None:
    lose(two.home)
    repair_id = agreed(two, two.home, proposer=two.origin)
    evidence = evidence_on_its_way(two)
    told = two.handler(two.home, EVIDENCE).act(two.home.tx, evidence, NIGHT)
    assert standing(two, repair_id) == ["confirmed", "done"]
    receipt = ReceiptContent(envelope_id=evidence.id, outcome=told.outcome)
    for _ in range(2):
        two.handler(two.origin, EVIDENCE).answered(two.origin.tx, evidence, receipt, LATER)
    assert standing(two, repair_id) == ["done", "done"]


def refused(two: Two, repair_id: str) -> list[str]:
    """Has the evidence refused as the relay does, and the end told; how the repair stands then."""
    evidence = evidence_on_its_way(two)
    holder = next(each for each in two.by_name.values() if evidence in each.sent)
    losing = other_of(two, holder)
    with pytest.raises(Refused) as caught:
        two.handler(losing, EVIDENCE).act(losing.tx, evidence, NIGHT)
    receipt = ReceiptContent(envelope_id=evidence.id, outcome=Outcome.OUTCOME_REFUSED, reason=caught.value.reason)
    two.handler(holder, EVIDENCE).answered(holder.tx, evidence, receipt, NIGHT)
    two.settle()
    return standing(two, repair_id)


@pytest.mark.parametrize("proposing", [ORIGIN, HOME])
def test_a_record_whose_line_is_gone_stays_with_people_and_both_regions_have_the_reason(
    two: Two, proposing: str
) -> None:
    lose(two.home)
    two.home.execute(f"UPDATE products SET number = 'other' WHERE product_id = '{LINE.product_id}'")
    repair_id = agreed(two, two.home, proposer=two.by_name[proposing])
    assert refused(two, repair_id) == ["failed RECORD_LINE_UNKNOWN"] * 2
    assert booked(two.home) == []


def test_an_order_that_was_more_than_a_payment_stays_with_people(two: Two) -> None:
    done(two, "suspend", "SUSPEND")
    serial = f"{ORIGIN}/counter/suspend"
    lose(two.home, serial)
    repair_id = agreed(two, two.home, proposer=two.origin, serial=serial)
    assert refused(two, repair_id) == ["failed RECORD_EFFECT_NOT_PROVEN"] * 2


def test_the_origin_restores_any_order_since_only_the_home_region_has_its_effect(two: Two) -> None:
    done(two, "suspend", "SUSPEND")
    serial = f"{ORIGIN}/counter/suspend"
    lose(two.origin, serial)
    repair_id = agreed(two, two.origin, proposer=two.origin, serial=serial)
    two.settle()
    assert standing(two, repair_id) == ["done", "done"]


def test_a_region_without_evidence_proposes_no_restoring_and_confirms_none(two: Two) -> None:
    lose(two.home)
    two.origin.execute("DELETE FROM outbox WHERE receipt_content IS NOT NULL")
    reasons = []
    for proposing in (ORIGIN, HOME):
        with pytest.raises(Refused) as caught:
            agreed(two, two.home, proposer=two.by_name[proposing])
        reasons.append(reason_name(caught.value.reason))
    assert reasons == ["RECORD_NOT_PROVEN", "RECORD_NOT_PROVEN"]


def changed(change: Callable[[RepairEvidence], object]) -> Callable[[Two, RepairEvidence], RepairEvidence]:
    def apply(two: Two, told: RepairEvidence) -> RepairEvidence:
        change(told)
        return told

    return apply


def of_another_order(two: Two, told: RepairEvidence) -> RepairEvidence:
    done(two, "pay-8")
    [row] = outbox.receipts_about(two.origin.tx, f"{ORIGIN}/counter/pay-8", HOME)
    told.receipt.CopyFrom(row)
    return told


def signed_by_the_other(two: Two, told: RepairEvidence) -> RepairEvidence:
    [command] = inbox.commands_about(two.home.tx, SERIAL, ORIGIN)
    told.ClearField("receipt")
    told.envelope.CopyFrom(command)
    return told


@pytest.mark.parametrize(
    "forge",
    [
        changed(lambda told: told.ClearField("receipt")),
        changed(lambda told: told.envelope.SetInParent()),
        changed(lambda told: setattr(told.receipt, "signature", bytes(64))),
        changed(lambda told: setattr(told.receipt, "content", told.receipt.content + b"\x52\x00")),
        of_another_order,
        signed_by_the_other,
    ],
)
def test_a_region_books_nothing_that_it_has_not_signed_itself(
    two: Two, forge: Callable[[Two, RepairEvidence], RepairEvidence]
) -> None:
    lose(two.home)
    agreed(two, two.home, proposer=two.home)
    evidence = evidence_on_its_way(two)
    forged = EnvelopeContent()
    forged.CopyFrom(evidence)
    forged.payload = forge(two, RepairEvidence.FromString(evidence.payload)).SerializeToString()
    with pytest.raises(Refused) as caught:
        two.handler(two.home, EVIDENCE).act(two.home.tx, forged, NIGHT)
    assert caught.value.reason == Reason.REASON_RECORD_NOT_PROVEN
    assert booked(two.home) == []


@pytest.mark.parametrize("change", ["amount", "number", "state", "version", "time", "id"])
def test_an_origin_believes_no_version_that_is_not_of_what_it_has_submitted(two: Two, change: str) -> None:
    lose(two.origin)
    agreed(two, two.origin, proposer=two.origin)
    evidence = evidence_on_its_way(two)
    told = RepairEvidence.FromString(evidence.payload)
    order = Order.FromString(told.record)
    match change:
        case "amount":
            order.request.characteristics["amount"] = "70000"
        case "number":
            order.request.number = "+8619851000002"
        case "state":
            order.state = OrderState.ORDER_STATE_FAILED
        case "version":
            order.version = 0
        case "time":
            order.ClearField("completion_time")
        case _:
            order.id = f"{ORIGIN}/counter/pay-9"
    told.record = order.SerializeToString()
    evidence.payload = told.SerializeToString()
    with pytest.raises(Refused) as caught:
        two.handler(two.origin, EVIDENCE).act(two.origin.tx, evidence, NIGHT)
    assert caught.value.reason == Reason.REASON_RECORD_NOT_PROVEN
    assert booked(two.origin) == []


def test_an_origin_takes_no_version_with_a_time_that_no_page_could_show(two: Two) -> None:
    lose(two.origin)
    agreed(two, two.origin, proposer=two.origin)
    evidence = evidence_on_its_way(two)
    told = RepairEvidence.FromString(evidence.payload)
    undated = Order.FromString(told.record)
    undated.completion_time.seconds = 10**15
    told.record = undated.SerializeToString()
    evidence.payload = told.SerializeToString()
    with pytest.raises(Refused) as caught:
        two.handler(two.origin, EVIDENCE).act(two.origin.tx, evidence, NIGHT)
    assert caught.value.reason == Reason.REASON_ENVELOPE_INVALID
    assert booked(two.origin) == []


def test_nobody_restores_without_both_regions_and_none_but_the_acting_one_sends_evidence(two: Two) -> None:
    lose(two.home)
    agreed(two, two.home, proposer=two.origin)
    evidence = evidence_on_its_way(two)
    handler, wrong = two.handler(two.home, EVIDENCE), []
    for case, change in {
        "a third region": {"origin": "henan"},
        "another subject": {"subject": f"{ORIGIN}/counter/pay-8"},
    }.items():
        forged = EnvelopeContent()
        forged.CopyFrom(evidence)
        for name, value in change.items():
            setattr(forged, name, value)
        with pytest.raises(Refused) as caught:
            handler.act(two.home.tx, forged, NIGHT)
        if caught.value.reason != Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED:
            wrong.append(case)
    assert wrong == []
    two.home.execute("UPDATE reconciliation_differences SET closed_time = 1")
    with pytest.raises(Refused) as caught:
        handler.act(two.home.tx, evidence, NIGHT)
    assert caught.value.reason == Reason.REASON_REPAIR_IMPOSSIBLE, "the record has come otherwise"


def test_evidence_before_the_decision_of_this_region_is_refused(two: Two) -> None:
    lose(two.home)
    two.compare()
    asked = ProposeRepairRequest(
        region=HOME, record_kind="order", serial=SERIAL, act=RESTORE, acting_region=ORIGIN, note="lost"
    )
    repair = repairs.propose(two.origin.tx, two.origin.context, f"{ORIGIN}/staff/li/r1", "li", (), asked, NIGHT)
    two.settle()
    content = EnvelopeContent(
        subject=SERIAL, origin=ORIGIN, kind=EVIDENCE, payload=RepairEvidence(repair=repair).SerializeToString()
    )
    with pytest.raises(Refused) as caught:
        two.handler(two.home, EVIDENCE).act(two.home.tx, content, NIGHT)
    assert caught.value.reason == Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED


def test_no_word_of_another_region_makes_a_restored_record_done(two: Two) -> None:
    lose(two.home)
    repair_id = agreed(two, two.home, proposer=two.home)
    repair = require_repair(two.origin.tx, two.origin.context.kinds, repair_id)
    repair.state = repairs.DONE
    content = EnvelopeContent(
        subject=f"repair/{repair_id}", origin=ORIGIN, payload=RepairDecided(repair=repair).SerializeToString()
    )
    with pytest.raises(Refused) as caught:
        two.handler(two.home, EnvelopeKind.ENVELOPE_KIND_REPAIR_DECIDED).act(two.home.tx, content, NIGHT)
    assert caught.value.reason == Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED


def test_only_the_region_that_has_the_record_restores_it_and_only_one_that_was_lost(two: Two) -> None:
    for case, lost, acting_region in (("nobody lost it", False, HOME), ("who lost it acts", True, HOME)):
        if lost:
            lose(two.home)
        else:
            two.home.execute(
                f"UPDATE ledger_entries SET amount = 5 WHERE posting_id = '{SERIAL}#credit'"
                " AND account LIKE 'receivable%'"
            )
        two.compare(now=NIGHT if not lost else LATER)
        asked = ProposeRepairRequest(
            region=HOME, record_kind="order", serial=SERIAL, act=RESTORE, acting_region=acting_region, note="?"
        )
        with pytest.raises(Refused) as caught:
            repairs.propose(two.origin.tx, two.origin.context, f"{ORIGIN}/staff/li/r1", "li", (), asked, LATER)
        assert caught.value.reason == Reason.REASON_REPAIR_IMPOSSIBLE, case


def test_money_that_was_posted_since_by_people_is_not_posted_again(two: Two) -> None:
    lose(two.home, with_postings=False)
    two.home.tx.execute("DELETE FROM ledger_entries WHERE posting_id LIKE :id", id=f"{SERIAL}#%")
    kind = EntryKind.PAYMENT
    posting = transfer(f"{SERIAL}#credit", kind, AMOUNT, debit=f"receivable/{ORIGIN}", credit=LINE.account_id)
    ledger.post(two.home.tx, posting, "CNY", LATER)
    agreed(two, two.home, proposer=two.home)
    two.settle()
    assert len(booked(two.home)) == 2
    two.compare(DAY, LATER)
    assert two.home.named == {}


def test_the_restored_record_is_of_the_business_day_of_its_intake(two: Two) -> None:
    lose(two.origin)
    agreed(two, two.origin, proposer=two.origin)
    two.settle(LATER)
    assert from_timestamp(order_at(two.origin, SERIAL).create_time) == TAKEN_IN


def test_a_kind_without_evidence_names_the_backup_as_the_way_back(two: Two) -> None:
    move_id = f"{ORIGIN}/M20300614-1"
    note_booked_debt(two.home.tx, two.home.context.node, Debt("moved-balance", move_id, ORIGIN, HOME, 5, TAKEN_IN))
    with pytest.raises(Refused) as caught:
        agreed(two, two.origin, proposer=two.origin, kind="moved-balance", serial=move_id)
    assert (reason_name(caught.value.reason), caught.value.parameters["region"]) == ("RECORD_NOT_RESTORABLE", ORIGIN)
