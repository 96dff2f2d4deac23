"""The figures of all regions, put together by region, department, category and month. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import (
    ComplaintDimension,
    ComplaintFigures,
    ComplaintGrouping,
    ComplaintTable,
)
from gateway.api.region.v1.complaint_oversight_service_pb2 import (
    ComplaintCount,
    CountComplaintsResponse,
    FormerComplaints,
)
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import invalid
from gateway.values.percentiles import percentile

REGION = ComplaintDimension.COMPLAINT_DIMENSION_REGION
DEPARTMENT = ComplaintDimension.COMPLAINT_DIMENSION_DEPARTMENT
CATEGORY = ComplaintDimension.COMPLAINT_DIMENSION_CATEGORY
MONTH = ComplaintDimension.COMPLAINT_DIMENSION_MONTH
MOST_GROUPINGS = 8
MOST_MONTHS = 36
_LEVELS = 6  # L0 to L5

Counts = Mapping[str, Mapping[str, CountComplaintsResponse]]
"""The counts of regions, by region and month."""

FormerMonth = tuple[str, FormerComplaints]
"""A month, and its complaints of a region that has left, as another region tells them."""

_Names = tuple[str, ...]
"""The names of a group by its dimensions; for a department its English and its Chinese name."""


@dataclass
class _Group:
    """The counts of one group."""

    region: str = ""
    department: LocalizedText = field(default_factory=LocalizedText)
    category: str = ""
    month: str = ""
    counts: list[ComplaintCount] = field(default_factory=list)
    has_former: bool = False
    """Whether a complaint is of a region that has left: nobody knows how many customers it has."""


def require_groupings(groupings: Sequence[ComplaintGrouping]) -> None:
    """Raises Refused with REQUEST_INVALID for none or too many, and for dimensions that are unknown or named twice."""
    if not 1 <= len(groupings) <= MOST_GROUPINGS:
        raise invalid("groupings", f"not 1 to {MOST_GROUPINGS}", f"须为1至{MOST_GROUPINGS}项")
    known = set(ComplaintDimension.values()) - {0}
    if any(len(set(each.by)) != len(each.by) or not set(each.by) <= known for each in groupings):
        raise invalid("groupings", "names a dimension twice, or one that there is not", "维度重复，或没有此维度")


def former_counts(regions: Iterable[str], told: Iterable[Iterable[FormerMonth]]) -> Counts:
    """The counts of regions that have left, out of the answers of other regions about them."""
    found = {region: defaultdict[str, CountComplaintsResponse](CountComplaintsResponse) for region in regions}
    for answer in told:
        for month, each in answer:
            found[each.region][month].counts.extend(each.counts)
    return found


def customers_of(counts: Counts) -> Mapping[str, int]:
    """How many customers each region has."""
    return {region: max((each.customers for each in months.values()), default=0) for region, months in counts.items()}


def table(counts: Counts, by: Sequence[ComplaintDimension.ValueType], former: Collection[str] = ()) -> ComplaintTable:
    """The figures of each group with a complaint, in the order of its dimensions; without any, one row of all.

    `former` are the regions that have left. A group with complaints of theirs has no number of customers.
    """
    groups: dict[_Names, _Group] = {}
    if not by:
        groups[()] = _Group()
    for region, month, each in _each(counts):
        names = _names(by, region, month, each)
        group = groups.get(names)
        if group is None:
            group = groups[names] = _Group(
                region=region if REGION in by else "",
                department=each.department if DEPARTMENT in by else LocalizedText(),
                category=each.category if CATEGORY in by else "",
                month=month if MONTH in by else "",
            )
        group.counts.append(each)
        group.has_former |= region in former
    customers = customers_of(counts)
    everybody = sum(customers.values())
    found = [groups[names] for names in sorted(groups)]
    rows = [_figures(each, 0 if each.has_former else customers.get(each.region, everybody)) for each in found]
    return ComplaintTable(by=by, rows=rows)


def _each(counts: Counts) -> Iterator[tuple[str, str, ComplaintCount]]:
    for region, months in counts.items():
        for month, answer in months.items():
            for each in answer.counts:
                yield region, month, each


def _names(by: Iterable[ComplaintDimension.ValueType], region: str, month: str, each: ComplaintCount) -> _Names:
    told = {
        REGION: (region,),
        DEPARTMENT: (each.department.en, each.department.zh_cn),
        CATEGORY: (each.category,),
        MONTH: (month,),
    }
    return tuple(name for dimension in by for name in told[dimension])


def _figures(group: _Group, customers: int) -> ComplaintFigures:
    minutes = sorted(value for each in group.counts for value in each.minutes)
    return ComplaintFigures(
        region=group.region,
        department=group.department,
        category=group.category,
        month=group.month,
        customers=customers,
        complaints=sum(each.complaints for each in group.counts),
        timed=sum(each.timed for each in group.counts),
        in_time=sum(each.in_time for each in group.counts),
        resolved=len(minutes),
        resolution_80=percentile(minutes, 80) if minutes else 0,
        resolution_95=percentile(minutes, 95) if minutes else 0,
        first_contact=sum(each.first_contact for each in group.counts),
        repeats=sum(each.repeats for each in group.counts),
        reopened=sum(each.reopened for each in group.counts),
        reached=[sum(_at(each.reached, level) for each in group.counts) for level in range(_LEVELS)],
        ratings=sum(each.ratings for each in group.counts),
        rating_sum=sum(each.rating_sum for each in group.counts),
    )


def _at(reached: Sequence[int], level: int) -> int:
    """A region of another version may report fewer levels."""
    return reached[level] if level < len(reached) else 0
