"""Issues whose owner is silent: each other region notes it by its own clock, and one of them escalates."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.oversight.rules import merged_issues
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.issue_oversight_service_pb2 import IssueHeader
from gateway.api.region.v1.issue_pb2 import Issue
from gateway.federation.acts import ProvenAct
from gateway.federation.body import ISSUE_WITHOUT_OWNER
from gateway.store.timers import due_timers, fire
from gateway.time.clock import from_microseconds, from_timestamp, to_timestamp
from region_node.care.issues import handling, owner, rules
from region_node.care.issues.owner import Appointment
from region_node.care.issues.rows import ISSUE_ROWS, IssueRow, header_of, list_headers
from region_node.care.issues.watching import ISSUE_TIMER, ISSUE_WATCH
from region_node.care.silences.rules import next_silence, others, silent_since
from region_node.care.silences.watching import forget
from region_node.cli.issues.issue_view import ISSUES, print_issue
from tests.unit.border_kinds import new_issue
from tests.unit.purging import NOW, Archive, archive

DUE = NOW + timedelta(days=3)
"""That of `new_issue`."""
LIMIT, MINUTE = timedelta(hours=2), timedelta(minutes=1)
REGIONS = ("guangdong", "sichuan", "henan", "chongqing")
OWN = "sichuan"
"""The region of the node."""


@pytest.fixture(name="node")
def a_node_with_a_sink() -> Iterator[Archive]:
    with archive() as node:
        node.context = replace(node.context, sinks={"file": 1})
        join(node)
        yield node


def join(node: Archive, *suspended: str) -> None:
    """All regions take part but these."""
    joined, left = MemberState.MEMBER_STATE_JOINED, MemberState.MEMBER_STATE_SUSPENDED
    members = [Member(region=each, state=left if each in suspended else joined) for each in REGIONS]
    node.context.border.current.update(node.context.border.current.federation, members)


def issue_of(owner_region: str, *helpers: str, origin: str = OWN) -> Issue:
    found = new_issue(f"{origin}/I20251101-7", origin, owner_region)
    found.version = 5
    found.helper_regions.extend(helpers)
    return found


def adopted(node: Archive, told: Issue, now: datetime = NOW) -> Issue:
    handling.adopt(node.tx, node.context, told, now)
    return kept(node, told)


def kept(node: Archive, issue: Issue) -> Issue:
    return ISSUE_ROWS.require(node.tx, issue.id).ticket


def next_word(issue: Issue, version: int) -> Issue:
    """A later version of the owner."""
    told = Issue()
    told.CopyFrom(issue)
    told.version = version
    return told


def pass_time(node: Archive, until: datetime) -> None:
    """Fires each timer of issues at its time."""
    handlers = {ISSUE_TIMER: lambda tx, timer, now: owner.due_time_has_passed(tx, node.context, timer, now)}
    while due := [each for each in due_timers(node.tx, until) if each.kind == ISSUE_TIMER]:
        fire(node.tx, due[0], handlers, from_microseconds(due[0].due_time))


def notices(node: Archive) -> list[RaisedComplaint]:
    return node.tx.all(RaisedComplaint.FromString, "SELECT content FROM escalation_notices ORDER BY level")


def ids(node: Archive) -> list[str]:
    return [each.id.rpartition("/")[2] for each in notices(node)]


@pytest.mark.clause("10.3(4)")
def test_the_origin_of_an_issue_escalates_the_silence_of_its_owner_once_for_each_limit_up_to_the_highest_level(
    node: Archive,
) -> None:
    issue = adopted(node, issue_of("henan"))
    pass_time(node, DUE + LIMIT - MINUTE)
    assert notices(node) == []
    pass_time(node, DUE + LIMIT)
    (first,) = notices(node)
    case = f"{issue.id}/silence/{issue.request.due_time.seconds}"
    assert (first.ticket_id, first.id, first.level, first.matter) == (case, f"{case}/L3", 3, ISSUE_WITHOUT_OWNER)
    assert (first.region, first.owner_region, first.due_time) == (OWN, "henan", issue.request.due_time)
    (header,) = list_headers(node.tx, OWN, None, 10)
    assert header == header_of(kept(node, issue))
    assert (header.silent_limits, header.escalations) == (1, 0)
    pass_time(node, DUE + 100 * LIMIT)
    assert ids(node) == ["L3", "L4", "L5"]
    assert node.tx.all(str, "SELECT subject FROM audit WHERE action = 'EscalateSilentOwner'") == [issue.id] * 3


def test_the_origin_watches_an_issue_that_its_owner_has_never_accepted(node: Archive) -> None:
    told = issue_of("henan")
    told.version = 0
    adopted(node, told)
    pass_time(node, DUE + LIMIT)
    assert ids(node) == ["L3"]


def test_a_helper_notes_the_silence_and_calls_only_after_the_regions_before_it(node: Archive) -> None:
    issue = adopted(node, issue_of("henan", "chongqing", OWN, origin="guangdong"))
    pass_time(node, DUE + 4 * LIMIT)
    assert notices(node) == [], "Guangdong reaches levels 3 to 5, then Chongqing"
    (header,) = list_headers(node.tx, OWN, None, 10)
    assert (header.id, header.silent_limits) == (issue.id, 4)
    pass_time(node, DUE + 100 * LIMIT)
    assert ids(node) == ["L5-3"]


def test_a_helper_is_the_first_to_call_where_the_origin_owns_the_issue_or_has_left(node: Archive) -> None:
    adopted(node, issue_of("guangdong", OWN, origin="guangdong"))
    pass_time(node, DUE + LIMIT)
    assert ids(node) == ["L3"]
    other = issue_of("henan", "chongqing", OWN, origin="guangdong")
    other.id = "guangdong/I20251101-8"
    join(node, "guangdong", "chongqing")
    adopted(node, other)
    pass_time(node, DUE + LIMIT)
    assert ids(node) == ["L3", "L3"]


def test_a_helper_calls_nobody_about_an_issue_that_its_owner_has_never_accepted(node: Archive) -> None:
    told = issue_of("henan", OWN, origin="guangdong")
    told.version = 0
    issue = adopted(node, told)
    join(node, "guangdong")
    pass_time(node, DUE + 100 * LIMIT)
    assert notices(node) == [], "its origin may have made it up"
    assert [each.id for each in list_headers(node.tx, OWN, None, 10)] == [issue.id]


def test_a_region_that_is_suspended_itself_calls_nobody(node: Archive) -> None:
    adopted(node, issue_of("henan"))
    join(node, OWN)
    pass_time(node, DUE + 100 * LIMIT)
    assert notices(node) == []


def test_the_silence_ends_with_the_owners_word_on_what_is_due_and_with_no_other_word(node: Archive) -> None:
    issue = adopted(node, issue_of("henan"))
    pass_time(node, DUE + LIMIT)
    talk = next_word(issue, 6)
    talk.notes.add(author="henan/li", time=to_timestamp(DUE + LIMIT), text="so")
    assert adopted(node, talk, DUE + LIMIT).silence.limits_passed == 1
    pass_time(node, DUE + 2 * LIMIT)
    assert ids(node) == ["L3", "L4"]
    closed = next_word(talk, 7)
    closed.state = rules.CLOSED
    resolved = adopted(node, closed, DUE + 2 * LIMIT)
    assert (resolved.state, resolved.HasField("silence")) == (rules.CLOSED, False)
    assert notices(node) == [], "nobody is called about it any more"
    assert list_headers(node.tx, OWN, None, 10) == []
    pass_time(node, DUE + 100 * LIMIT)
    assert notices(node) == []


def test_an_owner_that_escalates_its_due_time_itself_is_not_silent(node: Archive) -> None:
    issue = adopted(node, issue_of("henan"))
    late = next_word(issue, 6)
    assert rules.escalate_overdue(late, DUE)
    adopted(node, late, DUE)
    pass_time(node, DUE + 100 * LIMIT)
    assert notices(node) == []


def test_a_later_due_time_that_passes_in_silence_is_a_case_of_its_own(node: Archive) -> None:
    issue = adopted(node, issue_of("henan"))
    pass_time(node, DUE + LIMIT)
    decided = next_word(issue, 6)
    decided.state = rules.DECIDED
    again = DUE + timedelta(days=9)
    decided.actions.add(number=1, region="henan", staff_id="li", text="x", due_time=to_timestamp(again))
    adopted(node, decided, DUE + LIMIT)
    pass_time(node, again + LIMIT)
    (told,) = notices(node)
    assert (told.level, told.ticket_id) == (3, f"{issue.id}/silence/{int(again.timestamp())}")


def test_a_region_that_was_down_itself_gives_the_owner_the_limit_once_more(node: Archive) -> None:
    issue = adopted(node, issue_of("henan"))
    back = DUE + timedelta(days=2)
    (timer,) = [each for each in due_timers(node.tx, back) if each.kind == ISSUE_TIMER]
    handlers = {ISSUE_TIMER: lambda tx, timer, now: owner.due_time_has_passed(tx, node.context, timer, now)}
    fire(node.tx, timer, handlers, back)
    pass_time(node, back + LIMIT - MINUTE)
    assert notices(node) == []
    talk = next_word(issue, 6)
    talk.notes.add(author="henan/li", time=to_timestamp(back), text="so")
    adopted(node, talk, back)
    pass_time(node, back + LIMIT)
    assert ids(node) == ["L3"], "what it hears of other things puts nothing off"


def test_a_region_takes_no_silence_from_another_one(node: Archive) -> None:
    told = issue_of("henan")
    told.silence.limits_passed = 99
    issue = adopted(node, told)
    assert not issue.HasField("silence")
    later = next_word(told, 6)
    assert not adopted(node, later).HasField("silence")
    pass_time(node, DUE + LIMIT)
    assert ids(node) == ["L3"]


def test_a_due_time_at_the_end_of_the_calendar_is_no_error(node: Archive) -> None:
    told = issue_of("henan")
    told.request.due_time.FromJsonString("9999-12-31T23:59:59Z")
    adopted(node, told)
    assert node.tx.all(str, "SELECT timer_id FROM timers WHERE kind = :kind", kind=ISSUE_TIMER) == []


def test_the_notices_about_a_silence_go_with_the_issue(node: Archive) -> None:
    issue = adopted(node, issue_of("henan"))
    pass_time(node, DUE + LIMIT)
    forget(node.tx, issue.id)
    assert notices(node) == []


def test_another_owner_that_the_body_appoints_ends_the_silence_and_goes_on(node: Archive) -> None:
    mine, theirs = issue_of("henan"), issue_of("henan", "guangdong")
    theirs.id = "sichuan/I20251101-8"
    for each in (mine, theirs):
        adopted(node, each)
    pass_time(node, DUE + LIMIT)
    join(node, "henan")
    for issue, region, version in ((mine, OWN, 0), (theirs, "guangdong", 1005)):
        asked = Appointment(issue.id, region, ProvenAct("admin/root", "", 0), "it has left", version)
        taken = owner.appoint(node.tx, node.context, asked, DUE + LIMIT)
        assert (taken.owner_region, taken.HasField("silence")) == (region, False)
    assert notices(node) == [], "nobody is called about Henan any more"
    pass_time(node, DUE + LIMIT)
    assert [each.id for each in notices(node)] == [f"{mine.id}/L3"], "the new owner escalates what is overdue itself"
    pass_time(node, DUE + 2 * LIMIT)
    assert kept(node, theirs).silence.limits_passed == 1, "the new owner in Guangdong had the limit, and said nothing"


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_late_again_or_in_another_order_each_limit_is_told_once_and_the_end_ends_it(
    node: Archive, seed: int
) -> None:
    source, told = random.Random(seed), [issue_of("henan", "chongqing")]
    for version in range(6, 12):
        later = next_word(told[-1], version)
        if later.state != rules.DECIDED and source.random() < 0.3:
            later.state = rules.DECIDED
            due = DUE + source.randrange(1, 30) * LIMIT
            later.actions.add(number=1, region="henan", staff_id="li", text="x", due_time=to_timestamp(due))
        elif source.random() < 0.3:
            rules.escalate_overdue(later, DUE + source.randrange(30) * LIMIT)
        else:
            later.notes.add(author="henan/li", time=to_timestamp(DUE), text="so")
        told.append(later)
    now, called = DUE - LIMIT, set[str]()
    adopted(node, told[0])
    for _ in range(60):
        now += source.randrange(4) * LIMIT / 2
        pass_time(node, now)
        called |= {each.id for each in notices(node)}
        before = kept(node, told[0])
        after = adopted(node, source.choice(told), now)
        assert after.version >= before.version
        if after.HasField("silence"):
            assert from_timestamp(after.silence.due_time) == rules.next_limit(after)
            assert rules.next_limit(after) == rules.next_limit(before)
    calls = node.count("audit WHERE action = 'EscalateSilentOwner'")
    assert len(called) == calls, "each call is a case and a level of its own"
    closed = next_word(told[-1], 99)
    closed.state = rules.CLOSED
    adopted(node, closed, now)
    pass_time(node, now + 100 * LIMIT)
    assert node.count("audit WHERE action = 'EscalateSilentOwner'") == calls
    assert (notices(node), kept(node, closed).HasField("silence")) == ([], False)


def test_issues_that_only_their_owner_has_watched_are_watched_after_the_upgrade(node: Archive) -> None:
    waiting, ended, own = issue_of("henan"), issue_of("henan"), issue_of(OWN)
    ended.id, ended.state, own.id = "sichuan/I20251101-8", rules.CLOSED, "sichuan/I20251101-9"
    for each in (waiting, ended):
        ISSUE_ROWS.insert(node.tx, IssueRow(each, ""), 0, NOW)
    owner.insert_taken(node.tx, node.context, IssueRow(own, ""), 0, NOW)
    schema = (resources.files("region_node.schema") / "0176_issue_silences.sql").read_text()
    for _ in range(2):
        node.tx.execute(schema.partition(";")[2])
    timers = node.tx.all(str, "SELECT subject FROM timers WHERE kind = :kind ORDER BY subject", kind=ISSUE_TIMER)
    assert timers == [waiting.id, own.id]
    late = DUE + timedelta(days=9)
    handlers = {ISSUE_TIMER: lambda tx, timer, now: owner.due_time_has_passed(tx, node.context, timer, now)}
    (timer,) = [each for each in due_timers(node.tx, NOW) if each.kind == ISSUE_TIMER]
    fire(node.tx, timer, handlers, late)
    assert notices(node) == [], "its owner may well have spoken"
    pass_time(node, late + LIMIT)
    assert sorted(each.ticket_id.partition("/silence/")[0] for each in notices(node)) == [waiting.id, own.id]


def test_staff_and_administrators_see_which_owner_is_silent(node: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    issue = adopted(node, issue_of("henan", "guangdong"))
    pass_time(node, DUE + LIMIT)
    silent = kept(node, issue)
    print_issue(silent)
    ISSUES.show([silent])
    shown = capsys.readouterr().out
    assert "silent" in shown
    assert "L3" in shown
    of_owner = IssueHeader(id=issue.id, version=9, owner_region="henan", escalations=2)
    other = IssueHeader(id=issue.id, version=5, owner_region="henan", silent_limits=4)
    reports = {OWN: [header_of(silent)], "guangdong": [other], "henan": [of_owner]}
    (merged,) = merged_issues(reports)
    assert (merged.version, merged.escalations, merged.silent_limits) == (9, 2, 4)
    assert not of_owner.silent_limits, "what a region has told stays as it is"


@given(
    helpers=st.lists(st.sampled_from(["henan", "chongqing", "hunan", "hubei"]), unique=True),
    origin=st.sampled_from(["guangdong", "sichuan"]),
    left=st.sets(st.sampled_from(["guangdong", "henan", "hunan"])),
)
def test_each_limit_of_a_silence_is_escalated_by_one_region_at_most_and_the_first_by_one_that_takes_part(
    helpers: list[str], origin: str, left: set[str]
) -> None:
    issue = new_issue(f"{origin}/I20251101-7", origin, "sichuan")
    issue.helper_regions.extend(helpers)
    issue.version = 1
    callers, watching, due, calls = [], others("sichuan", origin, helpers), rules.next_limit(issue), ISSUE_WATCH.calls
    assert due is not None
    remaining = [each for each in watching if each not in left]
    while (since := silent_since(issue.silence, due, len(watching), calls)) is not None:
        issue.silence.CopyFrom(next_silence(issue.silence, due, remaining, calls, since + LIMIT))
        callers.append(issue.silence.region)
    assert "sichuan" not in callers
    called = [each for each in callers if each]
    assert called == ([remaining[0]] * 2 + remaining if remaining else [])
    assert callers[len(called) :] == [""] * (len(callers) - len(called)), "it ends for good"
