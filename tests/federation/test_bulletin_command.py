"""`region-node bulletins` and `coordinator bulletins` against regions that run."""

import json
from datetime import timedelta

import pytest

from tests.federation.bulletin_staff import BulletinStaff
from tests.federation.commands import as_administrator, as_caller, run_command
from tests.federation.running import Federation

pytestmark = pytest.mark.files  # the commands are the same on either engine
TEXTS = ("--title-zh", "割接", "--title-en", "cut-over", "--text-zh", "今夜零点", "--text-en", "tonight")


async def said(federation: Federation, region: str, *words: str, code: int = 0) -> str:
    """The output of the command, as a member of a region's staff."""
    environment = as_caller(federation, region, "staff/wang")
    ended = await run_command("region_node.cli.main", "bulletins", *words, environment=environment)
    assert ended.code == code, ended.err
    return ended.out + ended.err


@pytest.mark.clause("10.3(3)")
async def test_a_bulletin_is_published_read_and_withdrawn_by_commands(federation: Federation) -> None:
    end = (federation.clock.now() + timedelta(days=1)).isoformat()
    words = ("publish", "--severity", "urgent", *TEXTS, "--until", end)
    told = await said(federation, "guangdong", *words, "--to", "sichuan:wang,li", "--json")
    bulletin = json.loads(told)["id"]
    await BulletinStaff(federation, "sichuan").has(bulletin)
    assert bulletin in await said(federation, "sichuan", "list", "--unread")
    assert "tonight" in await said(federation, "sichuan", "read", bulletin)
    assert "今夜零点" in await said(federation, "sichuan", "--lang", "zh", "read", bulletin)
    assert "li" in await said(federation, "sichuan", "readers", bulletin)
    assert "withdrawn" in await said(federation, "guangdong", "withdraw", bulletin)
    assert "zone" in await said(federation, "guangdong", *words[:-1], "x", code=2)


async def test_an_administrator_publishes_a_bulletin_and_sees_its_readers_by_commands(federation: Federation) -> None:
    end = (federation.clock.now() + timedelta(days=1)).isoformat()

    async def administered(*words: str) -> str:
        environment = as_administrator(federation)
        ended = await run_command("coordinator.cli.main", "bulletins", *words, environment=environment)
        assert ended.code == 0, ended.err
        return ended.out

    words = ("--through", "henan", "--severity", "information", *TEXTS, "--until", end, "--to", "sichuan:li", "--json")
    bulletin = json.loads(await administered("publish", *words))["bulletin"]["id"]
    assert bulletin in await administered("list")
    shown = json.loads(await administered("readers", bulletin, "--json"))
    assert [(each["region"], each["missing_staff_ids"]) for each in shown["readers"]] == [("sichuan", ["li"])]
