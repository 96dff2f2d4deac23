"""Loans whose lender is silent: the borrower notes it by its own clock, and has somebody called once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import resources

import pytest

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.loan_pb2 import Loan, LoanState
from gateway.api.types.v1.access_pb2 import Role
from gateway.federation.body import LOAN_OVERDUE
from gateway.security.identity import Identity
from gateway.store.timers import due_timers, fire
from gateway.time.clock import from_microseconds, from_timestamp, to_timestamp
from region_node.care.escalations.body import due_by
from region_node.care.loans import handling, owner, rules
from region_node.care.loans.rows import LOAN_ROWS, LoanRow
from region_node.care.loans.watching import LOAN_TIMER
from region_node.care.silences.watching import forget
from region_node.cli.loans.loans import print_loan
from region_node.requests.caller import Caller
from tests.unit.border_kinds import new_loan
from tests.unit.purging import NOW, Archive, archive

END = NOW + timedelta(days=3)
"""That of `new_loan`."""
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture(name="node")
def a_borrower_with_a_sink() -> Iterator[Archive]:
    with archive() as node:
        node.context = replace(node.context, sinks={"file": 1})
        joined = MemberState.MEMBER_STATE_JOINED
        members = [Member(region=each, state=joined) for each in ("guangdong", "sichuan", "henan")]
        node.context.border.current.update(node.context.border.current.federation, members)
        yield node


def requested(node: Archive) -> Loan:
    """A request of this region, Sichuan, on its way to Henan."""
    request = new_loan("sichuan/L20251101-7", "sichuan", "henan").request
    caller = Caller(Identity("china", Role.ROLE_STAFF, "sichuan", request.staff_id), "loan-1", "")
    return handling.request_loan(node.tx, node.context, caller, request, NOW)


def told(node: Archive, loan: Loan, state: LoanState.ValueType, at: datetime = NOW) -> Loan:
    """The next version of the lender."""
    later = Loan()
    later.CopyFrom(kept(node, loan))
    later.version += 1
    later.state = state
    later.state_changes.add(state=state, time=to_timestamp(at), author="henan/li")
    return adopted(node, later, at)


def adopted(node: Archive, later: Loan, at: datetime) -> Loan:
    handling.adopt(node.tx, node.context, later, at)
    return kept(node, later)


def kept(node: Archive, loan: Loan) -> Loan:
    return LOAN_ROWS.require(node.tx, loan.id).ticket


def pass_time(node: Archive, until: datetime) -> None:
    """Fires each timer of loans at its time."""
    handlers = {LOAN_TIMER: lambda tx, timer, now: owner.time_has_passed(tx, node.context, timer, now)}
    while due := [each for each in due_timers(node.tx, until) if each.kind == LOAN_TIMER]:
        fire(node.tx, due[0], handlers, from_microseconds(due[0].due_time))


def limit_after(node: Archive, due: datetime) -> datetime:
    """When the margin of the lender ends."""
    return due_by(node.context, LOAN_OVERDUE, due, timedelta(0))


def notices(node: Archive) -> list[RaisedComplaint]:
    return node.tx.all(RaisedComplaint.FromString, "SELECT content FROM escalation_notices ORDER BY ticket_id")


@pytest.mark.clause("10.3(3)")
def test_a_request_that_its_lender_neither_decides_nor_ends_has_the_lenders_person_on_duty_called_once(
    node: Archive,
) -> None:
    loan = requested(node)
    pass_time(node, limit_after(node, END) - MINUTE)
    assert notices(node) == []
    pass_time(node, END + 99 * DAY)
    (call,) = notices(node)
    case = f"{loan.id}/silence/{loan.end_time.seconds}"
    assert (call.ticket_id, call.id, call.level, call.matter) == (case, f"{case}/L3", 3, LOAN_OVERDUE)
    assert (call.region, call.owner_region, call.due_time) == ("sichuan", "henan", loan.end_time)
    assert (kept(node, loan).silence.region, kept(node, loan).silence.limits_passed) == ("sichuan", 1)
    assert node.tx.all(str, "SELECT subject FROM audit WHERE action = 'EscalateSilentOwner'") == [loan.id]


def test_a_lender_that_is_silent_about_what_is_not_returned_or_not_confirmed_is_noted_and_a_reminder_is_no_word(
    node: Archive,
) -> None:
    loan = requested(node)
    told(node, loan, rules.LENT)
    told(node, loan, rules.IN_USE)
    pass_time(node, limit_after(node, END) - MINUTE)
    assert notices(node) == [], "the borrower waits for no reminder"
    pass_time(node, limit_after(node, END))
    assert [from_timestamp(each.due_time) for each in notices(node)] == [END]
    returned = told(node, loan, rules.RETURNED, END + DAY)
    assert not returned.HasField("silence"), "the lender has taken the return in"
    assert notices(node) == [], "nobody was called yet, and nobody is"
    pass_time(node, limit_after(node, END + 8 * DAY))
    assert [from_timestamp(each.due_time) for each in notices(node)] == [END + 8 * DAY], "it confirms no return"


def test_the_lenders_own_reminder_escalation_or_end_leaves_nothing_to_call_about(node: Archive) -> None:
    loan = requested(node)
    told(node, loan, rules.LENT)
    in_use = told(node, loan, rules.IN_USE)
    for due in (END - DAY, END, END + 7 * DAY):
        in_use.version += 1
        assert rules.time_has_passed(in_use, due), "as the lender does"
        adopted(node, in_use, due)
        pass_time(node, limit_after(node, due))
    told(node, loan, rules.RETURNED, END + 8 * DAY)
    told(node, loan, rules.CLOSED, END + 9 * DAY)
    pass_time(node, END + 100 * DAY)
    assert (notices(node), kept(node, loan).HasField("silence")) == ([], False)
    assert node.count("timers WHERE kind = 'loan-due'") == 0


def test_a_request_that_the_lender_refuses_late_ends_the_silence(node: Archive) -> None:
    loan = requested(node)
    pass_time(node, limit_after(node, END))
    handling.keep(node.tx, node.context, kept(node, loan), "not shared any more", END + 5 * DAY)
    ended = kept(node, loan)
    assert (ended.state, ended.HasField("silence"), notices(node)) == (rules.REFUSED, False, [])
    assert node.count("timers WHERE kind = 'loan-due'") == 0


def test_no_region_tells_another_one_that_a_lender_is_silent(node: Archive) -> None:
    loan = requested(node)
    later = Loan()
    later.CopyFrom(loan)
    later.version, later.state = 1, rules.LENT
    later.silence.limits_passed, later.silence.region = 1, "sichuan"
    assert not adopted(node, later, NOW).HasField("silence")
    pass_time(node, limit_after(node, END))
    assert len(notices(node)) == 1, "the borrower's own watch goes on"
    later.version = 2
    assert adopted(node, later, limit_after(node, END)).silence.note_time == to_timestamp(limit_after(node, END))


def test_a_borrower_that_takes_no_part_at_the_limit_has_the_lender_called_once_it_does_again(node: Archive) -> None:
    loan = requested(node)
    current = node.context.border.current
    joined = list(current.state().members.values())
    suspended = [each for each in joined if each.region != "sichuan"]
    suspended.append(Member(region="sichuan", state=MemberState.MEMBER_STATE_SUSPENDED))
    current.update(current.federation, suspended)
    late = limit_after(node, END)
    pass_time(node, late)
    assert (notices(node), kept(node, loan).HasField("silence")) == ([], False)
    current.update(current.federation, joined)
    pass_time(node, limit_after(node, late))
    assert [from_timestamp(each.due_time) for each in notices(node)] == [END]
    assert kept(node, loan).silence.region == "sichuan"


def test_the_notices_about_a_silent_lender_go_with_the_loan(node: Archive) -> None:
    loan = requested(node)
    pass_time(node, limit_after(node, END))
    forget(node.tx, loan.id)
    assert notices(node) == []


def test_loans_that_only_their_lender_has_watched_are_watched_after_the_upgrade(node: Archive) -> None:
    waiting, ended = (new_loan(f"sichuan/L20251101-{each}", "sichuan", "henan") for each in (7, 8))
    ended.state = rules.CLOSED
    for each in (waiting, ended):
        LOAN_ROWS.insert(node.tx, LoanRow(each, ""), 0, NOW)
    own = new_loan("guangdong/L20251101-9", "guangdong", "sichuan")
    own.version, own.state = 9, rules.IN_USE
    LOAN_ROWS.insert(node.tx, LoanRow(own, ""), 0, NOW)
    schema = (resources.files("region_node.schema") / "0177_loan_silences.sql").read_text()
    for _ in range(2):
        node.tx.execute(schema)
    timers = node.tx.all(str, "SELECT subject FROM timers WHERE kind = :kind ORDER BY subject", kind=LOAN_TIMER)
    assert timers == [own.id, waiting.id]
    late = END + 9 * DAY
    handlers = {LOAN_TIMER: lambda tx, timer, now: owner.time_has_passed(tx, node.context, timer, now)}
    (timer,) = [each for each in due_timers(node.tx, NOW) if each.subject == waiting.id]
    fire(node.tx, timer, handlers, late)
    assert notices(node) == [], "its lender may well have spoken"
    pass_time(node, limit_after(node, late))
    assert f"{waiting.id}/silence/{waiting.end_time.seconds}" in {each.ticket_id for each in notices(node)}


def test_staff_see_that_a_lender_is_silent_since_when_and_who_is_called(
    node: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    loan = requested(node)
    pass_time(node, limit_after(node, END))
    print_loan(kept(node, loan))
    shown = capsys.readouterr().out
    assert "which is silent" in shown
    assert "L3" in shown
