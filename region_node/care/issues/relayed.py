"""Envelopes about issues, and the effects of their receipts."""

from datetime import datetime

from gateway.api.region.v1.issue_envelopes_pb2 import IssueCommand, IssueUpdate
from gateway.api.region.v1.issue_pb2 import Issue
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.care.issues import handling, owner, rules
from region_node.care.issues.rows import ISSUE, IssueRow
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received
from region_node.tickets import border


class IssueEnvelopes:
    """The kinds of envelope that issues use."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        known = border.reads_of(ISSUE)
        return {
            EnvelopeKind.ENVELOPE_KIND_ISSUE_COMMAND: Command(
                self._commanded, self._command_answered, reads=known, answered_reads=known
            ),
            EnvelopeKind.ENVELOPE_KIND_ISSUE_UPDATE: Command(self._updated, _nothing, reads=known),
        }

    def _commanded(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles a new issue of the origin region, or a command of it or of a helper."""
        command = received(IssueCommand, content.payload)
        if command.HasField("open"):
            return self._opened(tx, command, content, now)
        known = border.commanded(ISSUE, tx, self._context.region, command.issue_id, content)
        border.require_author(command.staff_id, is_required=True)
        return border.decided(known, lambda: self._decide(tx, command, content.origin, now))

    def _decide(self, tx: Transaction, command: IssueCommand, region: str, now: datetime) -> Issue:
        texts = {
            "note": command.note.text,
            "report": command.report.text,
            "escalate": command.escalate.reason,
            "withdraw": command.withdraw.reason,
        }
        border.require_text(command.WhichOneof("command"), texts, rules.TEXT_LIMIT, is_required=True)
        return owner.apply_command(tx, self._context, command, region, now)

    def _opened(self, tx: Transaction, command: IssueCommand, content: EnvelopeContent, now: datetime) -> Answer:
        """Accepts a new issue, which may carry no decisions: those are this region's own."""
        issue = command.open
        is_untouched = rules.is_untouched(issue, content.origin)
        border.require_origin(ISSUE, command.issue_id, content)
        border.require_filing(ISSUE, issue, content, now, is_untouched=is_untouched)
        border.require_author(command.staff_id, is_required=True)
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
        return border.accepted(issue)

    def _command_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("issue-answered.before-commit")

        def adopt(told: Issue) -> None:
            handling.adopt(tx, self._context, told, now)

        def keep(issue: Issue, why: str) -> None:
            handling.keep(tx, self._context, IssueRow(issue, content.traceparent), why, now)

        if parse(IssueCommand, content.payload).HasField("open"):
            border.settle_filing(ISSUE, tx, content, receipt, now, adopt, keep)
        else:
            border.settle_command(ISSUE, tx, content, receipt, now, adopt)

    def _updated(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the owner region's new version of an issue that this region opened or helps with.

        A helper learns of an issue by the word of its origin alone, so that no owner makes up what others opened.
        """
        told = received(IssueUpdate, content.payload).issue
        if content.origin == told.origin_region != told.owner_region:
            self._introduced(tx, told, content, now)
        elif border.updated(ISSUE, tx, told, content, now, self._require_introduced):
            handling.adopt(tx, self._context, told, now, content.traceparent)
        failpoints.reach("issue-updated.before-commit")
        return Answer(Outcome.OUTCOME_ACCEPTED)

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
        handling.adopt(tx, self._context, issue, now, content.traceparent)

    def _require_introduced(self, told: Issue) -> None:
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


def _nothing(tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
    """The receipt has no effect: the follower has the version, or ignores it."""
