"""The category of a complaint: named at filing, proposed from its words, or set by a person; and never guessed."""

import asyncio
import json
import uuid
from datetime import timedelta

import grpc
import pytest

from gateway.api.coordinator.v1 import complaint_oversight_service_pb2 as api
from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader
from gateway.api.region.v1.complaint_pb2 import ClassifiedBy, Complaint, ComplaintState, DeadlineKind, ReturnReason
from gateway.time.clock import from_timestamp
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation, until
from tests.federation.test_complaint_cases import items, states
from tests.federation.test_complaint_command import administered, said
from tests.federation.test_complaint_oversight import listed, reported, shown
from tests.federation.test_complaints import ledger_of, staff, texts, triggers

ACKNOWLEDGED = ComplaintState.COMPLAINT_STATE_ACKNOWLEDGED
IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
CANCELLED = ComplaintState.COMPLAINT_STATE_CANCELLED
PENDING = ComplaintState.COMPLAINT_STATE_PENDING
WRONG_CATEGORY = ReturnReason.RETURN_REASON_WRONG_CATEGORY
UNCLEAR = "网速慢，还乱收费"  # two complaints in one
MEANINGLESS = "请尽快与我联系"
DESK, ADMINISTRATOR = ClassifiedBy.CLASSIFIED_BY_DESK, ClassifiedBy.CLASSIFIED_BY_ADMINISTRATOR


@pytest.fixture(name="desk")
def first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "guangdong")


@pytest.fixture(name="classifier")
def staff_of_first_contact(federation: Federation) -> Complainant:
    return staff(federation, "guangdong")


def settings(complaint: Complaint) -> list[tuple[str, ClassifiedBy.ValueType, str]]:
    return [(each.category, each.set_by, each.author) for each in complaint.classification.settings]


def due(complaint: Complaint, kind: DeadlineKind.ValueType = DeadlineKind.DEADLINE_KIND_RESOLVE) -> timedelta:
    """How long after filing."""
    (found,) = (each for each in complaint.deadlines if each.kind == kind)
    return from_timestamp(found.due_time) - from_timestamp(complaint.create_time)


async def heard(federation: Federation, number: str, count: int) -> list[str]:
    """The notices to the customer, once there are `count`."""

    async def is_so() -> bool:
        return len(texts(federation, number)) >= count

    await until(is_so, f"{number} was told {count} times")
    return texts(federation, number)


async def reclassified(
    federation: Federation, ticket_id: str, category: str, *, reason: str = "类别有误", request_id: str = ""
) -> ComplaintHeader:
    request = api.ReclassifyComplaintRequest(
        request_id=request_id or uuid.uuid4().hex, ticket_id=ticket_id, category=category, reason=reason
    )
    return (await federation.complaint_oversight.ReclassifyComplaint(request, timeout=CALL_SECONDS)).complaint


@pytest.mark.parametrize("text", ["我被多收了钱", "I was charged twice in March"])
@pytest.mark.clause("10.4(2)")
async def test_a_text_that_is_clear_is_classified_by_its_words_and_routed(
    federation: Federation, desk: Complainant, text: str
) -> None:
    number, request_id = federation.next_number("sichuan"), federation.next_id()
    filed = await desk.file("", number, description=text, request_id=request_id)
    assert (filed.request.category, filed.owner_region, filed.department.en) == ("BILL_WRONG", "sichuan", "Billing")
    assert settings(filed) == [("BILL_WRONG", ClassifiedBy.CLASSIFIED_BY_WORDS, "guangdong")]
    found = filed.classification
    assert (found.proposed_category, found.candidates[0].category) == ("BILL_WRONG", "BILL_WRONG")
    assert 0.5 <= found.confidence == found.candidates[0].confidence <= 1
    assert all(word.text in text.lower() for word in found.candidates[0].words)
    taken = await staff(federation, "sichuan").reaches(filed.ticket_id, IN_PROGRESS)
    assert taken.classification == found
    again = await desk.file("", number, description=text, request_id=request_id)
    assert (again.ticket_id, again.classification) == (filed.ticket_id, found)


