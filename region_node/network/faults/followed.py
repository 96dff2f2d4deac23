"""A fault across regions: the reporting region is its origin, the region of its place owns it."""

from gateway.api.region.v1.fault_pb2 import Fault
from region_node.network.faults import outages, rules
from region_node.network.faults.rows import FAULT_RECORDS
from region_node.tickets.followed import Facts, Followed


def facts(fault: Fault) -> Facts:
    """The regions with a part in a fault."""
    return Facts(
        name=fault.id,
        origin=fault.origin_region,
        owner=fault.owner_region,
        operator=fault.operator,
        version=fault.version,
        state=fault.state,
        created=fault.create_time,
    )


FAULT = Followed(
    records=FAULT_RECORDS,
    facts=facts,
    prefix="F",
    first=rules.ACKNOWLEDGED,
    final=rules.FINAL,
    require_plausible=outages.require_plausible,
    fixed=("id", "report", "create_time", "origin_region", "operator", "owner_region", "home_region"),
)
