"""Which limits hold for a complaint: the policies of its severity, its category's own, and the law's."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.complaint_pb2 import Complaint, Deadline
from gateway.clock import from_timestamp, to_timestamp
from gateway.federation.catalogue import Federation
from region_node.complaints import rules
from region_node.complaints.deadlines import Limit, promised, starting
from region_node.complaints.taxonomy import Category

LEGAL_POLICY = "complaint-answer"
EXPEDITE_POLICY = "complaint-expedite"
_OF_SEVERITY = (
    (rules.ACKNOWLEDGE, "complaint-acknowledge"),
    (rules.FIRST_RESPONSE, "complaint-first-response"),
    (rules.RESOLVE, "complaint-resolve"),
)


def set_deadlines(federation: Federation, complaint: Complaint, category: Category, start: datetime) -> None:
    """Sets what has to happen by when, and the time that the customer is promised.

    Of the national limit and those of the regions concerned the strictest holds; the category's limit goes before that
    of its severity, and the law's before both. Raises Refused where a policy is missing, with CONFIGURATION_INVALID.
    """
    hours, found = federation.working_hours, []
    for kind, policy in _OF_SEVERITY:
        if kind == rules.RESOLVE and category.limit is not None:
            limits: Sequence[Limit] = [Limit(complaint.owner_region, category.limit)]
        else:
            limits = _limits(federation, f"{policy}-s{complaint.severity}", complaint)
        found.append(starting(kind, limits, start, hours))
    found.append(starting(rules.LEGAL, _limits(federation, LEGAL_POLICY, complaint), start, hours))
    for each in found:
        for term in each.terms:  # in a year without a calendar weekends alone count, which is told
            federation.note_years(term.limit, start, from_timestamp(term.end_time), term.region)
    del complaint.deadlines[:]
    complaint.deadlines.extend(found)
    complaint.expected_resolution_date.CopyFrom(to_timestamp(promised(complaint)))


def haste(federation: Federation, complaint: Complaint, now: datetime) -> Deadline:
    """By when a reminder is to be answered."""
    return starting(rules.EXPEDITE, _limits(federation, EXPEDITE_POLICY, complaint), now, federation.working_hours)


def _limits(federation: Federation, policy: str, complaint: Complaint) -> list[Limit]:
    """The national limit by the calendar of the responsible region, and those of the regions that are stricter."""
    concerned = [complaint.handling_region, complaint.home_region, complaint.owner_region]
    regions = list(dict.fromkeys(reversed([each for each in concerned if each])))[::-1]
    return [Limit(region, limit) for region, limit in federation.policy_limits(policy, regions)]
