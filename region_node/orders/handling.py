"""What the handling region does with an order: it takes it in, sends it home, keeps the newest version it sees.

For its own customers the home region's operations run here in the same transaction, and the border falls away.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway import audit, failpoints
from gateway.api.federation.v1.configuration_pb2 import Business, Step
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand, OrderSubmission
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, Party
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import from_timestamp, to_timestamp
from gateway.errors import Refused
from gateway.identity import Identity
from gateway.numberplan import number_prefix
from gateway.relay.border import Moved
from gateway.relay.envelopes import Letter
from gateway.relay.outbox import drop_unsent, receipt_content, send
from gateway.store.port import Transaction
from gateway.timers import Timer, cancel_timer, set_timer
from region_node.billing import ledger
from region_node.billing.rules import Posting, next_cycle
from region_node.context import RegionContext
from region_node.orders import home, rules
from region_node.orders.business import BusinessRule
from region_node.orders.rows import (
    OrderRow,
    RequestKey,
    RequestSettled,
    find_order,
    find_request,
    insert_order,
    insert_request,
    require_order,
    settle_request,
    update_order,
)

_log = logging.getLogger(__name__)
JEOPARDY_TIMER = "order-jeopardy"  # the promised date has come


@dataclass(frozen=True)
class Caller:
    """The operator system that calls, its request id, and the trace of the call."""

    identity: Identity
    request_id: str
    traceparent: str

    @property
    def operator(self) -> str:
        """The operator's name."""
        return self.identity.name

    def key(self, content: bytes) -> RequestKey:
        """The request's key, with the digest of its normalised content."""
        return RequestKey(self.operator, self.request_id, hashlib.sha256(content).digest())


def order_id(context: RegionContext, caller: Caller) -> str:
    """The id of the order that a request makes: the same request always names the same order."""
    return f"{context.region}/{caller.operator}/{caller.request_id}"


@dataclass(frozen=True)
class Checked:
    """A request that passed the checks: the home region, None where unknown, and its characteristics as values."""

    owner: str | None
    values: Mapping[str, rules.Value]


def check(context: RegionContext, request: OrderRequest, now: datetime) -> Checked:
    """Everything that can be checked without the customer's data. Raises Refused."""
    business = context.federation.business(request.business)
    owner = context.federation.number_plan.home_of(request.number)
    if not business.steps:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="business", problem="it is a query, not an order")
    rules.require_offered(business, at_home=owner == context.region)
    values = rules.read_characteristics(business, request)
    rules.require_documents(business, request, now)
    return Checked(owner, values)


def submit(tx: Transaction, context: RegionContext, caller: Caller, request: OrderRequest, now: datetime) -> Order:
    """Takes in an order. The same request id with the same content gives the order as it stands now.

    Raises Refused, also with REQUEST_ID_REUSED for the same id with other content.
    """
    key = caller.key(request.SerializeToString(deterministic=True))
    if (known := _known_request(tx, key)) is not None:
        return known
    checked = check(context, request, now)
    order = _new_order(context, caller, request, checked, now)
    failpoints.reach("S3.before-commit")
    if checked.owner == context.region:
        _decide_here(tx, context, order, caller.traceparent, now)
    else:
        _book(tx, context, _rule(context, order).taken_in(order, checked.values), now)
        _send_or_hold(tx, context, order, caller.traceparent, now)
        insert_order(tx, OrderRow(order, caller.traceparent), now)
        _watch_promise(tx, order)
    insert_request(tx, key, order.id, settled=True, now=now)
    _audit(tx, caller, "SubmitOrder", order.id, now)
    return order


