"""What other regions keep of a customer whom the home region erases or restricts, also what that one never saw."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.complaint_pb2 import ComplaintState
from gateway.api.region.v1.complaint_service_pb2 import WatchComplaintRequest
from gateway.api.region.v1.erasure_service_pb2 import CustomerStanding
from gateway.api.region.v1.standing_envelopes_pb2 import StandingTold
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from tests.federation.complainant import Complainant
from tests.federation.complaint_import import OldSystem
from tests.federation.counter import REQUESTER, Counter
from tests.federation.forger import Forger
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.test_erasure import end_line, reason_of

CANCELLED = ComplaintState.COMPLAINT_STATE_CANCELLED
IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
RESTRICTED = CustomerStanding.CUSTOMER_STANDING_RESTRICTED
ERASED = CustomerStanding.CUSTOMER_STANDING_ERASED
STANDING = EnvelopeKind.ENVELOPE_KIND_STANDING
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def keys(federation: Federation, region: str, *subjects: str) -> list[str]:
    """Which of the subjects have a key in a region, so that somebody could read what they seal."""
    found = [
        federation.database(region).rows("SELECT subject FROM data_keys WHERE subject = ?", each) for each in subjects
    ]
    return [str(row[0]) for rows in found for row in rows]


async def until_told(federation: Federation, number: str, region: str = "guangdong") -> None:
    """Waits until no word about the standing of a number's customer is on its way to a region."""
    waiting = "SELECT 1 FROM outbox WHERE kind = ? AND closed IS NULL AND destination = ?"

    async def is_told() -> bool:
        return federation.database("sichuan").rows(waiting, int(STANDING), region) == []

    await until(is_told, f"{region} was told about {number}")


async def until_unreadable(desk: Complainant, docket: str) -> None:
    """Waits until a region has a complaint no more."""

    async def is_gone() -> bool:
        return await reason_of(desk.get(docket)) == "COMPLAINT_NOT_FOUND"

    await until(is_gone, f"{docket} is gone in {desk.region}")


async def until_answered(federation: Federation, *dockets: str) -> None:
    """Waits until all that was sent about complaints has its answer: a day later it is forgotten."""
    sql = "SELECT COUNT(*) FROM outbox WHERE subject = ? AND closed IS NULL"

    async def is_answered() -> bool:
        databases = [federation.database(region) for region in ("guangdong", "sichuan", "henan")]
        return all(each.rows(sql, docket) == [(0,)] for each in databases for docket in dockets)

    await until(is_answered, f"nothing about {', '.join(dockets)} is on its way")


async def test_a_region_destroys_what_the_home_region_never_saw_and_takes_in_nothing_new(
    federation: Federation, sichuan: Counter
) -> None:
    number, desk = await sichuan.new_customer(balance=0), Complainant(federation, "guangdong")
    neighbour = await sichuan.new_customer()
    over, still_open = await desk.file("OTHER", number), await desk.file("SVC_ATTITUDE", number)
    others = await desk.file("OTHER", neighbour)
    assert {over.owner_region, still_open.owner_region} == {"guangdong"}
    await desk.withdraw(over.docket)
    old = OldSystem(federation, desk)
    then = federation.clock.now() - 5 * DAY
    (imported,) = await old.imported(old.closed(filed=then, took=HOUR, number=number))
    end_line(federation, number)
    await sichuan.erase(number)

    for docket in (over.docket, imported.docket):
        await until_unreadable(desk, docket)
    assert (await desk.get(still_open.docket)).request.number == number
    assert await reason_of(desk.file("OTHER", number)) == "SUBSCRIPTION_NOT_FOUND"
    assert await reason_of(Complainant(federation, "sichuan").file("OTHER", number)) == "CUSTOMER_ERASED"
    answers = await old.hand_over([old.closed(filed=then, took=HOUR, number=number)])
    assert (answers[-1].created, answers[-1].rejected_total) == (0, 1)

    await desk.withdraw(still_open.docket)
    await until_unreadable(desk, still_open.docket)
    assert (await desk.get(others.docket)).request.number == neighbour
    await until_answered(federation, over.docket, still_open.docket)
    await federation.advance(DAY + HOUR)
    subjects = [f"{kind}/{each}" for kind in ("complaint", "envelope") for each in (over.docket, still_open.docket)]

    async def is_forgotten() -> bool:
        told = federation.database("guangdong").rows(
            "SELECT subject FROM data_keys WHERE subject LIKE 'envelope/standing/%'"
        )
        return keys(federation, "guangdong", *subjects) == [] and told == []

    await until(is_forgotten, "neither complaints nor the numbers that were told can be read")


