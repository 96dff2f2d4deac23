"""Somebody is told of each low mark, and somebody above of one that nobody followed up in time."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.survey_pb2 import Survey, SurveyMark
from gateway.store.timers import due_timers
from region_node.care.escalations.duty import with_duty
from region_node.care.surveys import operations, rows
from region_node.care.surveys.follow_ups import FOLLOW_UP_TIMER, due_time_has_passed
from region_node.care.surveys.kind import SURVEYS
from region_node.customers.status import ACTIVE, RESTRICTED, keep_status
from tests.unit.situations import FEDERATION, LINE, NOW
from tests.unit.survey_scene import DAY, HOUR, Region, invited, region_of, said

LOW = said(SurveyMark.SURVEY_MARK_DISSATISFIED, 2)
LATE = NOW + 14 * DAY


@pytest.fixture(name="home")
def home_region() -> Iterator[Region]:
    with contextlib.ExitStack() as stack:
        home = region_of(stack, "sichuan")
        yield Region(replace(home.context, sinks={"file": 1}), home.tx)


def told(home: Region) -> list[RaisedComplaint]:
    """The notices to the sink, by level."""
    return home.tx.all(RaisedComplaint.FromString, "SELECT content FROM escalation_notices ORDER BY level")


def low(home: Region) -> Survey:
    return operations.answer(home.tx, home.context, invited(home, "1"), LOW, NOW)


def pass_time(home: Region, now: datetime) -> None:
    """Runs the timers of follow-ups that are due."""
    for timer in [each for each in due_timers(home.tx, now) if each.kind == FOLLOW_UP_TIMER]:
        home.tx.execute("DELETE FROM timers WHERE timer_id = :id", id=timer.timer_id)
        due_time_has_passed(home.tx, home.context, timer, now)


@pytest.mark.clause("2.4.2")
def test_the_person_on_duty_hears_of_a_low_mark_once_and_not_of_its_words(home: Region) -> None:
    survey = low(home)
    found = rows.find_survey(home.tx, survey.id)
    assert found is not None
    operations.answer(home.tx, home.context, found[0].token, LOW, NOW + HOUR)
    (notice,) = told(home)
    assert (notice.ticket_id, notice.level, notice.due_time) == (f"survey/{survey.id}", 2, survey.follow_up.due_time)
    assert notice.matter == "survey-follow-up"
    named = with_duty(notice, FEDERATION.body, NOW)
    assert (named.on_duty.department, named.on_duty.region) == ("SERVICE_QUALITY", "sichuan")
    assert LINE.number not in str(notice)


def test_a_follow_up_that_is_late_is_told_one_level_up_once(home: Region) -> None:
    survey = low(home)
    pass_time(home, NOW + HOUR)
    assert [each.level for each in told(home)] == [2]
    for _ in range(2):
        pass_time(home, LATE)
    assert [each.level for each in told(home)] == [2, 3]
    audited = home.tx.all(str, "SELECT subject FROM audit WHERE action = 'EscalateSurveyFollowUp'")
    assert audited == [survey.id]


def test_a_follow_up_that_was_finished_in_time_is_told_to_nobody_above(home: Region) -> None:
    operations.finish_follow_up(home.tx, low(home).id, "wang", "已致歉", NOW + HOUR)
    pass_time(home, LATE)
    assert [each.level for each in told(home)] == [2]


def test_a_late_follow_up_of_a_restricted_customer_waits_until_somebody_may_finish_it(home: Region) -> None:
    low(home)
    keep_status(home.tx, LINE.customer_id, RESTRICTED)
    pass_time(home, LATE)
    assert [each.level for each in told(home)] == [2]
    keep_status(home.tx, LINE.customer_id, ACTIVE)
    pass_time(home, LATE + 2 * DAY)
    assert [each.level for each in told(home)] == [2, 3]


def test_nothing_is_told_of_an_erased_customer(home: Region) -> None:
    low(home)
    SURVEYS.erasure.forget["customer"](home.tx, LINE.customer_id)
    pass_time(home, LATE)
    assert told(home) == []
