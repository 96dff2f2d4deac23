"""Complaints of another system that a region takes over: with their own times, once, and without a word to anybody."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.api.region.v1.complaint_import_service_pb2 import (
    ImportComplaintsRequest,
    ImportComplaintsResponse,
    ImportedComplaint,
)
from gateway.api.region.v1.complaint_import_service_pb2_grpc import ComplaintImportServiceStub
from gateway.api.region.v1.complaint_pb2 import ClassifiedBy, Complaint, ComplaintState, DeadlineKind
from gateway.api.region.v1.customer_service_pb2 import ImportFile
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp
from region_node.care.complaints.deadlines import find
from tests.federation.complainant import Complainant
from tests.federation.complaint_import import OldSystem, levels
from tests.federation.counter import REQUESTER
from tests.federation.refusals import refusal
from tests.federation.running import Federation, until
from tests.federation.test_raised import told_by, until_told

IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
RESOLVED = ComplaintState.COMPLAINT_STATE_RESOLVED
CLOSED = ComplaintState.COMPLAINT_STATE_CLOSED
CANCELLED = ComplaintState.COMPLAINT_STATE_CANCELLED
REJECTED = ComplaintState.COMPLAINT_STATE_REJECTED
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def old(federation: Federation) -> OldSystem:
    return OldSystem(federation, Complainant(federation, "sichuan"))


@pytest.fixture
def now(federation: Federation) -> datetime:
    return federation.clock.now()


def rejected(answers: Sequence[ImportComplaintsResponse]) -> list[tuple[int, str]]:
    """The lines that the last answer rejects, with their reasons."""
    return [(each.number, Reason.Name(each.reason).removeprefix("REASON_")) for each in answers[-1].rejected]


def met(complaint: Complaint, kind: DeadlineKind.ValueType) -> datetime | None:
    each = find(complaint, kind)
    assert each is not None
    return from_timestamp(each.met_time) if each.HasField("met_time") else None


async def test_a_closed_complaint_keeps_its_times_and_counts_like_any_other(
    federation: Federation, old: OldSystem, now: datetime
) -> None:
    filed, took = (now - 40 * DAY).replace(microsecond=0), 2 * HOUR
    told = old.closed(filed=filed, took=took, rating=3)
    (found,) = await old.imported(told)
    assert (found.state, found.rating, found.owner_region) == (CLOSED, 3, "sichuan")
    assert from_timestamp(found.create_time) == filed
    assert [(each.state, from_timestamp(each.time)) for each in found.state_changes][-2:] == [
        (RESOLVED, filed + took),
        (CLOSED, filed + 2 * took),
    ]
    assert met(found, DeadlineKind.DEADLINE_KIND_ACKNOWLEDGE) == filed
    assert met(found, DeadlineKind.DEADLINE_KIND_FIRST_RESPONSE) == filed + took / 2
    assert met(found, DeadlineKind.DEADLINE_KIND_RESOLVE) == filed + took
    assert (found.resolution.cause_code, found.resolution.text) == ("billing-error", "已退费")
    figures = "SELECT category, state, level, rating FROM complaint_figures WHERE ticket_id = ?"
    assert federation.database("sichuan").rows(figures, found.ticket_id) == [("BILL_WRONG", CLOSED, found.level, 3)]


async def test_levels_of_the_past_are_noted_when_they_were_due_and_nobody_is_told_of_them(
    federation: Federation, old: OldSystem, now: datetime
) -> None:
    (found,) = await old.imported(told := old.complaint(filed=now - 30 * DAY))
    assert (found.state, found.level) == (IN_PROGRESS, 5)
    assert all(each.time == each.due_time and from_timestamp(each.due_time) < now for each in found.escalations)
    rows = "SELECT level FROM complaint_escalations WHERE ticket_id = ? ORDER BY level"
    assert federation.database("sichuan").rows(rows, found.ticket_id) == [(level,) for level in range(6)]
    # What is filed after it is told of: had anything been to tell of the imported one, it would have come before.
    live = await old.desk.file("BILL_WRONG", federation.next_number("sichuan"))
    await until_told(federation, "sichuan", live.ticket_id, [1])
    assert told_by(federation, "sichuan", found.ticket_id) == []
    notices = "SELECT COUNT(*) FROM notices WHERE number = ?"
    database = federation.database("sichuan")
    assert database.rows(notices, database.index_of(told.request.number)) == [(0,)]


async def test_an_open_complaint_is_raised_from_now_on_as_one_that_was_filed_here_is(
    federation: Federation, old: OldSystem, now: datetime
) -> None:
    live = await old.desk.file("BILL_WRONG", federation.next_number("sichuan"))
    (found,) = await old.imported(old.complaint(filed=from_timestamp(live.create_time)))
    assert levels(found) == levels(await old.desk.get(live.ticket_id))
    assert [each.due_time for each in found.deadlines] == [each.due_time for each in live.deadlines]
    expected = live
    for step in (5 * HOUR, DAY, 2 * DAY, 40 * DAY):
        await federation.advance(step)
        await until_nothing_is_due(federation)
        expected = await old.desk.get(live.ticket_id)
        assert levels(await old.desk.get(found.ticket_id)) == levels(expected)
    assert expected.level == 5
    # Of the levels that it has reached here it tells, and of none before.
    await until_told(federation, "sichuan", found.ticket_id, [2, 3, 4, 5])
    late, last = levels(expected), federation.clock.now()
    (replayed,) = (await old.hand_over([old.complaint(filed=from_timestamp(live.create_time))], as_of=last))[
        -1
    ].replayed
    assert [(each.level, each.trigger, from_timestamp(each.due_time)) for each in replayed.escalations] == late
    (again,) = await old.imported(old.complaint(filed=from_timestamp(live.create_time)))
    assert levels(again) == late


async def until_nothing_is_due(federation: Federation) -> None:
    """Returns once no level of a complaint in Sichuan is due."""
    due = to_microseconds(federation.clock.now())
    sql = "SELECT 1 FROM timers WHERE kind = 'complaint-escalation' AND due_time <= ?"

    async def holds() -> bool:
        return federation.database("sichuan").rows(sql, due) == []

    await until(holds, "no level is due")


async def test_the_same_line_is_one_complaint_whichever_file_brings_it(
    federation: Federation, old: OldSystem, now: datetime
) -> None:
    told, other = (old.closed(filed=now - 9 * DAY, took=HOUR) for _ in range(2))
    first = (await old.hand_over([told, told]))[-1]
    assert (first.created, first.existing) == (1, 1)
    again = (await old.hand_over([other, told]))[-1]
    assert (again.created, again.existing) == (1, 1)
    changed = ImportedComplaint()
    changed.CopyFrom(told)
    changed.rating = 1
    assert rejected(await old.hand_over([changed])) == [(2, "COMPLAINT_IMPORTED_OTHERWISE")]
    assert len(await old.desk.list(number=told.request.number)) == 1


async def test_each_complaint_that_is_taken_over_is_a_row_of_the_audit_chain(
    federation: Federation, old: OldSystem, now: datetime
) -> None:
    imported = await old.imported(*(old.closed(filed=now - 6 * DAY, took=HOUR) for _ in range(2)))
    for each in imported:
        sql = "SELECT actor, detail FROM audit WHERE action = 'ImportComplaint' AND subject = ?"
        assert federation.database("sichuan").rows(sql, each.ticket_id) == [
            ("region/sichuan/operator/counter", f"staff {REQUESTER.staff_id}")
        ]


async def test_what_ended_longer_ago_than_complaints_are_kept_is_rejected_and_only_replayed(
    old: OldSystem, now: datetime
) -> None:
    lines = [old.closed(filed=now - days * DAY, took=HOUR) for days in (1200, 900)]
    checked, answers = await old.hand_over(lines, validate_only=True), await old.hand_over(lines)
    for each in (checked, answers):
        assert (rejected(each), each[-1].created) == ([(2, "COMPLAINT_RETENTION_OVER")], 1)
    ended = (now - 1200 * DAY + 2 * HOUR).astimezone(ZoneInfo("Asia/Shanghai"))
    assert f"{ended:%Y-%m-%d}" in answers[-1].rejected[0].message.en
    assert len((await old.hand_over(lines, as_of=now))[-1].replayed) == 2


async def test_what_was_withdrawn_or_rejected_has_ended_without_a_resolution_and_nothing_repeats_the_withdrawn(
    federation: Federation, old: OldSystem, now: datetime
) -> None:
    number = federation.next_number("sichuan")
    lines = [old.complaint(number, filed=now - days * DAY) for days in (9, 8, 7)]
    for line, ended_as in zip(lines, (CANCELLED, REJECTED), strict=False):
        line.ended_as = ended_as
        line.closed_time.CopyFrom(to_timestamp(now - 6 * DAY))
    withdrawn, no_complaint, still_open = await old.imported(*lines)
    assert (withdrawn.state, no_complaint.state) == (CANCELLED, REJECTED)
    for each in (withdrawn, no_complaint):
        assert from_timestamp(each.state_changes[-1].time) == now - 6 * DAY
        assert (each.HasField("resolution"), met(each, DeadlineKind.DEADLINE_KIND_RESOLVE)) == (False, None)
    assert (still_open.repeated_ticket_id, still_open.repeats) == (no_complaint.ticket_id, 1)
    assert (await old.desk.file("BILL_WRONG", number)).repeats == 2, "as of what is filed from now on"
    again = (await old.hand_over(lines))[-1]
    assert (again.created, again.existing) == (0, 3)


async def test_what_happened_in_the_countryside_has_the_limit_of_the_countryside(old: OldSystem, now: datetime) -> None:
    lines = [old.complaint(filed=now - HOUR, category="NET_SPEED") for _ in range(2)]
    lines[1].request.rural_area = True
    urban, rural = await old.imported(*lines)
    assert urban.expected_resolution_time.seconds < rural.expected_resolution_time.seconds


async def test_an_import_that_broke_goes_on_and_leaves_each_line_once(
    federation: Federation, old: OldSystem, now: datetime
) -> None:
    complaints = [old.closed(filed=now - 8 * DAY, took=HOUR) for _ in range(6)]
    sha256 = old.new_hash()
    begun = await old.hand_over(complaints[:3], sha256=sha256, piece=2)
    assert [each.last_line for each in begun] == [0, 3, 4]
    again = await old.hand_over(complaints, sha256=sha256, piece=3)
    assert [(each.last_line, each.created) for each in again] == [(4, 3), (4, 3), (7, 6)]
    for each in complaints:
        assert len(await old.desk.list(number=each.request.number)) == 1


async def test_a_cause_that_the_federation_does_not_have_is_rejected_with_the_nearest(
    old: OldSystem, now: datetime
) -> None:
    told = old.closed(filed=now - 3 * DAY, took=HOUR)
    told.cause_code = "billing-eror"
    answers = await old.hand_over([told])
    assert rejected(answers) == [(2, "RESOLUTION_CAUSE_UNKNOWN")]
    assert "billing-error" in answers[-1].rejected[0].message.en


async def test_what_no_complaint_can_be_is_rejected_with_its_line(
    federation: Federation, old: OldSystem, now: datetime
) -> None:
    good = old.closed(filed=now - 3 * DAY, took=HOUR)
    wrong = [old.closed(filed=now - 3 * DAY, took=HOUR) for _ in range(15)]
    wrong[0].external_id = ""
    wrong[1].request.category, wrong[1].request.description = "", "客户来电"  # which may be about anything
    wrong[2].request.category = "NO_SUCH"
    wrong[3].request.number = "12"
    wrong[4].ClearField("filed_time")
    wrong[5].filed_time.CopyFrom(to_timestamp(now + DAY))
    wrong[6].resolved_time.CopyFrom(to_timestamp(now - 4 * DAY))
    wrong[7].rating = 6
    wrong[8].cause_code = "Not A Code"
    wrong[9].request.ClearField("description")
    wrong[10].ClearField("closed_time")  # a rating of what is still open
    wrong[11].ended_as = IN_PROGRESS  # no end
    wrong[12].ended_as = CANCELLED  # and resolved
    wrong[13] = old.complaint(filed=now - 3 * DAY)
    wrong[13].ended_as = REJECTED  # of what is still open
    wrong[14].request.description = "乱收费\x1b]52;c;cm0=\x07"
    elsewhere = old.complaint(federation.next_number("guangdong"), filed=now - DAY)
    answers = await old.hand_over([good, *wrong, elsewhere, None])
    assert rejected(answers) == [
        (3, "REQUEST_INVALID"),
        (4, "REQUEST_INVALID"),
        (5, "COMPLAINT_CATEGORY_UNKNOWN"),
        (6, "NUMBER_INVALID"),
        *((line, "REQUEST_INVALID") for line in range(7, 17)),
        (17, "CHARACTER_NOT_ALLOWED"),
        (18, "COMPLAINT_IMPORT_ELSEWHERE"),
        (19, "REQUEST_INVALID"),
    ]
    assert answers[-1].created == 1


async def test_a_line_without_a_category_is_of_the_one_that_its_words_speak_for(
    federation: Federation, old: OldSystem, now: datetime
) -> None:
    told = old.complaint(federation.next_number("sichuan"), filed=now - HOUR)
    told.request.category, told.request.description = "", "这个月的账单重复扣费，多收了我两次月租费"
    (found,) = await old.imported(told)
    (setting,) = found.classification.settings
    assert (found.request.category, setting.category) == ("BILL_WRONG", "BILL_WRONG")
    assert setting.set_by == ClassifiedBy.CLASSIFIED_BY_WORDS
    assert (await old.hand_over([told]))[-1].existing == 1, "the same line is the same complaint"
    assert await old.found(told) == found


async def test_what_has_ended_is_taken_over_by_the_region_that_answered_it(
    federation: Federation, old: OldSystem, now: datetime
) -> None:
    number = federation.next_number("guangdong")
    (found,) = await old.imported(old.closed(filed=now - 5 * DAY, took=HOUR, number=number))
    assert (found.owner_region, found.home_region) == ("sichuan", "guangdong")


async def test_imported_complaints_are_repeats_of_each_other_and_of_what_was_filed_here(
    federation: Federation, old: OldSystem, now: datetime
) -> None:
    number = federation.next_number("sichuan")
    lines = [old.complaint(number, filed=now - days * DAY) for days in (100, 20, 10)]
    await old.hand_over(lines, piece=2)
    first, second, third = [await old.found(each) for each in lines]
    assert (first.repeats, second.repeats, third.repeats, third.repeated_ticket_id) == (0, 0, 1, second.ticket_id)
    live = await old.desk.file("BILL_WRONG", number)
    assert (live.repeats, live.repeated_ticket_id) == (2, third.ticket_id)
    await old.desk.withdraw(live.ticket_id)
    later = old.complaint(number, filed=federation.clock.now())
    await old.hand_over([later])
    assert (await old.found(later)).repeats == 2, "what was withdrawn is repeated by nothing"


@pytest.mark.clause("12.4")
async def test_the_clock_is_replayed_up_to_an_instant_and_nothing_is_stored(
    federation: Federation, old: OldSystem, now: datetime
) -> None:
    filed = now - 20 * DAY
    lines = [old.complaint(filed=filed), old.closed(filed=filed, took=HOUR / 2), old.complaint(filed=now - DAY)]
    before = federation.database("sichuan").rows("SELECT COUNT(*) FROM complaints")
    answers = await old.hand_over(lines, as_of=filed + 10 * DAY)
    replayed = {each.number: [reached.level for reached in each.escalations] for each in answers[-1].replayed}
    assert replayed == {2: [0, 1, 2, 3, 4], 3: [0, 1]}
    assert max(from_timestamp(reached.due_time) for each in answers[-1].replayed for reached in each.escalations) <= (
        filed + 10 * DAY
    )
    assert federation.database("sichuan").rows("SELECT COUNT(*) FROM complaints") == before
    assert (await old.hand_over(lines, validate_only=True))[-1].created == 3
    assert federation.database("sichuan").rows("SELECT COUNT(*) FROM complaints") == before
    (imported, *_) = await old.imported(*lines)
    whole = (await old.hand_over(lines, as_of=federation.clock.now()))[-1].replayed
    assert levels(imported) == [
        (each.level, each.trigger, from_timestamp(each.due_time).astimezone(UTC)) for each in whole[0].escalations
    ]


async def test_the_clock_is_only_replayed_over_a_file_that_is_only_checked(old: OldSystem, now: datetime) -> None:
    first = ImportComplaintsRequest(
        file=ImportFile(sha256=old.new_hash(), lines=1, requester=REQUESTER), as_of_time=to_timestamp(now)
    )
    channel = old.federation.dial_node("sichuan", "region/sichuan/operator/counter")

    async def ask() -> None:
        await ComplaintImportServiceStub(channel).ImportComplaints(iter([first])).read()

    assert (await refusal(ask())).parameters["field"] == "as_of_time"
