"""What the home region does with an order: it decides, waits, fulfils. One transaction each."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway import audit
from gateway.api.federation.v1.configuration_pb2 import Business, Step
from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand, OrderUpdate
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import from_timestamp, to_timestamp
from gateway.errors import Refused
from gateway.identity import Identity
from gateway.relay.envelopes import Letter
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from gateway.timers import Timer, cancel_timer, set_timer
from region_node.billing import ledger
from region_node.billing.rules import next_cycle
from region_node.context import RegionContext
from region_node.customers.operations import own_line
from region_node.customers.rows import Line, line_of
from region_node.orders import rules
from region_node.orders.business import BusinessRule, Situation
from region_node.orders.preconditions import require_preconditions
from region_node.orders.rows import OrderRow, insert_order, require_order, update_order

STEP_TIMER = "order-step"  # the agreed time has come
ANSWER_TIMER = "order-answer"  # nobody answered in time
UPDATE_LIFETIME = timedelta(days=3650)  # the word of what happened does not expire


def decide(tx: Transaction, context: RegionContext, order: Order, now: datetime) -> None:
    """The first decision on an order: checks everything, then takes it as far as it goes without anybody's help.

    `order` is changed in place; the caller stores it. Raises Refused or Moved before the first write.
    """
    business = context.federation.business(order.request.business)
    rules.require_offered(business, at_home=order.handling_region == context.region)
    rules.require_documents(business, order.request, now)
    line = own_line(tx, context.federation, context.region, order.request.number)
    situation = _situation(tx, context, order, line, now)
    _require_possible(context, situation)
    order.home_region = context.region
    order.product_id = line.product_id
    order.version = 1
    order.steps[:] = business.steps
    order.steps_done = 0
    _advance(tx, context, situation)


def refuse(context: RegionContext, order: Order, refused: Refused, now: datetime) -> None:
    """Rejects an order of this region's own customer; the order is kept, so that a resend gets the same answer."""
    order.home_region = context.region
    rules.note_error(order, refused)
    rules.enter(order, rules.REJECTED, now=now, region=context.region, reason="check failed")


def apply_command(tx: Transaction, context: RegionContext, command: OrderCommand, now: datetime) -> Order:
    """Does what the handling region asks about an order of this region. Raises Refused before the first write."""
    row = require_order(tx, command.order_id)
    order = row.order
    match command.WhichOneof("command"):
        case "cancel" if order.state == rules.CANCELLED:
            return order
        case "cancel":
            rules.cancel(order, reason=command.cancel.reason, now=now, region=context.region)
            _stop_timers(tx, order)
        case "supplement":
            _supplement(tx, context, order, command, now)
        case "confirm":
            _confirm(tx, context, order, command.confirm.agreed, now)
        case "expedite":
            rules.expedite(order, command.requester.staff_id, now)
        case _:
            raise Refused(Reason.REASON_REQUEST_INVALID, field="command", problem="none is set")
    order.version += 1
    update_order(tx, order, now)
    return order


def bury(tx: Transaction, context: RegionContext, command: OrderCommand, origin: str, now: datetime) -> Order:
    """A cancellation that overtook its order: leaves a cancelled order, so that a late submission does nothing."""
    order = Order(
        id=command.order_id,
        version=1,
        state=rules.CANCELLED,
        handling_region=origin,
        home_region=context.region,
        order_date=to_timestamp(now),
        cancellation_date=to_timestamp(now),
        cancellation_reason=command.cancel.reason,
    )
    insert_order(tx, OrderRow(order, ""), now)
    return order


