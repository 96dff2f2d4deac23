"""`region-node issues` and `coordinator issues` against regions that run."""

import json
from datetime import timedelta

import pytest

from tests.federation.commands import as_administrator, as_caller, run_command
from tests.federation.issue_staff import CLOSED, DECIDED, IssueStaff
from tests.federation.running import Federation

pytestmark = pytest.mark.files  # the commands are the same on either engine


async def said(federation: Federation, region: str, *words: str, code: int = 0) -> str:
    """The output of the command, as a member of a region's staff."""
    environment = as_caller(federation, region, "staff/wang")
    ended = await run_command("region_node.cli.main", "issues", *words, environment=environment)
    assert ended.code == code, ended.err
    return ended.out + ended.err


async def administered(federation: Federation, *words: str) -> str:
    """The output of `coordinator issues`, as an administrator."""
    environment = as_administrator(federation)
    ended = await run_command("coordinator.cli.main", "issues", *words, environment=environment)
    assert ended.code == 0, ended.err
    return ended.out


@pytest.mark.clause("10.3(4)")
async def test_an_issue_is_followed_from_its_opening_to_its_end_by_commands(federation: Federation) -> None:
    south, due = IssueStaff(federation, "guangdong"), (federation.clock.now() + timedelta(days=3)).isoformat()
    words = ("账单不一致", "--description", "截止时间不同", "--owner", "sichuan", "--due", due)
    opened = await said(federation, "guangdong", "open", *words, "--link", "complaint:guangdong/20261210-17", "--json")
    issue = json.loads(opened)["id"]
    await south.is_taken(issue)
    await said(federation, "sichuan", "take-up", issue)
    await said(federation, "guangdong", "note", issue, "文件到了两次")
    await said(federation, "sichuan", "add-helper", issue, "henan")
    await said(federation, "sichuan", "decide", issue, "以回执为准", "--action", f"guangdong,li,{due},核对账单")
    await said(federation, "sichuan", "add-action", issue, f"sichuan,wang,{due},通知各方")
    await south.reaches(issue, DECIDED)
    assert issue in await said(federation, "guangdong", "list", "--state", "decided")
    assert "Refused" in await said(federation, "sichuan", "close", issue, code=1)
    assert issue in await administered(federation, "list")
    await said(federation, "guangdong", "escalate", issue, "意见不一")
    await said(federation, "guangdong", "report", issue, "1", "已核对", "--finished")
    await said(federation, "sichuan", "report", issue, "2", "已通知", "--finished")
    await said(federation, "sichuan", "close", issue)
    await south.reaches(issue, CLOSED)
    shown = await said(federation, "guangdong", "show", issue)
    for each in ("账单不一致", "complaint guangdong/20261210-17", "Decision: 以回执为准", "核对账单", "文件到了两次"):
        assert each in shown, each
    assert "--link" in await said(federation, "guangdong", "open", *words, "--link", "x", code=2)
    assert "REGION,STAFF,DUE,TEXT" in await said(federation, "sichuan", "add-action", issue, "x", code=2)


async def test_an_administrator_opens_and_counts_issues_by_commands(federation: Federation) -> None:
    due = (federation.clock.now() + timedelta(days=3)).isoformat()
    words = ("故障频发", "--description", "边界链路", "--owner", "henan", "--helper", "sichuan", "--due", due)
    issue = json.loads(await administered(federation, "open", *words, "--json"))["issue"]["id"]
    helper = IssueStaff(federation, "sichuan")
    await helper.is_taken(issue)
    counted = json.loads(await administered(federation, "count", "--json"))
    assert {each["region"] for each in counted["regions"]} >= {"guangdong", "sichuan", "henan"}
    withdrawn = await said(federation, "henan", "withdraw", issue, "重复")
    assert "withdrawn" in withdrawn
