"""Request, confirmation and cancellation of a move, at the old home. One transaction each."""

from datetime import datetime, timedelta

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver, CustomerMove, MovedConsent
from gateway.api.region.v1.sharing_service_pb2 import Grant
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.envelopes import CONTENT_LIMIT, OutgoingEnvelope
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from gateway.store.timers import Timer, cancel_timer, set_timer
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.billing.charging import final_charges
from region_node.business.joint.rows import open_joint_orders
from region_node.business.joint.saga import told_open
from region_node.business.orders.rules import has_orders
from region_node.care.complaints import moved as complaints
from region_node.care.surveys.moving import surveys_to_move
from region_node.customers import status
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import balance_of
from region_node.customers.contact_preferences import preferences_of
from region_node.customers.documents import moved as documents
from region_node.customers.events import enter_status
from region_node.customers.messages import customer_message
from region_node.customers.moved_numbers import home_since_move
from region_node.customers.operations import own_line
from region_node.customers.other_contacts.rows import other_contacts
from region_node.customers.preconditions import require_not_promised
from region_node.customers.rows import Line, find_customer, lines_of_customer
from region_node.customers.sharing.rows import grants_page
from region_node.customers.subscriptions import subscriptions_of
from region_node.lifecycle.customers import customer_of
from region_node.lifecycle.holds.operations import require_no_hold
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.rows import find_move, keep_move, note_assignments, open_move
from region_node.lifecycle.registry import Registry
from region_node.network.agreements import moved as agreements
from region_node.node.context import RegionContext

CONFIRMATION_TIMER = "move-confirmation"
_LIFETIME = timedelta(days=3650)  # a customer on the way does not expire
_MOST_GRANTS = 1_000  # far more than one line has readers and purposes
_LARGEST = CONTENT_LIMIT - 4096  # bytes of a hand-over, beside what the envelope has of its own
# Lines in service and balances move, and complaints go on where they are; an erasure needs the end of each.
_ALLOWED = frozenset({"customer", "account", "complaint", "move"})


def start(tx: Transaction, registry: Registry, asked: CustomerMove, number: str, now: datetime) -> CustomerMove:
    """Requests a move; a repeated request returns the move as it is. `asked` has id, new home and lines.

    Raises Refused, or Moved where the number belongs to another region, before the first write.
    """
    context = registry.context
    known = find_move(tx, asked.id)
    if known is not None:
        return known
    line = own_line(tx, context.federation, context.region, number, asking=context.region)
    move = CustomerMove(
        id=asked.id,
        customer_id=line.customer_id,
        from_region=context.region,
        to_region=asked.to_region,
        lines=asked.lines,
        state=rules.REQUESTED,
        create_time=to_timestamp(now),
        change_time=to_timestamp(now),
    )
    _require_region(registry, asked.to_region)
    _content(tx, registry, move, _require_movable(tx, registry, move, now))  # too much for one hand-over: said at once
    if (other := open_move(tx, line.customer_id)) is not None:
        raise Refused(Reason.REASON_MOVE_UNDER_WAY, move=other)
    keep_move(tx, move, line.customer_id)
    set_timer(tx, _timer(move.id), kind=CONFIRMATION_TIMER, subject=move.id, due=now + rules.CONFIRMED_WITHIN)
    failpoints.reach("move-requested.before-commit")
    return move


def confirm(tx: Transaction, registry: Registry, move_id: str, now: datetime, traceparent: str) -> CustomerMove:
    """Freezes the customer and hands it over to the new home. A repeat changes nothing. Raises Refused.

    From this commit on nobody can cancel: the new home may have taken the customer before anybody could tell it.
    """
    move = require_move(tx, move_id)
    if move.state in (rules.MOVING, rules.MOVED):
        return move
    rules.enter(move, rules.MOVING)
    _require_region(registry, move.to_region)
    lines = _require_movable(tx, registry, move, now)
    move.change_time.CopyFrom(to_timestamp(now))
    told = _content(tx, registry, move, lines)
    enter_status(tx, move.customer_id, status.MOVING, now)
    cancel_timer(tx, _timer(move.id))
    keep_move(tx, move, move.customer_id)
    note_assignments(tx, move, move.customer_id, registry.context.federation)
    outgoing = OutgoingEnvelope(
        envelope_id=rules.hand_over_id(move.id, move.to_region),
        destination=move.to_region,
        kind=EnvelopeKind.ENVELOPE_KIND_CUSTOMER_HAND_OVER,
        payload=told.SerializeToString(),
        subject=move.id,
        operator="",
        lifetime=_LIFETIME,
    )
    send(tx, registry.context.border, outgoing, now=now, traceparent=traceparent)
    failpoints.reach("move-confirmed.before-commit")
    return move


def cancel(tx: Transaction, move_id: str, now: datetime) -> CustomerMove:
    """Cancels a move that is not confirmed. A repeat changes nothing. Raises Refused."""
    move = require_move(tx, move_id)
    if move.state == rules.CANCELLED:
        return move
    rules.enter(move, rules.CANCELLED)
    move.change_time.CopyFrom(to_timestamp(now))
    cancel_timer(tx, _timer(move.id))
    keep_move(tx, move, move.customer_id)
    return move


def confirmation_is_overdue(tx: Transaction, timer: Timer, now: datetime) -> None:
    """The customer has not confirmed in time: cancelled."""
    move = find_move(tx, timer.subject)
    if move is not None and move.state == rules.REQUESTED:
        cancel(tx, move.id, now)


