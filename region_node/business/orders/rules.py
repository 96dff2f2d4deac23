"""The life cycle of an order (TMF622 ProductOrder) and the checks of a request. Pure.

The home region owns an order and takes it through TRANSITIONS. Before its first decision (version 0) the origin
region's state is provisional and follows INTAKE_TRANSITIONS.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.api.federation.v1.configuration_pb2 import (
    Business,
    CharacteristicSpecification,
    LineKind,
    Mode,
    Plan,
    Reach,
    Step,
    ValueType,
)
from gateway.api.region.v1.order_pb2 import (
    Order,
    OrderRequest,
    OrderState,
    Party,
)
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, LocalizedText
from gateway.errors import Refused, invalid, listed
from gateway.federation.documents import is_ordered_by_nodes
from gateway.federation.numberplan import normalize
from gateway.federation.prepared import PreparedBusiness
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.values.lists import joined, one_of
from gateway.values.money import in_major_units
from gateway.values.names import camel_case
from gateway.values.requesters import is_same_person
from gateway.values.state_words import chinese_word
from region_node.node.rules import OF_STAFF
from region_node.requests.checks import NODE_OPERATOR, TEXT_LIMIT, error_of

ACKNOWLEDGED = OrderState.ORDER_STATE_ACKNOWLEDGED
REJECTED = OrderState.ORDER_STATE_REJECTED
PENDING = OrderState.ORDER_STATE_PENDING
HELD = OrderState.ORDER_STATE_HELD
IN_PROGRESS = OrderState.ORDER_STATE_IN_PROGRESS
CANCELLED = OrderState.ORDER_STATE_CANCELLED
RETURNED = "review returned"
"""The reason of a state change by which a review returns an order."""
REVIEW: Final = "review"
"""An action that an order waits for: a decision of the home region's staff."""
FULFIL: Final = "fulfil"
"""As REVIEW, after the region's own system has refused the work."""
UNDO: Final = "undo"
"""As REVIEW, after that system has refused to undo the work; of the home region before."""
ADJUST: Final = "adjust"
"""As REVIEW, after the customer has not accepted the work."""
VERIFY: Final = "verify"
"""The customer's own proof of what another region attests by papers alone."""
COMPLETED = OrderState.ORDER_STATE_COMPLETED
FAILED = OrderState.ORDER_STATE_FAILED
PARTIAL = OrderState.ORDER_STATE_PARTIAL
ASSESSING_CANCELLATION = OrderState.ORDER_STATE_ASSESSING_CANCELLATION
PENDING_CANCELLATION = OrderState.ORDER_STATE_PENDING_CANCELLATION

WITHOUT_EFFECT = frozenset({REJECTED, CANCELLED, FAILED})
FINAL = WITHOUT_EFFECT | {COMPLETED, PARTIAL}

# TMF622 lifecycle diagram. `rejected` is entered only at the start.
TRANSITIONS: Mapping[OrderState.ValueType, frozenset[OrderState.ValueType]] = {
    ACKNOWLEDGED: frozenset({IN_PROGRESS, PENDING}),
    IN_PROGRESS: frozenset({PENDING, HELD, ASSESSING_CANCELLATION, COMPLETED, FAILED, PARTIAL}),
    PENDING: frozenset({IN_PROGRESS, CANCELLED, ASSESSING_CANCELLATION}),
    HELD: frozenset({IN_PROGRESS, CANCELLED, ASSESSING_CANCELLATION}),
    ASSESSING_CANCELLATION: frozenset({PENDING_CANCELLATION, IN_PROGRESS, PENDING, HELD}),
    PENDING_CANCELLATION: frozenset({CANCELLED}),
}

# The origin region's transitions before the home region's decision. The order may wait for the region, and may be
# withdrawn if it never left. A rejection arrives only after the acknowledgement.
INTAKE_TRANSITIONS: Mapping[OrderState.ValueType, frozenset[OrderState.ValueType]] = {
    ACKNOWLEDGED: frozenset({HELD, REJECTED, CANCELLED, ASSESSING_CANCELLATION}),
    HELD: frozenset({ACKNOWLEDGED, REJECTED, CANCELLED}),
    ASSESSING_CANCELLATION: frozenset({ACKNOWLEDGED, REJECTED, CANCELLED}),
}

