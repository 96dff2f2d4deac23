"""The region's actions against the cause of a complaint, and for a figure (specification 2.3.3, 12.1)."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition, ScorecardFigure
from gateway.api.region.v1 import improvement_service_pb2 as api
from gateway.api.region.v1.improvement_service_pb2 import ImprovementAction
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.business.billing.rules import Month
from region_node.care.complaints import rules
from region_node.care.complaints.rows import require_complaint
from region_node.care.improvements.effects import effect_of, months_of
from region_node.care.quality.scorecard import COMPLAINED_WITHIN, scorecard
from region_node.node.context import RegionContext
from region_node.requests.checks import require_length, require_name
from region_node.tickets.improvements import finish_action, insert_action, next_action_number, require_action

_FIRST_TIME_RIGHT = ScorecardFigure.SCORECARD_FIGURE_FIRST_TIME_RIGHT


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
        raise invalid("due_date", "not a day as YYYY-MM-DD", "须为YYYY-MM-DD格式的日期")


def add(
    tx: Transaction, context: RegionContext, staff_id: str, asked: api.AddImprovementActionRequest, now: datetime
) -> ImprovementAction:
    """Records an action against the cause of a closed complaint of this owner region, or for a figure.

    Raises Refused with COMPLAINT_NOT_FOUND, COMPLAINT_NOT_RESPONSIBLE, COMPLAINT_STATE_FORBIDS, FIGURE_NOT_DEFINED, and
    for a day that has passed.
    """
    action = _for_figure(context, asked) if asked.figure else _against_cause(tx, context, asked.ticket_id)
    if date.fromisoformat(asked.due_date) < today(context, now):
        raise invalid("due_date", "has passed", "时间已过")
    number = next_action_number(tx)
    action.id, action.text, action.owner = f"{context.region}/action-{number}", asked.text, asked.owner
    action.due_date, action.staff_id = asked.due_date, staff_id
    action.create_time.CopyFrom(to_timestamp(now))
    insert_action(tx, action, number)
    return action


def _against_cause(tx: Transaction, context: RegionContext, ticket_id: str) -> ImprovementAction:
    complaint = require_complaint(tx, ticket_id).complaint
    if complaint.owner_region != context.region:
        raise Refused(Reason.REASON_COMPLAINT_NOT_RESPONSIBLE, region=complaint.owner_region)
    rules.require_state(complaint, "improve", rules.CLOSED)
    return ImprovementAction(
        ticket_id=complaint.ticket_id,
        category=complaint.request.category,
        cause_code=complaint.resolution.cause_code,
    )


def _for_figure(context: RegionContext, asked: api.AddImprovementActionRequest) -> ImprovementAction:
    if asked.ticket_id:
        raise invalid("ticket_id", "beside a figure", "不能与指标同时填写")
    definition = definition_of(context, asked.figure)
    return ImprovementAction(figure=definition.figure)


def definition_of(context: RegionContext, figure: ScorecardFigure.ValueType) -> ScorecardDefinition:
    """The definition of a figure in force. Raises Refused with FIGURE_NOT_DEFINED."""
    for each in context.federation.configuration.quality.figures:
        if each.figure == figure:
            return each
    raise Refused(Reason.REASON_FIGURE_NOT_DEFINED)


def effect(tx: Transaction, context: RegionContext, action_id: str, now: datetime) -> api.GetImprovementEffectResponse:
    """The figure of an action before and after. Raises Refused with IMPROVEMENT_ACTION_NOT_FOUND or FIGURE_NOT_DEFINED.

    An action against a cause has no figure; its repeats show the effect.
    """
    action = require_action(tx, action_id)
    definition = definition_of(context, action.figure)
    before, after = months_of(action, context.time_zone)
    found = api.GetImprovementEffectResponse(
        definition=definition, month_before=before.name, before=_measured(tx, context, before, action, now)
    )
    # Complaints still change what was right at first.
    open_for = COMPLAINED_WITHIN if action.figure == _FIRST_TIME_RIGHT else timedelta(0)
    if after is not None and after.end + open_for <= now:
        found.month_after = after.name
        found.after.CopyFrom(_measured(tx, context, after, action, now))
        found.effect = effect_of(definition, found.before, found.after)
    return found


def _measured(
    tx: Transaction, context: RegionContext, month: Month, action: ImprovementAction, now: datetime
) -> MeasuredFigure:
    card = scorecard(tx, context, month.name, now)
    return next(each for each in card.figures if each.figure == action.figure)


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
