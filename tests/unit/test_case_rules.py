"""Cases: who has them, what a work item is by its complaint, and what coordinators hold and list."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from coordinator.cases import rules as held
from gateway.api.federation.v1.configuration_pb2 import Configuration, Department
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintNote,
    ComplaintReturn,
    ReturnReason,
    TimeReason,
    WorkItem,
    WorkItemState,
)
from gateway.errors import Refused, reason_name
from gateway.federation.body import Body
from gateway.time.clock import to_timestamp
from region_node.care.complaints import cases, rules
from tests.shipped import shipped_configuration
from tests.unit.complaint_scene import DAY, at, complaint

LEADS = "guangdong"
NOW = at("2026-03-02 10:00")


def item(region: str, state: WorkItemState.ValueType, number: int = 1) -> WorkItem:
    return WorkItem(number=number, region=region, department=Department(code="BILLING"), state=state)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], (LEADS, rules.WORKING)),
        ([item("henan", cases.DONE), item("sichuan", cases.ENDED)], (LEADS, rules.WORKING)),
        ([item("henan", cases.AT_WORK), item(LEADS, cases.AT_WORK)], (LEADS, rules.WORKING)),
        ([item(LEADS, cases.DONE), item("henan", cases.AT_WORK)], ("henan", rules.WAITING_FOR_REGION)),
        (
            [item("henan", cases.AWAITING_CUSTOMER), item("sichuan", cases.AWAITING_REGION)],
            ("sichuan", rules.WAITING_FOR_REGION),
        ),
        (
            [item("henan", cases.AWAITING_CUSTOMER), item("", cases.AWAITING_COORDINATOR)],
            ("", rules.WAITING_FOR_CUSTOMER),
        ),
        ([item("henan", cases.DONE), item("", cases.AWAITING_COORDINATOR)], ("", rules.WAITING_FOR_COORDINATOR)),
    ],
)
def test_a_case_is_with_one_party_at_every_instant(items: Sequence[WorkItem], expected: cases.Holder) -> None:
    assert cases.holder(Complaint(items=items), LEADS) == expected


def asks(author: str, region: str, *, answered: bool = False) -> ComplaintNote:
    answer_time = to_timestamp(NOW) if answered else None
    return ComplaintNote(author=f"{author}/li", time=to_timestamp(NOW), asks_region=region, answer_time=answer_time)


AT_WORK = [item("sichuan", cases.AT_WORK), item("henan", cases.AT_WORK, 2), item("hubei", cases.DONE, 3)]


@pytest.mark.parametrize(
    ("notes", "items", "expected"),
    [
        ([asks(LEADS, "henan")], AT_WORK, ("henan", rules.WAITING_FOR_REGION)),
        ([asks(LEADS, "henan"), asks("sichuan", LEADS)], AT_WORK, ("henan", rules.WAITING_FOR_REGION)),
        ([asks(LEADS, "henan", answered=True), asks("sichuan", LEADS)], AT_WORK, (LEADS, rules.WORKING)),
        ([asks(LEADS, "henan")], [*AT_WORK, item(LEADS, cases.AT_WORK, 4)], ("henan", rules.WAITING_FOR_REGION)),
        ([asks(LEADS, "hubei"), asks("hubei", LEADS)], AT_WORK, ("sichuan", rules.WAITING_FOR_REGION)),
        ([asks(LEADS, "henan")], [item("henan", cases.AWAITING_CUSTOMER)], ("", rules.WAITING_FOR_CUSTOMER)),
        ([asks(LEADS, "henan")], [item("", cases.AWAITING_COORDINATOR)], ("", rules.WAITING_FOR_COORDINATOR)),
    ],
)
def test_a_case_is_with_whoever_owes_an_answer_while_both_who_asked_and_who_was_asked_work_on_it(
    notes: Sequence[ComplaintNote], items: Sequence[WorkItem], expected: cases.Holder
) -> None:
    assert cases.holder(Complaint(notes=notes, items=items), LEADS) == expected


def test_a_question_of_a_work_item_to_the_leading_region_is_answered_in_the_case_too() -> None:
    asked, other = asks("sichuan", LEADS), asks("henan", LEADS)
    case, answered = Complaint(notes=[asked, other]), asks("sichuan", LEADS, answered=True)
    cases.take_answers(case, Complaint(owner_region="sichuan", notes=[answered]))
    assert [each.HasField("answer_time") for each in case.notes] == [True, False]


@pytest.mark.parametrize(
    ("found", "known", "expected"),
    [
        (Complaint(state=rules.ACKNOWLEDGED), WorkItem(), cases.AWAITING_REGION),
        (Complaint(state=rules.IN_PROGRESS), WorkItem(), cases.AT_WORK),
        (Complaint(state=rules.PENDING), WorkItem(), cases.AWAITING_CUSTOMER),
        (Complaint(state=rules.PENDING), WorkItem(state=cases.AT_WORK), cases.AWAITING_CUSTOMER),
        (Complaint(state=rules.RESOLVED), WorkItem(), cases.DONE),
        (Complaint(state=rules.HELD, returned=ComplaintReturn()), WorkItem(), cases.AWAITING_COORDINATOR),
        (Complaint(state=rules.HELD, returned=ComplaintReturn()), WorkItem(state=cases.ASSIGNED), cases.ASSIGNED),
        (Complaint(state=rules.CLOSED), WorkItem(), cases.ENDED),
        (Complaint(state=rules.CANCELLED), WorkItem(), cases.DROPPED),
    ],
)
def test_an_item_stands_as_its_complaint_does(
    found: Complaint, known: WorkItem, expected: WorkItemState.ValueType
) -> None:
    assert cases.state_of(known, found, 0, is_asked=True) == expected


def test_a_question_that_the_case_knows_makes_no_item_wait_again() -> None:
    for known in (cases.AWAITING_CUSTOMER, cases.AT_WORK):
        assert cases.state_of(WorkItem(state=known), Complaint(state=rules.PENDING), 0) == known


def test_a_resolution_counts_once_it_has_heard_of_every_refusal() -> None:
    for heard, expected in ((0, cases.AT_WORK), (1, cases.DONE)):
        assert cases.state_of(WorkItem(), Complaint(state=rules.RESOLVED, refusals=heard), 1) == expected


def test_a_ticket_id_tells_the_case_and_the_number_of_the_item() -> None:
    assert cases.parent_of("guangdong/20261210-17") == ("guangdong/20261210-17", 0)
    assert cases.parent_of(cases.ticket_id_of("guangdong/20261210-17", 3)) == ("guangdong/20261210-17", 3)
    assert cases.parent_of("guangdong/20261210-17/x") == ("guangdong/20261210-17", 0)


def test_a_note_is_known_by_who_said_what_when() -> None:
    first, again = (ComplaintNote(author="henan/li", time=to_timestamp(NOW), text="x") for _ in range(2))
    later = ComplaintNote(author="henan/li", time=to_timestamp(NOW + DAY), text="x")
    assert cases.unknown_notes(Complaint(notes=[first]), [again, later]) == [later]


def test_what_coordinators_hold_names_no_person_and_no_words() -> None:
    found = complaint(NOW)
    found.ticket_id, found.version = "guangdong/20260302-1", 4
    found.notes.add(author="henan/li", text="secret")
    returned = ComplaintReturn(reason=ReturnReason.RETURN_REASON_NOT_HERE, author="henan/li")
    found.items.add(number=1, region="henan", state=cases.AWAITING_COORDINATOR, returned=returned)
    header = cases.header(found)
    assert header.items[0].returned.author == "henan"
    assert b"li" not in header.SerializeToString()
    assert b"secret" not in header.SerializeToString()
    assert not header.HasField("end_time")
    rules.enter(found, rules.CANCELLED, now=NOW + DAY, region="guangdong", reason="x")
    assert cases.header(found).end_time == to_timestamp(NOW + DAY)


# What the coordinator takes, and lists.


def header_of(ticket_id: str, due: timedelta = timedelta(), ended: timedelta | None = None) -> CaseHeader:
    header = CaseHeader(
        ticket_id=ticket_id, version=1, due_time=to_timestamp(NOW + due), items=[item("henan", cases.AT_WORK)]
    )
    if ended is not None:
        header.end_time.CopyFrom(to_timestamp(NOW + ended))
    return header


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (header_of("sichuan/20260302-1"), "REQUEST_INVALID"),
        (header_of("no ticket id"), "REQUEST_INVALID"),
        (CaseHeader(ticket_id="guangdong/20260302-1", version=1), "REQUEST_INVALID"),
        (CaseHeader(ticket_id="guangdong/20260302-1", items=[WorkItem()]), "REQUEST_INVALID"),
        (
            CaseHeader(ticket_id="guangdong/1-1", version=1, category="x" * 70_000, items=[WorkItem()]),
            "MESSAGE_TOO_LARGE",
        ),
    ],
)
def test_a_region_tells_only_cases_that_it_leads(header: CaseHeader, reason: str) -> None:
    held.require_header(header_of("guangdong/20260302-1"), "guangdong")
    with pytest.raises(Refused) as refused:
        held.require_header(header, "guangdong")
    assert reason_name(refused.value.reason) == reason


def test_cases_are_listed_by_when_they_are_due_and_those_that_ended_for_thirty_days() -> None:
    late, soon = header_of("sichuan/1-1", DAY), header_of("guangdong/1-2", timedelta())
    ended, past = header_of("henan/1-3", ended=-29 * DAY), header_of("henan/1-4", ended=-31 * DAY)
    kept = [late, past, soon, ended]
    assert held.listed(kept, "", NOW, include_ended=False) == [soon, late]
    assert held.place(soon) < held.place(late)
    assert held.listed(kept, "sichuan", NOW, include_ended=True) == [late]
    assert held.listed(kept, "henan", NOW, include_ended=True) == [soon, ended, late]


def test_a_department_is_one_that_a_category_names() -> None:
    configuration = Configuration()
    configuration.complaint_categories.add(code="X").departments.add(code="BILLING")
    held.require_department(configuration, "BILLING")
    for known in (configuration, None):
        with pytest.raises(Refused):
            held.require_department(known, "NOBODY")


@pytest.mark.clause("10.3(2)")
def test_a_case_names_the_person_to_call_of_the_party_that_has_it() -> None:
    body = Body(shipped_configuration())

    def called(region: str, reason: TimeReason.ValueType, *items: WorkItem, ended: bool = False) -> tuple[str, str]:
        case = CaseHeader(ticket_id="guangdong/1", items=items, end_time=to_timestamp(NOW) if ended else None)
        case.custody.region, case.custody.reason = region, reason
        found = held.on_duty(case, body, NOW)
        return ("", "") if found is None else (found.region, found.department)

    done, open_one = item("henan", cases.DONE), item("henan", cases.AT_WORK, 2)
    done.department.code = "LEGAL"
    assert called("henan", rules.WAITING_FOR_REGION, done, open_one) == ("henan", "BILLING")
    assert called("", rules.WAITING_FOR_COORDINATOR, done) == ("beijing", "COORDINATION")
    assert called(LEADS, rules.WORKING, done) == (LEADS, "")
    assert called("", rules.WAITING_FOR_CUSTOMER, done) == ("", "")
    assert called("henan", rules.WAITING_FOR_REGION, open_one, ended=True) == ("", "")
    body = Body(Configuration())
    assert called("henan", rules.WAITING_FOR_REGION, open_one) == ("", "")
    assert called("", rules.WAITING_FOR_COORDINATOR) == ("", "")
