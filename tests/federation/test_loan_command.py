"""`region-node resources` and `region-node loans` against regions that run."""

import json
from datetime import timedelta

import pytest

from region_node.care.loans.rules import IN_USE, LENT
from tests.federation.commands import as_administrator, as_caller, run_command
from tests.federation.loan_staff import LoanStaff
from tests.federation.running import Federation

pytestmark = pytest.mark.files  # the commands are the same on either engine


async def said(federation: Federation, region: str, *words: str) -> str:
    """The output of the command, as a member of a region's staff."""
    ended = await run_command("region_node.cli.main", *words, environment=as_caller(federation, region, "staff/wang"))
    assert ended.code == 0, ended.err
    return ended.out


@pytest.mark.clause("10.3(3)")
async def test_a_loan_is_followed_from_its_request_to_its_return_by_commands(federation: Federation) -> None:
    south = LoanStaff(federation, "guangdong")
    entered = ("--kind", "test-equipment", "--title", "OTDR", "--site", "chengdu", "--quantity", "2")
    await said(federation, "sichuan", "resources", "add", "otdr-command", *entered)
    assert "otdr-command" in await said(federation, "guangdong", "resources", "find", "--kind", "test-equipment")
    start, end, later = ((federation.clock.now() + timedelta(days=each)).isoformat() for each in (1, 3, 5))
    words = ("sichuan", "otdr-command", "--from", start, "--until", end, "--purpose", "抢修", "--quantity", "2")
    loan = json.loads(await said(federation, "guangdong", "loans", "request", *words, "--json"))["id"]
    await south.follows(loan, lambda each: each.version > 0, "taken")
    await said(federation, "sichuan", "loans", "lend", loan, "--quantity", "1")
    await south.follows(loan, lambda each: each.state == LENT, "lent")
    await said(federation, "guangdong", "loans", "receive", loan)
    await said(federation, "guangdong", "loans", "prolong", loan, "--until", later)
    await south.follows(loan, lambda each: each.state == IN_USE, "in use")
    assert loan in await said(federation, "guangdong", "loans", "list", "--state", "inUse")
    administrator = as_administrator(federation)
    overseen = await run_command("coordinator.cli.main", "resources", "--json", environment=administrator)
    shared = json.loads(overseen.out)["resources"]
    (lent,) = [each for each in shared if each.get("resource", {}).get("id") == "otdr-command"]
    assert [(each["loan_id"], each["region"]) for each in lent["uses"]] == [(loan, "guangdong")]
    assert [each["quantity"] for each in lent["free"]] == [1, 2]
    shown = await run_command("coordinator.cli.main", "resources", environment=administrator)
    assert "otdr-command" in shown.out
    await said(federation, "guangdong", "loans", "return", loan, "--note", "顺丰")
    await said(federation, "sichuan", "loans", "confirm-return", loan, "--damaged", "屏幕破裂")
    assert "屏幕破裂" in await said(federation, "sichuan", "loans", "show", loan)
    await said(federation, "sichuan", "resources", "remove", "otdr-command")
    assert "otdr-command" not in await said(federation, "sichuan", "resources", "list")
