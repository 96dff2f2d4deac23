"""Envelopes about joint orders, and the effects of their receipts."""

import logging
from datetime import datetime

from gateway.api.region.v1.joint_order_envelopes_pb2 import JointCommand, JointReport, JointUpdate
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, lasting, reason_name
from gateway.federation.joint_rules import MOST_ITEMS
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.business.joint import items, leading, rules, saga, working
from region_node.business.joint.proofs import report_of
from region_node.business.joint.rows import ITEM_RECORDS, JOINT, ORDER_RECORDS, facts, is_timely, item_key
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received, refusal_of
from region_node.tickets import border

_UNKNOWN = (Reason.REASON_JOINT_ORDER_NOT_FOUND, Reason.REASON_JOINT_ITEM_NOT_FOUND)
_log = logging.getLogger(__name__)


class JointEnvelopes:
    """The kinds of envelope that joint orders use."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        known, again = border.reads_of(JOINT), JointEnvelopes(self._context.again())
        return {
            EnvelopeKind.ENVELOPE_KIND_JOINT_COMMAND: Command(
                self._commanded,
                self._command_answered,
                reads=known,
                answered_reads=known,
                act_again=lambda tx, content, _, now: again._commanded(tx, content, now),
                is_named_by_id=True,
            ),
            EnvelopeKind.ENVELOPE_KIND_JOINT_REPORT: Command(
                self._reported, self._report_answered, reads=known, answered_reads=known
            ),
            EnvelopeKind.ENVELOPE_KIND_JOINT_UPDATE: Command(self._updated, _nothing, reads=known),
        }

    def _commanded(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles a step that the leading region requests on an item of this region."""
        command = received(JointCommand, content.payload)
        border.require_origin(JOINT, command.joint_order_id, content)
        if not command.verb or (command.verb == saga.BEGIN) != command.HasField("begin_time"):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no step")
        if command.HasField("begin_time"):
            border.require_plausible(command.begin_time, now)
        carries_order = command.verb == saga.RESERVE or (command.verb == saga.GIVE_UP and command.HasField("order"))
        if carries_order:
            order = self._new(tx, command, content, now)
        else:
            order = ORDER_RECORDS.require(tx, command.joint_order_id).order
        if order.leader_region != content.origin:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        item = self._own_item(order, command.item_id)
        if command.verb == saga.RESERVE and (item.ends_line or item.opens_line):
            # By an older plan another region may be the home, whose word on papers on file counts.
            self._context.border.require_known_revision(content)
        begin = command.begin_time if command.verb == saga.BEGIN else None
        try:
            done = items.obey(tx, self._context, order, item, command.verb, begin, now, content.traceparent)
        except Refused as refused:
            return _refused(tx, order, command, refused)
        if carries_order:
            working.adopt(tx, self._context, order, now, content.traceparent)
        failpoints.reach("joint-commanded.before-commit")
        if done is None:
            return Answer(Outcome.OUTCOME_ACCEPTED)
        return border.accepted(report_of(tx, order, done))

    def _new(self, tx: Transaction, command: JointCommand, content: EnvelopeContent, now: datetime) -> JointOrder:
        """The order of what may be the first word on it, which names the end of its reservations. Raises Refused."""
        order = command.order
        if (order.id, order.leader_region) != (content.subject, content.origin):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        border.require_plausible(order.create_time, now)
        border.require_possible(JOINT, order, now)
        known = ORDER_RECORDS.require(tx, order.id).order if ORDER_RECORDS.is_known(tx, order.id) else None
        _require_few_items(order, known)
        if known is None:
            return order
        if known.create_time != order.create_time:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it was taken in at another time")
        return JOINT.merged(known, order)

    def _own_item(self, order: JointOrder, item_id: str) -> JointItem:
        """The item of this region. Raises Refused with JOINT_ITEM_NOT_FOUND."""
        item = saga.item_of(order, item_id)
        if item is None or item.region != self._context.region or not item.milestones:
            raise Refused(Reason.REASON_JOINT_ITEM_NOT_FOUND, order=order.id, item=item_id)
        return item

    def _command_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("joint-answered.before-commit")
        command = parse(JointCommand, content.payload)
        if receipt.result:
            self._hear(tx, content.subject, parse(JointReport, receipt.result), content.destination, now)
        if receipt.outcome == Outcome.OUTCOME_ACCEPTED:
            return
        refused = refusal_of(receipt)
        if command.verb == saga.RESERVE:
            leading.hear_refusal(tx, self._context, content.subject, command.item_id, refused, now)
            return
        reason = reason_name(refused.reason)
        _log.error("%s has refused a step of the joint order %s: %s", content.destination, content.subject, reason)
        item = parse(JointReport, receipt.result).item if receipt.result else JointItem()
        if receipt.result or refused.reason in _UNKNOWN:
            leading.tell_again(tx, self._context, content.subject, command.item_id, item, now)

    def _reported(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the report of a region on its item of an order that this region leads."""
        report = received(JointReport, content.payload)
        order = ORDER_RECORDS.require(tx, content.subject).order
        item = saga.item_of(order, report.item.id)
        is_led_here = (report.joint_order_id, order.leader_region) == (content.subject, self._context.region)
        if not is_led_here or item is None or item.region != content.origin:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        is_lost = rules.is_lost(report.item, item)
        known = JointReport(joint_order_id=order.id, item=item)
        self._hear(tx, content.subject, report, content.origin, now)
        failpoints.reach("joint-reported.before-commit")
        return border.accepted(known) if is_lost else Answer(Outcome.OUTCOME_ACCEPTED)

    def _report_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """Takes the leading region's later word of an item: the report was late, or this region was restored."""
        row = ORDER_RECORDS.find(tx, content.subject)
        if receipt.result and row is not None and row.order.leader_region == content.destination:
            told = parse(JointReport, receipt.result).item
            if saga.item_of(row.order, told.id) is not None and is_timely(told, now):
                working.recover(tx, self._context, row, told, now)

    def _hear(self, tx: Transaction, joint_order_id: str, report: JointReport, region: str, now: datetime) -> None:
        if report.item.region == region:
            leading.recall(tx, self._context, joint_order_id, report, now)
            leading.hear(tx, self._context, joint_order_id, report.item, now)

    def _updated(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the leading region's new version of an order."""
        told = received(JointUpdate, content.payload).order
        if border.updated(JOINT, tx, told, content, now, self._require_part):
            _require_few_items(told, ORDER_RECORDS.read(tx, told.id))
            working.adopt(tx, self._context, told, now, content.traceparent)
        failpoints.reach("joint-updated.before-commit")
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _require_part(self, told: JointOrder) -> None:
        """This region may begin to follow a joint order with an item here, or as the home of its number.

        Raises Refused with ENVELOPE_KIND_NOT_ALLOWED.
        """
        if all(item.region != self._context.region for item in told.items):
            border.require_own_customer(self._context, facts(told), lambda: told.leader_region)


def _require_few_items(told: JointOrder, known: JointOrder | None) -> None:
    """Raises Refused with ENVELOPE_INVALID for too many items; a known order goes on with as many as it has."""
    most = max(MOST_ITEMS, 0 if known is None else len(known.items))
    if len(told.items) > most:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem=f"more than {most} items")


def _refused(tx: Transaction, order: JointOrder, command: JointCommand, refused: Refused) -> Answer:
    """The refusal of a step with the unchanged item, which tells a restored leading region of its lost decision."""
    known = ITEM_RECORDS.read(tx, item_key(command.joint_order_id, command.item_id))
    if known is None:
        raise refused
    last = lasting(refused)
    result = report_of(tx, order, known).SerializeToString()
    return Answer(Outcome.OUTCOME_REFUSED, result=result, reason=last.reason, parameters=last.parameters)


def _nothing(tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
    """The receipt has no effect: the other region has the version, or ignores it."""
