"""`region-node customers import` against a region that runs: what it says, what it leaves, and where it goes on."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.federation.commands import as_caller, run_command
from tests.federation.counter import Counter
from tests.federation.running import Federation
from tests.preloaded import Ended

MAP = """
currency: CNY
customer:
  id: {template: "imported-{Number}"}
  name: {column: Name}
  product:
    id: {template: "imported-{Number}/line"}
    number: {column: Number}
    status: active
    plan_id: sichuan-59
    start_time: {column: Since}
  billing_account:
    id: {template: "imported-{Number}/account"}
    balance: {column: Balance}
"""
HEADER = ("Number", "Name", "Since", "Balance")


@dataclass(frozen=True)
class Files:
    """A map, a file of customers and a file of rejects."""

    directory: Path
    federation: Federation

    def write(self, rows: Sequence[Sequence[str]]) -> Path:
        """The file of customers."""
        path = self.directory / "customers.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([HEADER, *rows])
        return path

    def rejects(self) -> list[dict[str, str]]:
        """The lines of the file of rejects."""
        with (self.directory / "rejects.csv").open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    async def run(self, file: Path, *options: str) -> Ended:
        """The command, as Sichuan's counter."""
        map_file = self.directory / "map.yaml"
        map_file.write_text(MAP, "utf-8")
        arguments = [str(file), "--map", str(map_file), "--staff-id", "4711", "--patience", "5", *options]
        environment = as_caller(self.federation, "sichuan", "operator/counter")
        return await run_command("region_node.cli.main", "customers", "import", *arguments, environment=environment)


@pytest.fixture
def files(tmp_path: Path, federation: Federation) -> Files:
    return Files(tmp_path, federation)


def some_rows(federation: Federation, count: int) -> list[list[str]]:
    """Good rows."""
    return [[federation.next_number("sichuan"), "王芳", "2024-05-01", "12.50"] for _ in range(count)]


async def test_a_file_becomes_customers_and_a_repeat_changes_nothing(files: Files, sichuan: Counter) -> None:
    rows = some_rows(files.federation, 600)
    file = files.write(rows)
    first = await files.run(file, "--json")
    assert first.code == 0, first.err
    assert [first.summary[name] for name in ("lines", "done", "created", "rejected")] == [600, 600, 600, 0]
    for row in (rows[0], rows[-1]):
        taken = await sichuan.read(row[0])
        assert (taken.name, taken.billing_account.balance.minor_units) == ("王芳", 1250)
    again = await files.run(file, "--json")
    assert (again.code, again.summary["created"]) == (0, 600)


async def test_lines_that_are_not_taken_are_written_with_number_reason_and_their_cells_and_again_by_a_repeat(
    files: Files,
) -> None:
    rows = some_rows(files.federation, 6)
    rows[1][3] = "much"
    rows[2][0] = files.federation.next_number("guangdong")
    rows[4][1] = ""
    file, rejects = files.write(rows), str(files.directory / "rejects.csv")
    (files.directory / "rejects.csv").touch(mode=0o644)
    ended = await files.run(file, "--rejects", rejects)
    assert (files.directory / "rejects.csv").stat().st_mode & 0o777 == 0o600, "its owner's alone, though it was wider"
    assert ended.code == 1
    told = files.rejects()
    assert [(each["line"], each["reason"]) for each in told] == [
        ("3", "REQUEST_INVALID"),
        ("4", "NOT_HOME"),
        ("6", "REQUEST_INVALID"),
    ]
    assert [[each[name] for name in HEADER] for each in told] == [rows[1], rows[2], rows[4]]
    assert told[0]["en"] == "The field billing_account.balance is not valid: not an amount: much."
    assert "不是有效的金额" in told[0]["zh_cn"]
    again = await files.run(file, "--rejects", rejects, "--lang", "zh")
    assert (again.code, files.rejects()) == (1, told)
    assert told[1]["zh_cn"] in again.out


async def test_a_text_that_acts_is_rejected_and_the_file_of_rejects_is_seen_computes_nothing_and_comes_in_again(
    files: Files, sichuan: Counter
) -> None:
    rows, rejects = some_rows(files.federation, 2), files.directory / "rejects.csv"
    rows[0][1], rows[1][1] = "王\x1b]52;c;cm0=\x07", "=HYPERLINK(1)"
    rows[1][3] = "much"
    ended = await files.run(files.write(rows), "--rejects", str(rejects))
    assert ended.code == 1
    assert [(each["reason"], each["Name"]) for each in files.rejects()] == [
        ("CHARACTER_NOT_ALLOWED", r"王\u001b]52;c;cm0=\u0007"),
        ("REQUEST_INVALID", "'=HYPERLINK(1)"),
    ]
    assert "The field name holds the character U+001B" in ended.out
    mended = [[each[name] for name in HEADER] for each in files.rejects()]
    mended[0][1], mended[1][3] = "王", "12.50"
    assert (await files.run(files.write(mended))).code == 0
    found = [await sichuan.read(row[0]) for row in rows]
    assert [each.name for each in found] == ["王", "=HYPERLINK(1)"]


async def test_a_dry_run_says_what_would_become_of_each_line_and_changes_nothing(files: Files) -> None:
    rows = some_rows(files.federation, 300)
    rows[299][3] = "much"
    file, rejects = files.write(rows), str(files.directory / "rejects.csv")
    count = "SELECT COUNT(*) FROM customers"
    before = files.federation.database("sichuan").rows(count)
    ended = await files.run(file, "--dry-run", "--json", "--rejects", rejects)
    assert (ended.code, ended.summary["created"], ended.summary["rejected"]) == (1, 299, 1)
    assert [each["line"] for each in files.rejects()] == ["301"]
    assert files.federation.database("sichuan").rows(count) == before
    taken = await files.run(file, "--json")
    assert (taken.summary["created"], taken.summary["rejected"]) == (299, 1)


async def test_what_cannot_be_used_is_said_before_anything_is_sent(files: Files) -> None:
    file = files.write(some_rows(files.federation, 1))
    assert (await files.run(files.directory / "nowhere.csv")).code == 2
    unused = await files.run(file, "--numbers", "other=+8619851000000-+8619851000009")
    assert unused.code == 2
    assert "the map asks for no range other" in unused.err
    quoted = files.directory / "quoted.csv"
    quoted.write_text('Number,Name,Since,Balance\n"1,2\n', "utf-8")
    assert (await files.run(quoted)).code == 2


async def test_a_refusal_ends_with_1_and_a_node_that_is_away_with_3(files: Files) -> None:
    file = files.write(some_rows(files.federation, 1))
    away = await files.run(file, "--node", "127.0.0.1:1", "--patience", "0.2")
    assert away.code == 3
    assert "Run the same command again" in away.err
    refused = await files.run(file, "--staff-id", "not a name")
    assert refused.code == 1
    assert "REQUEST_INVALID" in refused.err
