"""`region-node support`, `experts` and `spares` against regions that run."""

import json
from datetime import timedelta

import pytest

from tests.federation.commands import as_caller, run_command
from tests.federation.running import Federation
from tests.federation.support_staff import CLOSED, LINK, RESOLVED, SERVICE, SupportStaff


async def said(federation: Federation, region: str, *words: str, code: int = 0, who: str = "staff/wang") -> str:
    """The output of the command, as a caller of a region."""
    ended = await run_command("region_node.cli.main", *words, environment=as_caller(federation, region, who))
    assert ended.code == code, ended.err
    return ended.out + ended.err


@pytest.mark.files  # the commands are the same on either engine
@pytest.mark.clause("9.1(3)")
async def test_a_support_request_is_followed_from_its_opening_to_its_end_by_commands(federation: Federation) -> None:
    number, now = federation.next_number("sichuan"), federation.clock.now()
    south = SupportStaff(federation, "guangdong")
    window = f"{(now - timedelta(hours=1)).isoformat()},{now.isoformat()}"
    words = ("专线卡顿", "--description", "从九点起", "--number", number, "--service", SERVICE, "--staff-id", "4711")
    measured = ("--measured", f"{LINK},250000,300,5000,{window}")
    counter = "operator/counter"
    told = await said(federation, "guangdong", "support", "open", *words, *measured, "--json", who=counter)
    support_id = json.loads(told)["id"]
    assert json.loads(told)["owner_region"] == "sichuan"
    await south.is_taken(support_id)
    await said(federation, "sichuan", "support", "take-up", support_id)
    await said(federation, "guangdong", "support", "note", support_id, "客户十点再试")
    assert "Refused" in await said(federation, "sichuan", "support", "close", support_id, code=1)
    await said(federation, "sichuan", "support", "resolve", support_id, "更换光缆")
    await south.reaches(support_id, RESOLVED)
    assert support_id in await said(federation, "sichuan", "support", "list", "--state", "resolved")
    await said(federation, "guangdong", "support", "close", support_id)
    await south.reaches(support_id, CLOSED)
    shown = await said(federation, "guangdong", "support", "show", support_id)
    for each in (
        "专线卡顿",
        "从九点起",
        f"{LINK} breaches its share the most: delay 250,000 µs",
        "客户十点再试",
        "更换光缆",
    ):
        assert each in shown, each
    chinese = await said(federation, "guangdong", "support", "--lang", "zh", "show", support_id)
    assert "超出其份额最多" in chinese
    assert "--measured" in await said(federation, "guangdong", "support", "open", *words, "--measured", "x", code=2)


@pytest.mark.files  # the commands are the same on either engine
async def test_experts_and_spares_are_kept_and_found_by_commands(federation: Federation) -> None:
    await said(federation, "sichuan", "experts", "add", "zhao", "--skill", "optical-transport", "--site", "chengdu")
    spare = ("SFP-10G-LR", "--model", "10G optical module", "--site", "chengdu", "--count", "12")
    await said(federation, "sichuan", "spares", "add", *spare)
    found = await said(
        federation,
        "guangdong",
        "experts",
        "find",
        "--skill",
        "optical-transport",
        "--site",
        "chengdu",
        "--staff-id",
        "wang",
        "--json",
    )
    assert [each["staff_id"] for each in json.loads(found)["experts"]] == ["zhao"]
    assert "10G optical module" in await said(federation, "guangdong", "spares", "find", "--model", "optical")
    assert "zhao" in await said(federation, "sichuan", "experts", "list")
    assert "zhao" not in await said(federation, "guangdong", "experts", "list")
    await said(federation, "sichuan", "experts", "remove", "zhao")
    assert "Refused" in await said(federation, "sichuan", "experts", "remove", "zhao", code=1)
