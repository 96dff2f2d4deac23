"""Files of work items: each is part of its case, and stays where it was attached; the leading region has it read."""

import pytest

from gateway.api.region.v1.complaint_envelopes_pb2 import AttachmentQuestion
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from tests.federation.archive import CHUNK, scan
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.folder import Folder
from tests.federation.forger import Forger, refused
from tests.federation.refusals import refusal
from tests.federation.running import Federation, until
from tests.federation.sharing_counter import SharingCounter
from tests.federation.test_attachments import SECRET, audited, kept, taken_up
from tests.federation.test_complaint_cases import assign, roaming, states
from tests.federation.test_complaints import staff
from tests.federation.test_erasure import end_line

IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
CANCELLED = ComplaintState.COMPLAINT_STATE_CANCELLED
QUESTION = EnvelopeKind.ENVELOPE_KIND_ATTACHMENT
REGIONS = ("guangdong", "sichuan", "henan")


@pytest.fixture(name="desk")
def first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "guangdong")


def named(complaint: Complaint) -> list[str]:
    return [each.id for each in complaint.attachments]


async def shared(federation: Federation, desk: Complainant, content: bytes, number: str = "") -> tuple[Complaint, str]:
    """A case in whose item Sichuan has attached a file, once Henan has heard of it in its own; and the file."""
    case = await roaming(federation, desk, number)
    added = await Folder(staff(federation, "sichuan"), case.items[0].ticket_id).attach(content, "核查.png")
    await staff(federation, "henan").follows(case.items[1].ticket_id, lambda item: named(item) == [added], "it hears")
    return await desk.get(case.ticket_id), added


async def test_what_is_attached_to_a_work_item_is_part_of_the_case_and_read_by_all_of_it_from_where_it_is(
    federation: Federation, desk: Complainant
) -> None:
    proof = scan(2 * CHUNK + 9, "a proof") + SECRET
    case, added = await shared(federation, desk, proof)
    ours, theirs = (each.ticket_id for each in case.items)
    assert named(case) == [added]
    leader, sichuan, henan = (staff(federation, region) for region in REGIONS)
    for somebody, ticket_id in (
        (desk, case.ticket_id),
        (leader, ours),
        (leader, theirs),
        (sichuan, ours),
        (henan, theirs),
    ):
        assert await Folder(somebody, ticket_id).read(added) == proof
        assert await Folder(somebody, ticket_id).read(added, CHUNK + 3) == proof[CHUNK + 3 :]
    assert [kept(federation, "sichuan", ours), kept(federation, "guangdong", case.ticket_id)] == [[1, 3], [0, 0]]
    for region in REGIONS:
        assert SECRET not in federation.database(region).raw()
    answer = await Folder(henan, theirs).attach(scan(50, "an answer"), "答复.png")
    for somebody, ticket_id in ((desk, case.ticket_id), (sichuan, ours)):
        await somebody.follows(ticket_id, lambda found: named(found) == [added, answer], "each is told once")
        assert await Folder(somebody, ticket_id).read(answer) == scan(50, "an answer")


