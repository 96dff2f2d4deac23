"""`region-node complaints import` against a running region: its output, its effects, and its dry run."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from deploy.old_complaints import COLUMNS, rows
from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.time.clock import from_microseconds
from tests.federation.commands import as_caller, run_command
from tests.federation.running import Federation
from tests.preloaded import Ended

MAP = Path(__file__).parents[2] / "deploy" / "import" / "old-complaints.yaml"
COUNT = 60
_REFERENCE, _NUMBER, _KIND, _FILED = 0, 1, 3, 8  # columns of the sample


@dataclass(frozen=True)
class Files:
    """A file of complaints, and one of rejects."""

    directory: Path
    federation: Federation

    def sample(self, seed: int, count: int = COUNT) -> list[list[str]]:
        """Lines about numbers and with ticket ids that no other test has."""
        found = [list(row) for row in rows("sichuan", count, seed, self.federation.clock.now())]
        numbers = {row[_NUMBER]: self.federation.next_number("sichuan") for row in found}
        for row in found:
            row[_REFERENCE], row[_NUMBER] = self.federation.next_id(), numbers[row[_NUMBER]]
        return found

    def write(self, lines: Sequence[Sequence[str]]) -> Path:
        """The file of complaints, separated by tabs."""
        path = self.directory / "old.tsv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter="\t").writerows([COLUMNS, *lines])
        return path

    def rejects(self) -> list[dict[str, str]]:
        """The lines of the file of rejects."""
        with (self.directory / "rejects.csv").open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    async def run(self, file: Path, *options: str) -> Ended:
        """The command, as Sichuan's counter."""
        arguments = [str(file), "--map", str(MAP), "--staff-id", "4711", "--patience", "5", *options]
        environment = as_caller(self.federation, "sichuan", "operator/counter")
        return await run_command("region_node.cli.main", "complaints", "import", *arguments, environment=environment)

    def reached(self, first_ticket_id: int) -> list[tuple[int, str, str]]:
        """Level, trigger and time of what complaints reached, from level 2 on, of those from a ticket id on."""
        found = self.federation.database("sichuan").rows(
            "SELECT e.level, e.trigger_code, e.due_time FROM complaint_escalations e"
            " JOIN complaints c ON c.ticket_id = e.ticket_id WHERE c.ticket_number >= ? AND e.level >= 2",
            first_ticket_id,
        )
        return sorted((int(str(level)), _trigger(int(str(code))), _shown(int(str(due)))) for level, code, due in found)

    def next_ticket_id(self) -> int:
        """The number that the next complaint gets."""
        ((last,),) = self.federation.database("sichuan").rows("SELECT COALESCE(MAX(ticket_number), 0) FROM complaints")
        return int(str(last)) + 1


def _trigger(code: int) -> str:
    name = EscalationTrigger.Name(cast("EscalationTrigger.ValueType", code))
    return name.removeprefix("ESCALATION_TRIGGER_")


def _shown(due: int) -> str:
    return from_microseconds(due).isoformat()


@pytest.fixture
def files(tmp_path: Path, federation: Federation) -> Files:
    return Files(tmp_path, federation)


async def test_what_the_clock_would_have_made_of_a_file_is_what_its_import_leaves(files: Files) -> None:
    lines = files.sample(1)
    file, first = files.write(lines), files.next_ticket_id()
    as_of = files.federation.clock.now().isoformat()
    replayed = await files.run(file, "--as-of", as_of, "--json")
    assert replayed.code == 0, replayed.err
    assert files.next_ticket_id() == first
    imported = await files.run(file, "--json")
    assert imported.code == 0, imported.err
    assert [imported.summary[name] for name in ("lines", "done", "created", "rejected")] == [COUNT, COUNT, COUNT, 0]
    told = cast("list[dict[str, str]]", replayed.summary["escalations"])
    assert len(told) > COUNT / 4
    in_utc = sorted((int(each["level"]), each["trigger"], _utc(each["due_time"])) for each in told)
    assert in_utc == files.reached(first)
    levels = cast("list[dict[str, int]]", replayed.summary["levels"])
    assert sum(each["complaints"] for each in levels if each["level"] == 0) == COUNT
    again = await files.run(file, "--json")
    assert (again.code, again.summary["created"], files.next_ticket_id()) == (0, COUNT, first + COUNT)


def _utc(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()


async def test_the_replay_is_shown_as_tables(files: Files) -> None:
    lines = files.sample(2, 20)
    ended = await files.run(files.write(lines), "--as-of", files.federation.clock.now().isoformat(), "--rows", "3")
    assert ended.code == 0, ended.err
    for told in ("month of filing", "ticket id before", "L5", "--rows"):
        assert told in ended.out


async def test_lines_are_taken_in_the_order_of_filing_and_rejected_with_the_place_at_which_they_stand(
    files: Files,
) -> None:
    lines = files.sample(3, 5)[::-1]
    lines[1][_NUMBER] = files.federation.next_number("guangdong")
    lines[1][_KIND] = "费用争议"
    lines[1][_FILED + 1 :] = [""] * len(lines[1][_FILED + 1 :])
    lines[3][_FILED] = "gestern"
    ended = await files.run(files.write(lines), "--rejects", str(files.directory / "rejects.csv"), "--json")
    assert (ended.code, ended.summary["created"]) == (1, 3)
    assert sorted((each["line"], each["reason"]) for each in files.rejects()) == [
        ("3", "COMPLAINT_IMPORT_ELSEWHERE"),
        ("5", "REQUEST_INVALID"),
    ]
    assert all(each["工单编号"] for each in files.rejects())


async def test_an_instant_without_a_zone_is_none(files: Files) -> None:
    ended = await files.run(files.write(files.sample(4, 1)), "--as-of", "2026-11-01T09:00:00")
    assert ended.code == 2
    assert "Not a time with its zone" in ended.err