async def test_a_category_that_is_named_is_taken_whatever_the_words_say(
    federation: Federation, desk: Complainant
) -> None:
    filed = await desk.file("NET_SPEED", federation.next_number("sichuan"), description="我被多收了钱")
    assert filed.request.category == "NET_SPEED"
    assert settings(filed) == [("NET_SPEED", ClassifiedBy.CLASSIFIED_BY_FILING, "guangdong/clerk-7")]
    assert not filed.classification.candidates


async def test_the_desk_asks_the_customer_what_a_complaint_is_about_while_every_clock_goes_on(
    federation: Federation, desk: Complainant, classifier: Complainant
) -> None:
    number, quality = federation.next_number("sichuan"), staff(federation, "sichuan")
    filed = await desk.file("", number, description=UNCLEAR)
    asked = await classifier.respond(filed.ticket_id, "是费用还是网速问题?", asks=True)
    assert (asked.state, asked.version, asked.notes[0].asks_customer) == (ACKNOWLEDGED, 0, True)
    assert (asked.deadlines, asked.custody) == (filed.deadlines, filed.custody), "nobody is at work, so nothing waits"
    assert filed.ticket_id in (await heard(federation, number, 2))[1]
    for refused in (
        classifier.respond(filed.ticket_id, "好"),
        classifier.respond(filed.ticket_id, "?", asks_region="henan"),
    ):
        assert (await refusal(refused)).reason == "COMPLAINT_UNCLASSIFIED"
    answered = await desk.respond(filed.ticket_id, "费用")
    assert ([each.text for each in answered.notes][1:], answered.state) == (["费用"], ACKNOWLEDGED)
    await classifier.classify(filed.ticket_id, "BILL_WRONG")
    taken = await quality.reaches(filed.ticket_id, IN_PROGRESS)
    assert [each.text for each in taken.notes] == ["是费用还是网速问题?", "费用"]
    await desk.reaches(filed.ticket_id, IN_PROGRESS)
    await desk.withdraw(filed.ticket_id)
    unclear = await desk.file("", number, description=UNCLEAR)
    await desk.withdraw(unclear.ticket_id)
    assert (await refusal(classifier.respond(unclear.ticket_id, "?", asks=True))).reason == "COMPLAINT_STATE_FORBIDS"


