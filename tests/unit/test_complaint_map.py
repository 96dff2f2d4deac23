"""Maps of complaints: how the cells of a line become a complaint of another system, and in which order lines come."""

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from deploy.old_complaints import COLUMNS, rows
from gateway.api.region.v1.complaint_import_service_pb2 import ImportedComplaint
from gateway.api.region.v1.complaint_pb2 import ComplaintChannel, ComplaintState, Remedy
from gateway.time.clock import from_timestamp
from region_node.cli.complaints.complaint_file import ComplaintFile
from region_node.cli.complaints.complaint_map import ComplaintMap
from region_node.cli.imports.column_map import LineInvalid, MapUnusable

GOOD: Mapping[str, object] = {
    "external_id": {"column": "Id"},
    "category": {"column": "Kind", "table": {"fee": "BILL_WRONG"}, "otherwise": "OTHER"},
    "number": {"column": "Number"},
    "description": {"column": "Text"},
    "channel": "hotline",
    "remedy_sought": "refund",
    "filed_time": {"column": "Filed"},
    "closed_time": {"column": "Closed"},
    "rating": {"column": "Stars", "empty": "0"},
}
HEADER = ("Id", "Kind", "Number", "Text", "Filed", "Closed", "Stars")
LINE = ("7", "fee", "+8619851000001", "too much", "2026-03-02T10:00:00+08:00", "", "")


def written(directory: Path, settings: Mapping[str, object] | None = None, **changes: object) -> Path:
    """A good map with changes; a value of None removes a field."""
    fields = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    path = directory / "map.yaml"
    path.write_text(yaml.safe_dump({**(settings or {}), "complaint": fields}, allow_unicode=True), "utf-8")
    return path


def one(
    directory: Path,
    cells: Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
    **changes: object,
) -> ImportedComplaint:
    """The complaint of one line; `cells` replace those of a good one."""
    line = [(cells or {}).get(name, cell) for name, cell in zip(HEADER, LINE, strict=True)]
    return ComplaintMap(written(directory, settings, **changes)).complaints(HEADER).complaint(line)


def test_columns_constants_and_tables_fill_a_complaint(tmp_path: Path) -> None:
    told = one(tmp_path)
    assert (told.external_id, told.request.number) == ("7", "+8619851000001")
    assert (told.request.category, told.request.description) == ("BILL_WRONG", "too much")
    assert told.request.channel == ComplaintChannel.COMPLAINT_CHANNEL_HOTLINE
    assert told.request.remedy_sought == Remedy.REMEDY_REFUND
    assert one(tmp_path, {"Kind": "something"}).request.category == "OTHER"
    assert one(tmp_path, category="NET_SPEED").request.category == "NET_SPEED"


def test_times_keep_their_zone_and_others_get_that_of_the_map(tmp_path: Path) -> None:
    assert from_timestamp(one(tmp_path).filed_time) == datetime(2026, 3, 2, 2, tzinfo=UTC)
    local = one(tmp_path, {"Filed": "2026-03-02 10:00:00"}, settings={"time_zone": "Europe/Paris"})
    assert from_timestamp(local.filed_time) == datetime(2026, 3, 2, 9, tzinfo=UTC)
    pattern = {"column": "Filed", "as": "%d/%m/%Y %H:%M"}
    told = one(tmp_path, {"Filed": "02/03/2026 10:00"}, filed_time=pattern)
    assert from_timestamp(told.filed_time) == datetime(2026, 3, 2, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("closed", ComplaintState.COMPLAINT_STATE_CLOSED),
        ("Withdrawn", ComplaintState.COMPLAINT_STATE_CANCELLED),
        ("rejected", ComplaintState.COMPLAINT_STATE_REJECTED),
        ("", ComplaintState.COMPLAINT_STATE_UNSPECIFIED),
    ],
)
def test_how_a_complaint_ended_and_where_it_happened_are_told_in_words(
    tmp_path: Path, told: str, expected: ComplaintState.ValueType
) -> None:
    assert one(tmp_path, {"Stars": told}, ended_as={"column": "Stars"}, rating="0").ended_as == expected
    assert one(tmp_path, area="rural").request.rural_area
    assert not one(tmp_path, area="Urban").request.rural_area
    with pytest.raises(LineInvalid, match="not one of"):
        one(tmp_path, area="hills")
    with pytest.raises(LineInvalid, match="not one of"):
        one(tmp_path, ended_as="forgotten")


def test_what_has_not_happened_stays_unset(tmp_path: Path) -> None:
    told = one(tmp_path)
    assert not told.HasField("closed_time")
    assert told.rating == 0
    closed = one(tmp_path, {"Closed": "2026-03-03", "Stars": "4"})
    assert closed.HasField("closed_time")
    assert closed.rating == 4


@pytest.mark.parametrize(
    ("cells", "field"),
    [({"Filed": "yesterday"}, "filed_time"), ({"Stars": "6"}, "rating")],
)
def test_a_line_whose_cells_mean_nothing_is_told_by_its_field(
    tmp_path: Path, cells: Mapping[str, str], field: str
) -> None:
    complaints = ComplaintMap(written(tmp_path)).complaints(HEADER)
    line = [cells.get(name, cell) for name, cell in zip(HEADER, LINE, strict=True)]
    with pytest.raises(LineInvalid) as raised:
        complaints.complaint(line)
    assert raised.value.problem.field == field
    assert raised.value.problem.zh_cn
    with pytest.raises(LineInvalid):
        complaints.complaint(line[:-1])


