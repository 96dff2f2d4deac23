"""Files of complaints: they stay, sealed, where they were attached, and the regions concerned read them from there."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.api.region.v1.attachment_service_pb2 import AttachmentUpload
from gateway.api.region.v1.complaint_envelopes_pb2 import AttachmentQuestion, ComplaintCommand
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintAttachment, ComplaintState, WorkItemState
from gateway.api.region.v1.document_service_pb2 import UploadState
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from tests.federation.archive import CHUNK, scan
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.folder import RECEIVING, REGISTERED, Folder
from tests.federation.forger import Forger, refused
from tests.federation.refusals import refusal
from tests.federation.running import Federation, until
from tests.federation.test_complaint_cases import assign
from tests.federation.test_erasure import end_line

IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
PENDING = ComplaintState.COMPLAINT_STATE_PENDING
RESOLVED = ComplaintState.COMPLAINT_STATE_RESOLVED
REFUSED = UploadState.UPLOAD_STATE_REFUSED
SECRET = b"PLANTED-IN-A-BILL-4711"
HOMES = pytest.mark.parametrize("home", ["guangdong", "sichuan"])


@pytest.fixture(name="desk")
def first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "guangdong")


def staff(federation: Federation, region: str) -> Complainant:
    return Complainant(federation, region, "staff/wang")


async def taken_up(federation: Federation, desk: Complainant, home: str = "sichuan") -> Complaint:
    """A complaint at work in its home region."""
    filed = await desk.file("BILL_WRONG", federation.next_number(home))
    await staff(federation, home).reaches(filed.ticket_id, IN_PROGRESS)
    return await desk.reaches(filed.ticket_id, IN_PROGRESS)


def kept(federation: Federation, region: str, ticket_id: str) -> list[int]:
    """How many files and chunks of a complaint a region keeps."""
    database = federation.database(region)
    files = "SELECT document_id FROM document_files WHERE ticket_id = ?"
    chunks = f"SELECT 1 FROM document_chunks WHERE document_id IN ({files})"
    return [len(database.rows(files, ticket_id)), len(database.rows(chunks, ticket_id))]


def audited(federation: Federation, region: str, action: str, ticket_id: str) -> list[str]:
    """The actors and details in the audit rows of an action about a complaint."""
    rows = federation.database(region).rows(
        "SELECT actor, detail FROM audit WHERE action = ? AND subject = ? ORDER BY sequence", action, ticket_id
    )
    return [f"{str(actor).removeprefix('region/')}: {detail!s}" for actor, detail in rows]


@HOMES
async def test_what_the_customer_brings_is_read_by_the_department_and_what_it_adds_by_the_first_contact(
    federation: Federation, desk: Complainant, home: str
) -> None:
    ticket_id = (await taken_up(federation, desk, home)).ticket_id
    quality, bill, proof = staff(federation, home), scan(2 * CHUNK + 9) + SECRET, scan(700, "a proof")
    brought = await Folder(desk, ticket_id).attach(bill)
    assert brought.startswith("guangdong/counter/")
    added = await Folder(quality, ticket_id).attach(proof, "核查.png")

    async def has_both() -> bool:
        return len((await desk.get(ticket_id)).attachments) == 2

    await until(has_both, "both regions know of both files")
    complaint = await desk.get(ticket_id)
    assert [(each.id, each.region, each.author) for each in complaint.attachments] == [
        (brought, "guangdong", "guangdong/clerk-7"),
        (added, home, f"{home}/wang"),
    ]
    assert [(each.name, each.size, each.media_type) for each in complaint.attachments] == [
        ("账单.png", len(bill), "image/png"),
        ("核查.png", len(proof), "image/png"),
    ]
    assert (await quality.get(ticket_id)).attachments == complaint.attachments
    for somebody in (desk, quality):
        folder = Folder(somebody, ticket_id)
        assert await folder.read(brought) == bill
        assert await folder.read(brought, CHUNK + 3) == bill[CHUNK + 3 :]
        assert await folder.read(added) == proof
    if home != desk.region:
        assert kept(federation, desk.region, ticket_id) == [1, 3], "stored once, where it was attached"
        assert kept(federation, home, ticket_id) == [1, 1]
    for database in (federation.database("guangdong"), federation.database(home), federation.coordinator_database):
        assert SECRET not in database.raw()


async def test_the_first_piece_and_each_denial_are_recorded_where_the_file_is_and_where_it_is_read(
    federation: Federation, desk: Complainant
) -> None:
    ticket_id = (await taken_up(federation, desk)).ticket_id
    brought, quality = await Folder(desk, ticket_id).attach(scan(2 * CHUNK)), staff(federation, "sichuan")
    await Folder(quality, ticket_id).read(brought)
    told = await refusal(Folder(quality, ticket_id).read("guangdong/counter/other"))
    assert told.reason == "DOCUMENT_NOT_ON_FILE"
    action = "GetAttachmentContent"
    assert audited(federation, "guangdong", action, ticket_id) == [f"sichuan: staff wang, {brought}"]
    assert audited(federation, "sichuan", action, ticket_id) == [
        f"sichuan/staff/wang: staff wang, {brought} from byte 0",
        "sichuan/staff/wang: staff wang, DOCUMENT_NOT_ON_FILE",
    ]
    assert audited(federation, "guangdong", "AttachFile", ticket_id) == [
        f"guangdong/operator/counter: staff clerk-7, {brought}, {2 * CHUNK} bytes"
    ]


async def test_a_region_that_is_not_concerned_learns_nothing_however_it_asks(
    federation: Federation, desk: Complainant
) -> None:
    ticket_id = (await taken_up(federation, desk)).ticket_id
    brought, henan = await Folder(desk, ticket_id).attach(scan()), Forger(federation, "henan")
    for offset in (0, 5):
        asked = AttachmentQuestion(ticket_id=ticket_id, attachment_id=brought, offset=offset, staff_id="li")
        envelope = henan.seal("guangdong", EnvelopeKind.ENVELOPE_KIND_ATTACHMENT, asked, ticket_id)
        assert refused(await henan.deliver(envelope, "guangdong")) == "COMPLAINT_NOT_FOUND"
    denied = audited(federation, "guangdong", "GetAttachmentContent", ticket_id)
    assert denied == ["henan: staff li, COMPLAINT_NOT_FOUND"] * 2
    stranger = Folder(staff(federation, "henan"), ticket_id)
    assert (await refusal(stranger.read(brought))).reason == "COMPLAINT_NOT_FOUND"
    assert (await refusal(stranger.attach(scan()))).reason == "COMPLAINT_NOT_FOUND"
    told = await refusal(Folder(Complainant(federation, "sichuan"), ticket_id).attach(scan()))
    assert (told.reason, told.parameters["region"]) == ("COMPLAINT_NOT_FIRST_CONTACT", "guangdong")
    asked = AttachmentQuestion(ticket_id=ticket_id, attachment_id=brought, staff_id="li")
    envelope = henan.seal("guangdong", EnvelopeKind.ENVELOPE_KIND_ATTACHMENT, asked, "guangdong/other")
    assert refused(await henan.deliver(envelope, "guangdong")) == "ENVELOPE_INVALID"
    told = await refusal(Folder(desk, "+8613912345678").read(brought))
    assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "ticket_id")
    other = (await taken_up(federation, desk)).ticket_id
    assert (await refusal(Folder(desk, other).read(brought))).reason == "DOCUMENT_NOT_ON_FILE"


async def test_an_upload_that_breaks_off_goes_on_where_it_was_and_a_repeat_changes_nothing(
    federation: Federation, desk: Complainant
) -> None:
    ticket_id, content = (await taken_up(federation, desk)).ticket_id, scan(3 * CHUNK + 1)
    folder = Folder(desk, ticket_id)
    named = folder.named(content)
    half = await folder.send(named, content, until_byte=CHUNK + 5)
    assert (half.received, half.state) == (CHUNK + 5, RECEIVING)

    async def is_attached() -> bool:
        return (await folder.send(named, content)).state == REGISTERED

    await until(is_attached, "it is attached")
    assert len((await staff(federation, "sichuan").get(ticket_id)).attachments) == 1
    assert await folder.read(half.attachment_id) == content
    other = AttachmentUpload()
    other.CopyFrom(named)
    other.name = "another.png"
    assert (await refusal(folder.send(other, content))).reason == "REQUEST_ID_REUSED"


def _too_large(named: AttachmentUpload) -> bytes:
    named.size = 100 * 1024 * 1024
    return b""


def _other_type(named: AttachmentUpload) -> bytes:
    named.media_type = "application/x-msdownload"
    return b""


def _not_what_it_says(named: AttachmentUpload) -> bytes:
    named.media_type = "application/pdf"
    return scan(CHUNK + 1)


def _changed_on_its_way(named: AttachmentUpload) -> bytes:
    return scan(CHUNK + 1, mark="another scan")


def _a_path(named: AttachmentUpload) -> bytes:
    named.name = "../passwd.png"
    return b""


BROKEN: dict[str, Callable[[AttachmentUpload], bytes]] = {
    "DOCUMENT_TOO_LARGE": _too_large,
    "DOCUMENT_TYPE_NOT_ALLOWED": _other_type,
    "DOCUMENT_TYPE_NOT_ALLOWED by its content": _not_what_it_says,
    "DOCUMENT_HASH_DIFFERS": _changed_on_its_way,
    "REQUEST_INVALID by its name": _a_path,
}


async def test_what_is_broken_is_refused_with_the_reason_audited_and_leaves_nothing_behind(
    federation: Federation, desk: Complainant
) -> None:
    ticket_id = (await taken_up(federation, desk)).ticket_id
    folder, reasons = Folder(desk, ticket_id), []
    for broken, spoil in BROKEN.items():
        named = folder.named(scan(CHUNK + 1))
        content = spoil(named)
        reasons.append(broken.partition(" ")[0])
        assert (await refusal(folder.send(named, content))).reason == reasons[-1], broken
        assert kept(federation, "guangdong", ticket_id) == [0, 0], broken
    assert audited(federation, "guangdong", "AttachFile", ticket_id) == [
        f"guangdong/operator/counter: staff clerk-7, {reason}" for reason in reasons
    ]
    assert list((await desk.get(ticket_id)).attachments) == []


async def test_an_upload_that_is_left_or_whose_complaint_ends_meanwhile_leaves_nothing(
    federation: Federation, desk: Complainant
) -> None:
    left, ended = (await taken_up(federation, desk)).ticket_id, (await taken_up(federation, desk)).ticket_id
    content, folder = scan(CHUNK + 1), Folder(desk, ended)
    await Folder(desk, left).send(Folder(desk, left).named(content), content, until_byte=CHUNK)
    named = folder.named(content)
    await folder.send(named, content, until_byte=CHUNK)
    await desk.withdraw(ended)
    assert (await refusal(folder.send(named, content))).reason == "COMPLAINT_STATE_FORBIDS"
    assert (await refusal(folder.attach(content))).reason == "COMPLAINT_STATE_FORBIDS"
    assert kept(federation, "guangdong", ended) == [0, 0]
    await federation.advance(timedelta(days=1))

    async def is_gone() -> bool:
        return kept(federation, "guangdong", left) == [0, 0]

    await until(is_gone, "what was left is removed")
    assert audited(federation, "guangdong", "UploadAbandoned", left) == ["timer: "]


async def test_what_the_responsible_region_does_not_take_loses_its_bytes(
    federation: Federation, desk: Complainant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise Refused(Reason.REASON_MESSAGE_TOO_LARGE, limit="24576")

    ticket_id = (await taken_up(federation, desk)).ticket_id
    monkeypatch.setattr("region_node.care.complaints.rules.attach", full)
    folder, content = Folder(desk, ticket_id), scan()
    named = folder.named(content)
    answer = await folder.send(named, content)

    async def is_refused() -> bool:
        return (await folder.send(named, content)).state == REFUSED

    await until(is_refused, "the owner region has not taken it")
    assert (await folder.send(named, content)).refused.message.en == "The message is larger than 24576 bytes."
    assert kept(federation, "guangdong", ticket_id) == [1, 0]
    assert (await refusal(folder.read(answer.attachment_id))).reason == "DOCUMENT_NOT_ON_FILE"


async def test_what_waits_behind_a_filing_that_is_refused_is_attached_by_the_region_that_leads_then(
    federation: Federation, desk: Complainant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("region_node.care.complaints.relayed.owner_of", lambda *_, **__: "henan")
    monkeypatch.setattr("region_node.customers.documents.receiving_stream.REGISTRATION_SECONDS", 0.1)  # nobody answers
    await federation.stop_node("sichuan")
    try:
        ticket_id, content = (await desk.file("BILL_WRONG", federation.next_number("sichuan"))).ticket_id, scan()
        answer = await Folder(desk, ticket_id).send(Folder(desk, ticket_id).named(content), content)
        assert answer.state == UploadState.UPLOAD_STATE_COMPLETE
    finally:
        await federation.start_node("sichuan")
    kept_here = await desk.reaches(ticket_id, IN_PROGRESS)
    assert kept_here.owner_region == "guangdong"

    async def is_attached() -> bool:
        return [each.id for each in (await desk.get(ticket_id)).attachments] == [answer.attachment_id]

    await until(is_attached, "the first contact has attached it")
    asked = AttachmentQuestion(ticket_id=ticket_id, attachment_id=answer.attachment_id, staff_id="li")
    sichuan = Forger(federation, "sichuan")
    envelope = sichuan.seal("guangdong", EnvelopeKind.ENVELOPE_KIND_ATTACHMENT, asked, ticket_id)
    assert refused(await sichuan.deliver(envelope, "guangdong")) == "COMPLAINT_NOT_FOUND", "it is no party any more"


async def test_content_that_was_altered_where_it_is_stored_is_never_given_whole(
    federation: Federation, desk: Complainant
) -> None:
    ticket_id = (await taken_up(federation, desk)).ticket_id
    brought = await Folder(desk, ticket_id).attach(scan(2 * CHUNK))
    federation.database("guangdong").change(
        f"UPDATE document_chunks SET content = (SELECT content FROM document_chunks WHERE document_id = '{brought}'"
        f" AND start = 0) WHERE document_id = '{brought}' AND start > 0"
    )
    for somebody in (desk, staff(federation, "sichuan")):
        assert (await refusal(Folder(somebody, ticket_id).read(brought))).reason == "DOCUMENT_HASH_DIFFERS"


async def test_what_the_customer_was_asked_for_and_brings_as_a_file_starts_the_clock_again(
    federation: Federation, desk: Complainant
) -> None:
    ticket_id, quality = (await taken_up(federation, desk)).ticket_id, staff(federation, "sichuan")
    await quality.respond(ticket_id, "请提供缴费凭证", asks=True)
    await desk.reaches(ticket_id, PENDING)
    await Folder(quality, ticket_id).attach(scan(100, "the department's own"))
    assert (await quality.get(ticket_id)).state == PENDING
    await Folder(desk, ticket_id).attach(scan())
    assert (await quality.reaches(ticket_id, IN_PROGRESS)).custody[-1].region == "sichuan"


async def test_files_and_private_notes_of_a_customer_who_is_erased_are_gone_everywhere(
    federation: Federation, desk: Complainant, sichuan: Counter
) -> None:
    number, quality = await sichuan.new_customer(balance=0), staff(federation, "sichuan")
    ticket_id = (await desk.file("BILL_WRONG", number)).ticket_id
    await quality.reaches(ticket_id, IN_PROGRESS)
    await Folder(quality, ticket_id).attach(scan())
    await Folder(desk, ticket_id).attach(scan())
    await quality.note_privately(ticket_id, "第三次来电")
    await desk.withdraw(ticket_id)
    await quality.reaches(ticket_id, ComplaintState.COMPLAINT_STATE_CANCELLED)
    end_line(federation, number)
    await sichuan.erase(number)

    async def is_gone() -> bool:
        return [kept(federation, region, ticket_id) for region in ("guangdong", "sichuan")] == [[0, 0]] * 2

    await until(is_gone, "no region has a file of it")
    assert (
        federation.database("sichuan").rows("SELECT 1 FROM complaint_private_notes WHERE ticket_id = ?", ticket_id)
        == []
    )


async def test_what_is_attached_to_a_case_is_read_by_the_regions_of_its_items(
    federation: Federation, desk: Complainant
) -> None:
    before = await desk.file("BILL_ROAM", federation.next_number("sichuan"), location_region="henan")
    bill = scan(CHUNK + 9) + SECRET
    brought = await Folder(desk, before.ticket_id).attach(bill)
    leader, sichuan, henan = (staff(federation, region) for region in ("guangdong", "sichuan", "henan"))
    noted = await Folder(leader, before.ticket_id).attach(scan(50, "the leading region's own"), "意见.png")
    items = [each.ticket_id for each in before.items]
    for somebody, ticket_id in ((sichuan, items[0]), (henan, items[1])):
        heard = await somebody.follows(ticket_id, lambda item: len(item.attachments) == 2, "it hears of both files")
        assert [each.id for each in heard.attachments] == [brought, noted]
        assert await Folder(somebody, ticket_id).read(brought) == bill
        assert kept(federation, somebody.region, ticket_id) == [0, 0], "it stays where it was attached"
        assert SECRET not in federation.database(somebody.region).raw()
    assert audited(federation, "guangdong", "GetAttachmentContent", items[1]) == [f"henan: staff wang, {brought}"]


@pytest.mark.files  # nothing of it depends on the engine
async def test_a_region_that_comes_to_a_case_later_reads_what_was_attached_before_and_one_that_left_reads_no_more(
    federation: Federation, desk: Complainant
) -> None:
    case = await desk.file("BILL_ROAM", federation.next_number("sichuan"), location_region="henan")
    brought, henan = await Folder(desk, case.ticket_id).attach(scan()), staff(federation, "henan")
    item = case.items[1].ticket_id
    await henan.follows(item, lambda found: len(found.attachments) == 1, "it hears of the file")
    await henan.give_back(item)
    await desk.follows(case.ticket_id, lambda found: found.items[1].HasField("returned"), "it was returned")
    assert (await refusal(Folder(henan, item).read(brought))).reason == "COMPLAINT_NOT_FOUND"
    later = (await assign(federation, case.ticket_id, "henan", "BILLING")).items[2].ticket_id
    taken = await henan.reaches(later, IN_PROGRESS)
    assert [each.id for each in taken.attachments] == [brought]
    assert await Folder(henan, later).read(brought) == scan()


@pytest.mark.files  # nothing of it depends on the engine
async def test_a_file_that_the_customer_brings_to_a_case_is_the_answer_that_its_items_wait_for(
    federation: Federation, desk: Complainant
) -> None:
    case, sichuan = await desk.file("BILL_ROAM", federation.next_number("sichuan")), staff(federation, "sichuan")
    case = await desk.follows(case.ticket_id, lambda found: found.state == IN_PROGRESS, "it is at work")
    waiting = [each for each in case.items if each.region == "sichuan"]
    await sichuan.reaches(waiting[0].ticket_id, IN_PROGRESS)
    await sichuan.respond(waiting[0].ticket_id, "请提供账单", asks=True)
    await sichuan.reaches(waiting[0].ticket_id, PENDING)

    def waits(found: Complaint) -> bool:
        return found.items[waiting[0].number - 1].state == WorkItemState.WORK_ITEM_STATE_AWAITING_CUSTOMER

    await desk.follows(case.ticket_id, waits, "the customer is waited for")
    await Folder(desk, case.ticket_id).attach(scan())
    await sichuan.reaches(waiting[0].ticket_id, IN_PROGRESS)
    await desk.follows(
        case.ticket_id, lambda found: found.state == IN_PROGRESS and not waits(found), "the case goes on"
    )


@pytest.mark.files  # nothing of it depends on the engine
async def test_a_leading_region_names_no_file_in_a_work_item_as_one_of_another_region_than_its_own(
    federation: Federation, desk: Complainant
) -> None:
    case = await desk.file("BILL_ROAM", federation.next_number("sichuan"), location_region="henan")
    item, henan = case.items[1].ticket_id, staff(federation, "henan")
    await henan.reaches(item, IN_PROGRESS)
    guangdong = Forger(federation, "guangdong")
    named = ComplaintAttachment(id="sichuan/counter/other", region="guangdong", name="账单.png")
    command = ComplaintCommand(ticket_id=item, share=ComplaintCommand.Share(attachment=named))
    envelope = guangdong.seal("henan", EnvelopeKind.ENVELOPE_KIND_COMPLAINT_COMMAND, command, item)
    assert refused(await guangdong.deliver(envelope, "henan")) == "REQUEST_INVALID"
    assert list((await henan.get(item)).attachments) == []
