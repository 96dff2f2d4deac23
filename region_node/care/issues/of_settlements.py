"""The issue about a disputed line of a settlement."""

from dataclasses import replace
from datetime import datetime, timedelta

from gateway.api.region.v1.issue_pb2 import IssueRequest
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.business.settlement.port import Dispute
from region_node.care.issues.handling import open_issue
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller

_DUE = timedelta(days=7)


def open_dispute(tx: Transaction, context: RegionContext, caller: Caller, dispute: Dispute, now: datetime) -> str:
    """Opens the issue, which the proposing region owns; returns its id. No caller can choose its request id."""
    request = IssueRequest(
        subject=f"结算异议 Disputed settlement: {dispute.line}",
        description=f"{dispute.statement_id}\n{dispute.note}",
        owner_region=dispute.region,
        due_time=to_timestamp(now + _DUE),
        staff_id=caller.identity.name,
    )
    return open_issue(tx, context, replace(caller, request_id=f"{caller.request_id}#dispute"), request, now).id
