"""The issue about rent of a line that has moved, which its new home does not give back."""

from datetime import datetime, timedelta

from gateway.api.region.v1.fault_envelopes_pb2 import FaultMoved
from gateway.api.region.v1.issue_pb2 import IssueLink, IssueLinkKind, IssueRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.care.issues.handling import open_issue
from region_node.care.issues.rows import ISSUE_RECORDS
from region_node.node.context import RegionContext
from region_node.requests.caller import OwnNode
from region_node.requests.checks import NODE_OPERATOR
from region_node.requests.rows import find_request

_DUE = timedelta(days=7)
_AUTHOR = "node"


def open_refused_rent(
    tx: Transaction, context: RegionContext, told: FaultMoved, refused: EnvelopeContent, reason: str, now: datetime
) -> None:
    """Opens the issue, which the new home owns, in the trace of the fault; once for each outage.

    `refused` is the envelope that has `told`, `reason` that of its refusal.
    After a loss of the database the issue may be here again, and the request that has opened it not.
    """
    opener = OwnNode(context.region, f"{refused.id}#rent", refused.traceparent)
    about = f"{told.move_id}, {told.fault_id}, {told.outage}: "
    if find_request(tx, opener.operator, opener.request_id) is not None or _is_told(tx, context, about, now):
        return
    request = IssueRequest(
        subject=f"迁移线路租费未退 Rent of a moved line not given back: {told.fault_id}",
        description=(
            f"{about}{reason}\n"
            "新归属地未受理迁移之后中断时间的租费退还，请核实后退还，或说明理由。\n"
            "The new home has refused the outage. It checks it and gives back the rent since the move, or says why not."
        ),
        owner_region=refused.destination,
        due_time=to_timestamp(now + _DUE),
        links=[IssueLink(kind=IssueLinkKind.ISSUE_LINK_KIND_FAULT, id=told.fault_id)],
        staff_id=_AUTHOR,
    )
    open_issue(tx, context, opener, request, now)


def _is_told(tx: Transaction, context: RegionContext, about: str, now: datetime) -> bool:
    """Whether this node has opened an issue whose description begins so. It opens few by itself."""
    where, end = "origin_region = :region AND operator = :operator", to_microseconds(now) + 1
    own = ISSUE_RECORDS.within(tx, 0, end, where, region=context.region, operator=NODE_OPERATOR)
    return any(each.request.description.startswith(about) for each in own)
