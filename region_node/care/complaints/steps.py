"""The steps that staff of a region can take on a complaint as it is. Pure: each RPC checks again."""

from collections.abc import Iterator

from gateway.api.region.v1.complaint_pb2 import Complaint, RemedyState
from region_node.care.complaints import rules
from region_node.care.complaints.cases import AWAITING_COORDINATOR, open_items

RESPOND, ASK, PROPOSE, RETURN, SETTLE = "respond", "ask", "propose", "return", "settle"
CLASSIFY, PASS_ON, ACCEPT, REFUSE = "classify", "pass_on", "accept", "refuse"
WITHDRAW, EXPEDITE = "withdraw", "expedite"
_AT_DEPARTMENT = frozenset({rules.IN_PROGRESS, rules.PENDING})


def steps_of(complaint: Complaint, region: str) -> Iterator[str]:
    """The steps of a region: those of its department, of the classification, and of the customer who is there."""
    if complaint.owner_region == region:
        yield from _of_department(complaint)
    if complaint.origin_region == region and not complaint.case_id and not rules.is_final(complaint):
        yield from _at_first_contact(complaint, region)


def _of_department(complaint: Complaint) -> Iterator[str]:
    is_unclassified = rules.is_unclassified(complaint) and not rules.is_final(complaint)
    if complaint.state in _AT_DEPARTMENT or is_unclassified:  # the desk may ask the customer
        yield RESPOND
    if complaint.state == rules.IN_PROGRESS:
        yield ASK
    if complaint.state in _AT_DEPARTMENT:
        if not open_items(complaint):
            yield PROPOSE
        if not complaint.items:  # a case is led to its end
            yield RETURN
    if complaint.remedy.state == RemedyState.REMEDY_STATE_REFUSED:
        yield SETTLE


def _at_first_contact(complaint: Complaint, region: str) -> Iterator[str]:
    is_own = complaint.owner_region == region
    are_returned = all(each.state == AWAITING_COORDINATOR for each in open_items(complaint))
    if are_returned and (not complaint.version or (is_own and complaint.state in _AT_DEPARTMENT)):
        yield CLASSIFY
    if not is_own and complaint.state in (rules.ACKNOWLEDGED, *_AT_DEPARTMENT, rules.HELD):
        yield PASS_ON
    if complaint.state == rules.RESOLVED:
        yield from (ACCEPT, REFUSE)
    if complaint.state in (rules.ACKNOWLEDGED, *_AT_DEPARTMENT):
        yield WITHDRAW
    if complaint.state in (rules.ACKNOWLEDGED, rules.IN_PROGRESS, rules.HELD):
        yield EXPEDITE