EXPEDITE_INTERVAL = timedelta(hours=1)  # one reminder an hour: more would bury the home region's staff
NOTE_LIMIT = 1000  # characters of a note
LARGEST_AMOUNT = 10**12  # minor units: sums of such amounts stay exact in every store
MOST_NAMED = 5  # open orders of a customer that a refusal names
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)
_YEARS = range(1970, 3000)  # of a time: far from the ends of the calendar, where promises cannot be reckoned

Value = str | int | datetime


def is_final(order: Order) -> bool:
    """Whether the order is in a final state."""
    return order.state in FINAL


def wants_same(first: Order, other: Order) -> bool:
    """Whether two versions of an order want the same business done, for the same number."""
    one, another = first.request, other.request
    return (one.business, one.number, one.characteristics) == (
        another.business,
        another.number,
        another.characteristics,
    )


def is_fulfilled(order: Order) -> bool:
    """Whether its effect has happened, though the customer may not have accepted it yet."""
    return Step.STEP_FULFIL in order.steps[: order.steps_done]


def state_name(state: OrderState.ValueType) -> str:
    """The TMF622 name, for example `inProgress`."""
    return camel_case(OrderState.DESCRIPTOR, state)


def enter(order: Order, state: OrderState.ValueType, *, now: datetime, region: str, reason: str) -> None:
    """Moves the order into a state and notes it; entering its current state changes nothing.

    Raises ValueError for a transition that TMF622 does not allow: a defect, since callers check first.
    """
    if state == order.state:
        return
    before = order.state
    is_allowed = state in TRANSITIONS.get(before, ()) or (
        order.version == 0 and state in INTAKE_TRANSITIONS.get(before, ())
    )
    if before and not is_allowed:
        raise ValueError(f"an order does not go from {state_name(before)} to {state_name(state)}")
    if before == ASSESSING_CANCELLATION and state not in (PENDING_CANCELLATION, CANCELLED):
        order.ClearField("cancellation_reason")
    order.state = state
    time = to_timestamp(now)
    order.state_changes.add(state=state, time=time, region=region, reason=reason)
    if state in FINAL:
        order.ClearField("awaiting")
    if state == COMPLETED:
        order.completion_time.CopyFrom(time)
    if state == CANCELLED:
        order.cancellation_time.CopyFrom(time)


def wait_for(order: Order, party: Party.ValueType, action: str, *, now: datetime, due: datetime) -> None:
    """Gives the ball to a party: it must do `action` by `due`."""
    awaiting = order.awaiting
    awaiting.party, awaiting.action = party, action
    awaiting.since_time.CopyFrom(to_timestamp(now))
    awaiting.due_time.CopyFrom(to_timestamp(due))


def note_error(order: Order, refused: Refused) -> None:
    """Keeps why the order did not go through."""
    order.error.CopyFrom(error_of(refused))


def cancel(order: Order, *, reason: str, now: datetime, region: str) -> None:
    """Grants a cancellation: every order can be cancelled until its effect has happened.

    Raises Refused with ORDER_TOO_LATE_TO_CANCEL for a fulfilled order, and a final one other than a cancelled one.
    """
    if order.state == CANCELLED:
        return
    if order.version == 0:
        _require_cancellable(order)
        order.cancellation_reason = reason
        enter(order, CANCELLED, now=now, region=region, reason="cancelled before it was sent")
        return
    grant_cancellation(order, reason=reason, now=now, region=region)
    enter(order, CANCELLED, now=now, region=region, reason="no effect had happened")


def grant_cancellation(order: Order, *, reason: str, now: datetime, region: str) -> None:
    """Grants a cancellation before its execution. Raises Refused as `cancel`."""
    _require_cancellable(order)
    request_cancellation(order, reason=reason, now=now, region=region)
    enter(order, PENDING_CANCELLATION, now=now, region=region, reason="cancellation granted")


