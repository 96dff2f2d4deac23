"""The owner region's staff at work on a fault, step by step (specification 5.4 and 6.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.fault_pb2 import (
    Fault,
    FaultAssessment,
    FaultSeverity,
    FaultState,
    FaultStep,
    RepairAppointment,
    RepairMilestone,
    RepairMode,
)
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.errors import invalid
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, is_dated, to_timestamp
from region_node.network.faults import outages, owner, parts, rules
from region_node.network.faults.charging import charge_parts
from region_node.network.faults.measures import note_measures
from region_node.node.context import RegionContext
from region_node.requests.checks import require_length, require_name

_MOST_STEPS = 50  # appointments, and milestones, of one repair
_FAR = timedelta(days=366)  # as far as a repair is planned


@dataclass(frozen=True)
class Step:
    """A step: its fault, its author, and its time."""

    context: RegionContext
    fault: Fault = field(repr=False)
    request: WorkOnFaultRequest = field(repr=False)
    staff_id: str
    now: datetime

    @property
    def author(self) -> str:
        """The author, as the fault stores it."""
        return f"{self.context.region}/{self.staff_id}"

    def record(self, done: FaultStep, limit: int = rules.TALK_LIMIT) -> None:
        """Stores the step, where no other field of the fault shows its author and time."""
        rules.record(self.fault, self.author, done, self.now, limit)

    def enter(self, state: FaultState.ValueType, reason: str) -> None:
        """Takes the fault into a state."""
        rules.enter(self.fault, state, now=self.now, region=self.context.region, reason=reason)


def work(tx: Transaction, context: RegionContext, request: WorkOnFaultRequest, staff_id: str, now: datetime) -> Fault:
    """Executes the next step, and updates all followers. Raises Refused before the first write."""
    row = owner.require_owned(tx, context, request.fault_id, now)
    fault, before = row.fault, Fault()
    before.CopyFrom(fault)
    what = request.WhichOneof("step")
    if what is None:
        raise invalid("step", "none is set", "未指定任何一项")
    _STEPS[what](Step(context, fault, request, staff_id, now))
    if request.close.HasField("review"):
        note_measures(tx, context, fault, staff_id, now)
    if what == "install_part":
        charge_parts(tx, context, fault, now)
    owner.keep_and_tell(tx, context, row, before, now)
    failpoints.reach("fault-worked.before-commit")
    return fault


def _take_up(step: Step) -> None:
    rules.require_state(step.fault, "take_up")
    step.enter(rules.IN_PROGRESS, "taken up")


def _reject(step: Step) -> None:
    reason = rules.required_text("reject.reason", step.request.reject.reason)
    rules.require_state(step.fault, "reject")
    outages.stop(step.fault, step.now)
    step.enter(rules.REJECTED, reason)


def _hold(step: Step) -> None:
    reason = rules.required_text("hold.reason", step.request.hold.reason)
    rules.require_state(step.fault, "hold")
    rules.require_room(step.fault, len(reason.encode()))
    step.enter(rules.HELD, reason)


def _ask_customer(step: Step) -> None:
    text = rules.required_text("ask_customer.text", step.request.ask_customer.text)
    rules.require_state(step.fault, "ask_customer")
    rules.note(step.fault, step.author, text, step.now)
    step.enter(rules.PENDING, "customer asked")


def _estimate(step: Step) -> None:
    rules.require_state(step.fault, "estimate")
    if _instant(step, "estimate.end_time", step.request.estimate.end_time) < step.now:
        raise invalid("estimate.end_time", "has passed", "时间已过")
    step.record(FaultStep(estimated_time=step.request.estimate.end_time))
    step.fault.expected_resolution_time.CopyFrom(step.request.estimate.end_time)


def _assess(step: Step) -> None:
    found = step.request.assess
    rules.require_state(step.fault, "assess")
    if found.severity not in FaultSeverity.values() or not found.severity:
        raise invalid("assess.severity", "not set", "未填写")
    assessed = FaultAssessment(severity=found.severity, terminal_caused=found.terminal_caused)
    step.record(FaultStep(assessed=assessed), rules.FAULT_LIMIT)
    step.fault.severity, step.fault.terminal_caused = found.severity, found.terminal_caused
    outages.note_late_repair(step.fault)


def _triage(step: Step) -> None:
    found = step.request.triage
    require_length("triage.advice", found.advice, rules.TEXT_LIMIT)
    rules.require_state(step.fault, "triage")
    if found.mode not in RepairMode.values() or not found.mode:
        raise invalid("triage.mode", "not set", "未填写")
    rules.require_room(step.fault, len(found.advice.encode()))
    step.record(FaultStep(triaged=found.mode))
    step.fault.repair.advice, step.fault.repair.mode = found.advice, found.mode


def _appoint(step: Step) -> None:
    asked, known = step.request.appoint, step.fault.repair.appointments
    rules.require_state(step.fault, "appoint")
    start = _instant(step, "appoint.start_time", asked.start_time)
    if not step.now < start < _instant(step, "appoint.end_time", asked.end_time):
        raise invalid("appoint", "not a time to come", "须为未来的时间")
    if len(known) >= _MOST_STEPS:
        raise invalid("appoint", f"more than {_MOST_STEPS} appointments", f"预约超过{_MOST_STEPS}次")
    agreed = RepairAppointment(start_time=asked.start_time, end_time=asked.end_time, author=step.author)
    step.record(FaultStep(appointed=agreed))
    known.append(agreed)


def _assign(step: Step) -> None:
    require_name("assign.engineer", step.request.assign.engineer)
    rules.require_state(step.fault, "assign")
    step.record(FaultStep(assigned=step.request.assign.engineer))
    step.fault.repair.engineer = step.request.assign.engineer


def _name_part(step: Step) -> None:
    rules.require_state(step.fault, "name_part")
    rules.require_room(step.fault, step.request.name_part.ByteSize())
    parts.add(step.fault, step.request.name_part, step.context.currency)
    step.record(FaultStep(part_named=step.fault.repair.parts[-1].number), rules.FAULT_LIMIT)


def _install_part(step: Step) -> None:
    rules.require_state(step.fault, "install_part")
    parts.install(step.fault, step.request.install_part.part, step.now)
    step.record(FaultStep(part_installed=step.request.install_part.part), rules.FAULT_LIMIT)


def _reach(step: Step) -> None:
    milestone, known = step.request.reach.milestone, step.fault.repair.milestones
    rules.require_state(step.fault, "reach")
    if milestone not in RepairMilestone.values() or not milestone:
        raise invalid("reach.milestone", "not set", "未填写")
    if len(known) >= _MOST_STEPS:
        raise invalid("reach", f"more than {_MOST_STEPS} milestones", f"里程碑超过{_MOST_STEPS}个")
    known.add(milestone=milestone, time=to_timestamp(step.now), author=step.author)


def _resolve(step: Step) -> None:
    found = step.request.resolve
    text = rules.required_text("resolve.text", found.text)
    rules.require_cause(found.cause)
    rules.require_state(step.fault, "resolve")
    rules.require_room(step.fault, len(text.encode()), rules.FAULT_LIMIT)
    step.fault.cause, step.fault.resolution = found.cause, text
    outages.repair(step.fault, step.now)
    step.enter(rules.RESOLVED, "repaired")


def _close(step: Step) -> None:
    closing = step.request.close
    review = closing.review if closing.HasField("review") else None
    rules.require_state(step.fault, "close")
    rules.require_cause(step.fault.cause)
    rules.require_reviewed(step.fault.severity, review)
    if review is not None:
        rules.require_room(step.fault, review.ByteSize(), rules.FAULT_LIMIT)
        step.fault.review.CopyFrom(review)
        step.fault.review.author = step.author
        step.fault.review.time.CopyFrom(to_timestamp(step.now))
    step.enter(rules.CLOSED, "closed")


def _reopen(step: Step) -> None:
    reason = rules.required_text("reopen.reason", step.request.reopen.reason)
    owner.reopen(step.context, step.fault, step.context.region, reason, step.now)


def _note(step: Step) -> None:
    text = rules.required_text("note.text", step.request.note.text)
    rules.require_state(step.fault, "note")
    rules.note(step.fault, step.author, text, step.now)


def _instant(step: Step, field: str, time: Timestamp) -> datetime:
    """An instant in a request. Raises Refused with REQUEST_INVALID for an implausible one."""
    if not is_dated(time) or (told := from_timestamp(time)) > step.now + _FAR:
        raise invalid(field, f"more than {_FAR.days} days from now", f"距今超过{_FAR.days}天")
    return told


_STEPS: Mapping[str, Callable[[Step], None]] = {
    "take_up": _take_up,
    "reject": _reject,
    "hold": _hold,
    "ask_customer": _ask_customer,
    "estimate": _estimate,
    "assess": _assess,
    "triage": _triage,
    "appoint": _appoint,
    "assign": _assign,
    "name_part": _name_part,
    "install_part": _install_part,
    "reach": _reach,
    "resolve": _resolve,
    "close": _close,
    "reopen": _reopen,
    "note": _note,
}
