"""What arrives about orders in envelopes, and what their receipts do."""

from datetime import datetime

from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand, OrderSubmission, OrderUpdate
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay import inbox
from gateway.relay.border import Command, Kinds, Moved
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.business.orders import handling, home, intake, rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import OrderRow, find_order, insert_order
from region_node.customers.documents.rules import require_materials
from region_node.node.payloads import parse, received, refusal_of


class OrderEnvelopes:
    """The kinds of envelope that orders use."""

    def __init__(self, context: OrderContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """How each kind is acted on here, and what its receipt does here."""
        return {
            EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT: Command(self._submitted, self._submission_answered),
            EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND: Command(self._commanded, self._command_answered),
            EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE: Command(self._updated, self._update_answered),
        }

    def _submitted(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """A handling region hands in an order of one of our customers."""
        order = received(OrderSubmission, content.payload).order
        _require_owner(order.id, order.handling_region, content)
        # Steps said to be done, or a result said to be there, would let an order pass the home region's review.
        if order.version or order.steps_done or order.product_id or order.state != rules.ACKNOWLEDGED:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a submission is only acknowledged yet")
        rules.require_applicant(order.request, order.operator)
        if not self._context.node.federation.business(order.request.business).steps:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a query is no order")
        if find_order(tx, order.id) is not None:
            raise Refused(Reason.REASON_ORDER_CANCELLED_BEFORE)
        require_materials(self._context.node.federation.material_codes, order.request.documents)
        home.decide(tx, self._context, order, now)
        insert_order(tx, OrderRow(order, content.traceparent), now)
        return _accepted(order)

    def _submission_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("S12.before-commit")
        if receipt.outcome == Outcome.OUTCOME_ACCEPTED:
            handling.adopt(tx, self._context, parse(Order, receipt.result), now)
        elif receipt.outcome == Outcome.OUTCOME_MOVED:
            intake.reroute(tx, self._context, content.subject, receipt.moved_to, now)
        else:
            handling.reject(tx, self._context, content.subject, _refusal(receipt), now)

    def _commanded(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """A handling region asks something about an order that it handles."""
        command = received(OrderCommand, content.payload)
        row = find_order(tx, command.order_id)
        if row is None:
            return self._commanded_unknown(tx, content, command, now)
        _require_owner(command.order_id, row.order.handling_region, content)
        try:
            require_materials(self._context.node.federation.material_codes, command.supplement.documents)
            return _accepted(home.apply_command(tx, self._context, command, now))
        except Refused as refused:
            return Answer(
                Outcome.OUTCOME_REFUSED,
                result=row.order.SerializeToString(),
                reason=refused.reason,
                parameters=refused.parameters,
            )

    def _commanded_unknown(
        self, tx: Transaction, content: EnvelopeContent, command: OrderCommand, now: datetime
    ) -> Answer:
        """The order is not here: refused before, moved on, or still on its way."""
        _require_owner(command.order_id, content.origin, content)
        submission = inbox.find(tx, content.origin, f"{command.order_id}#submit>{self._context.node.region}")
        if submission is not None:
            receipt = ReceiptContent.FromString(submission.receipt_content)
            if receipt.outcome == Outcome.OUTCOME_MOVED:
                raise Moved(receipt.moved_to)
            raise Refused(Reason.REASON_ORDER_TOO_LATE_TO_CANCEL, state=rules.state_name(rules.REJECTED))
        if not command.HasField("cancel"):
            raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=command.order_id)
        return _accepted(home.bury(tx, self._context, command, content.origin, now))

    def _command_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("S12.before-commit")
        if receipt.outcome == Outcome.OUTCOME_MOVED:
            handling.redirect_command(tx, self._context, content, now)
            return
        refused = _refusal(receipt) if receipt.outcome == Outcome.OUTCOME_REFUSED else None
        snapshot = parse(Order, receipt.result) if receipt.result else None
        if snapshot is not None and not snapshot.request.business:
            snapshot = self._buried(tx, snapshot)
        handling.settle_command(tx, self._context, content.id, snapshot, refused, now)

    def _buried(self, tx: Transaction, snapshot: Order) -> Order:
        """The home region cancelled an order that it never saw: what was asked is known only here."""
        row = find_order(tx, snapshot.id)
        if row is not None:
            snapshot.request.CopyFrom(row.order.request)
            snapshot.operator = row.order.operator
        return snapshot

    def _updated(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The home region has a new version of an order that we handle."""
        snapshot = received(OrderUpdate, content.payload).order
        row = find_order(tx, snapshot.id)
        if row is None or row.order.home_region != content.origin:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        handling.adopt(tx, self._context, snapshot, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _update_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """The handling region has it."""


def _require_owner(order_id: str, handling_region: str, content: EnvelopeContent) -> None:
    """Only the handling region may speak about an order, and its id names that region."""
    own = handling_region == content.origin and order_id.startswith(f"{content.origin}/")
    if not own or order_id != content.subject:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)


def _refusal(receipt: ReceiptContent) -> Refused:
    """Why the home region refused: of an envelope that came too late, that the time of the order has passed."""
    if receipt.reason == Reason.REASON_ENVELOPE_EXPIRED:
        return Refused(Reason.REASON_ORDER_EXPIRED)
    return refusal_of(receipt)


def _accepted(order: Order) -> Answer:
    return Answer(Outcome.OUTCOME_ACCEPTED, result=order.SerializeToString())
