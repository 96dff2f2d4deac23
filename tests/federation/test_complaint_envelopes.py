"""What regions may say to each other about complaints, and what is refused although it is signed."""

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
    return await desk.reaches(filed.docket, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)


def fresh(federation: Federation, handling: str, number: str) -> Complaint:
    """A filing as its first contact would send it."""
    return Complaint(
        docket=f"{handling}/{federation.next_id()}",
        state=ComplaintState.COMPLAINT_STATE_ACKNOWLEDGED,
        request=Complainant(federation, handling).request("BILL_WRONG", number),
        handling_region=handling,
        home_region="sichuan",
        owner_region="sichuan",
        operator="counter",
        creation_date=to_timestamp(federation.clock.now()),
    )


async def test_only_the_responsible_region_tells_how_a_complaint_stands(federation: Federation, henan: Forger) -> None:
    known = await taken_up(federation)
    lie = Complaint()
    lie.CopyFrom(known)
    lie.version, lie.state = known.version + 5, ComplaintState.COMPLAINT_STATE_CLOSED
    for owner in ("sichuan", "henan"):
        lie.owner_region = owner
        envelope = henan.seal("guangdong", UPDATE, ComplaintUpdate(complaint=lie), known.docket)
        assert refused(await henan.deliver(envelope, "guangdong")) == "ENVELOPE_KIND_NOT_ALLOWED"
    assert await Complainant(federation, "guangdong").get(known.docket) == known


async def test_only_the_first_contact_says_what_the_customer_says(federation: Federation, henan: Forger) -> None:
    known = await taken_up(federation)
    command = ComplaintCommand(docket=known.docket, withdraw=ComplaintCommand.Withdraw(reason="forged"))
    envelope = henan.seal("sichuan", COMMAND, command, known.docket)
    assert refused(await henan.deliver(envelope, "sichuan")) == "ENVELOPE_KIND_NOT_ALLOWED"
    own = Forger(federation, "guangdong").seal("sichuan", COMMAND, command, "guangdong/other")
    assert refused(await Forger(federation, "guangdong").deliver(own, "sichuan")) == "ENVELOPE_KIND_NOT_ALLOWED"
    assert (await Complainant(federation, "sichuan", "staff/wang").get(known.docket)).state == known.state


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda each: setattr(each, "handling_region", "guangdong"), "ENVELOPE_KIND_NOT_ALLOWED"),
        (lambda each: setattr(each, "docket", "guangdong/1-1"), "ENVELOPE_KIND_NOT_ALLOWED"),
        (lambda each: setattr(each, "version", 3), "ENVELOPE_INVALID"),
        (lambda each: setattr(each, "state", ComplaintState.COMPLAINT_STATE_RESOLVED), "ENVELOPE_INVALID"),
        (lambda each: each.resolution.SetInParent(), "ENVELOPE_INVALID"),
        (lambda each: each.ClearField("creation_date"), "ENVELOPE_INVALID"),
        (lambda each: setattr(each, "level", 6), "ENVELOPE_INVALID"),
        (lambda each: setattr(each, "parent", each.docket), "ENVELOPE_INVALID"),
        (lambda each: setattr(each.request, "category", "SVC_ATTITUDE"), "COMPLAINT_NOT_RESPONSIBLE"),
        (lambda each: setattr(each.request, "category", "NO_SUCH"), "COMPLAINT_CATEGORY_UNKNOWN"),
    ],
)
async def test_a_filing_brings_no_decisions_along_and_goes_where_the_category_says(
    federation: Federation, henan: Forger, spoil: Callable[[Complaint], None], reason: str
) -> None:
    filing = fresh(federation, "henan", federation.next_number("sichuan"))
    subject = filing.docket
    spoil(filing)
    envelope = henan.seal("sichuan", FILED, ComplaintFiling(complaint=filing), subject)
    assert refused(await henan.deliver(envelope, "sichuan")) == reason


async def test_a_good_filing_is_taken_up_and_not_twice(federation: Federation, henan: Forger) -> None:
    filing = fresh(federation, "henan", federation.next_number("sichuan"))
    first = henan.seal("sichuan", FILED, ComplaintFiling(complaint=filing), filing.docket)
    assert (await henan.deliver(first, "sichuan")).HasField("receipt")
    again = henan.seal("sichuan", FILED, ComplaintFiling(complaint=filing), filing.docket)
    assert refused(await henan.deliver(again, "sichuan")) == "ENVELOPE_INVALID"
    unreadable = henan.seal("sichuan", FILED, ComplaintFiling(complaint=filing), filing.docket, origin="guangdong")
    assert not_delivered(await henan.deliver(unreadable, "sichuan")) == "ENVELOPE_SENDER_WRONG"


async def test_a_complaint_made_unreadable_is_gone_and_harms_nothing(federation: Federation) -> None:
    known = await taken_up(federation)
    desk, quality = Complainant(federation, "guangdong"), Complainant(federation, "sichuan", "staff/wang")
    federation.database("guangdong").change(f"DELETE FROM data_keys WHERE subject = 'complaint/{known.docket}'")
    await quality.propose(known.docket)

    async def is_answered() -> bool:
        waiting = "SELECT COUNT(*) FROM outbox WHERE subject = ? AND closed IS NULL"
        return federation.database("sichuan").rows(waiting, known.docket) == [(0,)]

    await until(is_answered, "the update is answered")
    assert known.docket not in await desk.list()


async def test_a_region_cannot_make_a_case_of_a_complaint_by_what_it_tells_of_it(federation: Federation) -> None:
    known = await taken_up(federation)
    told = Complaint()
    told.CopyFrom(known)
    told.version += 1
    told.items.add(number=1, docket=known.docket, region="henan", state=WorkItemState.WORK_ITEM_STATE_DONE)
    told.parent = "guangdong/other"
    sichuan = Forger(federation, "sichuan")
    envelope = sichuan.seal("guangdong", UPDATE, ComplaintUpdate(complaint=told), known.docket)
    assert (await sichuan.deliver(envelope, "guangdong")).HasField("receipt")
    kept = await Complainant(federation, "guangdong").get(known.docket)
    assert (kept.version, list(kept.items), kept.parent) == (told.version, [], "")


async def test_what_the_customer_says_on_the_way_to_a_region_that_has_returned_it_is_refused_and_not_lost(
    federation: Federation,
) -> None:
    known = await taken_up(federation)
    await Complainant(federation, "sichuan", "staff/wang").give_back(known.docket)
    late = ComplaintCommand(docket=known.docket, respond=ComplaintCommand.Respond(text="late"))
    guangdong = Forger(federation, "guangdong")
    envelope = guangdong.seal("sichuan", COMMAND, late, known.docket)
    assert refused(await guangdong.deliver(envelope, "sichuan")) == "COMPLAINT_NOT_RESPONSIBLE"
    for what in ("share", "reopen", "conclude"):
        other = await taken_up(federation)
        command = ComplaintCommand(docket=other.docket)
        getattr(command, what).SetInParent()
        envelope = guangdong.seal("sichuan", COMMAND, command, other.docket)
        assert refused(await guangdong.deliver(envelope, "sichuan")) == "REQUEST_INVALID", "it is no work item"
