"""`region-node agreements` and `planned-outages` against regions that run, in both languages."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf import json_format

from gateway.api.region.v1.agreement_pb2 import Agreement, ServiceOutage
from tests.federation.agreements import Agreements, month_of
from tests.federation.commands import as_caller, run_command
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.running import Federation, running

HOUR = timedelta(hours=1)
pytestmark = pytest.mark.files  # what a command prints is the same on each engine


async def said(
    federation: Federation, region: str, *words: str, language: str = "en", with_errors: bool = False
) -> str:
    """The output of a successful command for a member of a region's staff."""
    environment = as_caller(federation, region, "staff/chen", language=language)
    ended = await run_command("region_node.cli.main", *words, environment=environment)
    assert ended.code == 0, ended.err
    return ended.out + (ended.err if with_errors else "")


async def test_an_agreement_is_made_listed_and_its_statement_shown_line_by_line(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases, ["guangdong", "sichuan"]) as federation:
        number, month = await Counter(federation, "guangdong").new_customer(), month_of(federation)
        terms = ("--service", "lines-chengdu-zhengzhou", "--template", "leased-line", "--charge", "100000")
        made = json.loads(await said(federation, "guangdong", "agreements", "create", number, *terms, "--json"))
        assert made["monthly_charge"] == {"minor_units": "100000", "currency": "CNY"}
        assert made["id"] in await said(federation, "guangdong", "agreements", "list", "--number", number)
        assert "There are more" not in await said(federation, "guangdong", "agreements", "list", with_errors=True)
        other = await Counter(federation, "guangdong").new_customer()
        await Agreements(federation, "guangdong").make(other)
        some = await said(federation, "guangdong", "agreements", "list", "--limit", "1", with_errors=True)
        assert "There are more" in some
        agreement = Agreements(federation, "guangdong")
        await federation.advance(timedelta(days=2))
        ends = federation.clock.now()
        noting = ("agreements", "note-outage", "lines-chengdu-zhengzhou", "--end", ends.isoformat())
        start = (ends - 10 * HOUR).isoformat()
        outage = json_format.ParseDict(
            json.loads(await said(federation, "sichuan", *noting, "--start", start, "--json")), ServiceOutage()
        )
        await agreement.knows(outage)
        own = ("--start", (ends - HOUR).isoformat(), "--cause", "customer", "--agreement", made["id"])
        assert "Noted as guangdong/noted/chen/" in await said(federation, "guangdong", *noting, *own)
        await federation.advance(timedelta(days=30))
        listing = ("agreements", "list", "--number", number, "--json")
        (known,) = json.loads(await said(federation, "guangdong", *listing))["agreements"]
        await agreement.has_stated(Agreement(id=known["id"]), month)
        told = await said(federation, "guangdong", "agreements", "statement", made["id"], month)
        assert "10:00:00" in told
        assert outage.source in told
        assert "-1:00:00" in told, "the customer's own, of a service that other regions run"
        assert "20 %" in told
        assert f"Posted as {made['id']}/{month}#credit." in told
        chinese = await said(federation, "guangdong", "agreements", "statement", made["id"], month, language="zh")
        assert "可用率" in chinese
        assert "中断时间" in chinese


async def test_a_planned_outage_is_announced_moved_cancelled_and_listed(databases: Databases, tmp_path: Path) -> None:
    async with running(tmp_path, databases, ["sichuan"]) as federation:
        begins = federation.clock.now() + timedelta(days=4)
        window = ("--start", begins.isoformat(), "--end", (begins + HOUR).isoformat())
        announcing = ("planned-outages", "announce", "--link", "chengdu-guangzhou-1", *window, "--json")
        made = json.loads(await said(federation, "sichuan", *announcing))["planned_outage"]
        assert made["services"] == ["lines-chengdu-guangzhou"]
        later = ("--start", (begins + HOUR).isoformat(), "--end", (begins + 2 * HOUR).isoformat())
        told = await said(federation, "sichuan", "planned-outages", "change", made["id"], *later)
        assert (made["id"] in told, "announced" in told) == (True, True)
        listed = await said(federation, "sichuan", "planned-outages", "list", language="zh")
        assert (made["id"] in listed, "已公告" in listed) == (True, True)
        assert "cancelled" in await said(federation, "sichuan", "planned-outages", "cancel", made["id"])
        assert made["id"] not in await said(federation, "sichuan", "planned-outages", "list")
        assert made["id"] in await said(federation, "sichuan", "planned-outages", "list", "--all")