def command(
    tx: Transaction, context: RegionContext, caller: Caller, asked: OrderCommand, never_sent: bool, now: datetime
) -> Order:
    """Cancels, supplements, confirms or expedites an order that this region handles.

    `never_sent`: the submission was taken back from its lane and certainly never left. Raises Refused; for a
    request that was asked before, what the home region answered then.
    """
    key = caller.key(asked.SerializeToString(deterministic=True))
    if (known := _known_request(tx, key)) is not None:
        return known
    row = require_order(tx, asked.order_id)
    order = row.order
    if (order.handling_region, order.operator) != (context.region, caller.operator):
        raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=asked.order_id)
    name = asked.WhichOneof("command") or ""
    if rules.is_final(order) and not (name == "cancel" and order.state == rules.CANCELLED):
        raise _too_late(order, name)
    settled = True
    if order.home_region == context.region:
        order = home.apply_command(tx, context, asked, now)
    elif name == "cancel" and (never_sent or order.state in (rules.HELD, rules.CANCELLED)):
        _cancel_here(tx, context, order, asked.cancel.reason, now)
    elif order.version == 0 and name != "cancel":
        raise Refused(Reason.REASON_ORDER_STATE_FORBIDS, state=rules.state_name(order.state), action=name)
    else:
        settled = False
        _send_command(tx, context, row, caller, asked, now)
    insert_request(tx, key, order.id, settled=settled, now=now)
    _audit(tx, caller, name, order.id, now)
    return order


def adopt(tx: Transaction, context: RegionContext, snapshot: Order, now: datetime) -> bool:
    """Takes over the home region's word on an order. False where nothing new came with it."""
    row = require_order(tx, snapshot.id)
    known = row.order
    if snapshot.version < known.version:
        return False
    if rules.is_final(known) and snapshot.state != known.state:
        _log.error("order %s is final here; another word of %s on it is not taken", known.id, snapshot.home_region)
        return False
    own_alerts = [alert for alert in known.jeopardy_alerts if alert.region == context.region]
    order = Order()
    order.CopyFrom(snapshot)
    order.jeopardy_alerts.extend(alert for alert in own_alerts if alert not in order.jeopardy_alerts)
    if order == known:
        return False
    _close_books(tx, context, known, order, now)
    update_order(tx, order, now)
    return True


def reject(tx: Transaction, context: RegionContext, order_id: str, refused: Refused, now: datetime) -> None:
    """The home region refused the submission. One that its own cancellation overtook is cancelled already."""
    row = require_order(tx, order_id)
    if rules.is_final(row.order):
        return
    known, order = row.order, Order()
    order.CopyFrom(known)
    rules.note_error(order, refused)
    rules.enter(order, rules.REJECTED, now=now, region=order.home_region, reason="check failed")
    _close_books(tx, context, known, order, now)
    update_order(tx, order, now)


def reroute(tx: Transaction, context: RegionContext, order_id: str, moved_to: str, now: datetime) -> None:
    """A signed MOVED releases the order from the region that it was sealed for: it is sealed anew."""
    row = require_order(tx, order_id)
    row.order.home_region = moved_to
    if moved_to == context.region:
        _decide_taken_in(tx, context, row, now)
        return
    _forget_former_home(tx, row.order)
    _send_or_hold(tx, context, row.order, row.traceparent, now)
    update_order(tx, row.order, now)


def release(tx: Transaction, context: RegionContext, order_id: str, now: datetime) -> None:
    """Looks again at a held order: sends it home if a region is known for it now and can be reached."""
    row = require_order(tx, order_id)
    order = row.order
    if order.state != rules.HELD:
        return
    owner = context.federation.number_plan.home_of(order.request.number)
    before = Order()
    before.CopyFrom(order)
    order.home_region = owner or ""
    if owner == context.region:
        _decide_taken_in(tx, context, row, now)
        return
    _forget_former_home(tx, order)
    _send_or_hold(tx, context, order, row.traceparent, now)
    if order.state != before.state or order.error != before.error:
        update_order(tx, order, now)


