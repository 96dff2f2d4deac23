"""Administrators' reads and actions on complaints across regions: without the customer, and without texts."""

import uuid
from collections.abc import Sequence
from datetime import timedelta

import pytest

from gateway.api.coordinator.v1 import complaint_oversight_service_pb2 as api
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader
from gateway.api.region.v1.complaint_pb2 import ComplaintState, EscalationTrigger, LedgerEntry
from gateway.errors import reason_name
from gateway.time.clock import from_timestamp
from gateway.time.months import month_before
from tests.federation.commands import as_administrator, run_command
from tests.federation.complainant import Complainant
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation

IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
RESOLVED = ComplaintState.COMPLAINT_STATE_RESOLVED
ADMINISTRATOR = EscalationTrigger.ESCALATION_TRIGGER_ADMINISTRATOR
REGION, CATEGORY = api.COMPLAINT_DIMENSION_REGION, api.COMPLAINT_DIMENSION_CATEGORY


@pytest.fixture(name="desk")
def first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "guangdong")


@pytest.fixture(name="quality")
def staff_of_the_responsible_region(federation: Federation) -> Complainant:
    return Complainant(federation, "sichuan", "staff/wang")


async def listed(federation: Federation, request: api.ListComplaintHeadersRequest) -> dict[str, ComplaintHeader]:
    request.page_size = 500
    response = await federation.complaint_oversight.ListComplaintHeaders(request, timeout=CALL_SECONDS)
    found = {each.ticket_id: each for each in response.complaints}
    assert len(found) == len(response.complaints)
    return found


async def shown(federation: Federation, ticket_id: str) -> api.GetComplaintHistoryResponse:
    request = api.GetComplaintHistoryRequest(ticket_id=ticket_id)
    return await federation.complaint_oversight.GetComplaintHistory(request, timeout=CALL_SECONDS)


async def raised(
    federation: Federation, ticket_id: str, level: int, *, reason: str = "媒体关注", request_id: str = ""
) -> ComplaintHeader:
    request = api.RaiseComplaintRequest(
        request_id=request_id or uuid.uuid4().hex, ticket_id=ticket_id, level=level, reason=reason
    )
    return (await federation.complaint_oversight.RaiseComplaint(request, timeout=CALL_SECONDS)).complaint


async def reported(
    federation: Federation, *by: api.ComplaintDimension.ValueType
) -> tuple[api.ReportComplaintsResponse, Sequence[api.ComplaintFigures]]:
    month = f"{federation.clock.now() + timedelta(hours=8):%Y-%m}"
    request = api.ReportComplaintsRequest(
        from_month=month_before(month, 1),
        to_month=month_before(month, -1),  # it may begin during the test
        groupings=[api.ComplaintGrouping(by=by), api.ComplaintGrouping()],
    )
    response = await federation.complaint_oversight.ReportComplaints(request, timeout=CALL_SECONDS)
    return response, response.tables[0].rows


def whole(ledger: Sequence[LedgerEntry]) -> timedelta:
    return sum((each.duration.ToTimedelta() for each in ledger), timedelta())


@pytest.mark.clause("1.4.2")
async def test_a_late_complaint_is_listed_once_as_its_region_has_it_and_its_time_sums_to_the_whole(
    federation: Federation, desk: Complainant, quality: Complainant
) -> None:
    number = federation.next_number("sichuan")
    filed = await desk.file("BILL_ABNORMAL", number, description="绝密的抱怨")  # to be resolved in 24 hours
    await quality.reaches(filed.ticket_id, IN_PROGRESS)
    await quality.respond(filed.ticket_id, "秘密的答复")
    soon = api.ListComplaintHeadersRequest()
    soon.due_within.FromTimedelta(timedelta(hours=30))
    assert filed.ticket_id in await listed(federation, soon)
    assert filed.ticket_id not in await listed(federation, api.ListComplaintHeadersRequest(overdue=True))
    await federation.advance(timedelta(hours=26))
    late = (await listed(federation, api.ListComplaintHeadersRequest(overdue=True, region="sichuan")))[filed.ticket_id]
    assert (late.owner_region, late.origin_region, late.department.en) == ("sichuan", "guangdong", "Billing")
    assert late.due_time == filed.deadlines[2].due_time
    assert filed.ticket_id not in await listed(federation, soon)
    assert filed.ticket_id not in await listed(
        federation, api.ListComplaintHeadersRequest(overdue=True, region="henan")
    )
    assert filed.ticket_id not in await listed(federation, api.ListComplaintHeadersRequest(unclassified=True))
    await quality.rises(filed.ticket_id, 4)
    assert filed.ticket_id in await listed(
        federation, api.ListComplaintHeadersRequest(level=4, category="BILL_ABNORMAL")
    )

    told = await shown(federation, filed.ticket_id)
    history = told.complaint
    assert (told.region, history.header.level, list(told.unanswered)) == ("sichuan", 4, [])
    allowed = from_timestamp(history.header.due_time) - from_timestamp(filed.create_time)
    assert whole(history.why_late) == allowed + history.lateness.ToTimedelta() == whole(history.ledger)
    assert [each.region for each in history.utterances] == ["sichuan"]
    for secret in ("抱怨", "答复", number[-8:], "wang", "clerk"):
        assert secret not in str(told)

    await quality.propose(filed.ticket_id)
    await federation.advance(timedelta(hours=5))
    after = (await shown(federation, filed.ticket_id)).complaint
    assert not after.header.HasField("due_time")
    assert whole(after.why_late) == allowed + after.lateness.ToTimedelta() < whole(after.ledger)
    assert filed.ticket_id not in await listed(federation, api.ListComplaintHeadersRequest(overdue=True))


