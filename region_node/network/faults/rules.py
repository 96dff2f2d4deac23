"""The life cycle of a fault (TMF656 ServiceProblem), and the checks of a report. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from gateway.api.region.v1.fault_pb2 import (
    Fault,
    FaultCause,
    FaultEvaluation,
    FaultReport,
    FaultReview,
    FaultSeverity,
    FaultState,
    FaultStep,
    QuoteState,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.time.clock import to_timestamp
from gateway.values.names import camel_case
from region_node.requests.checks import require_length, require_name, require_size

ACKNOWLEDGED = FaultState.FAULT_STATE_ACKNOWLEDGED
REJECTED = FaultState.FAULT_STATE_REJECTED
PENDING = FaultState.FAULT_STATE_PENDING
HELD = FaultState.FAULT_STATE_HELD
IN_PROGRESS = FaultState.FAULT_STATE_IN_PROGRESS
RESOLVED = FaultState.FAULT_STATE_RESOLVED
CANCELLED = FaultState.FAULT_STATE_CANCELLED
CLOSED = FaultState.FAULT_STATE_CLOSED

MINOR = FaultSeverity.FAULT_SEVERITY_MINOR
MAJOR = FaultSeverity.FAULT_SEVERITY_MAJOR

FINAL = frozenset({REJECTED, CANCELLED})
ENDED = frozenset({REJECTED, CANCELLED, CLOSED})
"""The states without further work; a closed fault may be reopened."""
REPAIRED = frozenset({RESOLVED, CLOSED})
UNREPAIRED = frozenset({ACKNOWLEDGED, IN_PROGRESS, HELD, PENDING})

# TMF656 lifecycle.
TRANSITIONS: Mapping[FaultState.ValueType, frozenset[FaultState.ValueType]] = {
    ACKNOWLEDGED: frozenset({IN_PROGRESS, REJECTED, CANCELLED}),
    IN_PROGRESS: frozenset({HELD, PENDING, RESOLVED, CANCELLED}),
    HELD: frozenset({IN_PROGRESS, RESOLVED, CANCELLED}),
    PENDING: frozenset({IN_PROGRESS, RESOLVED, CANCELLED}),
    RESOLVED: frozenset({CLOSED, IN_PROGRESS}),
    CLOSED: frozenset({IN_PROGRESS}),
}

_OPEN = UNREPAIRED | {RESOLVED}
STATES_OF_STEPS: Mapping[str, frozenset[FaultState.ValueType]] = {
    "take_up": frozenset({ACKNOWLEDGED, HELD, PENDING}),
    "reject": frozenset({ACKNOWLEDGED}),
    "hold": frozenset({IN_PROGRESS}),
    "ask_customer": frozenset({IN_PROGRESS}),
    "estimate": UNREPAIRED,
    "assess": _OPEN,
    "triage": UNREPAIRED,
    "appoint": UNREPAIRED,
    "assign": UNREPAIRED,
    "name_part": UNREPAIRED,
    "install_part": UNREPAIRED,
    "reach": _OPEN,
    "resolve": frozenset({IN_PROGRESS, HELD, PENDING}),
    "close": frozenset({RESOLVED}),
    "reopen": REPAIRED,
    "note": _OPEN | {CLOSED},
}
"""The states in which staff of the owner region may take each step of WorkOnFault."""
STATES_OF_COMMANDS: Mapping[str, frozenset[FaultState.ValueType]] = {
    "respond": UNREPAIRED,
    "cancel": UNREPAIRED,
    "decide_quote": UNREPAIRED,
    "reopen": REPAIRED,
    "evaluate": REPAIRED,
}
"""The states in which the origin region may pass on each command of the customer."""
_STATES_OF_ACTIONS = {**STATES_OF_COMMANDS, **STATES_OF_STEPS}  # a fault reopens in the same states for both

NOT_OF_THE_NETWORK = frozenset({FaultCause.FAULT_CAUSE_TERMINAL, FaultCause.FAULT_CAUSE_CUSTOMER})
"""Causes for which no rent is waived."""

DESCRIPTION_LIMIT = 4000  # characters
TEXT_LIMIT = 1000  # characters of any later text
ADDRESS_LIMIT = 200  # characters
NAME_LIMIT = 200  # characters of a part, a measure, the id of an alarm
MOST_SERVICES = 100
MOST_MEASURES = 20
HIGHEST_MARK = 5
FAULT_LIMIT = 48 * 1024  # bytes of a fault: three quarters of an envelope's limit
TALK_LIMIT = 32 * 1024  # bytes of a fault that still grows: its final step must always find room
_MEASURES_LIMIT = 6 * 1024  # bytes of a review
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def is_ended(fault: Fault) -> bool:
    """Whether the work on the fault has ended."""
    return fault.state in ENDED


def is_work_of(fault: Fault, region: str) -> bool:
    """Whether the staff of a region have to do the next step of the fault; one that is repaired has to be closed."""
    return fault.owner_region == region and fault.state in _OPEN - {PENDING}


def steps_of(fault: Fault, region: str) -> Sequence[str]:
    """The steps that the state of the fault leaves to the staff of a region; none for another than the owner region."""
    is_decided_here = fault.owner_region == region and fault.version > 0
    return [each for each, states in STATES_OF_STEPS.items() if is_decided_here and fault.state in states]


def commands_of(fault: Fault, region: str) -> Sequence[str]:
    """The customer's commands that a region may pass on; none for another than the origin region."""
    is_taken_here = fault.origin_region == region
    possible = [each for each, states in STATES_OF_COMMANDS.items() if is_taken_here and fault.state in states]
    is_offered = any(part.quote == QuoteState.QUOTE_STATE_OFFERED for part in fault.repair.parts)
    return [each for each in possible if each != "decide_quote" or is_offered]