def settle_command(
    tx: Transaction,
    context: RegionContext,
    envelope_id: str,
    snapshot: Order | None,
    refused: Refused | None,
    now: datetime,
) -> None:
    """The home region answered a command: its word on the request and, if it knows the order, on the order."""
    order_id, _, rest = envelope_id.partition("#")
    operator, _, request_id = rest.partition(">")[0].partition("/")
    settle_request(tx, operator, request_id, refused)
    if snapshot is not None:
        adopt(tx, context, snapshot, now)
    else:
        order = require_order(tx, order_id).order
        if order.state == rules.ASSESSING_CANCELLATION:
            before = order.state_changes[-2].state
            rules.enter(order, before, now=now, region=order.home_region, reason="cancellation not granted")
            update_order(tx, order, now)
    tx.publish(RequestSettled(operator, request_id))


def redirect_command(tx: Transaction, context: RegionContext, content: EnvelopeContent, now: datetime) -> None:
    """The order has left the region that a command was sent to; the command follows it to where it is now."""
    row = require_order(tx, content.subject)
    order = row.order
    if order.state == rules.HELD or order.home_region == context.region:
        _command_here(tx, context, order, content, now)
        return
    letter = Letter(
        envelope_id=f"{content.id.rpartition('>')[0]}>{order.home_region}",
        destination=order.home_region,
        kind=content.kind,
        payload=content.payload,
        subject=content.subject,
        operator=content.operator,
        lifetime=from_timestamp(content.not_after) - from_timestamp(content.create_time),
    )
    send(tx, context.border, letter, now=now, traceparent=content.traceparent)


def _command_here(
    tx: Transaction, context: RegionContext, order: Order, content: EnvelopeContent, now: datetime
) -> None:
    """Only a cancellation is sent before the home region has decided; it has found its order here again."""
    command, refused = OrderCommand.FromString(content.payload), None
    try:
        if order.state == rules.HELD:
            _cancel_here(tx, context, order, command.cancel.reason, now)
        else:
            home.apply_command(tx, context, command, now)
    except Refused as refusal:
        refused = refusal
    settle_command(tx, context, content.id, require_order(tx, order.id).order, refused, now)


def promise_is_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """The promised date has come and the order is not done: raises the jeopardy alert."""
    row = require_order(tx, timer.subject)
    order = row.order
    if rules.is_final(order):
        return
    order.jeopardy_alerts.add(
        alert_date=to_timestamp(now), region=context.region, message=f"promised date missed; {order.awaiting.action}"
    )
    update_order(tx, order, now)


def submission_id(order: Order) -> str:
    """The envelope id of an order's submission to its home region."""
    return f"{order.id}#submit>{order.home_region}"


def _known_request(tx: Transaction, key: RequestKey) -> Order | None:
    """The order of a request that was made before. Raises Refused as the request was, or for other content."""
    known = find_request(tx, key.caller, key.request_id)
    if known is None:
        return None
    if known.digest != key.digest:
        raise Refused(Reason.REASON_REQUEST_ID_REUSED)
    if known.refused is not None:
        raise known.refused
    return require_order(tx, known.order_id).order


def _new_order(context: RegionContext, caller: Caller, request: OrderRequest, checked: Checked, now: datetime) -> Order:
    order = Order(
        id=order_id(context, caller),
        request=request,
        handling_region=context.region,
        operator=caller.operator,
        home_region=checked.owner or "",
        order_date=to_timestamp(now),
    )
    business = context.federation.business(request.business)
    clock_region = checked.owner or context.region
    begins = _begins(context, business, checked, now)
    order.expected_completion_date.CopyFrom(to_timestamp(context.federation.promised(business, begins, clock_region)))
    rules.enter(order, rules.ACKNOWLEDGED, now=now, region=context.region, reason="taken in")
    return order