async def test_an_administrator_raises_a_complaint_once_and_the_region_keeps_who_it_was(
    federation: Federation, desk: Complainant, quality: Complainant
) -> None:
    filed = await desk.file("BILL_WRONG", federation.next_number("sichuan"))
    await quality.reaches(filed.ticket_id, IN_PROGRESS)
    once = await raised(federation, filed.ticket_id, 3, request_id=(request_id := uuid.uuid4().hex))
    assert (once.level, once.owner_region) == (3, "sichuan")
    assert await raised(federation, filed.ticket_id, 3, request_id=request_id) == once
    found = await desk.rises(filed.ticket_id, 3)
    assert [(each.level, each.trigger) for each in found.escalations[2:]] == [(2, ADMINISTRATOR), (3, ADMINISTRATOR)]
    assert [(each.author, each.text) for each in found.notes] == [("admin/root", "媒体关注")]
    audited = federation.database("sichuan").rows(
        "SELECT actor, detail FROM audit WHERE action = 'RaiseComplaint' AND subject = ?", filed.ticket_id
    )
    assert audited == [("admin/root", "level 3, through coordinator/0")]
    told = await refusal(raised(federation, filed.ticket_id, 3))
    assert (told.reason, told.parameters) == ("COMPLAINT_LEVEL_REACHED", {"level": "3"})
    other = raised(federation, filed.ticket_id, 4, request_id=request_id)
    assert (await refusal(other)).reason == "REQUEST_ID_REUSED"
    await quality.propose(filed.ticket_id)
    assert (await refusal(raised(federation, filed.ticket_id, 4))).reason == "COMPLAINT_STATE_FORBIDS"


async def test_what_nobody_has_taken_up_is_raised_at_the_first_contact(
    federation: Federation, desk: Complainant
) -> None:
    filed = await desk.file("BILL_WRONG", federation.next_number(NOT_JOINED))
    once = await raised(federation, filed.ticket_id, 4, request_id=(request_id := uuid.uuid4().hex))
    assert (once.level, once.version, once.owner_region) == (4, 0, NOT_JOINED)
    assert await raised(federation, filed.ticket_id, 4, request_id=request_id) == once
    told = await shown(federation, filed.ticket_id)
    assert (told.region, told.complaint.header.level) == ("guangdong", 4)
    assert [(each.region, reason_name(each.reason)) for each in told.unanswered] == [(NOT_JOINED, "REGION_NOT_JOINED")]
    assert filed.ticket_id in await listed(federation, api.ListComplaintHeadersRequest(level=4, region=NOT_JOINED))


async def test_a_region_that_was_away_hears_why_a_complaint_was_raised_meanwhile(
    federation: Federation, desk: Complainant
) -> None:
    await federation.stop_node("henan")
    try:
        filed = await desk.file("BILL_WRONG", federation.next_number("henan"))
        await raised(federation, filed.ticket_id, 3)
        everything = api.ListComplaintHeadersRequest(level=3, region="henan", page_size=500)
        response = await federation.complaint_oversight.ListComplaintHeaders(everything, timeout=CALL_SECONDS)
        assert filed.ticket_id in [each.ticket_id for each in response.complaints]
        unanswered = [(each.region, reason_name(each.reason)) for each in response.unanswered]
        assert unanswered == [("henan", "REGION_UNREACHABLE")]
    finally:
        await federation.start_node("henan")
        await federation.until_members({"henan": MemberState.MEMBER_STATE_JOINED})
    owner = Complainant(federation, "henan", "staff/wang")
    await owner.reaches(filed.ticket_id, IN_PROGRESS)
    found = await owner.rises(filed.ticket_id, 3)
    assert [(each.author, each.text) for each in found.notes] == [("admin/root", "媒体关注")]
    assert {each.region for each in found.escalations if each.trigger == ADMINISTRATOR} == {"guangdong"}


@pytest.mark.parametrize(
    ("ticket_id", "level", "reason", "expected"),
    [
        ("guangdong/20200101-1", 3, "x", "COMPLAINT_NOT_FOUND"),
        ("atlantis/20200101-1", 3, "x", "COMPLAINT_NOT_FOUND"),
        ("20200101-1", 3, "x", "REQUEST_INVALID"),
        ("guangdong/20200101-1", 0, "x", "REQUEST_INVALID"),
        ("guangdong/20200101-1", 6, "x", "REQUEST_INVALID"),
        ("guangdong/20200101-1", 3, "", "REQUEST_INVALID"),
    ],
)
async def test_what_cannot_be_raised_is_refused(
    federation: Federation, ticket_id: str, level: int, reason: str, expected: str
) -> None:
    assert (await refusal(raised(federation, ticket_id, level, reason=reason))).reason == expected


