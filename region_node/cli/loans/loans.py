"""`region-node loans`: borrow what other regions share, lend what this one shares, and return it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import click
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1 import loan_service_pb2 as api
from gateway.api.region.v1.loan_envelopes_pb2 import LoanCommand
from gateway.api.region.v1.loan_pb2 import Loan, LoanRequest, LoanState, ReturnCondition
from gateway.api.region.v1.loan_service_pb2 import WorkOnLoanRequest
from gateway.api.region.v1.loan_service_pb2_grpc import LoanServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.issue_options import due_time
from gateway.cli.table import Table, TableColumn, show_timeline
from gateway.time.clock import from_timestamp
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.care.loans.rules import state_name
from region_node.care.silences.wording import told_owner, told_silence
from region_node.cli.asking import Asking, reads, writes

_WAIT = Duration(seconds=10)  # for the lender
_STATES = {state_name(state): state for state in LoanState.values()[1:]}
_LOAN = click.argument("loan", metavar="ID")
_LOANS = Table[Loan](
    TableColumn("loan", lambda each: each.id),
    TableColumn("state", lambda each: _state(each.state)),
    TableColumn("lender", lambda each: told_owner(each.request.region, is_silent=each.HasField("silence"))),
    TableColumn("borrower", lambda each: region_name(each.origin_region)),
    TableColumn("resource", lambda each: each.request.resource_id),
    TableColumn("quantity", lambda each: str(each.quantity or each.request.quantity)),
    TableColumn("begins", lambda each: told_if_set(each.request.start_time)),
    TableColumn("until", lambda each: told_if_set(each.end_time)),
)


@click.group()
def loans() -> None:
    """Borrow what other regions share, lend what this one shares, and return it."""


@loans.command("request")
@writes()
@click.argument("lender", metavar="REGION")
@click.argument("resource")
@click.option("--quantity", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="How much of it.")
@click.option("--from", "start", required=True, help="From when, with zone.")
@click.option("--until", "end", required=True, help="Until when, with zone.")
@click.option("--purpose", required=True, help="What it is for; it names no customer.")
def request_command(
    asking: Asking, lender: str, resource: str, quantity: int, start: str, end: str, purpose: str
) -> None:
    """Request a RESOURCE of another REGION for a time; `resources find` lists them.

    \b
    Examples:
      region-node loans request sichuan otdr-1 --from 2026-12-20T08:00+08:00 --until 2026-12-27T18:00+08:00 \\
        --purpose "a break on the line to Guangzhou"
    """
    wanted = LoanRequest(
        region=lender,
        resource_id=resource,
        quantity=quantity,
        start_time=due_time(start),
        end_time=due_time(end),
        purpose=purpose,
    )
    answer = asking.ask(lambda channel: LoanServiceStub(channel).RequestLoan, api.RequestLoanRequest(loan=wanted))
    asking.tell(answer.loan, _print_told)


@loans.command("list")
@reads(limit_option())
@click.option("--state", "states", multiple=True, type=click.Choice(tuple(_STATES)), help="Only those in these states.")
@click.option("--overdue", is_flag=True, help="Only those that are not returned after their end.")
def list_command(asking: Asking, states: Sequence[str], overdue: bool) -> None:
    """List the loans that this region requested or decides on, newest first.

    \b
    Examples:
      region-node loans list --overdue
    """
    request = api.ListLoansRequest(states=[_STATES[each] for each in states], overdue=overdue)
    found = asking.ask(lambda channel: LoanServiceStub(channel).ListLoans, request)
    asking.show(found, _LOANS, found.loans)


@loans.command()
@reads()
@_LOAN
def show(asking: Asking, loan: str) -> None:
    """Show a loan: what is lent, until when, and how it went.

    \b
    Examples:
      region-node loans show guangdong/L20261210-17
    """
    told = asking.ask(lambda channel: LoanServiceStub(channel).GetLoan, api.GetLoanRequest(loan_id=loan)).loan
    asking.tell(told, print_loan)


@loans.command()
@writes()
@_LOAN
@click.option("--quantity", type=click.IntRange(1, 1_000_000), default=None, help="Less than was requested.")
def lend(asking: Asking, loan: str, quantity: int | None) -> None:
    """Lend what was requested, or a part of it, as staff of the lender.

    \b
    Examples:
      region-node loans lend guangdong/L20261210-17 --quantity 2
    """
    _work(asking, loan, WorkOnLoanRequest(lend=WorkOnLoanRequest.Lend(quantity=quantity or 0)))


@loans.command()
@writes()
@_LOAN
@click.argument("reason")
def refuse(asking: Asking, loan: str, reason: str) -> None:
    """Refuse a request, as staff of the lender.

    \b
    Examples:
      region-node loans refuse guangdong/L20261210-17 "needed here that week"
    """
    _work(asking, loan, WorkOnLoanRequest(refuse=reason))


@loans.command()
@writes()
@_LOAN
def receive(asking: Asking, loan: str) -> None:
    """Confirm the receipt, as staff of the borrower.

    \b
    Examples:
      region-node loans receive guangdong/L20261210-17
    """
    _work(asking, loan, WorkOnLoanRequest(receive=LoanCommand.Receive()))


@loans.command()
@writes()
@_LOAN
@click.option("--until", "end", required=True, help="Until when, with zone.")
def prolong(asking: Asking, loan: str, end: str) -> None:
    """Prolong a loan while the resource is free, as staff of the borrower.

    \b
    Examples:
      region-node loans prolong guangdong/L20261210-17 --until 2026-12-31T18:00+08:00
    """
    _work(asking, loan, WorkOnLoanRequest(prolong=LoanCommand.Prolong(end_time=due_time(end))))


@loans.command("return")
@writes()
@_LOAN
@click.option("--note", default="", help="A note for the lender.")
def return_command(asking: Asking, loan: str, note: str) -> None:
    """Return what was borrowed, as staff of the borrower.

    \b
    Examples:
      region-node loans return guangdong/L20261210-17 --note "by courier"
    """
    _work(asking, loan, WorkOnLoanRequest(give_back=LoanCommand.GiveBack(note=note)))


@loans.command()
@writes()
@_LOAN
@click.argument("reason")
def cancel(asking: Asking, loan: str, reason: str) -> None:
    """Cancel a loan before its receipt, as staff of the borrower.

    \b
    Examples:
      region-node loans cancel guangdong/L20261210-17 "repaired already"
    """
    _work(asking, loan, WorkOnLoanRequest(cancel=LoanCommand.Cancel(reason=reason)))


@loans.command("confirm-return")
@writes()
@_LOAN
@click.option("--damaged", default="", metavar="NOTE", help="It is damaged or incomplete: how.")
def confirm_return(asking: Asking, loan: str, damaged: str) -> None:
    """Confirm the return, as staff of the lender: complete, or damaged.

    \b
    Examples:
      region-node loans confirm-return guangdong/L20261210-17
    """
    condition = ReturnCondition.RETURN_CONDITION_DAMAGED if damaged else ReturnCondition.RETURN_CONDITION_COMPLETE
    told = WorkOnLoanRequest.ConfirmReturn(condition=condition, note=damaged)
    _work(asking, loan, WorkOnLoanRequest(confirm_return=told))


def _work(asking: Asking, loan: str, step: WorkOnLoanRequest) -> None:
    step.loan_id = loan
    step.wait.CopyFrom(_WAIT)
    answer = asking.ask(lambda channel: LoanServiceStub(channel).WorkOnLoan, step)
    asking.tell(answer.loan, _print_told)


def _print_told(loan: Loan) -> None:
    """Prints the state of a loan in a line."""
    told = translated(
        "{loan}: {state}; the lender is {region}",
        loan=loan.id,
        state=_state(loan.state),
        region=region_name(loan.request.region),
    )
    click.echo(told)


def print_loan(loan: Loan) -> None:
    """Prints a loan in full, with the timeline of both regions."""
    _LOANS.show_one(loan)
    click.echo(loan.request.purpose)
    if loan.HasField("silence"):
        click.echo(told_silence(loan.silence))
    if loan.condition:
        click.echo(value_word(ReturnCondition.DESCRIPTOR, loan.condition))
    click.echo()
    show_timeline(_happened(loan))


def _happened(loan: Loan) -> Iterator[tuple[datetime, str, str]]:
    """Time, author and text of each event."""
    for change in loan.state_changes:
        yield from_timestamp(change.time), change.author, f"{_state(change.state)} {change.reason}".strip()
    for each in loan.notices:
        told = translated("escalated to the person on duty") if each.escalation else translated("the end comes near")
        yield from_timestamp(each.time), "", told


def _state(state: LoanState.ValueType) -> str:
    return value_word(LoanState.DESCRIPTOR, state)
