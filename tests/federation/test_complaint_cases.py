"""Complaints that concern several regions: one case, a work item for each, and one conversation with the customer."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.api.coordinator.v1.case_service_pb2 import AssignComplaintRequest, ListCasesRequest
from gateway.api.coordinator.v1.case_service_pb2_grpc import CaseServiceStub
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintState,
    Remedy,
    ReturnReason,
    TimeReason,
    WorkItemState,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import from_timestamp
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation, until
from tests.federation.test_complaints import ledger_of, staff, texts, triggers

IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
PENDING = ComplaintState.COMPLAINT_STATE_PENDING
RESOLVED = ComplaintState.COMPLAINT_STATE_RESOLVED
CLOSED = ComplaintState.COMPLAINT_STATE_CLOSED
CANCELLED = ComplaintState.COMPLAINT_STATE_CANCELLED
HELD = ComplaintState.COMPLAINT_STATE_HELD


@pytest.fixture(name="desk")
def first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "guangdong")


@pytest.fixture(name="leader")
def staff_of_first_contact(federation: Federation) -> Complainant:
    return staff(federation, "guangdong")


def items(case: Complaint) -> list[tuple[str, str]]:
    return [(each.region, WorkItemState.Name(each.state).removeprefix("WORK_ITEM_STATE_")) for each in case.items]


def states(case: Complaint) -> list[str]:
    return [state for _, state in items(case)]


def said(complaint: Complaint) -> list[str]:
    return [each.text for each in complaint.notes]


_OF_NUMBERS = ("暂未确定负责部门", "核实号码", "承诺于", "未查到")


async def until_told(federation: Federation, number: str, words: tuple[str, ...]) -> None:
    """Waits for these words, in this order, among the notices about the complaint's holder."""

    async def is_told() -> bool:
        return tuple(each for text in texts(federation, number) for each in _OF_NUMBERS if each in text) == words

    await until(is_told, f"the customer was told {words}")


async def roaming(federation: Federation, desk: Complainant, number: str = "") -> Complaint:
    """A case about a bill of Sichuan for calls in Henan, filed in Guangdong, once both regions work on it."""
    filed = await desk.file("BILL_ROAM", number or federation.next_number("sichuan"), location_region="henan")
    return await desk.follows(filed.ticket_id, lambda case: states(case) == ["IN_PROGRESS"] * 2, "both are at work")


