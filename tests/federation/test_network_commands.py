"""`region-node alarms` and `region-node measurements` against a region that runs."""

import asyncio
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from region_node.cli.main import main
from tests.federation.certificates import FEDERATION
from tests.federation.probe import LINK
from tests.federation.running import Federation

pytestmark = pytest.mark.files  # what the commands do with answers is the same on each engine


@dataclass(frozen=True)
class Shell:
    """A user of commands at Sichuan's node."""

    federation: Federation
    directory: Path

    async def run(self, *words: str, by: str = "operator/probe") -> Result:
        """How a command ends."""
        credentials = self.federation.certificates.credentials(f"region/sichuan/{by}")
        environment = {
            "CROSSREGION_NODE": self.federation.endpoint("sichuan"),
            "CROSSREGION_CREDENTIALS": str(credentials.certificate.parent),
            "CROSSREGION_FEDERATION": FEDERATION,
            "CROSSREGION_REGION": "sichuan",
        }
        return await asyncio.to_thread(CliRunner(env=environment).invoke, main, words)

    def table(self, name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
        """A CSV file."""
        path = self.directory / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return str(path)


@pytest.fixture
def shell(federation: Federation, tmp_path: Path) -> Shell:
    return Shell(federation, tmp_path)


@pytest.mark.clause("5.1.2")
async def test_measurements_of_a_table_are_taken_over_once_and_shown(shell: Shell) -> None:
    # By the machine's clock, by which commands ask; noon, so that all of it is of one day.
    now = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    header = ("link", "start_time", "window_seconds", "delay_us", "throughput_kbps")
    rows: list[tuple[object, ...]] = [
        (LINK, (now + timedelta(seconds=number)).isoformat(), 1, 10_000 + number, 2_000_000) for number in range(1500)
    ]
    rows[3] = ("none", now.isoformat(), 1, 5, "")
    rows[1200] = (LINK, "yesterday", 1, 5, "")
    file = shell.table("probes.csv", header, rows)
    rejects = shell.directory / "rejects.csv"
    first = await shell.run("measurements", "import", file, "--rejects", str(rejects), "--json")
    assert first.exit_code == 1
    told = json.loads(first.stdout)
    assert {key: told[key] for key in ("lines", "done", "rejected")} == {"lines": 1500, "done": 1500, "rejected": 2}
    with rejects.open(encoding="utf-8-sig", newline="") as written:
        found = [(each["line"], each["reason"]) for each in csv.DictReader(written)]
    assert found == [("5", "LINK_UNKNOWN"), ("1202", "REQUEST_INVALID")]
    again = await shell.run("measurements", "import", file)
    assert (again.exit_code, "1,500 of 1,500" in again.stdout) == (0, True)
    shown = await shell.run("measurements", "show", LINK, "--by", "day", "--last", "3")
    assert shown.exit_code == 0
    assert "1498" in shown.stdout
    assert "delay: " in shown.stdout
    trend = await shell.run("measurements", "capacity", LINK, "--months", "3")
    assert trend.exit_code == 0
    assert "0.5 %" in trend.stdout
    assert "Too few months" in trend.stdout


async def test_alarms_of_lines_of_json_are_taken_over_listed_and_seen(shell: Shell) -> None:
    now = shell.federation.clock.now().isoformat()
    lines = [
        {
            "external_id": "cut-1",
            "state": "raised",
            "event_time": now,
            "link": LINK,
            "alarm_type": "communications",
            "perceived_severity": "critical",
            "probable_cause": "lossOfSignal",
            "service_affecting": True,
        },
        {"external_id": "cut-2", "state": "cleared", "event_time": now},
        {"external_id": "cut-3", "colour": "red"},
    ]
    file = shell.directory / "alarms.jsonl"
    file.write_text("".join(f"{json.dumps(each)}\n" for each in lines), "utf-8")
    done = await shell.run("alarms", "import", str(file))
    assert done.exit_code == 1
    assert "rejected: 2" in done.stdout
    assert "colour" in done.stdout
    listed = await shell.run("alarms", "list", "--link", LINK, "--json")
    (alarm,) = json.loads(listed.stdout)["alarms"]
    assert alarm["external_id"] == "cut-1"
    seen = await shell.run("alarms", "ack", alarm["id"], by="staff/wang")
    assert seen.exit_code == 0
    assert "wang" in seen.stdout
    refused = await shell.run("alarms", "ack", alarm["id"])
    assert refused.exit_code == 1
    none = await shell.run("alarms", "list", "--unacknowledged", "--severity", "major")
    assert alarm["id"] not in none.stdout
    fault = await shell.run("faults", "report", "--alarm", alarm["id"], "--json", by="staff/wang")
    told = json.loads(fault.stdout)
    assert (told["report"]["place"]["link"], told["severity"]) == (LINK, "FAULT_SEVERITY_CRITICAL")
    assert "There are more" not in (await shell.run("faults", "list", by="staff/wang")).stderr
    await shell.run("faults", "report", "dark", "--link", LINK, by="staff/wang")
    assert "There are more" in (await shell.run("faults", "list", "--limit", "1", by="staff/wang")).stderr
    over = await shell.run("alarms", "clear", alarm["id"], by="staff/wang")
    assert (over.exit_code, "cleared" in over.stdout) == (0, True)
    assert alarm["id"] not in (await shell.run("alarms", "list")).stdout


async def test_what_a_report_may_name_is_found_by_what_people_call_it(shell: Shell) -> None:
    async def found(text: str) -> set[str]:
        told = await shell.run("faults", "places", text, "--json")
        return {value for each in json.loads(told.stdout).get("places", []) for value in each["object"].values()}

    by_name = await found("成都")
    assert {"chengdu", LINK, "broadband-chengdu"} <= by_name
    assert "guangzhou" not in by_name
    assert "xichang" in await found("sichuan"), "by the region"
    assert await found("atlantis") == set()
    shown = await shell.run("faults", "places", "xichang", "--lang", "zh")
    for words in ("西昌", "站点", "农村"):
        assert words in shown.stdout, shown.output


async def test_a_file_to_which_lines_are_added_goes_on_where_it_was_under_its_source(shell: Shell) -> None:
    start, source = datetime.now(UTC) - timedelta(days=40), shell.federation.next_id()
    header = ("link", "start_time", "window_seconds", "delay_us")
    rows = [(LINK, (start + timedelta(minutes=number)).isoformat(), 60, 7_000) for number in range(6)]

    async def sent(text: str) -> Result:
        path = shell.directory / "growing.csv"
        path.write_text(text, "utf-8")
        return await shell.run("measurements", "import", str(path), "--source", source, "--json")

    def kept() -> int:
        sql = "SELECT COALESCE(SUM(measurements), 0) FROM measurement_pieces WHERE stream = ?"
        ((count,),) = shell.federation.database("sichuan").rows(sql, f"measurements probe {source}")
        return int(str(count))

    lines = [",".join(map(str, row)) + "\n" for row in (header, *rows)]
    for text, known in (
        ("".join(lines[:4]), 3),
        ("".join(lines[:5]) + lines[5][:20], 4),  # the last line is still being written
        ("".join(lines), 6),
        ("".join(lines), 6),
    ):
        done = await sent(text)
        assert (done.exit_code, json.loads(done.stdout)["rejected"]) == (0, 0)
        assert kept() == known
    another = await sent("".join(lines[:3]))
    assert (another.exit_code, "another file" in another.stderr) == (2, True)
    assert kept() == 6


async def test_a_file_that_cannot_be_read_is_not_sent(shell: Shell) -> None:
    for name in ("alarms", "measurements"):
        missing = await shell.run(name, "import", str(shell.directory / "none.csv"))
        assert (missing.exit_code, "No such file" in missing.stderr) == (2, True)
    twice = shell.table("twice.csv", ("link", "link"), [("a", "b")])
    told = await shell.run("measurements", "import", twice)
    assert (told.exit_code, "a column stands there twice" in told.stderr) == (2, True)
