"""The life cycle of a loan: its checks, its due times, its reminders and escalations. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.loan_pb2 import Loan, LoanRequest, LoanState, ReturnCondition
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.time.clock import dated, from_timestamp, is_dated, to_timestamp
from gateway.values.names import camel_case
from region_node.requests.checks import require_length, require_name, require_size

ACKNOWLEDGED = LoanState.LOAN_STATE_ACKNOWLEDGED
LENT = LoanState.LOAN_STATE_LENT
IN_USE = LoanState.LOAN_STATE_IN_USE
RETURNED = LoanState.LOAN_STATE_RETURNED
CLOSED = LoanState.LOAN_STATE_CLOSED
REFUSED = LoanState.LOAN_STATE_REFUSED
CANCELLED = LoanState.LOAN_STATE_CANCELLED
DAMAGED = ReturnCondition.RETURN_CONDITION_DAMAGED

TRANSITIONS: Mapping[LoanState.ValueType, frozenset[LoanState.ValueType]] = {
    ACKNOWLEDGED: frozenset({LENT, REFUSED, CANCELLED}),
    LENT: frozenset({IN_USE, CANCELLED}),
    IN_USE: frozenset({RETURNED}),
    RETURNED: frozenset({CLOSED}),
}
_ACTS: Mapping[LoanState.ValueType, str] = {
    LENT: "lend",
    IN_USE: "receive",
    RETURNED: "give_back",
    CLOSED: "confirm_return",
    REFUSED: "refuse",
    CANCELLED: "cancel",
}
"""The act that leads into each state, as commands and steps name it."""
FINAL = frozenset({CLOSED, REFUSED, CANCELLED})
OPEN = (ACKNOWLEDGED, LENT, IN_USE, RETURNED)

MOST = 1_000_000  # in the unit of the kind
TEXT_LIMIT = 1000  # characters of each text
LOAN_LIMIT = 32 * 1024  # bytes of a loan: half of an envelope's limit
TALK_LIMIT = 24 * 1024  # bytes with prolongations: the return must always find room
_REMINDED = timedelta(days=1)  # before the end
_AGAIN = timedelta(days=7)  # from the first escalation to the second, and for the confirmation of a return


def state_name(state: LoanState.ValueType) -> str:
    """The name as TM Forum writes it, for example `inUse`."""
    return camel_case(LoanState.DESCRIPTOR, state)


def enter(loan: Loan, state: LoanState.ValueType, *, now: datetime, author: str, reason: str = "") -> None:
    """Moves a loan into a state and notes it. Raises Refused with LOAN_STATE_FORBIDS for an impossible transition."""
    if loan.state and state not in TRANSITIONS.get(loan.state, ()):
        raise Refused(Reason.REASON_LOAN_STATE_FORBIDS, state=state_name(loan.state), action=_ACTS[state])
    loan.state = state
    loan.state_changes.add(state=state, time=to_timestamp(now), author=author, reason=reason)
    require_size(loan.ByteSize(), LOAN_LIMIT)


def is_untouched(loan: Loan, region: str) -> bool:
    """Whether a new loan has one state, entered by the author of its request, and no decision."""
    author = f"{region}/{loan.request.staff_id}"
    return [(each.author, each.reason) for each in loan.state_changes] == [(author, "")] and not (
        loan.notices or loan.quantity or loan.condition or loan.HasField("resource")
    )


def lend(loan: Loan, author: str, quantity: int, now: datetime) -> None:
    """Promises a quantity, or all of it for 0. Raises Refused."""
    if quantity > loan.request.quantity:
        raise invalid("lend.quantity", "more than was requested", "超过申请数量")
    enter(loan, LENT, now=now, author=author)
    loan.quantity = quantity or loan.request.quantity


def prolong(loan: Loan, end: Timestamp, now: datetime) -> None:
    """Moves the end of a promised loan. Raises Refused."""
    if loan.state not in (LENT, IN_USE):
        raise Refused(Reason.REASON_LOAN_STATE_FORBIDS, state=state_name(loan.state), action="prolong")
    if instant("prolong.end_time", end) <= max(from_timestamp(loan.end_time), now):
        raise invalid("prolong.end_time", "not behind the present end", "不晚于现有的结束时间")
    loan.end_time.CopyFrom(end)
    require_size(loan.ByteSize(), TALK_LIMIT)


def confirm_return(loan: Loan, author: str, condition: ReturnCondition.ValueType, text: str, now: datetime) -> None:
    """Ends a returned loan. Raises Refused, also for damage without a note."""
    if not condition or condition not in ReturnCondition.values():
        raise invalid("confirm_return.condition", "not set", "未填写")
    require_length("confirm_return.note", text, TEXT_LIMIT, required=condition == DAMAGED)
    enter(loan, CLOSED, now=now, author=author, reason=text)
    loan.condition = condition


def next_due(loan: Loan) -> datetime | None:
    """The next instant at which the lender acts on a loan by itself; None for none."""
    if loan.state in (ACKNOWLEDGED, LENT):
        return from_timestamp(loan.end_time)
    known = from_timestamp(loan.notices[-1].due_time) if loan.notices else None
    return min((each for each in _limits(loan) if known is None or each > known), default=None)


def next_limit(loan: Loan) -> datetime | None:
    """The next due time at which the borrower is owed a word of the lender; None for none. A reminder is none."""
    due = next_due(loan)
    return due if due is None or loan.state != IN_USE else max(due, from_timestamp(loan.end_time))


def time_has_passed(loan: Loan, now: datetime) -> bool:
    """Reminds, escalates, or ends a loan that nobody received in its time; whether anything was due."""
    due = next_due(loan)
    if due is None or now < due:
        return False
    if loan.state in (ACKNOWLEDGED, LENT):
        enter(loan, CANCELLED, now=now, author="")
        return True
    passed = max(each for each in _limits(loan) if each <= now)
    is_late = loan.state == RETURNED or passed >= from_timestamp(loan.end_time)
    loan.notices.add(time=to_timestamp(now), due_time=to_timestamp(passed), escalation=is_late)
    return True


def is_out(loan: Loan) -> bool:
    """Whether the borrower has the resource."""
    return loan.state == IN_USE


def _limits(loan: Loan) -> Sequence[datetime]:
    if loan.state == RETURNED:
        return [from_timestamp(loan.state_changes[-1].time) + _AGAIN]
    end = from_timestamp(loan.end_time)
    return [end - _REMINDED, end, end + _AGAIN] if loan.state == IN_USE else []


def require_request(request: LoanRequest, require_region: Callable[[str], object]) -> None:
    """Raises Refused with REQUEST_INVALID for a malformed request, and as `require_region` for an unknown region."""
    require_region(request.region)
    require_name("loan.resource_id", request.resource_id)
    if not 1 <= request.quantity <= MOST:
        raise invalid("loan.quantity", f"not 1 to {MOST}", f"须为1至{MOST}")
    require_length("loan.purpose", request.purpose, TEXT_LIMIT, required=True)
    if instant("loan.start_time", request.start_time) >= instant("loan.end_time", request.end_time):
        raise invalid("loan.end_time", "not behind the start", "不晚于开始时间")


def instant(field: str, told: Timestamp) -> datetime:
    """An instant. Raises Refused with REQUEST_INVALID for none, or for one outside of the calendar."""
    if not told.ByteSize() or not is_dated(told):
        raise invalid(field, "not set", "未填写")
    return dated(told)


def require_plausible(loan: Loan, now: datetime) -> None:
    """Raises Refused with ENVELOPE_INVALID for an instant outside of the calendar, whose order nobody could tell."""
    told = [loan.end_time, *(each.due_time for each in loan.notices), *(each.time for each in loan.state_changes)]
    if not all(map(is_dated, told)):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no instant")
