"""Answers to surveys, and the follow-ups of low marks, one transaction each."""

from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.survey_pb2 import Survey, SurveyAnswer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.care.surveys import follow_ups, rows
from region_node.care.surveys.rules import FOLLOW_UP, OWNER, closing_of, is_low, policy_of
from region_node.customers.rows import find_line
from region_node.customers.status import require_readable
from region_node.node.context import RegionContext


def answer(
    tx: Transaction, context: RegionContext, token: str, given: SurveyAnswer, now: datetime, *, number: str = ""
) -> Survey:
    """Stores the answer to an invitation; a low mark opens a follow-up. The same answer again changes nothing.

    With a number, E.164, the customer with that line was invited. Raises Refused with SURVEY_NOT_FOUND,
    SURVEY_ANSWERED, SURVEY_EXPIRED, CUSTOMER_RESTRICTED, CUSTOMER_ERASED, CUSTOMER_MOVING or CUSTOMER_MOVED.
    """
    row, survey = _required(rows.find_by_token(tx, token.strip().upper()))
    line = find_line(tx, number) if number else None
    if number and (line is None or line.customer_id != row.customer_id):
        raise Refused(Reason.REASON_SURVEY_NOT_FOUND)
    require_readable(tx, row.customer_id)
    if survey.HasField("answer_time"):
        if survey.answer != given:
            raise Refused(Reason.REASON_SURVEY_ANSWERED)
        return survey
    policy, month = policy_of(context.federation, context.region), _month_of(context, survey)
    if now > from_timestamp(survey.expire_time) or now >= closing_of(month, context.time_zone, policy):
        raise Refused(Reason.REASON_SURVEY_EXPIRED)
    survey.answer.CopyFrom(given)
    survey.answer_time.CopyFrom(to_timestamp(now))
    if is_low(given, policy):
        due = context.federation.policy_due(FOLLOW_UP, now, (context.region,))
        survey.follow_up.owner = OWNER
        survey.follow_up.due_time.CopyFrom(to_timestamp(due))
    rows.update_survey(tx, row, survey)
    if rows.is_followed_up(survey):
        follow_ups.watch(tx, context, survey, now)
    _count(tx, survey, month)
    return survey


def finish_follow_up(tx: Transaction, survey_id: str, staff_id: str, outcome: str, now: datetime) -> Survey:
    """Ends the follow-up of a survey with its outcome. The same end again changes nothing.

    Raises Refused with SURVEY_NOT_FOUND, SURVEY_FOLLOW_UP_MISSING, CUSTOMER_RESTRICTED or CUSTOMER_ERASED.
    """
    row, survey = _required(rows.find_survey(tx, survey_id))
    require_readable(tx, row.customer_id)
    follow_up = survey.follow_up
    if follow_up.finisher == staff_id and follow_up.outcome == outcome:
        return survey
    if not rows.is_followed_up(survey):
        raise Refused(Reason.REASON_SURVEY_FOLLOW_UP_MISSING)
    follow_up.outcome, follow_up.finisher = outcome, staff_id
    follow_up.finish_time.CopyFrom(to_timestamp(now))
    rows.update_survey(tx, row, survey)
    follow_ups.unwatch(tx, survey.id)
    return survey


def mark_overdue(survey: Survey, now: datetime) -> Survey:
    """Sets whether the follow-up of a survey is late, and returns the survey."""
    follow_up = survey.follow_up
    if rows.is_followed_up(survey):
        follow_up.overdue = from_timestamp(follow_up.due_time) < now
    return survey


def _required(found: tuple[rows.SurveyRow, Survey] | None) -> tuple[rows.SurveyRow, Survey]:
    if found is None:
        raise Refused(Reason.REASON_SURVEY_NOT_FOUND)
    return found


def _month_of(context: RegionContext, survey: Survey) -> str:
    """The month of the invitation, by which the answer is counted, so that a rate never exceeds one."""
    return rows.month_of(from_timestamp(survey.invite_time).astimezone(ZoneInfo(context.time_zone)))


def _count(tx: Transaction, survey: Survey, month: str) -> None:
    rows.count(tx, survey, month, rows.ANSWERS)
    for each in survey.answer.ratings:
        rows.count(tx, survey, month, each.question, each.mark)
    if survey.answer.HasField("recommendation"):
        rows.count(tx, survey, month, rows.RECOMMENDATION, survey.answer.recommendation)
