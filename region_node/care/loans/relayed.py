"""Envelopes about loans, and the effects of their receipts."""

from datetime import datetime

from gateway.api.region.v1.loan_envelopes_pb2 import LoanCommand, LoanUpdate
from gateway.api.region.v1.loan_pb2 import Loan
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.care.loans import handling, owner, rules
from region_node.care.loans.rows import LOAN, LOAN_ROWS, LoanRow
from region_node.care.loans.sending import LOAN_MESSAGES
from region_node.care.loans.watching import LOAN_WATCH
from region_node.node.payloads import received
from region_node.tickets import border
from region_node.tickets.relayed import Commanded, TicketEnvelopes


class LoanEnvelopes(TicketEnvelopes[Loan, LoanCommand]):
    """The kinds of envelope that loans use."""

    messages = LOAN_MESSAGES
    rows = LOAN_ROWS
    command = LoanCommand
    text_limit = rules.TEXT_LIMIT
    is_answered = "loan-answered.before-commit"
    is_updated = "loan-updated.before-commit"

    def _said(self, command: LoanCommand) -> Commanded:
        texts = {"cancel": command.cancel.reason}
        return Commanded(command.loan_id, command.staff_id, command.WhichOneof("command"), texts)

    def _decide(self, tx: Transaction, command: LoanCommand, region: str, now: datetime) -> Loan:
        border.require_text("give_back", {"give_back": command.give_back.note}, rules.TEXT_LIMIT)
        return owner.apply_command(tx, self._context, command, now)

    def _filed(self, command: LoanCommand) -> Loan:
        return command.open

    def _filed_again(self, tx: Transaction, ticket: Loan, sent: datetime) -> None:
        LOAN_WATCH.renew(tx, self._context, ticket, sent)

    def _before_restoring(self, tx: Transaction, ticket: Loan, now: datetime) -> None:
        owner.hold_again(tx, self._context, ticket, now)

    def _opened(self, tx: Transaction, command: LoanCommand, content: EnvelopeContent, now: datetime) -> Loan:
        loan, request = command.open, command.open.request
        border.require_filing(LOAN, loan, content, now, is_untouched=rules.is_untouched(loan, content.origin))
        if request.staff_id != command.staff_id or loan.end_time != request.end_time:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it differs from its request")
        rules.require_request(request, self._context.federation.region)
        if (loan.owner_region, request.region) != (self._context.region, self._context.region):
            raise Refused(Reason.REASON_LOAN_NOT_RESPONSIBLE, region=request.region)
        border.require_unknown(LOAN, tx, loan)
        owner.take(tx, self._context, LoanRow(loan, content.traceparent), now)
        return loan

    def _told(self, payload: bytes) -> Loan:
        return received(LoanUpdate, payload).loan

    def _adopt(self, tx: Transaction, told: Loan, now: datetime, traceparent: str) -> None:
        handling.adopt(tx, self._context, told, now)

    def _keep(self, tx: Transaction, row: LoanRow, why: str, now: datetime) -> None:
        handling.keep(tx, self._context, row.ticket, why, now)
