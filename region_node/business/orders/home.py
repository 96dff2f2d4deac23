"""The home region's decisions on an order: at arrival, commands, reviews and timers. One transaction each."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import Step
from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand, OrderUpdate
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused, invalid, lasting, listed
from gateway.process import failpoints
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from gateway.store.timers import Timer, cancel_timer, set_timer
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.orders import provisioning, rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.exposure import beyond_limit, count_unreviewed
from region_node.business.orders.rows import OrderRow, facts, find_order, insert_order, require_order, update_order
from region_node.business.orders.steps import (
    ANSWER_TIMER,
    accept,
    advance,
    end_wait,
    fail,
    first_situation,
    require_possible,
    situation_of,
    stop_timers,
    take_steps,
)
from region_node.customers.documents.register import require_on_file
from region_node.customers.documents.rules import paper_use, require_documents, require_fresh
from region_node.customers.proof import require_word_of_staff
from region_node.customers.verification.rows import find_key
from region_node.customers.verification.rules import (
    CHECKED_AT_HOME,
    is_proven,
    proves,
    require_verified,
    require_way,
)
from region_node.requests.checks import require_size
from region_node.requests.dealings import Dealer, count_failure, count_line
from region_node.tickets.border import require_caught_up

UPDATE_LIFETIME = timedelta(days=3650)  # the report of an event does not expire


def decide(tx: Transaction, context: OrderContext, order: Order, now: datetime, *, is_taken_in: bool = False) -> None:
    """The first decision on an order: checks everything, then takes it as far as it goes without anybody's help.

    `order` is changed in place; the caller stores it. With `is_taken_in`, this region has taken it in for another one
    before, within its limits of money. One that is decided again after a loss has the steps of then, and counts for the
    day of then. Raises Refused or Moved before the first write.
    """
    told = context.told
    federation, region = context.node.federation, context.node.region
    prepared = federation.prepared(order.request.business)
    business = prepared.business
    rules.require_offered(business, at_home=order.origin_region == region)
    require_documents(prepared, order.request, now)
    require_verified(find_key(tx), order.id, order.request.number, order.request.documents)
    situation = first_situation(tx, context, prepared, order, now)
    require_possible(context, situation)
    order.home_region = region
    order.paper_use = paper_use(federation, order.request.documents)
    order.product_id = situation.line.product_id
    order.version = 1
    order.steps[:] = business.steps if told is None else told.steps
    order.steps_done = 0
    beyond = None if is_taken_in or told is not None else beyond_limit(tx, context, order, now)
    if beyond is not None:
        rules.note_error(order, beyond)
        order.steps.insert(0, Step.STEP_REVIEW)
    if told is not None and told.HasField("error"):
        order.error.CopyFrom(told.error)
    take_steps(tx, context, situation, is_possible=True)
    if Step.STEP_REVIEW not in order.steps[:1] and not is_taken_in:
        count_unreviewed(tx, context, order, now if told is None else from_timestamp(told.state_changes[-1].time))
    if not is_proven(order.request.documents):
        count_line(tx, dealer_of(order), now)


def refuse(tx: Transaction, context: OrderContext, order: Order, refused: Refused, now: datetime) -> None:
    """Rejects an order of this region's own customer; the order is kept, so that a resend gets the same answer."""
    count_refused(tx, order, refused.reason, now)
    order.home_region = context.node.region
    rules.note_error(order, refused)
    rules.enter(order, rules.REJECTED, now=now, region=context.node.region, reason="check failed")


def count_refused(tx: Transaction, order: Order, reason: Reason.ValueType, now: datetime) -> None:
    """Counts an order for a line of this region that was refused, as a failure of who handed it in."""
    count_failure(tx, dealer_of(order), now, reason)


def dealer_of(order: Order) -> Dealer:
    """The dealer that has handed an order in at its origin region."""
    return Dealer(order.origin_region, order.operator, order.request.requester.staff_id)


def apply_command(tx: Transaction, context: OrderContext, command: OrderCommand, now: datetime) -> Order:
    """Executes the origin region's command on an order of this region. Raises Refused before the first write."""
    row = require_order(tx, command.order_id)
    order = row.order
    match command.WhichOneof("command"):
        case "cancel" if order.state in (rules.CANCELLED, rules.PENDING_CANCELLATION):
            return order
        case "cancel":
            provisioning.cancel(tx, context, order, command.cancel.reason, now)
            stop_timers(tx, order)
        case "supplement":
            _supplement(tx, context, order, command, now)
        case "confirm":
            _confirm(tx, context, order, command, now)
        case "expedite":
            rules.expedite(order, command.requester.staff_id, now)
        case _:
            raise invalid("command", "none is set", "未指定任何一项")
    order.version += 1
    update_order(tx, order, now)
    return order


