"""The lender's decisions on a loan. One transaction each, with the booking of the resource.

Every Refused comes before the first write.
"""

from datetime import datetime

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.loan_envelopes_pb2 import LoanCommand
from gateway.api.region.v1.loan_pb2 import Loan
from gateway.api.region.v1.loan_service_pb2 import WorkOnLoanRequest
from gateway.errors import invalid
from gateway.federation.body import LOAN_OVERDUE
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from gateway.time.clock import from_timestamp
from region_node.care.escalations.body import Escalated, tell_body
from region_node.care.loans import rules
from region_node.care.loans.rows import LOAN_ROWS, LoanRow, facts
from region_node.care.loans.sending import LOAN_MESSAGES
from region_node.care.loans.watching import LOAN_WATCH
from region_node.network.support.bookings import book, book_again, release
from region_node.network.support.resources import require_known
from region_node.node.context import RegionContext
from region_node.requests.checks import require_length
from region_node.tickets.border import require_caught_up


def take(tx: Transaction, context: RegionContext, row: LoanRow, now: datetime) -> None:
    """Accepts a request for a resource of this region, undecided yet.

    Raises Refused with SUPPORT_ENTRY_NOT_FOUND.
    """
    loan = row.ticket
    loan.resource.CopyFrom(require_known(tx, context, loan.request.resource_id))
    loan.ClearField("silence")
    loan.version = 1
    LOAN_ROWS.insert(tx, row, 0, now)
    LOAN_WATCH.renew(tx, context, loan, now)


def apply_command(tx: Transaction, context: RegionContext, asked: LoanCommand, now: datetime) -> Loan:
    """Executes a command of the borrower. Raises Refused."""
    row = LOAN_ROWS.require(tx, asked.loan_id)
    loan, author = row.ticket, f"{row.ticket.origin_region}/{asked.staff_id}"
    match asked.WhichOneof("command"):
        case "receive":
            rules.enter(loan, rules.IN_USE, now=now, author=author)
            # An overdue loan before this one may still hold the resource.
            _book(tx, context, loan, now)
        case "prolong":
            rules.prolong(loan, asked.prolong.end_time, now)
            _book(tx, context, loan, now)
        case "give_back":
            rules.enter(loan, rules.RETURNED, now=now, author=author, reason=asked.give_back.note)
        case "cancel":
            rules.enter(loan, rules.CANCELLED, now=now, author=author, reason=asked.cancel.reason)
        case _:
            raise invalid("command", "none is set", "未指定任何一项")
    _store(tx, context, loan, now)
    return loan


def work(tx: Transaction, context: RegionContext, asked: WorkOnLoanRequest, staff_id: str, now: datetime) -> Loan:
    """Executes a step of this region's staff. Raises Refused."""
    row = LOAN_ROWS.require(tx, asked.loan_id)
    loan, author = row.ticket, f"{context.region}/{staff_id}"
    match asked.WhichOneof("step"):
        case "lend":
            rules.lend(loan, author, asked.lend.quantity, now)
            _book(tx, context, loan, now)
        case "refuse":
            require_length("refuse", asked.refuse, rules.TEXT_LIMIT, required=True)
            rules.enter(loan, rules.REFUSED, now=now, author=author, reason=asked.refuse)
        case "confirm_return":
            told = asked.confirm_return
            rules.confirm_return(loan, author, told.condition, told.note, now)
        case _:
            raise invalid("step", "none is set", "未指定任何一项")
    _store(tx, context, loan, now)
    LOAN_MESSAGES.send_updates(tx, context, row, now)
    return loan


def time_has_passed(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Reminds of the end of a loan of this region, escalates it, or ends it where nobody received it.

    Of a loan of another region it notes that the lender is silent.
    """
    row = LOAN_ROWS.find(tx, timer.subject)
    if row is None:
        return
    if row.ticket.owner_region != context.region:
        LOAN_WATCH.note_silence(tx, context, row, timer, now)
        return
    if not rules.time_has_passed(row.ticket, now):
        return
    require_caught_up(context, tx, facts(row.ticket), now)
    failpoints.reach("loan-due.before-commit")
    loan = row.ticket
    escalations = [each for each in loan.notices if each.escalation]
    if loan.state not in rules.FINAL and loan.notices[-1].escalation:
        told, passed = escalations[-1], EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED
        escalated = Escalated(len(escalations), passed, told.time, told.due_time)
        tell_body(tx, context, facts(loan), escalated, "EscalateLoan", LOAN_OVERDUE, now)
    _store(tx, context, loan, now)
    LOAN_MESSAGES.send_updates(tx, context, row, now)


def hold_again(tx: Transaction, context: RegionContext, loan: Loan, now: datetime) -> None:
    """Books again what a loan holds of which the database had lost the newest version, and watches it.

    A promise is booked whatever others have now: people see that more is lent than there is.
    """
    if loan.quantity and loan.state not in rules.FINAL:
        book_again(tx, loan.id, loan.request.resource_id, loan.quantity, _span(loan, now))
    _follow(tx, context, loan, now)


def _book(tx: Transaction, context: RegionContext, loan: Loan, now: datetime) -> None:
    """Books the time of a loan. Raises Refused with SUPPORT_ENTRY_NOT_FOUND, RESOURCE_NOT_FREE."""
    resource = require_known(tx, context, loan.request.resource_id)
    book(tx, loan.id, resource, loan.quantity, _span(loan, now), now)


def _span(loan: Loan, now: datetime) -> tuple[datetime, datetime]:
    """The time of a loan, also that before its start where the borrower has the resource early."""
    start = from_timestamp(loan.request.start_time)
    return min(start, now) if rules.is_out(loan) else start, from_timestamp(loan.end_time)


def _store(tx: Transaction, context: RegionContext, loan: Loan, now: datetime) -> None:
    """Stores a decision; an ended loan holds nothing."""
    loan.version += 1
    LOAN_ROWS.update(tx, loan, now)
    _follow(tx, context, loan, now)


def _follow(tx: Transaction, context: RegionContext, loan: Loan, now: datetime) -> None:
    """Timer and booking follow the state of a loan."""
    LOAN_WATCH.renew(tx, context, loan, now)
    if loan.state in rules.FINAL:
        release(tx, loan.id)