@pytest.mark.parametrize(("text", "candidates"), [(UNCLEAR, {"BILL_WRONG", "NET_SPEED"}), (MEANINGLESS, set())])
async def test_what_is_not_clear_stays_with_the_desk_until_somebody_says_what_it_is_about(
    federation: Federation, desk: Complainant, classifier: Complainant, text: str, candidates: set[str]
) -> None:
    number, quality = await Counter(federation, "sichuan").new_customer(), staff(federation, "sichuan")
    filed = await desk.file("", number, description=text)
    assert (filed.request.category, filed.owner_region, filed.version) == ("", "guangdong", 0)
    assert (filed.state, filed.severity) == (ACKNOWLEDGED, ComplaintSeverity.COMPLAINT_SEVERITY_S3)
    assert (filed.department.en, triggers(filed), settings(filed)) == ("Classification desk", [(0, "FILED")], [])
    assert {each.category for each in filed.classification.candidates} == candidates
    (told,) = await heard(federation, number, 1)
    assert filed.ticket_id in told
    assert "正在确认负责部门" in told
    assert filed.ticket_id in await desk.list(unclassified=True)
    header = (await listed(federation, api.ListComplaintHeadersRequest(unclassified=True)))[filed.ticket_id]
    assert (header.category, header.owner_region) == ("", "guangdong")
    assert (await refusal(quality.get(filed.ticket_id))).reason == "COMPLAINT_NOT_FOUND"
    assert (await refusal(classifier.propose(filed.ticket_id))).reason == "COMPLAINT_UNCLASSIFIED"

    request_id = federation.next_id()
    classified = await classifier.classify(filed.ticket_id, "BILL_WRONG", request_id=request_id)
    assert (classified.request.category, classified.owner_region) == ("BILL_WRONG", "sichuan")
    assert settings(classified) == [("BILL_WRONG", DESK, "guangdong/wang")]
    taken = await quality.reaches(filed.ticket_id, IN_PROGRESS)
    assert (taken.version, taken.department.en, taken.create_time) == (1, "Billing", filed.create_time)
    known = await desk.reaches(filed.ticket_id, IN_PROGRESS)
    assert known == taken
    history = (await shown(federation, filed.ticket_id)).complaint
    assert [(each.set_by, each.author) for each in history.categories] == [(DESK, "guangdong")]
    assert triggers(known) == [(0, "FILED"), (1, "NOT_SETTLED_AT_FIRST_CONTACT")]
    assert (
        await classifier.classify(filed.ticket_id, "BILL_WRONG", request_id=request_id)
    ).ticket_id == filed.ticket_id
    first, second = await heard(federation, number, 2)
    assert first == told
    assert filed.ticket_id in second
    assert "四川计费账务部" in second
    assert filed.ticket_id not in await desk.list(unclassified=True)
    assert filed.ticket_id not in await listed(federation, api.ListComplaintHeadersRequest(unclassified=True))
    assert await desk.list(number=number, category="BILL_WRONG") == [filed.ticket_id]
    await quality.propose(filed.ticket_id)
    await desk.reaches(filed.ticket_id, ComplaintState.COMPLAINT_STATE_RESOLVED)
    assert (await desk.accept(filed.ticket_id)).state == ComplaintState.COMPLAINT_STATE_CLOSED


async def test_what_is_not_classified_is_raised_and_its_time_is_used_when_it_turns_out_graver(
    federation: Federation, desk: Complainant, classifier: Complainant
) -> None:
    filed = await desk.file("", federation.next_number("sichuan"), description=MEANINGLESS)
    assert due(filed, DeadlineKind.DEADLINE_KIND_ACKNOWLEDGE) == timedelta(hours=4)
    await federation.advance(timedelta(hours=5))
    raised = await desk.rises(filed.ticket_id, 2)
    assert (raised.version, triggers(raised)[-1]) == (0, (2, "ACKNOWLEDGEMENT_MISSED"))
    told = await desk.told(filed.ticket_id)
    whole = sum(ledger_of(told).values(), timedelta())
    assert {region for region, _ in ledger_of(told)} == {"guangdong"}
    assert abs(whole - timedelta(hours=5)) < timedelta(minutes=2)
    await classifier.classify(filed.ticket_id, "FRAUD")  # critical, of two departments of the home region
    case = await desk.follows(filed.ticket_id, lambda found: states(found) == ["IN_PROGRESS"] * 2, "both are at work")
    assert (case.severity, case.owner_region) == (ComplaintSeverity.COMPLAINT_SEVERITY_S1, "guangdong")
    assert due(case) == timedelta(hours=24)
    assert due(case, DeadlineKind.DEADLINE_KIND_ACKNOWLEDGE) == timedelta(minutes=15)
    assert (case.level, triggers(case)[-1]) == (4, (4, "CRITICAL"))
    assert [each.level for each in case.escalations] == [0, 1, 2, 3, 4]


async def test_the_customer_adds_to_hastens_and_withdraws_what_nobody_has_classified(
    federation: Federation, desk: Complainant, classifier: Complainant
) -> None:
    number = federation.next_number("sichuan")
    filed = await desk.file("", number, description=MEANINGLESS)
    await desk.respond(filed.ticket_id, "是网速的问题")
    await desk.expedite(filed.ticket_id)
    assert (await desk.get(filed.ticket_id)).version == 0
    await classifier.classify(filed.ticket_id, "NET_SPEED", "见用户补充")
    found = await desk.reaches(filed.ticket_id, IN_PROGRESS)
    assert [each.text for each in found.notes] == ["是网速的问题", "见用户补充"]
    assert len(found.expedites) == 1
    assert [each.kind for each in found.deadlines].count(DeadlineKind.DEADLINE_KIND_EXPEDITE) == 1
    other = await desk.file("", number, description=MEANINGLESS)
    assert (await desk.withdraw(other.ticket_id)).state == CANCELLED
    assert other.ticket_id not in await listed(federation, api.ListComplaintHeadersRequest(unclassified=True))
    late = await refusal(classifier.classify(other.ticket_id, "NET_SPEED"))
    assert late.reason == "COMPLAINT_STATE_FORBIDS"


