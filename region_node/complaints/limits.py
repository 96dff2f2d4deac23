"""Which limits hold for a complaint: the policies of its severity, its category's own, and the law's."""

from collections.abc import Iterable
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import ComplaintCategory, RegionalLimit, RegionalPolicy, TimeLimit
from gateway.api.region.v1.complaint_pb2 import Complaint, Deadline
from gateway.clock import from_timestamp, to_timestamp
from gateway.federation.catalogue import Federation
from gateway.federation.complaint_rules import LEGAL_CAP, STAGES, severity_policy
from region_node.complaints import rules
from region_node.complaints.deadlines import Limit, promised, starting

EXPEDITE_POLICY = "complaint-expedite"
_STAGES = dict(zip((rules.ACKNOWLEDGE, rules.FIRST_RESPONSE, rules.RESOLVE), STAGES, strict=True))


def set_deadlines(federation: Federation, complaint: Complaint, category: ComplaintCategory, start: datetime) -> None:
    """Sets what has to happen by when, and the time that the customer is promised.

    Of the national limit and those of the regions concerned the strictest holds; the category's limit goes before that
    of its severity, and the law's before both. Raises Refused where a policy is missing, with CONFIGURATION_INVALID.
    """
    hours, found = federation.working_hours, []
    for kind, stage in _STAGES.items():
        if kind == rules.RESOLVE and category.HasField("resolution_limit"):
            limits = _of(category.resolution_limit, category.regional_limits, complaint)
        else:
            limits = _limits(federation, severity_policy(complaint.severity, stage), complaint)
        found.append(starting(kind, limits, start, hours))
    found.append(starting(rules.LEGAL, _limits(federation, LEGAL_CAP, complaint), start, hours))
    for each in found:
        for term in each.terms:  # in a year without a calendar weekends alone count, which is told
            federation.note_years(term.limit, start, from_timestamp(term.end_time), term.region)
    del complaint.deadlines[:]
    complaint.deadlines.extend(found)
    complaint.expected_resolution_date.CopyFrom(to_timestamp(promised(complaint)))


def haste(federation: Federation, complaint: Complaint, now: datetime) -> Deadline:
    """By when a reminder is to be answered."""
    return starting(rules.EXPEDITE, _limits(federation, EXPEDITE_POLICY, complaint), now, federation.working_hours)


def refund(federation: Federation, complaint: Complaint, now: datetime) -> Deadline | None:
    """By when the money that was accepted now is to be given; None where the category promises no time."""
    code = complaint.request.category
    category = next((each for each in federation.complaint_categories if each.code == code), None)
    if category is None or not category.HasField("refund_limit"):
        return None
    limit = Limit(complaint.owner_region, category.refund_limit)
    found = starting(rules.REFUND, [limit], now, federation.working_hours)
    federation.note_years(limit.limit, now, from_timestamp(found.due), limit.region)
    return found


def _limits(federation: Federation, name: str, complaint: Complaint) -> list[Limit]:
    policy = federation.policy(name)
    return _of(policy.limit, policy.regional, complaint)


def _of(national: TimeLimit, regional: Iterable[RegionalLimit | RegionalPolicy], complaint: Complaint) -> list[Limit]:
    """The national limit by the calendar of the responsible region, and those of the regions that are stricter."""
    concerned = {complaint.handling_region, complaint.home_region, complaint.owner_region}
    stricter = (Limit(each.region, each.limit) for each in regional if each.region in concerned)
    return [Limit(complaint.owner_region, national), *stricter]
