"""Intake: the origin region checks an order, decides for its own customers, and sends home or holds the rest.

For its own customers the home region's operations run here in the same transaction, without the border.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import Business, Step
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, Party
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused, lasting
from gateway.federation.numberplan import number_prefix
from gateway.process import failpoints
from gateway.relay.border import Moved
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import is_answered, send
from gateway.rpc.acting import not_proven
from gateway.store.port import Transaction
from gateway.store.timers import Timer, cancel_timer, set_timer
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.values.requesters import SELF_SERVICE
from region_node.business.billing.rules import next_cycle
from region_node.business.orders import exposure, home, rules
from region_node.business.orders.books import book_intake, close_books, take_back
from region_node.business.orders.business import owner_of
from region_node.business.orders.context import OrderContext, require_amounts
from region_node.business.orders.promises import promised_date
from region_node.business.orders.rows import (
    OrderRow,
    find_order,
    insert_order,
    is_proven_intake,
    known_request,
    require_order,
    update_order,
)
from region_node.customers.documents.rules import require_documents, require_materials, require_reusable
from region_node.customers.verification.bounds import require_few_unknown
from region_node.customers.verification.rules import Shown, is_customers_word
from region_node.node.context import RegionContext
from region_node.requests.caller import OwnNode, Submitter, note, remember_again
from region_node.requests.checks import require_size
from region_node.requests.dealings import Dealer
from region_node.requests.rows import insert_request

HELD_TIMER = "order-held"  # the latest possible execution of a held order has passed
_ON_THE_WAY = frozenset({Reason.REASON_CUSTOMER_MOVING, Reason.REASON_HAND_OVER_AWAITED})


@dataclass(frozen=True)
class Obstacle:
    """The reason why an order cannot go home now, and the condition for its release."""

    refused: Refused
    remedy: str


@dataclass(frozen=True)
class Checked:
    """A request that passed the checks: the home region, None where unknown, and its characteristics as values."""

    owner: str | None
    values: Mapping[str, rules.Value] = field(repr=False)


def check(context: OrderContext, request: OrderRequest, now: datetime) -> Checked:
    """The checks that need no customer data. Raises Refused."""
    node, federation = context.node, context.node.federation
    require_materials(federation.material_codes, request.documents)
    require_reusable(federation, request.documents)
    prepared = federation.prepared(request.business)
    rules.require_joint(prepared.business, joint=False)
    owner = owner_of(federation, request)
    rules.require_offered(prepared.business, at_home=owner == node.region)
    values = rules.read_characteristics(prepared, request)
    require_amounts(node, prepared, values, (node.region, owner or node.region))
    require_documents(prepared, request, now)
    return Checked(owner, values)


def with_documents(request: OrderRequest, on_file: Sequence[Document]) -> OrderRequest:
    """A request with documents on file besides its own. Raises Refused where that is more than may travel."""
    if not on_file:
        return request
    more = OrderRequest()
    more.CopyFrom(request)
    more.documents.extend(on_file)
    require_size(more.ByteSize())
    return more


def submit(
    tx: Transaction,
    context: OrderContext,
    caller: Submitter,
    request: OrderRequest,
    now: datetime,
    on_file: Sequence[Document] = (),
) -> Order:
    """Accepts an order. A repeated request with the same content returns the order in its current state.

    `on_file` are documents of the register, besides those of the request. Raises Refused, also with REQUEST_ID_REUSED
    for the same id with other content.
    """
    key = caller.key(request.SerializeToString(deterministic=True))
    if (known := known_request(tx, key)) is not None:
        return known
    rules.require_applicant(request, caller.operator)
    _require_few_unknown(tx, context.node, caller, request, now)
    request = with_documents(request, on_file)
    checked = check(context, request, now)
    order = _new_order(context, caller, request, checked, now)
    _require_first_person(tx, context, caller, order, now)
    failpoints.reach("S3.before-commit")
    if checked.owner != context.node.region or not _decide_here(tx, context, order, caller.traceparent, now):
        exposure.take_in(tx, context, order, now)
        book_intake(tx, context, order, now)
        _send_or_hold(tx, context, order, caller.traceparent, now)
        row = OrderRow(order, caller.traceparent)
        insert_order(tx, row, now, promised=promised_date(order), is_proven=_is_proven(caller))
    insert_request(tx, key, order.id, settled=True, now=now)
    note(tx, caller, "SubmitOrder", order.id, now)
    return order


def take_in_again(tx: Transaction, context: OrderContext, row: OrderRow, now: datetime) -> None:
    """Stores an order again that this region had sent to its home, and lost: as it was sent, with its bookings."""
    order = row.order
    book_intake(tx, context, order, now)
    insert_order(tx, row, now, promised=promised_date(order))
    remember_again(tx, order.operator, order.id, order.request.SerializeToString(deterministic=True), now)


def reroute(tx: Transaction, context: OrderContext, order_id: str, moved_to: str, now: datetime) -> None:
    """Seals an order anew for another region, after a signed MOVED of the region it was sealed for."""
    row = find_order(tx, order_id)
    if row is None:  # made unreadable since
        return
    row.order.home_region = moved_to
    if moved_to == context.node.region:
        _decide_taken_in(tx, context, row, now)
        return
    _forget_former_home(tx, row.order)
    _send_or_hold(tx, context, row.order, row.traceparent, now)
    update_order(tx, row.order, now)


def release(tx: Transaction, context: OrderContext, order_id: str, now: datetime) -> None:
    """Checks a held order again: sends it home if its region is known and can be reached."""
    row = require_order(tx, order_id)
    order = row.order
    if order.state != rules.HELD:
        return
    owner = owner_of(context.node.federation, order.request)
    before = Order()
    before.CopyFrom(order)
    order.home_region = owner or ""
    if owner == context.node.region:
        _decide_taken_in(tx, context, row, now)
        return
    _forget_former_home(tx, order)
    _send_or_hold(tx, context, order, row.traceparent, now)
    if order.state != before.state or order.error != before.error:
        update_order(tx, order, now)


def hold_is_over(tx: Transaction, context: OrderContext, timer: Timer, now: datetime) -> None:
    """The obstacle was not removed in time (TMF622: held, cannot be solved): cancelled, since it never left."""
    row = find_order(tx, timer.subject)
    if row is None or row.order.state != rules.HELD:  # without a row, it was made unreadable since
        return
    order, before = row.order, Order()
    before.CopyFrom(order)
    rules.note_error(order, Refused(Reason.REASON_ORDER_EXPIRED))
    rules.cancel(order, reason="not executable in time", now=now, region=context.node.region)
    close_books(tx, context, before, order, now)
    update_order(tx, order, now)


def unhold(tx: Transaction, order: Order) -> None:
    """Ends the wait for an obstacle, before the order leaves the state HELD."""
    if order.state == rules.HELD:
        cancel_timer(tx, f"{HELD_TIMER}/{order.id}")


def submission_id(order: Order) -> str:
    """The envelope id of an order's submission to its home region."""
    return f"{order.id}#submit>{order.home_region}"