async def test_a_repeat_is_found_and_counted_under_the_category_once_that_is_set(
    federation: Federation, desk: Complainant, classifier: Complainant
) -> None:
    async def counted() -> int:
        rows = (await reported(federation, api.COMPLAINT_DIMENSION_CATEGORY))[1]
        return sum(each.complaints for each in rows if each.category == "SVC_AFTERSALE")

    number, before = federation.next_number("guangdong"), await counted()
    first = await desk.file("SVC_AFTERSALE", number)
    second = await desk.file("", number, description=MEANINGLESS)
    third = await desk.file("", number, description=MEANINGLESS)
    assert (second.repeats, third.repeats, await counted()) == (0, 0, before + 1)
    found = await classifier.classify(second.ticket_id, "SVC_AFTERSALE")
    assert (found.repeated_ticket_id, found.repeats, found.state) == (first.ticket_id, 1, IN_PROGRESS)
    once_more = await classifier.classify(third.ticket_id, "SVC_AFTERSALE")
    assert (once_more.repeats, triggers(once_more)[-1]) == (2, (4, "REPEATED"))
    assert await counted() == before + 3


async def test_what_this_region_alone_has_is_classified_anew_and_keeps_what_was_promised(
    federation: Federation, desk: Complainant, classifier: Complainant
) -> None:
    number = federation.next_number("guangdong")
    filed = await desk.file("BILL_ABNORMAL", number)  # to be resolved in 24 hours
    assert due(filed) == timedelta(hours=24)
    told = await refusal(classifier.classify(filed.ticket_id, "BILL_WRONG"))
    assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "reason")
    changed = await classifier.classify(filed.ticket_id, "BILL_WRONG", "不是费用异常")
    assert (changed.request.category, changed.version, changed.state) == ("BILL_WRONG", 2, IN_PROGRESS)
    assert due(changed) == timedelta(hours=24), "the customer was promised that"
    assert [category for category, _, _ in settings(changed)] == ["BILL_ABNORMAL", "BILL_WRONG"]
    assert [(each.author, each.text) for each in changed.notes] == [("guangdong/wang", "不是费用异常")]
    same = await refusal(classifier.classify(filed.ticket_id, "BILL_WRONG", "不是费用异常"))
    assert same.reason == "COMPLAINT_CATEGORY_UNCHANGED"
    assert await desk.list(number=number, category="BILL_WRONG") == [filed.ticket_id]
    await classifier.respond(filed.ticket_id, "请补充", asks=True)
    elsewhere = await classifier.classify(filed.ticket_id, "SVC_MATERIAL_REPEAT", "实为重复提交材料")
    assert (elsewhere.owner_region, elsewhere.state) == ("guangdong", PENDING)
    assert items(elsewhere) == []


