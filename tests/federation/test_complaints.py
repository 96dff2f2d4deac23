"""Complaints filed in one region and answered by another: one ticket id, notices to the customer, raised until done."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintRequest,
    ComplaintState,
    DeadlineKind,
    EscalationTrigger,
    Remedy,
    ReturnReason,
    TimeReason,
    WorkItemState,
)
from gateway.time.clock import from_timestamp
from tests.federation.complainant import Complainant
from tests.federation.counter import REQUESTER, Counter
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation, until
from tests.federation.test_two_processes import guangdong_twice

IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
PENDING = ComplaintState.COMPLAINT_STATE_PENDING
RESOLVED = ComplaintState.COMPLAINT_STATE_RESOLVED
CLOSED = ComplaintState.COMPLAINT_STATE_CLOSED
CANCELLED = ComplaintState.COMPLAINT_STATE_CANCELLED
HOMES = pytest.mark.parametrize("home", ["guangdong", "sichuan"])


@pytest.fixture(name="desk")
def first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "guangdong")


def staff(federation: Federation, region: str) -> Complainant:
    return Complainant(federation, region, "staff/wang")


def triggers(complaint: Complaint) -> list[tuple[int, str]]:
    return [
        (each.level, EscalationTrigger.Name(each.trigger).removeprefix("ESCALATION_TRIGGER_"))
        for each in complaint.escalations
    ]


def ledger_of(told: api.GetComplaintResponse) -> dict[tuple[str, str], timedelta]:
    return {
        (each.region, TimeReason.Name(each.reason).removeprefix("TIME_REASON_")): each.duration.ToTimedelta()
        for each in told.ledger
    }


def texts(federation: Federation, number: str) -> list[str]:
    return [text.zh_cn for text in federation.texts(number, sent_by="guangdong")]


@HOMES
@pytest.mark.clause("2.3.1")
async def test_a_complaint_is_answered_by_the_home_region_refused_once_then_accepted(
    federation: Federation, desk: Complainant, home: str
) -> None:
    number, quality = await Counter(federation, home).new_customer(), staff(federation, home)
    filed = await desk.file("BILL_WRONG", number)
    assert filed.ticket_id.startswith("guangdong/")
    assert (filed.owner_region, filed.department.en, filed.origin_region) == (home, "Billing", "guangdong")
    taken = await quality.reaches(filed.ticket_id, IN_PROGRESS)
    assert triggers(taken) == [(0, "FILED"), (1, "NOT_SETTLED_AT_FIRST_CONTACT")]
    assert taken.expected_resolution_time == filed.expected_resolution_time
    answered = await quality.respond(filed.ticket_id)
    assert answered.notes[-1].author == f"{home}/wang"
    proposed = await quality.propose(filed.ticket_id)
    assert proposed.state == RESOLVED
    await desk.reaches(filed.ticket_id, RESOLVED)
    refused = await desk.refuse(filed.ticket_id)
    assert (refused.state, refused.refusals, refused.level) == (IN_PROGRESS, 1, 2)
    assert triggers(refused)[-1] == (2, "REFUSED")
    await quality.propose(filed.ticket_id, remedy=Remedy.REMEDY_CORRECTION)
    await desk.reaches(filed.ticket_id, RESOLVED)
    closed = await desk.accept(filed.ticket_id, rating=5)
    assert (closed.state, closed.rating, closed.resolution.remedy) == (CLOSED, 5, Remedy.REMEDY_CORRECTION)
    assert await quality.get(filed.ticket_id) == closed == await desk.get(filed.ticket_id)

    async def is_told() -> bool:
        return len(texts(federation, number)) == 4

    await until(is_told, "the customer was told four times")
    due = from_timestamp(filed.expected_resolution_time) + timedelta(hours=8)
    first, *others = texts(federation, number)
    assert filed.ticket_id in first
    assert "计费账务部" in first
    assert f"{due:%Y-%m-%d %H:%M} +08:00" in first
    assert ["已有处理结果" in text for text in others] == [True, True, False]


async def test_the_same_filing_again_is_the_same_complaint_and_another_content_is_refused(
    federation: Federation, desk: Complainant
) -> None:
    number, request_id = federation.next_number("sichuan"), federation.next_id()
    filed = await desk.file("BILL_WRONG", number, request_id=request_id)
    again = await desk.file("BILL_WRONG", number, request_id=request_id)
    assert again.ticket_id == filed.ticket_id
    assert await desk.list(number=number) == [filed.ticket_id]
    other = desk.request("BILL_WRONG", number, "别的内容")
    assert (await refusal(desk.hand_in(other, request_id))).reason == "REQUEST_ID_REUSED"


@HOMES
@pytest.mark.clause("10.4(1)")
async def test_waiting_for_the_customer_is_booked_to_the_customer_and_moves_the_promise_but_not_the_laws(
    federation: Federation, desk: Complainant, home: str
) -> None:
    quality = staff(federation, home)
    filed = await desk.file("BILL_ABNORMAL", federation.next_number(home))
    await quality.reaches(filed.ticket_id, IN_PROGRESS)
    await quality.respond(filed.ticket_id, "请提供缴费凭证", asks=True)
    await desk.reaches(filed.ticket_id, PENDING)
    await federation.advance(timedelta(hours=10))
    answered = await desk.respond(filed.ticket_id, "凭证号123")
    assert answered.state == IN_PROGRESS
    before = {each.kind: from_timestamp(each.due_time) for each in filed.deadlines}
    moved = {each.kind: from_timestamp(each.due_time) - before[each.kind] for each in answered.deadlines}
    assert [round(each / timedelta(hours=1), 1) for each in moved.values()] == [0, 0, 10, 0]
    told = await quality.told(filed.ticket_id)
    ledger = ledger_of(told)
    assert round(ledger["", "WAITING_FOR_CUSTOMER"] / timedelta(hours=1)) == 10
    assert {region for region, _ in ledger} <= {"", home}
    assert not told.HasField("lateness")


@pytest.mark.clause("2.3.2")
async def test_a_complaint_rises_by_its_deadlines_once_each_and_no_further_once_resolved(
    federation: Federation, desk: Complainant
) -> None:
    number, quality = federation.next_number("sichuan"), staff(federation, "sichuan")
    filed = await desk.file("BILL_ABNORMAL", number)  # to be resolved in 24 hours, answered in 4
    await quality.reaches(filed.ticket_id, IN_PROGRESS)
    await federation.advance(timedelta(hours=5))
    assert triggers(await desk.rises(filed.ticket_id, 2))[-1] == (2, "FIRST_RESPONSE_MISSED")
    await federation.advance(timedelta(hours=14))
    await desk.rises(filed.ticket_id, 3)
    await federation.advance(timedelta(hours=6))
    late = await desk.rises(filed.ticket_id, 4)
    assert triggers(late)[2:] == [
        (2, "FIRST_RESPONSE_MISSED"),
        (3, "THREE_QUARTERS_USED"),
        (4, "LIMIT_PASSED"),
    ]
    told = await desk.told(filed.ticket_id)
    assert told.lateness.ToTimedelta() > timedelta(minutes=59)
    parts = sum(ledger_of(told).values(), timedelta())
    assert abs(parts - timedelta(hours=25)) < timedelta(minutes=2)
    await quality.propose(filed.ticket_id)
    await desk.reaches(filed.ticket_id, RESOLVED)
    await federation.advance(timedelta(days=16))
    assert (await desk.get(filed.ticket_id)).level == 4
    levels = federation.database("sichuan").rows(
        "SELECT level FROM complaint_escalations WHERE ticket_id = ? ORDER BY level", filed.ticket_id
    )
    assert [row[0] for row in levels] == [2, 3, 4]


async def test_a_region_that_does_not_answer_is_raised_by_the_first_contact_and_hears_of_it_later(
    federation: Federation, desk: Complainant
) -> None:
    filed = await desk.file("BILL_ABNORMAL", federation.next_number(NOT_JOINED))
    assert filed.owner_region == NOT_JOINED
    await federation.advance(timedelta(hours=1, minutes=1))
    raised = await desk.rises(filed.ticket_id, 3)
    assert triggers(raised)[2:] == [(2, "REGION_UNREACHABLE"), (3, "REGION_UNREACHABLE")]
    assert raised.version == 0
    (party,) = ledger_of(await desk.told(filed.ticket_id))
    assert party == (NOT_JOINED, "WAITING_FOR_REGION")


async def test_a_region_that_is_not_competent_passes_nothing_on_and_the_first_contact_leads(
    federation: Federation, desk: Complainant, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the taxonomy there named another region: revisions of two regions may differ for a moment.
    monkeypatch.setattr("region_node.care.complaints.relayed.owner_of", lambda *_, **__: "henan")
    filed = await desk.file("BILL_WRONG", federation.next_number("sichuan"))
    assert filed.owner_region == "sichuan"
    kept = await desk.reaches(filed.ticket_id, IN_PROGRESS)
    assert (kept.owner_region, kept.version) == ("guangdong", 1)
    (item,) = kept.items
    assert (item.region, item.state) == ("sichuan", WorkItemState.WORK_ITEM_STATE_AWAITING_COORDINATOR)
    assert item.returned.reason == ReturnReason.RETURN_REASON_REFUSED
    assert [(each.author, "henan" in each.text) for each in kept.notes] == [("sichuan", True)], "who is, is told"
    assert kept.custody[-1].reason == TimeReason.TIME_REASON_WAITING_FOR_COORDINATOR

    async def is_told() -> bool:
        return ["四川" in text for text in texts(federation, filed.request.number)] == [True, False]

    await until(is_told, "the customer is told who has it now")
    answered = await staff(federation, "guangdong").respond(filed.ticket_id)
    assert answered.notes[-1].author == "guangdong/wang"
    assert {region for region, _ in ledger_of(await desk.told(filed.ticket_id))} <= {"sichuan", "guangdong", ""}
    assert await staff(federation, "henan").list(number=filed.request.number) == []


async def test_a_critical_complaint_and_the_third_of_a_month_reach_the_executive_at_once(
    federation: Federation, desk: Complainant
) -> None:
    number, quality = federation.next_number("sichuan"), staff(federation, "sichuan")
    assert (await desk.file("PRIV_LEAK", number)).level == 4
    ticket_ids = [(await desk.file("BILL_WRONG", number)).ticket_id for _ in range(3)]
    found = [await quality.reaches(ticket_id, IN_PROGRESS) for ticket_id in ticket_ids]
    assert [(each.repeats, each.repeated_ticket_id, each.level) for each in found] == [
        (0, "", 1),
        (1, ticket_ids[0], 1),
        (2, ticket_ids[1], 4),
    ]
    assert triggers(found[-1])[-1] == (4, "REPEATED")


@HOMES
async def test_what_was_withdrawn_is_repeated_by_nothing(federation: Federation, desk: Complainant, home: str) -> None:
    number, quality = federation.next_number(home), staff(federation, home)
    for _ in range(2):
        ticket_id = (await desk.file("BILL_WRONG", number)).ticket_id
        await quality.reaches(ticket_id, IN_PROGRESS)
        await desk.reaches(ticket_id, IN_PROGRESS)
        await desk.withdraw(ticket_id)
        await quality.reaches(ticket_id, CANCELLED)
    third = await quality.reaches((await desk.file("BILL_WRONG", number)).ticket_id, IN_PROGRESS)
    assert (third.repeats, third.repeated_ticket_id, third.level) == (0, "", 1)
    fourth = await quality.reaches((await desk.file("BILL_WRONG", number)).ticket_id, IN_PROGRESS)
    assert (fourth.repeats, fourth.repeated_ticket_id) == (1, third.ticket_id)


@pytest.mark.files  # nothing of it depends on the engine
async def test_what_happened_in_the_countryside_has_the_limit_for_it(federation: Federation, desk: Complainant) -> None:
    for is_rural, limit in ((False, timedelta(hours=48)), (True, timedelta(hours=72))):
        request = desk.request("NET_SPEED", federation.next_number("sichuan"), location_region="henan")
        request.rural_area = is_rural
        filed = await desk.hand_in(request)
        taken = await staff(federation, "henan").reaches(filed.ticket_id, IN_PROGRESS)
        for each in (filed, taken):
            (due,) = (found for found in each.deadlines if found.kind == DeadlineKind.DEADLINE_KIND_RESOLVE)
            assert from_timestamp(due.due_time) - from_timestamp(each.create_time) == limit


@HOMES
async def test_haste_is_asked_for_once_an_hour_and_has_a_limit_of_its_own(
    federation: Federation, desk: Complainant, home: str
) -> None:
    filed = await desk.file("BILL_WRONG", federation.next_number(home))
    await staff(federation, home).reaches(filed.ticket_id, IN_PROGRESS)
    hastened = await desk.expedite(filed.ticket_id)
    assert [each.staff_id for each in hastened.expedites] == ["clerk-7"]
    assert hastened.deadlines[-1].kind == DeadlineKind.DEADLINE_KIND_EXPEDITE
    assert not hastened.deadlines[-1].HasField("met_time")
    assert (await refusal(desk.expedite(filed.ticket_id))).reason == "COMPLAINT_EXPEDITED_RECENTLY"


@HOMES
async def test_talk_comes_to_an_end_and_always_leaves_room_for_a_resolution(
    federation: Federation, desk: Complainant, home: str
) -> None:
    filed, quality = await desk.file("BILL_WRONG", federation.next_number(home)), staff(federation, home)
    await quality.reaches(filed.ticket_id, IN_PROGRESS)
    for speaker in [desk, quality] * 3 + [desk]:
        await speaker.respond(filed.ticket_id, "长" * 1000)
    for speaker in (desk, quality):
        assert (await refusal(speaker.respond(filed.ticket_id, "长" * 1000))).reason == "MESSAGE_TOO_LARGE"
    assert (await quality.propose(filed.ticket_id)).state == RESOLVED
    await desk.reaches(filed.ticket_id, RESOLVED)
    assert (await desk.accept(filed.ticket_id)).state == CLOSED


@HOMES
async def test_a_withdrawn_complaint_is_final(federation: Federation, desk: Complainant, home: str) -> None:
    filed = await desk.file("BILL_WRONG", federation.next_number(home))
    await staff(federation, home).reaches(filed.ticket_id, IN_PROGRESS)
    await desk.reaches(filed.ticket_id, IN_PROGRESS)
    assert (await desk.withdraw(filed.ticket_id)).state == CANCELLED
    told = await refusal(desk.accept(filed.ticket_id))
    assert (told.reason, told.parameters) == (
        "COMPLAINT_STATE_FORBIDS",
        {"state": "cancelled", "action": "accept"},
    )


async def test_whoever_is_not_concerned_is_told_so(federation: Federation, desk: Complainant) -> None:
    filed = await desk.file("BILL_WRONG", federation.next_number("sichuan"))
    ticket_id, quality = filed.ticket_id, staff(federation, "sichuan")
    await quality.reaches(ticket_id, IN_PROGRESS)
    own_staff, stranger = staff(federation, "guangdong"), Complainant(federation, "henan")
    other_system = Complainant(federation, "guangdong", "operator/hotline")
    assert (await refusal(own_staff.propose(ticket_id))).reason == "COMPLAINT_NOT_RESPONSIBLE"
    assert (await refusal(own_staff.respond(ticket_id, asks=True))).reason == "COMPLAINT_NOT_RESPONSIBLE"
    assert (await refusal(quality.accept(ticket_id))).reason == "COMPLAINT_NOT_FIRST_CONTACT"
    assert (await refusal(stranger.get(ticket_id))).reason == "COMPLAINT_NOT_FOUND"
    assert (await refusal(other_system.get(ticket_id))).reason == "COMPLAINT_NOT_FOUND"
    unknown = desk.file("NO_SUCH", federation.next_number("sichuan"))
    assert (await refusal(unknown)).reason == "COMPLAINT_CATEGORY_UNKNOWN"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda request: request.ClearField("description"),
        lambda request: request.ClearField("channel"),
        lambda request: request.ClearField("remedy_sought"),
        lambda request: request.ClearField("requester"),
    ],
)
async def test_a_filing_that_does_not_say_enough_is_refused(
    federation: Federation, desk: Complainant, spoil: Callable[[ComplaintRequest], None]
) -> None:
    request = desk.request("BILL_WRONG", federation.next_number("sichuan"))
    spoil(request)
    assert (await refusal(desk.hand_in(request))).reason == "REQUEST_INVALID"


async def test_lists_find_complaints_by_number_category_state_and_time_left(
    federation: Federation, desk: Complainant
) -> None:
    number, quality = federation.next_number("sichuan"), staff(federation, "sichuan")
    slow = (await desk.file("BILL_WRONG", number)).ticket_id
    fast = (await desk.file("BILL_ABNORMAL", number)).ticket_id
    await quality.reaches(fast, IN_PROGRESS)
    await quality.reaches(slow, IN_PROGRESS)
    assert await quality.list(number=number) == [fast, slow] == await desk.list(number=number)
    assert await quality.list(number=number, category="BILL_WRONG") == [slow]
    assert await quality.list(number=number, due_within=timedelta(hours=25)) == [fast]
    assert await quality.list(number=number, states=[CLOSED]) == []


async def test_a_watch_tells_every_change_and_goes_on_after_its_token(
    federation: Federation, desk: Complainant
) -> None:
    filed = await desk.file("BILL_WRONG", federation.next_number("sichuan"))
    quality = staff(federation, "sichuan")
    await quality.reaches(filed.ticket_id, IN_PROGRESS)
    request = api.WatchComplaintRequest(ticket_id=filed.ticket_id, requester=REQUESTER)
    watch = quality.service.WatchComplaint(request, timeout=CALL_SECONDS)
    token = (await anext(aiter(watch))).token
    await quality.respond(filed.ticket_id)
    told = await anext(aiter(watch))
    assert len(told.complaint.notes) == 1
    watch.cancel()
    await quality.propose(filed.ticket_id)
    resumed = quality.service.WatchComplaint(
        api.WatchComplaintRequest(ticket_id=filed.ticket_id, requester=REQUESTER, token=token), timeout=CALL_SECONDS
    )
    await anext(aiter(resumed))
    assert (await anext(aiter(resumed))).complaint.state == RESOLVED
    resumed.cancel()


async def test_nothing_that_tells_of_a_person_stands_in_the_clear(federation: Federation, desk: Complainant) -> None:
    number, secret = federation.next_number("sichuan"), "绝密的抱怨"
    filed = await desk.hand_in(desk.request("BILL_WRONG", number, secret))
    await staff(federation, "sichuan").reaches(filed.ticket_id, IN_PROGRESS)
    for region in ("guangdong", "sichuan"):
        rows = federation.database(region).rows("SELECT * FROM complaints WHERE ticket_id = ?", filed.ticket_id)
        written = repr(rows).encode() + b"".join(bytes(each) for row in rows for each in row if isinstance(each, bytes))
        assert secret.encode() not in written
        assert number.encode() not in written


@pytest.mark.several_processes
async def test_two_processes_take_in_one_complaint_raise_it_once_and_tell_whoever_watches(
    tmp_path: Path, databases: Databases
) -> None:
    async with guangdong_twice(tmp_path, databases) as federation:
        first, second = (Complainant(federation, "guangdong", number=number) for number in (0, 1))
        number, request_id = federation.next_number("guangdong"), federation.next_id()
        watch = aiter(
            second.service.WatchComplaint(api.WatchComplaintRequest(requester=REQUESTER), timeout=CALL_SECONDS)
        )
        await anext(watch)
        request = first.request("BILL_ABNORMAL", number)
        both = await asyncio.gather(*(each.hand_in(request, request_id) for each in (first, second)))
        assert {each.ticket_id for each in both} == {both[0].ticket_id}
        assert (await anext(watch)).complaint.ticket_id == both[0].ticket_id
        await federation.advance(timedelta(hours=4, minutes=1))
        raised = await first.rises(both[0].ticket_id, 2)
        assert triggers(raised)[2:] == [(2, "FIRST_RESPONSE_MISSED")]
        assert await second.get(raised.ticket_id) == raised
