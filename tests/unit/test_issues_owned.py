"""The owner region of an issue, without its edges: what it stores, watches, and tells the escalation recipients."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.issue_envelopes_pb2 import IssueCommand, IssueUpdate
from gateway.api.region.v1.issue_pb2 import Issue, IssueRequest
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.errors import Refused, reason_name
from gateway.federation.acts import ProvenAct
from gateway.relay.border import Command
from gateway.store.timers import due_timers, fire
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.care.escalations.rows import claim, note_delivered, postpone
from region_node.care.issues import handling, owner, rules
from region_node.care.issues.owner import Appointment
from region_node.care.issues.relayed import IssueEnvelopes
from region_node.care.issues.rows import ISSUE_ROWS, IssueRow, count_issues, header_of, list_headers
from region_node.care.issues.watching import ISSUE_TIMER
from region_node.requests.caller import Administrator
from tests.unit.border_kinds import new_issue
from tests.unit.purging import NOW, Archive, archive

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
JOINED, SUSPENDED = MemberState.MEMBER_STATE_JOINED, MemberState.MEMBER_STATE_SUSPENDED


@pytest.fixture(name="node")
def a_node_with_a_sink() -> Iterator[Archive]:
    with archive() as node:
        node.context = replace(node.context, sinks={"file": 1})
        yield node


def opened(node: Archive, *, within: timedelta = DAY, number: int = 1) -> Issue:
    """An issue of an administrator, which this region owns."""
    request = IssueRequest(
        subject="bills",
        description="differ",
        owner_region="sichuan",
        helper_regions=["guangdong"],
        due_time=to_timestamp(NOW + within),
        staff_id="admin/root",
    )
    return handling.open_issue(node.tx, node.context, Administrator("admin/root", f"R{number}", ""), request, NOW)


def word_of(node: Archive, region: str, number: str, owner_region: str, decision: str = "") -> str:
    """The answer to a version of an issue for Henan, as a region sends it to this one, which is to help."""
    told = new_issue(f"guangdong/I20251101-{number}", "guangdong", "henan")
    told.helper_regions.append("sichuan")
    told.owner_region, told.version, told.decision = owner_region, 1, decision
    return answer_to(node, told, region)


def answer_to(node: Archive, told: Issue, region: str) -> str:
    """The answer to a version of an issue that a region sends."""
    kind = EnvelopeKind.ENVELOPE_KIND_ISSUE_UPDATE
    content = EnvelopeContent(
        id=f"{told.id}@{told.version}>sichuan",
        origin=region,
        destination="sichuan",
        subject=told.id,
        kind=kind,
        payload=IssueUpdate(issue=told).SerializeToString(),
    )
    command = IssueEnvelopes(node.context).kinds()[kind]
    assert isinstance(command, Command)
    try:
        return Outcome.Name(command.act(node.tx, content, NOW).outcome).removeprefix("OUTCOME_")
    except Refused as refused:
        return reason_name(refused.reason)


def escalated_by(node: Archive, issue_id: str, region: str) -> None:
    """A region escalates an issue."""
    asked = IssueCommand(issue_id=issue_id, staff_id="li", escalate=IssueCommand.Escalate(reason="so"))
    owner.apply_command(node.tx, node.context, asked, region, NOW)


def told(node: Archive) -> Sequence[RaisedComplaint]:
    """The notices to the sink, by level."""
    return node.tx.all(RaisedComplaint.FromString, "SELECT content FROM escalation_notices ORDER BY level")


def pass_time(node: Archive, by: timedelta) -> None:
    """Fires the timers that are due by then."""
    handlers = {
        ISSUE_TIMER: lambda tx, timer, now: owner.due_time_has_passed(tx, node.context, timer, now),
    }
    for timer in due_timers(node.tx, NOW + by):
        if timer.kind == ISSUE_TIMER:
            fire(node.tx, timer, handlers, NOW + by)


def test_a_helper_hears_of_an_issue_from_its_origin_first_and_of_decisions_from_its_owner_alone(
    node: Archive,
) -> None:
    words = [
        ("chongqing", "1", "chongqing", "ENVELOPE_KIND_NOT_ALLOWED"),
        ("chongqing", "1", "henan", "ENVELOPE_KIND_NOT_ALLOWED"),
        ("guangdong", "1", "chongqing", "ENVELOPE_KIND_NOT_ALLOWED"),
        ("henan", "1", "henan", "ISSUE_NOT_INTRODUCED"),
        ("guangdong", "1", "henan", "ACCEPTED"),
        ("henan", "1", "henan", "ACCEPTED"),
        ("guangdong", "2", "guangdong", "ACCEPTED"),
    ]
    for region, number, owner_region, answer in words:
        assert word_of(node, region, number, owner_region) == answer, (region, owner_region)
    word_of(node, "guangdong", "3", "henan", "made up")
    introduced = ISSUE_ROWS.require(node.tx, "guangdong/I20251101-3").ticket
    assert (introduced.version, introduced.decision, introduced.owner_region) == (0, "", "henan")
    word_of(node, "henan", "3", "henan", "decided")
    assert ISSUE_ROWS.require(node.tx, introduced.id).ticket.decision == "decided"
    assert list_headers(node.tx, "sichuan", None, 10) == []


def test_the_origin_introduces_an_issue_to_each_helper_once(node: Archive) -> None:
    issue = new_issue("sichuan/I20251101-1", "sichuan", "henan")
    ISSUE_ROWS.insert(node.tx, IssueRow(issue, ""), 1, NOW)
    sent = []
    for version, helpers in enumerate((["guangdong"], ["guangdong"], ["guangdong", "chongqing"]), 1):
        told = new_issue(issue.id, "sichuan", "henan")
        told.version = version
        told.helper_regions.extend(helpers)
        handling.adopt(node.tx, node.context, told, NOW)
        sent.append(node.tx.all(str, "SELECT envelope_id FROM outbox ORDER BY envelope_id"))
    first, last = f"{issue.id}#introduced@1>guangdong", f"{issue.id}#introduced@3>chongqing"
    assert sent == [[first], [first], [first, last]]


def test_a_region_opens_no_issue_in_the_name_of_an_administrator_or_of_another_region(node: Archive) -> None:
    kind = EnvelopeKind.ENVELOPE_KIND_ISSUE_COMMAND
    command = IssueEnvelopes(node.context).kinds()[kind]
    assert isinstance(command, Command)
    answers = {}
    for author in ("admin/root", "henan/li", "guangdong/li"):
        issue = new_issue("guangdong/I20251101-1", "guangdong", "sichuan")
        issue.request.staff_id, issue.state_changes[0].author = "li", author
        content = EnvelopeContent(
            id=f"{issue.id}#open>sichuan",
            origin="guangdong",
            destination="sichuan",
            subject=issue.id,
            kind=kind,
            payload=IssueCommand(issue_id=issue.id, staff_id="li", open=issue).SerializeToString(),
        )
        try:
            answers[author] = Outcome.Name(command.act(node.tx, content, NOW).outcome)
        except Refused as refused:
            answers[author] = reason_name(refused.reason)
    invalid = "ENVELOPE_INVALID"
    assert answers == {"admin/root": invalid, "henan/li": invalid, "guangdong/li": "OUTCOME_ACCEPTED"}


def test_each_further_escalation_reaches_the_next_level_and_each_later_one_the_highest_again(node: Archive) -> None:
    issue = opened(node)
    pass_time(node, DAY)
    for region in ("guangdong", "sichuan", "guangdong", "guangdong"):
        escalated_by(node, issue.id, region)
    passed = EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED
    asked = EscalationTrigger.ESCALATION_TRIGGER_REGION_ASKED
    notices = told(node)
    assert [(each.id, each.level, each.trigger) for each in notices] == [
        (f"{issue.id}/L3", 3, passed),
        (f"{issue.id}/L4", 4, asked),
        (f"{issue.id}/L5", 5, asked),
        (f"{issue.id}/L5-2", 5, asked),
        (f"{issue.id}/L5-3", 5, asked),
    ]
    assert {each.owner_region for each in notices} == {"sichuan"}
    claimed = {each.raised.id: each for each in claim(node.tx, "file", NOW + 2 * DAY, 10, DAY)}
    note_delivered(node.tx, claimed[f"{issue.id}/L5-2"], NOW)
    postpone(node.tx, claimed[f"{issue.id}/L5-3"], NOW)
    again = claim(node.tx, "file", NOW + DAY, 10, DAY)
    assert [each.raised.id for each in again] == [f"{issue.id}/L5-3"], "each notice is delivered and kept by itself"


def test_the_timer_of_an_issue_waits_for_what_is_due_next_and_ends_with_it(node: Archive) -> None:
    issue = opened(node)
    decided = WorkOnIssueRequest(issue_id=issue.id)
    action = WorkOnIssueRequest.NewAction(
        region="guangdong", staff_id="li", text="compare", due_time=to_timestamp(NOW + 2 * DAY)
    )
    decided.decide.CopyFrom(WorkOnIssueRequest.Decide(text="so", actions=[action]))
    owner.work(node.tx, node.context, decided, "wang", NOW)
    pass_time(node, DAY)
    assert not ISSUE_ROWS.require(node.tx, issue.id).ticket.escalations, "it was decided in time"
    pass_time(node, 3 * DAY)
    pass_time(node, 4 * DAY)
    assert len(ISSUE_ROWS.require(node.tx, issue.id).ticket.escalations) == 1
    report = IssueCommand(issue_id=issue.id, staff_id="li", report=IssueCommand.Report(action=1, finished=True))
    owner.apply_command(node.tx, node.context, report, "guangdong", NOW)
    owner.work(
        node.tx, node.context, WorkOnIssueRequest(issue_id=issue.id, close=WorkOnIssueRequest.Close()), "wang", NOW
    )
    assert [each for each in due_timers(node.tx, NOW + 9 * DAY) if each.kind == ISSUE_TIMER] == []


def test_headers_come_by_due_time_page_by_page_and_are_those_of_the_issues(node: Archive) -> None:
    late, soon = opened(node, within=3 * DAY), opened(node, within=DAY, number=2)
    withdrawn = opened(node, within=DAY, number=3)
    taken_back = IssueCommand(issue_id=withdrawn.id, staff_id="li", withdraw=IssueCommand.Withdraw(reason="so"))
    owner.apply_command(node.tx, node.context, taken_back, "sichuan", NOW)
    found = list_headers(node.tx, "sichuan", None, 10)
    assert list(found) == [header_of(soon), header_of(late)]
    due = soon.request.due_time.seconds * 1_000_000
    assert list(list_headers(node.tx, "sichuan", (due, soon.id), 10)) == [header_of(late)]
    assert list(list_headers(node.tx, "henan", None, 10)) == []
    counts = count_issues(node.tx, "sichuan", NOW + 2 * DAY)
    assert (counts.open, counts.overdue, counts.escalated, counts.closed) == (2, 1, 0, 0)


def followed(node: Archive, owner_region: str, number: int = 7, version: int = 5) -> Issue:
    """An issue of Guangdong with which this region helps, and another helper."""
    issue = new_issue(f"guangdong/I20251101-{number}", "guangdong", owner_region)
    issue.version = version
    issue.helper_regions.extend(["sichuan", "chongqing"])
    ISSUE_ROWS.insert(node.tx, IssueRow(issue, ""), 0, NOW)
    return issue


def appointed(node: Archive, issue: Issue, region: str, version: int = 0, signed: datetime | None = None) -> Issue:
    """The issue after the word of the coordination body."""
    act = ProvenAct("admin/root", "", 0 if signed is None else to_microseconds(signed))
    asked = Appointment(issue.id, region, act, "it has left", version)
    return owner.appoint(node.tx, node.context, asked, NOW)


def suspend(node: Archive, *regions: str) -> None:
    """All regions take part but these."""
    current = node.context.border.current
    members = [
        Member(region=each, state=SUSPENDED if each in regions else JOINED)
        for each in ("guangdong", "sichuan", "henan", "chongqing")
    ]
    current.update(current.federation, members)


@pytest.mark.clause("10.3(4)")
def test_a_helper_becomes_the_owner_of_an_issue_whose_owner_has_left_and_goes_on(node: Archive) -> None:
    issue = followed(node, "henan")
    suspend(node)
    with pytest.raises(Refused) as caught:
        appointed(node, issue, "sichuan")
    assert reason_name(caught.value.reason) == "ISSUE_OWNER_PRESENT"
    suspend(node, "henan")
    (header,) = list_headers(node.tx, "sichuan", None, 10, ["henan"])
    assert (header.id, header.owner_has_left) == (issue.id, True)
    taken = appointed(node, issue, "sichuan")
    assert appointed(node, issue, "sichuan") == taken, "the same word again"
    assert (taken.owner_region, list(taken.helper_regions)) == ("sichuan", ["chongqing"])
    assert taken.version == issue.version + rules.APPOINTED_VERSIONS
    assert sorted(node.tx.all(str, "SELECT destination FROM outbox")) == ["chongqing", "guangdong"]
    assert [each.subject for each in due_timers(node.tx, NOW + 9 * DAY) if each.kind == ISSUE_TIMER] == [issue.id]
    assert node.tx.all(str, "SELECT actor FROM audit WHERE action = 'AppointIssueOwner'") == ["admin/root"]
    escalated_by(node, issue.id, "chongqing")
    assert [each.level for each in told(node)] == [3]


@pytest.mark.clause("10.3(4)")
def test_a_new_owner_ends_the_actions_of_a_region_that_has_left_and_closes_the_issue(node: Archive) -> None:
    issue = followed(node, "henan")
    issue.state = rules.DECIDED
    issue.actions.add(number=1, region="henan", staff_id="li", text="x", due_time=to_timestamp(NOW + DAY))
    issue.actions.add(number=2, region="chongqing", staff_id="li", text="x", due_time=to_timestamp(NOW + DAY))
    ISSUE_ROWS.update(node.tx, issue, NOW)
    suspend(node, "henan")
    appointed(node, issue, "sichuan")

    def finished_by(region: str, action: int) -> str:
        asked = IssueCommand(issue_id=issue.id, staff_id="wang")
        asked.report.CopyFrom(IssueCommand.Report(action=action, text="done", finished=True))
        try:
            owner.apply_command(node.tx, node.context, asked, region, NOW)
        except Refused as refused:
            return reason_name(refused.reason)
        return "finished"

    not_theirs = "ISSUE_NOT_RESPONSIBLE"
    assert finished_by("sichuan", 2) == not_theirs, "Chongqing takes part"
    assert finished_by("chongqing", 1) == not_theirs
    assert [finished_by("chongqing", 2), finished_by("sichuan", 1)] == ["finished", "finished"]
    closing = WorkOnIssueRequest(issue_id=issue.id, close=WorkOnIssueRequest.Close())
    assert owner.work(node.tx, node.context, closing, "wang", NOW).state == rules.CLOSED


def test_a_region_follows_a_new_owner_by_the_word_of_the_body_alone_and_never_an_outdated_word(node: Archive) -> None:
    issue = followed(node, "henan")
    suspend(node, "henan")

    def version_of(region: str, version: int) -> str:
        told = Issue()
        told.CopyFrom(issue)
        told.owner_region, told.version = region, version
        told.appointments.add(former_owner_region="henan", owner_region=region, administrator="admin/root")
        return answer_to(node, told, region)

    assert version_of("chongqing", 1005) == "ISSUE_OWNER_NOT_APPOINTED", "it is sent again"
    assert version_of("hunan", 1005) == "ENVELOPE_KIND_NOT_ALLOWED", "it has no part in the issue"
    appointed(node, issue, "chongqing", version=1005)
    assert version_of("chongqing", 1005) == "ACCEPTED"
    assert version_of("henan", 1006) == "ENVELOPE_KIND_NOT_ALLOWED"
    appointed(node, issue, "guangdong", version=1004)
    kept = ISSUE_ROWS.require(node.tx, issue.id).ticket
    assert (kept.owner_region, kept.version, len(kept.appointments)) == ("chongqing", 1005, 1)
    appointed(node, issue, "guangdong", version=2005)
    assert version_of("guangdong", 2005) == "ACCEPTED"


def test_an_appointment_that_was_signed_before_the_last_one_and_kept_back_is_refused(node: Archive) -> None:
    issue = followed(node, "henan")
    suspend(node, "henan")
    appointed(node, issue, "chongqing", version=1005, signed=NOW)
    for region, version in (("guangdong", 9005), ("sichuan", 0)):
        suspend(node, "chongqing")
        with pytest.raises(Refused) as caught:
            appointed(node, issue, region, version, signed=NOW - HOUR)
        assert reason_name(caught.value.reason) == "ADMINISTRATOR_ACT_UNPROVEN"
    assert ISSUE_ROWS.require(node.tx, issue.id).ticket.owner_region == "chongqing"
    assert appointed(node, issue, "sichuan", signed=NOW + HOUR).owner_region == "sichuan"
    other = followed(node, "henan", number=8)
    appointed(node, other, "chongqing", version=1005, signed=NOW + DAY + 2 * HOUR)
    assert node.count("administrator_acts") == 2, "each record has an order of its own"


def test_a_former_owner_that_is_back_follows_and_watches_no_due_time(node: Archive) -> None:
    issue = opened(node)
    appointed(node, issue, "guangdong", version=issue.version + rules.APPOINTED_VERSIONS)
    pass_time(node, 2 * DAY)
    kept = ISSUE_ROWS.require(node.tx, issue.id).ticket
    assert (kept.owner_region, len(kept.escalations)) == ("guangdong", 0)
