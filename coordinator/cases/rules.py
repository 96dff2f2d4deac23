"""Rules for the cases that a region reports, and the order of lists. Pure."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from gateway.api.federation.v1.body_pb2 import OnDuty
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.region.v1.complaint_pb2 import TimeReason, WorkItemState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, unknown
from gateway.federation.body import CASE_WITHOUT_OWNER, Body
from gateway.time.clock import from_timestamp, times_are_dated, to_microseconds

# A complaint of the same number and category within thirty days is a repeat; its handler still sees the case.
KEPT_AFTER_END = timedelta(days=30)

_TICKET_ID = re.compile(r"(?P<region>[a-z][a-z0-9-]*)/[A-Za-z0-9._-]{1,64}(?:/[1-9][0-9]{0,3})?", re.ASCII)
_HEADER_BYTES = 64 * 1024  # of a case with hundreds of items
_LARGEST_VERSION = 2**63 - 1
_OPEN = (WorkItemState.WORK_ITEM_STATE_AWAITING_REGION, WorkItemState.WORK_ITEM_STATE_IN_PROGRESS)


def leading_region(ticket_id: str) -> str:
    """The region in `<origin region>/<day>-<number>`, also of a work item. Raises Refused for no ticket id."""
    found = _TICKET_ID.fullmatch(ticket_id)
    if found is None:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="ticket_id", problem="not region/day-number")
    return found["region"]


def require_header(header: CaseHeader, region: str) -> None:
    """Raises Refused for a case that the region does not lead, and for an invalid one."""
    if leading_region(header.ticket_id) != region:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="header.ticket_id", problem="of another region")
    if header.ByteSize() > _HEADER_BYTES:
        raise Refused(Reason.REASON_MESSAGE_TOO_LARGE, limit=str(_HEADER_BYTES))
    if not 0 < header.version <= _LARGEST_VERSION or not header.items:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="header", problem="no case")
    if not times_are_dated(header):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="header", problem="a time is out of range")


def require_department(configuration: Configuration | None, code: str) -> None:
    """Raises Refused with DEPARTMENT_UNKNOWN unless some category of complaints names it."""
    categories = configuration.complaint_categories if configuration is not None else ()
    known = {each.code for category in categories for each in category.departments}
    if code not in known:
        raise unknown(Reason.REASON_DEPARTMENT_UNKNOWN, known, department=code)


def on_duty(case: CaseHeader, body: Body, now: datetime) -> OnDuty | None:
    """The person to call for a case: of the party that has it. None for the customer, at an end, and for nobody."""
    custody = case.custody
    if case.HasField("end_time"):
        return None
    found: OnDuty | None = None
    if custody.reason == TimeReason.TIME_REASON_WAITING_FOR_COORDINATOR:
        found = body.lead_on_duty(CASE_WITHOUT_OWNER, leading_region(case.ticket_id), "", now)
    elif custody.region:
        items = (item for item in case.items if item.region == custody.region and item.state in _OPEN)
        department = next((item.department.code for item in items), "")
        found = body.on_duty(custody.region, department, now)
    return found if found is not None and found.HasField("contact") else None


def listed(cases: Iterable[CaseHeader], region: str, now: datetime, *, include_ended: bool) -> list[CaseHeader]:
    """Returns the cases of a region, or of all, the first due first."""
    found = [
        each
        for each in cases
        if (include_ended or not each.HasField("end_time"))
        and not is_past(each, now)
        and (not region or region == leading_region(each.ticket_id) or region in [item.region for item in each.items])
    ]
    return sorted(found, key=place)


def is_past(header: CaseHeader, now: datetime) -> bool:
    """Whether a case ended so long ago that no coordinator keeps it."""
    return header.HasField("end_time") and from_timestamp(header.end_time) < now - KEPT_AFTER_END


def place(header: CaseHeader) -> tuple[int, str]:
    """The place of a case in lists."""
    return to_microseconds(from_timestamp(header.due_time)), header.ticket_id
