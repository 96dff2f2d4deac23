"""The figures of complaints: counted at regions row by row, put together by the coordinator, as a plain list says."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.oversight import figures
from coordinator.wording.complaint_figures import per_customers
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import (
    ComplaintDimension,
    ComplaintFigures,
    ComplaintGrouping,
)
from gateway.api.region.v1.complaint_oversight_service_pb2 import (
    ComplaintCount,
    CountComplaintsResponse,
    FormerComplaints,
)
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.errors import Refused
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import to_microseconds, to_timestamp
from gateway.time.months import month_before, months_between, require_month
from gateway.values.percentiles import percentile
from region_node.business.billing.rules import Month
from region_node.care.complaints import figure_rows, rules
from region_node.care.complaints.escalation import REGULATOR
from region_node.care.complaints.figure_rows import keep_figures
from region_node.care.complaints.figures import Tally
from region_node.schema import PACKAGES
from tests.empty_database import empty_database

START = datetime(2026, 9, 1, 0, 0, tzinfo=UTC)
ZONE = "Asia/Shanghai"
MONTHS = ("2026-09", "2026-10")
REGIONS = ("guangdong", "sichuan")
NOW = 80 * 24 * 60  # minutes after START
DEPARTMENTS = {"BILL_WRONG": "Billing", "BILL_VAS": "Billing", "NET_SPEED": "Networks", "": "Quality"}
DIMENSIONS = tuple(ComplaintDimension.values()[1:])
UNKNOWN = ComplaintDimension.COMPLAINT_DIMENSION_UNSPECIFIED


@dataclass(frozen=True)
class Filed:
    """A complaint in plain words; times in minutes after START."""

    region: str
    category: str
    filed: int
    allowed: int
    took: int | None
    state: ComplaintState.ValueType
    level: int
    repeats: int
    refusals: int
    asked: int
    hastened: int
    rating: int
    is_item: bool

    @property
    def month(self) -> str:
        local = START + timedelta(minutes=self.filed, hours=8)
        return f"{local:%Y-%m}"

    @property
    def department(self) -> str:
        return DEPARTMENTS[self.category]

    def complaint(self, ticket_id: str) -> Complaint:
        found = Complaint(
            ticket_id=f"{ticket_id}/1" if self.is_item else ticket_id,
            state=self.state,
            owner_region=self.region,
            origin_region="guangdong",
            create_time=to_timestamp(moment(self.filed)),
            level=self.level,
            repeats=self.repeats,
            refusals=self.refusals,
            rating=self.rating,
        )
        found.request.category = self.category
        found.request.number = "+8613800000000"
        found.department.en, found.department.zh_cn = self.department, f"{self.department}部"
        for _ in range(self.asked):
            found.state_changes.add(state=rules.PENDING)
        for _ in range(self.hastened):
            found.expedites.add()
        found.deadlines.add(kind=rules.LEGAL, due_time=to_timestamp(moment(self.filed + 1)))
        deadline = found.deadlines.add(kind=rules.RESOLVE, due_time=to_timestamp(moment(self.filed + self.allowed)))
        if self.took is not None:
            deadline.met_time.CopyFrom(to_timestamp(moment(self.filed + self.took)))
        return found


def moment(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


OPEN = (rules.ACKNOWLEDGED, rules.IN_PROGRESS, rules.PENDING, rules.CANCELLED)
RESOLVED = (rules.RESOLVED, rules.CLOSED)
MINUTES = st.integers(0, 20 * 24 * 60)


@st.composite
def filings(draw: st.DrawFn) -> Filed:
    took = draw(st.none() | MINUTES)
    return Filed(
        region=draw(st.sampled_from(REGIONS)),
        category=draw(st.sampled_from(sorted(DEPARTMENTS))),
        filed=draw(st.integers(0, 58 * 24 * 60)),
        allowed=draw(MINUTES),
        took=took,
        state=draw(st.sampled_from(OPEN if took is None else RESOLVED)),
        level=draw(st.integers(0, 5)),
        repeats=draw(st.integers(0, 2)),
        refusals=draw(st.integers(0, 2)),
        asked=draw(st.integers(0, 1)),
        hastened=draw(st.integers(0, 1)),
        rating=draw(st.integers(0, 5)),
        is_item=draw(st.sampled_from([False, False, False, True])),
    )


@pytest.fixture(name="tx", scope="module")
def transaction_of_a_region() -> Iterator[SqliteTransaction]:
    connection = empty_database(*PACKAGES)
    yield SqliteTransaction(connection, None)
    connection.close()


def counted(tx: SqliteTransaction, region: str, name: str, size: int) -> CountComplaintsResponse:
    """A region's counts of a month, in pages."""
    month = Month.of(name, ZONE)
    start, end = to_microseconds(month.start), to_microseconds(month.end)
    filed = figure_rows.Filed(region, start, end, to_microseconds(moment(NOW)))
    tally, after = Tally(ZoneInfo(ZONE)), (start, "")
    while page := figure_rows.counted_page(tx, filed, after, size):
        assert len(page) <= size
        tally.take(page)
        after = (page[-1].create_time, page[-1].ticket_id)
    counts = tally.counts()
    assert figure_rows.totals(tx, filed) == (
        sum(each.complaints for each in counts),
        sum(each.timed for each in counts),
        sum(each.in_time for each in counts),
        sum(each.repeats for each in counts),
        sum(each.reached[REGULATOR] for each in counts),
    )
    return CountComplaintsResponse(customers=1000 if region == "sichuan" else 500, counts=counts)