def _begins(context: RegionContext, business: Business, checked: Checked, now: datetime) -> datetime:
    """From when the promise counts: an agreed start, the next cycle, or now."""
    start = checked.values.get("start")
    if Step.STEP_AGREED_TIME in business.steps and isinstance(start, datetime):
        return max(start, now)
    if Step.STEP_NEXT_CYCLE in business.steps:
        region = context.federation.region(checked.owner or context.region)
        return next_cycle(now.astimezone(ZoneInfo(region.time_zone)), region.time_zone)
    return now


def _decide_here(tx: Transaction, context: RegionContext, order: Order, traceparent: str, now: datetime) -> None:
    """The customer is this region's own."""
    try:
        home.decide(tx, context, order, now)
    except Refused as refused:
        home.refuse(context, order, refused, now)
    insert_order(tx, OrderRow(order, traceparent), now)
    _watch_promise(tx, order)


def _decide_taken_in(tx: Transaction, context: RegionContext, row: OrderRow, now: datetime) -> None:
    """An order turns out to be about this region's own customer: what was booked for another's is taken back."""
    order = row.order
    order.ClearField("error")
    rules.enter(order, rules.ACKNOWLEDGED, now=now, region=context.region, reason="released")
    try:
        home.decide(tx, context, order, now)
    except Refused as refused:
        home.refuse(context, order, refused, now)
    except Moved:
        # The number is on its way here, and this region has neither the line nor the new plan yet.
        order.home_region = ""
        _send_or_hold(tx, context, order, row.traceparent, now)
        update_order(tx, order, now)
        return
    _book(tx, context, _rule(context, order).given_up(order, _values(context, order)), now)
    if rules.is_final(order):
        cancel_timer(tx, f"{JEOPARDY_TIMER}/{order.id}")
    update_order(tx, order, now)


def _forget_former_home(tx: Transaction, order: Order) -> None:
    """A region that has answered MOVED answers so for ever: an order whose number came back to it has to be held."""
    if order.home_region and receipt_content(tx, submission_id(order)) is not None:
        order.home_region = ""


def _send_or_hold(tx: Transaction, context: RegionContext, order: Order, traceparent: str, now: datetime) -> None:
    """Seals the submission for its home region, or holds it with the reason why that cannot be done."""
    business = context.federation.business(order.request.business)
    why = _why_held(context, order)
    if why is not None:
        rules.note_error(order, why)
        rules.enter(order, rules.HELD, now=now, region=context.region, reason="no way home")
        due = from_timestamp(order.order_date) + business.executable_within.ToTimedelta()
        rules.wait_for(order, Party.PARTY_FEDERATION, "join", now=now, due=due)
        return
    order.ClearField("error")
    rules.enter(order, rules.ACKNOWLEDGED, now=now, region=context.region, reason="released")
    due = from_timestamp(order.expected_completion_date)
    rules.wait_for(order, Party.PARTY_HOME_REGION, "decide", now=now, due=due)
    letter = Letter(
        envelope_id=submission_id(order),
        destination=order.home_region,
        kind=EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT,
        payload=OrderSubmission(order=order).SerializeToString(),
        subject=order.id,
        operator=order.operator,
        lifetime=business.executable_within.ToTimedelta(),
        bulk=order.request.bulk,
    )
    send(tx, context.border, letter, now=now, traceparent=traceparent)


def _why_held(context: RegionContext, order: Order) -> Refused | None:
    if not order.home_region:
        return Refused(Reason.REASON_NUMBER_UNRESOLVED, number=number_prefix(order.request.number))
    state = context.border.current.state().member_state(order.home_region)
    if state == MemberState.MEMBER_STATE_ABSENT:
        return Refused(Reason.REASON_REGION_NOT_JOINED, region=order.home_region)
    if state == MemberState.MEMBER_STATE_SUSPENDED:
        return Refused(Reason.REASON_REGION_SUSPENDED, region=order.home_region)
    return None


