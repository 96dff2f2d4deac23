"""The permitted messages between regions about complaints, and refused ones despite their signature."""

from collections.abc import Callable

import pytest

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand, ComplaintFiling, ComplaintUpdate
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, WorkItemState
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.time.clock import to_timestamp
from tests.federation.complainant import Complainant
from tests.federation.forger import Forger, not_delivered, refused
from tests.federation.running import Federation, until

FILED = EnvelopeKind.ENVELOPE_KIND_COMPLAINT_FILED
COMMAND = EnvelopeKind.ENVELOPE_KIND_COMPLAINT_COMMAND
UPDATE = EnvelopeKind.ENVELOPE_KIND_COMPLAINT_UPDATE


@pytest.fixture(name="henan")
def a_region_that_is_not_concerned(federation: Federation) -> Forger:
    return Forger(federation, "henan")


async def taken_up(federation: Federation) -> Complaint:
    """A complaint filed in Guangdong for which Sichuan is responsible."""
    desk = Complainant(federation, "guangdong")
    filed = await desk.file("BILL_WRONG", federation.next_number("sichuan"))
    return await desk.reaches(filed.ticket_id, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)


def fresh(federation: Federation, handling: str, number: str) -> Complaint:
    """A filing as its first contact would send it."""
    return Complaint(
        ticket_id=f"{handling}/{federation.next_id()}",
        state=ComplaintState.COMPLAINT_STATE_ACKNOWLEDGED,
        request=Complainant(federation, handling).request("BILL_WRONG", number),
        origin_region=handling,
        home_region="sichuan",
        owner_region="sichuan",
        operator="counter",
        create_time=to_timestamp(federation.clock.now()),
    )


async def test_only_the_responsible_region_tells_how_a_complaint_stands(federation: Federation, henan: Forger) -> None:
    known = await taken_up(federation)
    lie = Complaint()
    lie.CopyFrom(known)
    lie.version, lie.state = known.version + 5, ComplaintState.COMPLAINT_STATE_CLOSED
    for owner in ("sichuan", "henan"):
        lie.owner_region = owner
        envelope = henan.seal("guangdong", UPDATE, ComplaintUpdate(complaint=lie), known.ticket_id)
        assert refused(await henan.deliver(envelope, "guangdong")) == "ENVELOPE_KIND_NOT_ALLOWED"
    assert await Complainant(federation, "guangdong").get(known.ticket_id) == known


async def test_only_the_first_contact_says_what_the_customer_says(federation: Federation, henan: Forger) -> None:
    known = await taken_up(federation)
    command = ComplaintCommand(ticket_id=known.ticket_id, withdraw=ComplaintCommand.Withdraw(reason="forged"))
    envelope = henan.seal("sichuan", COMMAND, command, known.ticket_id)
    assert refused(await henan.deliver(envelope, "sichuan")) == "ENVELOPE_KIND_NOT_ALLOWED"
    own = Forger(federation, "guangdong").seal("sichuan", COMMAND, command, "guangdong/other")
    assert refused(await Forger(federation, "guangdong").deliver(own, "sichuan")) == "ENVELOPE_KIND_NOT_ALLOWED"
    assert (await Complainant(federation, "sichuan", "staff/wang").get(known.ticket_id)).state == known.state


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda each: setattr(each, "origin_region", "guangdong"), "ENVELOPE_KIND_NOT_ALLOWED"),
        (lambda each: setattr(each, "ticket_id", "guangdong/1-1"), "ENVELOPE_KIND_NOT_ALLOWED"),
        (lambda each: setattr(each, "version", 3), "ENVELOPE_INVALID"),
        (lambda each: setattr(each, "state", ComplaintState.COMPLAINT_STATE_RESOLVED), "ENVELOPE_INVALID"),
        (lambda each: each.resolution.SetInParent(), "ENVELOPE_INVALID"),
        (lambda each: each.ClearField("create_time"), "ENVELOPE_INVALID"),
        (lambda each: setattr(each, "level", 6), "ENVELOPE_INVALID"),
        (lambda each: setattr(each, "case_id", each.ticket_id), "ENVELOPE_INVALID"),
        (lambda each: setattr(each.request, "category", "SVC_ATTITUDE"), "COMPLAINT_NOT_RESPONSIBLE"),
        (lambda each: setattr(each.request, "category", "NO_SUCH"), "COMPLAINT_CATEGORY_UNKNOWN"),
    ],
)
async def test_a_filing_brings_no_decisions_along_and_goes_where_the_category_says(
    federation: Federation, henan: Forger, spoil: Callable[[Complaint], None], reason: str
) -> None:
    filing = fresh(federation, "henan", federation.next_number("sichuan"))
    subject = filing.ticket_id
    spoil(filing)
    envelope = henan.seal("sichuan", FILED, ComplaintFiling(complaint=filing), subject)
    assert refused(await henan.deliver(envelope, "sichuan")) == reason