async def test_what_turns_out_to_be_the_work_of_another_region_is_a_case_with_an_item_there(
    federation: Federation, desk: Complainant, classifier: Complainant
) -> None:
    filed = await desk.file("OTHER", federation.next_number("sichuan"))
    assert (filed.owner_region, filed.state) == ("guangdong", IN_PROGRESS)
    await classifier.classify(filed.ticket_id, "BILL_WRONG", "是计费问题")
    case = await desk.follows(
        filed.ticket_id, lambda found: items(found) == [("sichuan", "IN_PROGRESS")], "it is there"
    )
    item = await staff(federation, "sichuan").get(case.items[0].ticket_id)
    assert (item.request.category, item.department.en, item.owner_region) == ("BILL_WRONG", "Billing", "sichuan")
    assert (case.owner_region, case.department.en) == ("guangdong", "Billing")
    last = (await heard(federation, case.request.number, 2))[-1]
    assert "广东计费账务部" in last
    taken = await refusal(classifier.classify(filed.ticket_id, "NET_SPEED", "是网速问题"))
    assert (taken.reason, taken.parameters["items"]) == ("COMPLAINT_ITEMS_TAKEN", "1 (sichuan BILLING)")
    assert (await refusal(classifier.classify(case.items[0].ticket_id, "NET_SPEED", "x"))).reason == (
        "COMPLAINT_IS_WORK_ITEM"
    )


async def test_what_another_region_has_is_classified_anew_once_that_has_returned_it(
    federation: Federation, desk: Complainant, classifier: Complainant
) -> None:
    quality = staff(federation, "sichuan")
    filed = await desk.file("BILL_WRONG", federation.next_number("sichuan"))
    await desk.reaches(filed.ticket_id, IN_PROGRESS)
    told = await refusal(classifier.classify(filed.ticket_id, "NET_SPEED", "是网速问题"))
    assert (told.reason, told.parameters) == ("COMPLAINT_WITH_REGION", {"region": "sichuan"})
    assert (await refusal(quality.classify(filed.ticket_id, "NET_SPEED", "x"))).reason == "COMPLAINT_NOT_FIRST_CONTACT"
    await quality.give_back(filed.ticket_id, WRONG_CATEGORY, "是网速问题")
    await desk.follows(filed.ticket_id, lambda found: states(found) == ["AWAITING_COORDINATOR"], "it was returned")
    header = await reclassified(federation, filed.ticket_id, "BILL_ROAM")
    assert (header.category, header.owner_region) == ("BILL_ROAM", "guangdong")
    case = await desk.follows(
        filed.ticket_id, lambda found: states(found) == ["ASSIGNED", "IN_PROGRESS", "IN_PROGRESS"], "both are at work"
    )
    assert [each.region for each in case.items] == ["sichuan", "sichuan", "guangdong"]
    assert [each.assigned_as for each in case.items] == [2, 0, 0]
    assert settings(case)[-1] == ("BILL_ROAM", ADMINISTRATOR, "admin/root")


async def test_an_administrator_classifies_once_and_the_region_keeps_who_it_was(
    federation: Federation, desk: Complainant
) -> None:
    filed = await desk.file("", await Counter(federation, "sichuan").new_customer(), description=UNCLEAR)
    request_id = uuid.uuid4().hex
    header = await reclassified(federation, filed.ticket_id, "BILL_WRONG", request_id=request_id)
    assert (header.category, header.owner_region) == ("BILL_WRONG", "sichuan")
    found = await desk.reaches(filed.ticket_id, IN_PROGRESS)
    assert settings(found) == [("BILL_WRONG", ADMINISTRATOR, "admin/root")]
    assert [(each.author, each.text) for each in found.notes] == [("admin/root", "类别有误")]
    again = await reclassified(federation, filed.ticket_id, "BILL_WRONG", request_id=request_id)
    assert again.category == "BILL_WRONG"
    other = reclassified(federation, filed.ticket_id, "NET_SPEED", request_id=request_id)
    assert (await refusal(other)).reason == "REQUEST_ID_REUSED"
    history = (await shown(federation, filed.ticket_id)).complaint
    assert [(each.set_by, each.author) for each in history.categories] == [(ADMINISTRATOR, "admin/root")]
    assert "乱收费" not in str(history)
    audited = federation.database("guangdong").rows(
        "SELECT actor, detail FROM audit WHERE action = 'ReclassifyComplaint' AND subject = ?", filed.ticket_id
    )
    assert audited == [("admin/root", "through coordinator/0")], "as at the desk, without the category"
    assert len(await heard(federation, found.request.number, 2)) == 2


