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
    return complaint.repeat_of, complaint.repeats


def sent(federation: Federation, region: str, docket: str) -> list[str]:
    """The envelopes by which a region has told of a complaint what it repeats, or that there is one."""
    sql = f"SELECT envelope_id FROM outbox WHERE subject = ? AND kind IN {KINDS} ORDER BY envelope_id"
    return [str(row[0]) for row in federation.database(region).rows(sql, docket)]


def sent_commands(federation: Federation, docket: str) -> list[str]:
    """The commands by which the first contact has passed on what a complaint repeats."""
    sql = "SELECT envelope_id FROM outbox WHERE envelope_id LIKE ? ORDER BY envelope_id"
    return [str(row[0]) for row in federation.database("guangdong").rows(sql, f"{docket}#noted%>sichuan")]


def counted(federation: Federation, region: str, docket: str) -> Sequence[tuple[object, ...]]:
    """What the figures of a region count of a complaint."""
    return federation.database(region).rows("SELECT repeats, level FROM complaint_figures WHERE docket = ?", docket)


async def settled(federation: Federation) -> None:
    """Waits until every region has heard all that others have to tell about repeats."""

    async def is_so() -> bool:
        waiting = f"SELECT COUNT(*) FROM outbox WHERE kind IN {KINDS} AND closed IS NULL AND destination <> ?"
        return all(
            federation.database(region).rows(waiting, NOT_JOINED) == [(0,)]
            for region in ("guangdong", "sichuan", "henan")
        )

    await until(is_so, "all regions have heard what repeats what")


async def joins(desk: Complainant, docket: str, repeat_of: str, repeats: int) -> Complaint:
    """The complaint once it is joined to so many others."""
    return await desk.follows(docket, lambda each: joined(each) == (repeat_of, repeats), f"repeats {repeats}")