def request_cancellation(order: Order, *, reason: str, now: datetime, region: str) -> None:
    """Notes a cancellation that nobody has decided on. Its reason goes with it where it is not granted."""
    order.cancellation_reason = reason
    enter(order, ASSESSING_CANCELLATION, now=now, region=region, reason="cancellation requested")


def _require_cancellable(order: Order) -> None:
    if is_final(order) or is_fulfilled(order):
        raise Refused(Reason.REASON_ORDER_TOO_LATE_TO_CANCEL, state=state_name(order.state))


def is_handled_by(order: Order, operator: str) -> bool:
    """Whether a caller of the origin region goes on with an order: who submitted it, and for staff any staff.

    People at a counter change shifts, and the customer comes back.
    """
    return order.operator == operator or (order.operator.startswith(OF_STAFF) and operator.startswith(OF_STAFF))


def commands_of(order: Order, region: str, operator: str) -> Sequence[str]:
    """The commands that a caller of a region can give on an order as it is: names of fields of `OrderCommand`.

    A code or password that an order waits for comes by a supplement, too, which is none of them.
    """
    if order.origin_region != region or not is_handled_by(order, operator) or is_final(order):
        return ()
    answers = {"supplement": "supplement", "confirm": "confirm", "accept": "confirm"}
    answer = answers.get(order.awaiting.action)
    found = [answer] if answer is not None else []
    if order.version:
        found.append("expedite")
    if not is_fulfilled(order) and order.state not in (ASSESSING_CANCELLATION, PENDING_CANCELLATION):
        found.append("cancel")
    return found


def require_awaiting(order: Order, action: str) -> None:
    """Raises Refused with ORDER_STATE_FORBIDS unless the order waits for this very action."""
    if is_final(order) or order.awaiting.action != action:
        raise Refused(Reason.REASON_ORDER_STATE_FORBIDS, state=state_name(order.state), action=action)


def is_work_of(order: Order, region: str) -> bool:
    """Whether the staff of a region have to do the next step of the order."""
    return order.home_region == region and order.awaiting.party == Party.PARTY_HOME_STAFF and not is_final(order)


def decisions_of(order: Order) -> Sequence[ReviewDecision.ValueType]:
    """The decisions that the home region's staff can make on the order; none where it does not wait for them.

    Staff may also speak for a customer whose proof is awaited.
    """
    approve, reject = ReviewDecision.REVIEW_DECISION_APPROVE, ReviewDecision.REVIEW_DECISION_REJECT
    possible: Mapping[str, Sequence[ReviewDecision.ValueType]] = {
        REVIEW: (approve, ReviewDecision.REVIEW_DECISION_RETURN, reject),
        FULFIL: (approve, reject),
        UNDO: (approve, reject) if order.awaiting.party == Party.PARTY_HOME_STAFF else (),
        ADJUST: (approve,),
        VERIFY: (approve, reject),
    }
    return () if is_final(order) else possible.get(order.awaiting.action, ())


def require_decision(order: Order, decision: ReviewDecision.ValueType) -> None:
    """Raises Refused with ORDER_STATE_FORBIDS where the order does not wait for this decision of staff."""
    if decision not in decisions_of(order):
        raise Refused(Reason.REASON_ORDER_STATE_FORBIDS, state=state_name(order.state), action=REVIEW)


def expedite(order: Order, staff_id: str, now: datetime) -> None:
    """Notes a reminder (催单). Raises Refused for a final order, and within an hour of the last reminder."""
    if is_final(order):
        raise Refused(Reason.REASON_ORDER_STATE_FORBIDS, state=state_name(order.state), action="expedite")
    if order.expedites and now - from_timestamp(order.expedites[-1].time) < EXPEDITE_INTERVAL:
        raise Refused(Reason.REASON_EXPEDITED_RECENTLY)
    order.expedites.add(time=to_timestamp(now), staff_id=staff_id)


