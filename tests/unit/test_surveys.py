"""Surveys at two regions on databases: who is asked, what an answer does, and what is published."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.region.v1.customer_service_pb2 import ContactPreferences, ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.survey_pb2 import Survey, SurveyAnswer, SurveyMark, SurveyRating
from gateway.api.region.v1.survey_service_pb2 import GetSurveyResultsResponse
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Command
from gateway.store.timers import due_timers
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.care.surveys import inviting, operations, rows
from region_node.care.surveys.following import ensure_surveys, surveys_are_due
from region_node.care.surveys.kind import SURVEYS
from region_node.care.surveys.occasions import require_occasion
from region_node.care.surveys.relayed import SurveyEnvelopes
from region_node.care.surveys.results import results
from region_node.care.surveys.rules import closing_of, in_sample, policy_of, require_answer, require_closed
from region_node.customers.contact_preferences import keep_preferences
from region_node.customers.notices.rules import QuietHours
from region_node.customers.operations import keep_customer
from region_node.customers.rows import CustomerRow, give_up_number, insert_line
from region_node.customers.status import ACTIVE, MOVED, MOVING, RESTRICTED, keep_status
from region_node.records.forgetting import FORGET_TIMER
from tests import at_rest
from tests.unit.situations import FEDERATION, LINE, NOW
from tests.unit.survey_scene import (
    ATTITUDE,
    CHINA,
    DAY,
    HANDLING,
    HOUR,
    KIND,
    Region,
    asked_at_home,
    invited,
    region_of,
    said,
    token_of,
)


@pytest.fixture(name="regions")
def both_regions() -> Iterator[dict[str, Region]]:
    """The home region with its customer, and the region that handles."""
    with contextlib.ExitStack() as stack:
        yield {name: region_of(stack, name) for name in ("sichuan", "guangdong")}


@pytest.fixture(name="home")
def home_region(regions: dict[str, Region]) -> Region:
    return regions["sichuan"]


def requested(home: Region, subject: str, payload: bytes, origin: str = "guangdong") -> Outcome.ValueType:
    """The home region's answer to an envelope."""
    handler = SurveyEnvelopes(home.context).kinds()[KIND]
    assert isinstance(handler, Command)
    content = EnvelopeContent(id=f"{subject}>sichuan", origin=origin, subject=subject, payload=payload)
    return handler.act(home.tx, content, NOW).outcome


@pytest.mark.clause("2.4.1")
def test_a_region_that_handled_an_order_requests_and_the_home_region_invites(regions: dict[str, Region]) -> None:
    south, home = regions["guangdong"], regions["sichuan"]
    asked = require_occasion(south.tx, "guangdong", south.order("1"))
    subject = inviting.envelope_about(asked.id)
    assert requested(home, subject, asked.SerializeToString()) == Outcome.OUTCOME_ACCEPTED
    found = rows.find_survey(home.tx, asked.id)
    assert found is not None
    assert (found[1].region, found[1].business, found[1].channel) == ("guangdong", "SUSPEND", "counter")
    assert home.notices(NOW) == [f"survey/{asked.id}"]
    forgotten = [each.subject for each in due_timers(home.tx, NOW + 2 * DAY) if each.kind == FORGET_TIMER]
    assert forgotten == [subject]


def test_the_other_region_hears_the_same_of_a_customer_on_the_quiet_list(regions: dict[str, Region]) -> None:
    south, home = regions["guangdong"], regions["sichuan"]
    keep_preferences(home.tx, LINE.customer_id, ContactPreferences(quiet=True), NOW)
    asked = require_occasion(south.tx, "guangdong", south.order("1"))
    assert requested(home, inviting.envelope_about(asked.id), asked.SerializeToString()) == Outcome.OUTCOME_ACCEPTED
    assert not rows.is_known(home.tx, asked.id)
    assert home.notices(NOW) == []


def test_a_region_that_the_customer_has_left_invites_nobody_answers_the_same_and_forgets(
    regions: dict[str, Region],
) -> None:
    former, asks = regions["guangdong"], regions["sichuan"]
    asked = require_occasion(asks.tx, "sichuan", asks.order("1"))
    subject = inviting.envelope_about(asked.id)
    assert requested(former, subject, asked.SerializeToString(), "sichuan") == Outcome.OUTCOME_ACCEPTED
    assert not rows.is_known(former.tx, asked.id)
    forgotten = [each.subject for each in due_timers(former.tx, NOW + 2 * DAY) if each.kind == FORGET_TIMER]
    assert forgotten == [subject]