def state_name(state: FaultState.ValueType) -> str:
    """The TMF656 name, for example `inProgress`."""
    return camel_case(FaultState.DESCRIPTOR, state)


def enter(fault: Fault, state: FaultState.ValueType, *, now: datetime, region: str, reason: str) -> None:
    """Moves the fault into a state and notes it; entering its current state changes nothing.

    Raises ValueError for a transition that TMF656 does not allow: a defect, since callers check first.
    """
    if state == fault.state:
        return
    if fault.state and state not in TRANSITIONS.get(fault.state, ()):
        raise ValueError(f"a fault does not go from {state_name(fault.state)} to {state_name(state)}")
    fault.state = state
    fault.state_changes.add(state=state, time=to_timestamp(now), region=region, reason=reason)


def require_state(fault: Fault, action: str) -> None:
    """Raises Refused with FAULT_STATE_FORBIDS unless the state of the fault allows a step or a command."""
    if fault.state not in _STATES_OF_ACTIONS[action]:
        raise Refused(Reason.REASON_FAULT_STATE_FORBIDS, state=state_name(fault.state), action=action)


def require_room(fault: Fault, more: int, limit: int = TALK_LIMIT) -> None:
    """Raises Refused with MESSAGE_TOO_LARGE where `more` bytes would exceed the limit."""
    require_size(fault.ByteSize() + more, limit)


def required_text(field: str, text: str) -> str:
    """The text of a request. Raises Refused where it is empty or too long."""
    require_length(field, text, TEXT_LIMIT, required=True)
    return text


def note(fault: Fault, author: str, text: str, now: datetime) -> None:
    """Stores a note. Raises Refused with MESSAGE_TOO_LARGE without room for it."""
    require_room(fault, len(text.encode()))
    fault.notes.add(author=author, time=to_timestamp(now), text=text)


def record(fault: Fault, author: str, done: FaultStep, now: datetime, limit: int = TALK_LIMIT) -> None:
    """Stores a step. Raises Refused with MESSAGE_TOO_LARGE without room for it."""
    done.author = author
    done.time.CopyFrom(to_timestamp(now))
    require_room(fault, done.ByteSize(), limit)
    fault.steps.append(done)


def require_report(report: FaultReport) -> None:
    """Raises Refused with REQUEST_INVALID for a report without a text or a place."""
    require_length("report.description", report.description, DESCRIPTION_LIMIT, required=True)
    place = report.place
    require_length("report.place.address", place.address, ADDRESS_LIMIT)
    if not place.site and not place.link and not place.address:
        raise invalid("report.place", "a site, a link or an address", "须有站点、链路或地址")
    if not place.site and not place.link and not place.region:
        raise invalid("report.place.region", "needed for an address", "只有地址时必须填写")
    if report.severity not in FaultSeverity.values():
        raise invalid("report.severity", "unknown", "未知")
    if len(report.services) > MOST_SERVICES:
        raise invalid("report.services", f"more than {MOST_SERVICES}", f"超过{MOST_SERVICES}项")
    require_length("report.alarm_id", report.alarm_id, NAME_LIMIT)


def is_of_one_line(report: FaultReport) -> bool:
    """Whether a customer reports the own line, which shows little of the site; reports of links show more."""
    return bool(report.number) and not report.place.link


def require_cause(cause: FaultCause.ValueType) -> None:
    """Raises Refused with REQUEST_INVALID without a cause: a fault without one teaches nothing."""
    if cause not in FaultCause.values() or not cause:
        raise invalid("cause", "not set", "未填写")


def needs_review(severity: FaultSeverity.ValueType) -> bool:
    """Whether a fault ends with a review alone (specification 5.4.4)."""
    return severity >= MAJOR


def require_reviewed(severity: FaultSeverity.ValueType, review: FaultReview | None) -> None:
    """Raises Refused with FAULT_REVIEW_MISSING for a major or critical fault without a review that has a measure.

    With REQUEST_INVALID for a malformed review. Specification 5.4.4.
    """
    if review is None or not review.measures or not review.summary:
        if needs_review(severity):
            raise Refused(Reason.REASON_FAULT_REVIEW_MISSING)
        if review is None:
            return
    require_length("review.summary", review.summary, TEXT_LIMIT, required=True)
    if len(review.measures) > MOST_MEASURES or review.ByteSize() > _MEASURES_LIMIT:
        raise invalid("review.measures", "too many, or too long", "数量过多，或内容过长")
    for each in review.measures:
        require_length("review.measures.what", each.what, NAME_LIMIT, required=True)
        require_name("review.measures.owner", each.owner)
        _require_date("review.measures.due_date", each.due_date)


def require_evaluation(evaluation: FaultEvaluation) -> None:
    """Raises Refused with REQUEST_INVALID unless each mark is 1 to 5 (specification 6.4)."""
    require_length("evaluation.text", evaluation.text, TEXT_LIMIT)
    for name in ("attitude", "quality", "speed"):
        mark = {"attitude": evaluation.attitude, "quality": evaluation.quality, "speed": evaluation.speed}[name]
        if not 1 <= mark <= HIGHEST_MARK:
            raise invalid(f"evaluation.{name}", f"1 to {HIGHEST_MARK}", f"须为1至{HIGHEST_MARK}")


def _require_date(field: str, value: str) -> None:
    try:
        is_date = _DATE.fullmatch(value) is not None and bool(date.fromisoformat(value))
    except ValueError:
        is_date = False
    if not is_date:
        raise invalid(field, "not YYYY-MM-DD", "须为YYYY-MM-DD格式的日期")
