"""The surveys of a customer who moves to another region: their follow-ups are finished at the new home."""

from collections.abc import Sequence
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.customer_move_pb2 import CustomerMove
from gateway.api.region.v1.survey_pb2 import Survey
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.care.surveys import follow_ups, rows
from region_node.care.surveys.rules import OWNER, require_answer
from region_node.node.context import RegionContext
from region_node.requests.checks import require_length

MOST = 6
"""Surveys of one hand-over: an envelope holds 64 KiB, and a survey has at most 8 of them."""
_ID_LIMIT = 1_000  # characters: the id of a move comes before it with each move


def surveys_to_move(tx: Transaction, customer_id: str, numbers: Sequence[str]) -> list[Survey]:
    """The surveys for the new home, each with a number that moves with the customer.

    The newest one without a follow-up goes without its answer.
    """
    told = []
    for _, survey in rows.surveys_of(tx, customer_id)[:MOST]:
        if not rows.is_followed_up(survey):
            for field in ("answer", "answer_time", "follow_up"):
                survey.ClearField(field)
        if survey.number not in numbers:
            survey.number = numbers[0]  # the line has ended since, and the customer is called on another one
        told.append(survey)
    return told


def require_surveys(told: Sequence[Survey], numbers: Sequence[str]) -> None:
    """Raises Refused unless surveys of a hand-over are about its numbers, and of the form of this region's own."""
    if len(told) > MOST:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="too many surveys")
    if len({each.id for each in told}) < len(told):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a survey stands twice")
    for each in told:
        require_length("surveys.id", each.id, _ID_LIMIT, required=True)
        if each.number not in numbers:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a survey about another number")
        for instant in (each.invite_time, each.expire_time, each.follow_up.due_time):
            _require_instant(instant)
        if each.HasField("follow_up"):
            require_answer(each.answer)
            if not rows.is_followed_up(each) or each.follow_up.owner != OWNER:
                raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="not an open follow-up")


def keep_moved(
    tx: Transaction, context: RegionContext, told: Sequence[Survey], move: CustomerMove, customer_id: str, now: datetime
) -> None:
    """Stores the surveys of a customer who has moved here. The old home has counted them."""
    for each in told:
        each.id = f"{move.id}/{each.id}"
        rows.insert_survey(tx, each, customer_id)
        if rows.is_followed_up(each):
            follow_ups.watch(tx, context, each, now)


def end_follow_ups(tx: Transaction, customer_id: str, now: datetime) -> None:
    """Ends the open follow-ups of a customer who has moved away, with the reason."""
    for row, survey in rows.surveys_of(tx, customer_id):
        if rows.is_followed_up(survey):
            survey.follow_up.reason = Reason.REASON_CUSTOMER_MOVED
            survey.follow_up.finish_time.CopyFrom(to_timestamp(now))
            rows.update_survey(tx, row, survey)
            follow_ups.unwatch(tx, survey.id)


def _require_instant(instant: Timestamp) -> None:
    try:
        from_timestamp(instant)
    except (OverflowError, ValueError):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a time that no calendar has") from None
