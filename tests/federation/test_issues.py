"""Issues between regions: one decides, others help, and what is decided is tracked to its end."""

from datetime import timedelta

import pytest

from gateway.api.coordinator.v1 import issue_service_pb2 as overseen
from gateway.api.coordinator.v1.issue_service_pb2_grpc import IssueServiceStub
from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.issue_oversight_service_pb2 import IssueCounts
from gateway.api.region.v1.issue_pb2 import IssueRequest
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from tests.federation.issue_staff import (
    ACKNOWLEDGED,
    CLOSED,
    DECIDED,
    IN_PROGRESS,
    WITHDRAWN,
    IssueStaff,
)
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until

PASSED = EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED


@pytest.fixture(name="south")
def where_they_are_opened(federation: Federation) -> IssueStaff:
    return IssueStaff(federation, "guangdong")


@pytest.fixture(name="west")
def staff_of_the_owner(federation: Federation) -> IssueStaff:
    return IssueStaff(federation, "sichuan")


@pytest.fixture(name="north")
def staff_of_the_helper(federation: Federation) -> IssueStaff:
    return IssueStaff(federation, "henan")


@pytest.mark.clause("10.3(4)")
async def test_an_issue_is_decided_by_its_owner_and_followed_by_all_until_each_action_is_finished(
    south: IssueStaff, west: IssueStaff, north: IssueStaff
) -> None:
    opened = await south.open("sichuan", "henan")
    assert opened.id.startswith("guangdong/I")
    taken = await south.is_taken(opened.id)
    assert taken == await north.is_taken(opened.id) == await west.get(opened.id)
    await west.work(opened.id, WorkOnIssueRequest(take_up=WorkOnIssueRequest.TakeUp()))
    await north.notes(opened.id, "三十日的文件到了两次")
    await south.notes(opened.id, "我方只发了一次")
    await west.decides(opened.id, west.action("henan"), west.action("guangdong"))
    await south.reaches(opened.id, DECIDED)
    await north.reaches(opened.id, DECIDED)
    assert (await refusal(west.closes(opened.id))).reason == "ISSUE_ACTIONS_OPEN"
    assert (await refusal(south.reports(opened.id, 1))).reason == "ISSUE_NOT_RESPONSIBLE"
    assert (await north.reports(opened.id, 1, finished=False)).actions[0].report
    await north.reports(opened.id, 1)
    await south.reports(opened.id, 2)
    closed = await west.closes(opened.id)
    assert closed == await south.reaches(opened.id, CLOSED) == await north.reaches(opened.id, CLOSED)
    assert [each.author for each in closed.notes] == ["henan/wang", "guangdong/wang"]
    assert [each.reporter for each in closed.actions] == ["henan/wang", "guangdong/wang"]
    assert [each.state for each in closed.state_changes] == [ACKNOWLEDGED, IN_PROGRESS, DECIDED, CLOSED]


async def test_each_region_does_its_own_part_and_others_know_nothing(
    federation: Federation, south: IssueStaff, west: IssueStaff, north: IssueStaff
) -> None:
    opened = await south.is_taken((await south.open("sichuan")).id)
    for step, reason in (
        (south.decides(opened.id), "ISSUE_NOT_RESPONSIBLE"),
        (south.closes(opened.id), "ISSUE_NOT_RESPONSIBLE"),
        (west.withdraws(opened.id), "ISSUE_NOT_RESPONSIBLE"),
        (west.closes(opened.id), "ISSUE_STATE_FORBIDS"),
        (west.decides(opened.id, west.action("henan")), "REQUEST_INVALID"),
        (north.notes(opened.id, "?"), "ISSUE_NOT_FOUND"),
        (north.get(opened.id), "ISSUE_NOT_FOUND"),
        (south.hand_in(IssueRequest(subject="x")), "REQUEST_INVALID"),
        (south.open("nowhere"), "REGION_UNKNOWN"),
        (south.open("sichuan", within=timedelta(days=-1)), "REQUEST_INVALID"),
    ):
        assert (await refusal(step)).reason == reason
    await west.work(opened.id, WorkOnIssueRequest(add_helper="henan"))
    await north.is_taken(opened.id)
    assert [each.text for each in (await north.notes(opened.id, "我方协助")).notes] == ["我方协助"]
    assert (await refusal(north.withdraws(opened.id))).reason == "ISSUE_NOT_RESPONSIBLE"
    assert (await south.withdraws(opened.id)).state == WITHDRAWN
    await north.reaches(opened.id, WITHDRAWN)
    assert opened.id in await north.lists(WITHDRAWN)
    assert opened.id not in await north.lists(ACKNOWLEDGED)


