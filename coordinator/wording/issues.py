"""Issues between regions: the level that they reached, and the owner region."""

from gateway.api.region.v1.issue_oversight_service_pb2 import IssueHeader
from gateway.federation.body import escalation_level
from gateway.wording.languages import translated
from gateway.wording.terms import region_name


def told_level(issue: IssueHeader) -> str:
    """The level that an escalation, or the silence of the owner, has reached; empty for none."""
    reached = max(issue.escalations, issue.silent_limits)
    return f"L{escalation_level(reached)}" if reached else ""


def told_owner(issue: IssueHeader) -> str:
    """The owner region, and whether it has left or is silent."""
    region = region_name(issue.owner_region)
    if issue.owner_has_left:
        return translated("{region}, which has left", region=region)
    return translated("{region}, which is silent", region=region) if issue.silent_limits else region
