"""Complaints of one number that different regions take in or answer are joined: counted once, raised by one region."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintNoted, ComplaintRepeats
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.time.clock import to_timestamp
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.forger import Forger, refused
from tests.federation.running import NO_PREFIX, NOT_JOINED, Federation, until
from tests.federation.test_complaints import staff, triggers

IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
RESOLVED = ComplaintState.COMPLAINT_STATE_RESOLVED
NOTED = EnvelopeKind.ENVELOPE_KIND_COMPLAINT_NOTED
REPEATS = EnvelopeKind.ENVELOPE_KIND_COMPLAINT_REPEATS
KINDS = f"({int(NOTED)}, {int(REPEATS)})"
HOME = "henan"  # of every number here that has a home
CATEGORY = "SVC_ATTITUDE"  # whoever takes it in answers it


@pytest.fixture(name="south")
def first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "guangdong")


@pytest.fixture(name="west")
def another_first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "sichuan")


def joined(complaint: Complaint) -> tuple[str, int]:
    return complaint.repeated_ticket_id, complaint.repeats


def sent(federation: Federation, region: str, ticket_id: str) -> list[str]:
    """The envelopes by which a region has reported a complaint or its repeats."""
    sql = f"SELECT envelope_id FROM outbox WHERE subject = ? AND kind IN {KINDS} ORDER BY envelope_id"
    return [str(row[0]) for row in federation.database(region).rows(sql, ticket_id)]


def sent_commands(federation: Federation, ticket_id: str) -> list[str]:
    """The commands by which the first contact has passed on what a complaint repeats."""
    sql = "SELECT envelope_id FROM outbox WHERE envelope_id LIKE ? ORDER BY envelope_id"
    return [str(row[0]) for row in federation.database("guangdong").rows(sql, f"{ticket_id}#noted%>sichuan")]


def counted(federation: Federation, region: str, ticket_id: str) -> Sequence[tuple[object, ...]]:
    """A region's figures of a complaint."""
    return federation.database(region).rows(
        "SELECT repeats, level FROM complaint_figures WHERE ticket_id = ?", ticket_id
    )


async def settled(federation: Federation) -> None:
    """Waits until every region has heard all that others have to tell about repeats."""

    async def is_so() -> bool:
        waiting = f"SELECT COUNT(*) FROM outbox WHERE kind IN {KINDS} AND closed IS NULL AND destination <> ?"
        return all(
            federation.database(region).rows(waiting, NOT_JOINED) == [(0,)]
            for region in ("guangdong", "sichuan", "henan")
        )

    await until(is_so, "all regions have heard what repeats what")


async def joins(desk: Complainant, ticket_id: str, repeat_of: str, repeats: int) -> Complaint:
    """The complaint once it is joined to so many others."""
    return await desk.follows(ticket_id, lambda each: joined(each) == (repeat_of, repeats), f"repeats {repeats}")