def _require_few_unknown(
    tx: Transaction, node: RegionContext, caller: Submitter, request: OrderRequest, now: datetime
) -> None:
    """Raises Refused as `require_few_unknown`. The home of another region's number counts itself."""
    # The cheap question first: most hours have no unknown number.
    if isinstance(caller, OwnNode) or not node.unknown_numbers.is_named(node.region):
        return
    if node.federation.number_plan.home_of(request.number) != node.region:
        return
    shown = Shown(caller.subject(node.region), request.number, request.documents)
    require_few_unknown(tx, node, Dealer(node.region, caller.operator, request.requester.staff_id), shown, now)


def _require_first_person(
    tx: Transaction, context: OrderContext, caller: Submitter, order: Order, now: datetime
) -> None:
    """Raises Refused with STAFF_NOT_PROVEN for an order that staff here review and nobody proven has taken in.

    A name that the scope of an operator system lets it give is no first person of four eyes: its bearer may be the
    second one. A customer who acts alone is, by a code or a password, as where no such name counts.
    """
    if order.home_region == context.node.region and not isinstance(caller, OwnNode) and not _is_proven(caller):
        _require_no_given_name(tx, context, order, now)


def _is_proven(caller: Submitter) -> bool:
    """Whether a member of staff has proven to act: by a certificate, or behind an operator system."""
    return not isinstance(caller, OwnNode) and (bool(caller.proof) or caller.identity.role == Role.ROLE_STAFF)