def has_orders(count: int, named: Sequence[LocalizedText]) -> Refused:
    """The refusal for a customer with open orders: how many, and the first few with their states and whom to ask."""
    return Refused(Reason.REASON_CUSTOMER_HAS_ORDERS, orders=str(count), **listed(order=named[:MOST_NAMED]))


def told_order(order_id: str, state: str, items: Iterable[str | LocalizedText]) -> LocalizedText:
    """An order with its state, the action that it waits for where there is one, and the regions to ask."""
    told = joined([LocalizedText(zh_cn=chinese_word(state), en=state), *items])
    return LocalizedText(zh_cn=f"{order_id}（{told.zh_cn}）", en=f"{order_id} ({told.en})")


def had_part(order: Order, region: str, person: str) -> bool:
    """Whether a person of a region has submitted the order, or a paper.

    A document on file was verified for an earlier business.
    """
    papers = (each.verifier for each in order.request.documents if not each.document_id)
    named = (order.request.requester.staff_id, *papers)
    return order.origin_region == region and any(is_same_person(person, each) for each in named)


def require_other_reviewer(order: Order, reviewer_region: str, reviewer: str) -> None:
    """Four eyes: raises Refused with REVIEWER_IS_SUBMITTER where the reviewer `had_part`."""
    if had_part(order, reviewer_region, reviewer):
        raise Refused(Reason.REASON_REVIEWER_IS_SUBMITTER)


def steps_after(order: Order) -> Sequence[Step.ValueType]:
    """The steps that the order still has before it."""
    return order.steps[order.steps_done :]


def takes_orders(business: Business) -> bool:
    """Whether people order the business for a customer: it is no query, and no work of nodes."""
    return (bool(business.steps) or is_joint(business)) and not is_ordered_by_nodes(business)


def is_joint(business: Business) -> bool:
    """Whether several regions do the business together."""
    return business.mode == Mode.MODE_JOINT


def require_joint(business: Business, *, joint: bool) -> None:
    """Raises Refused with BUSINESS_IS_JOINT, or BUSINESS_NOT_JOINT, for a business of the other kind of order.

    Raises Refused for a query, too.
    """
    if is_joint(business) != joint:
        other = Reason.REASON_BUSINESS_NOT_JOINT if joint else Reason.REASON_BUSINESS_IS_JOINT
        raise Refused(other, business=business.code)
    if not (joint or business.steps):
        raise invalid("business", "it is a query, not an order", "为查询业务，不是订单")


def line_kind(plan: Plan) -> LineKind.ValueType:
    """The kind of the lines that a plan is for."""
    return plan.line_kind or LineKind.LINE_KIND_MOBILE


def require_offered(business: Business, *, at_home: bool) -> None:
    """Raises Refused with BUSINESS_NOT_OFFERED where the catalogue keeps the business at home."""
    if business.reach == Reach.REACH_HOME and not at_home:
        raise not_offered(business)


def not_offered(business: Business) -> Refused:
    """The refusal of a business that the catalogue keeps at home, with the catalogue's reason in both languages."""
    return Refused(
        Reason.REASON_BUSINESS_NOT_OFFERED,
        business=business.code,
        note_zh_cn=business.reach_note.zh_cn,
        note_en=business.reach_note.en,
    )


def require_applicant(request: OrderRequest, operator: str) -> None:
    """Raises Refused with APPLICANT_NOT_ALLOWED unless nodes apply as a region, and nobody else does."""
    if (request.applicant == Applicant.APPLICANT_REGION) != (operator == NODE_OPERATOR):
        raise Refused(Reason.REASON_APPLICANT_NOT_ALLOWED, business=request.business)