@pytest.mark.files  # nothing of it depends on the engine
async def test_a_reading_through_the_leading_region_is_recorded_in_all_three_and_shown_to_the_customer_once(
    federation: Federation, desk: Complainant, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    case, added = await shared(federation, desk, scan(2 * CHUNK), number)
    item = case.items[1].ticket_id
    await Folder(staff(federation, "henan"), item).read(added)
    action = "GetAttachmentContent"
    assert audited(federation, "henan", action, item) == [f"henan/staff/wang: staff wang, {added} from byte 0"]
    assert audited(federation, "guangdong", action, item) == [f"henan: staff wang, {added}"]
    assert audited(federation, "sichuan", action, item) == [f"guangdong: staff wang, {added} for henan"]
    seen = await SharingCounter.of(federation, "sichuan").disclosures(number)
    assert [(each.region, each.particulars.record_id) for each in seen] == [("henan", f"{item} {added}")]


@pytest.mark.files  # nothing of it depends on the engine
async def test_no_region_gets_a_file_of_a_case_past_the_one_that_leads_it(
    federation: Federation, desk: Complainant
) -> None:
    case, added = await shared(federation, desk, scan())
    other = (await taken_up(federation, desk, "henan")).ticket_id
    ours, theirs = (each.ticket_id for each in case.items)
    henan = Forger(federation, "henan")

    async def answered(destination: str, ticket_id: str, reading_region: str = "") -> str:
        asked = AttachmentQuestion(
            ticket_id=ticket_id, attachment_id=added, staff_id="li", offset=1, reader=reading_region
        )
        return refused(await henan.deliver(henan.seal(destination, QUESTION, asked, ticket_id), destination))

    for ticket_id in (case.ticket_id, ours, theirs):
        assert await answered("sichuan", ticket_id) == "COMPLAINT_NOT_FOUND"
        assert await answered("sichuan", ticket_id, "guangdong") == "COMPLAINT_NOT_FOUND"
    for ticket_id in (case.ticket_id, ours):
        assert await answered("guangdong", ticket_id) == "COMPLAINT_NOT_FOUND"
    assert await answered("guangdong", theirs, "sichuan") == "COMPLAINT_NOT_FOUND"
    assert await answered("guangdong", theirs, "nowhere") == "REGION_UNKNOWN"
    assert await answered("guangdong", other) == "DOCUMENT_NOT_ON_FILE", "that is another complaint"


async def test_who_returned_an_item_reads_no_more_of_the_case_which_keeps_what_it_attached(
    federation: Federation, desk: Complainant
) -> None:
    proof = scan(CHUNK + 1, "a proof")
    case, added = await shared(federation, desk, proof)
    ours, theirs = (each.ticket_id for each in case.items)
    sichuan, henan = staff(federation, "sichuan"), staff(federation, "henan")
    answer = await Folder(henan, theirs).attach(scan(50, "an answer"))
    await sichuan.follows(ours, lambda found: named(found) == [added, answer], "it hears of it")
    await sichuan.give_back(ours)
    assert (await refusal(Folder(sichuan, ours).read(answer))).reason == "COMPLAINT_NOT_FOUND"
    await desk.follows(case.ticket_id, lambda found: states(found)[0] == "AWAITING_COORDINATOR", "it was returned")
    forger = Forger(federation, "sichuan")
    asked = AttachmentQuestion(ticket_id=ours, attachment_id=answer, staff_id="li")
    envelope = forger.seal("guangdong", QUESTION, asked, ours)
    assert refused(await forger.deliver(envelope, "guangdong")) == "COMPLAINT_NOT_FOUND"
    for somebody, ticket_id in ((desk, case.ticket_id), (henan, theirs)):
        assert await Folder(somebody, ticket_id).read(added) == proof
    later = (await assign(federation, case.ticket_id, "sichuan", "BILLING")).items[2].ticket_id
    taken = await sichuan.reaches(later, IN_PROGRESS)
    assert named(taken) == [added, answer]
    assert await Folder(sichuan, later).read(added) == proof
    assert await Folder(sichuan, later).read(answer) == scan(50, "an answer")


@pytest.mark.files  # nothing of it depends on the engine
async def test_what_a_region_attached_to_a_complaint_that_it_returned_is_read_by_whoever_gets_it_then(
    federation: Federation, desk: Complainant
) -> None:
    ticket_id, sichuan = (await taken_up(federation, desk)).ticket_id, staff(federation, "sichuan")
    added = await Folder(sichuan, ticket_id).attach(scan(), "核查.png")
    await sichuan.give_back(ticket_id)
    await desk.follows(ticket_id, lambda found: states(found) == ["AWAITING_COORDINATOR"], "it is a case")
    item = (await assign(federation, ticket_id, "henan", "BILLING")).items[1].ticket_id
    henan = staff(federation, "henan")
    assert named(await henan.reaches(item, IN_PROGRESS)) == [added]
    assert await Folder(henan, item).read(added) == scan()
    assert await Folder(desk, ticket_id).read(added) == scan()


@pytest.mark.files  # nothing of it depends on the engine
async def test_what_the_leading_region_attaches_to_one_item_is_read_in_the_others(
    federation: Federation, desk: Complainant
) -> None:
    case, leader, henan = await roaming(federation, desk), staff(federation, "guangdong"), staff(federation, "henan")
    added = await Folder(leader, case.items[0].ticket_id).attach(scan())
    theirs = case.items[1].ticket_id
    await henan.follows(theirs, lambda found: named(found) == [added], "Henan hears of it")
    assert await Folder(henan, theirs).read(added) == scan()


@pytest.mark.files  # nothing of it depends on the engine
async def test_content_that_was_altered_in_a_third_region_is_never_given_whole(
    federation: Federation, desk: Complainant
) -> None:
    case, added = await shared(federation, desk, scan(2 * CHUNK))
    federation.database("sichuan").change(
        f"UPDATE document_chunks SET content = (SELECT content FROM document_chunks WHERE document_id = '{added}'"
        f" AND start = 0) WHERE document_id = '{added}' AND start > 0"
    )
    for somebody, ticket_id in ((desk, case.ticket_id), (staff(federation, "henan"), case.items[1].ticket_id)):
        assert (await refusal(Folder(somebody, ticket_id).read(added))).reason == "DOCUMENT_HASH_DIFFERS"


@pytest.mark.files  # nothing of it depends on the engine
async def test_the_file_by_which_a_region_of_an_item_answers_a_question_of_the_case_is_the_answer(
    federation: Federation, desk: Complainant
) -> None:
    case, leader = await roaming(federation, desk), staff(federation, "guangdong")
    await leader.respond(case.ticket_id, "请提供账单", asks_region="henan")
    item, henan = case.items[1].ticket_id, staff(federation, "henan")
    await henan.follows(item, lambda found: len(found.notes) == 1, "Henan is asked")
    await Folder(henan, item).attach(scan())
    await desk.follows(case.ticket_id, lambda found: found.notes[0].HasField("answer_time"), "it is answered")


async def test_the_files_of_all_parts_of_a_case_are_gone_with_the_customer_wherever_they_are(
    federation: Federation, desk: Complainant, sichuan: Counter
) -> None:
    number, leader = await sichuan.new_customer(balance=0), staff(federation, "guangdong")
    case = await roaming(federation, desk, number)
    ours, theirs = (each.ticket_id for each in case.items)
    places = [("guangdong", case.ticket_id), ("guangdong", ours), ("sichuan", ours), ("henan", theirs)]
    for somebody, ticket_id in (
        (desk, case.ticket_id),
        (leader, ours),
        (staff(federation, "sichuan"), ours),
        (staff(federation, "henan"), theirs),
    ):
        await Folder(somebody, ticket_id).attach(scan(CHUNK + 1, ticket_id))
    await desk.follows(case.ticket_id, lambda found: len(found.attachments) == 4, "the case has all of them")
    assert [kept(federation, *each) for each in places] == [[1, 2]] * 4
    await desk.withdraw(case.ticket_id)
    for region, ticket_id in (("sichuan", ours), ("henan", theirs)):
        await staff(federation, region).reaches(ticket_id, CANCELLED)
    end_line(federation, number)
    await sichuan.erase(number)

    async def is_gone() -> bool:
        return [kept(federation, *each) for each in places] == [[0, 0]] * 4

    await until(is_gone, "no region has a file of it")