def _require_no_given_name(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> None:
    """As `_require_first_person`, of an order without a proof."""
    node, request = context.node, order.request
    if not node.scopes.names_staff(order.operator):
        return
    is_alone = request.requester.staff_id == SELF_SERVICE and is_customers_word(request.documents)
    is_reviewed = Step.STEP_REVIEW in node.federation.business(request.business).steps
    if not is_alone and (is_reviewed or exposure.beyond_limit(tx, context, order, now) is not None):
        problem, chinese = (
            "a proven one takes in what a second one reviews",
            "须经他人审核的订单须由身份经证明的员工受理",
        )
        raise not_proven(f"{node.region}/{order.operator}", problem, chinese)


def _new_order(
    context: OrderContext, caller: Submitter, request: OrderRequest, checked: Checked, now: datetime
) -> Order:
    order = Order(
        id=caller.subject(context.node.region),
        request=request,
        origin_region=context.node.region,
        operator=caller.operator,
        home_region=checked.owner or "",
        create_time=to_timestamp(now),
    )
    business = context.node.federation.business(request.business)
    regions = (context.node.region, checked.owner or context.node.region)
    begins = _begins(context, business, checked, now)
    order.expected_completion_time.CopyFrom(to_timestamp(context.node.federation.promised(business, begins, regions)))
    rules.enter(order, rules.ACKNOWLEDGED, now=now, region=context.node.region, reason="taken in")
    return order


def _begins(context: OrderContext, business: Business, checked: Checked, now: datetime) -> datetime:
    """From when the promise counts: an agreed start, the next cycle, or now."""
    start = checked.values.get("start")
    if Step.STEP_AGREED_TIME in business.steps and isinstance(start, datetime):
        return max(start, now)
    if Step.STEP_NEXT_CYCLE in business.steps:
        region = context.node.federation.region(checked.owner or context.node.region)
        return next_cycle(now.astimezone(ZoneInfo(region.time_zone)), region.time_zone)
    return now


def _decide_here(tx: Transaction, context: OrderContext, order: Order, traceparent: str, now: datetime) -> bool:
    """Decides an order of this region's own customer; False, with the home, for one who has just moved away."""
    try:
        home.decide(tx, context, order, now)
    except Moved as moved:
        order.home_region = moved.region
        return False
    except Refused as refused:
        home.refuse(tx, context, order, lasting(refused), now)
    insert_order(tx, OrderRow(order, traceparent), now, promised=promised_date(order))
    return True


def _decide_taken_in(tx: Transaction, context: OrderContext, row: OrderRow, now: datetime) -> None:
    """Decides an order that turns out to be about an own customer, and reverses its bookings for another region's."""
    order, before = row.order, Order()
    before.CopyFrom(order)
    order.ClearField("error")
    rules.enter(order, rules.ACKNOWLEDGED, now=now, region=context.node.region, reason="released")
    try:
        if not is_proven_intake(tx, order.id):
            _require_no_given_name(tx, context, order, now)
        home.decide(tx, context, order, now, is_taken_in=True)
    except Refused as refused:
        if refused.reason in _ON_THE_WAY:
            _hold_on_the_way(tx, context, before, refused, now)
            return
        home.refuse(tx, context, order, lasting(refused), now)
    except Moved:
        moving = Refused(Reason.REASON_CUSTOMER_MOVING)
        _hold_on_the_way(tx, context, before, moving, now)
        return
    unhold(tx, before)
    take_back(tx, context, order, now)
    update_order(tx, order, now)


def _hold_on_the_way(tx: Transaction, context: OrderContext, order: Order, refused: Refused, now: datetime) -> None:
    """Holds an order whose number is on its way here, or away: this region has not its line, or is not to use it.

    The end of the move, or the new plan, has it looked at again. One that is held for the same reason stays as it is.
    """
    if order.state == rules.HELD and order.error.reason == refused.reason:
        return
    order.home_region = ""
    _hold(tx, context, order, Obstacle(refused, "finish the move"), now)
    update_order(tx, order, now)


def _forget_former_home(tx: Transaction, order: Order) -> None:
    """Forgets the former home, which answers MOVED forever: an order whose number returned to it has to be held."""
    if order.home_region and is_answered(tx, submission_id(order)):
        order.home_region = ""


def _send_or_hold(tx: Transaction, context: OrderContext, order: Order, traceparent: str, now: datetime) -> None:
    """Seals the submission for its home region, or holds it with the obstacle."""
    obstacle = _obstacle(context, order)
    if obstacle is not None:
        _hold(tx, context, order, obstacle, now)
        return
    unhold(tx, order)
    order.ClearField("error")
    rules.enter(order, rules.ACKNOWLEDGED, now=now, region=context.node.region, reason="released")
    due = from_timestamp(order.expected_completion_time)
    rules.wait_for(order, Party.PARTY_HOME_REGION, "decide", now=now, due=due)
    outgoing = OutgoingEnvelope(
        envelope_id=submission_id(order),
        destination=order.home_region,
        kind=EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT,
        payload=OrderSubmission(order=order).SerializeToString(),
        subject=order.id,
        operator=order.operator,
        lifetime=_expires(context, order) - now,
        bulk=order.request.bulk,
    )
    send(tx, context.node.border, outgoing, now=now, traceparent=traceparent)


def _hold(tx: Transaction, context: OrderContext, order: Order, obstacle: Obstacle, now: datetime) -> None:
    expires = _expires(context, order)
    rules.note_error(order, obstacle.refused)
    rules.enter(order, rules.HELD, now=now, region=context.node.region, reason="no way home")
    rules.wait_for(order, Party.PARTY_FEDERATION, obstacle.remedy, now=now, due=expires)
    set_timer(tx, f"{HELD_TIMER}/{order.id}", kind=HELD_TIMER, subject=order.id, due=expires)


def _expires(context: OrderContext, order: Order) -> datetime:
    """When an order can no longer be carried out."""
    business = context.node.federation.business(order.request.business)
    return from_timestamp(order.create_time) + business.executable_within.ToTimedelta()


def _obstacle(context: OrderContext, order: Order) -> Obstacle | None:
    if not order.home_region:
        number = number_prefix(order.request.number)
        return Obstacle(Refused(Reason.REASON_NUMBER_UNRESOLVED, number=number), "extend the number plan")
    state = context.node.border.current.state().member_state(order.home_region)
    if state == MemberState.MEMBER_STATE_ABSENT:
        return Obstacle(Refused(Reason.REASON_REGION_NOT_JOINED, region=order.home_region), "join")
    if state == MemberState.MEMBER_STATE_SUSPENDED:
        return Obstacle(Refused(Reason.REASON_REGION_SUSPENDED, region=order.home_region), "reinstate")
    return None