async def test_what_two_regions_take_in_and_answer_is_joined_and_the_third_is_raised(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number, home = await Counter(federation, HOME).new_customer(), Complainant(federation, HOME)
    first = await south.file(CATEGORY, number)
    assert (first.state, joined(first)) == (IN_PROGRESS, ("", 0))
    await settled(federation)
    second = await west.file(CATEGORY, number)
    assert (second.owner_region, second.state) == ("sichuan", IN_PROGRESS), "nobody waits for the home region"
    assert (await joins(west, second.ticket_id, first.ticket_id, 1)).level == 1
    other = await south.file("OTHER", number)
    third = await south.file(CATEGORY, number)
    found = await joins(south, third.ticket_id, second.ticket_id, 2)
    assert (found.level, triggers(found)[-1]) == (4, (4, "REPEATED"))
    at_home = await home.file(CATEGORY, number)
    assert (joined(at_home), at_home.level) == ((third.ticket_id, 3), 4), "the home region knows at once"
    await settled(federation)
    assert joined(await south.get(first.ticket_id)) == joined(await south.get(other.ticket_id)) == ("", 0)
    raised = "SELECT level FROM complaint_escalations WHERE ticket_id = ? ORDER BY level"
    assert federation.database("guangdong").rows(raised, third.ticket_id) == [(0,), (1,), (2,), (3,), (4,)]
    assert counted(federation, "guangdong", third.ticket_id) == [(2, 4)]
    assert sent(federation, "guangdong", third.ticket_id) == [f"{third.ticket_id}#noted1>{HOME}"]
    told = "SELECT kind, region FROM disclosures WHERE kind = ? ORDER BY region"
    kind = DisclosureKind.DISCLOSURE_KIND_REPEAT_TOLD
    assert federation.database(HOME).rows(told, int(kind)) == [(kind, "guangdong"), (kind, "sichuan")]


async def test_what_a_third_region_answers_is_joined_there_and_raised_by_that_region_alone(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    ticket_ids = [(await south.file("NET_SPEED", number, location_region="guangdong")).ticket_id]
    ticket_ids.append((await west.file("NET_SPEED", number, location_region="sichuan")).ticket_id)
    await joins(west, ticket_ids[1], ticket_ids[0], 1)
    third = await south.file("NET_SPEED", number, location_region="sichuan")
    assert third.owner_region == "sichuan"
    found = await joins(south, third.ticket_id, ticket_ids[1], 2)
    assert [(each.level, each.region) for each in found.escalations] == [
        (0, "guangdong"),
        (1, "guangdong"),
        (2, "sichuan"),
        (3, "sichuan"),
        (4, "sichuan"),
    ]
    assert joined(await staff(federation, "sichuan").get(third.ticket_id)) == (ticket_ids[1], 2)
    fourth = await Complainant(federation, HOME).file("NET_SPEED", number, location_region="guangdong")
    found = await staff(federation, "guangdong").reaches(fourth.ticket_id, IN_PROGRESS)
    assert (joined(found), found.level) == ((third.ticket_id, 3), 4), "the filing says what the home region knows"


async def test_a_responsible_region_that_is_away_hears_what_a_complaint_repeats_behind_the_filing(
    federation: Federation, south: Complainant
) -> None:
    number, home = federation.next_number(HOME), Complainant(federation, HOME)
    ticket_ids = [(await home.file("NET_SPEED", number, location_region=HOME)).ticket_id for _ in range(2)]
    await federation.stop_node("sichuan")
    try:
        filed = await south.file("NET_SPEED", number, location_region="sichuan")
        other = await south.file("NET_SPEED", number, location_region="sichuan")

        async def is_noted() -> bool:
            return len(sent_commands(federation, other.ticket_id)) == 1

        await until(is_noted, "the home region has answered")
        mine = await staff(federation, "guangdong").classify(other.ticket_id, CATEGORY, "是服务态度")
        assert (mine.owner_region, joined(mine)) == ("guangdong", ("", 0)), "what was told of another category is over"
    finally:
        await federation.start_node("sichuan")
        await federation.until_members({"sichuan": MemberState.MEMBER_STATE_JOINED})
    found = await joins(south, filed.ticket_id, ticket_ids[1], 2)
    assert (found.owner_region, found.level, triggers(found)[-1]) == ("sichuan", 4, (4, "REPEATED"))
    await settled(federation)
    assert joined(await south.get(other.ticket_id)) == ("", 0)


async def test_the_order_of_filing_counts_whichever_region_the_home_region_hears_first(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    await federation.stop_node(HOME)
    try:
        first, second = await south.file(CATEGORY, number), await west.file(CATEGORY, number)
        third = await west.file(CATEGORY, number)
        assert [each.state for each in (first, second, third)] == [IN_PROGRESS] * 3, "the home region is away"
        assert [joined(each) for each in (second, third)] == [("", 0), (second.ticket_id, 1)]
        await federation.stop_node("guangdong")
    finally:
        await federation.start_node(HOME)
    await federation.until_members({HOME: MemberState.MEMBER_STATE_JOINED})
    noted = "SELECT COUNT(*) FROM complaint_index WHERE ticket_id IN (?, ?)"

    async def has_heard() -> bool:
        return federation.database(HOME).rows(noted, second.ticket_id, third.ticket_id) == [(2,)]

    try:
        await until(has_heard, "the home region has heard of what was filed later")
        assert joined(await west.get(second.ticket_id)) == ("", 0)
    finally:
        await federation.start_node("guangdong")
    await federation.until_members({"guangdong": MemberState.MEMBER_STATE_JOINED})
    assert (await joins(west, second.ticket_id, first.ticket_id, 1)).level == 1
    found = await joins(west, third.ticket_id, second.ticket_id, 2)
    assert (found.level, triggers(found)[-1]) == (4, (4, "REPEATED"))
    await settled(federation)
    assert joined(await south.get(first.ticket_id)) == ("", 0)


async def test_another_category_is_joined_to_those_of_that_category_and_to_no_others(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    first = await south.file("SUGGESTION", number)
    second = await south.file("", number, description="请尽快与我联系")
    await settled(federation)
    assert sent(federation, "guangdong", second.ticket_id) == [], "nobody has said yet what it is about"
    classifier = staff(federation, "guangdong")
    await classifier.classify(second.ticket_id, CATEGORY)
    third = await west.file(CATEGORY, number)
    await joins(west, third.ticket_id, second.ticket_id, 1)
    await classifier.classify(second.ticket_id, "SUGGESTION", "是建议")
    await joins(south, second.ticket_id, first.ticket_id, 1)
    fourth = await west.file(CATEGORY, number)
    await settled(federation)
    assert joined(await west.get(fourth.ticket_id)) == (third.ticket_id, 1), "the second is about something else by now"
    fifth = await west.file("SUGGESTION", number)
    found = await joins(west, fifth.ticket_id, second.ticket_id, 2)
    assert found.level == 4


async def test_what_was_withdrawn_in_another_region_is_repeated_by_nothing(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    first = await south.file(CATEGORY, number)
    theirs = await south.file("NET_SPEED", number, location_region="sichuan")
    await south.reaches(theirs.ticket_id, IN_PROGRESS)
    for ticket_id in (first.ticket_id, theirs.ticket_id):
        await south.withdraw(ticket_id)
    await settled(federation)
    mine, place = await west.file(CATEGORY, number), await west.file("NET_SPEED", number, location_region="guangdong")
    await settled(federation)
    assert joined(await west.get(mine.ticket_id)) == joined(await west.get(place.ticket_id)) == ("", 0)
    assert sent(federation, "guangdong", first.ticket_id) == [
        f"{first.ticket_id}#noted1>{HOME}",
        f"{first.ticket_id}#withdrawn>{HOME}",
    ]


async def test_what_becomes_known_once_it_is_resolved_raises_it_when_the_customer_refuses(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    for desk in (south, west):
        await desk.file(CATEGORY, number)
    await settled(federation)
    await federation.stop_node(HOME)
    try:
        third = await south.file(CATEGORY, number)
        assert (await staff(federation, "guangdong").propose(third.ticket_id)).level == 1
    finally:
        await federation.start_node(HOME)
    found = await south.follows(third.ticket_id, lambda each: each.repeats == 2, "repeats 2")
    assert (found.state, found.level) == (RESOLVED, 1)
    refused_by_customer = await south.refuse(third.ticket_id)
    assert (refused_by_customer.level, triggers(refused_by_customer)[-1]) == (4, (4, "REPEATED"))


async def test_cases_that_different_regions_lead_are_joined_and_their_items_are_not(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    first, second = await south.file("PRIV_SHARE", number), await west.file("PRIV_SHARE", number)
    assert [each.region for each in first.items] == ["guangdong", HOME]
    await joins(west, second.ticket_id, first.ticket_id, 1)
    third = await south.file("PRIV_SHARE", number)
    found = await joins(south, third.ticket_id, second.ticket_id, 2)
    assert found.level == 4
    items = "SELECT MAX(repeats) FROM complaint_figures WHERE is_item = 1"
    assert federation.database(HOME).rows(items) == federation.database("guangdong").rows(items) == [(0,)]


async def test_what_the_home_region_has_returned_is_known_there_as_its_first_contact_tells(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    first = await south.file("BILL_WRONG", number)
    await staff(federation, HOME).reaches(first.ticket_id, IN_PROGRESS)
    assert sent(federation, "guangdong", first.ticket_id) == [], "who answers it knows it"
    await staff(federation, HOME).give_back(first.ticket_id)
    await south.follows(first.ticket_id, lambda each: each.owner_region == "guangdong", "is led where it was filed")
    await staff(federation, "guangdong").classify(first.ticket_id, CATEGORY, "是服务态度")
    await settled(federation)
    again = await west.file("BILL_WRONG", number)
    assert joined(await staff(federation, HOME).reaches(again.ticket_id, IN_PROGRESS)) == ("", 0)
    await joins(west, (await west.file(CATEGORY, number)).ticket_id, first.ticket_id, 1)


@pytest.mark.parametrize("region", [NO_PREFIX, NOT_JOINED])
async def test_a_number_of_no_region_or_of_one_that_never_joined_is_told_to_nobody(
    federation: Federation, south: Complainant, region: str
) -> None:
    number = f"{NO_PREFIX}000007" if region == NO_PREFIX else federation.next_number(region)
    filed, again = await south.file(CATEGORY, number), await south.file(CATEGORY, number)
    assert joined(again) == (filed.ticket_id, 1)
    assert sent(federation, "guangdong", filed.ticket_id) + sent(federation, "guangdong", again.ticket_id) == []


async def test_only_its_first_contact_tells_of_a_complaint_and_only_the_home_region_joins_it(
    federation: Federation, south: Complainant
) -> None:
    number = federation.next_number(HOME)
    filed = await south.file(CATEGORY, number)
    noted = ComplaintNoted(
        ticket_id=filed.ticket_id, number=number, category=CATEGORY, create_time=filed.create_time, setting=2
    )
    sichuan = Forger(federation, "sichuan")
    envelope = sichuan.seal(HOME, NOTED, noted, filed.ticket_id)
    assert refused(await sichuan.deliver(envelope, HOME)) == "ENVELOPE_KIND_NOT_ALLOWED"
    noted.ticket_id, noted.number = f"sichuan/{federation.next_id()}", federation.next_number("guangdong")
    envelope = sichuan.seal(HOME, NOTED, noted, noted.ticket_id)
    assert (await sichuan.deliver(envelope, HOME)).HasField("receipt")
    known = "SELECT COUNT(*) FROM complaint_index WHERE ticket_id = ?"
    assert federation.database(HOME).rows(known, noted.ticket_id) == [(0,)], "the number is of another region"
    noted.number = number
    noted.create_time.CopyFrom(to_timestamp(federation.clock.now() + timedelta(hours=1)))
    envelope = sichuan.seal(HOME, NOTED, noted, noted.ticket_id)
    assert refused(await sichuan.deliver(envelope, HOME)) == "ENVELOPE_INVALID"
    told = ComplaintRepeats(ticket_id=filed.ticket_id, category=CATEGORY, repeated_ticket_id="sichuan/1", repeats=5)
    envelope = sichuan.seal("guangdong", REPEATS, told, filed.ticket_id)
    assert refused(await sichuan.deliver(envelope, "guangdong")) == "ENVELOPE_KIND_NOT_ALLOWED"
    await settled(federation)
    assert joined(await south.get(filed.ticket_id)) == ("", 0)