def test_a_region_requests_nothing_about_a_record_of_another(regions: dict[str, Region]) -> None:
    asked = require_occasion(regions["guangdong"].tx, "guangdong", regions["guangdong"].order("1"))
    subject, payload = inviting.envelope_about(asked.id), asked.SerializeToString()
    for origin, about in (("henan", subject), ("guangdong", f"{subject}x")):
        with pytest.raises(Refused) as refused:
            requested(regions["sichuan"], about, payload, origin)
        assert refused.value.reason == Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED


@pytest.mark.clause("8.2(2)")
def test_nobody_is_asked_who_refuses_is_restricted_or_was_asked_within_a_month(home: Region) -> None:
    def refuses(preferences: ContactPreferences) -> None:
        keep_preferences(home.tx, LINE.customer_id, preferences, NOW)

    refuses(ContactPreferences(no_surveys=True))
    assert asked_at_home(home, "refuses surveys") is None
    refuses(ContactPreferences(quiet=True))
    assert asked_at_home(home, "on the quiet list") is None
    refuses(ContactPreferences())
    keep_status(home.tx, LINE.customer_id, RESTRICTED)
    assert asked_at_home(home, "restricted") is None
    keep_status(home.tx, LINE.customer_id, ACTIVE)
    assert asked_at_home(home, "first") is not None
    assert asked_at_home(home, "soon", NOW + 30 * DAY) is None
    assert asked_at_home(home, "later", NOW + 32 * DAY) is not None


def test_only_what_this_region_took_in_and_finished_is_an_occasion(home: Region) -> None:
    open_order = Order(id="sichuan/counter/open", origin_region="sichuan", state=OrderState.ORDER_STATE_IN_PROGRESS)
    open_order.create_time.CopyFrom(to_timestamp(NOW))
    insert_order(home.tx, OrderRow(open_order, ""), NOW)
    for name in (open_order.id, "guangdong/counter/1", "sichuan/counter/none", ""):
        with pytest.raises(Refused) as refused:
            require_occasion(home.tx, "sichuan", name)
        assert refused.value.reason == Reason.REASON_SURVEY_OCCASION_MISSING


def test_an_invitation_within_the_quiet_hours_waits_for_the_morning(home: Region) -> None:
    night = datetime(2030, 6, 15, 15, 30, tzinfo=UTC)  # 23:30 in China
    morning = datetime(2030, 6, 16, 1, 0, tzinfo=UTC)
    survey = asked_at_home(home, "1", night)
    assert survey is not None
    assert home.notices(morning - timedelta(seconds=1)) == []
    assert home.notices(morning) == [f"survey/{survey.id}"]
    assert from_timestamp(survey.expire_time) == morning + 14 * DAY


def test_quiet_hours_span_midnight_or_a_part_of_a_day_or_nothing() -> None:
    def local(hour: int, day: int = 15, minute: int = 20) -> datetime:
        return datetime(2030, 6, day, hour, minute, tzinfo=CHINA)

    def quiet(start: int, end: int) -> QuietHours:
        return QuietHours(start, end, CHINA)

    cases = [
        (local(20), quiet(21, 9), local(20)),
        (local(21), quiet(21, 9), local(9, 16, 0)),
        (local(8), quiet(21, 9), local(9, 15, 0)),
        (local(9), quiet(21, 9), local(9)),
        (local(12), quiet(11, 13), local(13, 15, 0)),
        (local(12), quiet(9, 9), local(12)),
        (local(22), quiet(21, 24), local(0, 16, 0)),
    ]
    wrong = [(now, found) for now, each, due in cases if (found := each.over(now)) != due]
    assert not wrong


@pytest.mark.clause("2.4.2")
def test_an_answer_is_kept_once_and_a_low_mark_opens_a_follow_up_with_owner_and_due_time(home: Region) -> None:
    token, low = invited(home, "1"), said(SurveyMark.SURVEY_MARK_DISSATISFIED, 2, "等了一个小时")
    survey = operations.answer(home.tx, home.context, token.lower(), low, NOW + HOUR)
    assert (survey.answer, survey.follow_up.owner) == (low, "SERVICE_QUALITY")
    assert operations.answer(home.tx, home.context, token, low, NOW + 2 * HOUR) == survey
    with pytest.raises(Refused) as refused:
        operations.answer(home.tx, home.context, token, said(SurveyMark.SURVEY_MARK_SATISFIED), NOW + HOUR)
    assert refused.value.reason == Reason.REASON_SURVEY_ANSWERED
    (listed,) = rows.open_follow_ups(home.tx, (0, ""), 10)
    assert listed == survey
    assert not operations.mark_overdue(listed, NOW + HOUR).follow_up.overdue
    assert operations.mark_overdue(listed, NOW + 14 * DAY).follow_up.overdue