@pytest.mark.clause("10.4(4)")
async def test_a_report_counts_each_complaint_at_its_responsible_region_and_names_the_regions_that_are_away(
    federation: Federation, desk: Complainant, quality: Complainant
) -> None:
    async def counted(*by: api.ComplaintDimension.ValueType) -> dict[str, api.ComplaintFigures]:
        rows = (await reported(federation, CATEGORY, *by))[1]
        return {each.region: each for each in rows if each.category == "SVC_CONTRACT"}

    before = await counted(REGION)
    assert not before
    ticket_ids = [
        (await desk.file("SVC_CONTRACT", federation.next_number(home))).ticket_id for home in ("sichuan",) * 2
    ]
    own = await desk.file("SVC_CONTRACT", federation.next_number("guangdong"))
    for ticket_id in ticket_ids:
        await quality.reaches(ticket_id, IN_PROGRESS)
    await quality.propose(ticket_ids[0])
    await desk.reaches(ticket_ids[0], RESOLVED)
    await desk.accept(ticket_ids[0], rating=5)
    await Complainant(federation, "guangdong", "staff/wang").propose(own.ticket_id)
    await desk.refuse(own.ticket_id)
    there, here = (await counted(REGION))["sichuan"], (await counted(REGION))["guangdong"]
    assert (there.complaints, there.resolved, there.timed, there.in_time, there.first_contact) == (2, 1, 1, 1, 1)
    assert (there.ratings, there.rating_sum, there.reopened, list(there.reached)) == (1, 5, 0, [2, 2, 0, 0, 0, 0])
    assert (here.complaints, here.resolved, here.reopened, list(here.reached)) == (1, 0, 1, [1, 1, 1, 0, 0, 0])
    assert there.resolution_95 <= 2
    (both,) = (await counted()).values()
    assert (both.complaints, both.resolved) == (3, 1)

    await federation.suspend("sichuan")
    try:
        away, rows = await reported(federation, CATEGORY, REGION)
    finally:
        await federation.reinstate("sichuan")
        await federation.until_members({"sichuan": MemberState.MEMBER_STATE_JOINED})
    assert [(each.region, reason_name(each.reason)) for each in away.unanswered] == [("sichuan", "REGION_SUSPENDED")]
    assert [each.region for each in rows if each.category == "SVC_CONTRACT"] == ["guangdong"]
    assert {each.region: each.name.zh_cn for each in away.regions}["guangdong"] == "广东"
    assert {each.code: each.name.en for each in away.categories}["SVC_CONTRACT"]
    request = api.ReportComplaintsRequest(from_month="2026-01", to_month="2025-12", groupings=[api.ComplaintGrouping()])
    call = federation.complaint_oversight.ReportComplaints(request, timeout=CALL_SECONDS)
    assert (await refusal(call)).reason == "REQUEST_INVALID"


@pytest.mark.files  # nothing of it depends on the engine
async def test_a_complaint_that_was_returned_is_counted_once_at_the_region_that_leads_it(
    federation: Federation, desk: Complainant, quality: Complainant
) -> None:
    single = await desk.file("BILL_REFUND_LATE", federation.next_number("sichuan"))
    await quality.reaches(single.ticket_id, IN_PROGRESS)
    await quality.give_back(single.ticket_id)
    await desk.follows(single.ticket_id, lambda found: len(found.items) == 1, "it is a case")
    rows = (await reported(federation, CATEGORY, REGION))[1]
    counted = [(each.category, each.region, each.complaints) for each in rows]
    assert [each for each in counted if each[0] == "BILL_REFUND_LATE"] == [("BILL_REFUND_LATE", "guangdong", 1)]


@pytest.mark.files  # the commands are the same on either engine
async def test_administrators_follow_raise_and_count_complaints_by_commands(
    federation: Federation, desk: Complainant, quality: Complainant
) -> None:
    environment = as_administrator(federation)

    async def said(*words: str) -> str:
        ended = await run_command("coordinator.cli.main", "complaints", *words, environment=environment)
        assert ended.code == 0, ended.err
        return ended.out

    filed = await desk.file("SVC_PORTING", federation.next_number("sichuan"))
    await quality.reaches(filed.ticket_id, IN_PROGRESS)
    assert filed.ticket_id in await said("list", "--due-soon", "--within", "9999", "--category", "SVC_PORTING")
    raised_line = await said("raise", filed.ticket_id, "--level", "3", "--reason", "媒体关注")
    assert raised_line == f"{filed.ticket_id} is at level 3; sichuan is responsible\n"
    out = await said("show", filed.ticket_id, "--lang", "zh")
    assert "L3：管理员" in out
    assert "用时分布" in out
    month, path = f"{federation.clock.now() + timedelta(hours=8):%Y-%m}", federation.directory / "report.html"
    await said("report", "--to", month, "--format", "html", "--out", str(path), "--lang", "zh")
    assert "四川" in path.read_text("utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "\nSVC_PORTING,1," in await said("report", "--to", month, "--format", "csv", "--by", "category")
