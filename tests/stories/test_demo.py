"""The demo as people run it: a process that starts four others, tells its story, and cleans up after itself."""

import asyncio
import html
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from deploy.demo import ending
from deploy.demo.stage import Stage
from tests.engines import ETCD, POSTGRESQL, require_engine
from tests.stories.commands import running

SECONDS = 300  # a busy machine needs many times the usual ten seconds
SERVES = re.compile(r"\b([a-z]+(?:-systems)?(?:-\d)?) on 127\.0\.0\.1:(\d+)")
EMBEDDED = {"coordinator", "guangdong", "sichuan", "henan", "sichuan-systems"}
COORDINATORS = {"coordinator-0", "coordinator-1"}
PRODUCTION = {*COORDINATORS, "guangdong-0", "guangdong-1", "sichuan", "sichuan-systems", "henan", "postgresql"}

TOLD = (
    r"✓ customers loaded +3000 ",
    r"✓ SUSPEND: the line at home +suspended",
    r"✓ RESUME: the line at home +active",
    r"✓ PAY: credited at home +100\.00 CNY",
    r"✓ PLAN_CHANGE: confirmed +inProgress, home region: next-cycle",
    r"✓ zhao\.min returns it for +CONTRACT, ",
    r"✓ businesses of one home region +(\d+)  in this story",
    r"✓ BILL_CORRECTION: the balance again",
    r"✓ BB_INSTALL +completed",
    r"✓ TERMINATE: line and account at home +terminated, 0\.00 CNY",
    r"✓ by her statement, in a colleague's name +PERMISSION_DENIED STAFF_DIFFERS",
    r"✓ li\.na reviews it +PERMISSION_DENIED REVIEWER_IS_SUBMITTER",
    r"✓ cancelled in time +cancelled",
    r"✓ the payment cancelled too late +FAILED_PRECONDITION ORDER_TOO_LATE_TO_CANCEL",
    r"✓ the same payment sent again +guangdong/counter/pay-1",
    r"✓ the same id with another amount +ALREADY_EXISTS REQUEST_ID_REUSED",
    r"✓ MNP_IN .* +FAILED_PRECONDITION BUSINESS_NOT_OFFERED",
    r"✓ the coordinator sees it +henan/counter/suspend-2 REGION_NOT_JOINED",
    r"✓ a payment taken meanwhile +acknowledged, home region: decide",
    r"✓ credited at home +50\.00 CNY",
    r"✓ the answer is kept at home +exit 0",
    r"✓ decided once both run again +JOINT_DECISION_COMMIT",
    r"✓ the line is handed over +completed",
    r"✓ Guangdong's comparison finds +doubled",
    r"✓ the repair, as Guangdong sees it +done",
    r"✓ the line at the new home +active, guangdong-79",
    r"✓ the paper at the new home +ID_ORIG of sichuan",
    r"✓ the agreement at the new home +exit 0",
    r"✓ a payment taken in Henan +completed, guangdong",
    r"✓ the scorecards of all regions, as a page +exit 0",
    r"✓ a signal has raised +certificate/henan, open, 4×4",
    r"✓ it has an owner, a plan and a day +exit 0",
    r"✓ reviewed; the next review +exit 0, certificate/henan, treated, 4×4, later",
    r"✓ the register of risks, as a page +exit 0",
    r"✓ accepted in Sichuan's audit chain +once",
    r"✓ every region's audit chain +exit 0",
    r"✓ audit verify of Sichuan's node +exit 0",
    r"order submit guangdong → sichuan",
    r"✓ a case of two work items +henan, sichuan",
    r"✓ Henan returns it, and passes it to nobody +exit 0, the coordinator",
    r"✓ the administrator assigns it +exit 0, guangdong, by admin/root",
    r"✓ Guangdong says nothing for a day: its item +L2 within 5 s",
    r"✓ the customer refuses it +inProgress, L2; Sichuan's item inProgress, L2",
    r"✓ three quarters of its time are over +L3 within 5 s",
    r"✓ its time is over +L4 within 5 s",
    r"✓ the refund, booked at home once +57\.60 CNY",
    r"✓ its time sums to the whole",
    r"✓ the bill of the month, after the refund +Money for a complaint 57\.60 CNY, Balance paid out -57\.60 CNY",
    r"✓ the escalation recipients were told of each level +each once",
    r"and is late by \d",
    r"✓ the coordinator finds what it is +1 problem of 2 alarms, link chengdu-guangzhou-1",
    r"✓ home regions count their customers +guangdong 1, sichuan 1",
    r"因网络故障，您使用的业务可能受到影响（成都至广州专线）",
    r"✓ told by Guangdong, the home region +once",
    r"✓ told by Sichuan, the home region +once",
    r"✓ a fault reported in Guangdong +repaired by sichuan, the same problem, chengdu-guangzhou-1",
    r"✓ and a complaint, attached at home +guangdong/",
    r"✓ the way round it +exit 0, another way from chengdu to guangzhou",
    r"✓ zhao\.min repairs and closes it +resolved; exit 0, closed, reviewed with 1 measure",
    r"✓ all alarms are over: the problem +resolved",
    r"✓ the month's statement +exit 0, 5 h down by sichuan/fault/guangdong/F\d+-\d+, 10 %",
    r"✓ the credit, booked at home once +([\d.]+ CNY), an hour later \1, revision 1",
    r"您的号码已停机保号",
)

pytestmark = pytest.mark.timeout(2 * SECONDS)


