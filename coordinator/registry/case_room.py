"""Cases of complaints in the share of the region that leads them."""

from collections import Counter
from collections.abc import Iterable, Mapping

from coordinator.registry import shares
from coordinator.registry.tally import Mark, Tally
from gateway.api.region.v1.case_service_pb2 import CaseHeader

_UNIT = 2 * 1024  # of a case with its usual items


def charges_of(cases: Iterable[CaseHeader]) -> Mapping[str, int]:
    """The charges of cases, by the regions that lead them."""
    found = Counter[str]()
    for each in cases:
        found[shares.region_of(each.ticket_id)] += charge_of(each)
    return found


def take_left(tally: Tally, left: Iterable[CaseHeader], region: str, mark: Mark) -> None:
    """Takes the charges of what is left of a region's cases, or of all, read after a mark."""
    charges = charges_of(left)
    if region:
        tally.take_one(region, charges.get(region, 0), mark)
    else:
        tally.take(charges, mark)


def charge_of(header: CaseHeader) -> int:
    """The charge of a case."""
    return shares.whole(header.ByteSize(), _UNIT)


def growth_of(header: CaseHeader, before: CaseHeader | None) -> int:
    """How much more a version of a case takes than the stored one; None where none is stored."""
    return charge_of(header) - (charge_of(before) if before is not None else 0)


def has_room(tally: Tally, header: CaseHeader, before: CaseHeader | None) -> bool:
    """Whether the share of a region has room for a version of its case.

    An end may take a unit more than the case before it, for an ended case can go. So a reopened one needs room.
    """
    growth = growth_of(header, before)
    if before is not None and header.HasField("end_time") != before.HasField("end_time"):
        growth = growth - _UNIT if header.HasField("end_time") else max(growth, 1)
    return tally.has_room(shares.region_of(header.ticket_id), growth, shares.CASES)