def nearest_rank(values: Sequence[int], percent: int) -> int:
    """By its definition: the smallest value that so many percent of all do not exceed."""
    for value in sorted(values):
        if sum(1 for other in values if other <= value) * 100 >= percent * len(values):
            return value
    return 0


def plain(found: Sequence[Filed], names: dict[str, str], customers: int) -> ComplaintFigures:
    """The figures of some complaints, from the list of them."""
    took = [each.took for each in found if each.took is not None]
    return ComplaintFigures(
        region=names.get("region", ""),
        category=names.get("category", ""),
        month=names.get("month", ""),
        customers=customers,
        complaints=len(found),
        timed=len([each for each in found if each.took is not None or is_late(each)]),
        in_time=len([each for each in found if each.took is not None and each.took <= each.allowed]),
        resolved=len(took),
        resolution_80=nearest_rank(took, 80),
        resolution_95=nearest_rank(took, 95),
        first_contact=len([each for each in found if each.took is not None and not came_again(each)]),
        repeats=len([each for each in found if each.repeats]),
        reopened=len([each for each in found if each.refusals]),
        reached=[len([each for each in found if each.level >= level]) for level in range(6)],
        ratings=len([each for each in found if each.rating]),
        rating_sum=sum(each.rating for each in found),
    )


def is_late(each: Filed) -> bool:
    return each.state != rules.CANCELLED and each.filed + each.allowed < NOW


def came_again(each: Filed) -> bool:
    return bool(each.refusals or each.asked or each.hastened)


@settings(max_examples=60)
@given(st.lists(filings(), max_size=25), st.integers(1, 4), st.sets(st.sampled_from(DIMENSIONS)))
@pytest.mark.clause("12.2")
def test_figures_are_what_the_plain_list_of_complaints_says(
    tx: SqliteTransaction, found: list[Filed], page: int, by: set[ComplaintDimension.ValueType]
) -> None:
    tx.execute("DELETE FROM complaint_figures")
    for number, each in enumerate(found):
        before = Complaint(ticket_id=each.complaint(f"guangdong/{number}").ticket_id, owner_region="henan")
        before.create_time.CopyFrom(to_timestamp(moment(each.filed)))
        keep_figures(tx, before)
        keep_figures(tx, each.complaint(f"guangdong/{number}"))
    counts = {region: {month: counted(tx, region, month, page) for month in MONTHS} for region in REGIONS}
    told = figures.table(counts, sorted(by))
    groups: dict[tuple[str, ...], list[Filed]] = {} if by else {(): []}
    for each in found:
        if not each.is_item:
            names = {
                figures.REGION: each.region,
                figures.DEPARTMENT: each.department,
                figures.CATEGORY: each.category,
                figures.MONTH: each.month,
            }
            groups.setdefault(tuple(names[dimension] for dimension in sorted(by)), []).append(each)
    expected = []
    for key, group in sorted(groups.items()):
        names_of = dict(zip((ComplaintDimension.Name(each)[20:].lower() for each in sorted(by)), key, strict=True))
        customers = {"guangdong": 500, "sichuan": 1000}.get(names_of.get("region", ""), 1500)
        row = plain(group, names_of, customers)
        if department := names_of.get("department"):
            row.department.en, row.department.zh_cn = department, f"{department}部"
        else:
            row.department.SetInParent()
        expected.append(row)
    assert list(told.rows) == expected