def test_a_channel_that_the_contract_does_not_know_is_told(tmp_path: Path) -> None:
    with pytest.raises(LineInvalid, match="pigeon"):
        one(tmp_path, channel="pigeon")


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({"filed_time": None}, {}),
        ({"category": {"column": "Nowhere"}}, {}),
        ({"number": {"range": "line"}}, {}),
        ({"rating": {"column": "Stars", "as": "%d"}}, {}),
        ({"shoe_size": "42"}, {}),
        ({}, {"delimiter": "||"}),
        ({}, {"time_zone": "Mars/Olympus"}),
        ({}, {"currency": "CNY"}),
    ],
)
def test_a_map_that_cannot_work_is_refused_before_any_line(
    tmp_path: Path, changes: Mapping[str, object], settings: Mapping[str, object]
) -> None:
    with pytest.raises(MapUnusable):
        ComplaintMap(written(tmp_path, settings=settings, **changes)).complaints(HEADER)


def file_of(directory: Path, name: str, separator: str, filed: Mapping[str, str]) -> ComplaintFile:
    """A file with a line for each id and time of filing."""
    lines = [HEADER, *((reference, *LINE[1:4], time, *LINE[5:]) for reference, time in filed.items())]
    path = directory / name
    path.write_text("".join(separator.join(row) + "\n" for row in lines), "utf-8")
    return ComplaintFile(path, ComplaintMap(written(directory)))


def test_lines_come_in_the_order_of_filing_and_keep_the_place_at_which_they_stand(tmp_path: Path) -> None:
    newest_first = {"c": "2026-03-03", "b": "2026-03-02", "x": "never", "a": "2026-03-01"}
    lines = list(file_of(tmp_path, "old.csv", ",", newest_first).lines())
    assert [(each.number, each.row) for each in lines] == [(2, 4), (3, 5), (4, 3), (5, 2)]
    assert [each.cells[0] for each in lines] == ["x", "a", "b", "c"]
    assert lines[0].problem is not None


def test_cells_of_a_tsv_file_are_separated_by_tabs_unless_the_map_says_otherwise(tmp_path: Path) -> None:
    filed = {"a": "2026-03-01", "b": "2026-03-02"}
    assert file_of(tmp_path, "old.tsv", "\t", filed).header == list(HEADER)
    (first, second) = file_of(tmp_path, "old.tsv", "\t", filed).lines()
    assert first.content is not None
    assert (first.content.external_id, second.row) == ("a", 3)


def test_the_shipped_map_reads_every_line_of_the_made_up_sample(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows("sichuan", 200, 1, datetime(2026, 6, 1, tzinfo=UTC))])
    shipped = Path(__file__).parents[2] / "deploy" / "import" / "old-complaints.yaml"
    lines = list(ComplaintFile(path, ComplaintMap(shipped)).lines())
    assert [each.problem for each in lines] == [None] * 200
    closed = [each.content for each in lines if each.content is not None and each.content.HasField("closed_time")]
    assert 100 < len(closed) < 200
    resolved = [each for each in closed if each.ended_as == ComplaintState.COMPLAINT_STATE_CLOSED]
    assert 0 < len(closed) - len(resolved) < 30
    assert all((each in resolved) == bool(each.cause_code) == each.HasField("resolved_time") for each in closed)
    areas = [each.content.request.rural_area for each in lines if each.content is not None]
    assert 30 < sum(areas) < 90


def test_what_ended_without_a_time_gets_the_estimate_of_the_map(tmp_path: Path) -> None:
    days = {"template": "30", "as": "days_after_filing"}
    told = one(tmp_path, ended_as="closed", estimated_closed_time=days)
    assert told.closed_time_estimated
    assert from_timestamp(told.closed_time) == datetime(2026, 4, 1, 2, tzinfo=UTC)
    column = {"column": "Closed", "as": "%d.%m.%Y"}
    by_date = one(tmp_path, {"Closed": "01.03.2026"}, closed_time=None, ended_as="closed", estimated_closed_time=column)
    assert by_date.closed_time == by_date.filed_time, "not before what is known"
    known = one(tmp_path, {"Closed": "2026-03-03T10:00:00+08:00"}, ended_as="closed", estimated_closed_time=days)
    assert (from_timestamp(known.closed_time).day, known.closed_time_estimated) == (3, False)
    still_open = one(tmp_path, estimated_closed_time=days)
    assert (still_open.HasField("closed_time"), still_open.closed_time_estimated) == (False, False)
    with pytest.raises(LineInvalid, match="not a number of days"):
        one(tmp_path, ended_as="closed", estimated_closed_time={"template": "soon", "as": "days_after_filing"})
    with pytest.raises(MapUnusable):
        one(tmp_path, closed_time={"column": "Closed", "as": "days_after_filing"})


def test_a_line_can_name_the_category_of_what_its_words_leave_open(tmp_path: Path) -> None:
    told = one(tmp_path, {"Kind": ""}, category={"column": "Kind"}, category_otherwise="OTHER")
    assert (told.request.category, told.category_otherwise) == ("", "OTHER")
