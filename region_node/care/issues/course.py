"""The level and the course of an issue for people."""

from collections.abc import Iterator

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.issue_pb2 import Issue, IssueState
from gateway.federation.body import escalation_level
from gateway.time.clock import from_timestamp
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import Happening
from gateway.wording.words import value_word


def issue_state(state: IssueState.ValueType) -> str:
    """The state of an issue."""
    return value_word(IssueState.DESCRIPTOR, state)


def level_of(issue: Issue) -> str:
    """The level that the issue was escalated to; empty before."""
    reached = max(len(issue.escalations), issue.silence.limits_passed)
    return f"L{escalation_level(reached)}" if reached else ""


def happened(issue: Issue) -> Iterator[Happening]:
    """Time, author and text of each event."""
    for change in issue.state_changes:
        yield from_timestamp(change.time), change.author, f"{issue_state(change.state)} {change.reason}".strip()
    for note in issue.notes:
        yield from_timestamp(note.time), note.author, note.text
    for number, each in enumerate(issue.escalations, 1):
        trigger = value_word(EscalationTrigger.DESCRIPTOR, each.trigger)
        level = str(escalation_level(number))
        told = translated("escalated to the coordination body, level {level}: {trigger}", level=level, trigger=trigger)
        yield from_timestamp(each.time), each.author, f"{told} {each.reason}".strip()
    for appointed in issue.appointments:
        told = translated(
            "the owner region is {region} instead of {former}",
            region=region_name(appointed.owner_region),
            former=region_name(appointed.former_owner_region),
        )
        yield from_timestamp(appointed.time), appointed.administrator, f"{told}: {appointed.reason}"
