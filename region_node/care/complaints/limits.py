"""The limits of a complaint: the policies of its severity, its category's own, and the legal one."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import (
    ComplaintCategory,
    ComplaintSeverity,
    RegionalLimit,
    RegionalPolicy,
    TimeLimit,
)
from gateway.api.region.v1.complaint_pb2 import Complaint, Deadline, DeadlineKind
from gateway.federation.catalogue import Federation
from gateway.federation.complaint_rules import EXPEDITE, LEGAL_CAP, RURAL_RESOLUTION, STAGES, severity_policy
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.care.complaints import rules
from region_node.care.complaints.deadlines import Limit, due_of, promised, starting

_STAGES = dict(zip((rules.ACKNOWLEDGE, rules.FIRST_RESPONSE, rules.RESOLVE), STAGES, strict=True))


Starts = Mapping[DeadlineKind.ValueType, datetime]
"""From when on each kind of deadline runs that does not run from filing on."""


def set_deadlines(
    federation: Federation,
    complaint: Complaint,
    category: ComplaintCategory,
    start: datetime,
    starts: Starts | None = None,
) -> None:
    """Sets the deadlines, and the time promised to the customer; reminders keep their deadlines.

    The strictest of the national limit and those of the regions concerned counts. The category's limit replaces that of
    its severity, and the legal one caps both; rural limits apply in the countryside. An interim answer promised by a
    category counts as a first response. Raises Refused with CONFIGURATION_INVALID where a policy is missing.
    """
    hours, found, later = federation.working_hours, [], starts or {}
    for kind, stage in _STAGES.items():
        if kind == rules.RESOLVE:
            limits = _of_resolution(federation, complaint, category)
        else:
            limits = _limits(federation, severity_policy(complaint.severity, stage), complaint)
        if kind == rules.FIRST_RESPONSE and category.HasField("interim_limit"):
            limits.append(Limit(complaint.owner_region, category.interim_limit))
        found.append(starting(kind, limits, later.get(kind, start), hours))
    found.append(starting(rules.LEGAL, _limits(federation, LEGAL_CAP, complaint), start, hours))
    for each in found:
        for term in each.terms:  # in a year without a calendar only weekends count, which is noted
            federation.note_years(term.limit, start, from_timestamp(term.end_time), term.region)
    kinds = {each.kind for each in found}
    others = [each for each in complaint.deadlines if each.kind not in kinds]
    del complaint.deadlines[:]
    complaint.deadlines.extend([*found, *others])
    complaint.expected_resolution_time.CopyFrom(to_timestamp(promised(complaint)))


def change_deadlines(federation: Federation, complaint: Complaint, category: ComplaintCategory) -> None:
    """Applies the limits of another category to an accepted complaint, from filing on.

    Past events stay, and time spent waiting for the customer still does not count. A former limit that ended sooner
    stays, as it was promised.
    """
    before = list(complaint.deadlines)
    starts = {
        each.kind: min(from_timestamp(term.start_time) for term in each.terms)
        for each in before
        if each.kind in _STAGES
    }
    set_deadlines(federation, complaint, category, from_timestamp(complaint.create_time), starts)
    for each in complaint.deadlines:
        for known in before:
            if known.kind == each.kind and known.kind in (*_STAGES, rules.LEGAL):
                _keep(each, known)
    complaint.expected_resolution_time.CopyFrom(to_timestamp(promised(complaint)))


def _keep(each: Deadline, known: Deadline) -> None:
    if known.HasField("met_time"):
        each.met_time.CopyFrom(known.met_time)
    if due_of(known) < due_of(each):
        first = min(known.terms, key=lambda term: from_timestamp(term.end_time))
        each.terms.append(first)
        each.due_time.CopyFrom(known.due_time)


def haste(federation: Federation, complaint: Complaint, now: datetime) -> Deadline:
    """By when a reminder is to be answered."""
    return starting(rules.EXPEDITE, _limits(federation, EXPEDITE, complaint), now, federation.working_hours)


def refund(federation: Federation, complaint: Complaint, now: datetime) -> Deadline | None:
    """By when the money that was accepted now is to be given; None where the category promises no time."""
    code = complaint.request.category
    category = next((each for each in federation.complaint_categories if each.code == code), None)
    if category is None or not category.HasField("refund_limit"):
        return None
    limit = Limit(complaint.owner_region, category.refund_limit)
    found = starting(rules.REFUND, [limit], now, federation.working_hours)
    federation.note_years(limit.limit, now, from_timestamp(found.due_time), limit.region)
    return found


def _of_resolution(federation: Federation, complaint: Complaint, category: ComplaintCategory) -> list[Limit]:
    """The category's limits, else those of the severity. Only some categories and S2 have a rural limit."""
    is_rural = complaint.request.rural_area
    if category.HasField("resolution_limit"):
        is_rural = is_rural and category.HasField("rural_limit")
        national = category.rural_limit if is_rural else category.resolution_limit
        return _of(national, category.regional_limits, complaint)
    is_rural = is_rural and complaint.severity == ComplaintSeverity.COMPLAINT_SEVERITY_S2
    name = RURAL_RESOLUTION if is_rural else severity_policy(complaint.severity, STAGES[-1])
    return _limits(federation, name, complaint)


def _limits(federation: Federation, name: str, complaint: Complaint) -> list[Limit]:
    policy = federation.policy(name)
    return _of(policy.limit, policy.regional, complaint)


def _of(national: TimeLimit, regional: Iterable[RegionalLimit | RegionalPolicy], complaint: Complaint) -> list[Limit]:
    """The national limit by the calendar of the owner region, and the stricter ones of the regions."""
    concerned = {complaint.origin_region, complaint.home_region, complaint.owner_region}
    stricter = (Limit(each.region, each.limit) for each in regional if each.region in concerned)
    return [Limit(complaint.owner_region, national), *stricter]
