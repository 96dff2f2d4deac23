"""Notices about follow-ups to the person on duty: at the opening, and one level up after the due time."""

from datetime import datetime, timedelta

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.survey_pb2 import Survey
from gateway.auditing import audit
from gateway.federation.body import SURVEY_FOLLOW_UP
from gateway.store.port import Transaction
from gateway.store.timers import Timer, cancel_timer, set_timer
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.care.escalations.rows import add_notices, remove_notices
from region_node.care.surveys import rows
from region_node.customers.status import ACTIVE, status_of
from region_node.node.context import RegionContext

FOLLOW_UP_TIMER = "survey-follow-up"  # the due time of a follow-up
_OPENED, _OVERDUE = 2, 3  # levels: service quality, the coordinator
_LATER = timedelta(days=1)


def watch(tx: Transaction, context: RegionContext, survey: Survey, now: datetime) -> None:
    """Notifies the person on duty about a new follow-up, and sets the timer of its due time."""
    _tell(tx, context, survey, _OPENED, EscalationTrigger.ESCALATION_TRIGGER_FILED, now)
    due = from_timestamp(survey.follow_up.due_time)
    set_timer(tx, _timer(survey.id), kind=FOLLOW_UP_TIMER, subject=survey.id, due=due)


def unwatch(tx: Transaction, survey_id: str) -> None:
    """Removes the timer of a follow-up that has ended."""
    cancel_timer(tx, _timer(survey_id))


def due_time_has_passed(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Notifies the next level about a follow-up that is open after its due time.

    While nobody may use the customer's data nobody can finish it: the timer returns.
    """
    found = rows.find_survey(tx, timer.subject)
    if found is None or not rows.is_followed_up(found[1]):
        return
    row, survey = found
    if status_of(tx, row.customer_id) != ACTIVE:
        set_timer(tx, timer.timer_id, kind=FOLLOW_UP_TIMER, subject=survey.id, due=now + _LATER)
        return
    trigger = EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED
    actor, detail = f"region/{context.region}", EscalationTrigger.Name(trigger)
    audit.append(tx, now=now, actor=actor, action="EscalateSurveyFollowUp", subject=survey.id, detail=detail)
    _tell(tx, context, survey, _OVERDUE, trigger, now)


def forget_notices(tx: Transaction, survey_id: str) -> None:
    """Removes the notices about a follow-up."""
    remove_notices(tx, _ticket(survey_id))


def _tell(
    tx: Transaction,
    context: RegionContext,
    survey: Survey,
    level: int,
    trigger: EscalationTrigger.ValueType,
    now: datetime,
) -> None:
    ticket_id = _ticket(survey.id)
    told = RaisedComplaint(
        id=f"{ticket_id}/L{level}",
        ticket_id=ticket_id,
        level=level,
        matter=SURVEY_FOLLOW_UP if level == _OPENED else "",
        trigger=trigger,
        due_time=survey.follow_up.due_time,
        time=to_timestamp(now),
        region=context.region,
        origin_region=survey.region,
        owner_region=context.region,
        home_region=context.region,
    )
    add_notices(tx, context, [told], now, due=now)


def _ticket(survey_id: str) -> str:
    """The name in notices: the id of a survey is that of its complaint, which has notices of its own."""
    return f"survey/{survey_id}"


def _timer(survey_id: str) -> str:
    return f"{FOLLOW_UP_TIMER}/{survey_id}"
