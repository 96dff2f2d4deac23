"""The steps of an order at home: their waiting conditions, and the fulfilment. Inside the transaction of a decision."""

from dataclasses import replace
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import Step
from gateway.api.region.v1.order_pb2 import Order, Party
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, lasting
from gateway.federation.prepared import PreparedBusiness
from gateway.store.port import Transaction
from gateway.store.timers import cancel_timer, set_timer
from gateway.time.clock import from_timestamp
from gateway.values.money import in_major_units
from region_node.business.billing.rules import next_cycle
from region_node.business.orders import provisioning, rules
from region_node.business.orders.business import Effects, Situation, chosen_region, line_to_open
from region_node.business.orders.charged import fix_handling_fee
from region_node.business.orders.context import OrderContext, require_amounts
from region_node.customers.accounts.rules import FEES, EntryKind, transfer
from region_node.customers.documents.register import proven_line, require_on_file
from region_node.customers.operations import require_usable
from region_node.customers.preconditions import require_preconditions
from region_node.customers.proof import ORDER_NOTICE, Asked, ask_customer, must_ask, order_text, wait_until
from region_node.customers.rows import Line, line_of

STEP_TIMER = "order-step"  # the agreed time has come, or the customer has not objected in time
ANSWER_TIMER = "order-answer"  # no answer came in time


def first_situation(
    tx: Transaction, context: OrderContext, prepared: PreparedBusiness, order: Order, now: datetime
) -> Situation:
    """The input of the first decision on an order, with the existing line or the one to open.

    Raises Refused, also for documents on file that do not count, or Moved where the line belongs to another region.
    """
    business, federation, region = prepared.business, context.node.federation, context.node.region
    values = rules.read_characteristics(prepared, order.request)
    require_amounts(context.node, prepared, values, (order.origin_region, region))
    if not context.rule(business).opens_line:
        number, documents = order.request.number, order.request.documents
        line = proven_line(tx, context.node, number, documents, now, asking=order.origin_region)
    elif chosen_region(federation, business, values) == region:
        require_on_file(tx, context.node, order.request.documents, None, now)
        line = line_to_open(order)
    else:
        raise Refused(Reason.REASON_NOT_HOME, region=region)
    return context.situation(tx, order, values, line, now)


