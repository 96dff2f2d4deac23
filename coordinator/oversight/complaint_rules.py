"""A complaint in the reports of several regions. Pure."""

from collections.abc import Mapping

from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader, ListComplaintHeadersResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused


def first_contact(ticket_id: str) -> str:
    """The origin region, with which a ticket id begins. Raises Refused with REQUEST_INVALID."""
    parts = ticket_id.split("/")
    if len(parts) < 2 or not all(parts):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="ticket_id", problem="not a region, a slash and a number")
    return parts[0]


def merged(reports: Mapping[str, ListComplaintHeadersResponse], *, by_time: bool) -> list[ComplaintHeader]:
    """Each complaint of all reports once: by due time, or newest first. `reports` are by region.

    The responsible region's header counts; without it, the highest version. A complaint missing from the responsible
    region's complete report is dropped: other regions' headers of it are older.
    """
    chosen: dict[str, tuple[bool, int]] = {}
    complaints: dict[str, ComplaintHeader] = {}
    for region, report in reports.items():
        for header in report.complaints:
            rank = (header.owner_region == region, header.version)
            if header.ticket_id not in chosen or rank > chosen[header.ticket_id]:
                chosen[header.ticket_id], complaints[header.ticket_id] = rank, header
    told = [each for ticket_id, each in complaints.items() if chosen[ticket_id][0] or not _is_old(each, reports)]
    return sorted(told, key=_due if by_time else _age)


def concerns(header: ComplaintHeader, region: str) -> bool:
    """Whether a region is the first contact of a complaint, or responsible."""
    return region in (header.origin_region, header.owner_region)


def _is_old(header: ComplaintHeader, reports: Mapping[str, ListComplaintHeadersResponse]) -> bool:
    """Whether the responsible region has reported completely, without this complaint."""
    answer = reports.get(header.owner_region)
    return bool(header.version) and answer is not None and not answer.has_more


def _due(header: ComplaintHeader) -> tuple[int, int, str]:
    return (header.due.seconds, header.due.nanos, header.ticket_id)


def _age(header: ComplaintHeader) -> tuple[int, int, str]:
    return (-header.create_time.seconds, -header.create_time.nanos, header.ticket_id)
