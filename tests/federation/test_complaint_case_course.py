"""How a case goes on: refused, returned on the way, and with what each clock and ledger says of it."""

from datetime import timedelta

import pytest

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, DeadlineKind, Remedy
from gateway.time.clock import from_timestamp
from tests.federation.complainant import Complainant
from tests.federation.refusals import refusal
from tests.federation.running import Federation
from tests.federation.test_complaint_cases import assign, roaming, said, states
from tests.federation.test_complaints import ledger_of, staff, triggers

IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
CLOSED = ComplaintState.COMPLAINT_STATE_CLOSED
CANCELLED = ComplaintState.COMPLAINT_STATE_CANCELLED


@pytest.fixture(name="desk")
def first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "guangdong")


@pytest.fixture(name="leader")
def staff_of_first_contact(federation: Federation) -> Complainant:
    return staff(federation, "guangdong")


def met(complaint: Complaint) -> dict[str, bool]:
    """By the kind of each deadline whether what had to happen has happened."""
    return {
        DeadlineKind.Name(each.kind).removeprefix("DEADLINE_KIND_"): each.HasField("met_time")
        for each in complaint.deadlines
    }


async def proposed(federation: Federation, desk: Complainant, leader: Complainant) -> Complaint:
    """A case whose two items are done, and whose resolution the customer is asked about."""
    case = await roaming(federation, desk)
    await staff(federation, "sichuan").propose(case.items[0].ticket_id)
    await staff(federation, "henan").propose(case.items[1].ticket_id)
    await desk.follows(case.ticket_id, lambda found: states(found) == ["DONE", "DONE"], "both are done")
    return await leader.propose(case.ticket_id, remedy=Remedy.REMEDY_CORRECTION)


