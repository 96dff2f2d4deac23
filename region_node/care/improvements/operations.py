"""The owner region's actions against the cause of a complaint (specification 2.3.3)."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1 import improvement_service_pb2 as api
from gateway.api.region.v1.improvement_service_pb2 import ImprovementAction
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.care.complaints import rules
from region_node.care.complaints.rows import require_complaint
from region_node.node.context import RegionContext
from region_node.requests.checks import require_length, require_name
from region_node.tickets.improvements import finish_action, insert_action, next_action_number, require_action


def today(context: RegionContext, now: datetime) -> date:
    """The day in the region."""
    return now.astimezone(ZoneInfo(context.time_zone)).date()


def is_overdue(action: ImprovementAction, day: date) -> bool:
    """Whether the day of an action that is open has passed."""
    return not action.finisher and date.fromisoformat(action.due_date) < day


def require_form(asked: api.AddImprovementActionRequest) -> None:
    """Raises Refused with REQUEST_INVALID for an action without a text, a person or a day."""
    require_length("text", asked.text, rules.NOTE_LIMIT, required=True)
    require_name("owner", asked.owner)
    try:
        is_day = date.fromisoformat(asked.due_date).isoformat() == asked.due_date
    except ValueError:
        is_day = False
    if not is_day:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="due_date", problem="not a day as YYYY-MM-DD")


def add(
    tx: Transaction, context: RegionContext, staff_id: str, asked: api.AddImprovementActionRequest, now: datetime
) -> ImprovementAction:
    """Records an action against the cause of a closed complaint of this owner region.

    Raises Refused with COMPLAINT_NOT_FOUND, COMPLAINT_NOT_RESPONSIBLE, COMPLAINT_STATE_FORBIDS, and for a day that has
    passed.
    """
    complaint = require_complaint(tx, asked.ticket_id).complaint
    if complaint.owner_region != context.region:
        raise Refused(Reason.REASON_COMPLAINT_NOT_RESPONSIBLE, region=complaint.owner_region)
    rules.require_state(complaint, "improve", rules.CLOSED)
    if date.fromisoformat(asked.due_date) < today(context, now):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="due_date", problem="has passed")
    number = next_action_number(tx)
    action = ImprovementAction(
        id=f"{context.region}/action-{number}",
        ticket_id=complaint.ticket_id,
        category=complaint.request.category,
        cause_code=complaint.resolution.cause_code,
        text=asked.text,
        owner=asked.owner,
        due_date=asked.due_date,
        staff_id=staff_id,
        create_time=to_timestamp(now),
    )
    insert_action(tx, action, number)
    return action


def finish(tx: Transaction, action_id: str, staff_id: str, outcome: str, now: datetime) -> ImprovementAction:
    """Closes an action with its outcome.

    Raises Refused with IMPROVEMENT_ACTION_NOT_FOUND or IMPROVEMENT_ACTION_FINISHED.
    """
    action = require_action(tx, action_id)
    if action.finisher:
        raise Refused(Reason.REASON_IMPROVEMENT_ACTION_FINISHED, action=action_id)
    action.outcome, action.finisher = outcome, staff_id
    action.finish_time.CopyFrom(to_timestamp(now))
    finish_action(tx, action)
    return action