async def test_two_who_classify_at_once_do_not_both_route_it(
    federation: Federation, desk: Complainant, classifier: Complainant
) -> None:
    filed = await desk.file("", federation.next_number("sichuan"), description=UNCLEAR)

    async def outcome(category: str) -> str:
        try:
            return (await classifier.classify(filed.ticket_id, category)).owner_region
        except grpc.aio.AioRpcError:
            return "refused"

    found = await asyncio.gather(outcome("BILL_WRONG"), outcome("BILL_ABNORMAL"))
    assert sorted(found) == ["refused", "sichuan"]
    known = await desk.reaches(filed.ticket_id, IN_PROGRESS)
    assert len(settings(known)) == 1


@pytest.mark.parametrize(
    ("ticket_id", "category", "reason", "expected"),
    [
        ("guangdong/20200101-1", "BILL_WRONG", "x", "COMPLAINT_NOT_FOUND"),
        ("atlantis/20200101-1", "BILL_WRONG", "x", "COMPLAINT_NOT_FOUND"),
        ("20200101-1", "BILL_WRONG", "x", "REQUEST_INVALID"),
        ("guangdong/20200101-1", "", "x", "REQUEST_INVALID"),
        ("guangdong/20200101-1", "BILL_WRONG", "", "REQUEST_INVALID"),
    ],
)
async def test_what_cannot_be_classified_is_refused(
    federation: Federation, ticket_id: str, category: str, reason: str, expected: str
) -> None:
    assert (await refusal(reclassified(federation, ticket_id, category, reason=reason))).reason == expected


async def test_a_category_that_does_not_exist_is_refused(
    federation: Federation, desk: Complainant, classifier: Complainant
) -> None:
    filed = await desk.file("", federation.next_number("sichuan"), description=UNCLEAR)
    assert (await refusal(classifier.classify(filed.ticket_id, "NO_SUCH"))).reason == "COMPLAINT_CATEGORY_UNKNOWN"
    assert (await refusal(classifier.classify(filed.ticket_id, ""))).reason == "REQUEST_INVALID"
    assert (await desk.get(filed.ticket_id)).state == ACKNOWLEDGED


@pytest.mark.files  # the commands are the same on either engine
async def test_a_complaint_without_a_category_is_filed_listed_classified_and_shown_by_commands(
    federation: Federation,
) -> None:
    number, counter, clerk = federation.next_number("sichuan"), "operator/counter", ("--staff-id", "4711")
    clear = await said(federation, "guangdong", counter, "file", number, "我被多收了钱", *clerk, "--json")
    assert json.loads(clear.out)["request"]["category"] == "BILL_WRONG", clear.err
    filed = await said(federation, "guangdong", counter, "file", number, UNCLEAR, *clerk, "--json")
    ticket_id = json.loads(filed.out)["ticket_id"]
    again = await said(federation, "guangdong", counter, "file", number, "BILL_WRONG", "x", "y", *clerk)
    assert again.code == 2
    listed_here = await said(federation, "guangdong", "staff/wang", "list", "--unclassified")
    assert (ticket_id in listed_here.out, "not classified" in listed_here.out) == (True, True)
    assert json.loads(clear.out)["ticket_id"] not in listed_here.out
    listed_above = await administered(federation, "list", "--unclassified", "--lang", "zh")
    assert (ticket_id in listed_above.out, "未归类" in listed_above.out) == (True, True), listed_above.err
    shown = await said(federation, "guangdong", "staff/wang", "show", ticket_id)
    for told in ("not classified: the desk of guangdong", "none clearly enough", "乱收费", "%", "filed without"):
        assert told in shown.out, told
    classified = await said(federation, "guangdong", "staff/wang", "classify", ticket_id, "--category", "BILL_WRONG")
    assert (classified.code, "sichuan Billing" in classified.out) == (0, True), classified.err
    await Complainant(federation, "guangdong").reaches(ticket_id, IN_PROGRESS)
    refused = await administered(federation, "reclassify", ticket_id, "--category", "NET_SPEED", "--reason", "x")
    assert (refused.code, "sichuan" in refused.err) == (1, True), refused
    chinese = await said(federation, "guangdong", "staff/wang", "show", ticket_id, "--lang", "zh")
    assert "归类为计费错误、重复收费（BILL_WRONG）：归类岗" in chinese.out
    other = json.loads((await said(federation, "guangdong", counter, "file", number, UNCLEAR, *clerk, "--json")).out)
    done = await administered(federation, "reclassify", other["ticket_id"], "--category", "OTHER", "--reason", "x")
    assert done.out == f"{other['ticket_id']} is of the category OTHER; guangdong is responsible\n", done.err


