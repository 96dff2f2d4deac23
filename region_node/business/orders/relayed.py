"""Envelopes about orders, and the effects of their receipts."""

from collections.abc import Callable
from datetime import datetime

from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand, OrderSubmission, OrderUpdate
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay import inbox
from gateway.relay.border import ActAgain, Command, DoneOtherwise, Kinds, Moved, Refiled
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.business.orders import handling, home, intake, rules
from region_node.business.orders.announced import deciding
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import ORDER, ORDER_RECORDS, OrderRow, find_order, insert_order, require_order
from region_node.customers.documents.rules import require_materials
from region_node.customers.verification.bounds import require_few_unknown
from region_node.customers.verification.rules import Shown
from region_node.node.payloads import parse, received, refusal_of
from region_node.requests.checks import TEXT_LIMIT
from region_node.tickets import border

_ActOfOrders = Callable[["OrderEnvelopes", Transaction, EnvelopeContent, datetime], Answer]


class OrderEnvelopes:
    """The kinds of envelope that orders use."""

    def __init__(self, context: OrderContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        known = border.reads_of(ORDER)
        return {
            EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT: Command(
                self._submitted,
                self._submission_answered,
                reads=deciding,
                answered_reads=known,
                refused=self._count_refused,
                act_again=self._again(OrderEnvelopes._submitted),
                refile=self._refile,
                is_same=_is_same,
            ),
            EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND: Command(
                self._commanded,
                self._command_answered,
                reads=known,
                answered_reads=known,
                act_again=self._again(OrderEnvelopes._commanded),
                refused_again=border.refused_again(ORDER),
                refile=border.refile_of(ORDER),
            ),
            EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE: Command(self._updated, self._update_answered, reads=known),
        }

    def _submitted(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """An origin region hands in an order of one of our customers."""
        order = received(OrderSubmission, content.payload).order
        # Steps marked as done, or a result, would let an order bypass the home region's review.
        is_untouched = not order.steps_done and not order.product_id
        border.require_filing(ORDER, order, content, now, is_untouched=is_untouched)
        rules.require_applicant(order.request, order.operator)
        federation = self._context.node.federation
        if not federation.business(order.request.business).steps:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a query is no order")
        known = find_order(tx, order.id)
        if known is not None and known.order.state == rules.CANCELLED:
            raise Refused(Reason.REASON_ORDER_CANCELLED_BEFORE)
        border.require_unknown(ORDER, tx, order)
        require_materials(federation.material_codes, order.request.documents)
        shown = Shown(order.id, order.request.number, order.request.documents)
        require_few_unknown(tx, self._context.node, home.dealer_of(order), shown, now)
        home.decide(tx, self._context, order, now)
        insert_order(tx, OrderRow(order, content.traceparent), now)
        return border.accepted(order)

    def _again(self, act: _ActOfOrders) -> ActAgain:
        """Does a command again, by its first answer. Where another state comes of it, the origin is told.

        The origin keeps the version of the first answer, and would take no other one of that number; after a final
        state it takes none at all.
        """

        def act_again(tx: Transaction, content: EnvelopeContent, first: ReceiptContent, now: datetime) -> Answer:
            told = parse(Order, first.result)
            answer = act(OrderEnvelopes(self._context.again(told)), tx, content, now)
            row = find_order(tx, content.subject) if answer.outcome == Outcome.OUTCOME_ACCEPTED else None
            if row is None or row.order.state == told.state:
                return answer
            if rules.is_final(told):
                raise DoneOtherwise(content.id)
            if row.order.version <= told.version:
                row.order.version = told.version
                home.keep_and_tell(tx, self._context, row, now)
            return answer

        return act_again

    def _count_refused(self, tx: Transaction, content: EnvelopeContent, answer: Answer, now: datetime) -> None:
        try:
            order = received(OrderSubmission, content.payload).order
        except Refused:
            order = Order()  # unreadable, or with characters that are not allowed
        order.origin_region, order.operator = content.origin, content.operator
        home.count_refused(tx, order, answer.reason, now)

    def _submission_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("S12.before-commit")
        if receipt.outcome == Outcome.OUTCOME_MOVED:
            intake.reroute(tx, self._context, content.subject, receipt.moved_to, now)
        elif receipt.outcome != Outcome.OUTCOME_ACCEPTED:
            handling.reject(tx, self._context, content.subject, _refusal(receipt), now)
        elif (row := find_order(tx, content.subject)) is not None:
            snapshot = border.answered(ORDER, row.order, content, receipt, now)
            if snapshot is not None:
                handling.adopt(tx, self._context, row.order, snapshot, now)

    def _refile(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Refiled:
        """Takes an order in again that this region had sent to its home."""
        order = parse(OrderSubmission, content.payload).order
        if ORDER_RECORDS.is_known(tx, order.id):
            return Refiled.KNOWN
        intake.take_in_again(tx, self._context, OrderRow(order, content.traceparent), now)
        return Refiled.RESTORED

    def _commanded(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles an origin region's command on an order that it handles."""
        command = received(OrderCommand, content.payload)
        border.require_origin(ORDER, command.order_id, content)
        border.require_author(command.requester.staff_id)
        said = command.WhichOneof("command")
        notes = {"supplement": command.supplement.note, "confirm": command.confirm.note}
        border.require_text(said, {"cancel": command.cancel.reason}, TEXT_LIMIT)
        border.require_text(said, notes, rules.NOTE_LIMIT)
        if not ORDER_RECORDS.is_known(tx, command.order_id):
            return self._commanded_unknown(tx, content, command, now)
        known = border.commanded(ORDER, tx, self._context.node.region, command.order_id, content)
        return border.decided(known, lambda: self._decide(tx, command, now))

    def _decide(self, tx: Transaction, command: OrderCommand, now: datetime) -> Order:
        require_materials(self._context.node.federation.material_codes, command.supplement.documents)
        return home.apply_command(tx, self._context, command, now)

    def _commanded_unknown(
        self, tx: Transaction, content: EnvelopeContent, command: OrderCommand, now: datetime
    ) -> Answer:
        """Handles a command on an order that is not here: refused before, moved, or still in transit."""
        submission = inbox.find(tx, content.origin, f"{command.order_id}#submit>{self._context.node.region}")
        if submission is not None:
            receipt = ReceiptContent.FromString(submission.receipt_content)
            if receipt.outcome == Outcome.OUTCOME_MOVED:
                raise Moved(receipt.moved_to)
            raise Refused(Reason.REASON_ORDER_TOO_LATE_TO_CANCEL, state=rules.state_name(rules.REJECTED))
        if not command.HasField("cancel"):
            raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=command.order_id)
        return border.accepted(home.bury(tx, self._context, command, content.origin, now))

    def _command_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("S12.before-commit")
        if receipt.outcome == Outcome.OUTCOME_MOVED:
            handling.redirect_command(tx, self._context, content, now)
            return
        refused = _refusal(receipt) if receipt.outcome == Outcome.OUTCOME_REFUSED else None
        row = find_order(tx, content.subject)
        known = None if row is None else row.order
        snapshot = border.answered(ORDER, known, content, receipt, now)
        if known is not None and snapshot is not None and not snapshot.request.business:
            snapshot.request.CopyFrom(known.request)  # the home region cancelled the order before it arrived there
        handling.settle_command(tx, self._context, content.id, known, snapshot, refused, now)

    def _updated(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The home region has a new version of an order that we handle."""
        snapshot = received(OrderUpdate, content.payload).order
        if border.updated(ORDER, tx, snapshot, content, now):
            known = require_order(tx, snapshot.id).order
            handling.adopt(tx, self._context, known, snapshot, now, again=False)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _update_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """The origin region has it."""


def _is_same(first: EnvelopeContent, again: EnvelopeContent) -> bool:
    """Whether two submissions want the same of the home region."""
    return rules.wants_same(*(parse(OrderSubmission, each.payload).order for each in (first, again)))


def _refusal(receipt: ReceiptContent) -> Refused:
    """Why the home region refused: of an envelope that came too late, that the time of the order has passed."""
    if receipt.reason == Reason.REASON_ENVELOPE_EXPIRED:
        return Refused(Reason.REASON_ORDER_EXPIRED)
    return refusal_of(receipt)