def read_characteristics(business: PreparedBusiness, request: OrderRequest) -> dict[str, Value]:
    """The request's characteristics as typed values: text, instant in UTC, whole amount, or plan id.

    Raises Refused with CHARACTERISTIC_MISSING or CHARACTERISTIC_INVALID.
    """
    known, characteristics = business.characteristics, request.characteristics
    for name in characteristics:
        if name not in known:
            raise characteristic_invalid(name, f"{business.code} has none such", f"{business.code}没有此项")
    values: dict[str, Value] = {}
    for name, specification in known.items():
        written = characteristics.get(name, "")
        if written:
            values[name] = _READERS.get(specification.value_type, _text)(specification, written)
        elif specification.required:
            raise Refused(Reason.REASON_CHARACTERISTIC_MISSING, business=business.code, name=name)
    return values


def require_amounts(
    business: PreparedBusiness, values: Mapping[str, Value], most: Callable[[str], int], currency: str
) -> None:
    """Raises Refused with AMOUNT_TOO_HIGH for an amount above its policy in the catalogue.

    `most` returns the figure of a policy, in minor units.
    """
    for name, policy in business.bounded_amounts:
        amount = values.get(name)
        if isinstance(amount, int) and amount > (bound := most(policy)):
            raise Refused(Reason.REASON_AMOUNT_TOO_HIGH, amount=in_major_units(bound, currency))


def characteristic_invalid(name: str, problem: str, problem_zh_cn: str) -> Refused:
    """CHARACTERISTIC_INVALID for a characteristic, with the problem in both languages."""
    return Refused(Reason.REASON_CHARACTERISTIC_INVALID, name=name, problem=problem, problem_zh_cn=problem_zh_cn)


def _text(specification: CharacteristicSpecification, written: str) -> str:
    if len(written) > TEXT_LIMIT:
        raise characteristic_invalid(
            specification.name, f"longer than {TEXT_LIMIT} characters", f"超过{TEXT_LIMIT}个字符"
        )
    return written


def _choice(specification: CharacteristicSpecification, written: str) -> str:
    if _text(specification, written) not in specification.choices:
        raise characteristic_invalid(specification.name, *one_of(specification.choices))
    return written


def _month(specification: CharacteristicSpecification, written: str) -> str:
    if not _MONTH.fullmatch(_text(specification, written)):
        raise characteristic_invalid(specification.name, "not YYYY-MM", "须为YYYY-MM格式的月份")
    return written


def _number(specification: CharacteristicSpecification, written: str) -> str:
    if normalize(_text(specification, written)) != written:
        raise characteristic_invalid(specification.name, "not in E.164 with the plus sign", "须为带加号的E.164号码")
    return written


def _amount(specification: CharacteristicSpecification, written: str) -> int:
    is_short = written.isascii() and written.isdigit() and len(written) <= len(str(LARGEST_AMOUNT))
    if not is_short or not 0 < int(written) <= LARGEST_AMOUNT:
        raise characteristic_invalid(
            specification.name, "not a positive whole number of minor units", "须为正整数，以最小货币单位计"
        )
    return int(written)


def _instant(specification: CharacteristicSpecification, written: str) -> datetime:
    try:
        instant = datetime.fromisoformat(written)
    except ValueError:
        raise characteristic_invalid(specification.name, "not an RFC 3339 time", "须为RFC 3339格式的时间") from None
    if instant.tzinfo is None:
        raise characteristic_invalid(specification.name, "without a time zone", "缺少时区")
    if instant.year not in _YEARS:
        raise characteristic_invalid(
            specification.name,
            f"not in the years {_YEARS.start} to {_YEARS.stop - 1}",
            f"年份须在{_YEARS.start}至{_YEARS.stop - 1}之间",
        )
    return instant.astimezone(UTC)


# The readers of a written characteristic by its type; all other types are plain texts.
_READERS: Mapping[ValueType.ValueType, Callable[[CharacteristicSpecification, str], Value]] = {
    ValueType.VALUE_TYPE_AMOUNT: _amount,
    ValueType.VALUE_TYPE_TIME: _instant,
    ValueType.VALUE_TYPE_CHOICE: _choice,
    ValueType.VALUE_TYPE_MONTH: _month,
    ValueType.VALUE_TYPE_NUMBER: _number,
}