@pytest.mark.clause("10.4(3)")
async def test_a_case_ends_when_all_items_are_done_and_the_customer_has_accepted(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    case = await roaming(federation, desk)
    assert (case.owner_region, case.origin_region, case.state) == ("guangdong", "guangdong", IN_PROGRESS)
    assert items(case) == [("sichuan", "IN_PROGRESS"), ("henan", "IN_PROGRESS")]
    first, second = (each.ticket_id for each in case.items)
    assert (first, second) == (f"{case.ticket_id}/1", f"{case.ticket_id}/2")
    told = await refusal(leader.propose(case.ticket_id))
    assert (told.reason, told.parameters["items"]) == (
        "COMPLAINT_ITEMS_OPEN",
        "1 (sichuan SETTLEMENT), 2 (henan SETTLEMENT)",
    )
    await staff(federation, "sichuan").propose(first)
    await desk.follows(case.ticket_id, lambda found: states(found) == ["DONE", "IN_PROGRESS"], "the first is done")
    assert (await refusal(leader.propose(case.ticket_id))).parameters["items"] == "2 (henan SETTLEMENT)"
    await staff(federation, "henan").propose(second)
    await desk.follows(case.ticket_id, lambda found: states(found) == ["DONE", "DONE"], "both are done")
    assert (await leader.propose(case.ticket_id)).state == RESOLVED
    refused = await desk.refuse(case.ticket_id)
    assert (refused.state, states(refused)) == (IN_PROGRESS, ["IN_PROGRESS", "IN_PROGRESS"])
    for region, ticket_id in (("sichuan", first), ("henan", second)):
        again = await staff(federation, region).reaches(ticket_id, IN_PROGRESS)
        assert (again.refusals, again.level, said(again)) == (1, 2, ["金额不对"])
        await staff(federation, region).propose(ticket_id)
    await desk.follows(case.ticket_id, lambda found: states(found) == ["DONE", "DONE"], "both are done again")
    await leader.propose(case.ticket_id, remedy=Remedy.REMEDY_CORRECTION)
    closed = await desk.accept(case.ticket_id)
    assert (closed.state, states(closed)) == (CLOSED, ["CLOSED", "CLOSED"])
    for region, ticket_id in (("sichuan", first), ("henan", second)):
        ended = await staff(federation, region).reaches(ticket_id, CLOSED)
        assert ended == await leader.reaches(ticket_id, CLOSED)
    heard = texts(federation, case.request.number)
    assert [text for text in heard if f"{case.ticket_id}/" in text or case.ticket_id not in text] == []


@pytest.mark.files  # nothing of it depends on the engine
async def test_only_the_region_of_an_item_and_staff_of_first_contact_see_it_and_the_customer_speaks_in_the_case(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    case = await roaming(federation, desk)
    item = case.items[0].ticket_id
    assert await desk.list(number=case.request.number) == [case.ticket_id]
    assert (await refusal(desk.get(item))).reason == "COMPLAINT_NOT_FOUND"
    assert (await refusal(staff(federation, "henan").get(item))).reason == "COMPLAINT_NOT_FOUND"
    assert (await refusal(staff(federation, "sichuan").get(case.ticket_id))).reason == "COMPLAINT_NOT_FOUND"
    refused = await refusal(leader.accept(item))
    assert (refused.reason, refused.parameters["complaint"]) == ("COMPLAINT_IS_WORK_ITEM", case.ticket_id)
    seen = await staff(federation, "sichuan").get(item)
    assert (seen.case_id, seen.owner_region, seen.department.en) == (case.ticket_id, "sichuan", "Settlement")


async def test_an_own_item_is_worked_on_here_and_the_ledger_of_the_case_still_sums_to_the_whole(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    filed = await desk.file("SVC_MATERIAL_REPEAT", federation.next_number("sichuan"))
    assert items(filed)[0] == ("guangdong", "IN_PROGRESS")
    await desk.follows(filed.ticket_id, lambda case: states(case) == ["IN_PROGRESS"] * 2, "both are at work")
    await federation.advance(timedelta(hours=2))
    await leader.propose(filed.items[0].ticket_id)
    await federation.advance(timedelta(hours=3))
    await staff(federation, "sichuan").propose(filed.items[1].ticket_id)
    await desk.follows(filed.ticket_id, lambda case: states(case) == ["DONE", "DONE"], "both are done")
    told = await desk.told(filed.ticket_id)
    ledger = {key: round(amount / timedelta(hours=1)) for key, amount in ledger_of(told).items()}
    own = [ledger.get(("guangdong", reason), 0) for reason in ("WORKING", "CLOSED_HOURS")]
    assert sum(own) == 2
    assert ledger["sichuan", "WAITING_FOR_REGION"] == 3
    whole = sum(ledger_of(told).values(), timedelta())
    assert abs(whole - timedelta(hours=5)) < timedelta(minutes=2)
    assert from_timestamp(told.complaint.custody[0].start_time) == from_timestamp(filed.create_time)


async def test_what_one_region_says_reaches_the_case_and_all_items_once(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    case = await roaming(federation, desk)
    sichuan, henan = staff(federation, "sichuan"), staff(federation, "henan")
    await sichuan.respond(case.items[0].ticket_id, "四川已查账单")
    await henan.follows(case.items[1].ticket_id, lambda item: said(item) == ["四川已查账单"], "Henan hears it")
    await leader.respond(case.ticket_id, "广东已联系用户")
    await desk.respond(case.ticket_id, "用户补充日期")
    whole = ["四川已查账单", "广东已联系用户", "用户补充日期"]
    for speaker, ticket_id in ((sichuan, case.items[0].ticket_id), (henan, case.items[1].ticket_id)):
        heard = await speaker.follows(ticket_id, lambda item: len(item.notes) == 3, "all was heard")
        assert said(heard) == whole
    found = await desk.get(case.ticket_id)
    assert said(found) == whole
    assert [each.author for each in found.notes] == ["sichuan/wang", "guangdong/wang", "guangdong/clerk-7"]


@pytest.mark.files  # nothing of it depends on the engine
async def test_a_region_asks_the_customer_through_first_contact_and_hears_the_answer(
    federation: Federation, desk: Complainant
) -> None:
    case = await roaming(federation, desk)
    first, second = (each.ticket_id for each in case.items)
    await staff(federation, "sichuan").respond(first, "请提供账单", asks=True)
    asked = await desk.follows(case.ticket_id, lambda found: "AWAITING_CUSTOMER" in states(found), "Sichuan waits")
    assert asked.state == IN_PROGRESS, "Henan is at work"
    await staff(federation, "henan").respond(second, "请提供行程", asks=True)
    waits = await desk.reaches(case.ticket_id, PENDING)
    assert states(waits) == ["AWAITING_CUSTOMER"] * 2
    await desk.respond(case.ticket_id, "账单与行程已附")
    # Sichuan's receipt of what Henan asked may come after the answer, and says once more that Sichuan waits.
    answered = await desk.follows(
        case.ticket_id, lambda found: states(found) == ["IN_PROGRESS"] * 2, "both go on with the answer"
    )
    assert answered.state == IN_PROGRESS
    for region, ticket_id in (("sichuan", first), ("henan", second)):
        heard = await staff(federation, region).reaches(ticket_id, IN_PROGRESS)
        assert said(heard)[-1] == "账单与行程已附"


@pytest.mark.files  # nothing of it depends on the engine
async def test_an_item_brings_no_money_which_is_paid_once_for_what_the_case_comes_to(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    case = await roaming(federation, desk)
    item, sichuan = case.items[0].ticket_id, staff(federation, "sichuan")
    for remedy in (Remedy.REMEDY_REFUND, Remedy.REMEDY_CREDIT):
        told = await refusal(sichuan.propose(item, remedy=remedy))
        assert (told.reason, told.parameters["complaint"]) == ("COMPLAINT_ITEM_WITHOUT_MONEY", case.ticket_id)
    assert (await sichuan.get(item)).state == IN_PROGRESS
    await sichuan.propose(item)
    await staff(federation, "henan").propose(case.items[1].ticket_id)
    await desk.follows(case.ticket_id, lambda found: states(found) == ["DONE", "DONE"], "both are done")
    assert (await leader.propose(case.ticket_id)).resolution.remedy == Remedy.REMEDY_REFUND


@pytest.mark.files  # nothing of it depends on the engine
async def test_a_case_that_is_withdrawn_ends_its_items(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    case = await roaming(federation, desk)
    await staff(federation, "sichuan").propose(case.items[0].ticket_id)
    await desk.follows(case.ticket_id, lambda found: states(found)[0] == "DONE", "the first is done")
    withdrawn = await desk.withdraw(case.ticket_id)
    assert (withdrawn.state, states(withdrawn)) == (CANCELLED, ["CLOSED", "CANCELLED"])
    await staff(federation, "sichuan").reaches(case.items[0].ticket_id, CLOSED)
    await staff(federation, "henan").reaches(case.items[1].ticket_id, CANCELLED)
    await leader.reaches(case.items[1].ticket_id, CANCELLED)


# Returned to the coordinator, and assigned by it.


async def assign(
    federation: Federation, ticket_id: str, region: str, department: str, request_id: str = ""
) -> CaseHeader:
    """An administrator says whose work it is."""
    request = AssignComplaintRequest(
        request_id=request_id or federation.next_id(), ticket_id=ticket_id, region=region, department=department
    )
    service = CaseServiceStub(federation.dial_coordinator("admin/chen"))
    return (await service.AssignComplaint(request, timeout=CALL_SECONDS)).header


async def held(federation: Federation, ticket_id: str, holds: Callable[[CaseHeader], bool]) -> CaseHeader:
    """The case as the coordinator has it, once something holds of it."""
    service, found = CaseServiceStub(federation.dial_coordinator("admin/chen")), dict[str, CaseHeader]()

    async def is_so() -> bool:
        request = ListCasesRequest(include_ended=True, page_size=500)
        listed = await service.ListCases(request, timeout=CALL_SECONDS)
        found.update({each.ticket_id: each for each in listed.cases})
        return ticket_id in found and holds(found[ticket_id])

    await until(is_so, f"the coordinator holds {ticket_id}")
    return found[ticket_id]


@pytest.mark.clause("10.3(4)")
async def test_an_item_that_is_returned_is_assigned_by_an_administrator_and_as_often_as_that_is_needed(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    case = await roaming(federation, desk)
    sichuan, henan = staff(federation, "sichuan"), staff(federation, "henan")
    request_id = federation.next_id()
    returned = await sichuan.give_back(case.items[0].ticket_id, request_id=request_id)
    assert (returned.state, returned.returned.author) == (HELD, "sichuan/wang")
    assert await sichuan.give_back(case.items[0].ticket_id, request_id=request_id) == returned
    waits = await desk.follows(case.ticket_id, lambda found: states(found)[0] == "AWAITING_COORDINATOR", "it waits")
    assert said(waits) == ["不属于本部门职责"]
    assert (await refusal(leader.propose(case.ticket_id))).parameters[
        "items"
    ] == "1 (coordinator), 2 (henan SETTLEMENT)"
    first = await assign(federation, case.ticket_id, "guangdong", "SETTLEMENT", request_id)
    assert items(Complaint(items=first.items)) == [
        ("sichuan", "ASSIGNED"),
        ("henan", "IN_PROGRESS"),
        ("guangdong", "IN_PROGRESS"),
    ]
    again = await assign(federation, case.ticket_id, "guangdong", "SETTLEMENT", request_id)
    assert again.items == first.items
    await leader.give_back(first.items[2].ticket_id, ReturnReason.RETURN_REASON_NOT_HERE)
    second = await assign(federation, f"{case.ticket_id}/3", "sichuan", "BILLING")
    assert second.items[3].administrator == "admin/chen"
    taken = await sichuan.reaches(second.items[3].ticket_id, IN_PROGRESS)
    assert taken.department.en == "Billing"
    assert said(taken) == ["不属于本部门职责"] * 2, "whoever comes later hears what was said before"
    await sichuan.propose(taken.ticket_id)
    await henan.propose(case.items[1].ticket_id)
    await desk.follows(case.ticket_id, lambda found: states(found).count("DONE") == 2, "all is done")
    await leader.propose(case.ticket_id, remedy=Remedy.REMEDY_CORRECTION)
    closed = await desk.accept(case.ticket_id)
    assert states(closed) == ["CANCELLED", "CLOSED", "CANCELLED", "CLOSED"]
    assert triggers(closed)[2:] == [(2, "OWNERS_DISAGREE"), (3, "OWNERS_DISAGREE")]
    await sichuan.reaches(case.items[0].ticket_id, CANCELLED)
    ended = await desk.get(case.ticket_id)
    told = await held(federation, case.ticket_id, lambda header: header.version >= ended.version)
    assert (told.state, told.HasField("end_time")) == (CLOSED, True)
    rows = federation.database("guangdong").rows(
        "SELECT subject, detail FROM audit WHERE actor = 'admin/chen' AND subject LIKE ? ORDER BY sequence",
        f"{case.ticket_id}%",
    )
    assert [tuple(row) for row in rows] == [
        (f"{case.ticket_id}/3", "guangdong SETTLEMENT"),
        (f"{case.ticket_id}/4", "sichuan BILLING"),
    ]


@pytest.mark.parametrize("responsible", ["sichuan", "guangdong"])
async def test_a_complaint_that_its_only_region_returns_becomes_a_case_and_nothing_that_was_said_is_lost(
    federation: Federation, desk: Complainant, leader: Complainant, responsible: str
) -> None:
    filed, clerk = await desk.file("BILL_WRONG", federation.next_number(responsible)), staff(federation, responsible)
    await clerk.reaches(filed.ticket_id, IN_PROGRESS)
    await desk.respond(filed.ticket_id, "用户催问")
    await clerk.give_back(filed.ticket_id)
    case = await desk.follows(filed.ticket_id, lambda found: len(found.items) == 1, "it is a case")
    assert (case.owner_region, case.state, items(case)) == (
        "guangdong",
        IN_PROGRESS,
        [(responsible, "AWAITING_COORDINATOR")],
    )
    assert said(case) == ["用户催问", "不属于本部门职责"]
    told = await held(federation, case.ticket_id, lambda header: bool(header.items))
    assert told.custody.reason == TimeReason.TIME_REASON_WAITING_FOR_COORDINATOR
    await federation.advance(timedelta(hours=2))
    header = await assign(federation, case.ticket_id, "henan", "BILLING")
    ledger = ledger_of(await desk.told(case.ticket_id))
    assert round(ledger["", "WAITING_FOR_COORDINATOR"] / timedelta(hours=1)) == 2
    await staff(federation, "henan").reaches(header.items[1].ticket_id, IN_PROGRESS)
    await staff(federation, "henan").propose(header.items[1].ticket_id)
    await desk.follows(case.ticket_id, lambda found: states(found)[1] == "DONE", "it is done")
    await leader.propose(case.ticket_id)
    assert (await desk.accept(case.ticket_id)).state == CLOSED
    if responsible != "guangdong":
        await clerk.reaches(case.ticket_id, CANCELLED)


@pytest.mark.files  # nothing of it depends on the engine
async def test_a_category_of_the_coordinator_begins_with_an_item_that_awaits_it(
    federation: Federation, desk: Complainant
) -> None:
    filed = await desk.file("NET_CROSS_PATH", federation.next_number("sichuan"))
    assert items(filed) == [("", "AWAITING_COORDINATOR")]
    header = await assign(federation, filed.ticket_id, "sichuan", "BACKBONE")
    taken = await staff(federation, "sichuan").reaches(header.items[1].ticket_id, IN_PROGRESS)
    assert taken.department.en == "Backbone network"


@pytest.mark.files  # nothing of it depends on the engine
@pytest.mark.parametrize("category", ["BILL_WRONG", "BILL_ROAM", "PRIV_SHARE"])
async def test_what_is_the_work_of_a_home_region_that_nobody_knows_awaits_the_coordinator(
    federation: Federation, desk: Complainant, category: str
) -> None:
    number = federation.next_number("")
    filed = await desk.file(category, number)
    assert (filed.home_region, filed.owner_region, items(filed)) == ("", "guangdong", [("", "AWAITING_COORDINATOR")])
    assert filed.custody[-1].reason == TimeReason.TIME_REASON_WAITING_FOR_COORDINATOR
    await until_told(federation, number, ("暂未确定负责部门",))
    header = await assign(federation, filed.ticket_id, "sichuan", "BILLING")
    await until_told(federation, number, ("暂未确定负责部门", "承诺于"))
    await staff(federation, "sichuan").reaches(header.items[1].ticket_id, IN_PROGRESS)


@pytest.mark.files  # nothing of it depends on the engine
@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_whoever_complains_about_a_number_that_no_customer_has_is_told_so(
    federation: Federation, desk: Complainant, home: str
) -> None:
    number = federation.next_number(home)
    filed = await desk.file("BILL_WRONG", number, wait=CALL_SECONDS / 2)
    assert (filed.state, filed.owner_region, filed.number_unassigned) == (IN_PROGRESS, home, True)
    await until_told(federation, number, ("未查到",) if home == "guangdong" else ("核实号码", "未查到"))


@pytest.mark.files  # nothing of it depends on the engine
async def test_who_was_told_at_filing_who_answers_is_not_told_again_when_an_item_is_assigned(
    federation: Federation, desk: Complainant
) -> None:
    number = federation.next_number("sichuan")
    case = await roaming(federation, desk, number)
    await staff(federation, "henan").give_back(case.items[1].ticket_id)
    waits = "AWAITING_COORDINATOR"
    await desk.follows(case.ticket_id, lambda found: waits in states(found), "an item waits for the coordinator")
    before = texts(federation, number)
    await assign(federation, case.ticket_id, "henan", "BILLING")
    assert texts(federation, number) == before


@pytest.mark.files  # nothing of it depends on the engine
async def test_a_complaint_about_the_number_of_a_customer_is_promised_an_answer(federation: Federation) -> None:
    number = await Counter(federation, "guangdong").new_customer(balance=0)
    filed = await Complainant(federation, "guangdong").file("BILL_WRONG", number)
    assert not filed.number_unassigned
    await until_told(federation, number, ("承诺于",))


@pytest.mark.files  # nothing of it depends on the engine
async def test_what_cannot_be_assigned_or_returned_is_refused_with_its_reason(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    case = await desk.file("NET_CROSS_PATH", federation.next_number("sichuan"))

    async def reason(ticket_id: str, region: str, department: str) -> str:
        return (await refusal(assign(federation, ticket_id, region, department))).reason

    assert await reason(case.ticket_id, "nowhere", "BACKBONE") == "REGION_UNKNOWN"
    assert await reason(case.ticket_id, NOT_JOINED, "BACKBONE") == "REGION_NOT_JOINED"
    assert await reason(case.ticket_id, "sichuan", "NOBODY") == "DEPARTMENT_UNKNOWN"
    assert await reason("guangdong/1-1", "sichuan", "BACKBONE") == "COMPLAINT_NOT_FOUND"
    assert await reason("no ticket id", "sichuan", "BACKBONE") == "REQUEST_INVALID"
    assert await reason(f"{case.ticket_id}/2", "sichuan", "BACKBONE") == "COMPLAINT_NOT_AWAITING_COORDINATOR"
    assert (await refusal(leader.give_back(case.ticket_id))).reason == "COMPLAINT_IS_CASE"
    refused = await refusal(leader.give_back(case.ticket_id, ReturnReason.RETURN_REASON_REFUSED))
    assert refused.reason == "REQUEST_INVALID"
    item = (await assign(federation, case.ticket_id, "guangdong", "BACKBONE")).items[1].ticket_id
    assert await reason(case.ticket_id, "sichuan", "BACKBONE") == "COMPLAINT_NOT_AWAITING_COORDINATOR"
    await leader.propose(item)
    told = await refusal(leader.give_back(item))
    assert (told.reason, told.parameters["state"]) == ("COMPLAINT_STATE_FORBIDS", "resolved")


@pytest.mark.files  # nothing of it depends on the engine
async def test_an_item_whose_filing_a_region_refuses_awaits_the_coordinator(
    federation: Federation, desk: Complainant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Refused(Reason.REASON_COMPLAINT_CATEGORY_UNKNOWN, category="BILL_ROAM")

    # As if the revision there were an older one that does not know the category.
    monkeypatch.setattr("region_node.care.complaints.relayed._require_item", refuse)
    filed = await desk.file("BILL_ROAM", federation.next_number("sichuan"), location_region="henan")
    waiting = ["AWAITING_COORDINATOR"] * 2
    case = await desk.follows(filed.ticket_id, lambda found: states(found) == waiting, "both wait")
    assert [each.returned.reason for each in case.items] == [ReturnReason.RETURN_REASON_REFUSED] * 2
    assert {each.author for each in case.notes} == {"sichuan", "henan"}
    assert all("BILL_ROAM" in each.text for each in case.notes), "why is a note of the case"
    assert not case.deadlines[1].HasField("met_time"), "that answers no customer"
    assert (await desk.withdraw(case.ticket_id)).state == CANCELLED


async def test_the_coordinator_holds_who_has_what_and_no_word_and_no_person(
    federation: Federation, desk: Complainant
) -> None:
    case = await roaming(federation, desk)
    await staff(federation, "sichuan").give_back(case.items[0].ticket_id, text="张三的绝密账单")
    told = await held(federation, case.ticket_id, lambda header: header.items[0].returned.reason != 0)
    assert (told.category, told.level, told.custody.region) == ("BILL_ROAM", 1, "henan")
    assert told.due_time == (await desk.get(case.ticket_id)).expected_resolution_time
    raw = federation.coordinator_database.raw()
    assert case.ticket_id.encode() in raw, "the search finds what is there"
    for secret in ("绝密", "wang", case.request.number, case.request.description):
        assert secret.encode() not in raw
    service = CaseServiceStub(federation.dial_coordinator("admin/chen"))
    for region, is_listed in (("sichuan", True), ("guangdong", True), (NOT_JOINED, False)):
        listed = await service.ListCases(ListCasesRequest(region=region, page_size=500), timeout=CALL_SECONDS)
        assert (case.ticket_id in [each.ticket_id for each in listed.cases]) == is_listed
    await desk.withdraw(case.ticket_id)
    await held(federation, case.ticket_id, lambda header: header.HasField("end_time"))
    await federation.advance(timedelta(days=31))
    listed = await service.ListCases(ListCasesRequest(include_ended=True, page_size=500), timeout=CALL_SECONDS)
    assert case.ticket_id not in [each.ticket_id for each in listed.cases]


@pytest.mark.files  # nothing of it depends on the engine
async def test_a_case_is_told_again_until_a_coordinator_has_kept_it(
    federation: Federation, desk: Complainant, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    def refuse(*_: object) -> None:
        asked.set()
        raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE)

    monkeypatch.setattr("coordinator.registry.case_rows.EmbeddedCases._keep", refuse)
    filed = await desk.file("NET_CROSS_PATH", federation.next_number("guangdong"))
    await asked.wait()
    waiting = "SELECT version FROM cases_to_tell WHERE ticket_id = ?"
    assert len(federation.database("guangdong").rows(waiting, filed.ticket_id)) == 1
    monkeypatch.undo()
    await held(federation, filed.ticket_id, lambda header: header.version == filed.version)

    async def is_told() -> bool:
        return federation.database("guangdong").rows(waiting, filed.ticket_id) == []

    await until(is_told, "nothing is left to be told")
