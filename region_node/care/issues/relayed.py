"""Envelopes about issues, and the effects of their receipts."""

from datetime import datetime

from gateway.api.region.v1.issue_envelopes_pb2 import IssueCommand, IssueUpdate
from gateway.api.region.v1.issue_pb2 import Issue
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.care.issues import handling, owner, rules
from region_node.care.issues.rows import ISSUE, ISSUE_ROWS, IssueRow
from region_node.care.issues.sending import ISSUE_MESSAGES
from region_node.care.issues.watching import ISSUE_WATCH
from region_node.node.payloads import received
from region_node.tickets import border
from region_node.tickets.relayed import Commanded, TicketEnvelopes


class IssueEnvelopes(TicketEnvelopes[Issue, IssueCommand]):
    """The kinds of envelope that issues use."""

    messages = ISSUE_MESSAGES
    rows = ISSUE_ROWS
    command = IssueCommand
    text_limit = rules.TEXT_LIMIT
    is_answered = "issue-answered.before-commit"
    is_updated = "issue-updated.before-commit"

    def _said(self, command: IssueCommand) -> Commanded:
        texts = {
            "note": command.note.text,
            "report": command.report.text,
            "escalate": command.escalate.reason,
            "withdraw": command.withdraw.reason,
        }
        return Commanded(command.issue_id, command.staff_id, command.WhichOneof("command"), texts)

    def _decide(self, tx: Transaction, command: IssueCommand, region: str, now: datetime) -> Issue:
        return owner.apply_command(tx, self._context, command, region, now)

    def _filed(self, command: IssueCommand) -> Issue:
        return command.open

    def _filed_again(self, tx: Transaction, ticket: Issue, sent: datetime) -> None:
        ISSUE_WATCH.renew(tx, self._context, ticket, sent)

    def _before_restoring(self, tx: Transaction, ticket: Issue, now: datetime) -> None:
        ISSUE_WATCH.renew(tx, self._context, ticket, now)

    def _opened(self, tx: Transaction, command: IssueCommand, content: EnvelopeContent, now: datetime) -> Issue:
        issue = command.open
        border.require_filing(ISSUE, issue, content, now, is_untouched=rules.is_untouched(issue, content.origin))
        if issue.request.staff_id != command.staff_id:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it names another author")
        rules.require_request(issue.request, self._context.federation.region)
        rules.require_room(issue, 0, rules.OPENING_LIMIT)
        if (issue.owner_region, issue.request.owner_region) != (self._context.region, self._context.region):
            raise Refused(Reason.REASON_ISSUE_NOT_RESPONSIBLE, region=issue.request.owner_region)
        border.require_unknown(ISSUE, tx, issue)
        del issue.helper_regions[:]
        issue.helper_regions.extend(issue.request.helper_regions)
        owner.take(self._context, issue)
        row = IssueRow(issue, content.traceparent)
        owner.insert_taken(tx, self._context, row, 0, now, informed=(issue.origin_region,))
        return issue

    def _told(self, payload: bytes) -> Issue:
        return received(IssueUpdate, payload).issue

    def _adopt(self, tx: Transaction, told: Issue, now: datetime, traceparent: str) -> None:
        handling.adopt(tx, self._context, told, now, traceparent)

    def _keep(self, tx: Transaction, row: IssueRow, why: str, now: datetime) -> None:
        handling.keep(tx, self._context, row, why, now)

    def _heard(self, tx: Transaction, told: Issue, content: EnvelopeContent, now: datetime) -> None:
        """Handles a version of the owner, or the origin's word on an issue that this region helps with.

        A helper learns of an issue by the word of its origin alone, so that no owner makes up what others opened.
        """
        known = ISSUE_ROWS.find(tx, told.id) if told.appointments else None
        if known is not None and content.origin in rules.parties(known.ticket)[1:]:
            # A coordinator names the new owner to each region of an issue: its first version may be earlier.
            raise Refused(Reason.REASON_ISSUE_OWNER_NOT_APPOINTED, region=content.origin)
        if content.origin == told.origin_region != told.owner_region:
            self._introduced(tx, told, content, now)
        else:
            super()._heard(tx, told, content, now)

    def _introduced(self, tx: Transaction, told: Issue, content: EnvelopeContent, now: datetime) -> None:
        """Stores an issue of its origin without decisions, which are the owner region's to send. Raises Refused."""
        border.require_origin(ISSUE, told.id, content)
        self._require_helper(told)
        border.require_plausible(told.create_time, now)
        border.require_unknown(ISSUE, tx, told)
        issue = Issue(
            id=told.id,
            state=rules.ACKNOWLEDGED,
            request=told.request,
            origin_region=told.origin_region,
            operator=told.operator,
            owner_region=told.owner_region,
            helper_regions=told.helper_regions,
            create_time=told.create_time,
        )
        self._adopt(tx, issue, now, content.traceparent)

    def _require_followed(self, told: Issue) -> None:
        """The first word on an issue is that of its origin. Raises Refused, for now to an owner that is earlier."""
        self._require_helper(told)
        if told.owner_region != told.origin_region:
            raise Refused(Reason.REASON_ISSUE_NOT_INTRODUCED, region=told.origin_region)

    def _require_helper(self, told: Issue) -> None:
        """This region may begin to follow an issue: as a helper, and never of its own.

        Its owner is the region that the request names, or the origin where that refused it. Raises Refused.
        """
        region, owners = self._context.region, (told.request.owner_region, told.origin_region)
        if region not in told.helper_regions or told.origin_region == region or told.owner_region not in owners:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        rules.require_request(told.request, self._context.federation.region)
