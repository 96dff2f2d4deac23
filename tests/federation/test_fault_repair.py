"""A repair from the first advice to the customer's word on it; and what becomes of a fault with its customer."""

from datetime import timedelta

import pytest

from gateway.api.region.v1.fault_pb2 import Fault, FaultEvaluation, FaultState, QuoteState, RepairMilestone, RepairMode
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind
from gateway.api.types.v1.types_pb2 import Money
from gateway.time.clock import from_timestamp, to_timestamp
from tests.federation.counter import Counter
from tests.federation.fault_reporter import CLOSED, IN_PROGRESS, RESOLVED, FaultReporter
from tests.federation.refusals import refusal
from tests.federation.running import Federation, until
from tests.federation.sharing_counter import SharingCounter
from tests.federation.test_erasure import end_line
from tests.federation.test_erasure_of_complaints import keys
from tests.federation.test_faults import SITES, staff, texts, until_told

FAULT_SENT = DisclosureKind.DISCLOSURE_KIND_FAULT_SENT
PENDING = FaultState.FAULT_STATE_PENDING
PLACES = pytest.mark.parametrize("place", ["guangdong", "henan"])


@pytest.fixture(name="desk")
def where_it_is_reported(federation: Federation) -> FaultReporter:
    return FaultReporter(federation, "guangdong")


async def at_work(desk: FaultReporter, number: str, place: str) -> Fault:
    """A fault that somebody works on."""
    filed = await desk.report(number, site=SITES[place])
    await staff(desk.federation, place).is_taken(filed.id)
    return await staff(desk.federation, place).takes_up(filed.id)


def part(price: int, *, in_warranty: bool) -> WorkOnFaultRequest:
    money = Money(minor_units=price, currency="CNY")
    named = WorkOnFaultRequest.NamePart(name="ONU", price=money, in_warranty=in_warranty)
    return WorkOnFaultRequest(name_part=named)


def installed(number: int) -> WorkOnFaultRequest:
    return WorkOnFaultRequest(install_part=WorkOnFaultRequest.InstallPart(part=number))


@PLACES
@pytest.mark.clause("6.1(2)", "6.2(2)", "6.2(3)", "6.2(4)", "6.2(5)", "6.4", "6.4(1)")
async def test_a_repair_has_advice_one_engineer_a_time_parts_that_are_free_or_accepted_and_a_rating(
    federation: Federation, desk: FaultReporter, place: str
) -> None:
    number, engineers = federation.next_number("sichuan"), staff(federation, place)
    fault = await at_work(desk, number, place)
    visit = WorkOnFaultRequest.Triage(advice="关机再开机", mode=RepairMode.REPAIR_MODE_VISIT)
    await engineers.work(fault.id, WorkOnFaultRequest(triage=visit))
    await engineers.work(fault.id, WorkOnFaultRequest(assign=WorkOnFaultRequest.Assign(engineer="li")))
    asked = WorkOnFaultRequest.AskCustomer(text="什么时间方便上门")
    await engineers.work(fault.id, WorkOnFaultRequest(ask_customer=asked))
    await desk.reaches(fault.id, PENDING)
    assert (await desk.says(fault.id, text="明天上午")).state == IN_PROGRESS
    start = federation.clock.now() + timedelta(days=1)
    agreed = WorkOnFaultRequest.Appoint(
        start_time=to_timestamp(start), end_time=to_timestamp(start + timedelta(hours=2))
    )
    await engineers.work(fault.id, WorkOnFaultRequest(appoint=agreed))
    await engineers.work(fault.id, part(9900, in_warranty=True))
    offered = await engineers.work(fault.id, part(12000, in_warranty=False))
    assert [each.quote for each in offered.repair.parts] == [
        QuoteState.QUOTE_STATE_FREE,
        QuoteState.QUOTE_STATE_OFFERED,
    ]
    await engineers.work(fault.id, installed(1))
    assert (await refusal(engineers.work(fault.id, installed(2)))).reason == "FAULT_PRICE_NOT_ACCEPTED"
    await desk.follows(fault.id, lambda each: len(each.repair.parts) == 2, "the price is known")
    await desk.says(fault.id, accepted_part=2)
    await engineers.follows(
        fault.id, lambda each: each.repair.parts[1].quote == QuoteState.QUOTE_STATE_ACCEPTED, "accepted"
    )
    await engineers.work(fault.id, installed(2))
    for name in ("RECEIVED", "TESTED", "REPAIRED", "INSTALLED"):
        milestone = RepairMilestone.Value(f"REPAIR_MILESTONE_{name}")
        await engineers.work(fault.id, WorkOnFaultRequest(reach=WorkOnFaultRequest.Reach(milestone=milestone)))
    assert (await refusal(desk.says(fault.id, evaluation=FaultEvaluation(attitude=5)))).reason == "REQUEST_INVALID"
    await engineers.resolves(fault.id)
    await desk.reaches(fault.id, RESOLVED)
    rated = await desk.says(fault.id, evaluation=FaultEvaluation(attitude=5, quality=4, speed=3))
    assert (rated.evaluation.attitude, rated.evaluation.quality, rated.evaluation.speed) == (5, 4, 3)
    assert (rated.repair.engineer, len(rated.repair.milestones)) == ("li", 4)
    assert await engineers.get(fault.id) == rated
    owed = [] if place == "sichuan" else [(f"{fault.id}#part1", "sichuan")]

    async def is_owed_at_both() -> bool:
        debts = "SELECT serial, debtor FROM regional_debts WHERE serial LIKE ?"
        return [federation.database(each).rows(debts, f"{fault.id}%") for each in (place, "sichuan")] == [owed] * 2

    await until(is_owed_at_both, "the home region pays for its warranty")
    for words in ("初步处理建议", "已预约", "报价120.00 CNY", "需要您配合", "已修复"):
        await until_told(federation, number, words, "guangdong")
    assert texts(federation, number, "sichuan") == []