async def test_an_issue_that_nobody_decides_in_time_is_escalated_by_itself(
    federation: Federation, south: IssueStaff, west: IssueStaff
) -> None:
    opened = await south.open("sichuan", within=timedelta(seconds=1))
    late = await south.follows(opened.id, lambda each: bool(each.escalations), "escalated")
    assert [(each.trigger, each.author) for each in late.escalations] == [(PASSED, "")]
    assert opened.id in await west.lists(overdue=True)
    asked = await south.escalates(opened.id)
    assert [each.author for each in asked.escalations] == ["", "guangdong/wang"]
    rows = federation.database("sichuan").rows(
        "SELECT detail FROM audit WHERE action = 'EscalateIssue' AND subject = ?", opened.id
    )
    assert len(rows) == 2


@pytest.mark.clause("10.3(4)")
async def test_administrators_open_issues_and_see_those_of_all_regions_the_overdue_ones_first(
    federation: Federation, south: IssueStaff, west: IssueStaff, north: IssueStaff
) -> None:
    service = IssueServiceStub(federation.dial_coordinator("admin/root"))
    before = await counts(federation, "henan")
    asked = overseen.OpenIssueRequest(request_id=federation.next_id(), issue=south.request("henan", "sichuan"))
    first = (await service.OpenIssue(asked, timeout=CALL_SECONDS)).issue
    assert first == (await service.OpenIssue(asked, timeout=CALL_SECONDS)).issue, "the same request again"
    known = await west.is_taken(first.id)
    assert (known.origin_region, known.owner_region, known.operator) == ("henan", "henan", "admin/root")
    assert known.state_changes[0].author == "admin/root"
    late = await south.open("henan", within=timedelta(seconds=1))
    await south.follows(late.id, lambda each: bool(each.escalations), "escalated")
    listed = await service.ListIssueHeaders(overseen.ListIssueHeadersRequest(page_size=500), timeout=CALL_SECONDS)
    ids = [each.id for each in listed.issues]
    assert ids.index(late.id) < ids.index(first.id)
    assert len(set(ids)) == len(ids)
    after = await counts(federation, "henan")
    grown = [getattr(after, each) - getattr(before, each) for each in ("open", "overdue", "escalated", "closed")]
    assert grown == [2, 1, 1, 0]


@pytest.mark.clause("10.3(4)")
async def test_the_body_appoints_another_owner_of_an_issue_whose_owner_has_left(
    federation: Federation, south: IssueStaff, west: IssueStaff, north: IssueStaff
) -> None:
    service = IssueServiceStub(federation.dial_coordinator("admin/root"))
    opened = await south.is_taken((await south.open("sichuan", "henan")).id)
    await north.is_taken(opened.id)

    async def appoint(region: str) -> overseen.AppointIssueOwnerResponse:
        request = overseen.AppointIssueOwnerRequest(issue_id=opened.id, owner_region=region, reason="负责地区已退出")
        return await service.AppointIssueOwner(request, timeout=CALL_SECONDS)

    async def has_left() -> bool:
        listed = await service.ListIssueHeaders(overseen.ListIssueHeadersRequest(page_size=500), timeout=CALL_SECONDS)
        return any(each.id == opened.id and each.owner_has_left for each in listed.issues)

    assert (await refusal(appoint("henan"))).reason == "ISSUE_OWNER_PRESENT"
    assert (await refusal(appoint("nowhere"))).reason == "REGION_UNKNOWN"
    await federation.suspend("sichuan")
    try:
        await until(has_left, "the regions of the issue know that its owner has left")
        told = await appoint("henan")
        assert (told.issue.owner_region, told.on_duty.region) == ("henan", "henan")
        assert [each.region for each in told.unanswered] == ["sichuan"]
        await south.follows(opened.id, lambda each: bool(each.appointments), "appointed")
        await south.notes(opened.id, "请新的负责地区继续")
        decided = await north.decides(opened.id, north.action("guangdong"))
        await south.reports(opened.id, 1)
        assert (await north.closes(opened.id)).state == CLOSED
        assert [each.text for each in decided.notes] == ["请新的负责地区继续"]
        await south.reaches(opened.id, CLOSED)
    finally:
        await federation.reinstate("sichuan")

    async def is_known_everywhere() -> bool:
        return not (await appoint("henan")).unanswered

    await until(is_known_everywhere, "the former owner has heard of it")
    assert (await west.get(opened.id)).owner_region == "henan"


async def counts(federation: Federation, region: str) -> IssueCounts:
    """The numbers of a region, as the coordinator tells them."""
    service = IssueServiceStub(federation.dial_coordinator("admin/root"))
    answer = await service.CountIssues(overseen.CountIssuesRequest(), timeout=CALL_SECONDS)
    return next(each.counts for each in answer.regions if each.region == region)