def test_a_good_answer_opens_nothing(home: Region) -> None:
    operations.answer(home.tx, home.context, invited(home, "1"), said(SurveyMark.SURVEY_MARK_NEUTRAL), NOW)
    assert rows.open_follow_ups(home.tx, (0, ""), 10) == []


def test_a_follow_up_is_finished_once_with_its_outcome(home: Region) -> None:
    token = invited(home, "1")
    survey = operations.answer(home.tx, home.context, token, said(SurveyMark.SURVEY_MARK_VERY_DISSATISFIED), NOW)
    ended = operations.finish_follow_up(home.tx, survey.id, "wang", "已致歉", NOW + DAY)
    assert operations.finish_follow_up(home.tx, survey.id, "wang", "已致歉", NOW + 2 * DAY) == ended
    assert rows.open_follow_ups(home.tx, (0, ""), 10) == []
    with pytest.raises(Refused) as refused:
        operations.finish_follow_up(home.tx, survey.id, "li", "另议", NOW + DAY)
    assert refused.value.reason == Reason.REASON_SURVEY_FOLLOW_UP_MISSING


def test_an_answer_without_an_invitation_or_after_its_time_is_refused(home: Region) -> None:
    token = invited(home, "1")
    for name, now, reason in (
        ("", NOW, Reason.REASON_SURVEY_NOT_FOUND),
        ("0123456789AB", NOW, Reason.REASON_SURVEY_NOT_FOUND),
        (token, NOW + 15 * DAY, Reason.REASON_SURVEY_EXPIRED),
    ):
        with pytest.raises(Refused) as refused:
            operations.answer(home.tx, home.context, name, said(SurveyMark.SURVEY_MARK_SATISFIED), now)
        assert refused.value.reason == reason


def test_a_customer_who_moves_answers_later_and_one_who_has_moved_no_more(home: Region) -> None:
    token = invited(home, "1")

    def refusal(number: str) -> Reason.ValueType:
        with pytest.raises(Refused) as refused:
            operations.answer(home.tx, home.context, token, said(SurveyMark.SURVEY_MARK_NEUTRAL), NOW, number=number)
        return refused.value.reason

    keep_status(home.tx, LINE.customer_id, MOVING)
    assert refusal(LINE.number) == refusal("") == Reason.REASON_CUSTOMER_MOVING
    keep_status(home.tx, LINE.customer_id, MOVED)
    give_up_number(home.tx, LINE)
    assert (refusal(LINE.number), refusal("")) == (Reason.REASON_SURVEY_NOT_FOUND, Reason.REASON_CUSTOMER_MOVED)


def test_an_answer_has_one_mark_of_five_for_each_question() -> None:
    good = SurveyRating(question=ATTITUDE, mark=SurveyMark.SURVEY_MARK_SATISFIED)
    wrong = {
        "no rating": SurveyAnswer(),
        "a question twice": SurveyAnswer(ratings=[good, good]),
        "no question": SurveyAnswer(ratings=[SurveyRating(mark=SurveyMark.SURVEY_MARK_NEUTRAL)]),
        "no mark": SurveyAnswer(ratings=[SurveyRating(question=ATTITUDE)]),
        "a mark of a later version": SurveyAnswer(ratings=[SurveyRating(question=ATTITUDE, mark=6)]),  # type: ignore[arg-type]
        "too eager": SurveyAnswer(ratings=[good], recommendation=11),
        "too many words": SurveyAnswer(
            ratings=[SurveyRating(question=ATTITUDE, mark=SurveyMark.SURVEY_MARK_NEUTRAL, words="很" * 501)]
        ),
        "too much text": SurveyAnswer(ratings=[good], text="很" * 1_001),
    }
    accepted = []
    for name, answer in wrong.items():
        with contextlib.suppress(Refused):
            require_answer(answer)
            accepted.append(name)
    assert not accepted
    require_answer(SurveyAnswer(ratings=[good], recommendation=0))


