"""A complaint across regions: the region of first contact is its origin, the responsible region owns it."""

from gateway.api.region.v1.complaint_pb2 import Complaint
from region_node.care.complaints import rules
from region_node.care.complaints.rows import COMPLAINT_RECORDS
from region_node.tickets.followed import Facts, Followed


def facts(complaint: Complaint) -> Facts:
    """Who has a part in a complaint."""
    return Facts(
        name=complaint.docket,
        origin=complaint.handling_region,
        owner=complaint.owner_region,
        operator=complaint.operator,
        version=complaint.version,
        state=complaint.state,
        created=complaint.creation_date,
    )


COMPLAINT = Followed(
    records=COMPLAINT_RECORDS,
    facts=facts,
    prefix="",
    first=rules.ACKNOWLEDGED,
    final=rules.FINAL,
    require_plausible=rules.require_level,
    fixed=(
        "docket",
        "request",
        "classification",
        "creation_date",
        "handling_region",
        "operator",
        "owner_region",
        "home_region",
        "parent",
    ),
)
