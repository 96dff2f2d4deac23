"""`region-node approvals`: acts of this region that one person asked for and a second one confirms."""

import click

from gateway.api.region.v1 import approval_service_pb2 as api
from gateway.api.region.v1.approval_service_pb2 import Approval, ApprovalAct, ApprovalState
from gateway.api.region.v1.approval_service_pb2_grpc import ApprovalServiceStub
from gateway.api.region.v1.erasure_service_pb2 import ErasureReason
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.wording.times import told_if_set
from gateway.wording.words import word
from region_node.cli.asking import Asking, reads, writes


def _reason(approval: Approval) -> str:
    """The reason of an erasure or a restriction, or the purpose of a reading with its file number."""
    if approval.reason:
        return word(ErasureReason.Name(approval.reason), "ERASURE_REASON_")
    return f"{approval.purpose} {approval.reference}".strip()


_APPROVALS = Table[Approval](
    TableColumn("id", lambda each: each.id),
    TableColumn("act", lambda each: word(ApprovalAct.Name(each.act), "APPROVAL_ACT_")),
    TableColumn("customer", lambda each: each.customer_id),
    TableColumn("reason", _reason),
    TableColumn("state", lambda each: word(ApprovalState.Name(each.state), "APPROVAL_STATE_")),
    TableColumn("proposed by", lambda each: each.proposer),
    TableColumn("proposed", lambda each: told_if_set(each.propose_time)),
    TableColumn("until", lambda each: told_if_set(each.expire_time)),
    TableColumn("caller", lambda each: each.caller, only_wide=True),
    TableColumn("decided by", lambda each: each.decider, only_wide=True),
    TableColumn("decided", lambda each: told_if_set(each.decide_time), only_wide=True),
)


@click.group()
def approvals() -> None:
    """Confirm what needs two people: readings by legal duty, erasures, restrictions, ends of holds, wider scopes."""


@approvals.command("list")
@reads(limit_option())
@click.option("--undecided", is_flag=True, help="Only those that wait for a decision.")
def list_approvals(asking: Asking, undecided: bool) -> None:
    """List the acts that somebody has asked for, the newest first.

    \b
    Example:
      region-node approvals list --undecided
    """
    request = api.ListApprovalsRequest(undecided=undecided)
    found = asking.ask(lambda channel: ApprovalServiceStub(channel).ListApprovals, request)
    asking.show(found, _APPROVALS, found.approvals)


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
    """Reject an act that somebody has asked for, or take an own proposal back.

    \b
    Example:
      region-node approvals reject approval-1796000000000000
    """
    _decide(asking, api.DecideApprovalRequest(approval_id=approval_id))


def _decide(asking: Asking, request: api.DecideApprovalRequest) -> None:
    answer = asking.ask(lambda channel: ApprovalServiceStub(channel).DecideApproval, request)
    asking.tell(answer.approval, _APPROVALS.show_one)
