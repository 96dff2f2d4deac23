"""`region-node approvals`: acts of this region that one person asked for and a second one confirms."""

from pathlib import Path

import click

from gateway.api.region.v1 import approval_service_pb2 as api
from gateway.api.region.v1.approval_service_pb2 import Approval, ApprovalAct, ApprovalState
from gateway.api.region.v1.approval_service_pb2_grpc import ApprovalServiceStub
from gateway.api.region.v1.erasure_service_pb2 import ErasureReason
from gateway.cli.asking import limit_option
from gateway.cli.exits import REFUSED, leave
from gateway.cli.table import Table, TableColumn
from gateway.process.files import replace_file
from gateway.security.duty_statements import DutyReading
from gateway.wording.languages import translated
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, repeats, writes
from region_node.cli.duty_statement import second_statement


def _reason(approval: Approval) -> str:
    """The reason of an erasure or a restriction, or the purpose of a reading with its file number."""
    if approval.reason:
        return value_word(ErasureReason.DESCRIPTOR, approval.reason)
    return f"{approval.purpose} {approval.reference}".strip()


APPROVALS = Table[Approval](
    TableColumn("id", lambda each: each.id),
    TableColumn("act", lambda each: value_word(ApprovalAct.DESCRIPTOR, each.act)),
    TableColumn("customer", lambda each: each.customer_id),
    TableColumn("reason", _reason),
    TableColumn("state", lambda each: value_word(ApprovalState.DESCRIPTOR, each.state)),
    TableColumn("proposed by", lambda each: each.proposer),
    TableColumn("proposed at", lambda each: told_if_set(each.propose_time)),
    TableColumn("until", lambda each: told_if_set(each.expire_time)),
    TableColumn("caller", lambda each: each.caller, only_wide=True),
    TableColumn("decided by", lambda each: each.decider),
    TableColumn("decided at", lambda each: told_if_set(each.decide_time), only_wide=True),
)
"""A list of approvals. It names both people on any width, so that staff find the acts of a stolen key."""
_PAGE = 500


@click.group()
def approvals() -> None:
    """Confirm what needs two people: readings by legal duty, erasures, restrictions, ends of holds, wider scopes."""


@approvals.command("list")
@reads(limit_option())
@click.option("--undecided", is_flag=True, help="Only those that wait for a decision.")
@click.option("--confirmed", is_flag=True, help="Only those that are confirmed, and whose act is not done.")
def list_approvals(asking: Asking, undecided: bool, confirmed: bool) -> None:
    """List the acts that somebody has asked for, the newest first.

    With both options those that can still be rejected.

    \b
    Examples:
      region-node approvals list --undecided
      region-node approvals list --undecided --confirmed
    """
    request = api.ListApprovalsRequest(undecided=undecided, confirmed=confirmed)
    found = asking.ask(lambda channel: ApprovalServiceStub(channel).ListApprovals, request)
    asking.show(found, APPROVALS, found.approvals)


@approvals.command()
@writes(done="confirmed")
@click.argument("approval_id")
@click.option("--number", default="", help="For a reading: the number in the document that obliges to it.")
def confirm(asking: Asking, approval_id: str, number: str) -> None:
    """Confirm an act that another person has asked for. Then the same request is carried out.

    \b
    Examples:
      region-node approvals confirm approval-1796000000000000
      region-node approvals confirm approval-1796000000000001 --number +8619851000001
    """
    _decide(asking, api.DecideApprovalRequest(approval_id=approval_id, confirmed=True, number=number))


@approvals.command()
@writes(done="rejected")
@click.argument("approval_id")
def reject(asking: Asking, approval_id: str) -> None:
    """Reject an act that nobody has carried out yet, also a confirmed one, or take an own proposal back.

    \b
    Example:
      region-node approvals reject approval-1796000000000000
    """
    _decide(asking, api.DecideApprovalRequest(approval_id=approval_id))


@approvals.command()
@repeats(done="made", with_json=False)
@click.argument("approval_id")
@click.option("--number", required=True, help="The number in the document that obliges to the reading.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file; standard output without it.")
def statement(asking: Asking, approval_id: str, number: str, out: Path | None) -> None:
    """Make the statement of the second person about a reading by legal duty, for the home region of the customer.

    The person who reads hands it in with --approver-statement. It counts for a day, and for that reading alone.

    \b
    Example:
      region-node approvals statement approval-1796000000000001 --number +8619851000001 --out zhao.statement
    """
    request = api.ListApprovalsRequest(page_size=_PAGE)
    pages = asking.ask_pages(lambda channel: ApprovalServiceStub(channel).ListApprovals, request)
    approval = next((each for page in pages for each in page.approvals if each.id == approval_id), None)
    if approval is None or approval.act != ApprovalAct.APPROVAL_ACT_LEGAL_DUTY_READING:
        leave(translated("{id} is no reading by legal duty that somebody has asked for.", id=approval_id), REFUSED)
    reading = DutyReading(number, approval.purpose, approval.reference, approval.proposer)
    token = second_statement(asking.link.server.credentials, reading)
    if out is None:
        click.echo(token)
        return
    try:
        replace_file(out, f"{token}\n".encode())
    except OSError as error:
        raise click.ClickException(str(error)) from error
    click.echo(translated("The statement is in {file}, valid for a day.", file=out))


def _decide(asking: Asking, request: api.DecideApprovalRequest) -> None:
    answer = asking.ask(lambda channel: ApprovalServiceStub(channel).DecideApproval, request)
    asking.tell(answer.approval, APPROVALS.show_one)