@given(st.lists(st.integers(0, 60), min_size=1, max_size=120), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_percent_do_not_exceed(values: list[int], percent: int) -> None:
    assert percentile(sorted(values), percent) == nearest_rank(values, percent)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([15, 20, 35, 40, 50], 30, 20), ([15, 20, 35, 40, 50], 40, 20), ([15, 20, 35, 40, 50], 50, 35), ([7], 95, 7)],
)
def test_percentiles_by_the_nearest_rank(values: list[int], percent: int, expected: int) -> None:
    assert percentile(values, percent) == expected


@pytest.mark.parametrize(("values", "percent"), [([], 80), ([1], 0), ([1], 101)])
def test_nothing_has_no_percentile(values: list[int], percent: int) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


def test_without_a_complaint_there_is_no_row_but_that_of_all() -> None:
    counts = {"guangdong": {"2026-09": CountComplaintsResponse(customers=500)}}
    assert not figures.table(counts, [figures.REGION]).rows
    (row,) = figures.table(counts, []).rows
    assert (row.complaints, row.customers, row.resolved, row.resolution_95) == (0, 500, 0, 0)


def test_complaints_of_a_region_that_has_left_count_and_leave_their_groups_without_a_number_of_customers() -> None:
    mine = ComplaintCount(category="NET_SPEED", complaints=2)
    theirs = ComplaintCount(category="BILL_WRONG", complaints=3)
    counts = {"guangdong": {"2026-09": CountComplaintsResponse(customers=500, counts=[mine])}}
    told = [[("2026-09", FormerComplaints(region="sichuan", counts=[theirs]))]] * 2
    left = figures.former_counts(["sichuan", "henan"], told)
    for by, expected in (
        ((), [(8, 0, None)]),
        ((figures.REGION,), [(2, 500, 40.0), (6, 0, None)]),
        ((figures.CATEGORY,), [(6, 0, None), (2, 500, 40.0)]),
    ):
        rows = figures.table({**counts, **left}, by, left).rows
        assert [(row.complaints, row.customers, per_customers(row)) for row in rows] == expected


def test_groupings_name_known_dimensions_once() -> None:
    region, month = figures.REGION, figures.MONTH
    figures.require_groupings([ComplaintGrouping(by=[region, month]), ComplaintGrouping()])
    for wrong in (
        [],
        [ComplaintGrouping(by=[region, region])],
        [ComplaintGrouping(by=[UNKNOWN])],
        [ComplaintGrouping()] * 9,
    ):
        with pytest.raises(Refused):
            figures.require_groupings(wrong)


def test_months_are_counted_across_years() -> None:
    assert months_between("2025-11", "2026-02") == ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert months_between("2026-02", "2026-01") == []
    assert month_before("2026-02", 14) == "2024-12"
    for wrong in ("2026-13", "2026-1", "0000-01", "9999-12", "２０２６-01", "2026-01\n"):
        with pytest.raises(Refused):
            require_month("month", wrong)


@given(st.integers(1900 * 12, 2199 * 12), st.integers(0, 40))
def test_months_between_are_as_many_as_were_gone_back(number: int, back: int) -> None:
    month = f"{number // 12:04d}-{number % 12 + 1:02d}"
    between = months_between(month_before(month, back), month)
    assert len(between) == back + 1
    assert all(earlier < later for earlier, later in itertools.pairwise(between))


def test_an_estimated_end_is_counted_and_is_neither_a_duration_nor_in_time_or_late(tx: SqliteTransaction) -> None:
    tx.execute("DELETE FROM complaint_figures")
    for number, is_estimated in enumerate((False, True)):
        filed = Filed("guangdong", "BILL_WRONG", 60, 10, 20, rules.CLOSED, 1, 0, 0, 0, 0, 5, False)
        complaint = filed.complaint(f"guangdong/{number}")
        complaint.state_changes.add(state=rules.RESOLVED, estimated=is_estimated)
        complaint.state_changes.add(state=rules.CLOSED, estimated=True)
        keep_figures(tx, complaint)
    (count,) = counted(tx, "guangdong", "2026-09", 10).counts
    assert (count.complaints, count.ratings) == (2, 2)
    assert (count.timed, count.in_time, count.first_contact, list(count.minutes)) == (1, 0, 1, [20])


def test_the_complaints_of_each_day_are_counted_by_the_time_zone_of_the_region() -> None:
    tally = Tally(ZoneInfo(ZONE))
    before_midnight = datetime(2026, 9, 2, 15, 59, tzinfo=UTC)
    for instant in (before_midnight, before_midnight + timedelta(minutes=1), before_midnight + timedelta(minutes=2)):
        tally.take([figure_rows.Counted("", "", "", "", to_microseconds(instant), None, 0, 0, 0, 0, 0, 0, 0)])
    assert [list(each.days) for each in tally.counts()] == [[0, 1, 2]]