@pytest.mark.files  # the commands are the same on either engine
async def test_a_category_that_is_set_back_and_forth_for_the_same_reason_is_set_each_time(
    federation: Federation, desk: Complainant
) -> None:
    ticket_id = (await desk.file("OTHER", federation.next_number("guangdong"))).ticket_id
    told = ("--reason", "更正")
    for category in ("SUGGESTION", "OTHER", "SUGGESTION"):
        done = await administered(federation, "reclassify", ticket_id, "--category", category, *told)
        assert done.out == f"{ticket_id} is of the category {category}; guangdong is responsible\n", done.err
    found = await desk.get(ticket_id)
    assert found.request.category == "SUGGESTION"
    again = await administered(federation, "reclassify", ticket_id, "--category", "SUGGESTION", *told)
    assert (again.code, (await desk.get(ticket_id)).version) == (1, found.version)
    for _ in range(2):
        by_id = await administered(
            federation, "reclassify", ticket_id, "--category", "OTHER", *told, "--request-id", "as-told"
        )
        assert by_id.code == 0, by_id.err
    assert (await desk.get(ticket_id)).version == found.version + 1


async def test_what_a_region_that_is_away_has_not_taken_up_is_recalled_and_led_here(
    federation: Federation, desk: Complainant, classifier: Complainant
) -> None:
    await federation.stop_node("henan")
    try:
        number = federation.next_number("henan")
        filed = await desk.file("BILL_WRONG", number)
        mine = await classifier.classify(filed.ticket_id, "NET_SPEED", "是网速问题")
        assert (mine.owner_region, mine.state, mine.version) == ("guangdong", IN_PROGRESS, 1)
        other = await desk.file("OTHER", number)
        assert other.state == IN_PROGRESS
        sent = await desk.file("BILL_WRONG", number)
        theirs = await classifier.classify(sent.ticket_id, "BILL_ABNORMAL", "费用异常")
        assert items(theirs) == [("henan", "AWAITING_REGION")]
    finally:
        await federation.start_node("henan")
        await federation.until_members({"henan": MemberState.MEMBER_STATE_JOINED})
    await desk.follows(sent.ticket_id, lambda found: states(found) == ["IN_PROGRESS"], "Henan has the item")

    async def is_recalled() -> bool:
        kept = "SELECT state, owner_region FROM complaints WHERE ticket_id IN (?, ?)"
        return (
            federation.database("henan").rows(kept, filed.ticket_id, sent.ticket_id) == [(CANCELLED, "guangdong")] * 2
        )

    await until(is_recalled, "Henan works on neither")
    assert (await desk.get(filed.ticket_id)).state == IN_PROGRESS
    assert (await classifier.propose(filed.ticket_id)).state == ComplaintState.COMPLAINT_STATE_RESOLVED


async def test_what_the_customer_has_said_to_a_region_is_answered_before_its_complaint_is_recalled(
    federation: Federation, desk: Complainant, classifier: Complainant
) -> None:
    filed = await desk.file("BILL_WRONG", federation.next_number(NOT_JOINED))
    await desk.withdraw(filed.ticket_id, wait=0)
    told = await refusal(classifier.classify(filed.ticket_id, "NET_SPEED", "是网速问题"))
    assert (told.reason, told.parameters) == ("COMPLAINT_ANSWER_AWAITED", {"region": NOT_JOINED})
