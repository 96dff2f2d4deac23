"""`region-node reconciliation` and `coordinator reconciliation` against regions that run."""

import json
from zoneinfo import ZoneInfo

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from tests.federation.commands import as_administrator, as_caller, run_command
from tests.federation.counter import Counter
from tests.federation.running import Federation, until

CHINA = ZoneInfo("Asia/Shanghai")


async def said(federation: Federation, region: str, *words: str, code: int = 0, who: str = "staff/wang") -> str:
    """The output of the command, as a member of a region's staff."""
    environment = as_caller(federation, region, who)
    ended = await run_command("region_node.cli.main", "reconciliation", *words, environment=environment)
    assert ended.code == code, ended.err
    return ended.out + ended.err


@pytest.mark.files  # the planted row is one of SQLite's
async def test_a_doubled_booking_is_found_named_and_repaired_by_two_regions(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("PAY", await sichuan.new_customer(), amount="700")
    await guangdong.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)
    federation.database("sichuan").change(
        "INSERT INTO ledger_entries SELECT posting_id || '-again', account, amount, currency, kind, time"
        f" FROM ledger_entries WHERE posting_id = '{order.id}#credit'"
    )
    day = f"{federation.clock.now().astimezone(CHINA):%Y-%m-%d}"

    async def differing(serial: str, region: str = "guangdong", other: str = "sichuan") -> bool:
        await said(federation, region, "compare", other, day)
        return serial in await said(federation, region, "differences", "--with", other)

    await until(lambda: differing(order.id), "the difference is found")
    shown = await said(federation, "guangdong", "differences", "--json")
    [found] = [each for each in json.loads(shown)["differences"] if each["serial"] == order.id]
    assert found["kind"] == "DIFFERENCE_KIND_DOUBLED"
    words = ("sichuan", "order", order.id, "--act", "correct", "--by", "sichuan", "--note", "booked twice")
    told = await said(federation, "guangdong", "propose", *words, "--json")
    repair = json.loads(told)["id"]
    assert json.loads(told)["amount"]["minor_units"] == "-700"
    assert "sichuan" in await said(federation, "guangdong", "confirm", repair, code=1)

    async def has_the_proposal() -> bool:
        return repair in await said(federation, "sichuan", "repairs", "--undecided")

    await until(has_the_proposal, "the other region has the proposal")
    early = await said(federation, "sichuan", "confirm", repair, who="staff/chen", code=1)
    assert "no open difference" in early, "it corrects nothing on the word of the other region"
    await until(lambda: differing(order.id, "sichuan", "guangdong"), "the other region has found it, too")
    await said(federation, "sichuan", "confirm", repair, who="staff/chen")

    async def is_closed() -> bool:
        return not await differing(order.id)

    await until(is_closed, "the next comparison closes it")
    assert order.id in await said(federation, "guangdong", "differences", "--closed")
    assert "done" in await said(federation, "guangdong", "repairs")
    assert day in await said(federation, "guangdong", "days", "--with", "sichuan")
    ended = await run_command("coordinator.cli.main", "reconciliation", environment=as_administrator(federation))
    assert ended.code == 0, ended.err
    assert day in ended.out
