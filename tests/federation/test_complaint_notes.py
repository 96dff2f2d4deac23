"""Notes and questions between regions about a complaint, and private notes."""

from datetime import timedelta

import pytest

from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, TimeReason
from tests import at_rest
from tests.federation.complainant import Complainant
from tests.federation.counter import REQUESTER
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until

IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
PENDING = ComplaintState.COMPLAINT_STATE_PENDING
WAITING = "WAITING_FOR_REGION"
PRIVATE = "planted-private-note-of-the-department"


@pytest.fixture(name="desk")
def first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "guangdong")


@pytest.fixture(name="quality")
def responsible(federation: Federation) -> Complainant:
    return Complainant(federation, "sichuan", "staff/wang")


async def taken_up(federation: Federation, desk: Complainant, quality: Complainant) -> str:
    """The ticket id of a complaint at work in Sichuan."""
    filed = await desk.file("BILL_WRONG", federation.next_number(quality.region))
    await quality.reaches(filed.ticket_id, IN_PROGRESS)
    await desk.reaches(filed.ticket_id, IN_PROGRESS)
    return filed.ticket_id


async def noted(somebody: Complainant, ticket_id: str, count: int) -> Complaint:
    """The complaint once so many notes are known."""

    async def holds() -> bool:
        return len((await somebody.get(ticket_id)).notes) == count

    await until(holds, f"{count} notes are known in {somebody.region}")
    return await somebody.get(ticket_id)


def waited(told: api.GetComplaintResponse) -> dict[str, timedelta]:
    """How long each region was waited for."""
    reason = TimeReason.Value(f"TIME_REASON_{WAITING}")
    return {each.region: each.duration.ToTimedelta() for each in told.ledger if each.reason == reason}


async def test_a_private_note_is_seen_by_its_own_regions_staff_alone_and_never_leaves_the_region(
    federation: Federation, desk: Complainant, quality: Complainant
) -> None:
    ticket_id = await taken_up(federation, desk, quality)
    request_id = federation.next_id()
    for _ in range(2):
        told = await quality.note_privately(ticket_id, PRIVATE, request_id=request_id)
        assert [(each.author, each.text) for each in told] == [("sichuan/wang", PRIVATE)]
    await quality.respond(ticket_id, "shared")
    await noted(desk, ticket_id, 1)
    colleague = Complainant(federation, "sichuan", "staff/li")
    assert [each.text for each in (await colleague.told(ticket_id)).private_notes] == [PRIVATE]
    others = (desk, Complainant(federation, "guangdong", "staff/zhao"), Complainant(federation, "sichuan"))
    for somebody in others:
        response = await somebody.told(ticket_id)
        assert list(response.private_notes) == []
        assert PRIVATE.encode() not in response.SerializeToString()
    home, other = federation.database("sichuan"), federation.database("guangdong")
    assert PRIVATE.encode() not in home.raw(), "it is sealed"
    assert PRIVATE.encode() not in other.opened()
    with home.look() as tx:
        envelopes = [each.content for each in at_rest.sent(tx) if each.subject == ticket_id]
        assert envelopes
        assert not any(PRIVATE.encode() in each for each in envelopes)


async def test_private_notes_of_a_case_and_its_items_are_seen_where_they_were_written_alone(
    federation: Federation, desk: Complainant
) -> None:
    case = await desk.file("BILL_ROAM", federation.next_number("sichuan"), location_region="henan")
    written = {"guangdong": case.ticket_id, "sichuan": case.items[0].ticket_id, "henan": case.items[1].ticket_id}
    for region, ticket_id in written.items():
        writer = Complainant(federation, region, "staff/wang")
        await writer.reaches(ticket_id, IN_PROGRESS)
        await writer.note_privately(ticket_id, f"{PRIVATE} in {region}")
        await writer.respond(ticket_id, f"shared by {region}")
    for ticket_id in written.values():
        region = next(each for each, its in written.items() if its == ticket_id)
        await noted(Complainant(federation, region, "staff/wang"), ticket_id, 3)
    leader = Complainant(federation, "guangdong", "staff/zhao")
    for ticket_id, seen in (
        (case.ticket_id, [f"{PRIVATE} in guangdong"]),
        *((each.ticket_id, []) for each in case.items),
    ):
        response = await leader.told(ticket_id)
        assert [each.text for each in response.private_notes] == seen
        assert len(response.complaint.notes) == 3
    for region in written:
        kept = federation.database(region).opened()
        others = [each for each in written if each != region]
        assert not any(f"{PRIVATE} in {each}".encode() in kept for each in others)
        with federation.database(region).look() as tx:
            said = [each.content for each in at_rest.sent(tx) if each.subject in written.values()]
        assert said
        assert not any(PRIVATE.encode() in each for each in said)


