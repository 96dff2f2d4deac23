"""The follow-ups of a customer who moves go along, and the rest between two surveys counts at the new home."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gateway.api.region.v1.customer_move_pb2 import CustomerMove, MoveState
from gateway.api.region.v1.survey_pb2 import Survey, SurveyMark
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Command
from region_node.app.registered import registry
from region_node.care.surveys import inviting, operations, rows
from region_node.care.surveys.moving import MOST, require_surveys, surveys_to_move
from region_node.care.surveys.occasions import require_occasion
from region_node.customers.rows import find_line
from region_node.lifecycle.moving import operations as moving
from region_node.lifecycle.moving.relayed import MoveEnvelopes
from tests import at_rest
from tests.unit.situations import LINE, NOW
from tests.unit.survey_scene import DAY, Region, invited, region_of, said

LOW = said(SurveyMark.SURVEY_MARK_VERY_DISSATISFIED, 2, "等了一个小时")
MOVE = "sichuan/crm/move"


@dataclass(frozen=True)
class Homes:
    """The old home with the customer, and the new one."""

    old: Region
    new: Region

    def move(self) -> MoveState.ValueType:
        """The state of the move at the old home, once the new home has answered."""
        asked = CustomerMove(id=MOVE, to_region="guangdong")
        asked.lines.add(number=LINE.number, plan_id="guangdong-79")
        known = registry(self.old.context)
        moving.start(self.old.tx, known, asked, LINE.number, NOW + DAY)
        moving.confirm(self.old.tx, known, MOVE, NOW + DAY, "")
        (sent,) = at_rest.open_envelopes(self.old.tx)
        there, here = handler(self.new), handler(self.old)
        answer = there.act(self.new.tx, sent.content, NOW + DAY)
        receipt = ReceiptContent(outcome=answer.outcome, reason=answer.reason)
        for _ in range(2):  # a receipt that comes again changes nothing
            here.answered(self.old.tx, sent.content, receipt, NOW + DAY)
        return moving.require_move(self.old.tx, MOVE).state


def handler(region: Region) -> Command:
    found = MoveEnvelopes(region.context).kinds()[EnvelopeKind.ENVELOPE_KIND_CUSTOMER_HAND_OVER]
    assert isinstance(found, Command)
    return found


@pytest.fixture(name="homes")
def both_homes() -> Iterator[Homes]:
    with contextlib.ExitStack() as stack:
        yield Homes(region_of(stack, "sichuan"), region_of(stack, "guangdong"))


def test_an_open_follow_up_is_finished_at_the_new_home_and_ends_with_a_reason_at_the_old_one(homes: Homes) -> None:
    old, new = homes.old, homes.new
    survey = operations.answer(old.tx, old.context, invited(old, "1"), LOW, NOW)
    assert homes.move() == MoveState.MOVE_STATE_MOVED
    found = rows.find_survey(old.tx, survey.id)
    assert found is not None
    assert (found[0].follow_up_due, found[1].follow_up.reason) == (None, Reason.REASON_CUSTOMER_MOVED)
    (listed,) = rows.open_follow_ups(new.tx, (0, ""), 10)
    assert (listed.id, listed.region, listed.answer) == (f"{MOVE}/{survey.id}", "sichuan", LOW)
    assert listed.follow_up == survey.follow_up
    ended = operations.finish_follow_up(new.tx, listed.id, "wang", "已致歉", NOW + 2 * DAY)
    assert ended.follow_up.finisher == "wang"
    assert new.tx.first(int, "SELECT COUNT(*) FROM survey_counts") == 0, "the old home has counted the answer"


def test_a_customer_who_was_asked_before_the_move_is_not_asked_again_within_the_rest(homes: Homes) -> None:
    old, new = homes.old, homes.new
    good = said(SurveyMark.SURVEY_MARK_SATISFIED, 9, "很满意")
    operations.answer(old.tx, old.context, invited(old, "1"), good, NOW)
    assert homes.move() == MoveState.MOVE_STATE_MOVED
    line = find_line(new.tx, LINE.number)
    assert line is not None
    ((_, kept),) = rows.surveys_of(new.tx, line.customer_id)
    assert (kept.invite_time.ToDatetime(), kept.HasField("answer")) == (NOW.replace(tzinfo=None), False)
    asked = require_occasion(new.tx, "guangdong", new.order("2"))
    later = [inviting.invite(new.tx, new.context, asked, "guangdong", NOW + days * DAY) for days in (20, 40)]
    assert later == [False, True]


def test_a_follow_up_about_a_line_that_has_ended_goes_along_by_another_number(homes: Homes) -> None:
    survey = operations.answer(homes.old.tx, homes.old.context, invited(homes.old, "1"), LOW, NOW)
    (told,) = surveys_to_move(homes.old.tx, LINE.customer_id, ["+8619851000009"])
    assert (told.id, told.number) == (survey.id, "+8619851000009")


def test_a_hand_over_with_surveys_of_another_form_is_refused(homes: Homes) -> None:
    operations.answer(homes.old.tx, homes.old.context, invited(homes.old, "1"), LOW, NOW)
    (good,) = surveys_to_move(homes.old.tx, LINE.customer_id, [LINE.number])
    require_surveys([good], [LINE.number])

    def changed(**fields: object) -> Survey:
        survey = Survey()
        survey.CopyFrom(good)
        for name, value in fields.items():
            setattr(survey, name, value)
        return survey

    late, owned, bare = changed(), changed(), changed()
    late.invite_time.seconds, owned.follow_up.owner = 2**60, "ELSE"
    bare.ClearField("answer")
    wrong = {
        "too many": [changed(id=str(number)) for number in range(MOST + 1)],
        "twice": [good, good],
        "no id": [changed(id="")],
        "another number": [changed(number="+8619851000009")],
        "a time that no calendar has": [late],
        "another department": [owned],
        "no answer": [bare],
    }
    taken = []
    for name, told in wrong.items():
        with contextlib.suppress(Refused):
            require_surveys(told, [LINE.number])
            taken.append(name)
    assert not taken
