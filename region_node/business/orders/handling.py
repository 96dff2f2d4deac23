"""The origin region's handling of its orders: forwards commands, and stores the newest version."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused, lasting
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import drop_unsent, send
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.business.orders import home, rules
from region_node.business.orders.books import close_books
from region_node.business.orders.charged import keep_handling_fee
from region_node.business.orders.context import OrderContext
from region_node.business.orders.intake import submission_id, unhold
from region_node.business.orders.rows import (
    ORDER,
    OrderRow,
    find_erased,
    find_order,
    known_request,
    require_order,
    update_order,
)
from region_node.customers.documents.rules import require_materials
from region_node.requests.caller import Caller, note, settle_asked
from region_node.requests.rows import insert_request

COMMAND_LIFETIME = timedelta(days=7)  # the time in which the shipped catalogue lets an order be executed


def command(
    tx: Transaction,
    context: OrderContext,
    caller: Caller,
    asked: OrderCommand,
    taken_back: bool,
    now: datetime,
    on_file: Sequence[Document] = (),
) -> Order:
    """Cancels, supplements, confirms or expedites an order that this region handles.

    `taken_back`: the submission was withdrawn from the lane of this process, and never left. `on_file`: documents of
    the register, besides those of a supplement. Raises Refused; for a repeated request, the home region's former
    refusal.
    """
    key = caller.key(asked.SerializeToString(deterministic=True))
    if (known := known_request(tx, key)) is not None:
        return known
    if on_file:
        asked = _with_documents(asked, on_file)
    require_materials(context.node.federation.material_codes, asked.supplement.documents)
    row = require_order(tx, asked.order_id)
    order = row.order
    if order.origin_region != context.node.region or not rules.is_handled_by(order, caller.operator):
        raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=asked.order_id)
    name = asked.WhichOneof("command") or ""
    if rules.is_final(order) and not (name == "cancel" and order.state == rules.CANCELLED):
        raise _too_late(order, name)
    settled = True
    if order.home_region == context.node.region:
        order = home.apply_command(tx, context, asked, now)
    elif name == "cancel" and (
        order.state in (rules.HELD, rules.CANCELLED)
        or (taken_back and drop_unsent(tx, context.node.border, submission_id(order), now))
    ):
        _cancel_here(tx, context, order, asked.cancel.reason, now)
    elif order.version == 0 and name != "cancel":
        raise Refused(Reason.REASON_ORDER_STATE_FORBIDS, state=rules.state_name(order.state), action=name)
    else:
        settled = False
        _send_command(tx, context, row, caller, asked, now)
    insert_request(tx, key, order.id, settled=settled, now=now)
    note(tx, caller, name, order.id, now)
    return order


def adopt(
    tx: Transaction, context: OrderContext, known: Order, snapshot: Order, now: datetime, *, again: bool = True
) -> bool:
    """Stores the home region's version of the `known` order. Returns False for a version that is not new.

    With `again`, the answer to a command may bring the known version: it undoes local changes since.
    """
    order = ORDER.next_version(context.node.region, known, snapshot, again=again)
    if order is None:
        return False
    keep_handling_fee(known, order)
    own_alerts = [alert for alert in known.jeopardy_alerts if alert.region == context.node.region]
    order.jeopardy_alerts.extend(alert for alert in own_alerts if alert not in order.jeopardy_alerts)
    if order.version == known.version and order == known:
        return False
    close_books(tx, context, known, order, now)
    update_order(tx, order, now)
    return True


def reject(tx: Transaction, context: OrderContext, order_id: str, refused: Refused, now: datetime) -> None:
    """Stores the home region's refusal of the submission.

    An order with an overtaking cancellation is already cancelled.
    """
    row = find_order(tx, order_id)
    if row is None or rules.is_final(row.order):
        return
    known, order = row.order, Order()
    order.CopyFrom(known)
    rules.note_error(order, refused)
    rules.enter(order, rules.REJECTED, now=now, region=order.home_region, reason="check failed")
    close_books(tx, context, known, order, now)
    update_order(tx, order, now)


def settle_command(
    tx: Transaction,
    context: OrderContext,
    envelope_id: str,
    known: Order | None,
    snapshot: Order | None,
    refused: Refused | None,
    now: datetime,
) -> None:
    """Stores the home region's answer to a command: the result of the request and, if known, the order.

    `known` is the order here, None for one that is gone or unreadable; `snapshot` is the home region's version.
    """
    settle_asked(tx, envelope_id, refused)
    if known is None:
        return
    if snapshot is not None:
        adopt(tx, context, known, snapshot, now)
    elif known.state == rules.ASSESSING_CANCELLATION:
        before = known.state_changes[-2].state
        rules.enter(known, before, now=now, region=known.home_region, reason="cancellation not granted")
        update_order(tx, known, now)


def redirect_command(tx: Transaction, context: OrderContext, content: EnvelopeContent, now: datetime) -> None:
    """Sends a command again after its order has moved to another region."""
    row = find_order(tx, content.subject)
    if row is None:
        settle_asked(tx, content.id, Refused(Reason.REASON_ORDER_NOT_FOUND, order=content.subject))
        return
    order = row.order
    if order.state == rules.HELD or order.home_region == context.node.region:
        _command_here(tx, context, order, content, now)
        return
    outgoing = OutgoingEnvelope(
        envelope_id=f"{content.id.rpartition('>')[0]}>{order.home_region}",
        destination=order.home_region,
        kind=content.kind,
        payload=content.payload,
        subject=content.subject,
        operator=content.operator,
        lifetime=from_timestamp(content.expire_time) - from_timestamp(content.create_time),
    )
    send(tx, context.node.border, outgoing, now=now, traceparent=content.traceparent)


def find_for(tx: Transaction, order_id: str, identity: Identity) -> Order:
    """The order, for a permitted reader.

    Raises Refused with ORDER_NOT_FOUND, also for other readers, and with CUSTOMER_ERASED for an erased order.
    """
    erased = find_erased(tx, order_id)
    if erased is not None and is_visible(erased, identity):
        raise Refused(Reason.REASON_CUSTOMER_ERASED)
    row = find_order(tx, order_id)
    if row is None or not is_visible(row.order, identity):
        raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=order_id)
    return row.order


def is_visible(order: Order, identity: Identity) -> bool:
    """Whether a caller may see an order: its submitting operator, its region's staff, and all of its home region."""
    is_own = identity.role == Role.ROLE_STAFF or order.operator == identity.name
    return order.home_region == identity.region or (order.origin_region == identity.region and is_own)