def bury(tx: Transaction, context: OrderContext, command: OrderCommand, origin: str, now: datetime) -> Order:
    """A cancellation that overtook its order: leaves a cancelled order, so that a late submission does nothing."""
    order = Order(
        id=command.order_id,
        version=1,
        state=rules.CANCELLED,
        origin_region=origin,
        home_region=context.node.region,
        create_time=to_timestamp(now),
        cancellation_time=to_timestamp(now),
        cancellation_reason=command.cancel.reason,
    )
    insert_order(tx, OrderRow(order, ""), now)
    return order


def _supplement(tx: Transaction, context: OrderContext, order: Order, command: OrderCommand, now: datetime) -> None:
    business = context.node.federation.prepared(order.request.business)
    is_proof = order.awaiting.action == rules.VERIFY
    if is_proof:
        ways = context.node.federation.proof_ways(business.business.policies)
        require_way(command.supplement.documents, ways)
        is_proof = proves(command.supplement.documents, ways)
    rules.require_awaiting(order, rules.VERIFY if is_proof else "supplement")
    brought = {document.code for document in command.supplement.documents}
    missing = [code for code in order.documents_requested if code not in brought]
    if missing:
        raise Refused(Reason.REASON_DOCUMENT_MISSING, **listed(documents=missing))
    require_fresh(business, command.supplement.documents, now)
    require_verified(find_key(tx), order.id, order.request.number, command.supplement.documents)
    if is_proof and context.told is None and context.is_shown(tx, order.id, order.request.number):
        proofs = CHECKED_AT_HOME.intersection(brought)
        raise Refused(Reason.REASON_NOT_VERIFIED, **listed(documents=sorted(proofs)))
    require_size(order.ByteSize() + command.ByteSize())
    situation = situation_of(tx, context, order, now)
    require_on_file(tx, context.node, command.supplement.documents, situation.line.customer_id, now)
    order.request.documents.extend(command.supplement.documents)
    order.paper_use = paper_use(context.node.federation, order.request.documents)
    if command.supplement.note:
        author = f"{order.origin_region}/{command.requester.staff_id}"
        order.notes.add(author=author, time=to_timestamp(now), text=command.supplement.note)
    del order.documents_requested[:]
    if is_proof:
        end_wait(tx, order)
    else:
        cancel_timer(tx, f"{ANSWER_TIMER}/{order.id}")
    advance(tx, context, situation)


def _confirm(tx: Transaction, context: OrderContext, order: Order, command: OrderCommand, now: datetime) -> None:
    """Handles the customer's answer to a quote, or to the finished work."""
    require_size(order.ByteSize() + command.ByteSize())
    if rules.is_fulfilled(order):
        rules.require_awaiting(order, "accept")
        _take_over(tx, context, order, command.confirm.agreed, now)
    else:
        rules.require_awaiting(order, "confirm")
        _take_up(tx, context, order, command.confirm.agreed, now)
    if command.confirm.note:
        author = f"{order.origin_region}/{command.requester.staff_id}"
        order.notes.add(author=author, time=to_timestamp(now), text=command.confirm.note)


def _take_over(tx: Transaction, context: OrderContext, order: Order, agreed: bool, now: datetime) -> None:
    """Completes an order that the customer accepts.

    Otherwise the home region's staff correct it (specification 3.2.6).
    """
    if agreed:
        accept(tx, context, order, now)
        return
    cancel_timer(tx, f"{ANSWER_TIMER}/{order.id}")
    due = from_timestamp(order.expected_completion_time)
    rules.enter(order, rules.IN_PROGRESS, now=now, region=context.node.region, reason="not accepted")
    rules.wait_for(order, Party.PARTY_HOME_STAFF, rules.ADJUST, now=now, due=max(due, now))


def _take_up(tx: Transaction, context: OrderContext, order: Order, agreed: bool, now: datetime) -> None:
    """The customer agrees to the quote, or not."""
    if not agreed:
        order.cancellation_reason = "declined by the customer"
        rules.enter(order, rules.CANCELLED, now=now, region=context.node.region, reason="declined by the customer")
        stop_timers(tx, order)
        return
    situation = situation_of(tx, context, order, now)
    require_possible(context, situation)
    if context.rule(situation.business).quote(situation) == order.quote:
        end_wait(tx, order)
    # Otherwise the customer's agreement no longer holds: the step begins again with the new quote.
    advance(tx, context, situation, is_possible=True)


