"""Envelopes about loans, and the effects of their receipts."""

from datetime import datetime

from gateway.api.region.v1.loan_envelopes_pb2 import LoanCommand, LoanUpdate
from gateway.api.region.v1.loan_pb2 import Loan
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.care.loans import handling, owner, rules
from region_node.care.loans.rows import LOAN, LoanRow
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received
from region_node.tickets import border


class LoanEnvelopes:
    """The kinds of envelope that loans use."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        known = border.reads_of(LOAN)
        return {
            EnvelopeKind.ENVELOPE_KIND_LOAN_COMMAND: Command(
                self._commanded, self._command_answered, reads=known, answered_reads=known
            ),
            EnvelopeKind.ENVELOPE_KIND_LOAN_UPDATE: Command(self._updated, _nothing, reads=known),
        }

    def _commanded(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles a request for a loan, or a command, of the borrower."""
        command = received(LoanCommand, content.payload)
        if command.HasField("open"):
            return self._opened(tx, command, content, now)
        known = border.commanded(LOAN, tx, self._context.region, command.loan_id, content)
        border.require_author(command.staff_id, is_required=True)
        return border.decided(known, lambda: self._decide(tx, command, now))

    def _decide(self, tx: Transaction, command: LoanCommand, now: datetime) -> Loan:
        said = command.WhichOneof("command")
        border.require_text(said, {"cancel": command.cancel.reason}, rules.TEXT_LIMIT, is_required=True)
        border.require_text(said, {"give_back": command.give_back.note}, rules.TEXT_LIMIT)
        return owner.apply_command(tx, self._context, command, now)

    def _opened(self, tx: Transaction, command: LoanCommand, content: EnvelopeContent, now: datetime) -> Answer:
        """Accepts a request, which may carry no decisions: those are this region's own."""
        loan, request = command.open, command.open.request
        is_untouched = rules.is_untouched(loan, content.origin)
        border.require_origin(LOAN, command.loan_id, content)
        border.require_filing(LOAN, loan, content, now, is_untouched=is_untouched)
        border.require_author(command.staff_id, is_required=True)
        if request.staff_id != command.staff_id or loan.end_time != request.end_time:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it differs from its request")
        rules.require_request(request, self._context.federation.region)
        if (loan.owner_region, request.region) != (self._context.region, self._context.region):
            raise Refused(Reason.REASON_LOAN_NOT_RESPONSIBLE, region=request.region)
        border.require_unknown(LOAN, tx, loan)
        owner.take(tx, self._context, LoanRow(loan, content.traceparent), now)
        return border.accepted(loan)

    def _command_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("loan-answered.before-commit")

        def adopt(told: Loan) -> None:
            handling.adopt(tx, self._context, told, now)

        def keep(loan: Loan, why: str) -> None:
            handling.keep(tx, self._context, loan, why, now)

        if parse(LoanCommand, content.payload).HasField("open"):
            border.settle_filing(LOAN, tx, content, receipt, now, adopt, keep)
        else:
            border.settle_command(LOAN, tx, content, receipt, now, adopt)

    def _updated(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the lender's new version of a loan that this region requested."""
        told = received(LoanUpdate, content.payload).loan
        if border.updated(LOAN, tx, told, content, now):
            handling.adopt(tx, self._context, told, now)
        failpoints.reach("loan-updated.before-commit")
        return Answer(Outcome.OUTCOME_ACCEPTED)


def _nothing(tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
    """The receipt has no effect: the borrower has the version, or ignores it."""