def _command_here(
    tx: Transaction, context: OrderContext, order: Order, content: EnvelopeContent, now: datetime
) -> None:
    """Before the home region's decision only a cancellation is sent; it finds its order here again."""
    command, refused = OrderCommand.FromString(content.payload), None
    try:
        if order.state == rules.HELD:
            _cancel_here(tx, context, order, command.cancel.reason, now)
        else:
            home.apply_command(tx, context, command, now)
    except Refused as refusal:
        refused = lasting(refusal)
    settle_asked(tx, content.id, refused)


def _cancel_here(tx: Transaction, context: OrderContext, order: Order, reason: str, now: datetime) -> None:
    """Cancels an order immediately that never left."""
    if order.state == rules.CANCELLED:
        return
    unhold(tx, order)
    before = Order()
    before.CopyFrom(order)
    rules.cancel(order, reason=reason, now=now, region=context.node.region)
    close_books(tx, context, before, order, now)
    update_order(tx, order, now)


def _send_command(
    tx: Transaction, context: OrderContext, row: OrderRow, caller: Caller, asked: OrderCommand, now: datetime
) -> None:
    order = row.order
    # The order awaits what it awaited: it goes on where the cancellation is not granted, or expires on its way.
    if asked.HasField("cancel") and order.state not in (rules.ASSESSING_CANCELLATION, rules.PENDING_CANCELLATION):
        rules.request_cancellation(order, reason=asked.cancel.reason, now=now, region=context.node.region)
        update_order(tx, order, now)
    outgoing = OutgoingEnvelope(
        envelope_id=f"{order.id}#{caller.operator}/{caller.request_id}>{order.home_region}",
        destination=order.home_region,
        kind=EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND,
        payload=asked.SerializeToString(),
        subject=order.id,
        operator=order.operator,
        lifetime=COMMAND_LIFETIME,
    )
    send(tx, context.node.border, outgoing, now=now, traceparent=caller.traceparent)


def _with_documents(asked: OrderCommand, on_file: Sequence[Document]) -> OrderCommand:
    more = OrderCommand()
    more.CopyFrom(asked)
    more.supplement.documents.extend(on_file)
    return more


def _too_late(order: Order, name: str) -> Refused:
    if name == "cancel":
        return Refused(Reason.REASON_ORDER_TOO_LATE_TO_CANCEL, state=rules.state_name(order.state))
    return Refused(Reason.REASON_ORDER_STATE_FORBIDS, state=rules.state_name(order.state), action=name)
