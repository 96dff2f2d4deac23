"""The sending of messages about joint orders to other regions."""

from collections.abc import Collection
from datetime import datetime

from gateway.api.region.v1.joint_order_envelopes_pb2 import JointCommand, JointUpdate
from gateway.api.region.v1.joint_order_pb2 import JointItem
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.business.joint import saga
from region_node.business.joint.proofs import command_id, report_of
from region_node.business.joint.rows import JointOrderRow, facts
from region_node.customers.disclosures.recording import Sent, note_sent
from region_node.node.context import RegionContext
from region_node.tickets.sending import send_about


def send_command(tx: Transaction, context: RegionContext, row: JointOrderRow, item: JointItem, now: datetime) -> None:
    """Sends the step that was requested last to the region of an item: one envelope for each item and step."""
    order, verb = row.order, item.requested
    command = JointCommand(joint_order_id=order.id, item_id=item.id, verb=verb)
    if verb in (saga.RESERVE, saga.GIVE_UP):  # either may be the first that its region hears of the order
        command.order.CopyFrom(order)
    if verb == saga.BEGIN:
        command.begin_time.CopyFrom(item.begin_time)
    send_about(
        tx,
        context,
        facts(order),
        EnvelopeKind.ENVELOPE_KIND_JOINT_COMMAND,
        command,
        now,
        envelope_id=command_id(order.id, item.id, verb),
        region=item.region,
        traceparent=row.traceparent,
    )


def send_report(tx: Transaction, context: RegionContext, row: JointOrderRow, item: JointItem, now: datetime) -> None:
    """Sends the present version of an item of this region to the leading region.

    The time is a part of the id: a restored region counts versions again.
    """
    send_about(
        tx,
        context,
        facts(row.order),
        EnvelopeKind.ENVELOPE_KIND_JOINT_REPORT,
        report_of(tx, row.order, item),
        now,
        envelope_id=f"{row.order.id}#{item.id}@{item.version}-{to_microseconds(from_timestamp(item.change_time))}",
        region=row.order.leader_region,
        traceparent=row.traceparent,
    )


def send_updates(
    tx: Transaction, context: RegionContext, row: JointOrderRow, now: datetime, *, informed: Collection[str]
) -> None:
    """Sends the present version of a joint order to its followers, but `informed`."""
    for region in (each for each in saga.followers(row.order) if each not in informed):
        send_about(
            tx,
            context,
            facts(row.order),
            EnvelopeKind.ENVELOPE_KIND_JOINT_UPDATE,
            JointUpdate(order=row.order),
            now,
            envelope_id=f"{row.order.id}@{row.order.version}",
            region=region,
            traceparent=row.traceparent,
        )


def note_disclosures(tx: Transaction, row: JointOrderRow, now: datetime) -> None:
    """Notes for the customer which regions receive a new joint order."""
    order, kind = row.order, DisclosureKind.DISCLOSURE_KIND_JOINT_ORDER_SENT
    for region in saga.followers(order):
        note_sent(tx, order.request.number, Sent(kind, order.id, region, order.operator), now)
