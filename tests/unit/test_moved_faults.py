"""Rent of a line that moves during a fault: each home gives back its own part once, and one text tells of both."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.region.v1.customer_move_pb2 import CustomerMove
from gateway.api.region.v1.fault_envelopes_pb2 import FaultMoved, FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultPlace, FaultReport
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.relay.border import Command, Kinds
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp
from region_node.app.registered import registry
from region_node.business.billing import monthly
from region_node.business.billing.bills import find_bill
from region_node.business.billing.rules import Month
from region_node.care.issues.relayed import IssueEnvelopes
from region_node.care.issues.rows import ISSUE
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import REFUNDS_DUE, payable, receivable
from region_node.customers.moved_lines import MovedLine, forget_moved_number, note_moved_line
from region_node.customers.notices.rows import notices_after
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import CustomerRow, find_line, give_up_number
from region_node.lifecycle.moving import operations, rules
from region_node.lifecycle.moving.faults import MovedFaultEnvelopes
from region_node.lifecycle.moving.kind import MOVES
from region_node.lifecycle.moving.relayed import MoveEnvelopes
from region_node.network.agreements.outages import waivers_of
from region_node.network.agreements.spans import Span
from region_node.network.faults import handling, notices, outages, regional, repair
from region_node.network.faults import rules as fault_rules
from region_node.node.subjects import number_index
from region_node.requests.caller import OwnNode
from tests.unit.reconciling import HOME, ORIGIN, Region, two_regions
from tests.unit.situations import LINE

NEW, ZONE, HOUR = ORIGIN, "Asia/Shanghai", timedelta(hours=1)
JUNE = Month.of("2030-06", ZONE)
REPORTED = JUNE.start + timedelta(days=9)
MOVE_ID = f"{HOME}/crm/m"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RENTS = {HOME: 5900, NEW: 7900}  # minor units a month, by the plans of the line
NEW_ACCOUNT = f"account-{rules.ids_at_new_home(MOVE_ID)}-0"


def share(rent: int, hours: float) -> int:
    """The part of a rent for some hours of June, in minor units."""
    return int(rent * hours / (30 * 24) + 0.5)


@dataclass
class Both:
    """The old home and the new one, with the envelopes between them."""

    old: Region
    new: Region

    def kinds(self, region: Region) -> Kinds:
        context = region.context.node
        return {**MoveEnvelopes(context).kinds(), **MovedFaultEnvelopes(context).kinds()}

    def handler(self, region: Region, kind: EnvelopeKind.ValueType) -> Command:
        found = self.kinds(region)[kind]
        assert isinstance(found, Command)
        return found

    def delivers(self, now: datetime, *, times: int = 1) -> list[EnvelopeContent]:
        """Has everything that waits taken and answered, each envelope and each receipt `times` times."""
        taken = list[EnvelopeContent]()
        for sender, receiver in ((self.old, self.new), (self.new, self.old)):
            waiting = [each for each in sender.waiting() if each.kind in self.kinds(sender)]
            for content in waiting:
                answer, *_ = [self.handler(receiver, content.kind).act(receiver.tx, content, now) for _ in range(times)]
                assert answer.outcome == Outcome.OUTCOME_ACCEPTED
                receipt = ReceiptContent(envelope_id=content.id, outcome=answer.outcome, result=answer.result)
                for _ in range(times):
                    self.handler(sender, content.kind).answered(sender.tx, content, receipt, now)
            taken += waiting
        return taken

    def reports(self, name: str = "f1", at: datetime = REPORTED) -> Fault:
        """A fault in the network of the old home, on which somebody works."""
        report = FaultReport(number=LINE.number, description="no signal", place=FaultPlace(site="chengdu"))
        fault = handling.report(self.old.tx, self.old.context.node, OwnNode(HOME, name, TRACE), report, at)
        return self.works(fault, WorkOnFaultRequest(take_up=WorkOnFaultRequest.TakeUp()), at)

    def works(self, fault: Fault, step: WorkOnFaultRequest, at: datetime) -> Fault:
        step.fault_id = fault.id
        return repair.work(self.old.tx, self.old.context.node, step, "wang", at)

    def repairs(self, fault: Fault, at: datetime, cause: FaultCause.ValueType = FaultCause.FAULT_CAUSE_CABLE) -> Fault:
        return self.works(fault, WorkOnFaultRequest(resolve=WorkOnFaultRequest.Resolve(cause=cause, text="done")), at)

    def confirms(self, at: datetime) -> None:
        kinds = registry(self.old.context.node)
        asked = CustomerMove(id=MOVE_ID, to_region=NEW)
        asked.lines.add(number=LINE.number, plan_id="guangdong-79")
        operations.start(self.old.tx, kinds, asked, LINE.number, at)
        operations.confirm(self.old.tx, kinds, MOVE_ID, at, "")

    def moves(self, at: datetime) -> None:
        self.confirms(at)
        self.delivers(at)

    def given(self) -> tuple[int, int]:
        """What the old home owes the customer, and what the new home has given back."""
        sql = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries WHERE account = :account"
        sql += " AND kind = 'rent-waived'"
        there = self.new.tx.first(int, sql, account=NEW_ACCOUNT) or 0
        return ledger.balance(self.old.tx, REFUNDS_DUE), there

    def told(self) -> tuple[Sequence[str], Sequence[str]]:
        """The notices of given rent of both."""
        sql = "SELECT notice_id FROM notices WHERE kind = 'fault-waived'"
        return self.old.tx.all(str, sql), self.new.tx.all(str, sql)

    def owed(self) -> tuple[int, int]:
        """The rent that the old home owes the new one in the books of both."""
        sql = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries WHERE account = :account"
        sql += " AND kind = 'rent owed'"
        return (
            self.old.tx.first(int, sql, account=payable(NEW)) or 0,
            -(self.new.tx.first(int, sql, account=receivable(HOME)) or 0),
        )


@pytest.fixture(name="both")
def both_homes() -> Iterator[Both]:
    with homes() as found:
        yield found


@contextlib.contextmanager
def homes() -> Iterator[Both]:
    """A customer at the old home."""
    with two_regions() as two:
        keep_customer(two.home.tx, CustomerRow(LINE.customer_id, "王芳", ""))
        keep_line(two.home.tx, replace(LINE, start_time=JUNE.start), JUNE.start)
        for each in (two.home, two.origin):
            monthly.begin(each.tx, each.context.node, JUNE.start)
        yield Both(two.home, two.origin)


@pytest.mark.clause("F3.2")
def test_a_line_that_moves_during_a_late_fault_gets_its_rent_back_from_both_homes_and_one_text(both: Both) -> None:
    fault = both.reports()
    both.moves(REPORTED + 54 * HOUR)
    repaired = both.repairs(fault, REPORTED + 60 * HOUR)
    parts = share(RENTS[HOME], 54), share(RENTS[NEW], 6)
    assert repaired.outages[0].waiver.amount.minor_units == parts[0]
    (told,) = both.delivers(REPORTED + 60 * HOUR, times=3)
    assert (told.kind, told.destination) == (EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED, NEW)
    assert both.given() == parts
    assert both.told() == ([], [f"fault/{fault.id}/waived/0"]), "the new home tells of both"
    assert both.owed() == (parts[1], parts[1]), "the network of the old home was down"
    for each, account in ((both.old, LINE.account_id), (both.new, NEW_ACCOUNT)):
        later = JUNE.end + 3 * HOUR
        while monthly.bill_page(each.tx, each.context.node, later):
            pass
        bill = find_bill(each.tx, account, JUNE.name)
        assert bill is not None
        assert bill.total > 0, "each home charges its own days"
    assert both.given() == parts, "and no run takes the rent back"
    reopened = WorkOnFaultRequest(reopen=WorkOnFaultRequest.Reopen(reason="again"))
    both.works(repaired, reopened, REPORTED + 70 * HOUR)
    both.repairs(repaired, REPORTED + 72 * HOUR)
    both.delivers(REPORTED + 72 * HOUR)
    assert both.given() == (parts[0], parts[1] + share(RENTS[NEW], 2)), "all of it is of the new home"


def test_the_new_home_hears_of_an_outage_in_the_trace_of_its_fault(both: Both) -> None:
    fault = both.reports()
    both.moves(REPORTED + 54 * HOUR)
    both.repairs(fault, REPORTED + 60 * HOUR)
    (told,) = both.delivers(REPORTED + 60 * HOUR)
    assert told.traceparent == TRACE


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 100), st.integers(49, 100), st.booleans())
def test_each_hour_of_a_fault_is_given_back_by_the_home_that_charges_it(
    moved: int, repaired: int, is_reported_twice: bool
) -> None:
    """Hours from the report to the confirmation, and to the repair."""
    with homes() as both:
        faults = [both.reports(f"f{each}") for each in range(1 + is_reported_twice)]
        if moved < repaired:
            both.moves(REPORTED + moved * HOUR)
        for each in faults:
            both.repairs(each, REPORTED + repaired * HOUR)
            both.delivers(REPORTED + repaired * HOUR)
        if moved < repaired:
            assert both.given() == (share(RENTS[HOME], moved), share(RENTS[NEW], repaired - moved))
        else:
            assert ledger.balance(both.old.tx, LINE.account_id) == share(RENTS[HOME], repaired)


def told_late(region: Region, home: str, start: datetime, repaired: datetime) -> Fault:
    """A late repair of another region, of which a home hears."""
    fault = Fault(id="henan/F1", origin_region="henan", owner_region="henan", home_region=home, version=3)
    fault.report.number, fault.state, fault.cause = LINE.number, fault_rules.RESOLVED, FaultCause.FAULT_CAUSE_CABLE
    fault.create_time.CopyFrom(to_timestamp(start))
    outages.set_first(region.context.node.federation, fault)
    outages.repair(fault, repaired)
    outages.note_late_repair(fault)
    return handling.adopt(region.tx, region.context.node, fault, "", repaired)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_fault_that_the_customer_reports_again_at_the_new_home_gives_no_hour_back_twice(
    both: Both, *, is_first: bool
) -> None:
    fault = both.reports()
    both.moves(REPORTED + 10 * HOUR)
    if is_first:
        told_late(both.new, NEW, REPORTED + 20 * HOUR, REPORTED + 80 * HOUR)
    both.repairs(fault, REPORTED + 60 * HOUR)
    both.delivers(REPORTED + 80 * HOUR)
    if not is_first:
        told_late(both.new, NEW, REPORTED + 20 * HOUR, REPORTED + 80 * HOUR)
    parts = (10, 60) if is_first else (50, 20)
    assert both.given()[1] == sum(share(RENTS[NEW], hours) for hours in parts)


def test_a_repair_while_the_customer_is_on_the_way_is_given_back_by_the_old_home_alone(both: Both) -> None:
    fault = both.reports()
    both.confirms(REPORTED + 54 * HOUR)
    both.repairs(fault, REPORTED + 60 * HOUR)
    both.delivers(REPORTED + 61 * HOUR)
    assert both.given() == (share(RENTS[HOME], 60), 0), "the rest after the hand-over is owed to the customer"


@pytest.mark.parametrize("days", [0, 16])
def test_a_fault_that_another_region_takes_for_the_old_homes_during_the_move_is_given_back_by_the_new_one(
    both: Both, days: int
) -> None:
    both.moves(REPORTED)
    start = REPORTED + timedelta(days=days) + HOUR
    told_late(both.old, HOME, start, start + 60 * HOUR)
    both.delivers(start + 60 * HOUR)
    assert both.given() == (0, share(RENTS[NEW], 60))
    assert both.told() == ([], ["fault/henan/F1/waived/0"])


def test_an_outage_of_a_fault_that_is_reopened_long_after_the_move_is_given_back_by_the_new_home(both: Both) -> None:
    fault, again = both.repairs(both.reports(), REPORTED + 60 * HOUR), REPORTED + timedelta(days=15)
    both.moves(REPORTED + 61 * HOUR)
    both.works(fault, WorkOnFaultRequest(reopen=WorkOnFaultRequest.Reopen(reason="again")), again)
    both.repairs(fault, again + 5 * HOUR)
    both.delivers(again + 5 * HOUR)
    assert both.given()[1] == share(RENTS[NEW], 5)


def test_nothing_is_given_back_for_a_cause_of_the_customer_and_no_home_owes_it_by_force_majeure(both: Both) -> None:
    own, storm = both.reports("own"), both.reports("storm")
    both.moves(REPORTED + 54 * HOUR)
    both.repairs(own, REPORTED + 60 * HOUR, FaultCause.FAULT_CAUSE_TERMINAL)
    assert both.delivers(REPORTED + 60 * HOUR) == []
    both.repairs(storm, REPORTED + 60 * HOUR, FaultCause.FAULT_CAUSE_FORCE_MAJEURE)
    both.delivers(REPORTED + 60 * HOUR)
    assert both.given() == (share(RENTS[HOME], 54), share(RENTS[NEW], 6))
    assert both.owed() == (0, 0)


def test_a_home_that_lies_about_a_moved_fault_is_refused_before_anything_is_given(both: Both) -> None:
    fault = both.reports()
    both.moves(REPORTED + 54 * HOUR)
    both.repairs(fault, REPORTED + 60 * HOUR)
    (content,) = [each for each in both.old.waiting() if each.kind == EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED]
    told, now = FaultMoved.FromString(content.payload), REPORTED + 60 * HOUR
    lies: list[tuple[str, FaultMoved]] = []
    for what in ("number", "fault_id", "move_id", "end", "start", "years", "currency", "huge", "line"):
        lie = FaultMoved()
        lie.CopyFrom(told)
        match what:
            case "number":
                lie.number = "+8613800000000"
            case "fault_id":
                lie.fault_id = "guangdong/F1 call +8610"
            case "move_id":
                lie.move_id = f"{HOME}/crm/other"
            case "end":
                lie.end_time.seconds += 40 * 86_400
            case "start":
                lie.start_time.FromDatetime(datetime(1, 1, 2))  # noqa: DTZ001 - protobuf takes UTC
            case "years":
                lie.start_time.seconds -= 3 * 366 * 86_400
            case "huge":
                lie.refunded.minor_units = 2**63 - 1
            case "currency":
                lie.refunded.CopyFrom(Money(minor_units=5, currency="EUR"))
            case _:
                lie.line = 7
        lies.append((what, lie))
    act = both.handler(both.new, content.kind).act
    for what, lie in lies:
        forged = EnvelopeContent()
        forged.CopyFrom(content)
        forged.payload = lie.SerializeToString()
        with pytest.raises(Refused):
            act(both.new.tx, forged, now)
        assert both.given()[1] == 0, what
    for content.origin, content.federation_revision, reason in (
        ("henan", 1, "ENVELOPE_KIND_NOT_ALLOWED"),
        (HOME, 2**40, "CONFIGURATION_MISSING"),  # the refund may be that of a plan of then
    ):
        with pytest.raises(Refused, match=reason):
            act(both.new.tx, content, now)
    assert both.told() == ([], [])


def test_an_old_home_that_invents_outages_gets_no_rent_given_back_but_of_the_time_around_the_move(both: Both) -> None:
    fault = both.reports()
    both.moves(REPORTED + 54 * HOUR)
    both.repairs(fault, REPORTED + 60 * HOUR)
    (content,) = [each for each in both.old.waiting() if each.kind == EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED]
    told, act = FaultMoved.FromString(content.payload), both.handler(both.new, content.kind).act
    for day, is_believed in ((91, True), (92, True), (93, False), (400, False)):
        now = REPORTED + 54 * HOUR + timedelta(days=day)
        told.fault_id = f"{HOME}/F{day}"
        told.end_time.CopyFrom(to_timestamp(now))
        content.payload = told.SerializeToString()
        with contextlib.nullcontext() if is_believed else pytest.raises(Refused):
            act(both.new.tx, content, now)
    until = both.new.tx.first(int, "SELECT MAX(end_time) FROM waived_times")
    assert until == to_microseconds(REPORTED + 54 * HOUR + timedelta(days=92))


def test_the_outage_of_one_line_is_not_given_back_on_another_line_of_the_same_move(both: Both) -> None:
    other = replace(LINE, product_id="product-2", number="+8619851000002", start_time=JUNE.start)
    keep_line(both.old.tx, other, JUNE.start)
    kinds = registry(both.old.context.node)
    asked = CustomerMove(id=MOVE_ID, to_region=NEW)
    for number in (LINE.number, other.number):
        asked.lines.add(number=number, plan_id="guangdong-79")
    fault = both.reports()
    operations.start(both.old.tx, kinds, asked, LINE.number, REPORTED)
    operations.confirm(both.old.tx, kinds, MOVE_ID, REPORTED, "")
    both.delivers(REPORTED)
    both.repairs(fault, REPORTED + 60 * HOUR)
    (content,) = [each for each in both.old.waiting() if each.kind == EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED]
    told = FaultMoved.FromString(content.payload)
    told.line = 1 - told.line
    content.payload = told.SerializeToString()
    with pytest.raises(Refused) as refused:
        both.handler(both.new, content.kind).act(both.new.tx, content, REPORTED + 60 * HOUR)
    assert refused.value.reason == Reason.REASON_ENVELOPE_INVALID


def test_an_old_home_tells_the_customer_of_its_part_where_the_new_one_refuses_the_rest(both: Both) -> None:
    fault = both.reports()
    both.moves(REPORTED + 54 * HOUR)
    both.repairs(fault, REPORTED + 60 * HOUR)
    (content,) = [each for each in both.old.waiting() if each.kind == EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED]
    refusal = ReceiptContent(envelope_id=content.id, outcome=Outcome.OUTCOME_REFUSED)
    for refusal.reason, told in (
        (Reason.REASON_MOVE_NOT_FOUND, []),  # a customer who was erased
        (Reason.REASON_ENVELOPE_INVALID, [f"fault/{fault.id}/waived/0"]),
        (Reason.REASON_ENVELOPE_INVALID, [f"fault/{fault.id}/waived/0"]),
    ):
        both.handler(both.old, content.kind).answered(both.old.tx, content, refusal, REPORTED + 61 * HOUR)
        assert both.told() == (told, [])


def test_rent_that_the_new_home_refuses_is_an_issue_of_both_homes_once_and_each_refusal_an_audit_row(
    both: Both,
) -> None:
    fault = both.reports()
    both.moves(REPORTED + 54 * HOUR)
    both.repairs(fault, REPORTED + 60 * HOUR)
    (content,) = [each for each in both.old.waiting() if each.kind == EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED]
    refusal = ReceiptContent(envelope_id=content.id, outcome=Outcome.OUTCOME_REFUSED)
    for hours, refusal.reason in (
        (61, Reason.REASON_MOVE_NOT_FOUND),
        (62, Reason.REASON_ENVELOPE_INVALID),
        (63, Reason.REASON_ENVELOPE_INVALID),  # the receipt comes again
    ):
        both.handler(both.old, content.kind).answered(both.old.tx, content, refusal, REPORTED + hours * HOUR)
    assert both.old.tx.all(str, "SELECT detail FROM audit WHERE action = 'RentRefused' ORDER BY sequence") == [
        f"outage 0, {NEW}: MOVE_NOT_FOUND",
        *[f"outage 0, {NEW}: ENVELOPE_INVALID"] * 2,
    ]
    (opened,) = [each for each in both.old.waiting() if each.kind == EnvelopeKind.ENVELOPE_KIND_ISSUE_COMMAND]
    assert opened.traceparent == TRACE, "the issue belongs to the trace of the fault"
    command = IssueEnvelopes(both.new.context.node).kinds()[opened.kind]
    assert isinstance(command, Command)
    command.act(both.new.tx, opened, REPORTED + 63 * HOUR)
    both.old.tx.execute("DELETE FROM requests WHERE request_id LIKE '%#rent'")  # a loss: the issue alone is here again
    both.handler(both.old, content.kind).answered(both.old.tx, content, refusal, REPORTED + 64 * HOUR)
    for region in (both.old, both.new):
        (name,) = region.tx.all(str, "SELECT issue_id FROM issues")
        issue = ISSUE.records.read(region.tx, name)
        assert issue is not None
        assert (issue.origin_region, issue.owner_region, issue.request.links[0].id) == (HOME, NEW, fault.id)
        assert from_timestamp(issue.request.due_time) == REPORTED + 62 * HOUR + timedelta(days=7)
        assert LINE.number[-6:] not in str(issue)


def test_the_text_after_several_moves_names_each_region_that_owes_a_part(both: Both) -> None:
    context, told = both.new.context.node, FaultMoved(fault_id="henan/F1", number=LINE.number)
    told.refunded.minor_units = 500
    for outage, (regions, named) in enumerate(
        (
            ([], "refunded to you by Sichuan,"),
            (["guangdong"], "refunded to you by Guangdong,"),
            (["guangdong", "sichuan", "guangdong"], "refunded to you by Guangdong and Sichuan"),
            (["guangdong", "a call to +8610"], "refunded to you by your former regions"),
        )
    ):
        told.outage, told.refunded_by[:] = outage, regions
        notices.tell_waived_in_parts(both.new.tx, told, 7, context, HOME, REPORTED)
        texts = [each.text.en for each in notices_after(both.new.tx, LINE.number, (0, ""), 10)]
        assert [each for each in texts if named in each], (named, texts)


def test_an_outage_goes_on_to_the_next_home_of_its_own_number_alone(both: Both) -> None:
    fault = both.reports()
    both.moves(REPORTED + 54 * HOUR)
    both.repairs(fault, REPORTED + 60 * HOUR)
    (content,) = [each for each in both.old.waiting() if each.kind == EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED]
    line, told = find_line(both.new.tx, LINE.number), FaultMoved.FromString(content.payload)
    assert line is not None
    index, end = number_index(both.new.tx, LINE.number), to_microseconds(REPORTED + 57 * HOUR)
    note_moved_line(both.new.tx, MovedLine(line.product_id, line.customer_id, index, f"{NEW}/crm/n", 0, "henan", end))
    give_up_number(both.new.tx, line.terminated())
    assert both.handler(both.new, content.kind).act(both.new.tx, content, REPORTED + 60 * HOUR).result
    (passed,) = [each for each in both.new.waiting() if each.subject != MOVE_ID]
    further = FaultMoved.FromString(passed.payload)
    assert passed.traceparent == TRACE
    assert further.refunded.minor_units == share(RENTS[HOME], 54) + share(RENTS[NEW], 3)
    assert further.refunded_by == [HOME, NEW]
    forget_moved_number(both.new.tx, index)
    told.fault_id = f"{HOME}/F9"
    content.payload = told.SerializeToString()
    with pytest.raises(Refused):
        both.handler(both.new, content.kind).act(both.new.tx, content, REPORTED + 60 * HOUR)


def test_a_new_home_that_claims_more_than_a_plan_costs_is_not_believed(both: Both) -> None:
    fault = both.reports()
    both.moves(REPORTED + 54 * HOUR)
    both.repairs(fault, REPORTED + 60 * HOUR)
    (content,) = [each for each in both.old.waiting() if each.kind == EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED]
    answer = both.handler(both.new, content.kind).act(both.new.tx, content, REPORTED + 60 * HOUR)
    waived = FaultWaived.FromString(answer.result)
    waived.waived[0].owed.minor_units = 10**9
    receipt = ReceiptContent(envelope_id=content.id, outcome=answer.outcome, result=waived.SerializeToString())
    both.handler(both.old, content.kind).answered(both.old.tx, content, receipt, REPORTED + 60 * HOUR)
    assert both.owed()[0] == 0
    refused = both.old.tx.all(str, "SELECT subject FROM audit WHERE action = 'RentClaimRefused'")
    assert refused == [fault.id]


def test_a_new_home_that_lost_its_part_gives_and_claims_it_again_as_of_its_first_answer(both: Both) -> None:
    fault = both.reports()
    both.moves(REPORTED + 54 * HOUR)
    both.repairs(fault, REPORTED + 60 * HOUR)
    (content,) = [each for each in both.old.waiting() if each.kind == EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED]
    command = both.handler(both.new, content.kind)
    assert command.act_again is not None
    first = FaultWaived()
    waived = first.waived.add(outage=0, owed=Money(minor_units=77, currency="CNY"))
    waived.waiver.time.CopyFrom(to_timestamp(REPORTED + 61 * HOUR))
    receipt = ReceiptContent(outcome=Outcome.OUTCOME_ACCEPTED, result=first.SerializeToString())
    again = command.act_again(both.new.tx, content, receipt, REPORTED + 300 * HOUR)
    assert FaultWaived.FromString(again.result) == first
    (debt,) = both.new.tx.all(int, "SELECT create_time FROM regional_debts WHERE kind = :kind", kind=regional.RENT)
    assert (debt, both.given()[1]) == (to_microseconds(REPORTED + 61 * HOUR), 77)


def test_no_agreement_of_the_new_home_compensates_for_a_time_whose_rent_it_gave_back(both: Both) -> None:
    fault = both.reports()
    both.moves(REPORTED + 54 * HOUR)
    both.repairs(fault, REPORTED + 60 * HOUR)
    both.delivers(REPORTED + 60 * HOUR)
    line = find_line(both.new.tx, LINE.number)
    assert line is not None
    (known,) = waivers_of(both.new.tx, line.product_id, Span(0, 2**62))
    assert known.source == regional.rent_serial(fault.id, 0) + f">{MOVE_ID}"


def test_an_erased_customer_leaves_no_trace_among_the_moved_lines(both: Both) -> None:
    forget = MOVES.erasure.forget
    for subject, name in (("customer", LINE.customer_id), ("number", number_index(both.old.tx, LINE.number))):
        with homes() as each:
            each.moves(REPORTED)
            assert each.old.tx.first(int, "SELECT COUNT(*) FROM moved_lines") == 1
            index = number_index(each.old.tx, LINE.number)
            forget[subject](each.old.tx, name if subject == "customer" else index)
            assert each.old.tx.first(int, "SELECT COUNT(*) FROM moved_lines") == 0
