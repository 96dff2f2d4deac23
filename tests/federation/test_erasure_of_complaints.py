"""Other regions' data of a customer whom the home region erases or restricts, also data unknown to it."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.complaint_pb2 import ComplaintState
from gateway.api.region.v1.complaint_service_pb2 import WatchComplaintRequest
from gateway.api.region.v1.customer_status_envelopes_pb2 import CustomerStatusNotice
from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from tests.federation.complainant import Complainant
from tests.federation.complaint_import import OldSystem
from tests.federation.counter import REQUESTER, Counter
from tests.federation.forger import Forger
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.test_erasure import end_line, reason_of

CANCELLED = ComplaintState.COMPLAINT_STATE_CANCELLED
IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
RESTRICTED = CustomerStatus.CUSTOMER_STATUS_RESTRICTED
ERASED = CustomerStatus.CUSTOMER_STATUS_ERASED
CUSTOMER_STATUS = EnvelopeKind.ENVELOPE_KIND_CUSTOMER_STATUS
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def keys(federation: Federation, region: str, *subjects: str) -> list[str]:
    """The subjects with a key in a region, whose data is readable."""
    found = [
        federation.database(region).rows("SELECT subject FROM data_keys WHERE subject = ?", each) for each in subjects
    ]
    return [str(row[0]) for rows in found for row in rows]


async def until_told(federation: Federation, number: str, region: str = "guangdong") -> None:
    """Waits until no word about the status of a number's customer is on its way to a region."""
    waiting = "SELECT 1 FROM outbox WHERE kind = ? AND closed IS NULL AND destination = ?"

    async def is_told() -> bool:
        return federation.database("sichuan").rows(waiting, int(CUSTOMER_STATUS), region) == []

    await until(is_told, f"{region} was told about {number}")


async def until_unreadable(desk: Complainant, ticket_id: str) -> None:
    """Waits until a region has a complaint no more."""

    async def is_gone() -> bool:
        return await reason_of(desk.get(ticket_id)) == "COMPLAINT_NOT_FOUND"

    await until(is_gone, f"{ticket_id} is gone in {desk.region}")


async def until_answered(federation: Federation, *ticket_ids: str) -> None:
    """Waits until all that was sent about complaints has its answer: a day later it is forgotten."""
    sql = "SELECT COUNT(*) FROM outbox WHERE subject = ? AND closed IS NULL"

    async def is_answered() -> bool:
        databases = [federation.database(region) for region in ("guangdong", "sichuan", "henan")]
        return all(each.rows(sql, ticket_id) == [(0,)] for each in databases for ticket_id in ticket_ids)

    await until(is_answered, f"nothing about {', '.join(ticket_ids)} is on its way")


async def test_a_region_destroys_what_the_home_region_never_saw_and_takes_in_nothing_new(
    federation: Federation, sichuan: Counter
) -> None:
    number, desk = await sichuan.new_customer(balance=0), Complainant(federation, "guangdong")
    neighbour = await sichuan.new_customer()
    over, still_open = await desk.file("OTHER", number), await desk.file("SVC_ATTITUDE", number)
    others = await desk.file("OTHER", neighbour)
    assert {over.owner_region, still_open.owner_region} == {"guangdong"}
    await desk.withdraw(over.ticket_id)
    old = OldSystem(federation, desk)
    then = federation.clock.now() - 5 * DAY
    (imported,) = await old.imported(old.closed(filed=then, took=HOUR, number=number))
    end_line(federation, number)
    await sichuan.erase(number)

    for ticket_id in (over.ticket_id, imported.ticket_id):
        await until_unreadable(desk, ticket_id)
    assert (await desk.get(still_open.ticket_id)).request.number == number
    assert await reason_of(desk.file("OTHER", number)) == "SUBSCRIPTION_NOT_FOUND"
    assert await reason_of(Complainant(federation, "sichuan").file("OTHER", number)) == "CUSTOMER_ERASED"
    answers = await old.hand_over([old.closed(filed=then, took=HOUR, number=number)])
    assert (answers[-1].created, answers[-1].rejected_total) == (0, 1)

    await desk.withdraw(still_open.ticket_id)
    await until_unreadable(desk, still_open.ticket_id)
    assert (await desk.get(others.ticket_id)).request.number == neighbour
    await until_answered(federation, over.ticket_id, still_open.ticket_id)
    await federation.advance(DAY + HOUR)
    subjects = [
        f"{kind}/{each}" for kind in ("complaint", "envelope") for each in (over.ticket_id, still_open.ticket_id)
    ]

    async def is_forgotten() -> bool:
        told = federation.database("guangdong").rows(
            "SELECT subject FROM data_keys WHERE subject LIKE 'envelope/status/%'"
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
        case = await clerk.classify(filed.ticket_id, "BILL_WRONG", "费用")
    finally:
        await federation.start_node("henan")
        await federation.until_members({"henan": MemberState.MEMBER_STATE_JOINED})

    async def is_recalled() -> bool:
        found = federation.database("henan").rows("SELECT state FROM complaints WHERE ticket_id = ?", filed.ticket_id)
        return found == [(CANCELLED,)]

    await until(is_recalled, "Henan leaves it")
    (item,) = [each.ticket_id for each in case.items]
    home = Complainant(federation, "sichuan", "staff/wang")
    await home.reaches(item, IN_PROGRESS)
    await desk.withdraw(filed.ticket_id)
    await home.reaches(item, CANCELLED)
    end_line(federation, number)
    await sichuan.erase(number)
    await until_unreadable(desk, filed.ticket_id)
    await until_told(federation, number, "henan")
    await until_answered(federation, filed.ticket_id, item)
    kinds = ("complaint", "envelope")
    kept = [(region, f"{kind}/{filed.ticket_id}") for region in ("guangdong", "henan") for kind in kinds]
    kept.append(("sichuan", f"complaint/{item}"))

    async def is_gone() -> bool:
        # An envelope that is on its way again puts off the end of its keys by another day.
        await federation.advance(DAY + HOUR)
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
    case = await clerk.classify(filed.ticket_id, "BILL_WRONG", "费用")
    (item,) = [each.ticket_id for each in case.items if each.region == "sichuan"]
    home = Complainant(federation, "sichuan", "staff/wang")
    await home.reaches(item, IN_PROGRESS)
    await desk.withdraw(filed.ticket_id)
    await until_unreadable(home, item)
    await until_unreadable(desk, filed.ticket_id)


async def test_what_the_home_region_was_told_of_complaints_elsewhere_goes_with_its_customer(
    federation: Federation, sichuan: Counter
) -> None:
    number, desk = await sichuan.new_customer(balance=0), Complainant(federation, "guangdong")
    ticket_id = (await desk.file("OTHER", number)).ticket_id

    def told() -> Sequence[tuple[object, ...]]:
        return federation.database("sichuan").rows(
            "SELECT withdrawn FROM complaint_index WHERE ticket_id = ?", ticket_id
        )

    async def is_known() -> bool:
        return told() == [(0,)]

    await until(is_known, "the home region knows of it")
    assert keys(federation, "sichuan", f"envelope/{ticket_id}") != []
    end_line(federation, number)
    await sichuan.erase(number)
    assert (told(), keys(federation, "sichuan", f"envelope/{ticket_id}")) == ([], [])
    await desk.withdraw(ticket_id)
    await until_unreadable(desk, ticket_id)
    await until_answered(federation, ticket_id)
    await federation.advance(DAY + HOUR)

    async def is_forgotten() -> bool:
        return not any(keys(federation, region, f"envelope/{ticket_id}") for region in ("sichuan", "guangdong"))

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
            f"UPDATE customers SET status = {int(RESTRICTED)} WHERE customer_id = '{customer_id}'"
        )
    finally:
        await federation.start_node("sichuan")
        await federation.until_members({"sichuan": MemberState.MEMBER_STATE_JOINED})

    async def is_answered() -> bool:
        kept = "SELECT COUNT(*) FROM complaint_index WHERE ticket_id IN (?, ?)"
        waiting = "SELECT COUNT(*) FROM outbox WHERE subject = ? AND closed IS NULL"
        known = federation.database("sichuan").rows(kept, earlier.ticket_id, filed.ticket_id) == [(2,)]
        return known and federation.database("guangdong").rows(waiting, filed.ticket_id) == [(0,)]

    await until(is_answered, "the home region has heard of both")
    assert (await desk.get(filed.ticket_id)).repeats == 0
    await sichuan.release(number)
    later = await desk.file("OTHER", number)
    await desk.follows(later.ticket_id, lambda each: each.repeats == 2, "repeats both")


