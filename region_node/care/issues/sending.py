"""The sending of messages about issues to other regions."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.issue_envelopes_pb2 import IssueCommand, IssueUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.store.port import Transaction
from region_node.care.issues.rows import IssueRow, facts
from region_node.node.context import RegionContext
from region_node.tickets.sending import followers, send_about


def send_command(
    tx: Transaction, context: RegionContext, row: IssueRow, envelope_id: str, asked: IssueCommand, now: datetime
) -> None:
    """Sends an issue, or a command on it, to the owner region."""
    send_about(
        tx,
        context,
        facts(row.issue),
        EnvelopeKind.ENVELOPE_KIND_ISSUE_COMMAND,
        asked,
        now,
        envelope_id=envelope_id,
        region=row.issue.owner_region,
        traceparent=row.traceparent,
    )


def send_introductions(
    tx: Transaction, context: RegionContext, row: IssueRow, regions: Sequence[str], now: datetime
) -> None:
    """Sends the origin's word on an issue to new helpers, which follow the owner region by it."""
    for region in regions:
        _send_version(tx, context, row, f"{row.issue.id}#introduced@{row.issue.version}", region, now)


def send_updates(
    tx: Transaction, context: RegionContext, row: IssueRow, now: datetime, *, informed: Sequence[str] = ()
) -> None:
    """Sends the current version of an issue to its followers, but `informed`."""
    issue = row.issue
    for region in followers(facts(issue)):
        if region not in informed:
            _send_version(tx, context, row, f"{issue.id}@{issue.version}", region, now)


def _send_version(
    tx: Transaction, context: RegionContext, row: IssueRow, envelope_id: str, region: str, now: datetime
) -> None:
    send_about(
        tx,
        context,
        facts(row.issue),
        EnvelopeKind.ENVELOPE_KIND_ISSUE_UPDATE,
        IssueUpdate(issue=row.issue),
        now,
        envelope_id=envelope_id,
        region=region,
        traceparent=row.traceparent,
    )