async def test_what_two_regions_take_in_and_answer_is_joined_and_the_third_is_raised(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number, home = await Counter(federation, HOME).new_customer(), Complainant(federation, HOME)
    first = await south.file(CATEGORY, number)
    assert (first.state, joined(first)) == (IN_PROGRESS, ("", 0))
    await settled(federation)
    second = await west.file(CATEGORY, number)
    assert (second.owner_region, second.state) == ("sichuan", IN_PROGRESS), "nobody waits for the home region"
    assert (await joins(west, second.docket, first.docket, 1)).level == 1
    other = await south.file("OTHER", number)
    third = await south.file(CATEGORY, number)
    found = await joins(south, third.docket, second.docket, 2)
    assert (found.level, triggers(found)[-1]) == (4, (4, "REPEATED"))
    at_home = await home.file(CATEGORY, number)
    assert (joined(at_home), at_home.level) == ((third.docket, 3), 4), "the home region knows at once"
    await settled(federation)
    assert joined(await south.get(first.docket)) == joined(await south.get(other.docket)) == ("", 0)
    raised = "SELECT level FROM complaint_escalations WHERE docket = ? ORDER BY level"
    assert federation.database("guangdong").rows(raised, third.docket) == [(0,), (1,), (2,), (3,), (4,)]
    assert counted(federation, "guangdong", third.docket) == [(2, 4)]
    assert sent(federation, "guangdong", third.docket) == [f"{third.docket}#noted1>{HOME}"]
    told = "SELECT kind, region FROM disclosures WHERE kind = ? ORDER BY region"
    kind = DisclosureKind.DISCLOSURE_KIND_REPEAT_TOLD
    assert federation.database(HOME).rows(told, int(kind)) == [(kind, "guangdong"), (kind, "sichuan")]


async def test_what_a_third_region_answers_is_joined_there_and_raised_by_that_region_alone(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    dockets = [(await south.file("NET_SPEED", number, location_region="guangdong")).docket]
    dockets.append((await west.file("NET_SPEED", number, location_region="sichuan")).docket)
    await joins(west, dockets[1], dockets[0], 1)
    third = await south.file("NET_SPEED", number, location_region="sichuan")
    assert third.owner_region == "sichuan"
    found = await joins(south, third.docket, dockets[1], 2)
    assert [(each.level, each.region) for each in found.escalations] == [
        (0, "guangdong"),
        (1, "guangdong"),
        (2, "sichuan"),
        (3, "sichuan"),
        (4, "sichuan"),
    ]
    assert joined(await staff(federation, "sichuan").get(third.docket)) == (dockets[1], 2)
    fourth = await Complainant(federation, HOME).file("NET_SPEED", number, location_region="guangdong")
    found = await staff(federation, "guangdong").reaches(fourth.docket, IN_PROGRESS)
    assert (joined(found), found.level) == ((third.docket, 3), 4), "the filing says what the home region knows"


async def test_a_responsible_region_that_is_away_hears_what_a_complaint_repeats_behind_the_filing(
    federation: Federation, south: Complainant
) -> None:
    number, home = federation.next_number(HOME), Complainant(federation, HOME)
    dockets = [(await home.file("NET_SPEED", number, location_region=HOME)).docket for _ in range(2)]
    await federation.stop_node("sichuan")
    try:
        filed = await south.file("NET_SPEED", number, location_region="sichuan")
        other = await south.file("NET_SPEED", number, location_region="sichuan")

        async def is_noted() -> bool:
            return len(sent_commands(federation, other.docket)) == 1

        await until(is_noted, "the home region has answered")
        mine = await staff(federation, "guangdong").classify(other.docket, CATEGORY, "是服务态度")
        assert (mine.owner_region, joined(mine)) == ("guangdong", ("", 0)), "what was told of another category is over"
    finally:
        await federation.start_node("sichuan")
        await federation.until_standing({"sichuan": MemberState.MEMBER_STATE_JOINED})
    found = await joins(south, filed.docket, dockets[1], 2)
    assert (found.owner_region, found.level, triggers(found)[-1]) == ("sichuan", 4, (4, "REPEATED"))
    await settled(federation)
    assert joined(await south.get(other.docket)) == ("", 0)


async def test_the_order_of_filing_counts_whichever_region_the_home_region_hears_first(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    await federation.stop_node(HOME)
    try:
        first, second = await south.file(CATEGORY, number), await west.file(CATEGORY, number)
        third = await west.file(CATEGORY, number)
        assert [each.state for each in (first, second, third)] == [IN_PROGRESS] * 3, "the home region is away"
        assert [joined(each) for each in (second, third)] == [("", 0), (second.docket, 1)]
        await federation.stop_node("guangdong")
    finally:
        await federation.start_node(HOME)
    await federation.until_standing({HOME: MemberState.MEMBER_STATE_JOINED})
    noted = "SELECT COUNT(*) FROM complaint_index WHERE docket IN (?, ?)"

    async def has_heard() -> bool:
        return federation.database(HOME).rows(noted, second.docket, third.docket) == [(2,)]

    try:
        await until(has_heard, "the home region has heard of what was filed later")
        assert joined(await west.get(second.docket)) == ("", 0)
    finally:
        await federation.start_node("guangdong")
    await federation.until_standing({"guangdong": MemberState.MEMBER_STATE_JOINED})
    assert (await joins(west, second.docket, first.docket, 1)).level == 1
    found = await joins(west, third.docket, second.docket, 2)
    assert (found.level, triggers(found)[-1]) == (4, (4, "REPEATED"))
    await settled(federation)
    assert joined(await south.get(first.docket)) == ("", 0)


async def test_another_category_is_joined_to_those_of_that_category_and_to_no_others(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    first = await south.file("SUGGESTION", number)
    second = await south.file("", number, description="请尽快与我联系")
    await settled(federation)
    assert sent(federation, "guangdong", second.docket) == [], "nobody has said yet what it is about"
    classifier = staff(federation, "guangdong")
    await classifier.classify(second.docket, CATEGORY)
    third = await west.file(CATEGORY, number)
    await joins(west, third.docket, second.docket, 1)
    await classifier.classify(second.docket, "SUGGESTION", "是建议")
    await joins(south, second.docket, first.docket, 1)
    fourth = await west.file(CATEGORY, number)
    await settled(federation)
    assert joined(await west.get(fourth.docket)) == (third.docket, 1), "the second is about something else by now"
    fifth = await west.file("SUGGESTION", number)
    found = await joins(west, fifth.docket, second.docket, 2)
    assert found.level == 4


async def test_what_was_withdrawn_in_another_region_is_repeated_by_nothing(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    first = await south.file(CATEGORY, number)
    theirs = await south.file("NET_SPEED", number, location_region="sichuan")
    await south.reaches(theirs.docket, IN_PROGRESS)
    for docket in (first.docket, theirs.docket):
        await south.withdraw(docket)
    await settled(federation)
    mine, place = await west.file(CATEGORY, number), await west.file("NET_SPEED", number, location_region="guangdong")
    await settled(federation)
    assert joined(await west.get(mine.docket)) == joined(await west.get(place.docket)) == ("", 0)
    assert sent(federation, "guangdong", first.docket) == [
        f"{first.docket}#noted1>{HOME}",
        f"{first.docket}#withdrawn>{HOME}",
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
        assert (await staff(federation, "guangdong").propose(third.docket)).level == 1
    finally:
        await federation.start_node(HOME)
    found = await south.follows(third.docket, lambda each: each.repeats == 2, "repeats 2")
    assert (found.state, found.level) == (RESOLVED, 1)
    refused_by_customer = await south.refuse(third.docket)
    assert (refused_by_customer.level, triggers(refused_by_customer)[-1]) == (4, (4, "REPEATED"))


async def test_cases_that_different_regions_lead_are_joined_and_their_items_are_not(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    first, second = await south.file("PRIV_SHARE", number), await west.file("PRIV_SHARE", number)
    assert [each.region for each in first.items] == ["guangdong", HOME]
    await joins(west, second.docket, first.docket, 1)
    third = await south.file("PRIV_SHARE", number)
    found = await joins(south, third.docket, second.docket, 2)
    assert found.level == 4
    items = "SELECT MAX(repeats) FROM complaint_figures WHERE is_item = 1"
    assert federation.database(HOME).rows(items) == federation.database("guangdong").rows(items) == [(0,)]


async def test_what_the_home_region_has_returned_is_known_there_as_its_first_contact_tells(
    federation: Federation, south: Complainant, west: Complainant
) -> None:
    number = federation.next_number(HOME)
    first = await south.file("BILL_WRONG", number)
    await staff(federation, HOME).reaches(first.docket, IN_PROGRESS)
    assert sent(federation, "guangdong", first.docket) == [], "who answers it knows it"
    await staff(federation, HOME).give_back(first.docket)
    await south.follows(first.docket, lambda each: each.owner_region == "guangdong", "is led where it was filed")
    await staff(federation, "guangdong").classify(first.docket, CATEGORY, "是服务态度")
    await settled(federation)
    again = await west.file("BILL_WRONG", number)
    assert joined(await staff(federation, HOME).reaches(again.docket, IN_PROGRESS)) == ("", 0)
    await joins(west, (await west.file(CATEGORY, number)).docket, first.docket, 1)


@pytest.mark.parametrize("region", [NO_PREFIX, NOT_JOINED])
async def test_a_number_of_no_region_or_of_one_that_never_joined_is_told_to_nobody(
    federation: Federation, south: Complainant, region: str
) -> None:
    number = f"{NO_PREFIX}000007" if region == NO_PREFIX else federation.next_number(region)
    filed, again = await south.file(CATEGORY, number), await south.file(CATEGORY, number)
    assert joined(again) == (filed.docket, 1)
    assert sent(federation, "guangdong", filed.docket) + sent(federation, "guangdong", again.docket) == []


async def test_only_its_first_contact_tells_of_a_complaint_and_only_the_home_region_joins_it(
    federation: Federation, south: Complainant
) -> None:
    number = federation.next_number(HOME)
    filed = await south.file(CATEGORY, number)
    noted = ComplaintNoted(
        docket=filed.docket, number=number, category=CATEGORY, creation_date=filed.creation_date, setting=2
    )
    sichuan = Forger(federation, "sichuan")
    envelope = sichuan.seal(HOME, NOTED, noted, filed.docket)
    assert refused(await sichuan.deliver(envelope, HOME)) == "ENVELOPE_KIND_NOT_ALLOWED"
    noted.docket, noted.number = f"sichuan/{federation.next_id()}", federation.next_number("guangdong")
    envelope = sichuan.seal(HOME, NOTED, noted, noted.docket)
    assert (await sichuan.deliver(envelope, HOME)).HasField("receipt")
    known = "SELECT COUNT(*) FROM complaint_index WHERE docket = ?"
    assert federation.database(HOME).rows(known, noted.docket) == [(0,)], "the number is of another region"
    noted.number = number
    noted.creation_date.CopyFrom(to_timestamp(federation.clock.now() + timedelta(hours=1)))
    envelope = sichuan.seal(HOME, NOTED, noted, noted.docket)
    assert refused(await sichuan.deliver(envelope, HOME)) == "ENVELOPE_INVALID"
    told = ComplaintRepeats(docket=filed.docket, category=CATEGORY, repeat_of="sichuan/1", repeats=5)
    envelope = sichuan.seal("guangdong", REPEATS, told, filed.docket)
    assert refused(await sichuan.deliver(envelope, "guangdong")) == "ENVELOPE_KIND_NOT_ALLOWED"
    await settled(federation)
    assert joined(await south.get(filed.docket)) == ("", 0)
