"""`region-node quarantine` against a region that runs."""

import json
from datetime import timedelta

import pytest

from gateway.api.region.v1.approval_service_pb2 import ListApprovalsRequest
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.quarantine_service_pb2 import QuarantineState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.store import quarantine
from region_node.business.orders.intake import submission_id
from tests.federation.commands import as_administrator, as_caller, run_command
from tests.federation.counter import Approver, Counter
from tests.federation.running import CALL_SECONDS, Federation, until

WAITING = QuarantineState.QUARANTINE_STATE_WAITING
COLUMNS = (
    "work_id, source, kind, subject, destination, failure, attempts, fail_time, quarantine_time, due_time, is_answered,"
    " state, reference, decider"
)


async def said(
    federation: Federation,
    *words: str,
    who: str = "wang",
    language: str = "en",
    region: str = "sichuan",
    code: int = 0,
) -> str:
    """The output of the command, as a member of a region's staff."""
    environment = as_caller(federation, region, f"staff/{who}", language=language)
    ended = await run_command("region_node.cli.main", "quarantine", *words, environment=environment)
    assert ended.code == code, ended.err
    return ended.out + ended.err


async def confirmed(federation: Federation, region: str) -> None:
    """A second member of staff confirms what waits."""
    approver = Approver(federation, region)
    waiting = await approver.approvals.ListApprovals(ListApprovalsRequest(undecided=True), timeout=CALL_SECONDS)
    for each in waiting.approvals:
        await approver.confirm(each.id)


async def test_staff_look_at_quarantined_timers_and_replay_them_or_give_them_up(federation: Federation) -> None:
    database = federation.database("sichuan")
    for name in ("first", "second"):
        values = f"'timer/{name}', 1, 'settlement-answer', '{name}', '', 'ValueError', 12, 1, 2, 3, 0, 1, '', ''"
        database.change(f"INSERT INTO quarantined_work ({COLUMNS}) VALUES ({values})")
    assert "timer/first" in await said(federation, "list")
    assert "请联系" in await said(federation, "show", "timer/first", language="zh")
    assert "等待处理" in await said(federation, "list", language="zh")
    assert "QUARANTINED_WORK_NOT_FOUND" in await said(federation, "show", "timer/third", code=1)

    await said(federation, "replay", "timer/first")
    failing = "SELECT attempts FROM failed_timers WHERE timer_id = 'first'"

    async def is_tried() -> bool:
        return bool(database.rows(failing))

    await until(is_tried, "the timer has failed again")

    assert "APPROVAL_AWAITED" in await said(federation, "give-up", "timer/second", "INC-1", code=1)
    await confirmed(federation, "sichuan")
    assert "given up" in await said(federation, "give-up", "timer/second", "INC-1")
    assert "QUARANTINED_WORK_DECIDED" in await said(federation, "replay", "timer/second", code=1)
    left = json.loads(await said(federation, "list", "--json"))
    assert "work" not in left
    assert "timer/second" in await said(federation, "list", "--all")
    database.change("DELETE FROM timers WHERE timer_id = 'first'")


@pytest.mark.slow
async def test_an_order_that_its_home_region_can_never_take_waits_for_people_and_is_refused_once_two_give_it_up(
    federation: Federation, guangdong: Counter, sichuan: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "ATTEMPTS", 3)
    monkeypatch.setattr(quarantine, "PATIENCE", timedelta(0))
    number, others = await sichuan.new_customer(), await sichuan.new_customer()
    order = "guangdong/counter/poison"
    name = submission_id(Order(id=order, home_region="sichuan"))
    home, blob = federation.database("sichuan"), federation.database("sichuan").blob(b"not sealed")
    home.change(
        "INSERT INTO inbox (origin, envelope_id, subject, content, signature, receipt_content, receipt_signature,"
        f" received, is_sealed) VALUES ('guangdong', '{name}', '{order}', {blob}, {blob}, {blob}, {blob}, 1, 1)"
    )
    poison = await guangdong.submit(guangdong.request("PAY", number, amount="5000"), request_id="poison", wait=0.0)
    assert poison.id == order

    async def waits() -> bool:
        return federation.database("guangdong").rows("SELECT state FROM quarantined_work") == [(WAITING,)]

    await until(waits, "the envelope waits for people")
    done = await guangdong.order("PAY", others, amount="5000")
    assert done.state == OrderState.ORDER_STATE_COMPLETED
    shown = await said(federation, "show", f"envelope/{name}", region="guangdong")
    assert "INTERNAL" in shown
    trace = await run_command(
        "coordinator.cli.main", "orders", "trace", order, environment=as_administrator(federation)
    )
    assert "waits for people" in trace.out + trace.err

    await said(federation, "replay", f"envelope/{name}", region="guangdong")
    await until(waits, "it has failed again")
    await said(federation, "give-up", f"envelope/{name}", "INC-7", region="guangdong", code=1)
    await confirmed(federation, "guangdong")
    await said(federation, "give-up", f"envelope/{name}", "INC-7", region="guangdong")
    refused = await guangdong.reaches(order, OrderState.ORDER_STATE_REJECTED)
    assert refused.error.reason == Reason.REASON_ENVELOPE_GIVEN_UP


@pytest.mark.slow
async def test_billing_of_several_months_at_once_waits_for_people_and_goes_on_by_their_word(
    federation: Federation, sichuan: Counter
) -> None:
    await sichuan.new_customer()
    await federation.until_billed("sichuan")
    database, months = federation.database("sichuan"), "SELECT period FROM billing_runs WHERE run = 'cycle'"
    before = database.rows(months)
    await federation.advance(timedelta(days=93))

    async def waits() -> bool:
        return "run/billing" in await said(federation, "list")

    await until(waits, "the run waits for people")
    assert database.rows(months) == before
    assert "RUN_TOO_LARGE" in await said(federation, "show", "run/billing")
    assert "定期批次" in await said(federation, "show", "run/billing", language="zh")
    assert "REQUEST_INVALID" in await said(federation, "replay", "run/billing", code=1)
    assert "RUN_NOT_GIVEN_UP" in await said(federation, "give-up", "run/billing", "INC-1", code=1)
    assert "INC-1" in await said(federation, "replay", "run/billing", "INC-1")
    await federation.until_billed("sichuan")
    assert "INC-1" in await said(federation, "show", "run/billing")
