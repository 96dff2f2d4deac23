"""Loans between regions, without their edges: what the lender books, watches, and tells its person on duty."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.loan_envelopes_pb2 import LoanCommand
from gateway.api.region.v1.loan_pb2 import Loan, LoanRequest, LoanState, ReturnCondition
from gateway.api.region.v1.loan_service_pb2 import WorkOnLoanRequest
from gateway.api.region.v1.resource_oversight_service_pb2 import ResourceStatus
from gateway.api.region.v1.support_resource_service_pb2 import Expert, ResourceKind, SharedResource, Spare
from gateway.errors import Refused, reason_name
from gateway.store.timers import due_timers, fire
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp
from region_node.care.loans import handling, owner, rules
from region_node.care.loans.kind import LOANS
from region_node.care.loans.rows import LOAN_ROWS, LoanRow
from region_node.care.loans.uses import status_page
from region_node.care.loans.watching import LOAN_TIMER
from region_node.network.support.bookings import Booking, free_times, highest_use
from region_node.network.support.registry import keep_expert, keep_spare
from region_node.network.support.resources import keep_resource, remove_resource
from region_node.tickets.rows import TicketFilter
from tests.unit.border_kinds import new_loan
from tests.unit.purging import NOW, Archive, archive

DAY = timedelta(days=1)
LEND = WorkOnLoanRequest(lend=WorkOnLoanRequest.Lend())
COMPLETE = WorkOnLoanRequest.ConfirmReturn(condition=ReturnCondition.RETURN_CONDITION_COMPLETE)
RECEIVE = LoanCommand(receive=LoanCommand.Receive())
GIVE_BACK = LoanCommand(give_back=LoanCommand.GiveBack(note="by courier"))


@pytest.fixture(name="node")
def a_lender_with_two_of_a_thing() -> Iterator[Archive]:
    with archive() as node:
        node.context = replace(node.context, sinks={"file": 1})
        keep_resource(node.tx, resource(2), NOW)
        yield node


def resource(quantity: int) -> SharedResource:
    """So many reflectometers."""
    kind = ResourceKind.RESOURCE_KIND_TEST_EQUIPMENT
    return SharedResource(id="otdr-1", kind=kind, title="OTDR", site="chengdu", quantity=quantity)


def requested(node: Archive, number: int, start: int, end: int, quantity: int = 1) -> str:
    """A request of Guangdong that this region has accepted: from one day to another, counted from now."""
    loan = new_loan(f"guangdong/L20251101-{number}", "guangdong", "sichuan")
    first, last = (to_timestamp(NOW + each * DAY) for each in (start, end))
    loan.request.MergeFrom(LoanRequest(quantity=quantity, start_time=first, end_time=last))
    loan.end_time.CopyFrom(last)
    owner.take(node.tx, node.context, LoanRow(loan, ""), NOW)
    return loan.id


def worked(node: Archive, loan_id: str, step: WorkOnLoanRequest, days: float = 0) -> Loan:
    """A step of the lender, some days from now."""
    asked = WorkOnLoanRequest(loan_id=loan_id)
    asked.MergeFrom(step)
    return owner.work(node.tx, node.context, asked, "wang", NOW + days * DAY)


def commanded(node: Archive, loan_id: str, step: LoanCommand, days: float = 0) -> Loan:
    """A step of the borrower, some days from now."""
    asked = LoanCommand(loan_id=loan_id, staff_id="li")
    asked.MergeFrom(step)
    return owner.apply_command(node.tx, node.context, asked, NOW + days * DAY)


def refused(step: Callable[[], object]) -> str:
    """The reason of a refusal."""
    with pytest.raises(Refused) as caught:
        step()
    return reason_name(caught.value.reason)


def pass_time(node: Archive, days: float) -> None:
    """Fires the timers that are due by then."""
    handlers = {LOAN_TIMER: lambda tx, timer, now: owner.time_has_passed(tx, node.context, timer, now)}
    for timer in due_timers(node.tx, NOW + days * DAY):
        if timer.kind == LOAN_TIMER:
            fire(node.tx, timer, handlers, NOW + days * DAY)


def told(node: Archive) -> Sequence[str]:
    """The ids of the notices to the sink, by level."""
    found = node.tx.all(RaisedComplaint.FromString, "SELECT content FROM escalation_notices ORDER BY level")
    return [each.id for each in found]


def until(days: int) -> LoanCommand:
    """A prolongation."""
    return LoanCommand(prolong=LoanCommand.Prolong(end_time=to_timestamp(NOW + days * DAY)))


@pytest.mark.clause("10.3(3)")
def test_no_more_is_lent_than_there_is_for_each_time(node: Archive) -> None:
    first, second, third = (requested(node, number, *span) for number, span in ((1, (1, 4)), (2, (3, 6)), (3, (4, 7))))
    wanted = requested(node, 4, 2, 5, 2)
    for loan_id in (first, second, third):
        assert worked(node, loan_id, LEND).state == rules.LENT
    assert refused(lambda: worked(node, wanted, LEND)) == "RESOURCE_NOT_FREE"
    worked(node, wanted, WorkOnLoanRequest(refuse="lent already"))
    assert refused(lambda: keep_resource(node.tx, resource(1), NOW)) == "RESOURCE_LENT"
    assert refused(lambda: remove_resource(node.tx, "otdr-1", NOW)) == "RESOURCE_LENT"
    assert refused(lambda: commanded(node, first, until(5))) == "RESOURCE_NOT_FREE"
    commanded(node, second, LoanCommand(cancel=LoanCommand.Cancel(reason="repaired")))
    assert commanded(node, first, until(5)).end_time == to_timestamp(NOW + 5 * DAY)


def test_a_part_is_lent_and_never_more_than_was_requested(node: Archive) -> None:
    loan_id = requested(node, 1, 1, 4, 2)
    too_much = WorkOnLoanRequest(lend=WorkOnLoanRequest.Lend(quantity=3))
    assert refused(lambda: worked(node, loan_id, too_much)) == "REQUEST_INVALID"
    assert worked(node, loan_id, WorkOnLoanRequest(lend=WorkOnLoanRequest.Lend(quantity=1))).quantity == 1
    assert worked(node, requested(node, 2, 1, 4), LEND).state == rules.LENT


@pytest.mark.clause("10.3(3)")
def test_a_loan_is_reminded_of_before_its_end_and_escalated_after_it_until_the_return_is_confirmed(
    node: Archive,
) -> None:
    loan_id = requested(node, 1, 1, 4)
    worked(node, loan_id, LEND)
    commanded(node, loan_id, RECEIVE, 1)
    pass_time(node, 3)
    assert [each.escalation for each in LOAN_ROWS.require(node.tx, loan_id).ticket.notices] == [False]
    assert told(node) == []
    pass_time(node, 4)
    pass_time(node, 11)
    assert told(node) == [f"{loan_id}/L3", f"{loan_id}/L4"]
    overdue = TicketFilter(due_before=NOW + 5 * DAY)
    assert [each.id for each in LOAN_ROWS.page(node.tx, overdue, None, 10).items] == [loan_id]
    commanded(node, loan_id, GIVE_BACK, 12)
    damaged = WorkOnLoanRequest.ConfirmReturn(condition=rules.DAMAGED)
    wrong = WorkOnLoanRequest(confirm_return=damaged)
    assert refused(lambda: worked(node, loan_id, wrong, 12)) == "REQUEST_INVALID"
    damaged.note = "a cracked screen"
    closed = worked(node, loan_id, WorkOnLoanRequest(confirm_return=damaged), 12)
    assert (closed.state, closed.condition) == (rules.CLOSED, rules.DAMAGED)
    pass_time(node, 100)
    assert len(LOAN_ROWS.require(node.tx, loan_id).ticket.notices) == len(closed.notices)
    remove_resource(node.tx, "otdr-1", NOW + 12 * DAY)


def test_what_is_not_returned_is_not_lent_again_and_not_received_twice(node: Archive) -> None:
    late, promised = requested(node, 1, 1, 4, 2), requested(node, 2, 5, 8)
    worked(node, late, LEND)
    commanded(node, late, RECEIVE, 1)
    worked(node, promised, LEND)
    assert refused(lambda: commanded(node, promised, RECEIVE, 5)) == "RESOURCE_NOT_FREE"
    assert refused(lambda: worked(node, requested(node, 3, 20, 30), LEND, 5)) == "RESOURCE_NOT_FREE"


def test_a_loan_that_comes_back_is_booked_whatever_others_have_by_then(node: Archive) -> None:
    first, other = (requested(node, number, 0, 9, quantity=2) for number in (1, 2))
    lent = worked(node, first, LEND)
    node.tx.execute("DELETE FROM resource_bookings")  # lost with the newest version
    worked(node, other, LEND)
    owner.hold_again(node.tx, node.context, lent, NOW)
    assert node.tx.all(str, "SELECT loan_id FROM resource_bookings ORDER BY loan_id") == [first, other]
    assert refused(lambda: worked(node, requested(node, 3, 1, 2), LEND)) == "RESOURCE_NOT_FREE"


def test_the_time_in_which_a_thing_is_shared_covers_what_is_promised(node: Archive) -> None:
    loan_id, shorter = requested(node, 1, 1, 4), resource(2)
    worked(node, loan_id, LEND)
    shorter.end_time.CopyFrom(to_timestamp(NOW + 3 * DAY))
    assert refused(lambda: keep_resource(node.tx, shorter, NOW)) == "RESOURCE_LENT"
    assert commanded(node, loan_id, RECEIVE, 1).state == rules.IN_USE
    commanded(node, loan_id, GIVE_BACK, 2)
    worked(node, loan_id, WorkOnLoanRequest(confirm_return=COMPLETE), 2)
    keep_resource(node.tx, shorter, NOW + 2 * DAY)


def test_what_is_received_before_its_start_is_booked_from_the_receipt(node: Archive) -> None:
    now, later = requested(node, 1, 1, 4, 2), requested(node, 2, 5, 8)
    for loan_id in (now, later):
        worked(node, loan_id, LEND)
    commanded(node, now, RECEIVE, 1)
    assert refused(lambda: commanded(node, later, RECEIVE, 2)) == "RESOURCE_NOT_FREE"
    commanded(node, now, GIVE_BACK, 2)
    worked(node, now, WorkOnLoanRequest(confirm_return=COMPLETE), 2)
    commanded(node, later, RECEIVE, 2)
    assert refused(lambda: worked(node, requested(node, 3, 3, 4, 2), LEND, 2)) == "RESOURCE_NOT_FREE"


def test_an_end_from_which_no_term_can_be_counted_is_refused_and_nothing_fails_behind_it(node: Archive) -> None:
    last = to_timestamp(datetime(9999, 12, 31, 23, tzinfo=UTC))
    asked = new_loan("guangdong/L20251101-9", "guangdong", "sichuan").request
    asked.end_time.CopyFrom(last)
    assert refused(lambda: rules.require_request(asked, lambda region: None)) == "REQUEST_INVALID"
    loan_id = requested(node, 1, 1, 4)
    worked(node, loan_id, LEND)
    commanded(node, loan_id, RECEIVE, 1)
    endless = LoanCommand(prolong=LoanCommand.Prolong(end_time=last))
    assert refused(lambda: commanded(node, loan_id, endless, 1)) == "REQUEST_INVALID"


def test_a_new_loan_has_no_word_of_anybody_but_the_author_of_its_request() -> None:
    forged: dict[str, Callable[[Loan], object]] = {
        "another region": lambda loan: setattr(loan.state_changes[0], "author", "henan/li"),
        "another person": lambda loan: setattr(loan.state_changes[0], "author", "guangdong/other"),
        "a reason": lambda loan: setattr(loan.state_changes[0], "reason", "x" * 40_000),
        "no state": lambda loan: loan.ClearField("state_changes"),
        "a quantity": lambda loan: setattr(loan, "quantity", 1),
    }
    taken = []
    for name, forge in forged.items():
        loan = new_loan("guangdong/L20251101-1", "guangdong", "sichuan")
        assert rules.is_untouched(loan, "guangdong")
        forge(loan)
        if rules.is_untouched(loan, "guangdong"):
            taken.append(name)
    assert taken == []


def test_a_return_that_nobody_confirms_is_escalated(node: Archive) -> None:
    loan_id = requested(node, 1, 1, 4)
    worked(node, loan_id, LEND)
    commanded(node, loan_id, RECEIVE, 1)
    commanded(node, loan_id, GIVE_BACK, 2)
    pass_time(node, 8)
    assert told(node) == []
    pass_time(node, 9)
    assert told(node) == [f"{loan_id}/L3"]
    assert worked(node, loan_id, WorkOnLoanRequest(confirm_return=COMPLETE), 9).state == rules.CLOSED


def test_what_nobody_decides_or_receives_in_its_time_ends_and_frees_the_resource(node: Archive) -> None:
    undecided, unreceived = requested(node, 1, 1, 4), requested(node, 2, 1, 4, 2)
    worked(node, unreceived, LEND)
    pass_time(node, 4)
    assert [LOAN_ROWS.require(node.tx, each).ticket.state for each in (undecided, unreceived)] == [rules.CANCELLED] * 2
    remove_resource(node.tx, "otdr-1", NOW)


def test_each_step_is_refused_in_each_state_that_does_not_lead_to_it(node: Archive) -> None:
    wrong: list[str] = []
    loan_id = requested(node, 1, 1, 4)
    steps: dict[LoanState.ValueType, Callable[[], Loan]] = {
        rules.LENT: lambda: worked(node, loan_id, LEND),
        rules.IN_USE: lambda: commanded(node, loan_id, RECEIVE),
        rules.RETURNED: lambda: commanded(node, loan_id, GIVE_BACK),
        rules.CLOSED: lambda: worked(node, loan_id, WorkOnLoanRequest(confirm_return=COMPLETE)),
    }
    for state, step in steps.items():
        before = LOAN_ROWS.require(node.tx, loan_id).ticket.state
        for other, forbidden in steps.items():
            if other not in rules.TRANSITIONS[before] and refused(forbidden) != "LOAN_STATE_FORBIDS":
                wrong.append(f"{rules.state_name(before)}: {rules.state_name(other)}")
        assert step().state == state
    assert wrong == []


def test_a_request_that_the_lender_cannot_accept_ends_at_the_borrower_with_the_reason(node: Archive) -> None:
    loan = new_loan("sichuan/L20251101-1", "sichuan", "henan")
    LOAN_ROWS.insert(node.tx, LoanRow(loan, ""), 1, NOW)
    handling.keep(node.tx, node.context, loan, "no such entry", NOW)
    kept = LOAN_ROWS.require(node.tx, loan.id).ticket
    assert (kept.state, kept.state_changes[-1].reason) == (rules.REFUSED, "no such entry")


def test_a_loan_in_force_is_not_purged(node: Archive) -> None:
    loan_id = requested(node, 1, 1, 4)
    assert LOANS.retention is not None
    assert LOANS.retention.is_open(node.tx, loan_id)
    worked(node, loan_id, WorkOnLoanRequest(refuse="needed here"))
    assert not LOANS.retention.is_open(node.tx, loan_id)
    assert DataClass.DATA_CLASS_LOANS in LOANS.retention.purgers


def test_the_highest_use_of_a_time_counts_what_meets_at_one_instant() -> None:
    booked = [Booking(2, 0, 10), Booking(3, 10, 20), Booking(1, 5, 15)]
    for start, end, use in ((0, 5, 2), (0, 10, 3), (9, 11, 4), (15, 30, 3), (20, 30, 0)):
        assert highest_use(booked, start, end, 0) == use, (start, end)
    assert highest_use(booked, 20, 30, 12) == 2, "the first is overdue"


@pytest.mark.clause("10.3(3)")
def test_who_has_what_until_when_and_what_is_free_when(node: Archive) -> None:
    first, second = requested(node, 1, 1, 4), requested(node, 2, 3, 6)
    worked(node, first, LEND)
    worked(node, second, LEND)
    commanded(node, first, RECEIVE, 1)
    keep_expert(node.tx, Expert(staff_id="li", skills=["optical"]), NOW)
    keep_spare(node.tx, Spare(part_number="SFP-10G", model="SFP", site="chengdu", count=4))

    def listed(days: float) -> list[ResourceStatus]:
        found, token = list[ResourceStatus](), ""
        while True:
            page = status_page(node.tx, node.context, 1, token, NOW + days * DAY)
            found, token = [*found, *page.items], page.following
            if not token:
                return found

    expert, spare, shared = listed(2)
    assert (expert.expert.staff_id, spare.spare.count) == ("li", 4)
    assert [(each.loan_id, each.region, each.state) for each in shared.uses] == [
        (first, "guangdong", rules.IN_USE),
        (second, "guangdong", rules.LENT),
    ]
    days = [(from_timestamp(each.start_time) - NOW) / DAY for each in shared.free]
    assert list(zip(days, [each.quantity for each in shared.free], strict=True)) == [(2, 1), (3, 0), (4, 1), (6, 2)]
    *_, late = listed(5)
    assert [each.quantity for each in late.free] == [0, 1], "an overdue loan holds its part"


@given(
    bookings=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 40), st.integers(1, 20)), max_size=8),
    now=st.integers(0, 50),
    at=st.integers(0, 80),
)
def test_what_is_free_at_any_instant_is_what_a_loan_would_find_then(
    bookings: list[tuple[int, int, int]], now: int, at: int
) -> None:
    at = max(at, now)
    day = DAY // timedelta(microseconds=1)
    begun = to_microseconds(NOW)
    booked = [Booking(each, begun + start * day, begun + (start + long) * day) for each, start, long in bookings]
    free = free_times(resource(30), booked, NOW + now * DAY)
    instant = NOW + at * DAY
    found = next(quantity for since, quantity in reversed(free) if since <= instant)
    moment = to_microseconds(instant)
    assert found == 30 - highest_use(booked, moment, moment + 1, begun + now * day)
    assert [each for each, _ in free] == sorted(each for each, _ in free)
