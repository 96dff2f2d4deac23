"""`region-node faults` against regions that run: reported at one counter, repaired by staff of another region."""

import json

import pytest

from tests.federation.commands import as_caller, run_command
from tests.federation.fault_reporter import CLOSED, RESOLVED, FaultReporter
from tests.federation.running import Federation


async def said(federation: Federation, region: str, who: str, *words: str, code: int = 0) -> str:
    """The output of the command, as a caller of a region."""
    environment = as_caller(federation, region, who)
    ended = await run_command("region_node.cli.main", "faults", *words, environment=environment)
    assert ended.code == code, ended.err
    return ended.out + ended.err


@pytest.mark.files  # the commands are the same on either engine
@pytest.mark.clause("5.2.4", "6.2(1)")
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
    mistyped = await said(federation, "henan", staff, "work", fault_id, "resolve", "cause=cabel", code=2)
    assert "Did you mean cable?" in mistyped
    await said(federation, "guangdong", counter, "respond", fault_id, *clerk, code=2)
    reason = ("--not-repaired", "又断了")
    assert "in progress" in await said(federation, "guangdong", counter, "respond", fault_id, *reason, *clerk)
    assert "Refused" in await said(federation, "guangdong", counter, "cancel", "guangdong/F1-1", "误报", *clerk, code=1)