def require_move(tx: Transaction, move_id: str) -> CustomerMove:
    """The move with an id. Raises Refused with MOVE_NOT_FOUND."""
    move = find_move(tx, move_id)
    if move is None:
        raise Refused(Reason.REASON_MOVE_NOT_FOUND, move=move_id)
    return move


def require_customer(move: CustomerMove, line: Line) -> None:
    """Raises Refused with MOVE_NOT_FOUND unless the line is of the customer who moves."""
    if line.customer_id != move.customer_id:
        raise Refused(Reason.REASON_MOVE_NOT_FOUND, move=move.id)


def _require_region(registry: Registry, region: str) -> None:
    """Raises Refused unless a customer of this region can move to another one."""
    context = registry.context
    other = context.federation.region(region)
    state = context.border.current.state().member_state(region)
    if region == context.region:
        raise Refused(Reason.REASON_MOVE_REGION_INVALID, region=region, problem="it is the home already")
    if state == MemberState.MEMBER_STATE_SUSPENDED:
        raise Refused(Reason.REASON_REGION_SUSPENDED, region=region)
    if state != MemberState.MEMBER_STATE_JOINED:
        raise Refused(Reason.REASON_REGION_NOT_JOINED, region=region)
    if other.currency != context.currency:
        raise Refused(Reason.REASON_MOVE_REGION_INVALID, region=region, problem=f"its currency is {other.currency}")


def _require_movable(tx: Transaction, registry: Registry, move: CustomerMove, now: datetime) -> list[Line]:
    """The lines that move. Raises Refused for the first obstacle.

    An open order ends where it is, also one of several regions. A customer under a legal hold stays. A former move has
    to be in the number plan: only the home that it names can give a number away.
    """
    context = registry.context
    status.require_readable(tx, move.customer_id)
    # A terminated line stays, with its bills.
    lines = [each for each in lines_of_customer(tx, move.customer_id) if not each.is_closed]
    rules.require_lines({each.number: each.is_mobile for each in lines}, move.lines, context.federation, move.to_region)
    for line in lines:
        require_not_promised(line)
    shared = [each for line in lines for each in open_joint_orders(tx, line.number)]
    if shared:
        raise has_orders(len(shared), [told_open(each) for each in shared])
    for line in lines:
        is_planned = context.federation.number_plan.home_of(line.number) == context.region
        if not is_planned or home_since_move(tx, context.federation, line.number) is not None:
            raise Refused(Reason.REASON_NOT_HOME, region=context.region)
    customer = customer_of(tx, context, move.customer_id)
    for kind in registry.kinds:
        if kind.name not in _ALLOWED:
            kind.erasure.require_erasable(tx, context, customer)
    require_no_hold(tx, move.customer_id, now)
    return lines


def _content(tx: Transaction, registry: Registry, move: CustomerMove, lines: list[Line]) -> CustomerHandOver:
    customer = find_customer(tx, move.customer_id)
    if customer is None:
        raise ValueError(f"move {move.id} has no customer")
    told, seen = CustomerHandOver(move=move, preferences=preferences_of(tx, move.customer_id)), set[str]()
    at, contacts = from_timestamp(move.change_time), other_contacts(tx, move.customer_id)
    for line in lines:
        owed = 0 if line.account_id in seen else _closing_balance(tx, registry.context, line, at)
        seen.add(line.account_id)
        balance = Money(minor_units=owed, currency=registry.context.currency)
        subscriptions = subscriptions_of(tx, line.product_id)
        told.customers.append(customer_message(customer, line, subscriptions, balance, contacts))
        told.consents.extend(_consents(tx, line, at))
        told.complaints.extend(complaints.to_hand_over(tx, line.number))
        told.agreements.extend(agreements.to_hand_over(tx, line.product_id, at))
    told.documents.extend(documents.to_hand_over(tx, move.customer_id))
    told.surveys.extend(surveys_to_move(tx, move.customer_id, [each.number for each in lines]))
    if (size := told.ByteSize()) > _LARGEST:
        raise Refused(Reason.REASON_MOVE_TOO_LARGE, size=str(size), limit=str(_LARGEST))
    return told


def _closing_balance(tx: Transaction, context: RegionContext, line: Line, at: datetime) -> int:
    """The balance of the account of a line after its last charges here, in minor units."""
    charges = final_charges(tx, context.federation, context.time_zone, line, at)
    return ledger.balance(tx, line.account_id) + balance_of(line.account_id, charges)


def _consents(tx: Transaction, line: Line, at: datetime) -> list[MovedConsent]:
    """The newest decision about each reader and purpose, and one that waits; unless withdrawn. Oldest first."""
    found = [each for each in grants_page(tx, line, 0, _MOST_GRANTS, now=at) if each.is_newest]
    told = []
    for each in reversed(found):
        decided = each.decided
        if decided.withdrawn is not None:
            continue
        grant = Grant(
            id=decided.grant_id,
            reader=decided.reader,
            purpose=decided.purpose,
            fields=sorted(decided.fields),
            start_time=to_timestamp(decided.start),
            end_time=None if decided.end is None else to_timestamp(decided.end),
            record_time=to_timestamp(each.recorded),
            evidence=each.evidence,
            text_version=decided.text_version,
        )
        moved = MovedConsent(number=line.number, grant=grant, granted=decided.granted)
        if decided.attested is not None:
            moved.attested_start_time.CopyFrom(to_timestamp(decided.attested))
        told.append(moved)
    return told


def _timer(move_id: str) -> str:
    return f"{CONFIRMATION_TIMER}/{move_id}"
