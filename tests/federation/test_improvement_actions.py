"""A region's actions against the causes of complaints, and their success."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.api.region.v1 import improvement_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import Remedy
from gateway.api.region.v1.improvement_service_pb2_grpc import ImprovementServiceStub
from tests.federation.complainant import Complainant
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.test_complaints import IN_PROGRESS, RESOLVED, staff

CHINA = ZoneInfo("Asia/Shanghai")


def actions_at(federation: Federation, region: str) -> ImprovementServiceStub:
    return ImprovementServiceStub(federation.dial_node(region, f"region/{region}/staff/wang"))


async def proposed(federation: Federation, cause: str) -> str:
    """The ticket id of a complaint about which Sichuan has proposed a resolution."""
    desk, quality = Complainant(federation, "guangdong"), staff(federation, "sichuan")
    filed = await desk.file("SVC_SUSPEND_WRONG", federation.next_number("sichuan"))
    await quality.reaches(filed.ticket_id, IN_PROGRESS)
    await quality.propose(filed.ticket_id, remedy=Remedy.REMEDY_CORRECTION, cause=cause)
    await desk.reaches(filed.ticket_id, RESOLVED)
    return filed.ticket_id


async def closed(federation: Federation, cause: str) -> str:
    """The ticket id of a complaint that Sichuan has answered and the customer has accepted."""
    ticket_id = await proposed(federation, cause)
    await Complainant(federation, "guangdong").accept(ticket_id)
    return ticket_id


def day(federation: Federation, days: int) -> str:
    return f"{federation.clock.now().astimezone(CHINA) + timedelta(days=days):%Y-%m-%d}"


def adding(federation: Federation, ticket_id: str, days: int = 30) -> api.AddImprovementActionRequest:
    return api.AddImprovementActionRequest(
        request_id=federation.next_id(),
        ticket_id=ticket_id,
        text="compare each import with the one before",
        owner="BUSINESS_SUPPORT",
        due_date=day(federation, days),
    )


@pytest.mark.clause("1.4.4", "2.3.3")
async def test_a_cause_that_comes_back_after_its_action_was_finished_flags_the_action(federation: Federation) -> None:
    node = actions_at(federation, "sichuan")
    cause = "system-fault"  # each test has causes of its own
    ticket_id = await closed(federation, cause)
    request = adding(federation, ticket_id)
    added = (await node.AddImprovementAction(request, timeout=CALL_SECONDS)).action
    assert (added.category, added.cause_code, added.staff_id) == ("SVC_SUSPEND_WRONG", cause, "wang")
    assert (await node.AddImprovementAction(request, timeout=CALL_SECONDS)).action == added

    async def listed() -> api.ImprovementAction:
        wanted = api.ListImprovementActionsRequest(cause_code=cause)
        (found,) = (await node.ListImprovementActions(wanted, timeout=CALL_SECONDS)).actions
        return found

    assert (await listed()).repeats == 0
    early = await closed(federation, cause)  # while the action is under way
    assert ((await listed()).repeats, (await listed()).last_repeat_ticket_id, (await listed()).ineffective) == (
        1,
        early,
        False,
    )
    finish = api.FinishImprovementActionRequest(
        request_id=federation.next_id(), action_id=added.id, outcome="imports are compared"
    )
    finished = (await node.FinishImprovementAction(finish, timeout=CALL_SECONDS)).action
    assert (finished.outcome, finished.finisher, finished.repeats) == ("imports are compared", "wang", 1)
    assert (await node.FinishImprovementAction(finish, timeout=CALL_SECONDS)).action == finished
    await closed(federation, "staff-error")
    assert not (await listed()).ineffective
    late = await closed(federation, cause)
    found = await listed()
    assert (found.repeats, found.last_repeat_ticket_id, found.ineffective) == (2, late, True)
    flagged = "SELECT detail FROM audit WHERE subject = ? AND action = 'FlagImprovementAction'"
    assert federation.database("sichuan").rows(flagged, added.id) == [(f"ineffective: {late}",)]
    useless = api.ListImprovementActionsRequest(ineffective=True, category="SVC_SUSPEND_WRONG", page_size=1)
    assert (await node.ListImprovementActions(useless, timeout=CALL_SECONDS)).actions[0].id == added.id


@pytest.mark.clause("12.1")
async def test_an_action_is_for_a_closed_complaint_of_the_region_and_has_a_day_to_come(federation: Federation) -> None:
    node = actions_at(federation, "sichuan")
    cause = "unclear-terms"
    ticket_id = await proposed(federation, cause)
    waiting = await refusal(node.AddImprovementAction(adding(federation, ticket_id), timeout=CALL_SECONDS))
    assert (waiting.reason, waiting.parameters["action"]) == ("COMPLAINT_STATE_FORBIDS", "improve")
    await Complainant(federation, "guangdong").accept(ticket_id)
    elsewhere = actions_at(federation, "guangdong")
    there = await refusal(elsewhere.AddImprovementAction(adding(federation, ticket_id), timeout=CALL_SECONDS))
    assert there.reason == "COMPLAINT_NOT_RESPONSIBLE"
    for days, text in ((-1, ""), (0, "next week"), (0, "20301231")):
        bad = adding(federation, ticket_id, days)
        bad.due_date = text or bad.due_date
        told = await refusal(node.AddImprovementAction(bad, timeout=CALL_SECONDS))
        assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "due_date")
    added = (await node.AddImprovementAction(adding(federation, ticket_id, 0), timeout=CALL_SECONDS)).action
    assert not added.overdue
    await federation.advance(timedelta(days=1))
    wanted = api.ListImprovementActionsRequest(open=True, cause_code=cause)
    (late,) = (await node.ListImprovementActions(wanted, timeout=CALL_SECONDS)).actions
    assert late.overdue
    finish = api.FinishImprovementActionRequest(
        request_id=federation.next_id(), action_id="sichuan/action-0", outcome="x"
    )
    missing = await refusal(node.FinishImprovementAction(finish, timeout=CALL_SECONDS))
    assert missing.reason == "IMPROVEMENT_ACTION_NOT_FOUND"
    finish.action_id = added.id
    assert not (await node.FinishImprovementAction(finish, timeout=CALL_SECONDS)).action.overdue
    again = api.FinishImprovementActionRequest(request_id=federation.next_id(), action_id=added.id, outcome="y")
    done = await refusal(node.FinishImprovementAction(again, timeout=CALL_SECONDS))
    assert done.reason == "IMPROVEMENT_ACTION_FINISHED"
    words = federation.database("sichuan").rows("SELECT * FROM improvement_actions WHERE action_id = ?", added.id)
    assert "compare each import" not in repr(words)


async def test_actions_are_listed_page_by_page_newest_first(federation: Federation) -> None:
    node = actions_at(federation, "sichuan")
    cause = "network-fault"
    ticket_id = await closed(federation, cause)
    added = [
        (await node.AddImprovementAction(adding(federation, ticket_id), timeout=CALL_SECONDS)).action.id
        for _ in range(3)
    ]
    seen, token = [], ""
    while True:
        request = api.ListImprovementActionsRequest(cause_code=cause, page_size=2, page_token=token)
        page = await node.ListImprovementActions(request, timeout=CALL_SECONDS)
        seen += [each.id for each in page.actions]
        token = page.next_page_token
        if not token:
            break
    assert seen == added[::-1]
