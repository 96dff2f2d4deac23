"""Groups: complaints of one category that come to their responsible region within hours are one complaint of many.

Whose work a category is decides what they have in common: where it is the region of a place, they are of that place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.care.complaints import rules

SIZE_POLICY, WINDOW_POLICY = "complaint-group-size", "complaint-group-window"
_AT_WORK = ", ".join(str(state) for state in (rules.IN_PROGRESS, rules.PENDING))
_ALIKE = (  # another one that is at work here, about the same, filed within a time
    "owner_region = :region AND category = :category AND create_time BETWEEN :since AND :until"
    f" AND state IN ({_AT_WORK}) AND :own_case NOT IN (ticket_id, parent)"
)


@dataclass(frozen=True)
class GroupRule:
    """From how many complaints on, filed within what time, they are a group."""

    size: int
    window: timedelta


@dataclass(frozen=True)
class Group:
    """A group that a complaint belongs to, and what belongs to it only since that complaint came, by ticket id."""

    group_id: str
    others: Sequence[str] = ()


@dataclass(frozen=True)
class Alike:
    """A complaint, or a work item of the case `parent`, that is at work in the same region about the same."""

    ticket_id: str
    parent: str


def group_rule(federation: Federation, region: str) -> GroupRule | None:
    """What holds in a region; None where the configuration in force says nothing of groups."""
    try:
        size, hours = (federation.figure(name, [region]) for name in (SIZE_POLICY, WINDOW_POLICY))
    except Refused:  # it is of a time before there were groups
        return None
    return GroupRule(size, timedelta(hours=hours))


def find_group(tx: Transaction, complaint: Complaint, rule: GroupRule) -> Group | None:
    """The group that a complaint of this region belongs to: a known one, or one that it is the last to make.

    Only what is at work counts: what was resolved, returned or has ended does not.
    """
    filed = from_timestamp(complaint.create_time)
    known = tx.first(
        str,
        f"SELECT group_id FROM complaints WHERE {_ALIKE} AND group_id <> ''"  # noqa: S608 - no values
        " ORDER BY create_time DESC LIMIT 1",
        **_about(complaint, filed - rule.window, filed + rule.window),
    )
    if known is not None:
        return Group(known)
    before = tx.all(
        Alike,
        f"SELECT ticket_id, parent FROM complaints WHERE {_ALIKE} ORDER BY create_time, ticket_id",  # noqa: S608 - no values
        **_about(complaint, filed - rule.window, filed),
    )
    return made(complaint, before, rule.size)


def made(complaint: Complaint, before: Sequence[Alike], size: int) -> Group | None:
    """The group that a complaint makes with those that were filed before it, oldest first. Pure.

    None while they are fewer than `size`. A case counts once, with all its work items.
    """
    cases = [*dict.fromkeys(each.parent or each.ticket_id for each in before), complaint.parent or complaint.ticket_id]
    if len(cases) < size:
        return None
    group_id = f"{complaint.owner_region}/{complaint.request.category}/{cases[0]}"
    return Group(group_id, [each.ticket_id for each in before])


def _about(complaint: Complaint, since: datetime, until: datetime) -> dict[str, Value]:
    return {
        "region": complaint.owner_region,
        "category": complaint.request.category,
        "own_case": complaint.parent or complaint.ticket_id,
        "since": to_microseconds(since),
        "until": to_microseconds(until),
    }
