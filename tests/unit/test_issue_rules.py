"""The rules of issues between regions: states, due times, escalations, and what each may hold."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.issue_pb2 import Issue, IssueLink, IssueRequest, IssueState
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.time.clock import to_timestamp
from region_node.care.issues import rules
from region_node.care.issues.rows import ISSUE
from region_node.tickets import border

NOW = datetime(2030, 6, 15, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LAST = to_timestamp(datetime.max.replace(tzinfo=UTC))


def request(**fields: object) -> IssueRequest:
    found = IssueRequest(
        subject="bills", description="differ", owner_region="sichuan", due_time=to_timestamp(NOW + DAY)
    )
    found.MergeFrom(IssueRequest(**fields))  # type: ignore[arg-type]
    return found


def issue(state: IssueState.ValueType = rules.ACKNOWLEDGED) -> Issue:
    return Issue(
        id="guangdong/I20300615-1",
        request=request(),
        origin_region="guangdong",
        owner_region="sichuan",
        helper_regions=["henan"],
        state=state,
    )


def action(region: str = "henan", due: timedelta = 2 * DAY) -> WorkOnIssueRequest.NewAction:
    return WorkOnIssueRequest.NewAction(region=region, staff_id="li", text="compare", due_time=to_timestamp(NOW + due))


def decided(*actions: WorkOnIssueRequest.NewAction) -> Issue:
    found = issue()
    rules.decide(found, "sichuan/wang", WorkOnIssueRequest.Decide(text="so", actions=actions), NOW)
    return found


def refused(act: Callable[[], object]) -> Reason.ValueType:
    with pytest.raises(Refused) as raised:
        act()
    return raised.value.reason


def answer(act: Callable[[], object]) -> str:
    """The name of the refusal; empty without one."""
    try:
        act()
    except Refused as refusal:
        return reason_name(refusal.reason)
    return ""


def test_a_decided_issue_is_closed_once_each_region_has_finished_its_actions() -> None:
    found = decided(action("henan"), action("guangdong"))
    assert refused(lambda: rules.close(found, "sichuan/wang", NOW)) == Reason.REASON_ISSUE_ACTIONS_OPEN
    for region, number, reason in (
        ("guangdong", 1, Reason.REASON_ISSUE_NOT_RESPONSIBLE),
        ("guangdong", 3, Reason.REASON_ISSUE_ACTION_NOT_FOUND),
    ):
        assert refused(lambda: rules.report(found, region, "x/li", number, "so", NOW, finished=True)) == reason  # noqa: B023
    rules.report(found, "henan", "henan/li", 1, "half", NOW, finished=False)
    rules.report(found, "henan", "henan/li", 1, "done", NOW, finished=True)
    rules.report(found, "guangdong", "guangdong/li", 2, "done", NOW, finished=True)
    again = refused(lambda: rules.report(found, "henan", "henan/li", 1, "again", NOW, finished=True))
    assert again == Reason.REASON_ISSUE_ACTION_NOT_FOUND
    rules.close(found, "sichuan/wang", NOW)
    assert (found.state, [each.report for each in found.actions]) == (rules.CLOSED, ["done", "done"])


def test_each_step_has_its_states() -> None:
    steps: dict[str, tuple[Callable[[Issue], object], set[IssueState.ValueType]]] = {
        "note": (lambda each: rules.note(each, "x", "so", NOW), set(rules.OPEN)),
        "escalate": (lambda each: rules.escalate(each, "x", "so", NOW), set(rules.OPEN)),
        "add_helper": (lambda each: rules.add_helper(each, "hubei"), set(rules.OPEN)),
        "withdraw": (lambda each: rules.withdraw(each, "x", "so", NOW), set(rules.UNDECIDED)),
        "decide": (
            lambda each: rules.decide(each, "x", WorkOnIssueRequest.Decide(text="so"), NOW),
            set(rules.UNDECIDED),
        ),
        "add_actions": (lambda each: rules.add_actions(each, [action()], NOW), {rules.DECIDED}),
        "close": (lambda each: rules.close(each, "x", NOW), {rules.DECIDED}),
    }
    wrong = []
    for name, (step, allowed) in steps.items():
        for state in IssueState.values()[1:]:
            told = answer(lambda: step(issue(state)))  # noqa: B023
            if told != ("" if state in allowed else "ISSUE_STATE_FORBIDS"):
                wrong.append(f"{name} in {rules.state_name(state)}: {told}")
    assert wrong == []


def test_an_issue_is_escalated_once_for_each_due_time_until_it_is_closed() -> None:
    found = issue()
    assert rules.next_limit(found) == NOW + DAY
    assert not rules.escalate_overdue(found, NOW + DAY / 2)
    assert rules.escalate_overdue(found, NOW + DAY)
    assert not rules.escalate_overdue(found, NOW + 2 * DAY), "once"
    actions = [action(due=3 * DAY), action(due=4 * DAY)]
    rules.decide(found, "sichuan/wang", WorkOnIssueRequest.Decide(text="so", actions=actions), NOW + 2 * DAY)
    assert rules.next_limit(found) == NOW + 3 * DAY
    rules.report(found, "henan", "henan/li", 1, "done", NOW + 2 * DAY, finished=True)
    assert rules.escalate_overdue(found, NOW + 5 * DAY)
    rules.report(found, "henan", "henan/li", 2, "late", NOW + 5 * DAY, finished=True)
    assert (rules.next_due(found), rules.next_limit(found)) == (NOW + 12 * DAY, NOW + 12 * DAY), "the closing is due"
    assert rules.escalate_overdue(found, NOW + 12 * DAY)
    assert rules.next_limit(found) is None
    rules.close(found, "sichuan/wang", NOW + 13 * DAY)
    assert rules.next_due(found) is None
    passed = EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED
    assert [(each.trigger, each.due_time) for each in found.escalations] == [
        (passed, to_timestamp(NOW + DAY)),
        (passed, to_timestamp(NOW + 4 * DAY)),
        (passed, to_timestamp(NOW + 12 * DAY)),
    ]


def test_a_decision_that_was_late_and_has_no_actions_is_closed_within_a_week_or_escalated() -> None:
    found = issue()
    assert rules.escalate_overdue(found, NOW + DAY)
    rules.decide(found, "sichuan/wang", WorkOnIssueRequest.Decide(text="so"), NOW + 2 * DAY)
    assert rules.next_limit(found) == NOW + 9 * DAY


def test_no_instant_of_another_region_leaves_the_calendar() -> None:
    changed, noted, finished = issue(), issue(), decided(action())
    changed.state_changes.add(time=LAST)
    noted.notes.add(time=LAST)
    finished.actions[0].finish_time.CopyFrom(LAST)
    filing = EnvelopeContent(origin="guangdong", subject=issue().id)
    version = EnvelopeContent(origin="guangdong", destination="sichuan", subject=issue().id)
    for each in (issue(), changed, noted, finished):
        each.create_time.CopyFrom(to_timestamp(NOW))
        filed, known = Issue(), Issue()
        filed.CopyFrom(each)
        filed.state = rules.ACKNOWLEDGED
        known.CopyFrom(each)
        undated = "" if not (each.state_changes or each.notes or each.actions) else "ENVELOPE_INVALID"
        told = answer(lambda: border.require_filing(ISSUE, filed, filing, NOW, is_untouched=True))  # noqa: B023
        assert told == undated
        receipt = ReceiptContent(result=each.SerializeToString())
        assert (border.answered(ISSUE, known, version, receipt, NOW) is None) is bool(undated)


def test_a_helper_is_added_once_and_may_be_given_actions() -> None:
    found = decided()
    assert refused(lambda: rules.add_actions(found, [action("hubei")], NOW)) == Reason.REASON_REQUEST_INVALID
    for region in ("hubei", "hubei", "sichuan", "guangdong"):
        rules.add_helper(found, region)
    rules.add_actions(found, [action("hubei")], NOW)
    assert (list(found.helper_regions), rules.parties(found)) == (
        ["henan", "hubei"],
        ("sichuan", "guangdong", "henan", "hubei"),
    )


def test_what_no_issue_can_be_is_refused() -> None:
    known = {"sichuan", "henan", "hubei"}

    def require_region(region: str) -> None:
        if region not in known:
            raise Refused(Reason.REASON_REGION_UNKNOWN, region=region)

    broken = {
        "no subject": IssueRequest(description="x", owner_region="sichuan", due_time=to_timestamp(NOW)),
        "a long subject": request(subject="x" * 201),
        "an unknown owner": IssueRequest(subject="x", description="x", owner_region="nowhere"),
        "an unknown helper": request(helper_regions=["nowhere"]),
        "a helper twice": request(helper_regions=["henan", "henan"]),
        "the owner as helper": request(helper_regions=["sichuan"]),
        "a link without a kind": request(links=[IssueLink(id="x")]),
        "no due time": IssueRequest(subject="x", description="x", owner_region="sichuan"),
        "due in no zone": IssueRequest(subject="x", description="x", owner_region="sichuan", due_time=LAST),
    }
    rules.require_request(request(helper_regions=["henan"]), require_region)
    told = {name: answer(lambda: rules.require_request(each, require_region)) for name, each in broken.items()}  # noqa: B023
    unknown = {"an unknown owner", "an unknown helper"}
    assert told == {name: "REGION_UNKNOWN" if name in unknown else "REQUEST_INVALID" for name in broken}


def test_actions_are_limited_and_due_in_the_future() -> None:
    found = decided()
    for what, actions in {
        "too many": [action()] * 21,
        "due in the past": [action(due=-DAY)],
        "of nobody": [WorkOnIssueRequest.NewAction(region="henan", text="x", due_time=to_timestamp(NOW + DAY))],
        "none": [],
    }.items():
        assert refused(lambda: rules.add_actions(found, actions, NOW)) == Reason.REASON_REQUEST_INVALID, what  # noqa: B023


def test_reports_on_twenty_actions_never_take_the_room_in_which_each_one_ends() -> None:
    found, region, staff = issue(), "r" * 32, "s" * 64
    found.helper_regions.append(region)
    actions = [action(region) for _ in range(rules.MOST_ACTIONS)]
    for each in actions:
        each.text = "核" * 300
    room = rules.DECISION_LIMIT - found.ByteSize() - sum(each.ByteSize() + 8 for each in actions)
    found.request.description = "x" * room
    rules.decide(found, "sichuan/wang", WorkOnIssueRequest.Decide(text="so", actions=actions), NOW)
    longest, ended = "报" * rules.TEXT_LIMIT, "已核对完毕，情况属实"

    def report(number: int, text: str, *, finished: bool) -> None:
        rules.report(found, region, f"{region}/{staff}", number, text, NOW, finished=finished)

    numbers = range(1, rules.MOST_ACTIONS + 1)
    refusals = {answer(lambda each=each: report(each, longest, finished=False)) for each in numbers}  # type: ignore[misc]
    assert refusals == {"", "ISSUE_REPORT_TOO_LONG"}
    for number in numbers:
        for _ in range(2):
            report(number, ended, finished=False)
        report(number, ended, finished=True)
    rules.close(found, "sichuan/wang", NOW)
    assert found.ByteSize() <= rules.ISSUE_LIMIT


def test_a_report_is_refused_with_the_bytes_for_which_there_is_room() -> None:
    found = decided(action())
    found.request.description = "x" * (rules.ISSUE_LIMIT - 600 - found.ByteSize())
    with pytest.raises(Refused) as raised:
        rules.report(found, "henan", "henan/li", 1, "x" * 900, NOW, finished=True)
    room = int(raised.value.parameters["bytes"])
    rules.report(found, "henan", "henan/li", 1, "x" * (room - 4), NOW, finished=True)
    assert rules.ISSUE_LIMIT - 8 <= found.ByteSize() <= rules.ISSUE_LIMIT