def review(
    tx: Transaction,
    context: RegionContext,
    order_id: str,
    reviewer: Identity,
    decision: ReviewDecision.ValueType,
    documents: Sequence[str],
    note: str,
    now: datetime,
) -> Order:
    """A member of staff decides on an order. Raises Refused before the first write."""
    row = require_order(tx, order_id)
    order = row.order
    if order.home_region != context.region:
        raise Refused(Reason.REASON_NOT_HOME, region=context.region)
    rules.require_other_reviewer(order, reviewer.region, reviewer.name)
    rules.require_awaiting(order, "review")
    author = f"{context.region}/{reviewer.name}"
    if decision == ReviewDecision.REVIEW_DECISION_APPROVE:
        situation = _situation_of(tx, context, order, now)
        _require_possible(context, situation)
        order.steps_done += 1
        _advance(tx, context, situation)
    elif decision == ReviewDecision.REVIEW_DECISION_RETURN:
        business = context.federation.business(order.request.business)
        due = now + business.answer_within.ToTimedelta()
        order.documents_requested[:] = documents
        rules.enter(order, rules.PENDING, now=now, region=context.region, reason="review returned")
        rules.wait_for(order, Party.PARTY_HANDLING_REGION, "supplement", now=now, due=due)
        set_timer(tx, f"{ANSWER_TIMER}/{order.id}", kind=ANSWER_TIMER, subject=order.id, due=due)
    else:
        rules.note_error(order, Refused(Reason.REASON_REVIEW_REJECTED, note=note))
        rules.enter(order, rules.FAILED, now=now, region=context.region, reason="review rejected")
    if note:
        order.notes.add(author=author, time=to_timestamp(now), text=note)
    _keep_and_tell(tx, context, row, now)
    audit.append(
        tx,
        now=now,
        actor=reviewer.path,
        action="ReviewOrder",
        subject=order.id,
        detail=ReviewDecision.Name(decision),
    )
    return order


def step_is_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """The agreed time of an order has come."""
    row = require_order(tx, timer.subject)
    order = row.order
    if rules.is_final(order):
        return
    try:
        situation = _situation_of(tx, context, order, now)
    except Refused as refused:
        _fail(context, order, refused, now)
    else:
        order.steps_done += 1
        _advance(tx, context, situation)
    _keep_and_tell(tx, context, row, now)


