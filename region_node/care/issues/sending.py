"""The sending of messages about issues to other regions."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.issue_envelopes_pb2 import IssueUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.store.port import Transaction
from region_node.care.issues.rows import ISSUE, IssueRow
from region_node.node.context import RegionContext
from region_node.tickets.sending import TicketMessages

ISSUE_MESSAGES = TicketMessages(
    ISSUE,
    EnvelopeKind.ENVELOPE_KIND_ISSUE_COMMAND,
    EnvelopeKind.ENVELOPE_KIND_ISSUE_UPDATE,
    lambda issue: IssueUpdate(issue=issue),
)


def send_introductions(
    tx: Transaction, context: RegionContext, row: IssueRow, regions: Sequence[str], now: datetime
) -> None:
    """Sends the origin's word on an issue to new helpers, which follow the owner region by it."""
    issue = row.ticket
    ISSUE_MESSAGES.send_versions(tx, context, row, f"{issue.id}#introduced@{issue.version}", regions, now)
