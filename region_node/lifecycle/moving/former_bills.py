"""The old home answers the new one about bills from before a move. Nobody else learns of them."""

from datetime import datetime

from gateway.api.region.v1.billing_service_pb2 import FormerBillQuestion
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Kinds, Query
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.business.billing.operations import bill_of
from region_node.business.billing.rules import month_bounds
from region_node.customers.rows import lines_that_moved
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.rows import find_move
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import Questioner, require_name, require_requester


class FormerBillEnvelopes:
    """The kind of envelope by which a new home reads bills at the old one."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handler here."""
        return {EnvelopeKind.ENVELOPE_KIND_FORMER_BILL: Query(self._asked)}

    def _asked(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Raises Refused with MOVE_NOT_FOUND also to a region that did not take this customer over."""
        asked = received(FormerBillQuestion, content.payload)
        require_name("operator", content.operator)
        require_requester(asked.requester)
        move, context = find_move(tx, asked.move_id), self._context
        if move is None or (move.state, move.to_region) != (rules.MOVED, content.origin):
            raise Refused(Reason.REASON_MOVE_NOT_FOUND, move=asked.move_id)
        lines = lines_that_moved(tx, move.customer_id)
        if not 0 <= asked.line < len(lines):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no line of the move")
        kept = context.federation.figure("bills-kept", (content.origin, context.region))
        month = month_bounds(asked.month, now, context.time_zone, kept)
        path = Questioner(content.origin, content.operator).path
        call = AuditedCall(path, asked.requester.staff_id, now)
        call.record(tx, "QueryBill", move.customer_id, month.name)
        bill = bill_of(tx, context, lines[asked.line].account_id, month, itemised=asked.itemised)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=bill.SerializeToString())
