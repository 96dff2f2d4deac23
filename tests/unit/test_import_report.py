"""The progress output of an import, and the file of rejected lines."""

import csv
from pathlib import Path

import click
import pytest

from gateway.api.region.v1.complaint_import_service_pb2 import ImportComplaintsResponse
from gateway.api.region.v1.customer_service_pb2 import ImportCustomersResponse, RejectedLine
from gateway.api.types.v1.reason_pb2 import Reason
from region_node.cli.complaints.replay_report import ReplayReport
from region_node.cli.imports.import_report import ImportReport
from region_node.cli.imports.line_file import Line, LineFile


def opened(path: Path, *rows: tuple[str, ...]) -> LineFile:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return LineFile(path, "utf-8-sig", ",", b"")


def report(file: LineFile, rejects: Path | None, *done: int) -> ImportReport[str, ImportCustomersResponse]:
    """A run in which the node was that far, one answer after the other."""
    found = ImportReport[str, ImportCustomersResponse](file, rejects)
    with found:
        found.begin(ImportCustomersResponse(last_line=done[0], rejected_total=1))
        for last_line in done[1:]:
            found.count(ImportCustomersResponse(last_line=last_line, rejected_total=1))
        for number, cells in file.rows():
            told = RejectedLine(number=number, reason=Reason.REASON_NUMBER_INVALID)
            found.reject(Line(number, number, cells, None), told)
    return found


def test_a_run_that_had_nothing_to_do_tells_no_rate(tmp_path: Path) -> None:
    file = opened(tmp_path / "old.csv", ("id", "number"), ("7", "x"))
    worked, again = report(file, None, 0, 2), report(file, None, 2)
    assert "earlier run" not in worked.summary()
    assert worked.plain()["per_second"]
    assert ("a second" in again.summary(), "done by an earlier run" in again.summary()) == (False, True)
    assert again.plain()["per_second"] is None


def test_lines_that_are_rejected_again_have_the_reason_once(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    report(opened(tmp_path / "old.csv", ("id", "number"), ("7", "x")), first, 0, 2)
    report(LineFile(first, "utf-8-sig", ",", b""), second, 0, 2)
    assert second.read_bytes() == first.read_bytes()
    assert first.read_text("utf-8-sig").splitlines()[0] == "line,reason,zh_cn,en,id,number"


def test_the_lines_that_were_not_taken_are_never_written_over_the_file_itself(tmp_path: Path) -> None:
    file = opened(tmp_path / "old.csv", ("id", "number"), ("7", "x"))
    before = file.path.read_bytes()
    with pytest.raises(click.UsageError, match="FILE itself"):
        ImportReport[str, ImportCustomersResponse](file, tmp_path / ".." / tmp_path.name / "old.csv")
    assert file.path.read_bytes() == before


def test_a_replay_calls_nothing_new(tmp_path: Path) -> None:
    with ReplayReport(opened(tmp_path / "old.csv", ("id", "number"), ("7", "x")), None, 5) as replayed:
        replayed.begin(ImportComplaintsResponse())
        replayed.count(ImportComplaintsResponse(last_line=2, created=1))
    assert "looked at: 1" in replayed.summary()
    assert not {"new", "content"} & {*replayed.summary().replace(":", " ").split()}
    assert replayed.plain()["looked_at"] == 1
    assert not {"created", "existing"} & {*replayed.plain()}