def _cancel_here(tx: Transaction, context: RegionContext, order: Order, reason: str, now: datetime) -> None:
    """The order never left: it is cancelled at once."""
    if order.state == rules.CANCELLED:
        return
    before = Order()
    before.CopyFrom(order)
    rules.cancel(order, reason=reason, now=now, region=context.region)
    drop_unsent(tx, submission_id(order), now)
    _close_books(tx, context, before, order, now)
    update_order(tx, order, now)


def _send_command(
    tx: Transaction, context: RegionContext, row: OrderRow, caller: Caller, asked: OrderCommand, now: datetime
) -> None:
    order = row.order
    if asked.HasField("cancel") and order.state != rules.ASSESSING_CANCELLATION:
        rules.enter(
            order, rules.ASSESSING_CANCELLATION, now=now, region=context.region, reason="cancellation requested"
        )
        rules.wait_for(
            order,
            Party.PARTY_HOME_REGION,
            "decide on the cancellation",
            now=now,
            due=from_timestamp(order.expected_completion_date),
        )
        update_order(tx, order, now)
    business = context.federation.business(order.request.business)
    letter = Letter(
        envelope_id=f"{order.id}#{caller.operator}/{caller.request_id}>{order.home_region}",
        destination=order.home_region,
        kind=EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND,
        payload=asked.SerializeToString(),
        subject=order.id,
        operator=order.operator,
        lifetime=business.executable_within.ToTimedelta(),
    )
    send(tx, context.border, letter, now=now, traceparent=caller.traceparent)


def _close_books(tx: Transaction, context: RegionContext, before: Order, after: Order, now: datetime) -> None:
    """When an order becomes final: what was booked at intake is handed on, or given back."""
    if rules.is_final(before) or not rules.is_final(after):
        return
    cancel_timer(tx, f"{JEOPARDY_TIMER}/{after.id}")
    rule, values = _rule(context, after), _values(context, after)
    done = after.state == rules.COMPLETED
    _book(tx, context, rule.done_elsewhere(after, values) if done else rule.given_up(after, values), now)


def _book(tx: Transaction, context: RegionContext, postings: tuple[Posting, ...], now: datetime) -> None:
    for posting in postings:
        ledger.post(tx, posting, context.currency, now)


def _watch_promise(tx: Transaction, order: Order) -> None:
    if not rules.is_final(order):
        due = from_timestamp(order.expected_completion_date)
        set_timer(tx, f"{JEOPARDY_TIMER}/{order.id}", kind=JEOPARDY_TIMER, subject=order.id, due=due)


def _rule(context: RegionContext, order: Order) -> BusinessRule:
    return context.rules.get(order.request.business, BusinessRule())


def _values(context: RegionContext, order: Order) -> dict[str, rules.Value]:
    return rules.read_characteristics(context.federation.business(order.request.business), order.request)


def _too_late(order: Order, name: str) -> Refused:
    if name == "cancel":
        return Refused(Reason.REASON_ORDER_TOO_LATE_TO_CANCEL, state=rules.state_name(order.state))
    return Refused(Reason.REASON_ORDER_STATE_FORBIDS, state=rules.state_name(order.state), action=name)


def _audit(tx: Transaction, caller: Caller, action: str, order_id: str, now: datetime) -> None:
    audit.append(tx, now=now, actor=caller.identity.path, action=action, subject=order_id)


def find_for(tx: Transaction, order_id: str, identity: Identity) -> Order:
    """The order, for whoever may see it. Raises Refused with ORDER_NOT_FOUND, also for those who may not."""
    row = find_order(tx, order_id)
    if row is None or not is_visible(row.order, identity):
        raise Refused(Reason.REASON_ORDER_NOT_FOUND, order=order_id)
    return row.order


def is_visible(order: Order, identity: Identity) -> bool:
    """An order is seen by the operator that submitted it, by its region's staff, and by all of its home region."""
    is_own = identity.role == Role.ROLE_STAFF or order.operator == identity.name
    return order.home_region == identity.region or (order.handling_region == identity.region and is_own)
