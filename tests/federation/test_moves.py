"""A customer moves to another home region for good, while other regions go on with its number."""

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from tests.federation.commands import as_caller, run_command
from tests.federation.counter import Counter, code_in
from tests.federation.running import Federation, until

COMPLETED = OrderState.ORDER_STATE_COMPLETED
STAFF = ("--staff-id", "4711")


async def said(federation: Federation, *words: str, code: int = 0) -> str:
    """The output of a command at the old home."""
    who = as_caller(federation, "sichuan", "operator/counter")
    ended = await run_command("region_node.cli.main", "customers", *words, *STAFF, environment=who)
    assert ended.code == code, ended.out + ended.err
    return ended.out + ended.err


@pytest.mark.files  # the commands are the same on either engine
@pytest.mark.long("eight commands, one after another, and a federation of three regions")
async def test_a_customer_moves_and_what_is_sent_to_the_old_home_arrives_once_at_the_new_one(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    henan = Counter(federation, "henan")
    number = await sichuan.new_customer()
    old_account = (await sichuan.read(number)).billing_account.id
    plan = ("--plan", "guangdong-79")
    await said(federation, "set-contact", number, "--quiet")
    stays = await sichuan.new_customer()
    asked = await said(federation, "move", stays, "--to", "guangdong", *plan, "--request-id", "m0")
    assert "sichuan/counter/m0" in asked
    assert "cancelled" in await said(federation, "cancel-move", "sichuan/counter/m0")
    await said(federation, "move", number, "--to", "guangdong", *plan, "--request-id", "m1")
    wrong = await said(federation, "confirm-move", "sichuan/counter/m1", number, "--code", "000000", code=1)
    assert "code" in wrong
    code = code_in(federation.texts(number)[-1])
    await said(federation, "confirm-move", "sichuan/counter/m1", number, "--code", code)

    async def is_moved() -> bool:
        return "moved" in await said(federation, "moves")

    await until(is_moved, "the old home has given the customer up")
    order = await henan.order("PAY", number)
    done = await henan.reaches(order.id, COMPLETED)
    assert done.home_region == "guangdong"
    sql = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries WHERE account = ?"
    moved = f"{sql} AND kind = 'moved-balance'"
    owed, due, left = (
        int(federation.database(region).rows(asked, account)[0][0] or 0)
        for region, asked, account in (
            ("sichuan", moved, "payable/guangdong"),
            ("guangdong", moved, "receivable/sichuan"),
            ("sichuan", sql, old_account),
        )
    )
    assert (due, left) == (-owed, 0), "both regions have booked the same, and nothing is left in the closed account"
    assert await guangdong.balance(number) == owed + 5000

    async def names_the_new_home() -> bool:
        plan = (await federation.configuration()).number_plan
        return any((each.number, each.region) == (number, "guangdong") for each in plan.exceptions)

    await until(names_the_new_home, "the number plan has its exception")
