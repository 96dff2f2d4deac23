"""Groups: complaints of one category that reach their owner region within hours belong together.

The owner of a category decides the common property. Complaints owned by the region of a place share the place.
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
_ALIKE = (  # an open complaint here with the same subject, filed within a time
    "owner_region = :region AND category = :category AND create_time BETWEEN :since AND :until"
    f" AND state IN ({_AT_WORK}) AND :own_case NOT IN (ticket_id, case_id)"
)


@dataclass(frozen=True)
class GroupRule:
    """The least number of complaints of a group, and the time of their filing."""

    size: int
    window: timedelta


@dataclass(frozen=True)
class Group:
    """The group of a complaint, and the ticket ids that joined it together with that complaint."""

    group_id: str
    others: Sequence[str] = ()


@dataclass(frozen=True)
class Alike:
    """An open complaint with the same subject in the same region, or a work item of the case `parent`."""

    ticket_id: str
    parent: str


def group_rule(federation: Federation, region: str) -> GroupRule | None:
    """The rule of a region; None where the configuration in force has no rule for groups."""
    try:
        size, hours = (federation.figure(name, [region]) for name in (SIZE_POLICY, WINDOW_POLICY))
    except Refused:  # the configuration is older than the rule for groups
        return None
    return GroupRule(size, timedelta(hours=hours))


def find_group(tx: Transaction, complaint: Complaint, rule: GroupRule) -> Group | None:
    """The group of a complaint of this region: an existing one, or a new one that it completes.

    Only open complaints count: resolved, returned and ended ones do not.
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
        f"SELECT ticket_id, case_id FROM complaints WHERE {_ALIKE} ORDER BY create_time, ticket_id",  # noqa: S608 - no values
        **_about(complaint, filed - rule.window, filed),
    )
    return made(complaint, before, rule.size)


def made(complaint: Complaint, before: Sequence[Alike], size: int) -> Group | None:
    """The group of a complaint with earlier ones, oldest first. Pure.

    None while they are fewer than `size`. A case counts once, with all its work items.
    """
    cases = [*dict.fromkeys(each.parent or each.ticket_id for each in before), complaint.case_id or complaint.ticket_id]
    if len(cases) < size:
        return None
    group_id = f"{complaint.owner_region}/{complaint.request.category}/{cases[0]}"
    return Group(group_id, [each.ticket_id for each in before])


def _about(complaint: Complaint, since: datetime, until: datetime) -> dict[str, Value]:
    return {
        "region": complaint.owner_region,
        "category": complaint.request.category,
        "own_case": complaint.case_id or complaint.ticket_id,
        "since": to_microseconds(since),
        "until": to_microseconds(until),
    }
