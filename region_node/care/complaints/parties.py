"""The regions that a complaint concerns. Pure."""

from collections.abc import Sequence

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.care.complaints import cases


def parties(complaint: Complaint) -> Sequence[str]:
    """The regions of a complaint, each once: they may read its attachments, and put questions to each other."""
    return tuple(dict.fromkeys((complaint.origin_region, complaint.owner_region)))


def may_read(complaint: Complaint, region: str) -> bool:
    """Whether a region may read attachments: a party that has not returned its part since."""
    has_returned = complaint.HasField("returned") and region != complaint.origin_region
    return region in parties(complaint) and not has_returned


def require_other_party(complaint: Complaint, region: str, asking: str) -> None:
    """Raises Refused with COMPLAINT_REGION_NOT_CONCERNED unless a region is concerned and differs from `asking`.

    In a case, regions with a work item that accepts messages are concerned, too.
    """
    if region == asking or region not in (*parties(complaint), *cases.regions_at_work(complaint)):
        raise Refused(Reason.REASON_COMPLAINT_REGION_NOT_CONCERNED, region=region)
