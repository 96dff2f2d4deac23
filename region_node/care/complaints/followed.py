"""A complaint across regions: the origin region is its origin, the responsible region owns it."""

from gateway.api.region.v1.complaint_pb2 import Complaint
from region_node.care.complaints import rules
from region_node.care.complaints.rows import COMPLAINT_RECORDS
from region_node.tickets.followed import Facts, Followed


def facts(complaint: Complaint) -> Facts:
    """The regions with a part in a complaint."""
    return Facts(
        name=complaint.ticket_id,
        origin=complaint.origin_region,
        owner=complaint.owner_region,
        operator=complaint.operator,
        version=complaint.version,
        state=complaint.state,
        created=complaint.create_time,
    )


COMPLAINT = Followed(
    records=COMPLAINT_RECORDS,
    facts=facts,
    prefix="",
    first=rules.ACKNOWLEDGED,
    final=rules.FINAL,
    require_plausible=rules.require_level,
    fixed=(
        "ticket_id",
        "request",
        "classification",
        "create_time",
        "origin_region",
        "operator",
        "owner_region",
        "home_region",
        "parent",
    ),
)
