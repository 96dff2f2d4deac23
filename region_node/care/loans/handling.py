"""The borrower's work on loans: request, command, follow the lender's versions."""

from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.loan_envelopes_pb2 import LoanCommand
from gateway.api.region.v1.loan_pb2 import Loan, LoanRequest
from gateway.api.region.v1.loan_service_pb2 import WorkOnLoanRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.care.loans import owner, rules
from region_node.care.loans.rows import LOAN, LOAN_ROWS, LoanRow, facts
from region_node.care.loans.sending import LOAN_MESSAGES
from region_node.care.loans.watching import LOAN_WATCH
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, note
from region_node.requests.rows import insert_request
from region_node.tickets.border import require_caught_up
from region_node.tickets.followed import known_request

_STEPS_OF_LENDER = ("lend", "refuse", "confirm_return")


def request_loan(tx: Transaction, context: RegionContext, caller: Caller, request: LoanRequest, now: datetime) -> Loan:
    """Requests a loan of another region. A repeated request returns its current state.

    Raises Refused, also with REQUEST_ID_REUSED for the same id with other content.
    """
    key = caller.key(b"request-loan\0" + request.SerializeToString(deterministic=True))
    if (known := known_request(LOAN, tx, key)) is not None:
        return known
    if request.region == context.region:
        raise invalid("loan.region", "is this region", "不能是本地区")
    if rules.instant("loan.end_time", request.end_time) <= now:
        raise invalid("loan.end_time", "is not in the future", "不是将来的时间")
    number, day = LOAN_ROWS.next_number(tx), now.astimezone(ZoneInfo(context.time_zone))
    loan = Loan(
        id=f"{context.region}/{LOAN.prefix}{day:%Y%m%d}-{number}",
        request=request,
        origin_region=context.region,
        operator=caller.operator,
        owner_region=request.region,
        create_time=to_timestamp(now),
        end_time=request.end_time,
    )
    rules.enter(loan, rules.ACKNOWLEDGED, now=now, author=f"{context.region}/{request.staff_id}")
    failpoints.reach("loan-requested.before-commit")
    row = LoanRow(loan, caller.traceparent)
    LOAN_ROWS.insert(tx, row, number, now)
    LOAN_WATCH.renew(tx, context, loan, now)
    asked = LoanCommand(loan_id=loan.id, staff_id=request.staff_id, open=loan)
    LOAN_MESSAGES.send_command(tx, context, row, f"{loan.id}#open", asked, now)
    insert_request(tx, key, loan.id, settled=True, now=now)
    note(tx, caller, "RequestLoan", loan.id, now)
    return loan


def work(tx: Transaction, context: RegionContext, caller: Caller, asked: WorkOnLoanRequest, now: datetime) -> Loan:
    """Executes a staff member's step once: the lender's here, the borrower's at the lender.

    Raises Refused; for a repeated request, the former refusal of the lender.
    """
    content = WorkOnLoanRequest()
    content.CopyFrom(asked)
    content.ClearField("wait")
    key = caller.key(b"work-loan\0" + content.SerializeToString(deterministic=True))
    if (known := known_request(LOAN, tx, key)) is not None:
        return known
    row, staff_id = LOAN_ROWS.require(tx, asked.loan_id), caller.identity.name
    loan, is_own = row.ticket, row.ticket.owner_region == context.region
    if is_own != (asked.WhichOneof("step") in _STEPS_OF_LENDER):
        responsible = loan.origin_region if is_own else loan.owner_region
        raise Refused(Reason.REASON_LOAN_NOT_RESPONSIBLE, region=responsible)
    if is_own:
        require_caught_up(context, tx, facts(loan), now)
        loan = owner.work(tx, context, asked, staff_id, now)
    else:
        command, sent = _command_of(asked, staff_id), LoanRow(loan, caller.traceparent)
        LOAN_MESSAGES.send_command(tx, context, sent, f"{loan.id}#{caller.operator}/{caller.request_id}", command, now)
    failpoints.reach("loan-worked.before-commit")
    insert_request(tx, key, loan.id, settled=is_own, now=now)
    note(tx, caller, "WorkOnLoan", loan.id, now)
    return loan


def adopt(tx: Transaction, context: RegionContext, told: Loan, now: datetime) -> None:
    """Stores a newer version of the lender. The border has checked that the row is readable."""
    row = LOAN_ROWS.find(tx, told.id)
    if row is None:
        return
    loan = LOAN.next_version(context.region, row.ticket, told)
    if loan is not None:
        LOAN_WATCH.hear(tx, context, row.ticket, loan, now)
        LOAN_ROWS.update(tx, loan, now)


def keep(tx: Transaction, context: RegionContext, loan: Loan, why: str, now: datetime) -> None:
    """Ends a loan here whose request the other region could not accept. See `border.settle_filing`."""
    rules.enter(loan, rules.REFUSED, now=now, author=loan.owner_region, reason=why[: rules.TEXT_LIMIT])
    LOAN_WATCH.end_silence(tx, loan)
    loan.owner_region, loan.version = context.region, 1
    LOAN_ROWS.update(tx, loan, now)
    LOAN_WATCH.renew(tx, context, loan, now)


def _command_of(asked: WorkOnLoanRequest, staff_id: str) -> LoanCommand:
    """The command of a borrower's step."""
    command = LoanCommand(loan_id=asked.loan_id, staff_id=staff_id)
    match asked.WhichOneof("step"):
        case "receive":
            command.receive.SetInParent()
        case "prolong":
            command.prolong.CopyFrom(asked.prolong)
        case "give_back":
            command.give_back.CopyFrom(asked.give_back)
        case _:
            command.cancel.CopyFrom(asked.cancel)
    return command