async def test_a_step_that_is_asked_for_twice_is_done_once_and_another_by_the_same_id_is_refused(
    federation: Federation, desk: FaultReporter
) -> None:
    engineers, request_id = staff(federation, "henan"), federation.next_id()
    fault = await at_work(desk, federation.next_number("sichuan"), "henan")
    noted = WorkOnFaultRequest(note=WorkOnFaultRequest.Note(text="measured"))
    first = await engineers.work(fault.id, noted, request_id=request_id)
    assert await engineers.work(fault.id, noted, request_id=request_id) == first
    other = WorkOnFaultRequest(note=WorkOnFaultRequest.Note(text="other"))
    assert (await refusal(engineers.work(fault.id, other, request_id=request_id))).reason == "REQUEST_ID_REUSED"
    assert [each.text for each in (await engineers.get(fault.id)).notes] == ["measured"]


async def test_what_is_known_of_a_fault_of_an_erased_customer_is_destroyed_everywhere_once_it_has_ended(
    federation: Federation, desk: FaultReporter, sichuan: Counter
) -> None:
    number, engineers = await sichuan.new_customer(balance=0), staff(federation, "henan")
    ended, still_open = [await at_work(desk, number, "henan") for _ in range(2)]
    await engineers.resolves(ended.id)
    await engineers.closes(ended.id)
    await staff(federation, "sichuan").reaches(ended.id, CLOSED)
    await staff(federation, "sichuan").reaches(still_open.id, IN_PROGRESS)
    end_line(federation, number)
    await sichuan.erase(number)

    async def are_gone(fault_id: str) -> bool:
        regions = ("guangdong", "henan", "sichuan")
        return [key for region in regions for key in keys(federation, region, f"fault/{fault_id}")] == []

    await until(lambda: are_gone(ended.id), "nobody can read it any more")
    assert (await refusal(desk.get(ended.id))).reason == "FAULT_NOT_FOUND"
    assert (await engineers.get(still_open.id)).report.number == number
    await engineers.resolves(still_open.id)
    await engineers.closes(still_open.id)
    await until(lambda: are_gone(still_open.id), "nobody can read the other one any more")
    assert from_timestamp(ended.create_time) <= from_timestamp(still_open.create_time)


async def test_no_fault_of_a_restricted_customer_is_shown_or_taken_in(
    federation: Federation, desk: FaultReporter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(balance=0)
    fault = await at_work(desk, number, "sichuan")
    await sichuan.restrict(number)
    home = staff(federation, "sichuan")
    for call in (home.get(fault.id), home.resolves(fault.id), home.report(number, site="chengdu")):
        assert (await refusal(call)).reason == "CUSTOMER_RESTRICTED"
    assert await home.list(number=number) == []
    await sichuan.release(number)
    assert await home.list(number=number) == [fault.id]


async def test_the_customers_list_names_the_region_that_was_sent_a_fault(
    federation: Federation, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    fault = await FaultReporter(federation, "sichuan").report(number, site=SITES["henan"])
    await FaultReporter(federation, "sichuan").is_taken(fault.id)
    (seen,) = await SharingCounter.of(federation, "sichuan").disclosures(number)
    assert (seen.kind, seen.region, seen.particulars.record_id) == (FAULT_SENT, "henan", fault.id)
    assert seen.purpose_title.en == "the fault is there"
