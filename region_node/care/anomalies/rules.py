"""The rules by which dealings are an anomaly, and the hours of the day in which an operator system works. Pure.

The bounds are figures of the federation's policies, with their sources.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from gateway.api.region.v1.anomaly_service_pb2 import AnomalyCause
from gateway.values.requesters import SELF_SERVICE

LINES = AnomalyCause.ANOMALY_CAUSE_MANY_LINES
FAILURES = AnomalyCause.ANOMALY_CAUSE_MANY_FAILURES
UNUSUAL = AnomalyCause.ANOMALY_CAUSE_UNUSUAL_HOURS
UNKNOWN = AnomalyCause.ANOMALY_CAUSE_MANY_UNKNOWN_NUMBERS
LEARNING_DAYS = 14
"""The days after the first work of an operator system in which no hour is unusual."""
REMEMBERED_DAYS = 28
"""The days before the last work that count for what is usual."""
_USUAL_DAYS = 3  # with work in an hour of the day, or beside it: once may be an intruder
_HOURS = 24


class Counted(NamedTuple):
    """Dealings, failures, and the failures by an unknown number of an hour, in hours since 1970.

    The operator and the staff id are empty for the rest.
    """

    hour: int
    region: str
    operator: str
    staff_id: str
    lines: int
    failures: int
    unknown_numbers: int = 0


@dataclass(frozen=True)
class Bounds:
    """The most in an hour; None where the federation has no policy."""

    lines_of_staff: int | None = None
    lines_of_operator: int | None = None
    lines_of_region: int | None = None
    failures_of_staff: int | None = None
    failures_of_operator: int | None = None
    failures_of_region: int | None = None
    lines_at_unusual_hours: int | None = None
    unknown_of_staff: int | None = None
    unknown_of_operator: int | None = None
    unknown_of_region: int | None = None


class Found(NamedTuple):
    """An anomaly: of a region as a whole, of an operator system as a whole, or of a member of staff there."""

    hour: int
    region: str
    operator: str
    staff_id: str
    cause: AnomalyCause.ValueType
    counted: int
    most: int


class OperatorHours(NamedTuple):
    """The hours of the day in which an operator system has worked. Days are in days since 1970."""

    region: str
    operator: str
    first_day: int
    last_day: int
    hours: str

    @classmethod
    def begun(cls, region: str, operator: str, day: int) -> "OperatorHours":
        """Those of an operator system that has not worked before a day."""
        return cls(region, operator, day, day, " ".join("0" * _HOURS))

    def with_work(self, day: int, hour: int) -> "OperatorHours":
        """With work on a day in an hour of the day, 0 to 23. Work of a forgotten day changes nothing."""
        last = max(self.last_day, day)
        kept = (1 << REMEMBERED_DAYS) - 1
        bits = [each << min(last - self.last_day, REMEMBERED_DAYS) & kept for each in self._bits()]
        bits[hour] |= 1 << (last - day) & kept if last - day < REMEMBERED_DAYS else 0
        first = min(self.first_day, day)
        return self._replace(first_day=first, last_day=last, hours=" ".join(map(str, bits)))

    def is_learnt(self, day: int) -> bool:
        """Whether it is known for long enough."""
        return day - self.first_day >= LEARNING_DAYS

    def is_usual(self, day: int, hour: int) -> bool:
        """Whether it works in an hour of the day as a rule, or in the hour before or after, or is not known yet."""
        if not self.is_learnt(day):
            return True
        bits = self._bits()
        beside = bits[hour - 1] | bits[hour] | bits[(hour + 1) % _HOURS]
        return beside.bit_count() >= _USUAL_DAYS

    def _bits(self) -> list[int]:
        return [int(each) for each in self.hours.split(" ")]


def found(
    rows: Iterable[Counted],
    bounds_of: Callable[[str], Bounds],
    is_usual: Callable[[int, str, str], bool],
    own_region: str,
) -> Iterator[Found]:
    """All anomalies of the rows, of each hour and region in this order: as a whole, operator systems, staff.

    By `is_usual` an operator system, by hour, region and name, works in the hour as a rule.
    """
    for (hour, region), of_region in groupby(sorted(rows), lambda each: (each.hour, each.region)):
        counted, bounds = list(of_region), bounds_of(region)
        if region != own_region:
            total = _sum(counted, hour, region)
            yield from _beyond(total, bounds.lines_of_region, bounds.failures_of_region, bounds.unknown_of_region)
        for operator, of_operator in groupby(counted, lambda each: each.operator):
            if operator:
                yield from _of_operator(list(of_operator), bounds, is_usual)


def _of_operator(rows: Sequence[Counted], bounds: Bounds, is_usual: Callable[[int, str, str], bool]) -> Iterator[Found]:
    total = _sum(rows, rows[0].hour, rows[0].region, rows[0].operator)
    yield from _beyond(total, bounds.lines_of_operator, bounds.failures_of_operator, bounds.unknown_of_operator)
    most = bounds.lines_at_unusual_hours
    if most is not None and total.lines > most and not is_usual(total.hour, total.region, total.operator):
        yield Found(*total[:4], UNUSUAL, total.lines, most)
    for each in rows:
        if each.staff_id not in ("", SELF_SERVICE):
            yield from _beyond(each, bounds.lines_of_staff, bounds.failures_of_staff, bounds.unknown_of_staff)


def _sum(rows: Sequence[Counted], hour: int, region: str, operator: str = "") -> Counted:
    lines, failures = sum(each.lines for each in rows), sum(each.failures for each in rows)
    return Counted(hour, region, operator, "", lines, failures, sum(each.unknown_numbers for each in rows))


def _beyond(counted: Counted, lines: int | None, failures: int | None, unknown: int | None) -> Iterator[Found]:
    if lines is not None and counted.lines > lines:
        yield Found(*counted[:4], LINES, counted.lines, lines)
    if failures is not None and counted.failures > failures:
        yield Found(*counted[:4], FAILURES, counted.failures, failures)
    if unknown is not None and counted.unknown_numbers > unknown:
        yield Found(*counted[:4], UNKNOWN, counted.unknown_numbers, unknown)