async def test_private_notes_are_for_staff_who_see_the_complaint(
    federation: Federation, desk: Complainant, quality: Complainant
) -> None:
    ticket_id = await taken_up(federation, desk, quality)
    request = api.AddPrivateNoteRequest(request_id=federation.next_id(), ticket_id=ticket_id, text="x")
    assert (await refusal(desk.service.AddPrivateNote(request, timeout=CALL_SECONDS))).reason == "PERMISSION_DENIED"
    stranger = Complainant(federation, "henan", "staff/li")
    assert (await refusal(stranger.note_privately(ticket_id, "x"))).reason == "COMPLAINT_NOT_FOUND"
    told = await refusal(quality.note_privately(ticket_id, "x" * 1001))
    assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "text")


async def test_a_region_that_is_asked_answers_by_what_it_says_next_and_its_time_is_booked_to_it(
    federation: Federation, desk: Complainant, quality: Complainant
) -> None:
    ticket_id = await taken_up(federation, desk, quality)
    before = {each.kind: each.due_time for each in (await quality.get(ticket_id)).deadlines}
    asked = await quality.respond(ticket_id, "请补充业务受理单", asks_region="guangdong")
    assert (asked.state, asked.notes[-1].asks_region) == (IN_PROGRESS, "guangdong")
    assert not asked.deadlines[1].HasField("met_time"), "nobody has answered the customer yet"
    assert not (await noted(desk, ticket_id, 1)).notes[0].HasField("answer_time")
    await federation.advance(timedelta(hours=3))
    answered = await desk.respond(ticket_id, "已附")
    assert answered.notes[0].HasField("answer_time")
    assert answered.custody[-1].region == "sichuan"
    assert {each.kind: each.due_time for each in answered.deadlines} == before, "the clock went on"
    await federation.advance(timedelta(hours=1))
    told = await quality.told(ticket_id)
    assert round(waited(told)["guangdong"] / timedelta(hours=1)) == 3
    assert abs(
        sum((each.duration.ToTimedelta() for each in told.ledger), timedelta()) - timedelta(hours=4)
    ) < timedelta(minutes=1)


async def test_the_first_contact_asks_the_responsible_region_which_has_the_complaint_anyway(
    federation: Federation, desk: Complainant, quality: Complainant
) -> None:
    ticket_id = await taken_up(federation, desk, quality)
    await quality.respond(ticket_id, "哪个月?", asks=True)
    await desk.reaches(ticket_id, PENDING)
    asked = await desk.respond(ticket_id, "谁在处理?", asks_region="sichuan")
    assert (asked.state, asked.notes[-1].asks_region) == (PENDING, "sichuan"), "that is no answer of the customer"
    assert (await quality.respond(ticket_id, "王工")).notes[1].HasField("answer_time")
    await federation.advance(timedelta(hours=1))
    assert "sichuan" not in {
        region for region, time in waited(await quality.told(ticket_id)).items() if time.seconds > 600
    }


async def test_only_another_region_that_is_concerned_can_be_asked(
    federation: Federation, desk: Complainant, quality: Complainant
) -> None:
    ticket_id = await taken_up(federation, desk, quality)
    for somebody, region in ((quality, "henan"), (quality, "sichuan"), (desk, "henan"), (desk, "guangdong")):
        told = await refusal(somebody.respond(ticket_id, "?", asks_region=region))
        assert (told.reason, told.parameters["region"]) == ("COMPLAINT_REGION_NOT_CONCERNED", region)
    both = api.RespondToComplaintRequest(
        request_id=federation.next_id(),
        ticket_id=ticket_id,
        requester=REQUESTER,
        text="?",
        ask_customer=True,
        ask_region="guangdong",
    )
    told = await refusal(quality.service.RespondToComplaint(both, timeout=CALL_SECONDS))
    assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "ask_region")
    assert list((await desk.get(ticket_id)).notes) == []