def review(
    tx: Transaction,
    context: OrderContext,
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
    if order.home_region != context.node.region:
        raise Refused(Reason.REASON_NOT_HOME, region=context.node.region)
    require_caught_up(context.node, tx, facts(order), now)
    rules.require_other_reviewer(order, reviewer.region, reviewer.name)
    rules.require_decision(order, decision)
    if order.awaiting.action == rules.VERIFY and decision == ReviewDecision.REVIEW_DECISION_APPROVE:
        require_word_of_staff(context.node, context.node.federation.business(order.request.business).policies)
    author = f"{context.node.region}/{reviewer.name}"
    if provisioning.is_for_staff(order):
        provisioning.review(tx, context, order, decision, note, now)
    elif decision == ReviewDecision.REVIEW_DECISION_APPROVE:
        situation = situation_of(tx, context, order, now)
        is_ahead = not rules.is_fulfilled(order)
        if is_ahead:
            require_possible(context, situation)
            order.ClearField("error")
            end_wait(tx, order)
        # Otherwise the defect found by the customer is corrected: the acceptance begins again.
        advance(tx, context, situation, is_possible=is_ahead)
    elif decision == ReviewDecision.REVIEW_DECISION_RETURN:
        business = context.node.federation.business(order.request.business)
        due = now + business.answer_within.ToTimedelta()
        order.documents_requested[:] = documents
        rules.enter(order, rules.PENDING, now=now, region=context.node.region, reason=rules.RETURNED)
        rules.wait_for(order, Party.PARTY_ORIGIN_REGION, "supplement", now=now, due=due)
        set_timer(tx, f"{ANSWER_TIMER}/{order.id}", kind=ANSWER_TIMER, subject=order.id, due=due)
    else:
        stop_timers(tx, order)
        rules.enter(order, rules.IN_PROGRESS, now=now, region=context.node.region, reason="review")
        rules.note_error(order, Refused(Reason.REASON_REVIEW_REJECTED, note=note))
        rules.enter(order, rules.FAILED, now=now, region=context.node.region, reason="review rejected")
    if note:
        order.notes.add(author=author, time=to_timestamp(now), text=note)
    keep_and_tell(tx, context, row, now)
    audit.append(
        tx,
        now=now,
        actor=reviewer.path,
        action="ReviewOrder",
        subject=order.id,
        detail=ReviewDecision.Name(decision),
    )
    failpoints.reach("order-reviewed.before-commit")
    return order


def step_is_due(tx: Transaction, context: OrderContext, timer: Timer, now: datetime) -> None:
    """Handles the agreed time of an order, or the end of the wait for a proof.

    Raises Refused where the node cannot decide the order now.
    """
    row = find_order(tx, timer.subject)
    if row is None or rules.is_final(row.order):  # without a row, it was made unreadable since
        return
    order = row.order
    require_caught_up(context.node, tx, facts(order), now)
    rules.enter(order, rules.IN_PROGRESS, now=now, region=context.node.region, reason="time has come")
    try:
        situation = situation_of(tx, context, order, now)
    except Refused as refused:
        fail(context, order, lasting(refused), now)  # for a temporary reason the timer stays due
    else:
        order.steps_done += 1
        advance(tx, context, situation)
    keep_and_tell(tx, context, row, now)


def answer_is_overdue(tx: Transaction, context: OrderContext, timer: Timer, now: datetime) -> None:
    """Cancels an order without a supplement or confirmation in time (TMF622: information cannot be supplied).

    Where only the acceptance is missing, silence accepts. Raises Refused where the answer may have come, and got lost.
    """
    row = find_order(tx, timer.subject)
    if row is None or row.order.state != OrderState.ORDER_STATE_PENDING:
        return
    require_caught_up(context.node, tx, facts(row.order), now)
    if rules.is_fulfilled(row.order):
        accept(tx, context, row.order, now)
        keep_and_tell(tx, context, row, now)
        return
    rules.note_error(row.order, Refused(Reason.REASON_ANSWER_OVERDUE))
    row.order.cancellation_reason = "no answer in time"
    rules.enter(row.order, rules.CANCELLED, now=now, region=context.node.region, reason="no answer in time")
    keep_and_tell(tx, context, row, now)


def keep_and_tell(tx: Transaction, context: OrderContext, row: OrderRow, now: datetime) -> None:
    """Stores a decision outside of a receipt, and sends it to the origin region."""
    order = row.order
    order.version += 1
    update_order(tx, order, now)
    if order.origin_region == context.node.region:
        return
    outgoing = OutgoingEnvelope(
        envelope_id=f"{order.id}@{order.version}>{order.origin_region}",
        destination=order.origin_region,
        kind=EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE,
        payload=OrderUpdate(order=order).SerializeToString(),
        subject=order.id,
        operator=order.operator,
        lifetime=UPDATE_LIFETIME,
        bulk=order.request.bulk,
    )
    send(tx, context.node.border, outgoing, now=now, traceparent=row.traceparent)
