"""A support request across regions: the opening region is its origin, the region at fault owns it."""

from gateway.api.region.v1.support_request_pb2 import SupportRequest
from region_node.network.support import rules
from region_node.network.support.rows import SUPPORT_RECORDS
from region_node.tickets.followed import Facts, Followed


def facts(request: SupportRequest) -> Facts:
    """The regions with a part in a support request."""
    return Facts(
        name=request.id,
        origin=request.origin_region,
        owner=request.owner_region,
        operator=request.operator,
        version=request.version,
        state=request.state,
        created=request.create_time,
    )


SUPPORT = Followed(
    records=SUPPORT_RECORDS,
    facts=facts,
    prefix="S",
    first=rules.ACKNOWLEDGED,
    final=frozenset({rules.CLOSED}),
    fixed=(
        "id",
        "inquiry",
        "finding",
        "create_time",
        "origin_region",
        "operator",
        "owner_region",
        "home_region",
    ),
)
