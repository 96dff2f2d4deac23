"""Rules of surveys: sample, the form of an answer, and low marks. Pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.region.v1.survey_pb2 import SurveyAnswer, SurveyMark, SurveyQuestion
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.catalogue import Federation
from region_node.business.billing.rules import Month
from region_node.customers.notices.rules import QuietHours, quiet_hours_of
from region_node.requests.checks import require_length

OWNER = "SERVICE_QUALITY"
"""The department that owns follow-ups, by its code in the complaint categories."""
FOLLOW_UP = "survey-follow-up"
"""The policy with the limit of a follow-up."""
HIGHEST_RECOMMENDATION = 10
_WORDS_LIMIT = 500  # characters
_TEXT_LIMIT = 1_000
_SHARES = 10_000  # steps of a sample
_PERCENT = 100
_WAITS = timedelta(days=1)


@dataclass(frozen=True)
class Policy:
    """The figures of a region's surveys."""

    sample: int
    """Percent of finished occasions."""
    rest: timedelta
    """Between two invitations of a customer."""
    quiet: QuietHours
    open_for: timedelta
    """From the invitation to the last answer."""
    low_mark: int
    """The highest mark that opens a follow-up."""
    smallest_group: int
    """Answers of a group that is shown."""


def find_policy(federation: Federation, region: str) -> Policy | None:
    """As `policy_of`; None where the federation has no surveys."""
    try:
        return policy_of(federation, region)
    except Refused:
        return None


def policy_of(federation: Federation, region: str) -> Policy:
    """The figures in force for a region. Raises Refused with CONFIGURATION_INVALID where one is missing."""

    def figure(name: str) -> int:
        return federation.figure(f"survey-{name}", (region,))

    return Policy(
        sample=figure("sample"),
        rest=timedelta(days=figure("rest")),
        quiet=quiet_hours_of(federation, region),
        open_for=timedelta(days=figure("open-for")),
        low_mark=figure("low-mark"),
        smallest_group=figure("smallest-group"),
    )


def closing_of(month: str, time_zone: str, policy: Policy) -> datetime:
    """When the last answer to an invitation of a month may have come. From then on its results never change.

    `month` is `YYYY-MM` of the region. An invitation waits for the end of the quiet hours, less than a day.
    """
    return Month.of(month, time_zone).end + policy.open_for + _WAITS


def require_closed(month: str, time_zone: str, policy: Policy, now: datetime) -> None:
    """Raises Refused with SURVEY_MONTH_OPEN while answers come in: two looks would tell what one customer said."""
    closing = closing_of(month, time_zone, policy)
    if now < closing:
        day = closing.astimezone(ZoneInfo(time_zone)).date() + timedelta(days=1)
        raise Refused(Reason.REASON_SURVEY_MONTH_OPEN, month=month, date=day.isoformat())


def in_sample(name: str, percent: int) -> bool:
    """Whether an occasion or a line belongs to a share; the same name always gets the same answer."""
    drawn = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % _SHARES
    return drawn < percent * _SHARES // _PERCENT


def require_answer(answer: SurveyAnswer) -> None:
    """Raises Refused with REQUEST_INVALID unless the answer has one rating or more, each of another question."""
    if not answer.ratings:
        raise invalid("answer.ratings", "there is none", "至少评价一项")
    questions = [each.question for each in answer.ratings]
    if len(set(questions)) < len(questions):
        raise invalid("answer.ratings", "a question stands twice", "同一问题重复")
    for each in answer.ratings:
        if each.question not in SurveyQuestion.values() or not each.question:
            raise invalid("answer.ratings.question", "not a question", "不是有效的问题")
        if each.mark not in SurveyMark.values() or not each.mark:
            raise invalid("answer.ratings.mark", "not a mark", "不是有效的评分")
        require_length("answer.ratings.words", each.words, _WORDS_LIMIT)
    if answer.recommendation > HIGHEST_RECOMMENDATION:
        raise invalid("answer.recommendation", f"it is not 0 to {HIGHEST_RECOMMENDATION}", "须为0至10")
    require_length("answer.text", answer.text, _TEXT_LIMIT)


def is_low(answer: SurveyAnswer, policy: Policy) -> bool:
    """Whether a mark of the answer opens a follow-up."""
    return any(each.mark <= policy.low_mark for each in answer.ratings)