def answer_is_overdue(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Nobody supplemented or confirmed in time: the order is cancelled (TMF622: information cannot be supplied)."""
    row = require_order(tx, timer.subject)
    if row.order.state != OrderState.ORDER_STATE_PENDING:
        return
    rules.note_error(row.order, Refused(Reason.REASON_ANSWER_OVERDUE))
    row.order.cancellation_reason = "no answer in time"
    rules.enter(row.order, rules.CANCELLED, now=now, region=context.region, reason="no answer in time")
    _keep_and_tell(tx, context, row, now)


def _situation_of(tx: Transaction, context: RegionContext, order: Order, now: datetime) -> Situation:
    line = line_of(tx, order.product_id)
    if line is None:
        raise ValueError(f"order {order.id} is about a line that is gone")
    return _situation(tx, context, order, line, now)


def _situation(tx: Transaction, context: RegionContext, order: Order, line: Line, now: datetime) -> Situation:
    business = context.federation.business(order.request.business)
    values = rules.read_characteristics(business, order.request)
    return context.situation(order, values, line, ledger.balance(tx, line.account_id), now)


def _require_possible(context: RegionContext, situation: Situation) -> None:
    require_preconditions(situation)
    _rule(context, situation.business).check(situation)


def _rule(context: RegionContext, business: Business) -> BusinessRule:
    """The rule of a business. Raises Refused with BUSINESS_UNSUPPORTED where this node has none."""
    rule = context.rules.get(business.code)
    if rule is None:
        raise Refused(Reason.REASON_BUSINESS_UNSUPPORTED, business=business.code)
    return rule


def _advance(tx: Transaction, context: RegionContext, situation: Situation) -> None:
    """Takes the steps of the catalogue until one has to wait for somebody or for a time."""
    order = situation.order
    while not rules.is_final(order):
        step = rules.steps_after(order)[0]
        if step == Step.STEP_FULFIL:
            _fulfil(tx, context, situation)
        elif not _waits(tx, context, situation, step):
            order.steps_done += 1
        else:
            return
    _stop_timers(tx, order)


def _waits(tx: Transaction, context: RegionContext, situation: Situation, step: Step.ValueType) -> bool:
    """Begins a step; False where there is nothing to wait for."""
    order, business, now = situation.order, situation.business, situation.now
    if step == Step.STEP_REVIEW:
        due = from_timestamp(order.expected_completion_date)
        rules.enter(order, rules.IN_PROGRESS, now=now, region=context.region, reason="review")
        rules.wait_for(order, Party.PARTY_HOME_STAFF, "review", now=now, due=due)
        return True
    if step == Step.STEP_CONFIRM:
        due = now + business.answer_within.ToTimedelta()
        order.quote.CopyFrom(_rule(context, business).quote(situation))
        rules.enter(order, rules.PENDING, now=now, region=context.region, reason="to be confirmed")
        rules.wait_for(order, Party.PARTY_CUSTOMER, "confirm", now=now, due=due)
        set_timer(tx, f"{ANSWER_TIMER}/{order.id}", kind=ANSWER_TIMER, subject=order.id, due=due)
        return True
    if step == Step.STEP_AGREED_TIME:
        start, action = _rule(context, business).start_time(situation), "agreed-time"
    else:
        start, action = next_cycle(now, context.time_zone), "next-cycle"
    if start is None or start <= now:
        return False
    rules.enter(order, rules.IN_PROGRESS, now=now, region=context.region, reason=action)
    rules.wait_for(order, Party.PARTY_HOME_REGION, action, now=now, due=start)
    set_timer(tx, f"{STEP_TIMER}/{order.id}", kind=STEP_TIMER, subject=order.id, due=start)
    return True


def _fulfil(tx: Transaction, context: RegionContext, situation: Situation) -> None:
    order, now = situation.order, situation.now
    rules.enter(order, rules.IN_PROGRESS, now=now, region=context.region, reason="fulfilment")
    try:
        _require_possible(context, situation)
    except Refused as refused:
        _fail(context, order, refused, now)
        return
    effects = _rule(context, situation.business).fulfil(situation)
    context.fulfilment.carry_out(tx, situation, effects)
    order.results.update(effects.results)
    order.steps_done += 1
    rules.enter(order, rules.COMPLETED, now=now, region=context.region, reason="fulfilled")


def _fail(context: RegionContext, order: Order, refused: Refused, now: datetime) -> None:
    rules.note_error(order, refused)
    rules.enter(order, rules.FAILED, now=now, region=context.region, reason="no longer possible")


def _supplement(tx: Transaction, context: RegionContext, order: Order, command: OrderCommand, now: datetime) -> None:
    rules.require_awaiting(order, "supplement")
    business = context.federation.business(order.request.business)
    brought = {document.code for document in command.supplement.documents}
    missing = [code for code in order.documents_requested if code not in brought]
    if missing:
        raise Refused(Reason.REASON_DOCUMENT_MISSING, documents=", ".join(missing))
    rules.require_fresh(business, command.supplement.documents, now)
    rules.require_size(order.ByteSize() + command.ByteSize())
    order.request.documents.extend(command.supplement.documents)
    if command.supplement.note:
        author = f"{order.handling_region}/{command.requester.staff_id}"
        order.notes.add(author=author, time=to_timestamp(now), text=command.supplement.note)
    del order.documents_requested[:]
    cancel_timer(tx, f"{ANSWER_TIMER}/{order.id}")
    _advance(tx, context, _situation_of(tx, context, order, now))


def _confirm(tx: Transaction, context: RegionContext, order: Order, agreed: bool, now: datetime) -> None:
    rules.require_awaiting(order, "confirm")
    if not agreed:
        order.cancellation_reason = "declined by the customer"
        rules.enter(order, rules.CANCELLED, now=now, region=context.region, reason="declined by the customer")
        _stop_timers(tx, order)
        return
    situation = _situation_of(tx, context, order, now)
    _require_possible(context, situation)
    quote = _rule(context, situation.business).quote(situation)
    if (quote.amount, quote.effective_date) == (order.quote.amount, order.quote.effective_date):
        cancel_timer(tx, f"{ANSWER_TIMER}/{order.id}")
        order.steps_done += 1
    # Otherwise what the customer agreed to no longer holds: the step begins again with the new quote.
    _advance(tx, context, situation)


def _stop_timers(tx: Transaction, order: Order) -> None:
    for kind in (STEP_TIMER, ANSWER_TIMER):
        cancel_timer(tx, f"{kind}/{order.id}")


def _keep_and_tell(tx: Transaction, context: RegionContext, row: OrderRow, now: datetime) -> None:
    """Stores a decision that nobody is waiting for in a receipt, and tells the handling region."""
    order = row.order
    order.version += 1
    update_order(tx, order, now)
    if order.handling_region == context.region:
        return
    letter = Letter(
        envelope_id=f"{order.id}@{order.version}>{order.handling_region}",
        destination=order.handling_region,
        kind=EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE,
        payload=OrderUpdate(order=order).SerializeToString(),
        subject=order.id,
        operator=order.operator,
        lifetime=UPDATE_LIFETIME,
        bulk=order.request.bulk,
    )
    send(tx, context.border, letter, now=now, traceparent=row.traceparent)
