"""Complaints of regions, without their texts."""

from collections.abc import Iterator

from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader, ComplaintHistory
from gateway.time.clock import from_timestamp
from gateway.wording.complaints import entered, filing, is_at_filing, raised
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import region_name
from gateway.wording.times import Happening


def happened(history: ComplaintHistory) -> Iterator[Happening]:
    """Time, author and text of each event."""
    header, settings = history.header, history.categories
    first = settings[0].category if settings else header.category
    category = "" if settings and not is_at_filing(settings[0]) else first
    yield from filing(header.create_time, header.origin_region, category, header.severity, settings)
    yield from entered(history.state_changes)
    yield from raised(history.escalations)
    for said in history.utterances:
        what = translated("asked the customer") if said.asks_customer else translated("said something")
        yield from_timestamp(said.time), region_name(said.region), what
    for time in history.expedite_times:
        yield from_timestamp(time), region_name(header.origin_region), translated("haste asked for")


def told_responsible(header: ComplaintHeader) -> str:
    """The region and the department that are responsible for a complaint."""
    return f"{region_name(header.owner_region)} {in_language(header.department)}".strip()