def situation_of(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> Situation:
    """The input of a later decision.

    Raises Refused where the business has left the catalogue, or the customer's data may not be used any more.
    """
    business = context.node.federation.prepared(order.request.business)
    values = rules.read_characteristics(business, order.request)
    return context.situation(tx, order, values, _line_of(tx, context, order), now)


def _line_of(tx: Transaction, context: OrderContext, order: Order) -> Line:
    line = line_of(tx, order.product_id)
    if line is not None:
        require_usable(tx, context.node.federation, context.node.region, line.customer_id)
        return line
    if not context.rule(context.node.federation.business(order.request.business)).opens_line:
        raise ValueError(f"order {order.id} is about a line that is gone")
    return line_to_open(order)


def require_possible(context: OrderContext, situation: Situation) -> None:
    """Raises Refused for an unfulfilled precondition, the fee or the business's own rule."""
    require_preconditions(situation.business.preconditions, situation)
    rule, fee = context.rule(situation.business), situation.business.fee.minor_units
    if fee and fee > situation.balance and not rule.opens_line:
        raise Refused(Reason.REASON_CREDIT_TOO_LOW, amount=in_major_units(fee, situation.currency))
    rule.check(situation)


def advance(tx: Transaction, context: OrderContext, situation: Situation, *, is_possible: bool = False) -> None:
    """Takes further steps of an order that has waited, as `take_steps`; a final order waits no more."""
    take_steps(tx, context, situation, is_possible=is_possible)
    if rules.is_final(situation.order):
        stop_timers(tx, situation.order)


def take_steps(tx: Transaction, context: OrderContext, situation: Situation, *, is_possible: bool) -> None:
    """Takes the steps of the catalogue until one has to wait for a person or for a time.

    With `is_possible` this very situation has passed `require_possible`: the fulfilment does not repeat the check.
    """
    order = situation.order
    while not rules.is_final(order):
        step = rules.steps_after(order)[0]
        if step == Step.STEP_FULFIL:
            if _fulfil(tx, context, situation, is_possible=is_possible):
                return
        elif not _waits(tx, context, situation, step):
            order.steps_done += 1
        else:
            return


def accept(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> None:
    """Accepts the finished work, the last step, even if the catalogue no longer has the business."""
    order.steps_done += 1
    rules.enter(order, rules.IN_PROGRESS, now=now, region=context.node.region, reason="accepted")
    rules.enter(order, rules.COMPLETED, now=now, region=context.node.region, reason="accepted")
    fix_handling_fee(context.node, order)
    stop_timers(tx, order)


def fail(context: OrderContext, order: Order, refused: Refused, now: datetime) -> None:
    """Fails an order that can no longer be carried out; it had no effect."""
    rules.note_error(order, refused)
    rules.enter(order, rules.FAILED, now=now, region=context.node.region, reason="no longer possible")


def stop_timers(tx: Transaction, order: Order) -> None:
    """Ends all waiting of an order."""
    for kind in (STEP_TIMER, ANSWER_TIMER):
        cancel_timer(tx, f"{kind}/{order.id}")


def _waits(tx: Transaction, context: OrderContext, situation: Situation, step: Step.ValueType) -> bool:
    """Begins a step; returns whether it has to wait."""
    order, business, now = situation.order, situation.business, situation.now
    if step == Step.STEP_REVIEW:
        due = from_timestamp(order.expected_completion_time)
        rules.enter(order, rules.IN_PROGRESS, now=now, region=context.node.region, reason="review")
        rules.wait_for(order, Party.PARTY_HOME_STAFF, rules.REVIEW, now=now, due=due)
        return True
    if step == Step.STEP_VERIFY:
        return _wait_for_proof(tx, context, situation)
    if step in (Step.STEP_CONFIRM, Step.STEP_ACCEPT):
        if step == Step.STEP_CONFIRM:
            told = _told_to_wait(context, order, "confirm")
            order.quote.CopyFrom(context.rule(business).quote(situation) if told is None else told.quote)
        _ask_customer(tx, context, situation, "confirm" if step == Step.STEP_CONFIRM else "accept")
        return True
    if step == Step.STEP_AGREED_TIME:
        start, action = context.rule(business).start_time(situation), "agreed-time"
    else:
        start, action = next_cycle(now, context.node.time_zone), "next-cycle"
    told = _told_to_wait(context, order, action)
    if told is not None:
        start = from_timestamp(told.awaiting.due_time)  # also where it has passed: a lost cancellation comes first
    elif start is None or start <= now:
        return False
    rules.enter(order, rules.IN_PROGRESS, now=now, region=context.node.region, reason=action)
    rules.wait_for(order, Party.PARTY_HOME_REGION, action, now=now, due=start)
    set_timer(tx, f"{STEP_TIMER}/{order.id}", kind=STEP_TIMER, subject=order.id, due=start)
    return True


def _told_to_wait(context: OrderContext, order: Order, action: str) -> Order | None:
    """The first answer of a command that is done again, where the order waited for this action at the same step."""
    told = context.told
    if told is None or (told.steps_done, told.awaiting.action) != (order.steps_done, action):
        return None
    return told


def _wait_for_proof(tx: Transaction, context: OrderContext, situation: Situation) -> bool:
    """Tells the customer of an order that only another region attests; returns whether it has to wait."""
    order, now = situation.order, situation.now
    ways = context.node.federation.proof_ways(situation.business.policies)
    if not must_ask(context.node, order.origin_region, order.request.documents, ways):
        is_foreign, is_new = order.origin_region != context.node.region, context.told is None
        if not (is_foreign and is_new and context.is_shown(tx, order.id, order.request.number)):
            return False
    due = wait_until(context.node, order.origin_region, now)
    rules.enter(order, rules.PENDING, now=now, region=context.node.region, reason="to be verified")
    rules.wait_for(order, Party.PARTY_CUSTOMER, rules.VERIFY, now=now, due=due)
    set_timer(tx, f"{STEP_TIMER}/{order.id}", kind=STEP_TIMER, subject=order.id, due=due)
    asked = Asked(order.id, order.origin_region, ORDER_NOTICE, order_text(situation.business.name))
    ask_customer(tx, context.node, situation.line, asked, due, now)
    return True


def end_wait(tx: Transaction, order: Order) -> None:
    """Ends a step that has waited for somebody, before its time. The caller takes the next steps."""
    for kind in (STEP_TIMER, ANSWER_TIMER):
        cancel_timer(tx, f"{kind}/{order.id}")
    order.steps_done += 1


def _ask_customer(tx: Transaction, context: OrderContext, situation: Situation, action: str) -> None:
    order, now = situation.order, situation.now
    due = now + situation.business.answer_within.ToTimedelta()
    reason = "to be confirmed" if action == "confirm" else "to be accepted"
    rules.enter(order, rules.PENDING, now=now, region=context.node.region, reason=reason)
    rules.wait_for(order, Party.PARTY_CUSTOMER, action, now=now, due=due)
    set_timer(tx, f"{ANSWER_TIMER}/{order.id}", kind=ANSWER_TIMER, subject=order.id, due=due)


def _fulfil(tx: Transaction, context: OrderContext, situation: Situation, *, is_possible: bool) -> bool:
    """Carries the order out, or fails it; returns True where the region's own system has to do it first."""
    order, now = situation.order, situation.now
    rules.enter(order, rules.IN_PROGRESS, now=now, region=context.node.region, reason="fulfilment")
    if not is_possible:
        try:
            require_possible(context, situation)
        except Refused as refused:
            fail(context, order, lasting(refused), now)
            return False
    if situation.business.code in context.node.provisioned:
        provisioning.begin(tx, order, now)
        return True
    effects = context.rule(situation.business).fulfil(situation)
    carry_out(tx, context, situation, effects)
    return False


def carry_out(tx: Transaction, context: OrderContext, situation: Situation, effects: Effects) -> None:
    """Applies the effects of an order, charges its fee, and closes it unless the customer's acceptance is missing."""
    order = situation.order
    context.fulfilment.carry_out(tx, situation, with_fee(situation, effects))
    order.results.update(effects.results)
    order.steps_done += 1
    if not rules.steps_after(order):
        rules.enter(order, rules.COMPLETED, now=situation.now, region=context.node.region, reason="fulfilled")
        fix_handling_fee(context.node, order)


def with_fee(situation: Situation, effects: Effects) -> Effects:
    """The effects of an order with the fee of its business."""
    fee = situation.business.fee.minor_units
    if not fee:
        return effects
    account = effects.line.account_id
    posting = transfer(f"{situation.order.id}#fee", EntryKind.FEE, fee, debit=account, credit=FEES)
    return replace(effects, postings=(*effects.postings, posting))
