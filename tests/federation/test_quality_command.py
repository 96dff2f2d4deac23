"""`coordinator quality` and `region-node quality` against regions that run."""

import json
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from tests.federation.commands import as_administrator, as_caller, run_command
from tests.federation.counter import Counter
from tests.federation.running import Federation

CHINA = ZoneInfo("Asia/Shanghai")


@pytest.mark.files  # the counting on both engines is that of tests/contract/test_quality.py
@pytest.mark.clause("12.2")
async def test_administrators_and_staff_see_the_same_scorecard_and_a_page_of_it(
    federation: Federation, guangdong: Counter, sichuan: Counter, tmp_path: Path
) -> None:
    order = await guangdong.order("PAY", await sichuan.new_customer(), amount="700")
    await guangdong.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)
    month = f"{federation.clock.now().astimezone(CHINA):%Y-%m}"
    admin, staff = as_administrator(federation), as_caller(federation, "sichuan", "staff/wang", language="zh")
    asked = ("quality", "show", "--month", month)
    told = json.loads((await run_command("coordinator.cli.main", *asked, "--json", environment=admin)).out)
    [card] = [each for each in told["scorecards"] if each["region"] == "sichuan"]
    own = json.loads((await run_command("region_node.cli.main", *asked, "--json", environment=staff)).out)
    in_time = "SCORECARD_FIGURE_ORDERS_IN_TIME"
    [counted] = [each for each in card["figures"] if each["figure"] == in_time]
    assert int(counted["denominator"]) >= 1
    assert [each["figure"] for each in own["scorecard"]["figures"]] == [each["figure"] for each in card["figures"]]
    shown = await run_command("region_node.cli.main", *asked, environment=staff)
    assert "订单按时完成率" in shown.out, shown.err
    shown = await run_command("coordinator.cli.main", *asked, environment=admin)
    assert "Orders in time" in shown.out, shown.err
    page = tmp_path / "quality.html"
    words = ("quality", "report", "--month", month, "--out", f"{page}")
    written = await run_command("coordinator.cli.main", *words, environment=admin)
    assert (written.code, "Orders in time" in page.read_text()) == (0, True), written.err


@pytest.mark.files
async def test_a_month_in_other_words_is_refused_before_anybody_is_asked(federation: Federation) -> None:
    asked = ("quality", "show", "--month", "June")
    ended = await run_command("coordinator.cli.main", *asked, environment=as_administrator(federation))
    assert (ended.code, "YYYY-MM" in ended.err) == (2, True), ended.err


@pytest.mark.files
async def test_a_month_that_has_not_begun_has_no_figures(federation: Federation) -> None:
    month = f"{federation.clock.now() + timedelta(days=62):%Y-%m}"
    admin, staff = as_administrator(federation), as_caller(federation, "sichuan", "staff/wang")
    for program, who in (("coordinator.cli.main", admin), ("region_node.cli.main", staff)):
        ended = await run_command(program, "quality", "show", "--month", month, environment=who)
        assert (ended.code, "the month has not begun" in ended.err) == (1, True), ended.err


@pytest.mark.files
async def test_staff_draw_a_sample_once_and_judge_it(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("PAY", await sichuan.new_customer(), amount="700")
    await guangdong.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)
    month = f"{federation.clock.now().astimezone(CHINA):%Y-%m}"
    staff = as_caller(federation, "sichuan", "staff/wang")

    async def said(*words: str) -> str:
        ended = await run_command("region_node.cli.main", "quality", "samples", *words, environment=staff)
        assert ended.code == 0, ended.err
        return ended.out

    draw = ("draw", "--month", month, "--kind", "orders", "--size", "500", "--request-id", "R-1", "--json")
    sample = json.loads(await said(*draw))
    assert json.loads(await said(*draw)) == sample
    assert order.id in [each["id"] for each in sample["records"]]
    assert order.id in await said("judge", sample["id"], order.id, "--failed", "DOCUMENTS_COMPLETE")
    assert "DOCUMENTS_COMPLETE" in await said("show", sample["id"])
    assert sample["id"] in await said("list")
    assert json.loads(await said(*draw[:5], "--json"))["records"], "the policy has the size"
    audited = federation.database("sichuan").rows("SELECT action FROM audit WHERE actor LIKE '%staff/wang'")
    assert {("DrawSample",), ("JudgeSampledRecord",)} <= set(audited)


@pytest.mark.files
async def test_staff_record_an_action_for_a_figure_and_see_what_came_before(federation: Federation) -> None:
    staff = as_caller(federation, "sichuan", "staff/wang")
    due = f"{federation.clock.now() + timedelta(days=30):%Y-%m-%d}"
    words = ("improve", "repair-time-95", "more spares", "--owner", "OPERATIONS", "--due", due, "--json")
    added = await run_command("region_node.cli.main", "quality", *words, environment=staff)
    assert added.code == 0, added.err
    action = json.loads(added.out)["id"]
    shown = await run_command("region_node.cli.main", "quality", "effect", action, environment=staff)
    assert (shown.code, "not over yet" in shown.out) == (0, True), shown.err
