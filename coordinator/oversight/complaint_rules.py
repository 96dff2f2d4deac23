"""A complaint in the reports of several regions. Pure."""

from collections.abc import Mapping, Sequence

from coordinator.oversight.rules import best_told
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader
from gateway.errors import invalid
from gateway.federation.body import HIGHEST_LEVEL, escalation_level


def levels() -> range:
    """The levels to which a complaint can be raised."""
    return range(1, HIGHEST_LEVEL + 1)


def is_with_body(level: int) -> bool:
    """Whether a complaint of this level has reached the coordination body."""
    return level >= escalation_level(1)


def first_contact(ticket_id: str) -> str:
    """The origin region, with which a ticket id begins. Raises Refused with REQUEST_INVALID."""
    parts = ticket_id.split("/")
    if len(parts) < 2 or not all(parts):
        raise invalid("ticket_id", "not a region, a slash and a number", "须为<地区>/<编号>")
    return parts[0]


def merged(reports: Mapping[str, Sequence[ComplaintHeader]]) -> list[ComplaintHeader]:
    """Each complaint of all reports once. `reports` are by region.

    The owner region's header counts; without it, the highest version. A complaint missing from the owner
    region's complete report is dropped: other regions' headers of it are older.
    """
    best = best_told(reports, lambda each: each.ticket_id, lambda each: each.owner_region)
    return [
        each for is_owner, each in best.values() if is_owner or not each.version or each.owner_region not in reports
    ]