async def test_an_item_that_is_opened_after_a_refusal_is_done_when_its_region_says_so_and_the_case_closes(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    case = await proposed(federation, desk, leader)
    await desk.refuse(case.ticket_id)
    sichuan, henan = staff(federation, "sichuan"), staff(federation, "henan")
    for region, opened in ((sichuan, case.items[0]), (henan, case.items[1])):
        await region.reaches(opened.ticket_id, IN_PROGRESS)
    await henan.propose(case.items[1].ticket_id)
    await sichuan.give_back(case.items[0].ticket_id)
    await desk.follows(case.ticket_id, lambda found: states(found) == ["AWAITING_COORDINATOR", "DONE"], "it waits")
    item = (await assign(federation, case.ticket_id, "sichuan", "BILLING")).items[2].ticket_id
    await sichuan.reaches(item, IN_PROGRESS)
    await sichuan.propose(item)
    await desk.follows(case.ticket_id, lambda found: states(found)[2] == "DONE", "the new one is done")
    await leader.propose(case.ticket_id, remedy=Remedy.REMEDY_CORRECTION)
    await desk.refuse(case.ticket_id)
    assert (await sichuan.reaches(item, IN_PROGRESS)).refusals == 2, "a second refusal opens it again like the others"
    await henan.reaches(case.items[1].ticket_id, IN_PROGRESS)
    await sichuan.propose(item)
    await henan.propose(case.items[1].ticket_id)
    await desk.follows(case.ticket_id, lambda found: states(found)[1:] == ["DONE", "DONE"], "all is done again")
    await leader.propose(case.ticket_id, remedy=Remedy.REMEDY_CORRECTION)
    assert (await desk.accept(case.ticket_id)).state == CLOSED


async def test_a_done_item_waits_for_the_region_that_leads_and_gets_that_time_back_when_the_customer_refuses(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    single = await desk.file("BILL_WRONG", federation.next_number("sichuan"))
    sichuan = staff(federation, "sichuan")
    await sichuan.reaches(single.ticket_id, IN_PROGRESS)
    await sichuan.propose(single.ticket_id)
    await desk.reaches(single.ticket_id, ComplaintState.COMPLAINT_STATE_RESOLVED)
    case = await proposed(federation, desk, leader)
    item = case.items[0].ticket_id
    due = from_timestamp((await sichuan.get(item)).expected_resolution_time)
    await federation.advance(timedelta(days=10))
    for ticket_id in (case.ticket_id, single.ticket_id):
        await desk.refuse(ticket_id)
    opened = await sichuan.reaches(item, IN_PROGRESS)
    raised = [(level, trigger) for level, trigger in triggers(opened) if level > 1]
    assert raised == [(2, "REFUSED")], "what was waited for is not held against its region"
    assert triggers(await sichuan.reaches(single.ticket_id, IN_PROGRESS))[2:] == raised
    assert from_timestamp(opened.expected_resolution_time) > due
    ledger = {key: round(amount / timedelta(days=1)) for key, amount in ledger_of(await sichuan.told(item)).items()}
    assert ledger["guangdong", "WAITING_FOR_REGION"] == 10
    assert ("", "WAITING_FOR_CUSTOMER") not in ledger
    booked = ledger_of(await desk.told(case.ticket_id))
    assert round(booked["", "WAITING_FOR_CUSTOMER"] / timedelta(days=1)) == 10, "the customer was asked about the case"


async def test_a_return_and_a_question_to_a_region_answer_neither_the_customer_nor_a_reminder(
    federation: Federation, desk: Complainant
) -> None:
    case = await roaming(federation, desk)
    await desk.expedite(case.ticket_id)
    sichuan, henan = staff(federation, "sichuan"), staff(federation, "henan")
    await henan.respond(case.items[1].ticket_id, "请提供合同", asks_region="guangdong")
    await desk.follows(case.ticket_id, lambda found: said(found) == ["请提供合同"], "Henan asks")
    await sichuan.give_back(case.items[0].ticket_id)
    waits = await desk.follows(case.ticket_id, lambda found: states(found)[0] == "AWAITING_COORDINATOR", "it waits")
    assert len(said(waits)) == 2
    assert (met(waits)["FIRST_RESPONSE"], met(waits)["EXPEDITE"]) == (False, False)
    await henan.respond(case.items[1].ticket_id, "正在核查")
    answered = await desk.follows(case.ticket_id, lambda found: len(found.notes) == 3, "Henan answers")
    assert (met(answered)["FIRST_RESPONSE"], met(answered)["EXPEDITE"]) == (True, True)


async def returned_unheard(federation: Federation, desk: Complainant, monkeypatch: pytest.MonkeyPatch) -> Complaint:
    """A complaint that Sichuan has returned, of which the first contact does not know yet."""
    filed, clerk = await desk.file("BILL_WRONG", federation.next_number("sichuan")), staff(federation, "sichuan")
    await clerk.reaches(filed.ticket_id, IN_PROGRESS)
    await desk.reaches(filed.ticket_id, IN_PROGRESS)
    with monkeypatch.context() as held:
        held.setattr("region_node.care.complaints.owner.send_about", lambda *_, **__: None)
        await clerk.give_back(filed.ticket_id)
    return filed


async def test_what_the_customer_says_while_a_return_is_on_its_way_is_said_in_the_case_once(
    federation: Federation, desk: Complainant, leader: Complainant, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed = await returned_unheard(federation, desk, monkeypatch)
    answered = await desk.respond(filed.ticket_id, "重要补充")
    assert (answered.owner_region, states(answered)) == ("guangdong", ["AWAITING_COORDINATOR"])
    assert said(answered) == ["不属于本部门职责", "重要补充"]
    assert answered.notes[1].author == "guangdong/clerk-7"
    item = (await assign(federation, filed.ticket_id, "henan", "BILLING")).items[1].ticket_id
    assert said(await staff(federation, "henan").reaches(item, IN_PROGRESS)) == said(answered)
    assert said(await desk.get(filed.ticket_id)) == said(answered)


async def test_a_reminder_and_a_withdrawal_while_a_return_is_on_its_way_hold(
    federation: Federation, desk: Complainant, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed = await returned_unheard(federation, desk, monkeypatch)
    assert len((await desk.expedite(filed.ticket_id)).expedites) == 1
    filed = await returned_unheard(federation, desk, monkeypatch)
    withdrawn = await desk.withdraw(filed.ticket_id)
    assert (withdrawn.state, states(withdrawn)) == (CANCELLED, ["CANCELLED"])
    assert said(withdrawn) == ["不属于本部门职责", "误会"]
    await staff(federation, "sichuan").reaches(filed.ticket_id, CANCELLED)


async def test_what_cannot_be_done_in_the_case_either_is_refused_by_the_reason_of_the_case(
    federation: Federation, desk: Complainant, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed = await returned_unheard(federation, desk, monkeypatch)
    told = await refusal(desk.accept(filed.ticket_id))
    assert (told.reason, told.parameters["state"]) == ("COMPLAINT_STATE_FORBIDS", "inProgress")
    assert (await desk.get(filed.ticket_id)).state == IN_PROGRESS


def asked(complaint: Complaint) -> list[tuple[str, bool]]:
    """Each question to a region: whom, and whether it is answered."""
    return [(each.asks_region, each.HasField("answer_time")) for each in complaint.notes if each.asks_region]


async def test_who_leads_a_case_asks_the_region_of_an_item_and_all_hear_the_answer(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    case = await roaming(federation, desk)
    sichuan, henan = staff(federation, "sichuan"), staff(federation, "henan")
    await leader.respond(case.ticket_id, "请提供账单", asks_region="sichuan")
    question = await sichuan.follows(case.items[0].ticket_id, lambda item: len(item.notes) == 1, "Sichuan is asked")
    assert asked(question) == [("sichuan", False)]
    heard = await henan.follows(case.items[1].ticket_id, lambda item: len(item.notes) == 1, "Henan hears it")
    assert asked(heard) == [], "Henan is not the one that is asked"
    assert asked(await desk.get(case.ticket_id)) == [("sichuan", False)]
    assert not met(await desk.get(case.ticket_id))["FIRST_RESPONSE"], "the customer was told nothing by that"
    await henan.respond(case.items[1].ticket_id, "河南无账单")
    await desk.follows(case.ticket_id, lambda found: len(found.notes) == 2, "Henan says something")
    assert asked(await desk.get(case.ticket_id)) == [("sichuan", False)]
    await sichuan.respond(case.items[0].ticket_id, "账单如下")
    answered = await desk.follows(case.ticket_id, lambda found: len(found.notes) == 3, "Sichuan answers")
    assert asked(answered) == [("sichuan", True)]
    assert said(answered) == ["请提供账单", "河南无账单", "账单如下"]
    assert said(await henan.follows(case.items[1].ticket_id, lambda item: len(item.notes) == 3, "so does Henan")) == [
        "请提供账单",
        "河南无账单",
        "账单如下",
    ]
    ledger = ledger_of(await henan.told(case.items[1].ticket_id))
    assert ("sichuan", "WAITING_FOR_REGION") not in ledger, "nobody waits in the item of Henan"


async def test_the_desk_of_a_case_asks_a_region_of_an_item_and_the_customer_is_still_waited_for(
    federation: Federation, desk: Complainant
) -> None:
    case = await roaming(federation, desk)
    sichuan, henan = staff(federation, "sichuan"), staff(federation, "henan")
    await henan.respond(case.items[1].ticket_id, "请提供行程", asks=True)
    await desk.follows(case.ticket_id, lambda found: states(found)[1] == "AWAITING_CUSTOMER", "Henan waits")
    found = await desk.respond(case.ticket_id, "哪个月的账单", asks_region="sichuan")
    assert (asked(found), states(found)[1]) == ([("sichuan", False)], "AWAITING_CUSTOMER")
    await sichuan.follows(case.items[0].ticket_id, lambda item: asked(item) == [("sichuan", False)], "Sichuan is asked")
    await sichuan.respond(case.items[0].ticket_id, "三月")
    await desk.follows(case.ticket_id, lambda each: asked(each) == [("sichuan", True)], "Sichuan has answered")
    waits = await henan.follows(case.items[1].ticket_id, lambda item: len(item.notes) == 3, "Henan hears all")
    assert waits.state == ComplaintState.COMPLAINT_STATE_PENDING


async def test_who_has_no_open_item_of_a_case_is_not_asked(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    case = await roaming(federation, desk)
    sichuan = staff(federation, "sichuan")
    await sichuan.give_back(case.items[0].ticket_id)
    await desk.follows(case.ticket_id, lambda found: states(found)[0] == "AWAITING_COORDINATOR", "it waits")
    await staff(federation, "henan").propose(case.items[1].ticket_id)
    await desk.follows(case.ticket_id, lambda found: states(found)[1] == "DONE", "it is done")
    for region in ("sichuan", "henan", "guangdong"):
        told = await refusal(leader.respond(case.ticket_id, "?", asks_region=region))
        assert (told.reason, told.parameters["region"]) == ("COMPLAINT_REGION_NOT_CONCERNED", region)
    item = (await assign(federation, case.ticket_id, "sichuan", "BILLING")).items[2].ticket_id
    assert asked(await leader.respond(case.ticket_id, "?", asks_region="sichuan")) == [("sichuan", False)]
    await sichuan.follows(item, lambda found: asked(found) == [("sichuan", False)], "its new item asks it")


async def test_the_ledger_of_a_case_books_what_was_asked_within_it_to_who_was_asked_and_sums_to_the_whole(
    federation: Federation, desk: Complainant, leader: Complainant
) -> None:
    case = await roaming(federation, desk)
    sichuan, henan = staff(federation, "sichuan"), staff(federation, "henan")
    await federation.advance(timedelta(hours=1))
    await leader.respond(case.ticket_id, "请提供行程", asks_region="henan")
    await federation.advance(timedelta(hours=3))
    await henan.follows(case.items[1].ticket_id, lambda item: len(item.notes) == 1, "Henan is asked")
    await henan.respond(case.items[1].ticket_id, "行程如下")
    await desk.follows(case.ticket_id, lambda found: asked(found) == [("henan", True)], "Henan has answered")
    await federation.advance(timedelta(hours=1))
    await sichuan.respond(case.items[0].ticket_id, "请提供合同", asks_region="guangdong")
    waits = [("henan", True), ("guangdong", False)]
    await desk.follows(case.ticket_id, lambda found: asked(found) == waits, "Sichuan asks who leads")
    await federation.advance(timedelta(hours=5))
    assert asked(await desk.respond(case.ticket_id, "合同已附"))[1] == ("guangdong", True)
    await sichuan.follows(case.items[0].ticket_id, lambda item: asked(item) == [("guangdong", True)], "it hears")
    await federation.advance(timedelta(hours=2))
    ledger = {key: amount / timedelta(hours=1) for key, amount in ledger_of(await desk.told(case.ticket_id)).items()}
    by_region = {
        region: round(sum(hours for (each, _), hours in ledger.items() if each == region)) for region, _ in ledger
    }
    assert by_region == {"sichuan": 4, "henan": 3, "guangdong": 5}
    assert abs(sum(ledger.values()) - 12) < 1 / 30
