"""The levels L0 to L5 of a complaint, and their triggers. Pure.

| level | recipient | trigger |
|---|---|---|
| 0 | the desk of first contact | filing |
| 1 | the responsible department | not settled at first contact |
| 2 | service quality of its region | accepted or answered too late; half of the time without an answer; refused |
| 3 | the coordinator | three quarters of the time; half, without a plan; region away; owners disagree; refused again |
| 4 | the group's executive | the time has passed; critical; the third complaint in 30 days; one of many alike |
| 5 | outside: the regulator | the law's limit has passed, or the customer asks |

Levels are ascending and each is reached once; a higher trigger also reaches the levels between. A proposed resolution
stops all triggers until the customer refuses it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintRepeats
from gateway.api.region.v1.complaint_pb2 import Complaint, Deadline, Escalation, EscalationTrigger
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import to_timestamp
from region_node.care.complaints import cases, rules
from region_node.care.complaints.deadlines import Hours, due_of, find, is_met, marks, told_at

FIRST_CONTACT, DEPARTMENT, QUALITY, COORDINATOR, EXECUTIVE, REGULATOR = range(6)
ADMINISTRATORS = "admin/"  # the prefix of an author who is an administrator of the federation, without a region
REPEATS_TO_EXECUTIVE = 3  # complaints of one number and category within 30 days, this one counted

RETURNS_TO_COORDINATOR = 2  # work items of a case that were returned

_WITH_NOBODY = (cases.AWAITING_COORDINATOR, cases.AWAITING_REGION)


@dataclass(frozen=True)
class Step:
    """A level that a complaint reaches at a time unless something happens before."""

    level: int
    trigger: EscalationTrigger.ValueType
    due_time: datetime


@dataclass(frozen=True)
class AdministratorsWish:
    """The level to which an administrator raises a complaint, and the reason."""

    level: int
    reason: str = field(repr=False)
    administrator: str
    """For example `admin/root`."""


def file(complaint: Complaint, now: datetime, region: str) -> None:
    """The level of a filing: the desk. `classified` adds the levels of its category."""
    filed = EscalationTrigger.ESCALATION_TRIGGER_FILED
    complaint.escalations.add(
        level=FIRST_CONTACT, trigger=filed, due_time=to_timestamp(now), time=to_timestamp(now), region=region
    )


def classified(complaint: Complaint, now: datetime, region: str) -> None:
    """The levels of a complaint by its category: its department, and the recipients of critical complaints.

    A department that settles a complaint at first contact files none.
    """
    not_settled = EscalationTrigger.ESCALATION_TRIGGER_NOT_SETTLED_AT_FIRST_CONTACT
    raise_to(complaint, Step(DEPARTMENT, not_settled, now), now, region)
    if complaint.severity == ComplaintSeverity.COMPLAINT_SEVERITY_S1:
        raise_to(complaint, Step(EXECUTIVE, EscalationTrigger.ESCALATION_TRIGGER_CRITICAL, now), now, region)


def raised_on_the_way(complaint: Complaint, hours: Hours, now: datetime) -> None:
    """The levels that the origin region raises by itself, until this region has the complaint.

    Its timers run by the filing. It notifies the escalation recipients of these levels, and no other region does.
    """
    first_contact = complaint.origin_region
    while (following := steps(complaint, hours)) and following[0].due_time <= now:
        raise_to(complaint, following[0], following[0].due_time, first_contact)


def take_up(complaint: Complaint, now: datetime, region: str) -> None:
    """The levels at acceptance by the owner region: a late arrival, or one repeat too many."""
    each = find(complaint, rules.ACKNOWLEDGE)
    if each is not None and now > due_of(each):
        missed = EscalationTrigger.ESCALATION_TRIGGER_ACKNOWLEDGEMENT_MISSED
        raise_to(complaint, Step(QUALITY, missed, due_of(each)), now, region)
    repeated(complaint, now, region)


def repeated(complaint: Complaint, now: datetime, region: str) -> None:
    """Raises a complaint with one repeat too many."""
    if complaint.repeats + 1 >= REPEATS_TO_EXECUTIVE:
        raise_to(complaint, Step(EXECUTIVE, EscalationTrigger.ESCALATION_TRIGGER_REPEATED, now), now, region)


def joined(complaint: Complaint, told: ComplaintRepeats, now: datetime, region: str) -> bool:
    """Takes over repeats that other regions accepted, if there are new ones of its category; returns whether.

    One repeat too many raises the complaint, except between a proposed resolution and its refusal.
    """
    if told.category != complaint.request.category or told.repeats <= complaint.repeats:
        return False
    complaint.repeated_ticket_id, complaint.repeats = told.repeated_ticket_id, told.repeats
    if not rules.is_final(complaint) and complaint.state != rules.RESOLVED:
        repeated(complaint, now, region)
    return True


def grouped(complaint: Complaint, group_id: str, now: datetime, region: str) -> None:
    """Adds the complaint to a group, which executives see: each complaint raises once, beside other causes."""
    complaint.group_id = group_id
    raise_to(complaint, Step(EXECUTIVE, EscalationTrigger.ESCALATION_TRIGGER_GROUP, now), now, region)


def disagreed(case: Complaint, now: datetime, region: str) -> None:
    """Raises a case with disagreeing owners: a second return of an item, or a return by a second owner."""
    returned = sum(1 for each in case.items if each.HasField("returned"))
    if returned >= RETURNS_TO_COORDINATOR and not rules.is_final(case) and case.state != rules.RESOLVED:
        raise_to(case, Step(COORDINATOR, EscalationTrigger.ESCALATION_TRIGGER_OWNERS_DISAGREE, now), now, region)


def refuse(complaint: Complaint, now: datetime, region: str, *, to_regulator: bool) -> None:
    """The customer has refused a resolution, and may want the regulator."""
    level = QUALITY if complaint.refusals == 1 else COORDINATOR
    raise_to(complaint, Step(level, EscalationTrigger.ESCALATION_TRIGGER_REFUSED, now), now, region)
    if to_regulator:
        ask_for_regulator(complaint, now, region)


def ask_for_regulator(complaint: Complaint, now: datetime, region: str) -> None:
    """The customer wants the regulator."""
    raise_to(complaint, Step(REGULATOR, EscalationTrigger.ESCALATION_TRIGGER_CUSTOMER_ASKED, now), now, region)


def raise_for_administrator(
    complaint: Complaint, wanted: AdministratorsWish, now: datetime, region: str
) -> Sequence[Escalation]:
    """Raises the complaint for an administrator of the federation, with a note. Returns the levels, ascending.

    Raises Refused for a resolved or ended complaint, and with COMPLAINT_LEVEL_REACHED for a level that it has.
    """
    if rules.is_final(complaint) or complaint.state == rules.RESOLVED:
        raise Refused(Reason.REASON_COMPLAINT_STATE_FORBIDS, state=rules.state_name(complaint.state), action="raise")
    if wanted.level <= complaint.level:
        raise Refused(Reason.REASON_COMPLAINT_LEVEL_REACHED, level=str(complaint.level))
    rules.require_room(complaint, len(wanted.reason.encode()), rules.TALK_LIMIT)
    rules.note(complaint, wanted.administrator, wanted.reason, now)
    administrator = EscalationTrigger.ESCALATION_TRIGGER_ADMINISTRATOR
    return raise_to(complaint, Step(wanted.level, administrator, now), now, region)


def steps(complaint: Complaint, hours: Hours) -> list[Step]:
    """The coming escalations of a complaint in its current state, by due time."""
    if rules.is_final(complaint) or complaint.state == rules.RESOLVED or complaint.HasField("returned"):
        return []
    found = _of_the_law(complaint)
    if not complaint.version and not rules.is_unclassified(complaint):
        found += _not_taken_up(complaint)
    elif complaint.state != rules.PENDING:
        found += [*_unanswered(complaint), *_unresolved(complaint, hours), *_unhastened(complaint)]
    return sorted(
        (each for each in found if each.level > complaint.level), key=lambda each: (each.due_time, each.level)
    )


def next_due(complaint: Complaint, hours: Hours) -> datetime | None:
    """The time of the next escalation; None without one."""
    return next((each.due_time for each in steps(complaint, hours)), None)


def raise_due(complaint: Complaint, hours: Hours, now: datetime, region: str) -> Sequence[Escalation]:
    """Raises the complaint by all that is due; returns the levels reached now, ascending."""
    reached: list[Escalation] = []
    while (following := steps(complaint, hours)) and following[0].due_time <= now:
        reached += raise_to(complaint, following[0], now, region)
    return reached


def raise_to(complaint: Complaint, step: Step, now: datetime, region: str) -> Sequence[Escalation]:
    """Raises the complaint to a level, through those between. A level that it has changes nothing."""
    reached = [
        Escalation(
            level=level,
            trigger=step.trigger,
            due_time=to_timestamp(step.due_time),
            time=to_timestamp(now),
            region=region,
        )
        for level in range(complaint.level + 1, step.level + 1)
    ]
    complaint.escalations.extend(reached)
    complaint.level = max(complaint.level, step.level)
    return reached


def _of_the_law(complaint: Complaint) -> list[Step]:
    legal = find(complaint, rules.LEGAL)
    if legal is None or is_met(legal):
        return []
    return [Step(REGULATOR, EscalationTrigger.ESCALATION_TRIGGER_LEGAL_LIMIT_PASSED, due_of(legal))]


def _not_taken_up(complaint: Complaint) -> list[Step]:
    """The steps of a complaint without acceptance by the owner region."""
    each = find(complaint, rules.ACKNOWLEDGE)
    if each is None:
        return []
    return [Step(COORDINATOR, EscalationTrigger.ESCALATION_TRIGGER_REGION_UNREACHABLE, due_of(each))]


def _unanswered(complaint: Complaint) -> list[Step]:
    found = []
    for kind, trigger in (
        (rules.ACKNOWLEDGE, EscalationTrigger.ESCALATION_TRIGGER_ACKNOWLEDGEMENT_MISSED),
        (rules.FIRST_RESPONSE, EscalationTrigger.ESCALATION_TRIGGER_FIRST_RESPONSE_MISSED),
    ):
        each = find(complaint, kind)
        if each is not None and not is_met(each):
            found.append(Step(QUALITY, trigger, due_of(each)))
    return found


def _unresolved(complaint: Complaint, hours: Hours) -> Iterator[Step]:
    each = find(complaint, rules.RESOLVE)
    if each is None or is_met(each):
        return
    if complaint.level < COORDINATOR:  # working time is only counted for the steps ahead
        half, three_quarters = marks(each, (0.5, 0.75), hours)
        response = find(complaint, rules.FIRST_RESPONSE)
        if complaint.level < QUALITY and response is not None and not is_met(response):
            yield Step(QUALITY, EscalationTrigger.ESCALATION_TRIGGER_HALF_USED, half)
        if _is_without_plan(complaint):
            yield Step(COORDINATOR, EscalationTrigger.ESCALATION_TRIGGER_WITHOUT_PLAN, half)
        yield Step(COORDINATOR, EscalationTrigger.ESCALATION_TRIGGER_THREE_QUARTERS_USED, three_quarters)
    if complaint.level < EXECUTIVE:
        yield Step(EXECUTIVE, EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED, told_at(each, hours))


def _is_without_plan(case: Complaint) -> bool:
    """Whether a case concerns several regions, and a part of it is not accepted yet."""
    parts = [each for each in case.items if each.state != cases.ASSIGNED]
    regions = {each.region for each in parts if each.region}
    return len(regions) > 1 and any(each.state in _WITH_NOBODY for each in parts)


def _unhastened(complaint: Complaint) -> Iterator[Step]:
    """The steps of unanswered reminders: the first one raises to quality, the next one further, up to executives."""
    reminders: list[Deadline] = [each for each in complaint.deadlines if each.kind == rules.EXPEDITE]
    for number, each in enumerate(reminders):
        if not is_met(each):
            level = min(QUALITY + number, EXECUTIVE)
            yield Step(level, EscalationTrigger.ESCALATION_TRIGGER_EXPEDITE_UNANSWERED, due_of(each))