@contextmanager
def demo(directory: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A running demo; ended, with all that it started, when the test leaves."""
    told_by = {**os.environ, "KEEP": "", **environment}
    with running(["deploy.demo"], directory, told_by, SECONDS) as process:
        yield process


def told(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate()
    return output


async def signed_in_by(link: str, page: str) -> str:
    """A page of the console to which a link of the demo leads a browser without a certificate."""
    async with browser() as person:
        way = await person.get(link)
        (onward,) = re.findall(r'href="(https://[^"]*/authorize[^"]*)"', await way.text())
        back = await person.get(html.unescape(onward))
        assert back.status == HTTPStatus.OK, await back.text()
        return await (await person.get(back.url.join(URL(page)))).text()


async def status_of(link: str) -> int:
    """The status of the answer to a new browser."""
    async with browser() as person:
        return (await person.get(link)).status


def browser() -> aiohttp.ClientSession:
    """A browser whose person goes on past the warnings about authorities."""
    jar = aiohttp.CookieJar(unsafe=True)  # also of addresses without a name
    return aiohttp.ClientSession(cookie_jar=jar, connector=aiohttp.TCPConnector(ssl=False))


def serving(output: str, expected: set[str] = EMBEDDED) -> dict[str, bool]:
    """The processes in the story's output that still listen."""
    ports = {name: int(port) for name, port in SERVES.findall(output)}
    assert set(ports) == expected, output
    return {name: _listens(port) for name, port in ports.items()}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_on_the_production_shape_one_of_each_kind_is_killed_and_the_story_goes_as_expected(tmp_path: Path) -> None:
    require_engine(ETCD)
    require_engine(POSTGRESQL)
    directory = tmp_path / "demo"
    with demo(directory, PROFILE="production") as process:
        output = told(process)
        assert process.returncode == 0, output
    assert "✗" not in output
    assert re.search(r"^All \d+ steps went as expected", output, re.MULTILINE), output
    for seen in (
        r"✓ paid without the leader in etcd +completed",
        r"✓ paid without coordinator-0 +completed",
        r"✓ paid without guangdong-0 +completed",
        r"✓ a payment without the database +UNAVAILABLE STORE_UNAVAILABLE",
        r"✓ the same request again +completed",
        r"✓ credited at home, four payments in all +40\.00 CNY",
        r"✓ accepted in Sichuan's audit chain +once",
        r"✓ audit verify of Sichuan's node +exit 0",
    ):
        assert re.search(seen, output), f"not told: {seen}\n{output}"
    assert not any(serving(output, PRODUCTION | {"etcd-0", "etcd-1", "etcd-2"}).values())
    assert not (directory / "pids").exists()


@pytest.mark.long("the demo is a story of a minute, and every line of the README is pasted")
def test_the_story_goes_as_expected_and_kept_running_it_does_what_it_prints_and_stops_when_told(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    with demo(directory, KEEP="1") as process:
        output = told(process)
        assert process.returncode == 0, output
        assert "✗" not in output
        assert re.search(r"^All \d+ steps went as expected", output, re.MULTILINE), output
        for seen in TOLD:
            assert re.search(seen, output), f"not told: {seen}\n{output}"
        assert all(serving(output).values())
        printed = output.partition("It keeps running")[2].splitlines()
        lines = [line for line in printed if line.startswith((". ", "region-node ", "coordinator "))]
        assert len(lines) > 10
        pasted = subprocess.run(
            ["/bin/sh", "-e", "-c", "\n".join(lines)],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
        assert pasted.returncode == 0, pasted.stderr
        assert '"id": "guangdong/counter/mine-1"' in pasted.stdout
        assert '"state": "ORDER_STATE_COMPLETED"' in pasted.stdout
        assert "is whole" in pasted.stdout
        administrator, member = [line for line in printed if "/link/" in line]
        (record,) = [line for line in printed if "shared-record" in line]
        read = asyncio.run(signed_in_by(member, record))
        assert ('"person">zhao.min<' in read, "by the grant guangdong/" in read) == (True, True), read
        board = asyncio.run(signed_in_by(administrator, "/console/board"))
        assert '"person">root<' in board
        assert asyncio.run(status_of(member)) == HTTPStatus.GONE, "a link counts once"
        (stop,) = [line for line in printed if line.startswith("sh ")]
        subprocess.run(stop, shell=True, cwd=tmp_path, check=True, timeout=SECONDS)
        assert not any(serving(output).values())
        assert not (directory / "pids").exists()
        assert (directory / "data" / "sichuan" / "region-node.sqlite").is_file()


@pytest.mark.slow
def test_interrupted_it_stops_what_it_started(tmp_path: Path) -> None:
    with demo(tmp_path / "demo") as process:
        assert process.stdout is not None
        begun = ""
        for line in process.stdout:
            begun += line
            if "joined over mTLS" in line:
                break
        process.send_signal(signal.SIGINT)
        output = begun + told(process)
        assert process.returncode == 130, output
        assert "Traceback" not in output
        assert not any(serving(output).values())


def test_a_directory_that_holds_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me", "utf-8")
    with demo(tmp_path) as process:
        output = told(process)
        assert process.returncode == 1
    assert "nothing was touched" in output
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_one_step_that_went_otherwise_is_named_and_spoils_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage()
    stage.check("the first step", "done", "done")
    assert ending.verdict(stage, seconds=1.0)
    stage.check("the second step", "done", "lost")
    assert not ending.verdict(stage, seconds=1.0)
    last = capsys.readouterr().out.splitlines()[-1]
    assert "the second step: expected done; seen lost" in last
