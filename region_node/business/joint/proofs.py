"""The proof of a decision: the step by which the leading region committed an item, as that region signed it.

The region of a committed item shows it with each report, so that a leading region that has lost its decision learns it
again from its own signature. The word of the other region alone decides nothing.
"""

from gateway.api.region.v1.joint_order_envelopes_pb2 import JointCommand, JointReport
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointVerb
from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeKind
from gateway.errors import Refused
from gateway.relay import inbox
from gateway.relay.envelopes import Sealed, open_envelope
from gateway.security.sealing import Route
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.business.joint import rules, saga
from region_node.node.context import RegionContext
from region_node.node.payloads import received

_COMMITTING = (saga.BEGIN, JointVerb.JOINT_VERB_COMMIT)  # the first says more


def command_id(joint_order_id: str, item_id: str, verb: JointVerb.ValueType) -> str:
    """The id of the one envelope of an item and a step, before its destination."""
    return f"{joint_order_id}#{item_id}/{JointVerb.Name(verb).removeprefix('JOINT_VERB_').lower()}"


def report_of(tx: Transaction, order: JointOrder, item: JointItem) -> JointReport:
    """The report of an item of this region; that of a committed one shows the decision of the leading region."""
    report = JointReport(joint_order_id=order.id, item=item)
    if rules.is_committed(item):
        for verb in _COMMITTING:
            found = inbox.find(tx, order.leader_region, f"{command_id(order.id, item.id, verb)}>{item.region}")
            if found is not None:
                report.decision.CopyFrom(Envelope(content=found.content, signature=found.signature))
                break
    return report


def proven(context: RegionContext, order: JointOrder, report: JointReport) -> JointCommand | None:
    """The step by which this region has committed the item of a report; None where that is known or not proven.

    A step from before the order is of another with the same id, which this region has lost.
    """
    item = saga.item_of(order, report.item.id)
    if item is None or not report.HasField("decision") or not saga.may_recall(order, item):
        return None
    try:
        sealed = open_envelope(report.decision, context.border.keys, Route(context.region, item.region))
        command = received(JointCommand, sealed.content.payload)
    except Refused:
        return None
    return command if _is_about(order, item, sealed, command) else None


def _is_about(order: JointOrder, item: JointItem, sealed: Sealed, command: JointCommand) -> bool:
    content, created = sealed.content, from_timestamp(order.create_time)
    return (
        content.kind == EnvelopeKind.ENVELOPE_KIND_JOINT_COMMAND
        and (content.subject, command.joint_order_id, command.item_id) == (order.id, order.id, item.id)
        and command.verb in _COMMITTING
        and from_timestamp(content.create_time) >= created
    )