def test_a_share_of_what_was_finished_since_is_asked_about_once(regions: dict[str, Region]) -> None:
    south, tx = regions["guangdong"], regions["guangdong"].tx
    south.order("before the first look")
    ensure_surveys(tx, NOW)
    percent = policy_of(FEDERATION, "guangdong").sample
    finished = [south.order(f"order-{number}") for number in range(300)]
    for _ in range(3):
        surveys_are_due(tx, south.context, NOW)
    sent = [(each.subject, EnvelopeContent.FromString(each.content).traceparent) for each in at_rest.sent(tx)]
    asked = [each for each in finished if in_sample(each, percent)]
    assert sorted(sent) == sorted((inviting.envelope_about(each), f"trace of {each}") for each in asked)
    assert 0 < len(sent) < 60


def run_campaign(home: Region, name: str, percent: int, now: datetime) -> None:
    inviting.start_campaign(home.tx, name, percent, now)
    while due := [each for each in due_timers(home.tx, now) if each.kind == inviting.CAMPAIGN_TIMER]:
        home.tx.execute("DELETE FROM timers WHERE timer_id = :id", id=due[0].timer_id)
        inviting.campaign_is_due(home.tx, home.context, due[0], now)
        now += timedelta(seconds=1)


@pytest.mark.clause("2.4.1")
def test_a_campaign_invites_a_share_of_the_customers_and_each_once(home: Region) -> None:
    for number in range(2, 302):
        keep_customer(home.tx, CustomerRow(f"customer-{number}", "张三", ""))
        line = replace(LINE, product_id=f"product-{number}", customer_id=f"customer-{number}")
        insert_line(home.tx, replace(line, number=f"+8619851{number:06}"))
    for _ in range(2):  # the second time changes nothing
        run_campaign(home, "spring", 40, NOW)
    names = [f"sichuan/campaign/spring/{each}" for each in home.tx.all(str, "SELECT customer_id FROM customers")]
    expected = {f"survey/{each}" for each in names if in_sample(each, 40)}
    assert set(home.notices(NOW + HOUR)) == expected
    assert 80 < len(expected) < 160


def test_a_campaign_that_is_repeated_after_the_rest_asks_nobody_by_another_line(home: Region) -> None:
    other = replace(LINE, product_id="second", number="+8619851000002")
    ended = ProductStatus.PRODUCT_STATUS_TERMINATED
    insert_line(home.tx, replace(LINE, product_id="ended", number="+8619851000003", status=ended))
    insert_line(home.tx, other)
    run_campaign(home, "spring", 100, NOW)
    assert len(home.notices(NOW + HOUR)) == 1
    run_campaign(home, "spring", 100, NOW + 40 * DAY)
    assert home.tx.first(int, "SELECT COUNT(*) FROM surveys") == 1
    run_campaign(home, "autumn", 100, NOW + 40 * DAY)
    assert home.tx.first(int, "SELECT COUNT(*) FROM surveys") == 2


def test_two_invitations_that_draw_the_same_token_get_different_ones(home: Region) -> None:
    later, asked = NOW + 40 * DAY, require_occasion(home.tx, "sichuan", home.order("1"))
    assert inviting.invite(home.tx, home.context, asked, "sichuan", NOW)
    token = token_of(home, asked.id)
    home.tx.execute("UPDATE surveys SET survey_id = 'another'")
    assert inviting.invite(home.tx, home.context, asked, "sichuan", later)
    drawn = token_of(home, asked.id)
    assert (drawn != token, len(drawn)) == (True, len(token))
    assert operations.answer(home.tx, home.context, drawn, said(SurveyMark.SURVEY_MARK_SATISFIED), later).id == asked.id


def counted(home: Region, month: str, survey: Survey, invitations: int, marks: Sequence[int]) -> None:
    for _ in range(invitations):
        rows.count(home.tx, survey, month, rows.INVITATIONS)
    for mark in marks:
        rows.count(home.tx, survey, month, rows.ANSWERS)
        rows.count(home.tx, survey, month, ATTITUDE, mark)
        rows.count(home.tx, survey, month, rows.RECOMMENDATION, 2 * mark)


def published(home: Region, first: str, last: str, smallest: int) -> GetSurveyResultsResponse:
    return results("sichuan", rows.counts_between(home.tx, first, last), smallest)