async def test_a_good_filing_is_taken_up_and_not_twice(federation: Federation, henan: Forger) -> None:
    filing = fresh(federation, "henan", federation.next_number("sichuan"))
    first = henan.seal("sichuan", FILED, ComplaintFiling(complaint=filing), filing.ticket_id)
    assert (await henan.deliver(first, "sichuan")).HasField("receipt")
    again = henan.seal("sichuan", FILED, ComplaintFiling(complaint=filing), filing.ticket_id)
    assert refused(await henan.deliver(again, "sichuan")) == "ENVELOPE_INVALID"
    unreadable = henan.seal("sichuan", FILED, ComplaintFiling(complaint=filing), filing.ticket_id, origin="guangdong")
    assert not_delivered(await henan.deliver(unreadable, "sichuan")) == "ENVELOPE_SENDER_WRONG"


async def test_a_complaint_made_unreadable_is_gone_and_harms_nothing(federation: Federation) -> None:
    known = await taken_up(federation)
    desk, quality = Complainant(federation, "guangdong"), Complainant(federation, "sichuan", "staff/wang")
    federation.database("guangdong").change(f"DELETE FROM data_keys WHERE subject = 'complaint/{known.ticket_id}'")
    await quality.propose(known.ticket_id)

    async def is_answered() -> bool:
        waiting = "SELECT COUNT(*) FROM outbox WHERE subject = ? AND closed IS NULL"
        return federation.database("sichuan").rows(waiting, known.ticket_id) == [(0,)]

    await until(is_answered, "the update is answered")
    assert known.ticket_id not in await desk.list()


async def test_a_region_cannot_make_a_case_of_a_complaint_by_what_it_tells_of_it(federation: Federation) -> None:
    known = await taken_up(federation)
    told = Complaint()
    told.CopyFrom(known)
    told.version += 1
    told.items.add(number=1, ticket_id=known.ticket_id, region="henan", state=WorkItemState.WORK_ITEM_STATE_DONE)
    told.case_id = "guangdong/other"
    sichuan = Forger(federation, "sichuan")
    envelope = sichuan.seal("guangdong", UPDATE, ComplaintUpdate(complaint=told), known.ticket_id)
    assert (await sichuan.deliver(envelope, "guangdong")).HasField("receipt")
    kept = await Complainant(federation, "guangdong").get(known.ticket_id)
    assert (kept.version, list(kept.items), kept.case_id) == (told.version, [], "")


async def test_what_the_customer_says_on_the_way_to_a_region_that_has_returned_it_is_refused_and_not_lost(
    federation: Federation,
) -> None:
    known = await taken_up(federation)
    await Complainant(federation, "sichuan", "staff/wang").give_back(known.ticket_id)
    late = ComplaintCommand(ticket_id=known.ticket_id, respond=ComplaintCommand.Respond(text="late"))
    guangdong = Forger(federation, "guangdong")
    envelope = guangdong.seal("sichuan", COMMAND, late, known.ticket_id)
    assert refused(await guangdong.deliver(envelope, "sichuan")) == "COMPLAINT_NOT_RESPONSIBLE"
    for what in ("share", "reopen", "conclude"):
        other = await taken_up(federation)
        command = ComplaintCommand(ticket_id=other.ticket_id)
        getattr(command, what).SetInParent()
        envelope = guangdong.seal("sichuan", COMMAND, command, other.ticket_id)
        assert refused(await guangdong.deliver(envelope, "sichuan")) == "REQUEST_INVALID", "it is no work item"
