"""`region-node faults` against regions that run: reported at one counter, repaired by staff of another region."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from tests.federation.certificates import FEDERATION
from tests.federation.fault_reporter import CLOSED, RESOLVED, FaultReporter
from tests.federation.running import Federation


async def said(federation: Federation, region: str, who: str, *words: str, code: int = 0) -> str:
    """What the command prints, as somebody of a region."""
    identity = f"region/{region}/{who}"
    environment = {
        **os.environ,
        "CROSSREGION_NODE": federation.endpoint(region),
        "CROSSREGION_CREDENTIALS": str(federation.certificates.credentials(identity).certificate.parent),
        "CROSSREGION_FEDERATION": FEDERATION,
        "CROSSREGION_REGION": region,
    }
    # In a thread: the event loop's own way of starting a process forks, with gRPC's threads at work.
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "region_node.cli.main", "faults", *words],
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )
    assert ended.returncode == code, ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.files  # the commands are the same on either engine
async def test_a_fault_is_followed_from_the_report_to_its_end_by_commands(federation: Federation) -> None:
    number, counter, staff = federation.next_number("sichuan"), "operator/counter", "staff/wang"
    clerk, desk = ("--staff-id", "4711"), FaultReporter(federation, "guangdong")
    place = ("--number", number, "--site", "zhengzhou", "--severity", "major")
    told = await said(federation, "guangdong", counter, "report", "不能上网", *place, *clerk, "--json")
    fault_id = json.loads(told)["id"]
    await FaultReporter(federation, "henan", staff).is_taken(fault_id)
    assert fault_id in await said(federation, "henan", staff, "list", "--number", number)
    for step in (
        ("take-up",),
        ("triage", "mode=visit", "advice=关机再开机"),
        ("assign", "engineer=li"),
        ("name-part", "name=ONU", "price=12000 CNY"),
    ):
        await said(federation, "henan", staff, "work", fault_id, *step)
    await desk.follows(fault_id, lambda each: bool(each.repair.parts), "the price is known")
    await said(federation, "guangdong", counter, "respond", fault_id, "--accept-part", "1", *clerk)
    await said(federation, "henan", staff, "work", fault_id, "resolve", "cause=cable", "text=重新熔接")
    await desk.reaches(fault_id, RESOLVED)
    await said(federation, "guangdong", counter, "respond", fault_id, "--rate", "5", "4", "3", *clerk)
    assert "review" in await said(federation, "henan", staff, "work", fault_id, "close", code=1)
    review = ("summary=光缆裸露", "measure=深埋;li;2999-12-31")
    await said(federation, "henan", staff, "work", fault_id, "close", *review)
    await desk.reaches(fault_id, CLOSED)
    shown = await said(federation, "guangdong", counter, "show", fault_id, *clerk)
    for words in ("不能上网", "Cause: cable", "engineer li", "120.00 CNY", "accepted", "Measure: 深埋", "closed"):
        assert words in shown, words
    chinese = await said(federation, "guangdong", counter, "--lang", "zh", "show", fault_id, *clerk)
    assert "改进措施：深埋" in chinese
    assert "one of" in await said(federation, "henan", staff, "work", fault_id, "resolve", "cause=gremlins", code=2)
    await said(federation, "guangdong", counter, "respond", fault_id, *clerk, code=2)
    reason = ("--not-repaired", "又断了")
    assert "in progress" in await said(federation, "guangdong", counter, "respond", fault_id, *reason, *clerk)
    assert "Refused" in await said(federation, "guangdong", counter, "cancel", "guangdong/F1-1", "误报", *clerk, code=1)
