"""The figures of complaints (ETSI EG 202 057-1, MIIT), counted one by one. Pure.

A complaint belongs to the month of its filing, and to its current owner region, department and category. Its time
runs from filing to the valid resolution. The time includes weekends and waiting for the customer, as the customer
experienced them. Its own deadline, which may have moved, decides whether that was in time.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintCount
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.time.clock import from_microseconds
from region_node.care.complaints.figure_rows import Counted

LEVELS = 6  # L0 to L5
_MINUTE = 60_000_000  # microseconds


@dataclass
class _Group:
    """The complaints of one category and department."""

    complaints: int = 0
    timed: int = 0
    in_time: int = 0
    first_contact: int = 0
    repeats: int = 0
    reopened: int = 0
    reached: list[int] = field(default_factory=lambda: [0] * LEVELS)
    ratings: int = 0
    rating_sum: int = 0
    minutes: list[int] = field(default_factory=list)
    days: Counter[int] = field(default_factory=Counter)

    def take(self, each: Counted, zone: tzinfo) -> None:
        """Counts a complaint."""
        self.complaints += 1
        self.days[from_microseconds(each.create_time).astimezone(zone).day] += 1
        self.repeats += each.repeats > 0
        self.reopened += each.refusals > 0
        for level in range(min(each.level, LEVELS - 1) + 1):
            self.reached[level] += 1
        self.ratings += each.rating > 0
        self.rating_sum += each.rating
        self.timed += each.timed
        self.in_time += each.in_time
        if each.resolved is not None:
            self.first_contact += not each.contacts
            self.minutes.append(max(0, -((each.create_time - each.resolved) // _MINUTE)))


class Tally:
    """Counts complaints page by page."""

    def __init__(self, zone: tzinfo) -> None:
        """Days are those of `zone`."""
        self._zone = zone
        self._groups: dict[tuple[str, str, str], _Group] = {}

    def take(self, page: Iterable[Counted]) -> None:
        """Some complaints more."""
        for each in page:
            key = (each.category, each.department_en, each.department_zh)
            self._groups.setdefault(key, _Group()).take(each, self._zone)

    def counts(self) -> Sequence[ComplaintCount]:
        """The counts, by category and department."""
        return [
            ComplaintCount(
                category=category,
                department=LocalizedText(zh_cn=chinese, en=english),
                complaints=group.complaints,
                timed=group.timed,
                in_time=group.in_time,
                first_contact=group.first_contact,
                repeats=group.repeats,
                reopened=group.reopened,
                reached=group.reached,
                ratings=group.ratings,
                rating_sum=group.rating_sum,
                minutes=sorted(group.minutes),
                days=[group.days[day] for day in range(1, max(group.days) + 1)],
            )
            for (category, english, chinese), group in sorted(self._groups.items())
        ]