async def test_only_the_home_region_says_how_the_customer_of_a_number_stands(
    federation: Federation, sichuan: Counter
) -> None:
    number, desk = await sichuan.new_customer(), Complainant(federation, "guangdong")
    over, under_way = await desk.file("OTHER", number), await desk.file("OTHER", number)
    await desk.withdraw(over.ticket_id)
    forger = Forger(federation, "henan")
    for status in (RESTRICTED, ERASED):
        told = CustomerStatusNotice(numbers=[number], status=status)
        await forger.deliver(forger.seal("guangdong", CUSTOMER_STATUS, told, f"status/forged-{status}"), "guangdong")

    async def is_looked_at() -> bool:
        timers = "SELECT 1 FROM timers WHERE timer_id = ?"
        return federation.database("guangdong").rows(timers, f"complaint-ended/{over.ticket_id}") == []

    await until(is_looked_at, "the complaint that has ended was looked at")
    for each in (over, under_way):
        assert (await desk.get(each.ticket_id)).request.number == number
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
        request = WatchComplaintRequest(ticket_id=filed.ticket_id, requester=REQUESTER)
        await desk.service.WatchComplaint(request, timeout=CALL_SECONDS).read()

    calls = (
        desk.get(filed.ticket_id),
        clerk.get(filed.ticket_id),
        desk.file("OTHER", number),
        desk.withdraw(filed.ticket_id),
        clerk.respond(filed.ticket_id, "已受理"),
        clerk.note_privately(filed.ticket_id, "生气"),
        watched(),
    )
    assert [await reason_of(each) for each in calls] == ["CUSTOMER_RESTRICTED"] * len(calls)
    assert await desk.list(number=number) == []
    old = OldSystem(federation, desk)
    answers = await old.hand_over([old.closed(filed=federation.clock.now() - 5 * DAY, took=HOUR, number=number)])
    assert (answers[-1].created, answers[-1].rejected_total) == (0, 1)

    await sichuan.release(number)
    await until_told(federation, number)
    assert (await desk.get(filed.ticket_id)).request.number == number
    assert await desk.list(number=number) == [filed.ticket_id]


async def test_the_time_of_a_restricted_customers_complaint_runs_on_and_it_is_raised(
    federation: Federation, sichuan: Counter
) -> None:
    number, desk = await sichuan.new_customer(balance=0), Complainant(federation, "sichuan")
    filed = await desk.file("BILL_WRONG", number)
    await sichuan.restrict(number)
    await federation.advance(45 * DAY)

    async def is_raised() -> bool:
        found = federation.database("sichuan").rows("SELECT level FROM complaints WHERE ticket_id = ?", filed.ticket_id)
        return int(str(found[0][0])) > 0

    await until(is_raised, "it is raised while nobody reads it")
    assert await reason_of(desk.get(filed.ticket_id)) == "CUSTOMER_RESTRICTED"