async def test_a_region_from_which_a_complaint_was_recalled_keeps_nothing_readable_of_it(
    federation: Federation, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(balance=0)
    desk, clerk = Complainant(federation, "guangdong"), Complainant(federation, "guangdong", "staff/wang")
    await federation.stop_node("henan")
    try:
        filed = await desk.file("NET_SPEED", number, location_region="henan")
        assert filed.owner_region == "henan"
        case = await clerk.classify(filed.docket, "BILL_WRONG", "费用")
    finally:
        await federation.start_node("henan")
        await federation.until_standing({"henan": MemberState.MEMBER_STATE_JOINED})

    async def is_recalled() -> bool:
        found = federation.database("henan").rows("SELECT state FROM complaints WHERE docket = ?", filed.docket)
        return found == [(CANCELLED,)]

    await until(is_recalled, "Henan leaves it")
    (item,) = [each.docket for each in case.items]
    home = Complainant(federation, "sichuan", "staff/wang")
    await home.reaches(item, IN_PROGRESS)
    await desk.withdraw(filed.docket)
    await home.reaches(item, CANCELLED)
    end_line(federation, number)
    await sichuan.erase(number)
    await until_unreadable(desk, filed.docket)
    await until_told(federation, number, "henan")
    await until_answered(federation, filed.docket, item)
    await federation.advance(DAY + HOUR)
    kinds = ("complaint", "envelope")
    kept = [(region, f"{kind}/{filed.docket}") for region in ("guangdong", "henan") for kind in kinds]
    kept.append(("sichuan", f"complaint/{item}"))

    async def is_gone() -> bool:
        return not any(keys(federation, region, subject) for region, subject in kept)

    await until(is_gone, "nothing of it can be read anywhere")


async def test_a_filing_that_comes_after_the_erasure_goes_once_it_has_ended(
    federation: Federation, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(balance=0)
    desk, clerk = Complainant(federation, "guangdong"), Complainant(federation, "guangdong", "staff/wang")
    filed = await desk.file("OTHER", number)
    end_line(federation, number)
    await sichuan.erase(number)
    await until_told(federation, number)
    case = await clerk.classify(filed.docket, "BILL_WRONG", "费用")
    (item,) = [each.docket for each in case.items if each.region == "sichuan"]
    home = Complainant(federation, "sichuan", "staff/wang")
    await home.reaches(item, IN_PROGRESS)
    await desk.withdraw(filed.docket)
    await until_unreadable(home, item)
    await until_unreadable(desk, filed.docket)


async def test_what_the_home_region_was_told_of_complaints_elsewhere_goes_with_its_customer(
    federation: Federation, sichuan: Counter
) -> None:
    number, desk = await sichuan.new_customer(balance=0), Complainant(federation, "guangdong")
    docket = (await desk.file("OTHER", number)).docket

    def told() -> Sequence[tuple[object, ...]]:
        return federation.database("sichuan").rows("SELECT withdrawn FROM complaint_index WHERE docket = ?", docket)

    async def is_known() -> bool:
        return told() == [(0,)]

    await until(is_known, "the home region knows of it")
    assert keys(federation, "sichuan", f"envelope/{docket}") != []
    end_line(federation, number)
    await sichuan.erase(number)
    assert (told(), keys(federation, "sichuan", f"envelope/{docket}")) == ([], [])
    await desk.withdraw(docket)
    await until_unreadable(desk, docket)
    await until_answered(federation, docket)
    await federation.advance(DAY + HOUR)

    async def is_forgotten() -> bool:
        return not any(keys(federation, region, f"envelope/{docket}") for region in ("sichuan", "guangdong"))

    await until(is_forgotten, "nor can what was said afterwards be read")
    assert told() == []


async def test_of_a_restricted_customer_no_region_is_told_what_they_complained_about_before(
    federation: Federation, sichuan: Counter
) -> None:
    number, desk = await sichuan.new_customer(), Complainant(federation, "guangdong")
    earlier = await Complainant(federation, "henan").file("OTHER", number)
    await federation.stop_node("sichuan")
    try:
        filed = await desk.file("OTHER", number)
        customer_id = f"customer-{number.removeprefix('+')}"
        federation.database("sichuan").change(
            f"UPDATE customers SET standing = {int(RESTRICTED)} WHERE customer_id = '{customer_id}'"
        )
    finally:
        await federation.start_node("sichuan")
        await federation.until_standing({"sichuan": MemberState.MEMBER_STATE_JOINED})

    async def is_answered() -> bool:
        kept = "SELECT COUNT(*) FROM complaint_index WHERE docket IN (?, ?)"
        waiting = "SELECT COUNT(*) FROM outbox WHERE subject = ? AND closed IS NULL"
        known = federation.database("sichuan").rows(kept, earlier.docket, filed.docket) == [(2,)]
        return known and federation.database("guangdong").rows(waiting, filed.docket) == [(0,)]

    await until(is_answered, "the home region has heard of both")
    assert (await desk.get(filed.docket)).repeats == 0
    await sichuan.release(number)
    later = await desk.file("OTHER", number)
    await desk.follows(later.docket, lambda each: each.repeats == 2, "repeats both")


async def test_only_the_home_region_says_how_the_customer_of_a_number_stands(
    federation: Federation, sichuan: Counter
) -> None:
    number, desk = await sichuan.new_customer(), Complainant(federation, "guangdong")
    over, under_way = await desk.file("OTHER", number), await desk.file("OTHER", number)
    await desk.withdraw(over.docket)
    forger = Forger(federation, "henan")
    for standing in (RESTRICTED, ERASED):
        told = StandingTold(numbers=[number], standing=standing)
        await forger.deliver(forger.seal("guangdong", STANDING, told, f"standing/forged-{standing}"), "guangdong")

    async def is_looked_at() -> bool:
        timers = "SELECT 1 FROM timers WHERE timer_id = ?"
        return federation.database("guangdong").rows(timers, f"complaint-ended/{over.docket}") == []

    await until(is_looked_at, "the complaint that has ended was looked at")
    for each in (over, under_way):
        assert (await desk.get(each.docket)).request.number == number
    assert (await desk.file("OTHER", number)).request.number == number


@pytest.mark.parametrize("region", ["sichuan", "guangdong"])
async def test_no_complaint_of_a_restricted_customer_is_shown_or_taken_in_in_any_region(
    federation: Federation, sichuan: Counter, region: str
) -> None:
    number = await sichuan.new_customer(balance=0)
    desk, clerk = Complainant(federation, region), Complainant(federation, region, "staff/wang")
    filed = await desk.file("OTHER", number)
    await sichuan.restrict(number)
    await until_told(federation, number)

    async def watched() -> None:
        request = WatchComplaintRequest(docket=filed.docket, requester=REQUESTER)
        await desk.service.WatchComplaint(request, timeout=CALL_SECONDS).read()

    calls = (
        desk.get(filed.docket),
        clerk.get(filed.docket),
        desk.file("OTHER", number),
        desk.withdraw(filed.docket),
        clerk.respond(filed.docket, "已受理"),
        clerk.note_privately(filed.docket, "生气"),
        watched(),
    )
    assert [await reason_of(each) for each in calls] == ["CUSTOMER_RESTRICTED"] * len(calls)
    assert await desk.list(number=number) == []
    old = OldSystem(federation, desk)
    answers = await old.hand_over([old.closed(filed=federation.clock.now() - 5 * DAY, took=HOUR, number=number)])
    assert (answers[-1].created, answers[-1].rejected_total) == (0, 1)

    await sichuan.release(number)
    await until_told(federation, number)
    assert (await desk.get(filed.docket)).request.number == number
    assert await desk.list(number=number) == [filed.docket]


async def test_the_time_of_a_restricted_customers_complaint_runs_on_and_it_is_raised(
    federation: Federation, sichuan: Counter
) -> None:
    number, desk = await sichuan.new_customer(balance=0), Complainant(federation, "sichuan")
    filed = await desk.file("BILL_WRONG", number)
    await sichuan.restrict(number)
    await federation.advance(45 * DAY)

    async def is_raised() -> bool:
        found = federation.database("sichuan").rows("SELECT level FROM complaints WHERE docket = ?", filed.docket)
        return int(str(found[0][0])) > 0

    await until(is_raised, "it is raised while nobody reads it")
    assert await reason_of(desk.get(filed.docket)) == "CUSTOMER_RESTRICTED"