@pytest.mark.clause("2.4.3")
def test_results_are_shown_by_region_business_and_channel_without_small_groups(home: Region) -> None:
    counted(home, "2030-06", Survey(region="guangdong", business="SUSPEND", channel="counter"), 10, (1, 3, 4, 4, 5, 5))
    counted(home, "2030-06", Survey(region="henan", business="RENEW", channel="app"), 9, (1, 1, 1))
    found = published(home, "2030-06", "2030-06", 3)
    assert [each.name for each in found.by_region] == ["guangdong", "henan"]
    hidden = published(home, "2030-06", "2030-06", 4)
    assert (hidden.total.answers, hidden.total.invitations) == (9, 19)
    shown = [*hidden.by_region, *hidden.by_business, *hidden.by_channel]
    assert shown == [], "the rest would give the small group away"
    (group, _) = found.by_business[::-1]
    assert (group.name, group.invitations, group.answers) == ("SUSPEND", 10, 6)
    assert group.response_rate.value == pytest.approx(0.6)
    assert group.scores[0].figure.value == pytest.approx(22 / 6)
    assert group.recommend_score == group.recommendation.value == pytest.approx(100 * (2 - 2) / 6)
    assert -100 < group.recommendation.low < 0 < group.recommendation.high < 100
    assert not published(home, "2030-07", "2030-09", 1).by_region


def test_no_two_ranges_of_months_tell_what_a_month_does_not_show(home: Region) -> None:
    survey = Survey(region="guangdong", business="SUSPEND", channel="counter")
    for month, marks in (("2030-05", [4] * 6), ("2030-06", [1]), ("2030-08", [5] * 5)):
        counted(home, month, survey, 20, marks)
    assert [each.answers for each in published(home, "2030-05", "2030-05", 5).by_region] == [6]
    for first in ("2030-05", "2030-06"):
        found = published(home, first, "2030-06", 5)
        assert not found.by_region, "less the first month it is one answer"
        assert not found.HasField("total")
    assert [each.answers for each in published(home, "2030-07", "2030-08", 5).by_region] == [5]


def test_a_question_that_few_answered_does_not_follow_from_the_other_groups(home: Region) -> None:
    many, few = (Survey(region="guangdong", business=each, channel="app") for each in ("SUSPEND", "RENEW"))
    for survey in (many, few):
        counted(home, "2030-06", survey, 9, [4] * 9)
    for survey, answers in ((many, 8), (few, 1)):
        for _ in range(answers):
            rows.count(home.tx, survey, "2030-06", HANDLING, 2)
    found = published(home, "2030-06", "2030-06", 5)
    assert [len(each.scores) for each in found.by_region] == [2]
    assert [[score.question for score in each.scores] for each in found.by_business] == [[ATTITUDE], [ATTITUDE]]


def test_a_month_is_published_once_no_answer_can_come_any_more(home: Region) -> None:
    policy, token = policy_of(FEDERATION, "sichuan"), invited(home, "1")
    month = f"{NOW.astimezone(CHINA):%Y-%m}"
    closing = closing_of(month, "Asia/Shanghai", policy)
    with pytest.raises(Refused) as refused:
        require_closed(month, "Asia/Shanghai", policy, closing - timedelta(seconds=1))
    assert (refused.value.reason, refused.value.parameters["month"]) == (Reason.REASON_SURVEY_MONTH_OPEN, month)
    require_closed(month, "Asia/Shanghai", policy, closing)
    row, survey = found if (found := rows.find_by_token(home.tx, token)) is not None else pytest.fail("no survey")
    survey.expire_time.CopyFrom(to_timestamp(NOW + 400 * DAY))  # as of a policy that has changed since
    rows.update_survey(home.tx, row, survey)
    with pytest.raises(Refused) as late:
        operations.answer(home.tx, home.context, token, said(SurveyMark.SURVEY_MARK_SATISFIED), closing)
    assert late.value.reason == Reason.REASON_SURVEY_EXPIRED


def test_an_erased_customer_leaves_counts_and_nothing_else(home: Region) -> None:
    operations.answer(home.tx, home.context, invited(home, "1"), said(SurveyMark.SURVEY_MARK_SATISFIED), NOW)
    SURVEYS.erasure.forget["customer"](home.tx, LINE.customer_id)
    assert home.tx.first(int, "SELECT COUNT(*) FROM surveys") == 0
    assert home.tx.first(int, "SELECT COUNT(*) FROM survey_counts") == 4
